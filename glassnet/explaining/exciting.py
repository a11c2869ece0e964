"""The input that excites a feature most, found by climbing its slope from a nearly flat start. Knows no kinds of data.

Simonyan et al. 2014, "Deep inside convolutional networks", section 2: gradient ascent on the input with a bounded norm.
Olah et al. 2017, "Feature visualization": small shifts and smooth slopes keep deep features from noise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from glassnet.explaining.levels import INPUT, Level
from glassnet.explaining.patches import outputs
from glassnet.nets.convnet import ConvNet
from glassnet.nets.layers import Embed

STEPS, FEWEST_STEPS = 64, 16
TOGETHER, FEWEST = 32, 4  # features a level that are drawn
WORK = 1e11  # multiply-adds that a level may cost
START, STRIDE = 0.02, 0.25  # of the full norm: the first noise, and the first step
LEAK = 0.1  # share of a slope that passes a shut ReLU
SMOOTH = 8  # places a side from which slopes are smoothed and inputs shifted


@dataclass(frozen=True)
class Exciting:
    """What excites a feature most. x: (C, *w) normalised, of root mean square 1. value: what the feature makes it."""

    x: NDArray[np.float32]
    value: float


@dataclass(frozen=True)
class Stage:
    """Where the inputs of a level are drawn. sizes: of the input. place: the value looked at. window: what it sees."""

    sizes: tuple[int, ...]
    place: tuple[int, ...]
    window: tuple[range, ...]


@dataclass(frozen=True)
class Plan:
    """How many features of a level are drawn, in how many steps. work: multiply-adds of a step."""

    features: int
    steps: int
    work: int


def stage(net: ConvNet, level: Level) -> Stage:
    """The smallest input on which a level's value sees all it can; the whole input for values without a place.

    It begins where the input does, so that every value within the window is made as it is far from any edge.
    """
    whole = net.shape[1:]
    if not level.is_grid:
        return Stage(whole, (), tuple(level.window(0, (), whole)))
    at = tuple(-(field.start // field.stride) for field in level.field)
    ends = tuple(f.start + i * f.stride + f.size for f, i in zip(level.field, at, strict=True))
    sizes = tuple(min(end, n) for end, n in zip(ends, whole, strict=True))
    at = tuple(
        i if end <= n else max(0, round(((n - field.size) / 2 - field.start) / field.stride))
        for i, end, n, field in zip(at, ends, whole, level.field, strict=True)
    )
    with torch.no_grad():
        shape = _value(net, level, torch.zeros(1, net.shape[0], *sizes, device=_device(net))).shape[2:]
    at = tuple(min(i, n - 1) for i, n in zip(at, shape, strict=True))
    return Stage(sizes, at, tuple(f.seen_by(i, n) for f, i, n in zip(level.field, at, sizes, strict=True)))


def afford(net: ConvNet, level: Level) -> Plan:
    """As many features and steps as the work for a level has room for."""
    share = math.prod(stage(net, level).sizes) / math.prod(net.shape[1:])
    each = max(1.0, 3 * share * _multiply_adds(net, level))
    features = min(level.features, int(min(TOGETHER, max(FEWEST, WORK / each / FEWEST_STEPS))))
    return Plan(features, int(min(STEPS, max(FEWEST_STEPS, WORK / each / features))), int(each * features))


def can_excite(net: ConvNet) -> bool:
    """Whether inputs can be changed by degrees; the numbers of words can't."""
    return not any(isinstance(module, Embed) for module in net.modules())


def excite(
    net: ConvNet, level: Level, features: Sequence[int], steps: int, seed: int = 0
) -> Iterator[dict[int, Exciting]]:
    """Climbs for several features of a level at once; yields nothing found after every step, and all at the end."""
    spot, device = stage(net, level), _device(net)
    shape = (net.shape[0], *(len(span) for span in spot.window))
    full = math.sqrt(math.prod(shape))
    random = torch.Generator().manual_seed(seed)
    noise = torch.randn(shape, generator=random)
    x = (noise / noise.norm() * full * START).to(device).expand(len(features), *shape).contiguous()  # (n, C, *w)
    wanted = torch.tensor(features, device=device)
    axes = tuple(i for i, size in enumerate(shape) if i and size >= SMOOTH)
    deep = axes if any(feeder.lower != INPUT for feeder in level.feeders) else ()
    best, most = x, torch.full((len(features),), -math.inf, device=device)
    with _open_gates(net):
        for step in range(steps):
            left = 1 - step / steps
            shifts = [int(torch.randint(-(shape[i] // 16), shape[i] // 16 + 1, (), generator=random)) for i in deep]
            values, slope = _slope(net, level, spot, _rolled(x, shifts, deep), wanted)
            better = (values > most) & (_norms(x).flatten() > 0.99 * full)
            most, best = torch.where(better, values, most), torch.where(_like(better, x), x, best)
            slope = _smoothed(_rolled(slope, [-shift for shift in shifts], deep), deep, 1.5 * left)
            x = x + full * STRIDE * max(left, 0.1) * slope / _norms(slope)
            x = x * (full / _norms(x)).clamp(max=1)
            yield {}
    with torch.no_grad():
        tried = [one * full / _norms(one) for one in (x, best)]
        values, others = (_at(_value(net, level, _placed(one, spot)), wanted, spot.place) for one in tried)
        pictures = torch.where(_like(values >= others, x), tried[0], tried[1]).cpu().numpy()
        values = torch.maximum(values, others)
    yield {f: Exciting(pictures[i], float(values[i])) for i, f in enumerate(features)}


@contextmanager
def _open_gates(net: nn.Module) -> Iterator[None]:
    """While this lasts, a slope passes a little through a ReLU that is shut, so that a climb can begin there too.

    The values stay as they are. Olah et al. 2017 redirect such slopes for the same reason.
    """

    def leak(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        (x,) = inputs
        return output + LEAK * (x - x.detach()) * (x <= 0)

    hooks = [module.register_forward_hook(leak) for module in net.modules() if isinstance(module, nn.ReLU)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _like(which: Tensor, x: Tensor) -> Tensor:
    """(n,) as (n, 1, ...), to choose among examples."""
    return which.reshape(-1, *[1] * (x.dim() - 1))


def _slope(net: ConvNet, level: Level, spot: Stage, x: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """(n,) each feature's value, and how it rises with each place of its own input. x: (n, C, *w), as the slopes."""
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        values = _at(_value(net, level, _placed(x, spot)), wanted, spot.place)
        (slope,) = torch.autograd.grad(values.sum(), x)
    return values.detach(), slope


def _placed(x: Tensor, spot: Stage) -> Tensor:
    """(n, C, *S) the windows in an input that is flat everywhere else."""
    edges = [(span.start, size - span.stop) for span, size in zip(spot.window, spot.sizes, strict=True)]
    return functional.pad(x, [cells for ends in reversed(edges) for cells in ends])


def _value(net: ConvNet, level: Level, x: Tensor) -> Tensor:
    """A level's output (n, F, *S); what comes after it isn't run."""
    with outputs([level.value]) as seen:
        for module in net.children():
            x = module(x)
            if level.value in seen:
                return seen[level.value][1]
    raise AssertionError("every level is in its net")


def _at(values: Tensor, wanted: Tensor, place: tuple[int, ...]) -> Tensor:
    """(n,) of each input the value of its own feature at the place."""
    found = values[torch.arange(len(wanted), device=values.device), wanted]  # (n, *S)
    for i in place:
        found = found.select(1, i)
    return found  # (n,)


def _rolled(x: Tensor, shifts: list[int], axes: tuple[int, ...]) -> Tensor:
    """Shifted along these axes of each example, what leaves at one end coming in at the other."""
    return torch.roll(x, shifts, [i + 1 for i in axes]) if any(shifts) else x


def _norms(x: Tensor) -> Tensor:
    """(n, 1, ...) the length of each, never 0."""
    lengths: Tensor = x.flatten(1).norm(dim=1)
    return lengths.clamp(min=1e-12).reshape(-1, *[1] * (x.dim() - 1))


def _smoothed(x: Tensor, axes: tuple[int, ...], sigma: float) -> Tensor:
    """Blurred along these axes of each example. x: (n, C, *w)."""
    if sigma < 0.2:
        return x
    reach = math.ceil(2 * sigma)
    weights = torch.exp(-(torch.arange(-reach, reach + 1, device=x.device) ** 2) / (2 * sigma**2))
    weights = weights / weights.sum()
    for i in axes:
        lines = x.movedim(i + 1, -1)
        rows = functional.pad(lines.reshape(-1, 1, lines.shape[-1]), (reach, reach), mode="replicate")
        x = functional.conv1d(rows, weights[None, None]).reshape(lines.shape).movedim(-1, i + 1)
    return x


def _multiply_adds(net: ConvNet, level: Level) -> int:
    """What it takes to bring one whole input up to a level."""
    found: list[int] = []

    def note(module: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        weight = module.weight
        assert isinstance(weight, Tensor), "a convolution has one"
        found.append(weight[0].numel() * output[0].numel())

    counted = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
    hooks = [module.register_forward_hook(note) for module in net.modules() if isinstance(module, counted)]
    try:
        with torch.no_grad():
            _value(net, level, torch.zeros(1, *net.shape, device=_device(net)))
    finally:
        for hook in hooks:
            hook.remove()
    return sum(found)


def _device(net: nn.Module) -> torch.device:
    return next(net.parameters()).device
