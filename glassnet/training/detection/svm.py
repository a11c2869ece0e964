"""A linear SVM whose negatives come a picture at a time, of which it keeps the hard ones.

Felzenszwalb et al. 2010, "Object detection with discriminatively trained part based models", section 4.4.
"""

from __future__ import annotations

import warnings
from typing import Self

import torch
from torch import Tensor

COST = 1e-3  # of an example on the wrong side, against the length of the weights
POSITIVE = 2.0  # times that, of a positive one
CONSTANT = 10.0  # the value that the bias is a weight of
HARD = -1.0  # margin over which a negative is kept
EASY = -1.2  # margin below which one is let go
RETRAINED = 2000  # new negatives after which it is fitted again


class Svm:
    """One class against all else. positives: (p, F)."""

    def __init__(self, positives: Tensor, seed: int) -> None:
        self.positives, self.seed = positives, seed
        self.negatives = torch.zeros(0, positives.shape[1])
        self.weight, self.bias = torch.zeros(positives.shape[1]), torch.zeros(())
        self.new, self.fitted = 0, False

    def add_negatives(self, features: Tensor) -> None:
        """Takes the hard ones of some negatives, (n, F); before it was ever fitted, all of them.

        Without positives there is nothing to tell them from, so none is kept.
        """
        if not len(self.positives):
            return
        if self.fitted:
            features = features[features @ self.weight + self.bias > HARD]
        self.negatives = torch.cat([self.negatives, features])
        self.new += len(features)
        if self.new >= RETRAINED:
            self._fit()
            self.negatives = self.negatives[self.negatives @ self.weight + self.bias >= EASY]

    def finished(self) -> tuple[Tensor, Tensor]:
        """(F,) weights and a bias, fitted to all that it holds."""
        if self.new or not self.fitted:
            self._fit()
        return self.weight, self.bias

    def state(self) -> dict[str, Tensor]:
        """What a snapshot keeps."""
        numbers = torch.tensor([float(self.new), float(self.fitted)], dtype=torch.float64)
        return {
            "positives": self.positives, "negatives": self.negatives, "weight": self.weight, "bias": self.bias,
            "numbers": numbers,
        }  # fmt: skip

    @classmethod
    def of(cls, state: dict[str, Tensor], seed: int) -> Self:
        """The same again."""
        svm = cls(state["positives"], seed)
        svm.negatives, svm.weight, svm.bias = state["negatives"], state["weight"], state["bias"]
        svm.new, svm.fitted = int(state["numbers"][0]), bool(state["numbers"][1])
        return svm

    def _fit(self) -> None:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.svm import LinearSVC

        self.new = 0
        if not len(self.positives) or not len(self.negatives):
            self.bias = torch.tensor(-1.0)  # nothing to tell apart: it says no
            return
        x = torch.cat([self.positives, self.negatives]).double().numpy()
        y = [1] * len(self.positives) + [-1] * len(self.negatives)
        svm = LinearSVC(
            loss="hinge", dual=True, C=COST, class_weight={1: POSITIVE, -1: 1.0}, intercept_scaling=CONSTANT,
            random_state=self.seed, max_iter=5000,
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # nearly there is enough while it is fitted again
            svm.fit(x, y)
        self.weight = torch.from_numpy(svm.coef_[0]).float()
        self.bias = torch.tensor(float(svm.intercept_[0]))
        self.fitted = True
