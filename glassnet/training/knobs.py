"""Knobs: what is searched of a net and of its training, as plain data; the text of the net that values of them make.

Knows nothing of how values are chosen, and of the examples only their shape. Needs no torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from glassnet.config import Value
from glassnet.errors import GlassnetError
from glassnet.nets.blocks import Embed, Phrases, Residual
from glassnet.nets.spec import BatchNorm, Conv, Dropout, Fc, Gelu, Layer, Max, Mean, Pool, Relu
from glassnet.nets.text import Spec, measure, total

WIDEST = 256  # features of a layer
NARROWEST = 4
MOST_STAGES = 6
WHITENED = 64  # kernels of a first layer that is begun with whitening, at most
MOST_RATE = 4.0  # times the usual learning rate, and a fourth of it
RECIPE = ("epochs", "batch", "learning_rate", "augment")  # the knobs that are no part of the net

Values = Mapping[str, Value]


@dataclass(frozen=True)
class Knob:
    """One thing that is searched. words: what it is. choices: what it may be, in order; if there are none it is a
    number from low to high, looked for by factors.
    """

    name: str
    words: str
    choices: tuple[Value, ...] = ()
    low: float = 0.0
    high: float = 0.0


def of_grids(shape: tuple[int, ...]) -> tuple[Knob, ...]:
    """The knobs of nets for examples with places, (C, *S) in 1-D, 2-D or 3-D: those of the slides, and their order."""
    stages = min(max(round(math.log2(max(shape[1:]) / 2)), 1), MOST_STAGES)
    starts = ("plain", "whitened") if _kernels(shape) <= WHITENED and min(shape[1:]) > 2 else ("plain",)
    found = (
        replace(STAGES, choices=tuple(range(1, stages + 1))),
        replace(SIZE, choices=(3, 5, 9) if len(shape) == 2 else (3, 5)),
        replace(START, choices=starts),
    )
    named = {knob.name: knob for knob in found}
    return tuple(knob for one in GRIDS if len((knob := named.get(one.name, one)).choices) > 1)


def of_words() -> tuple[Knob, ...]:
    """The knobs of nets for sentences."""
    return WORDS


def of_recipe(epochs: int, batch: int, learning_rate: float, may_vary: bool) -> tuple[Knob, ...]:
    """The knobs of a training, around what is usual for the data. may_vary: whether varied copies make sense."""
    often = tuple(sorted({max(1, round(epochs / 2)), epochs, 2 * epochs}))
    batches = tuple(sorted({max(1, batch // 2), batch, 2 * batch}))
    return (
        Knob("epochs", "times each example is seen", often),
        Knob("batch", "examples in a step", batches),
        Knob("learning_rate", "highest learning rate", (), learning_rate / MOST_RATE, learning_rate * MOST_RATE),
        *((Knob("augment", "varied copies", (True, False)),) if may_vary else ()),
    )


def usual(shape: tuple[int, ...], looked_up: bool) -> tuple[Values, ...]:
    """Nets to begin with, as values of all knobs of a net: those that have proved themselves on data of this shape."""
    if looked_up:
        return ({**WORDS_FIRST}, {**WORDS_FIRST, "embed": 200, "features": 50, "left_out": 0.5})
    stages = min(max(round(math.log2(max(shape[1:]) / 4)), 1), MOST_STAGES)
    plain: Values = {**GRID_FIRST, "stages": stages}
    wide: Values = {
        **plain, "start": "whitened", "features": 64, "growth": 4, "depth": 2, "activation": "gelu",
    }  # fmt: skip
    deep: Values = {**plain, "block": "residual", "depth": 2}
    return plain, wide, deep


def fitted(values: Values, shape: tuple[int, ...], classes: int, most: float) -> tuple[Spec, Values]:
    """The net that these values make of examples (C, *S), and the values it was made with.

    Values that make a net which can't be, or one of over `most` multiply-adds for an example, give way to the nearest
    smaller ones: so whatever is tried can be tried.
    """
    while True:
        spec = words_net(values) if "embed" in values else grid_net(values, shape)
        why = _refused(spec, shape, classes, most)
        if not why:
            return spec, values
        values = next(_smaller(values, why))


def grid_net(values: Values, shape: tuple[int, ...]) -> Spec:
    """The net of values for examples with places: a first layer, stages, then votes. It may be one that can't be."""
    layers: list[Layer] = []
    if values.get("start") == "whitened":
        layers += [Conv(_kernels(shape), 2, valid=True), Gelu()]
    features, growth = _whole(values, "features"), _whole(values, "growth")
    residual = values["block"] == "residual"
    if residual:
        layers += [Conv(features, _whole(values, "size")), BatchNorm(), _activation(values)]
    for stage in range(_whole(values, "stages")):
        width = min(features * growth**stage, max(WIDEST, features))
        layers += _units(values, width, stage) if residual else _convs(values, width)
    return Spec((*layers, *_votes(values)))


def words_net(values: Values) -> Spec:
    """The net of values for sentences: words looked up, phrases, then votes."""
    shortest = _whole(values, "shortest")
    phrases = Phrases(_whole(values, "features"), shortest, shortest + _whole(values, "lengths") - 1)
    first: list[Layer] = [Embed(_whole(values, "embed"))]
    if values["left_out"]:
        first.append(Dropout(float(values["left_out"])))
    return Spec((*first, phrases, _activation(values), *_votes(values)))


def _convs(values: Values, width: int) -> Iterator[Layer]:
    """A stage of convolutions that pools once, after the first of them or at its end; a window of 1 pools nothing."""
    window = _whole(values, "window")
    pool = [Pool(window, min(_whole(values, "stride"), window))] if window > 1 else []
    first, depth = values["pooled"] == "first", _whole(values, "depth")
    for place in range(depth):
        yield Conv(width, _whole(values, "size"))
        if first and place == 0:
            yield from pool
        if values["batchnorm"]:
            yield BatchNorm()
        yield _activation(values)
    if not first:
        yield from pool


def _units(values: Values, width: int, stage: int) -> Iterator[Layer]:
    """A stage of residual units, the first of which takes every other place; not that of the lowest stage."""
    for place in range(_whole(values, "depth")):
        yield Residual(width, _whole(values, "stride") if stage and not place else 1)


def _votes(values: Values) -> Iterator[Layer]:
    """From the last maps to the classes."""
    if values["end"] != "all":
        yield Mean() if values["end"] == "mean" else Max()
    if values["neurons"]:
        yield Fc(_whole(values, "neurons"))
        yield _activation(values)
    if values["dropout"]:
        yield Dropout(float(values["dropout"]))
    yield Fc()


def _refused(spec: Spec, shape: tuple[int, ...], classes: int, most: float) -> str:
    """Why a net is not to be tried: it is "impossible", or too "large"; else ""."""
    try:
        rows = measure(spec, shape, classes)
    except GlassnetError:
        return "impossible"
    return "large" if total(rows).multiply_adds > most else ""


def _smaller(values: Values, why: str) -> Iterator[Values]:
    """Values that make a smaller net, the nearest first. There is always one: the last is the smallest net there is."""
    if why == "impossible" and values.get("start") == "whitened":
        yield {**values, "start": "plain"}
    if why != "large" and _whole({"stages": 1, **values}, "stages") > 1:
        yield {**values, "stages": _whole(values, "stages") - 1}
    if why == "impossible" and values["end"] == "all":
        yield {**values, "end": "mean"}
    if why == "impossible" and _whole({"window": 1, **values}, "window") > 1:
        yield {**values, "window": 1, "stride": 1}
    if why == "impossible" and _whole({"lengths": 1, **values}, "lengths") > 1:
        yield {**values, "lengths": _whole(values, "lengths") - 1}
    if why == "impossible" and _whole({"shortest": 1, **values}, "shortest") > 1:
        yield {**values, "shortest": _whole(values, "shortest") - 1}
    for name, least in SHRINKING:
        if name in values and _whole(values, name) > least:
            yield {**values, name: max(least, _whole(values, name) // 2)}
    for name, plain in (("end", "mean"), ("start", "plain"), ("block", "conv")):
        if values.get(name, plain) != plain:
            yield {**values, name: plain}
    raise GlassnetError(
        "the examples", found="no net is small enough for them", fix="Give it more time with --minutes, or a --net"
    )


def _kernels(shape: tuple[int, ...]) -> int:
    """How many kernels of 2 places a side show every direction of a patch and the opposite one."""
    return int(2 * shape[0] * 2 ** (len(shape) - 1))


def _activation(values: Values) -> Layer:
    return Gelu() if values["activation"] == "gelu" else Relu()


def _whole(values: Values, name: str) -> int:
    return int(values[name])


START = Knob("start", "first layer", ("plain", "whitened"))
STAGES = Knob("stages", "stages, each pooled once", (1, 2, 3))
SIZE = Knob("size", "size of a feature", (3, 5))
ENDS = (
    Knob("activation", "after each sum", ("relu", "gelu")),
    Knob("end", "what of the last maps votes", ("mean", "max", "all")),
    Knob("neurons", "neurons before the votes", (0, 64, 256)),
    Knob("dropout", "share left out before the votes", (0.0, 0.25, 0.5)),
)
GRIDS = (
    START,
    Knob("block", "what a stage is made of", ("conv", "residual")),
    STAGES,
    Knob("depth", "of these in a stage", (1, 2, 3)),
    Knob("features", "features of the first stage", (8, 16, 32, 64)),
    Knob("growth", "times as many a stage", (1, 2, 4)),
    SIZE,
    Knob("window", "pooling window", (2, 3)),
    Knob("stride", "pooling stride", (2, 3)),
    Knob("pooled", "where in a stage it pools", ("first", "last")),
    Knob("batchnorm", "batch norms", (True, False)),
    *ENDS,
)
WORDS = (
    Knob("embed", "features of a word", (50, 100, 200)),
    Knob("left_out", "share of them left out", (0.3, 0.5, 0.7)),
    Knob("features", "features of each length of phrase", (50, 100, 200)),
    Knob("shortest", "words of the shortest phrase", (1, 2, 3)),
    Knob("lengths", "lengths of phrases", (1, 2, 3)),
    *ENDS[:1],
    replace(ENDS[1], choices=("mean", "max")),
    *ENDS[2:],
)
GRID_FIRST: Values = {
    "start": "plain", "block": "conv", "depth": 1, "features": 32, "growth": 2, "size": 3, "window": 2, "stride": 2,
    "pooled": "first", "batchnorm": True, "activation": "relu", "end": "mean", "neurons": 0, "dropout": 0.0,
}  # fmt: skip
WORDS_FIRST: Values = {
    "embed": 100, "left_out": 0.7, "features": 100, "shortest": 1, "lengths": 3,
    "activation": "relu", "end": "mean", "neurons": 0, "dropout": 0.5,
}  # fmt: skip
SHRINKING = (
    ("features", NARROWEST), ("growth", 1), ("depth", 1), ("neurons", 0), ("embed", 8), ("stages", 1), ("size", 1),
    ("features", 1),
)  # fmt: skip
