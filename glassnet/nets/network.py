"""Network: what every net is to the rest of the house. Knows its training phases, not how they are run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from glassnet.data.loader import Batch


@dataclass(frozen=True)
class Criterion:
    """How wrong answers are counted. smoothing: share of the target spread over all classes. weight: (K,) or None."""

    smoothing: float = 0.0
    weight: Tensor | None = None

    def of(self, logits: Tensor, y: Tensor, each: Tensor | None = None) -> Tensor:
        """Cross-entropy, the mean over a batch. logits: (B, K). y: (B,). each: (B,) how many equal ones."""
        exact = logits if logits.dtype == torch.float64 else logits.float()  # never in half precision
        weight = None if self.weight is None else self.weight.to(exact.dtype)
        if each is None:
            return functional.cross_entropy(exact, y, weight=weight, label_smoothing=self.smoothing)
        losses = functional.cross_entropy(exact, y, weight, label_smoothing=self.smoothing, reduction="none")
        counted = each if weight is None else each * weight[y]  # what torch's own mean divides by
        return (losses * each).sum() / counted.sum()


PLAIN = Criterion()


@dataclass(frozen=True)
class Phase:
    """One stretch of a training.

    loss: from a batch and a criterion to the loss to descend and the logits (B, K). moved: the parameters that it
    moves, all unless given.

    Of a stretch without labels loss gives, beside what to descend, a () error to show. It takes `steps` steps of
    `batch` examples, at a rate that falls in its second half; begin gives its layers what they start from, found in
    some examples (N, C, *S).
    """

    name: str
    loss: Callable[[Batch, Criterion], tuple[Tensor, Tensor]]
    moved: tuple[nn.Parameter, ...] = ()
    begin: Callable[[Tensor], None] | None = None
    steps: int = 0
    batch: int = 0
    rate: float = 0.0

    @property
    def has_labels(self) -> bool:
        """Whether it learns classes."""
        return not self.steps


class Network(nn.Module, ABC):
    """A net that turns examples into votes. Whatever a person may look at in it is a named module."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Logits. x: (B, C, *S), normalised. Returns (B, K)."""

    def begun_anew(self) -> tuple[nn.Module, ...]:
        """The layers that are new where all others begin with weights from elsewhere; sgd lets them learn faster."""
        return ()

    def over_pictures(self) -> nn.Module | None:
        """The layers that look at whole pictures, where the examples are regions of them."""
        return None

    @abstractmethod
    def phases(self) -> tuple[Phase, ...]:
        """The stretches of its training, in order."""


class BothWays(nn.Module):
    """A net that is asked about each picture and about its mirror image, left for right; the mean of both counts.

    For pictures whose class a mirror leaves as it is: two looks are right more often than one.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.train(net.training)

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.net(torch.cat([x, x.flip(-1)])).chunk(2)
        mean: Tensor = (first + second) / 2  # (B, K)
        return mean


def ask(net: nn.Module, batch: Batch) -> Tensor:
    """Logits (B, K) of a batch's examples: of its pictures, or of the regions on them."""
    logits: Tensor = net(batch.x) if batch.regions is None else net(batch.x, batch.regions)
    return logits
