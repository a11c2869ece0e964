"""Which part of an input an answer hangs on: cover a piece, ask again, measure the loss. Knows nothing of pictures."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from glassnet.steps import finish

BATCH = 64


def occlusion(
    net: nn.Module, x: Tensor, k: int, window: int | None = None, stride: int | None = None
) -> NDArray[np.float64]:
    """How much class k's logit falls when the piece around a place is covered. Zeiler and Fergus 2014, section 4.2.

    x: (1, C, *S), normalised, so that 0, what a piece is covered with, is the mean of the training data. window: side
    of the piece, by default about a quarter of the input. Returns (*S): at each place the mean over all pieces that
    cover it; positive where the class needs it.
    """
    return finish(occlusion_steps(net, x, k, window, stride))


def occlusion_steps(
    net: nn.Module, x: Tensor, k: int, window: int | None = None, stride: int | None = None, batch: int = BATCH
) -> Generator[tuple[int, int], None, NDArray[np.float64]]:
    """The same in steps of `batch` pieces, for those who have others waiting. Yields how many are done, of how many."""
    sizes = tuple(x.shape[2:])
    window = window or max(1, round(max(sizes) / 4))
    pieces = pieces_of(sizes, window, stride or stride_of(window, len(sizes)))
    fall, times = np.zeros(sizes), np.zeros(sizes)
    whole = _asked(net, x, k)[0]
    for begin in range(0, len(pieces), batch):
        group = pieces[begin : begin + batch]
        covered = x.repeat(len(group), *[1] * (x.dim() - 1))
        for one, piece in zip(covered, group, strict=True):
            one[(slice(None), *piece)] = 0
        for piece, logit in zip(group, _asked(net, covered, k), strict=True):
            fall[piece] += whole - logit
            times[piece] += 1
        yield begin + len(group), len(pieces)
    return fall / times


def stride_of(window: int, axes: int) -> int:
    """How far pieces lie apart. Of volumes, whose pieces are many, a half: a place lies in two or less an axis."""
    return max(1, window // 4) if axes < 3 else -(-window // 2)


def pieces_of(sizes: Sequence[int], window: int, stride: int) -> list[tuple[slice, ...]]:
    """Every piece that is covered, by its places along each axis."""
    starts = [_starts(size, window, stride) for size in sizes]
    return [tuple(slice(max(s, 0), s + window) for s in start) for start in itertools.product(*starts)]


def _asked(net: nn.Module, x: Tensor, k: int) -> list[float]:
    with torch.inference_mode():
        found: list[float] = net(x)[:, k].tolist()
    return found


def _starts(size: int, window: int, stride: int) -> Sequence[int]:
    """Where pieces begin: some reach past either edge, so that every place is covered about as often."""
    return range(1 - window, size, stride) if window < size else (0,)
