"""A net's text checked for a page: its sizes, or why it can't be, with the nearest nets that can as choices."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field

from glassnet.errors import GlassnetError
from glassnet.nets import text, zoo
from glassnet.nets.spec import Conv, Fc, Layer, Pool, Relu, Unfit
from glassnet.nets.text import Row, Spec
from glassnet.words import by

LAYER = re.compile(r"layer (\d+) `")
WRITE = re.compile(r"[Ww]rite `([^`]+)`")
LONGEST = 20_000
Facts = dict[str, Any]


class AskedNet(BaseModel):
    """A net's text, and the examples it is meant for."""

    net: str = Field(max_length=LONGEST, description="a text, or a name like resnet18", examples=["conv 8 3, relu, fc"])
    shape: list[int] = Field(min_length=1, max_length=4, description="(C, *S) of an example")
    classes: int = Field(ge=1, le=100_000)
    resizable: bool = Field(False, description="whether the examples can be had larger")


def checked(asked: AskedNet) -> Facts:
    """Sizes, parameters and the knobs that make this net; or what refuses it, and what works nearby."""
    shape, classes = tuple(asked.shape), max(asked.classes, 2)
    if any(not 1 <= n <= 100_000 for n in shape):
        raise GlassnetError("shape", expected="sizes from 1 to 100,000", found=by(shape), fix="Name those of the data")
    try:
        spec = zoo.suited(asked.net, shape)
    except GlassnetError as error:
        return {"net": asked.net, "refused": _misspelt(error, asked.net)}
    try:
        rows = text.measure(spec, shape, classes)
    except GlassnetError as error:
        return {"net": written(spec), "knobs": knobs(spec), "refused": _unfit(error, spec, asked)}
    cost = text.total(rows)
    return {
        "net": written(spec), "knobs": knobs(spec), "layers": [_layer(row) for row in rows],
        "parameters": cost.parameters, "multiply_adds": cost.multiply_adds,
    }  # fmt: skip


def knobs(spec: Spec) -> Facts | None:
    """The knobs that make this net, if they can: equal stages of conv, relu and pool, then neurons, then votes."""
    layers = list(spec.layers)
    stages = []
    while len(layers) >= 3 and isinstance(layers[0], Conv) and layers[1] == Relu() and isinstance(layers[2], Pool):
        stages.append((layers[0], layers[2]))
        layers = layers[3:]
    neurons = 0
    if len(layers) == 3 and isinstance(layers[0], Fc) and layers[1] == Relu():
        neurons, layers = layers[0].neurons or 0, layers[2:]
    if len(set(stages)) != 1 or layers != [Fc()]:
        return None
    conv, pool = stages[0]
    if conv.stride != 1 or pool.same:
        return None
    return {
        "features": conv.features, "size": conv.size, "valid": conv.valid,
        "window": pool.window, "stride": pool.stride, "stages": len(stages), "neurons": neurons,
    }  # fmt: skip


def written(spec: Spec) -> str:
    """The net's text, equal stages as a group."""
    found = knobs(spec)
    if found is None or found["stages"] == 1:
        return str(spec)
    stage, tail = spec.layers[:3], spec.layers[3 * int(found["stages"]) :]
    return f"({', '.join(map(str, stage))}) x{found['stages']}, {', '.join(map(str, tail))}"


def _layer(row: Row) -> Facts:
    return {"layer": str(row.layer or "input"), "shape": list(row.flow.shape), "parameters": row.cost.parameters}


def _misspelt(error: GlassnetError, typed: str) -> Facts:
    """A text that is no net: what was meant, where that can be guessed."""
    write, layer = WRITE.search(error.fix), re.search(r"layer \d+ `(.*)`$", error.place, re.DOTALL)
    ways: list[Facts] = []
    if write and layer and typed.lower().count(layer[1].lower()):
        at = typed.lower().index(layer[1].lower())
        ways = [{"words": f"Write {write[1]}", "net": typed[:at] + write[1] + typed[at + len(layer[1]) :]}]
    elif write and error.place == "the net":
        ways = [{"words": f"Write {_short(write[1])}", "net": write[1]}]
    elif error.fix.startswith("Did you mean "):
        ways = [{"words": f"Take {error.fix[13:]}", "net": error.fix[13:]}]
    ways = [way for way in ways if _parses(str(way["net"]))]
    what = layer[1] if layer else "This net"
    return {"line": str(error), "what": what, "why": error.found, "fix": error.fix, "ways": ways, "sizes": []}


def _unfit(error: GlassnetError, spec: Spec, asked: AskedNet) -> Facts:
    """A net that its examples don't fit: how the sizes go until then, and the nearest nets that work, each tried."""
    shape, classes = tuple(asked.shape), max(asked.classes, 2)
    found = LAYER.match(error.place)
    if found is None:  # all of it is too large
        return {"line": str(error), "what": "This net", "why": error.found, "fix": error.fix, "ways": [], "sizes": []}
    at = int(found[1]) - 1
    mend = error.__cause__.mend if isinstance(error.__cause__, Unfit) else None
    ways = {net: words for words, net in reversed(_ways(spec, at, mend)) if _fits(net, shape, classes)}
    chosen: list[Facts] = [{"words": words, "net": written(text.parse(net))} for net, words in reversed(ways.items())]
    larger = next((k for k in (2, 4, 8, 16) if _fits(str(spec), _grown(shape, k), classes)), None)
    if larger and asked.resizable:
        size = by([s * larger for s in shape[1:]], " × ")
        chosen.insert(0, {"words": f"Use {size}", "side": max(shape[1:]) * larger})
    return {
        "line": str(error), "what": str(spec.layers[at]), "layer": at, "why": error.found, "fix": error.fix,
        "ways": chosen[:3], "sizes": _sizes(spec, at, shape, classes),
    }  # fmt: skip


def _ways(spec: Spec, at: int, mend: str | None) -> list[tuple[str, str]]:
    """Nets near one whose layer `at` can't be, in words and as texts, the nearest first. Not all of them work."""
    layers, knob = spec.layers, knobs(spec)
    ways = [(f"Use {mend}", _joined(layers[:at], mend, layers[at + 1 :]))] if mend else []
    ways.append(("Drop it", _joined(layers[:at], None, layers[at + 1 :])))
    for fewer in reversed(range(1, knob["stages"] if knob else 1)):
        tail = layers[3 * int(knob["stages"] if knob else 0) :]
        ways.append((f"Use {fewer} stage{'s' * (fewer > 1)}", _joined(layers[:3] * fewer, None, tail)))
    return [*ways, ("Keep what stands before it", _joined(layers[:at], None, (Fc(),)))]


def _sizes(spec: Spec, at: int, shape: tuple[int, ...], classes: int) -> list[list[int]]:
    """The sizes on the way to a layer, where they change."""
    rows = text.measure(Spec((*spec.layers[:at], Fc())), shape, classes)[:-1]
    sizes: list[list[int]] = []
    for row in rows:
        size = list(row.flow.shape[1:])
        if size and (not sizes or sizes[-1] != size):
            sizes.append(size)
    return sizes


def _joined(before: Sequence[Layer], between: str | None, behind: Sequence[Layer]) -> str:
    return ", ".join([*map(str, before), *([between] if between else []), *map(str, behind)])


def _fits(net: str, shape: tuple[int, ...], classes: int) -> bool:
    try:
        text.measure(text.parse(net), shape, classes)
    except GlassnetError:
        return False
    return True


def _parses(net: str) -> bool:
    try:
        zoo.find(net)
    except GlassnetError:
        return False
    return True


def _grown(shape: tuple[int, ...], times: int) -> tuple[int, ...]:
    return (shape[0], *(size * times for size in shape[1:]))


def _short(words: str) -> str:
    return words if len(words) <= 40 else f"... {words[-30:]}"
