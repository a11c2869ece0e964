"""The layer sheet of a net as a page shows it: sizes, cost, what each value sees, what the first features match."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from glassnet.explaining.images import value_colour
from glassnet.nets.blocks import Residual
from glassnet.nets.convnet import ConvNet
from glassnet.nets.spec import Conv, Fc
from glassnet.nets.text import Row, activations, total
from glassnet.words import bytes_read, counted

MOST_FEATURES = 16
ICON = 18  # pixels of the picture of what a value sees


@dataclass(frozen=True)
class LayerView:
    """One line of the sheet. bars: lengths in pixels. memory: of its weights and of the values of one example.

    sees_box: x, y, width, height inside an icon of ICON pixels.
    """

    number: str
    name: str
    output: str
    parameters: str
    parameters_bar: int
    multiply_adds: str
    multiply_adds_bar: int
    memory: str
    sees: str
    sees_box: tuple[float, float, float, float] | None
    matches: str
    features: tuple[tuple[tuple[str, ...], ...], ...]


@dataclass(frozen=True)
class Sheet:
    """The lines and their sum."""

    lines: tuple[LayerView, ...]
    parameters: str
    multiply_adds: str
    memory: str


def sheet(net: ConvNet, rows: tuple[Row, ...], classes: int, one: str) -> Sheet:
    """The sheet of a net. one: the noun for what it is shown."""
    cost = total(rows)
    most = max(row.cost.parameters for row in rows), max(row.cost.multiply_adds for row in rows)
    lines = tuple(_line(net, rows, i, most, classes, one) for i in range(len(rows)))
    memory = f"{bytes_read(cost.parameters * 4)} as float32; {bytes_read(activations(rows) * 4)} of values an example"
    return Sheet(lines, f"{cost.parameters:,}", f"{cost.multiply_adds:,}", memory)


def _line(net: ConvNet, rows: tuple[Row, ...], i: int, most: tuple[int, int], classes: int, one: str) -> LayerView:
    row, image = rows[i], rows[0].flow.shape
    sees, box = _sees(row, image)
    before = rows[max(i - 1, 0)].flow.shape
    first = isinstance(row.layer, Conv) and not any(isinstance(r.layer, (Conv, Residual)) for r in rows[:i])
    features = _features(net) if first and image[0] in (1, 3) and len(image) == 3 else ()
    return LayerView(
        str(row.number) if row.number else "",
        str(row.layer) if row.layer else one,
        " × ".join(map(str, row.flow.shape)),
        f"{row.cost.parameters:,}" if row.cost.parameters else "–",
        _bar(row.cost.parameters, most[0]),
        f"{row.cost.multiply_adds:,}" if row.cost.multiply_adds else "–",
        _bar(row.cost.multiply_adds, most[1]),
        bytes_read(4 * (row.cost.parameters + math.prod(row.flow.shape))) if row.layer else "–",
        sees,
        box,
        "" if features else _matches(row, before, classes),
        features,
    )


def _bar(value: int, most: int) -> int:
    return max(1, round(60 * value / most)) if value and most else 0


def _sees(row: Row, image: tuple[int, ...]) -> tuple[str, tuple[float, float, float, float] | None]:
    """In words and as a square in the picture, to scale."""
    if not row.number:
        return "", (0, 0, 0, 0)
    sizes = [field.size for field in row.flow.field]
    if not row.flow.is_grid:
        sizes = [len(field.seen_by(0, s)) for field, s in zip(row.flow.field, image[1:], strict=True)]
    whole = all(size >= s for size, s in zip(sizes, image[1:], strict=True))
    if whole and not row.flow.is_grid:
        return "all of it", (0, 0, ICON, ICON)
    words = " × ".join(map(str, sizes)) + (", all" if whole else "")
    if len(sizes) != 2:
        return words, None
    height, width = (min(size / s, 1) * ICON for size, s in zip(sizes, image[1:], strict=True))
    return words, (0, 0, round(width, 1), round(height, 1))


def _matches(row: Row, before: tuple[int, ...], classes: int) -> str:
    if isinstance(row.layer, Conv):
        kernel = " × ".join(map(str, (before[0], *[row.layer.size] * (len(before) - 1))))
        return f"{counted(row.layer.features, 'feature')}, each of {kernel}"
    if isinstance(row.layer, Fc):
        values = math.prod(before)
        return f"{values:,} votes for each of {classes if not row.layer.neurons else row.layer.neurons:,} " + (
            "hidden neurons" if row.layer.neurons else "classes"
        )
    return ""


def _features(net: ConvNet) -> tuple[tuple[tuple[str, ...], ...], ...]:
    """The first convolution's features as rows of CSS colours, on one scale: as colours for colour pictures."""
    weight = next(module.weight for module in net.modules() if isinstance(module, torch.nn.Conv2d)).detach().cpu()
    scale = float(weight.abs().quantile(0.99)) or 1.0
    shares = (weight[:MOST_FEATURES] / scale).clamp(-1, 1)  # (n, 1 or 3, h, w)

    def colour(value: torch.Tensor) -> str:
        if len(value) == 1:
            return value_colour(float(value))
        return f"rgb({' '.join(str(round(float(v) * 127.5 + 127.5)) for v in value)})"

    return tuple(
        tuple(tuple(colour(one[:, r, c]) for c in range(one.shape[2])) for r in range(one.shape[1])) for one in shares
    )
