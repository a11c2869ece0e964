"""Ridge regression of box corrections on features, added up a picture at a time. Girshick et al. 2014, appendix C."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor

PENALTY = 1000.0
LEAST = 1e-3  # added to the targets' variances before they are made equal


class Ridge:
    """Sums of what it has seen: features (P,) with a constant behind them, corrections (4,)."""

    def __init__(self, features: int) -> None:
        self.inner = torch.zeros(features + 1, features + 1, dtype=torch.float64)  # of features by features
        self.cross = torch.zeros(features + 1, 4, dtype=torch.float64)  # of features by corrections
        self.square = torch.zeros(4, 4, dtype=torch.float64)  # of corrections by corrections

    def add(self, features: Tensor, changes: Tensor) -> None:
        """Some more. features: (n, P). changes: (n, 4)."""
        x = torch.cat([features.double(), torch.ones(len(features), 1, dtype=torch.float64)], 1)
        y = changes.double()
        self.inner += x.T @ x
        self.cross += x.T @ y
        self.square += y.T @ y

    def solved(self) -> tuple[Tensor, Tensor]:
        """(4, P) weights and (4,) offsets. The corrections are centred and made independent, with spreads of 1, first.

        Without anything seen all are 0.
        """
        count = float(self.inner[-1, -1])
        if not count:
            return torch.zeros(4, len(self.inner) - 1), torch.zeros(4)
        mean = self.cross[-1] / count  # the last feature is 1
        spread = self.square / count - torch.outer(mean, mean)
        values, turn = torch.linalg.eigh(spread)
        root = (values.clamp(min=0) + LEAST).sqrt()
        whiten = turn @ torch.diag(1 / root) @ turn.T
        back = turn @ torch.diag(root) @ turn.T
        targets = (self.cross - torch.outer(self.inner[:, -1], mean)) @ whiten
        penalty = torch.eye(len(self.inner), dtype=torch.float64) * PENALTY
        found = torch.linalg.solve(self.inner + penalty, targets) @ back  # (P + 1, 4)
        return found[:-1].T.float(), (found[-1] + mean).float()

    def state(self) -> dict[str, Tensor]:
        """What a snapshot keeps."""
        return {"inner": self.inner, "cross": self.cross, "square": self.square}

    @classmethod
    def of(cls, state: dict[str, Tensor]) -> Self:
        """The same again."""
        ridge = cls(len(state["inner"]) - 1)
        ridge.inner, ridge.cross, ridge.square = (state[name].clone() for name in ("inner", "cross", "square"))
        return ridge
