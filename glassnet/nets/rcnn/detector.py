"""Detector: a trunk that looks at a picture once, and a head that judges each region. Girshick 2015, Fast R-CNN."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from glassnet.data.loader import Batch, Regions
from glassnet.nets.convnet import ConvNet, initialise, layer_module
from glassnet.nets.network import Criterion, Phase
from glassnet.nets.rcnn.geometry import correction
from glassnet.nets.rcnn.judging import Judged, RegionNet
from glassnet.nets.rcnn.pooling import roi_align
from glassnet.nets.rcnn.text import RegionSpec, measure_regions
from glassnet.nets.text import names

SPREAD = (0.1, 0.1, 0.2, 0.2)  # of corrections, so that what the net says has a spread of about 1: Girshick 2015, 2.3
BENT = 1.0  # where the loss of a correction turns from squares into straight lines


class Trunk(nn.Module):
    """The layers over a whole picture. Its children are they by name, run in order."""

    def __init__(self, spec: RegionSpec, shape: tuple[int, ...]) -> None:
        super().__init__()
        rows, _ = measure_regions(spec, shape, 1)
        for before, row, name in zip(rows, rows[1:], names(spec.trunk), strict=False):
            assert row.layer is not None, "only the input has none"
            self.add_module(name, layer_module(row.layer, before.flow, row.flow, row.bias))
        for module in self.modules():
            initialise(module)
        self.stride = rows[-1].flow.field[0].stride
        self.channels = rows[-1].flow.shape[0]

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.children():
            x = layer(x)
        return x  # (B, C, H, W)


class Detector(RegionNet):
    """Regions to classes and corrections. shape: (C, H, W) of a usual picture; others of other sizes may come.

    classes: K; the background is class K. seed: of the initial weights. Raises GlassnetError where the text can't be.
    """

    def __init__(self, spec: RegionSpec, shape: tuple[int, ...], classes: int, seed: int = 0) -> None:
        super().__init__()
        self.spec, self.shape, self.classes = spec, shape, classes
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.trunk = Trunk(spec, shape)
            self.head = ConvNet(spec.head, (self.trunk.channels, spec.cells, spec.cells), classes + 1, seed)
            self.corrections = nn.Linear(self.head.votes.in_features, 4 * classes)
            nn.init.normal_(self.corrections.weight, std=0.001)
            nn.init.zeros_(self.corrections.bias)

    def grids(self, x: Tensor, boxes: Tensor, picture: Tensor) -> Tensor:
        """(R, C, cells, cells) features of regions. x: (B, 3, H, W). boxes: (R, 4) pixels. picture: (R,) which of B."""
        return roi_align(self.trunk(x), boxes, picture, self.spec.cells, self.trunk.stride)

    def features(self, grids: Tensor) -> Tensor:
        """(R, F) what the votes are cast by."""
        for layer in list(self.head.children())[:-1]:
            grids = layer(grids)
        return grids

    def judge(self, grids: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (R, K + 1) and corrections (R, K, 4), one for each class that it might be."""
        features = self.features(grids)
        change = self.corrections(features).unflatten(1, (self.classes, 4))
        return self.head.votes(features), change * change.new_tensor(SPREAD)

    def regions(self, x: Tensor, boxes: Tensor) -> Judged:
        with torch.inference_mode():
            grids = self.grids(x[None], boxes, torch.zeros(len(boxes), dtype=torch.int64, device=x.device))
            features = self.features(grids)
            changes = self.corrections(features).float().unflatten(1, (self.classes, 4))
            scores = self.head.votes(features).float().softmax(1)[:, : self.classes]
        return Judged(scores, changes * changes.new_tensor(SPREAD), features.float())

    def without_corrections(self) -> None:
        self.corrections.weight.data.zero_()
        self.corrections.bias.data.zero_()

    def voters(self) -> tuple[Tensor, Tensor, tuple[str, ...]]:
        return self.head.votes.weight, self.head.votes.bias, ("background",)

    def forward(self, x: Tensor, regions: Regions | None = None) -> Tensor:
        """Logits (R, K + 1). x: (B, 3, H, W), normalised."""
        assert regions is not None, "a detector is asked about regions"
        logits, _ = self.judge(self.grids(x, regions.boxes, regions.picture))
        return logits

    def over_pictures(self) -> nn.Module:
        return self.trunk

    def phases(self) -> tuple[Phase, ...]:
        return (Phase("train", self._loss),)

    def _loss(self, batch: Batch, criterion: Criterion) -> tuple[Tensor, Tensor]:
        """Which class, and for regions on an object where it really lies: Girshick 2015, equation 1."""
        regions, y = batch.regions, batch.y
        assert regions is not None, "a detector learns from regions"
        logits, change = self.judge(self.grids(batch.x, regions.boxes, regions.picture))
        loss = criterion.of(logits, y)
        on = torch.nonzero(y < self.classes)[:, 0]
        every = batch.part.y if batch.part else y  # of the whole step: all processes move the same parameters
        if bool((every < self.classes).any()):
            exact = change if change.dtype == torch.float64 else change.float()  # never in half precision
            spread = exact.new_tensor(SPREAD)
            wanted = correction(regions.boxes[on], regions.truth[on]) / spread
            said = exact[on, y[on]] / spread
            loss = loss + functional.smooth_l1_loss(said, wanted, beta=BENT, reduction="sum") / len(y)
        return loss, logits
