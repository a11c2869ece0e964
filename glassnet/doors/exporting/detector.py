"""A detector as one module: a picture in, boxes with their scores out; one left for each object comes after it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from glassnet.data.boxes.proposals.grid import HALVINGS, OUT, STEPS
from glassnet.doors.detection.model import DetectorModel
from glassnet.doors.exporting.pictures import fit
from glassnet.doors.exporting.sizes import larger, length_of, smaller
from glassnet.nets.rcnn.cropped import NORM, Cropped
from glassnet.nets.rcnn.detector import SPREAD, Detector
from glassnet.nets.rcnn.geometry import area, corrected
from glassnet.nets.rcnn.pooling import SAMPLES
from glassnet.nets.rcnn.warping import cut, places_of
from glassnet.training.detection.detecting import AGAIN

GONE = -1.0  # the score of what is no box


class WholeDetector(nn.Module):
    """(H, W, 3) uint8 to boxes (K, n, 4) in its pixels and scores (K, n), each class's own.

    regions: (R, 4) in the picture's pixels where they are proposed by something that no graph holds, else a grid.
    """

    def __init__(self, model: DetectorModel) -> None:
        super().__init__()
        net, card = model.net.float(), model.card
        assert isinstance(net, (Detector, Cropped)), "the two engines"
        self.judge = JudgeShared(net) if isinstance(net, Detector) else JudgeCropped(net)
        self.side, self.limits, self.classes = max(card.preparation.shape[1:]), model.limits, net.classes
        proposals = model.proposals
        self.grid = Grid(np.array(proposals.shapes), proposals.count) if proposals.kind == "grid" else None
        for name, values in (("mean", card.normalisation.mean), ("std", card.normalisation.std)):
            self.register_buffer(name, (torch.tensor(values, dtype=torch.float64) * 255).float().reshape(1, 3, 1, 1))

    def forward(self, picture: Tensor, regions: Tensor | None = None) -> tuple[Tensor, Tensor]:
        height, width = picture.shape[:2]
        down, across = small_size(height, width, self.side)
        x = (fit(picture[None], down, across) - self.get_buffer("mean")) / self.get_buffer("std")
        size = torch.stack([length_of(picture, 1), length_of(picture, 0)]).repeat(2)  # W, H, W, H
        edge = torch.stack([length_of(x, 3), length_of(x, 2)]).repeat(2)
        if self.grid is not None:
            regions, is_there = self.grid(size[0], size[1])
        else:
            assert regions is not None, "where to look"
            is_there = torch.ones(regions.shape[0], dtype=torch.bool)
        boxes, scores = self._judged(x, (regions * (edge / size)).float(), is_there, edge.float())
        back = (boxes.double() / (edge / size)).float()
        return torch.minimum(back.clamp(min=0), size.float()), scores

    def _judged(self, x: Tensor, regions: Tensor, is_there: Tensor, edge: Tensor) -> tuple[Tensor, Tensor]:
        """(K, n, 4) boxes in the pixels of x, and (K, n) scores."""
        state = self.judge.look(x)
        scores, changes = self.judge(state, regions)
        boxes = torch.stack([inside(corrected(regions, changes[:, k]), edge) for k in range(self.classes)])
        scores = torch.where(is_there & (self.limits.least < scores.T), scores.T, GONE)  # (K, R)
        if self.limits.twice:
            best, places = scores.topk(smaller(AGAIN, regions.shape[0]), 1)
            before = boxes.gather(1, places[..., None].expand(-1, -1, 4))  # (K, n, 4)
            again, changes = self.judge(state, before.flatten(0, 1))
            mine = torch.arange(self.classes).repeat_interleave(places.shape[1])[:, None]
            changes = changes.gather(1, mine[..., None].expand(-1, -1, 4))[:, 0]
            boxes = inside(corrected(before.flatten(0, 1), changes), edge).reshape(before.shape)
            scores = torch.where(best > GONE, (best + again.gather(1, mine).reshape(best.shape)) / 2, GONE)
        is_box = area(boxes.flatten(0, 1)).reshape(scores.shape) > 0
        return boxes, torch.where(is_box, scores, GONE)


class JudgeShared(nn.Module):
    """The engine `fast`: one look at the picture, RoIAlign, the head."""

    def __init__(self, net: Detector) -> None:
        super().__init__()
        self.net = net

    def look(self, x: Tensor) -> Tensor:
        maps: Tensor = self.net.trunk(x)
        return maps

    def forward(self, maps: Tensor, regions: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (R, K) and corrections (R, K, 4)."""
        net, cells = self.net, self.net.spec.cells
        grids = torch.onnx.ops.symbolic(
            "RoiAlign",
            (maps, regions, torch.zeros(regions.shape[0], dtype=torch.int64)),
            {
                "output_height": cells,
                "output_width": cells,
                "sampling_ratio": SAMPLES,
                "spatial_scale": 1 / net.trunk.stride,
                "coordinate_transformation_mode": "half_pixel",
                "mode": "avg",
            },
            dtype=maps.dtype,
            shape=(regions.shape[0], net.trunk.channels, cells, cells),
            version=16,
        )
        features = net.features(grids)
        changes = net.corrections(features).unflatten(1, (net.classes, 4))
        return net.head.votes(features).softmax(1)[:, : net.classes], changes * torch.tensor(SPREAD)


class JudgeCropped(nn.Module):
    """The engine `rcnn`: every region warped and looked at by itself."""

    def __init__(self, net: Cropped) -> None:
        super().__init__()
        self.net, self.has_svms = net, net.has_svms

    def look(self, x: Tensor) -> Tensor:
        return x

    def forward(self, x: Tensor, regions: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (R, K) and corrections (R, K, 4)."""
        net, crops = self.net, self.net.crops
        size = (x.shape[2], x.shape[3])
        value = cut(x, places_of(regions, size, crops.side, crops.context, crops.square))
        pooled = value
        for i, layer in enumerate(list(net.net.children())[:-1]):
            pooled = value if i == net.pooled else pooled
            value = layer(value)
        features, norms, chances = value.flatten(1), net.get_buffer("norms"), net.get_buffer("chances")
        changes = net.corrections(pooled.flatten(1) * (NORM / norms[1])).unflatten(1, (net.classes, 4))
        if not self.has_svms:
            return net.net.votes(features).softmax(1)[:, : net.classes], changes
        margins = net.svms(features * (NORM / norms[0]))
        return (margins * chances[:, 0] + chances[:, 1]).sigmoid(), changes


class Grid(nn.Module):
    """The regions of data/boxes/proposals/grid.py on a picture of any size, in `count` slots; some stay empty."""

    def __init__(self, shapes: np.ndarray[tuple[int, ...], np.dtype[np.float64]], count: int) -> None:
        super().__init__()
        self.count = count
        self.register_buffer("shapes", torch.from_numpy(shapes))

    def forward(self, width: Tensor, height: Tensor) -> tuple[Tensor, Tensor]:
        """(count, 4) regions and (count,) whether there is one."""
        size = torch.stack([width, height])
        sides = self.get_buffer("shapes") * size.max()  # (k, 2)
        low, high = (torch.tensor(step, dtype=torch.float64) for step in STEPS)
        for _ in range(HALVINGS):
            middle = (low * high).sqrt()
            is_over = self._numbers(sides, size, middle).prod(1).sum() > self.count
            low, high = torch.where(is_over, middle, low), torch.where(is_over, high, middle)
        numbers = self._numbers(sides, size, high)  # (k, 2) places along each axis
        ends = numbers.prod(1).cumsum(0)
        slot = torch.arange(self.count, dtype=torch.float64)
        which = (slot[:, None] >= ends).sum(1)  # the shape of each slot; k where it is empty
        is_there = which < len(sides)
        which = which.clamp(max=len(sides) - 1)
        side, number = sides[which], numbers[which]  # (count, 2)
        within = slot - (ends - numbers.prod(1))[which]
        across, down = number.unbind(1)
        row = (within / across).floor()
        column = within - row * across
        aside = torch.where(row - (row / 2).floor() * 2 == 1, 0.25, -0.25)
        shares = torch.stack(
            [(column - (across - 1) / 2 + aside) / across, (row - (down - 1) / 2) / (down - 1).clamp(min=1)], 1
        )
        centre = size / 2 + shares * (size - side * (1 - 2 * OUT)).clamp(min=0)
        edge = size.repeat(2)
        return torch.minimum(torch.cat([centre - side / 2, centre + side / 2], 1).clamp(min=0), edge), is_there

    def _numbers(self, sides: Tensor, size: Tensor, step: Tensor) -> Tensor:
        steps = sides * step * torch.tensor((2**0.5, 0.5**0.5), dtype=torch.float64)
        return ((size - sides * (1 - 2 * OUT)).clamp(min=0) / steps).ceil().clamp(min=1)


def inside(boxes: Tensor, edge: Tensor) -> Tensor:
    """(n, 4) what of each box lies inside a picture. edge: (4,) width, height, width, height."""
    return torch.minimum(boxes.clamp(min=0), edge)


def small_size(height: int, width: int, side: int) -> tuple[int, int]:
    """(height, width) that a picture is looked at with: data/boxes/geometry.py's `brought` in whole numbers alone.

    Any of them may be a number that a graph works out.
    """
    longer, shorter = larger(height, width), smaller(height, width)
    most = smaller(longer, side)
    low = larger(1, (2 * shorter * most + longer) // (2 * longer))
    high = smaller(most, larger(1, (2 * longer * low + shorter) // (2 * shorter)))
    down, across = (smaller(high, larger(1, (2 * axis * most + longer) // (2 * longer))) for axis in (height, width))
    return down, across
