"""The net as text: parse it, check its arithmetic, refuse what can't be and say the nearest that can.

conv 32 3, relu, pool 2, (conv 64 3, batchnorm, relu) x2, residual 64 x2, mean, fc
"""

from __future__ import annotations

import difflib
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from glassnet.errors import GlassnetError
from glassnet.nets.blocks import LAYERS, Rbm
from glassnet.nets.spec import BatchNorm, Conv, Cost, Dropout, Fc, Flow, Layer, Pool, Unfit
from glassnet.shapes import Field
from glassnet.words import by, large

MAX_LAYERS = 2000
MAX_PARAMETERS = 2_000_000_000
MAX_ACTIVATIONS = 2_000_000_000
MAX_DEPTH = 20  # of brackets in brackets
REPEAT = re.compile(r"^(?P<what>.+?)\s*\bx\s*(?P<times>\d{1,9})$", re.DOTALL)
SQUARE = re.compile(r"(\d+)([x×*]\1)+")  # 3x3: glassnet writes 3


@dataclass(frozen=True)
class Spec:
    """An architecture: layers in order. Its text builds it again."""

    layers: tuple[Layer, ...]

    def __str__(self) -> str:
        return ", ".join(map(str, self.layers))


@dataclass(frozen=True)
class Row:
    """One line of a net's layer sheet. number: from 1, 0 for the input. bias: whether its sums have one."""

    number: int
    layer: Layer | None
    flow: Flow
    cost: Cost
    bias: bool = False


def operations(rows: Sequence[Row]) -> int:
    """Products and sums of a training step's look at one example: two for each multiply-add, and three passes, of
    layers with nothing below them that moves one. That is all up to the highest machine: it learnt before the votes do.
    """
    still = max((i for i, row in enumerate(rows) if isinstance(row.layer, Rbm)), default=-1)
    return sum(row.cost.multiply_adds * (2 if i <= still else 6) for i, row in enumerate(rows))


def parse(text: str) -> Spec:
    """Reads a net. Raises GlassnetError naming the layer, what is wrong and the nearest text that is right."""
    layers = _sequence(text, 0)
    if not layers or layers[-1] != Fc():
        ends = f"it ends in `{layers[-1]}`" if layers else "nothing"
        kept = layers[:-1] if layers and isinstance(layers[-1], Fc) else layers
        nearest = ", ".join(map(str, (*kept, Fc())))
        expected = "a bare `fc` at the end, for one neuron a class"
        raise GlassnetError("the net", expected=expected, found=ends, fix=f"Write `{nearest}`")
    return Spec(tuple(layers))


def parse_open(text: str) -> Spec:
    """The same of layers that others follow, so that they need not end in votes."""
    return Spec(tuple(_sequence(text, 0)))


def measure(spec: Spec, shape: tuple[int, ...], classes: int) -> tuple[Row, ...]:
    """The layer sheet of a net: sizes, cost and what each value sees, the input first.

    shape: (C, *S) of one example. Raises GlassnetError at the first layer that can't take its input.
    """
    flow = Flow(shape, tuple(Field() for _ in shape[1:]))
    rows = [Row(0, None, flow, Cost())]
    for i, layer in enumerate(spec.layers):
        layer = Fc(classes) if layer == Fc() and i == len(spec.layers) - 1 else layer
        try:
            after = _after(layer, flow)
        except Unfit as error:
            raise _unfit(spec, i, shape, classes, error) from error
        bias = _has_bias(spec.layers, i)
        rows.append(Row(i + 1, spec.layers[i], after, layer.cost(flow, after, bias), bias))
        flow = after
    _refuse_giant(rows)
    return tuple(rows)


def names(spec: Spec) -> tuple[str, ...]:
    """What each layer is called, counting each word: conv1, relu1, conv2, ... They are the keys of its weights."""
    counts: Counter[str] = Counter()
    result = []
    for layer in spec.layers:
        word = layer.form.split()[0]
        counts[word] += 1
        result.append(f"{word}{counts[word]}")
    return tuple(result)


def total(rows: tuple[Row, ...]) -> Cost:
    """What a whole net takes for one example."""
    return Cost(sum(row.cost.parameters for row in rows), sum(row.cost.multiply_adds for row in rows))


def activations(rows: tuple[Row, ...]) -> int:
    """How many values a forward pass of one example makes."""
    return sum(math.prod(row.flow.shape) for row in rows[1:])


def _sequence(text: str, before: int) -> list[Layer]:
    """Layers of a comma-separated text. before: how many layers stand in front of it."""
    layers: list[Layer] = []
    for piece in _split(text, before):
        repeated = REPEAT.match(piece)
        what, times = (repeated["what"], int(repeated["times"])) if repeated else (piece, 1)
        at = before + len(layers)
        if what.startswith("("):
            if not what.endswith(")"):
                raise _wrong(at, piece, "a group is written (conv 32 3, relu) x2", "Write x and a number behind it")
            once = _sequence(what[1:-1], at)
        else:
            once = [_layer(what, at)]
        if not 1 <= times <= MAX_LAYERS or at + times * len(once) > MAX_LAYERS:
            raise _wrong(at, piece, f"a net has 1 to {MAX_LAYERS:,} layers", "Repeat it fewer times")
        layers += once * times
    return layers


def _split(text: str, before: int) -> list[str]:
    """The pieces between the commas that stand in no bracket."""
    pieces: list[str] = []
    depth, start = 0, 0
    for i, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth < 0:
            raise _wrong(before + len(pieces), text[start : i + 1], "a bracket closes that was never opened", "Drop it")
        if depth > MAX_DEPTH:
            raise _wrong(before + len(pieces), "(((...", f"brackets lie over {MAX_DEPTH} deep", "Write it in one layer")
        if letter == "," and depth == 0:
            pieces.append(text[start:i].strip())
            start = i + 1
    if depth:
        raise _wrong(before + len(pieces), text[start:].strip(), "its bracket is never closed", "Write ) after it")
    pieces.append(text[start:].strip())
    return [piece for piece in pieces if piece]


def _layer(text: str, at: int) -> Layer:
    name, *words = text.lower().split()
    kind = LAYERS.get(name)
    near = _nearest(text)
    if kind is None:
        fix = f"Write `{near}`" if near else f"A layer is one of {', '.join(LAYERS)}"
        raise _wrong(at, text, f"glassnet knows no layer `{name}`", fix)
    try:
        return kind.parse(words)
    except Unfit as error:
        why = str(error) or f"it is written `{kind.form}`"
        raise _wrong(at, text, why, f"Write `{near}`" if near else f"It is written `{kind.form}`") from error


def _nearest(text: str) -> str | None:
    """The layer that was probably meant: its name mistyped, 3x3 for 3, the size first, or as a call conv(32, 3)."""
    text = re.sub(r"\((\d+), *\1\)", r"\1", text.lower())
    name, *words = re.sub(r"[(),=]", " ", text).split() or [""]
    near = difflib.get_close_matches(name, LAYERS, 1, 0.5)
    squares = [SQUARE.sub(r"\1", word) for word in words if SQUARE.search(word)]
    try:
        return str(LAYERS[near[0]].parse([w for w in words if not SQUARE.search(w)] + squares)) if near else None
    except Unfit as error:
        return error.mend


def _wrong(at: int, text: str, why: str, fix: str) -> GlassnetError:
    return GlassnetError(f"layer {at + 1} `{text}`", found=why, fix=fix)


def _after(layer: Layer, flow: Flow) -> Flow:
    if layer == Fc():
        raise Unfit("only the last `fc` may be bare, one neuron a class", "fc 128")
    if layer.needs_grid and not flow.is_grid:
        raise Unfit(f"its input has no places any more, only {flow.shape[0]:,} values")
    return layer.after(flow)


def _has_bias(layers: tuple[Layer, ...], at: int) -> bool:
    """A sum has a bias unless a batchnorm takes it off again; a pool between them changes nothing."""
    if not isinstance(layers[at], (Conv, Fc)):
        return False
    following = next((layer for layer in layers[at + 1 :] if not isinstance(layer, (Pool, Dropout))), None)
    return not isinstance(following, BatchNorm)


def _unfit(spec: Spec, at: int, shape: tuple[int, ...], classes: int, error: Unfit) -> GlassnetError:
    """The refusal of layer `at`, with the nearest nets and inputs that do work: each was tried."""
    layers = spec.layers
    before, behind = layers[:at], layers[at + 1 :]
    swapped = error.mend and _works(Spec((*before, _layer(error.mend, at), *behind)), shape, classes)
    dropped = not error.mend and _works(Spec((*before, *behind)), shape, classes)
    larger = next(
        (by(s * k for s in shape[1:]) for k in (2, 4, 8, 16) if _works(spec, _grown(shape, k), classes)), None
    )
    tried = {f"use `{error.mend}`": swapped, "drop it": dropped, f"use inputs of {larger}": larger}
    ways = [way for way, works in tried.items() if works]
    if not ways:
        ways = [f"keep only what stands before it: `{Spec((*before, Fc()))}`"]
    fix = ", or ".join(ways)
    return _wrong(at, str(layers[at]), str(error), fix[0].upper() + fix[1:])


def _grown(shape: tuple[int, ...], times: int) -> tuple[int, ...]:
    return (shape[0], *(size * times for size in shape[1:]))


def _works(spec: Spec, shape: tuple[int, ...], classes: int) -> bool:
    flow = Flow(shape, tuple(Field() for _ in shape[1:]))
    try:
        for i, layer in enumerate(spec.layers):
            flow = _after(Fc(classes) if i == len(spec.layers) - 1 else layer, flow)
    except Unfit:
        return False
    return True


def _refuse_giant(rows: list[Row]) -> None:
    cost = total(tuple(rows))
    if cost.parameters > MAX_PARAMETERS:
        worst = max(rows, key=lambda row: row.cost.parameters)
        most = f"{large(worst.cost.parameters)} in layer {worst.number} `{worst.layer}`"
        found = f"{large(cost.parameters)} parameters, {most}"
        raise GlassnetError(
            "the net",
            expected=f"at most {large(MAX_PARAMETERS)} parameters",
            found=found,
            fix="Make that layer smaller, or pool before it",
        )
    if activations(tuple(rows)) > MAX_ACTIVATIONS:
        found = f"{large(activations(tuple(rows)))} values for one example"
        raise GlassnetError("the net", found=found, fix="Use smaller inputs, fewer features or an earlier pool")
