"""Muon: matrices of weights that move by orthogonal steps. Knows no nets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import overload

import torch
from torch import Tensor
from torch.optim import Optimizer

NEWTON_SCHULZ = ((4.0848, -6.8946, 2.9270), (3.9505, -6.3029, 2.6377), (3.7418, -5.5913, 2.3037))
LARGE = 50_000  # values; below it the way to bfloat16 and back costs more than it saves on a CPU


class Muon(Optimizer):
    """Nesterov momentum whose step is made orthogonal, for weights whose size doesn't matter to the net.

    parameters: (F, ...) each, a matrix of F rows once flattened; followed by a batch norm, so that only their direction
    counts: each is held at the length of F unit rows. lr: how far a row turns at a step, in radians about. Jordan et
    al. 2024, "Muon: an optimizer for hidden layers".
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float, momentum: float = 0.6) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Moves every parameter that has a gradient."""
        assert closure is None, "gradients are computed before the step"
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                momentum = state["momentum"].mul_(group["momentum"]).add_(weight.grad)
                ahead = weight.grad.add(momentum, alpha=group["momentum"])
                weight.mul_(len(weight) ** 0.5 / weight.norm())
                weight.sub_(orthogonal(ahead.flatten(1)).reshape(weight.shape), alpha=group["lr"])
        return None


def orthogonal(matrix: Tensor) -> Tensor:
    """About the matrix of orthogonal unit rows (columns, where they are fewer) that is nearest in direction.

    matrix: (F, n). Singular values come out between about 0.2 and 1.25, most of them near 1; zero stays zero. A
    Newton-Schulz iteration with a polynomial of its own at each round, in bfloat16 where the matrix is large. Cesista,
    Jiacheng and Jordan 2025, "Squeezing 1-2 % efficiency gains out of Muon by optimizing the Newton-Schulz
    coefficients".
    """
    tall = matrix.size(0) > matrix.size(1)
    x = (matrix.T if tall else matrix).to(torch.bfloat16 if matrix.numel() > LARGE else torch.float32)
    x = x / (x.norm() + 1e-7)
    for a, b, c in NEWTON_SCHULZ:
        square = x @ x.T
        x = torch.addmm(x, torch.addmm(square, square, square, beta=b, alpha=c), x, beta=a)
    result: Tensor = (x.T if tall else x).to(matrix.dtype)
    return result
