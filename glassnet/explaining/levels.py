"""Levels: the layers of a net whose values answer to patterns, each with what it is summed up from. Knows no data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from torch import nn

from glassnet.nets.convnet import ConvNet
from glassnet.nets.layers import Embed, Max, Mean, Phrases, Residual
from glassnet.nets.text import measure, names
from glassnet.shapes import Field

INPUT = "input"
Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d
CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@dataclass(frozen=True)
class Feeder:
    """One sum that goes into a level's values: products of the values below, then perhaps a batch norm.

    lower: the level that it reads, INPUT for the net's own input, or where words are looked up. layer: a convolution or
    fully connected layer, or an Add, whose second input then comes as it is. skip: whether it is the way around of a
    residual unit. spelt: whether it reads words that were looked up.
    """

    lower: str
    layer: nn.Module
    norm: nn.Module | None = None
    skip: bool = False
    spelt: bool = False


@dataclass(frozen=True)
class Level:
    """A layer with features, looked at before its ReLU and behind its batch norm. The last level is the classes.

    name: as in the net, with a dot inside a residual unit: "residual1.conv1". text: as the net is written. value: the
    module whose output it is. features: how many. is_grid: whether its values have places. fields: what each feature
    sees, an axis at a time. is_cut: whether a ReLU or GELU follows, so that values below 0 tell nobody anything.
    """

    name: str
    text: str
    value: nn.Module
    features: int
    is_grid: bool
    fields: tuple[tuple[Field, ...], ...]
    feeders: tuple[Feeder, ...]
    is_cut: bool = False

    def window(self, feature: int, place: tuple[int, ...], sizes: tuple[int, ...]) -> list[range]:
        """The stretch of the input, an axis at a time, that a value can see, clipped to the input of these sizes."""
        at = place or (0,) * len(sizes)
        return [field.seen_by(i, n) for field, i, n in zip(self.fields[feature], at, sizes, strict=True)]

    @property
    def field(self) -> tuple[Field, ...]:
        """What its farthest-seeing feature sees."""
        return max(self.fields, key=lambda fields: fields[0].size)


def levels(net: ConvNet) -> tuple[Level, ...]:
    """Every level of a net from the input up; the last is the classes."""
    found: list[Level] = []
    rows = measure(net.spec, net.shape, net.classes)
    modules = list(net.named_children())
    by_name = dict(zip(names(net.spec), pairwise(rows), strict=True))
    lower, spelt = INPUT, False
    for i, (name, module) in enumerate(modules):
        if isinstance(module, (nn.ReLU, nn.GELU)) and found:
            found[-1] = replace(found[-1], is_cut=True)
        if isinstance(module, Embed):
            lower, spelt = name, True
        if isinstance(module, (Mean, Max, nn.MaxPool1d)):
            spelt = False  # what is read now stands for no single word
        if not isinstance(module, (*CONVS, nn.Linear, Residual)):
            continue
        before, after = by_name[name]
        if isinstance(module, Residual):
            found += _unit(name, str(after.layer), module, lower, before.flow.field)
        else:
            following = modules[i + 1][1] if i + 1 < len(modules) else None
            norm = following if isinstance(following, NORMS) else None
            feeder = Feeder(lower, module, norm, spelt=spelt)
            fields = tuple(_fields(module, before.flow.field, after.flow.field))
            grid = after.flow.is_grid
            found.append(Level(name, str(after.layer), norm or module, after.flow.shape[0], grid, fields, (feeder,)))
        lower, spelt = name, False
    return tuple(found)


def widths(net: ConvNet, found: tuple[Level, ...]) -> dict[str, int]:
    """How many features each level has, by its name, and what lies below them all."""
    embeds = {name: module.weight.shape[1] for name, module in net.named_children() if isinstance(module, Embed)}
    return {INPUT: net.shape[0], **embeds, **{level.name: level.features for level in found}}


def _fields(module: nn.Module, before: tuple[Field, ...], after: tuple[Field, ...]) -> Iterator[tuple[Field, ...]]:
    """What each feature of a layer sees; of phrases each has its own length."""
    if isinstance(module, Phrases):
        (edge,), (field,) = padding(module), before
        for span in module.spans:
            start = field.start + (span.start - edge) * field.stride
            yield (Field(field.size + (len(span) - 1) * field.stride, field.stride, start),)
        return
    count = module.out_features if isinstance(module, nn.Linear) else getattr(module, "out_channels", 0)
    yield from [after] * int(count)


def padding(conv: Convolution) -> tuple[int, ...]:
    """Blank cells at each end, an axis at a time."""
    return tuple(one for one in conv.padding if isinstance(one, int))


def _unit(name: str, text: str, unit: Residual, lower: str, field: tuple[Field, ...]) -> Iterator[Level]:
    """The convolutions inside a residual unit, and its sum, which two ways feed: they and the way around."""
    below = lower
    for k in range(1, unit.convs + 1):
        conv, norm = unit.get_submodule(f"conv{k}"), unit.get_submodule(f"batchnorm{k}")
        assert isinstance(conv, CONVS), "it is one"
        geometry = zip(field, conv.kernel_size, conv.stride, padding(conv), strict=True)
        field = tuple(one.through(size, stride, edge) for one, size, stride, edge in geometry)
        fields = (field,) * conv.out_channels
        feeder = Feeder(below, conv, norm)
        below = f"{name}.conv{k}"
        if k < unit.convs:
            inner = f"conv {conv.out_channels} {conv.kernel_size[0]}"
            yield Level(below, f"{inner} in {text}", norm, conv.out_channels, True, fields, (feeder,), is_cut=True)
            continue
        around = Feeder(lower, unit.add, skip=True)
        if unit.projects:
            around = Feeder(lower, unit.get_submodule("conv_around"), unit.get_submodule("batchnorm_around"), True)
        yield Level(name, text, unit.add, conv.out_channels, True, fields, (feeder, around), is_cut=True)
