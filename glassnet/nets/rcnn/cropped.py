"""Cropped: R-CNN as it was first described. Every region is warped to one size and run through a ConvNet; a linear SVM
a class scores its features, a ridge regression corrects its box. Girshick et al. 2014, sections 2 and appendix C.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from glassnet.nets.convnet import ConvNet
from glassnet.nets.network import Phase
from glassnet.nets.rcnn.judging import Judged, RegionNet
from glassnet.nets.rcnn.warping import Crops, warp
from glassnet.nets.spec import Fc, Max, Mean
from glassnet.nets.text import Spec

TOGETHER = 256  # regions at a time
NORM = 20.0  # of the features in the mean, for the SVMs and the regression, as R-CNN's own code has it


class Cropped(RegionNet):
    """A ConvNet on crops, what scores its features and what corrects boxes. classes: K; the background is class K.

    Until SVMs are set the net's own softmax scores; until a regression is set boxes stay as they are.
    """

    def __init__(self, spec: Spec, crops: Crops, classes: int, seed: int = 0) -> None:
        super().__init__()
        self.crops, self.classes = crops, classes
        self.net = ConvNet(spec, (3, crops.side, crops.side), classes + 1, seed)
        self.pooled = _pooled(spec)  # layers up to the last that has places: what boxes are corrected by
        count = self._pooled_count()
        self.svms = nn.Linear(self.net.votes.in_features, classes)
        self.corrections = nn.Linear(count, 4 * classes)
        for part in (self.svms, self.corrections):
            nn.init.zeros_(part.weight)
            nn.init.zeros_(part.bias)
            part.requires_grad_(False)
        self.register_buffer("norms", torch.full((2,), NORM))  # mean norms of the features and of the pooled ones
        self.register_buffer("chances", torch.zeros(classes, 2))  # of a margin m: sigmoid(slope m + offset); 0: none

    @property
    def has_svms(self) -> bool:
        """Whether SVMs score, and not the softmax."""
        return bool((self.get_buffer("chances")[:, 0] != 0).any())

    def forward(self, x: Tensor) -> Tensor:
        """Logits (R, K + 1) of crops (R, 3, side, side)."""
        logits: Tensor = self.net(x)
        return logits

    def phases(self) -> tuple[Phase, ...]:
        return tuple(Phase("fine-tune", phase.loss) for phase in self.net.phases())

    def begun_anew(self) -> tuple[nn.Module, ...]:
        return (self.net.votes,)

    def look(self, x: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """(R, F) features and (R, P) pooled features of regions of a picture, scaled. x: (3, H, W). boxes: (R, 4)."""
        features, pooled = [], []
        layers = list(self.net.children())[:-1]
        with torch.inference_mode():
            for some in torch.split(boxes, TOGETHER):
                value = self.cut(x, some)
                for i, layer in enumerate(layers):
                    if i == self.pooled:
                        pooled.append(value.flatten(1).float())
                    value = layer(value)
                features.append(value.flatten(1).float())
        norms = self.get_buffer("norms")
        return torch.cat(features) * (NORM / norms[0]), torch.cat(pooled) * (NORM / norms[1])

    def cut(self, x: Tensor, boxes: Tensor) -> Tensor:
        """(R, 3, side, side) the crops of regions of one picture."""
        crops = self.crops
        picture = torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device)
        return warp(x[None], boxes, picture, crops.side, crops.context, crops.square)

    def regions(self, x: Tensor, boxes: Tensor) -> Judged:
        if not len(boxes):
            sizes = (self.classes,), (self.classes, 4), (self.svms.in_features,)
            return Judged(*(x.new_zeros(0, *size) for size in sizes))
        features, pooled = self.look(x, boxes)
        with torch.inference_mode(), torch.autocast(x.device.type, enabled=False):
            changes = self.corrections(pooled).unflatten(1, (self.classes, 4))
            if self.has_svms:
                chances = self.get_buffer("chances")
                scores = (self.svms(features) * chances[:, 0] + chances[:, 1]).sigmoid()
            else:
                raw = features * (self.get_buffer("norms")[0] / NORM)
                scores = self.net.votes(raw).softmax(1)[:, : self.classes]
        return Judged(scores, changes, features)

    def without_corrections(self) -> None:
        self.corrections.weight.data.zero_()
        self.corrections.bias.data.zero_()

    def voters(self) -> tuple[Tensor, Tensor, tuple[str, ...]]:
        if self.has_svms:
            return self.svms.weight, self.svms.bias, ()
        return self.net.votes.weight * (self.get_buffer("norms")[0] / NORM), self.net.votes.bias, ("background",)

    def _pooled_count(self) -> int:
        was = self.net.training
        with torch.no_grad():
            value = torch.zeros(1, 3, self.crops.side, self.crops.side)
            for layer in list(self.net.eval().children())[: self.pooled]:
                value = layer(value)
        self.net.train(was)
        return value[0].numel()


def _pooled(spec: Spec) -> int:
    """How many of the net's modules come before its values lose their places."""
    for i, layer in enumerate(spec.layers):
        if isinstance(layer, (Fc, Mean, Max)):
            return i
    raise AssertionError("every text ends in fc")
