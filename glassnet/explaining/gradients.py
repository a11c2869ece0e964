"""Saliency by slopes: integrated gradients and Grad-CAM, for any net of the house. Knows no pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from glassnet.explaining.trace import trace
from glassnet.nets.layers import Embed

STEPS = 64  # points on the way from nothing to the example
BATCH = 16  # of them at a time
NOT_MAPS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.Dropout)  # they only hand on what a layer before them made


def integrated_gradients(net: nn.Module, x: Tensor, k: int, steps: int = STEPS) -> NDArray[np.float64]:
    """How much each place put into the logit of class k, on a straight way from nothing to the example.

    net: in evaluation mode. x: (1, C, *S), normalised; nothing is 0, the mean of the data. Of words it is no word, and
    the way is that of their features. Returns (*S), summed over C, which adds up to the logit less that of nothing,
    but for the coarseness of the steps (completeness). Sundararajan et al. 2017, sections 3 and 5; points by
    Gauss-Legendre.
    """
    points, weights = np.polynomial.legendre.leggauss(steps)
    whole, logits = _smooth(net, x)
    share, weight = (torch.as_tensor(v).to(whole) for v in ((points + 1) / 2, weights / 2))
    slope = torch.zeros_like(whole[0])
    for some in (slice(begin, begin + BATCH) for begin in range(0, steps, BATCH)):
        way = (whole * share[some].view(-1, *[1] * (whole.dim() - 1))).requires_grad_()  # (b, C, *S)
        (slopes,) = torch.autograd.grad(logits(way)[:, k].sum(), way)
        slope += torch.tensordot(weight[some], slopes, 1)
    return np.asarray((slope * whole[0]).sum(0).double().cpu().numpy())  # (*S)


def grad_cam(net: nn.Module, x: Tensor, k: int) -> NDArray[np.float64] | None:
    """Where the last maps speak for class k: each map times its mean slope, added up, what is negative left out.

    net: in evaluation mode. x: (1, C, *S), normalised. Returns (*S') at the size of the last maps that a layer makes
    before pools only choose among them; None for a net without any. Selvaraju et al. 2017, section 3.
    """
    steps = trace(net, x)
    last = next((s for s in reversed(steps) if s.output.dim() > 2 and not isinstance(s.layer, NOT_MAPS)), None)
    if last is None:
        return None
    with _replaced(last.layer, maps := last.output.clone().requires_grad_()), torch.enable_grad():
        (slopes,) = torch.autograd.grad(net(x)[0, k], maps)
    weight = slopes.flatten(2).mean(2)[0]  # (C,)
    return np.asarray(torch.tensordot(weight, maps.detach()[0], 1).relu().double().cpu().numpy())  # (*S')


def _smooth(net: nn.Module, x: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """The values that slopes are taken of, and the logits as a function of them: of words, their features."""
    embed = next((layer for layer in net.modules() if isinstance(layer, Embed)), None)
    if embed is None:
        return x.detach(), net

    def logits(features: Tensor) -> Tensor:
        with _replaced(embed, features):
            found: Tensor = net(x.expand(len(features), *x.shape[1:]))
            return found

    with torch.no_grad():
        return embed(x), logits


@contextmanager
def _replaced(layer: nn.Module, output: Tensor) -> Iterator[None]:
    """While it lasts, a layer gives this, whatever it is given."""
    hook = layer.register_forward_hook(lambda _layer, _inputs, _output: output)
    try:
        yield
    finally:
        hook.remove()
