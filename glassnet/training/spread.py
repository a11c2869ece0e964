"""Layers that see beyond one process's part of a batch: batch norms over all of it, dropout drawn for all of it.

A net wears them only while several processes train it; they have the plain layers' parameters and names.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from glassnet.training.cluster import Cluster


@dataclass
class Now:
    """Which examples of a step are this process's: from `first` on, of `whole` in all; 0 while it has them all."""

    first: int = 0
    whole: int = 0


class _Norm(torch.autograd.Function):
    """Batch normalisation by the mean and variance over all processes."""

    @staticmethod
    def forward(
        context: torch.autograd.function.FunctionCtx,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        mean: Tensor,
        variance: Tensor,
        counted: tuple[float, float],
        cluster: Cluster,
    ) -> Tensor:
        epsilon, count = counted
        context.save_for_backward(x, weight, mean, variance)
        context.rest = epsilon, count, cluster  # type: ignore[attr-defined]  # where autograd keeps what is no tensor
        return functional.batch_norm(x, mean, variance, weight, bias, False, 0.0, epsilon)

    @staticmethod
    def backward(context: torch.autograd.function.FunctionCtx, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        """Of x: weight / spread * (slope - mean of the slopes - x_hat * mean of slope * x_hat), means over all.

        Ioffe and Szegedy 2015, "Batch normalization", section 3. Those of weight and bias are of its part alone.
        """
        x, weight, mean, variance = context.saved_tensors  # type: ignore[attr-defined]  # by save_for_backward
        epsilon, count, cluster = context.rest  # type: ignore[attr-defined]  # see forward
        own = torch.ops.aten.native_batch_norm_backward(
            slopes[0], x, weight, mean, variance, None, None, False, epsilon, [True, True, True]
        )
        direct, of_weight, of_bias = own
        summed = cluster.add_up(torch.stack([of_weight, of_bias]).double()) / count
        scale = -weight.double() / (variance.double() + epsilon).sqrt()
        by, to = (scale * summed).to(weight.dtype)
        through = functional.batch_norm(x, mean, variance, by, to, False, 0.0, epsilon)
        return direct + through, of_weight, of_bias, None, None, None, None


class _Together(nn.modules.batchnorm._BatchNorm):
    """A batch norm over what all processes have of a batch; asked, or with a whole batch, it is the plain one."""

    now: Now
    cluster: Cluster

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.now.whole:
            return super().forward(x)
        mean, variance, count = self._statistics(x)
        with torch.no_grad():
            assert self.momentum is not None and self.running_mean is not None and self.running_var is not None
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
            fair = variance * (count / max(count - 1, 1))
            self.running_var.lerp_(fair.to(self.running_var.dtype), self.momentum)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
        kind = self.weight.dtype
        counted = (self.eps, float(count))
        out: Tensor = _Norm.apply(  # type: ignore[no-untyped-call]  # torch leaves it untyped
            x, self.weight, self.bias, mean.to(kind), variance.to(kind), counted, self.cluster
        )
        return out

    @torch.no_grad()
    def _statistics(self, x: Tensor) -> tuple[Tensor, Tensor, int]:
        """Mean and variance (C,) float64 of each map over all processes, and how many values they are of.

        Each process's own are found by torch's kernel; they are put together in float64 (Chan, Golub, LeVeque 1979).
        """
        own = x.numel() // x.shape[1]
        mean, fair = torch.zeros_like(self.weight), torch.ones_like(self.weight)
        torch.batch_norm_update_stats(x, mean, fair, 1.0)
        m, spread = mean.double(), fair.double() * (own - 1) if own > 1 else torch.zeros_like(mean.double())
        sums = self.cluster.add_up(torch.stack([m * own, spread + own * m * m]))
        count = own // len(x) * self.now.whole
        m = sums[0] / count
        return m, (sums[1] / count - m * m).clamp(min=0), count


class _Together1d(_Together, nn.BatchNorm1d):
    """See TOGETHER."""


class _Together2d(_Together, nn.BatchNorm2d):
    """See TOGETHER."""


class _Together3d(_Together, nn.BatchNorm3d):
    """See TOGETHER."""


class _Dropout(nn.Dropout):
    """Dropout drawn for all examples of a step, of which this process keeps its own: the same however many share it."""

    now: Now

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.now.whole:
            return super().forward(x)
        ones = x.new_ones((self.now.whole, *x.shape[1:]))
        for layout in (torch.channels_last, torch.channels_last_3d):  # what lies otherwise may be drawn otherwise
            axes = 4 if layout is torch.channels_last else 5
            if x.dim() == axes and not x.is_contiguous() and x.is_contiguous(memory_format=layout):
                ones = ones.contiguous(memory_format=layout)
        drawn = functional.dropout(ones, self.p, True)
        return x * drawn[self.now.first : self.now.first + len(x)]


TOGETHER: dict[type[nn.Module], type[_Together]] = {
    nn.BatchNorm1d: _Together1d,
    nn.BatchNorm2d: _Together2d,
    nn.BatchNorm3d: _Together3d,
}


def put_together(net: nn.Module, cluster: Cluster) -> Now:
    """Lets a net's batch norms and dropouts see beyond this process's part of a step, which the result says."""
    now = Now()
    for parent in list(net.modules()):
        for name, module in list(parent.named_children()):
            changed = _changed(module)
            if changed is not None:
                changed.now, changed.cluster = now, cluster  # type: ignore[assignment]  # no modules
                parent.add_module(name, changed)
    return now


def take_apart(net: nn.Module) -> None:
    """Gives a net back the plain layers that it had."""
    plain: dict[type[nn.Module], type[nn.Module]] = {own: usual for usual, own in TOGETHER.items()}
    for parent in list(net.modules()):
        for name, module in list(parent.named_children()):
            usual = nn.Dropout if type(module) is _Dropout else plain.get(type(module))
            if usual is not None:
                parent.add_module(name, _as(module, usual))


def _changed(module: nn.Module) -> nn.Module | None:
    """The layer that works together with others' in place of a plain one, if it needs one."""
    own = _Dropout if type(module) is nn.Dropout else TOGETHER.get(type(module))
    return None if own is None else _as(module, own)


def _as(module: nn.Module, kind: type[nn.Module]) -> nn.Module:
    """The same layer, with the same parameters, as another class."""
    other = kind.__new__(kind)
    other.__dict__.update(module.__dict__)
    for name in ("now", "cluster"):
        other.__dict__.pop(name, None)
    return other
