"""Pictures of any size to what the net sees, as a module: data/pictures.py once more, in steps that a graph can hold.

Every step is a product with a matrix of shares: how much each row, or column, of the picture counts in each row of the
result. So nothing in it depends on a size that isn't known before.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from glassnet.data.dataset import Preparation
from glassnet.doors.exporting.sizes import larger, length_of

BENT = -0.5  # of the cubic curve: Keys 1981, "Cubic convolution interpolation"; Pillow has the same
REACH = 2.0  # places on either side that it takes into account
GREY = (19595, 38470, 7471)  # of 65,536: Pillow's share of red, green and blue in grey; ITU-R BT.601


class FitPictures(nn.Module):
    """(B, H, W, 3) uint8 pictures of one size to (B, C, height, width) levels from 0 to 255, rounded as Pillow does.

    They are scaled with their aspect kept, what is over filled with the picture's mean colour. Pictures that have the
    right size already are left as they are, without a product: a branch that a graph takes by what it is given.
    """

    def __init__(self, preparation: Preparation) -> None:
        super().__init__()
        self.channels, self.height, self.width = preparation.shape

    def forward(self, x: Tensor) -> Tensor:
        fits = (length_of(x, 1) == self.height) & (length_of(x, 2) == self.width)
        fitted: Tensor = torch.cond(fits, _as_it_is, self._fitted, (x,))
        fitted = fitted.reshape(x.shape[0], self.height, self.width, 3)  # of a branch's result no size is known
        if self.channels == 1:
            grey = fitted.float() @ torch.tensor(GREY, dtype=torch.float32)  # whole numbers below 2 to the 24th: exact
            return (grey / 65536 + 0.5).floor()[:, None]
        return fitted.permute(0, 3, 1, 2).float()

    def _fitted(self, x: Tensor) -> Tensor:
        return fit(x, self.height, self.width).byte().permute(0, 2, 3, 1).contiguous()


def _as_it_is(x: Tensor) -> Tensor:
    return x.clone()


def fit(x: Tensor, height: int, width: int) -> Tensor:
    """(B, H, W, 3) pictures of one size to (B, 3, height, width), which may be numbers that a graph works out."""
    picture = x.permute(0, 3, 1, 2).float()  # (B, 3, H, W)
    rows, columns = length_of(picture, 2), length_of(picture, 3)
    factor = (torch.maximum(rows, columns) / (2 * larger(height, width))).floor().clamp(min=1)
    scale = torch.minimum(width / columns, height / rows)
    across, is_column = shares(picture.shape[3], columns, scale, factor, width)
    down, is_row = shares(picture.shape[2], rows, scale, factor, height)
    fitted = levels(down @ levels(picture @ across.T))  # (B, 3, height, width)
    inner = is_row[:, None] * is_column
    mean = ((fitted * inner).sum((2, 3)) / inner.sum()).round()  # (B, 3)
    return torch.where(inner > 0, fitted, mean[:, :, None, None])


def levels(x: Tensor) -> Tensor:
    """Rounded to bytes, half up."""
    return (x + 0.5).floor().clamp(0, 255)


def shares(size: int, length: Tensor, scale: Tensor, factor: Tensor, wanted: int) -> tuple[Tensor, Tensor]:
    """(wanted, size) how much each place of an axis counts in each one of the result, and (wanted,) 1 where that is.

    length: () the same as size. factor: () whole places whose mean is taken first. scale: () of the picture.
    """
    small = (length / factor).ceil()
    inner = (length * scale).round().clamp(min=1)
    first = ((wanted - inner) / 2).floor()
    place = torch.arange(wanted, dtype=torch.float64) - first
    is_there = (place >= 0) & (place < inner)
    step = small / inner
    wide = step.clamp(min=1)
    middle = (place + 0.5) * step
    at = (torch.arange(size, dtype=torch.float64) / factor).floor()  # of each place, which mean it goes into
    weight = cubic((at + 0.5 - middle[:, None]) / wide)
    members = torch.minimum(factor, length - at * factor)
    weight = weight / members
    weight = torch.where(is_there[:, None], weight / weight.sum(1, keepdim=True), 0.0)
    return weight.float(), is_there.float()


def cubic(distance: Tensor) -> Tensor:
    """The cubic curve: 1 at 0, 0 at 1, 2 and beyond."""
    d = distance.abs()
    near = ((BENT + 2) * d - (BENT + 3)) * d * d + 1
    far = ((BENT * d - 5 * BENT) * d + 8 * BENT) * d - 4 * BENT
    return torch.where(d < 1, near, torch.where(d < REACH, far, torch.zeros_like(d)))
