"""RegionNet: what every net that judges regions is to the rest of the house. Knows pictures and boxes, not where they
come from.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from torch import Tensor

from glassnet.nets.network import Network


@dataclass(frozen=True)
class Judged:
    """R regions of a picture. scores: (R, K) each class's, from 0 to 1. changes: (R, K, 4) corrections of the boxes.

    Those are one for each class, all 0 where none were learnt. features: (R, F) what the votes were cast by.
    """

    scores: Tensor
    changes: Tensor
    features: Tensor


class RegionNet(Network):
    """A net that says of each region of a picture which class it shows, and where that object really lies."""

    classes: int

    @abstractmethod
    def regions(self, x: Tensor, boxes: Tensor) -> Judged:
        """Judges regions of one picture. x: (3, H, W), normalised. boxes: (R, 4) its pixels. float32, no gradients."""

    @abstractmethod
    def without_corrections(self) -> None:
        """Leaves every box where it was proposed."""

    @abstractmethod
    def voters(self) -> tuple[Tensor, Tensor, tuple[str, ...]]:
        """(V, F) weights and (V,) biases of the votes on features, and for what each is beside the classes.

        A region's logits are features times weights plus biases: what a detection is explained by.
        """
