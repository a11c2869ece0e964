"""Sizes that a graph works out anew for each input: an `int` here may be a number that isn't known before."""

from __future__ import annotations

import torch
from torch import Tensor


def larger(one: int, other: int) -> int:
    """The larger of two sizes."""
    found: int = torch.sym_max(one, other)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return found


def smaller(one: int, other: int) -> int:
    """The smaller of two sizes."""
    found: int = torch.sym_min(one, other)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return found


def length_of(x: Tensor, axis: int) -> Tensor:
    """() float64 how many places an axis has, as a value to reckon with."""
    return torch.ones(x.shape[axis], dtype=torch.float64).sum()
