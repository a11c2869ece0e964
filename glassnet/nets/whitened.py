"""What is found in examples before anything is learnt: the kernel that makes neighbours independent, and the directions
in which whole examples differ most. Knows no layers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

NOISE = 0.2  # added to the variance of each direction, of their mean
ROWS = 200_000  # patches that the whitening is found from


@torch.no_grad()
def whitening(x: Tensor, size: Sequence[int]) -> Tensor:
    """(C, C, *size) the kernel that makes the values of a patch independent and equally strong, of its middle alone.

    x: (N, C, *S). Zero-phase whitening: Bell and Sejnowski 1997, "The independent components of natural scenes are edge
    filters", section 2. What varies little is amplified less (NOISE), so that noise does not drown the rest.
    """
    shape = (x.shape[1], *size)
    rows = patches(x, size).flatten(0, 1).flatten(1).double()
    rows = rows[:: max(1, len(rows) // ROWS)]
    rows = rows - rows.mean(0)
    variance, directions = torch.linalg.eigh(rows.T @ rows / len(rows))
    scale = (variance + NOISE * variance.mean()).rsqrt()
    whole = (directions * scale) @ directions.T
    middle = [channel * math.prod(size) + _middle(size) for channel in range(shape[0])]
    kernel: Tensor = whole[middle].reshape(shape[0], *shape).to(x.dtype)
    return kernel


@torch.no_grad()
def principal(x: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """The directions in which examples (N, C, *S) differ most: (count, C, *S), of length 1; their variances (count,);
    and () the variance that is left to each value beside them. Those that there are too few examples for are 0.
    """
    rows = (x - x.mean(0)).flatten(1).double()
    values, directions = torch.linalg.eigh(rows @ rows.T / len(rows))  # (N,), (N, N): as many as examples
    kept = min(count, len(rows) - 1)
    variance = values.flip(0).clamp(min=0)[:kept]
    along = (directions.flip(1)[:, :kept].T @ rows) / (variance * len(rows)).clamp(min=1e-12).sqrt()[:, None]
    alone = (values.clamp(min=0).sum() - variance.sum()) / max(1, rows.shape[1] - kept)
    found, spread = x.new_zeros(count, *x.shape[1:]), x.new_zeros(count)
    found[:kept] = along.reshape(-1, *x.shape[1:]).to(x.dtype)
    spread[:kept] = (variance - alone).clamp(min=0).to(x.dtype)
    return found, spread, alone.clamp(min=1e-6).to(x.dtype)


def patches(x: Tensor, size: Sequence[int]) -> Tensor:
    """(N, places, C, *size) every patch of examples (N, C, *S)."""
    axes = len(size)
    for axis, length in enumerate(size, 2):
        x = x.unfold(axis, length, 1)  # (N, C, *S', *size)
    order = (0, *range(2, 2 + axes), 1, *range(2 + axes, 2 + 2 * axes))
    return x.permute(order).flatten(1, axes)


def _middle(size: Sequence[int]) -> int:
    """The number of a patch's middle place, the last axis running fastest."""
    at = 0
    for length in size:
        at = at * length + length // 2
    return at
