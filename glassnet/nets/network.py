"""Network: what every net is to the rest of the house. Knows its training phases, not how they are run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class Criterion:
    """How wrong answers are counted. smoothing: share of the target spread over all classes. weight: (K,) or None."""

    smoothing: float = 0.0
    weight: Tensor | None = None


@dataclass(frozen=True)
class Phase:
    """One stretch of a training.

    loss: from x (B, C, *S), y (B,) and a criterion to the loss to descend and the logits (B, K).
    """

    name: str
    loss: Callable[[Tensor, Tensor, Criterion], tuple[Tensor, Tensor]]


class Network(nn.Module, ABC):
    """A net that turns examples into votes. Whatever a person may look at in it is a named module."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Logits. x: (B, C, *S), normalised. Returns (B, K)."""

    @abstractmethod
    def phases(self) -> tuple[Phase, ...]:
        """The stretches of its training, in order."""
