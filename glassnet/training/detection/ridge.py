"""Ridge regression of box corrections on features, added up a picture at a time. Girshick et al. 2014, appendix C."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

PENALTY = 1000.0
LEAST = 1e-3  # added to the targets' variances before they are made equal


class Ridge:
    """What it has seen: features (P,) with a constant behind them, corrections (4,).

    While features outnumber regions these are kept themselves, and a matrix of regions by regions is solved: Saunders,
    Gammerman, Vovk 1998, "Ridge regression learning algorithm in dual variables". Of more only sums are kept, among
    them a matrix of features by features, which for CaffeNet's 9,216 takes 680 MB a class.
    """

    def __init__(self, features: int) -> None:
        self.features = features
        self.seen: list[tuple[Tensor, Tensor]] = []  # (n, P) float32 and (n, 4)
        self.sums: Sums | None = None

    @property
    def count(self) -> int:
        """Regions seen."""
        return round(self.sums.count) if self.sums else sum(len(rows) for rows, _ in self.seen)

    def add(self, features: Tensor, changes: Tensor) -> None:
        """Some more. features: (n, P). changes: (n, 4)."""
        if self.sums is None:
            self.seen.append((features.float(), changes.double()))
            if self.count <= self.features:
                return
            (features, changes), self.seen = self._whole(), []
            self.sums = Sums.none(self.features)
        self.sums.add(features, changes)

    def solved(self) -> tuple[Tensor, Tensor]:
        """(4, P) weights and (4,) offsets. The corrections are centred and made independent, with spreads of 1, first.

        Without anything seen all are 0.
        """
        if not self.count:
            return torch.zeros(4, self.features), torch.zeros(4)
        if self.sums:
            return self.sums.solved()
        rows, changes = self._whole()
        x, mean = rows.double(), changes.mean(0)
        whiten, back = _whitening(changes.T @ changes / len(x) - torch.outer(mean, mean))
        inner = x @ x.T + 1 + torch.eye(len(x), dtype=torch.float64) * PENALTY  # the constant's products are 1
        found = torch.linalg.solve(inner, (changes - mean) @ whiten) @ back  # (n, 4)
        return (found.T @ x).float(), (found.sum(0) + mean).float()

    def state(self) -> dict[str, Tensor]:
        """What a snapshot keeps."""
        return vars(self.sums) if self.sums else dict(zip(("rows", "changes"), self._whole(), strict=True))

    @classmethod
    def of(cls, state: dict[str, Tensor]) -> Self:
        """The same again."""
        kept = {name: tensor.clone() for name, tensor in state.items()}
        if "rows" not in kept:
            ridge = cls(len(kept["inner"]) - 1)
            ridge.sums = Sums(**kept)
            return ridge
        ridge = cls(kept["rows"].shape[1])
        ridge.seen = [(kept["rows"], kept["changes"])]
        return ridge

    def _whole(self) -> tuple[Tensor, Tensor]:
        """(n, P) and (n, 4) all that was seen, while it is kept."""
        rows = [torch.zeros(0, self.features), *(features for features, _ in self.seen)]
        return torch.cat(rows), torch.cat([torch.zeros(0, 4, dtype=torch.float64), *(c for _, c in self.seen)])


@dataclass
class Sums:
    """Of products. inner: (P + 1, P + 1) of features. cross: (P + 1, 4) of both. square: (4, 4) of corrections."""

    inner: Tensor
    cross: Tensor
    square: Tensor

    @classmethod
    def none(cls, features: int) -> Self:
        """Of nothing yet."""
        shapes = (features + 1, features + 1), (features + 1, 4), (4, 4)
        return cls(*(torch.zeros(*shape, dtype=torch.float64) for shape in shapes))

    @property
    def count(self) -> float:
        """How many were added: the last feature is 1."""
        return float(self.inner[-1, -1])

    def add(self, features: Tensor, changes: Tensor) -> None:
        """Some more."""
        x = torch.cat([features.double(), torch.ones(len(features), 1, dtype=torch.float64)], 1)
        y = changes.double()
        self.inner += x.T @ x
        self.cross += x.T @ y
        self.square += y.T @ y

    def solved(self) -> tuple[Tensor, Tensor]:
        """As Ridge.solved."""
        mean = self.cross[-1] / self.count
        whiten, back = _whitening(self.square / self.count - torch.outer(mean, mean))
        targets = (self.cross - torch.outer(self.inner[:, -1], mean)) @ whiten
        penalty = torch.eye(len(self.inner), dtype=torch.float64) * PENALTY
        found = torch.linalg.solve(self.inner + penalty, targets) @ back  # (P + 1, 4)
        return found[:-1].T.float(), (found[-1] + mean).float()


def _whitening(spread: Tensor) -> tuple[Tensor, Tensor]:
    """(4, 4) what makes corrections of this covariance independent, and the way back."""
    values, turn = torch.linalg.eigh(spread)
    root = (values.clamp(min=0) + LEAST).sqrt()
    return turn @ torch.diag(1 / root) @ turn.T, turn @ torch.diag(root) @ turn.T
