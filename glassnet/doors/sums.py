"""The slides' arithmetic in a terminal: patch, feature, products, sum, division, for the strongest vote."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from rich.text import Text
from torch import nn

from glassnet.doors.screen import ACCENT
from glassnet.explaining.arithmetic import Arithmetic, Place, arithmetic
from glassnet.explaining.explanation import Explanation

WARM, COOL = "#f59a45", "#5a9ee0"
CELL = 7  # columns of one figure
Grid = NDArray[np.float64]


def sum_lines(one: Explanation) -> Iterator[Text]:
    """The picture, then the strongest vote followed back to the sum that it began as."""
    way = one.thread()
    if not way:
        return
    first, at = way[-1]
    step = one.steps[first]
    if not isinstance(step.layer, nn.Conv2d) or step.inputs[0].shape[1] != 1:
        return
    parts = arithmetic(step, at)
    low, high = parts.places[:, 1:].min(0), parts.places[:, 1:].max(0)
    yield Text("the picture, and where the feature fits best", "dim")
    yield from _picture(one.x[0, 0].numpy(), (low[0], low[1], high[0], high[1]))
    yield Text()
    yield from _products(parts, at, step.name)
    yield Text()
    yield from _fate(one, way)
    yield Text()


def _picture(pixels: NDArray[np.float32], box: tuple[int, int, int, int]) -> Iterator[Text]:
    """Two characters a pixel: solid for ink, dots for paper; the patch shaded, and in the accent colour."""
    top, left, bottom, right = box
    middle = (float(pixels.min()) + float(pixels.max())) / 2
    for r, row in enumerate(pixels):
        line = Text("        ")
        for c, value in enumerate(row):
            inside = top <= r <= bottom and left <= c <= right
            if inside:
                line.append("▓▓" if value > middle else "░░", ACCENT)
            else:
                line.append("██" if value > middle else " ·", "" if value > middle else "dim")
        yield line


def _products(parts: Arithmetic, at: Place, name: str) -> Iterator[Text]:
    """Patch x feature = products, the sum, the bias and the division."""
    shape = tuple(int(n) for n in np.ptp(parts.places[:, 1:], axis=0) + 1)
    rows = [grid.reshape(shape) for grid in (parts.values, parts.weights, parts.products)]
    width = CELL * shape[1]
    yield Text.assemble(
        (f"{'patch':<{width + 3}}{f'feature {at[0] + 1}':<{width + 3}}products", "dim"),
    )
    for r in range(shape[0]):
        line = Text()
        for i, grid in enumerate(rows):
            for value in grid[r]:
                line.append(f"{_figure(value):>{CELL - 1}} ", _tone(value) if i else "")
            line.append((" x ", " = ", "")[i] if r == shape[0] // 2 else "   ", "dim")
        yield line
    yield Text()
    total, count = float(parts.products.sum()), len(parts.values)
    terms = " ".join(f"{'-' if v < 0 else '+'} {abs(v):.2f}" for v in parts.products).removeprefix("+ ")
    yield Text(f"add up    {terms} = {total:.2f}")
    yield Text(f"divide    {total:.2f} / {count} pixels = {total / count:.2f}, the match as the slides count it")
    sign = "-" if parts.bias < 0 else "+"
    yield Text.assemble(
        f"the net   {total:.2f} {sign} {abs(parts.bias):.2f} bias = ",
        (f"{parts.total:.2f}", "bold"),
        f" at row {at[1] + 1}, column {at[2] + 1} of {name}",
    )


def _fate(one: Explanation, way: list[tuple[int, Place]]) -> Iterator[Text]:
    """What becomes of that value on its way to the vote."""
    for i, at in reversed(way[:-1]):
        step = one.steps[i]
        value = step.output[0][at].item()
        if not isinstance(step.layer, (nn.Flatten, nn.Dropout)):
            yield Text(f"{step.name:<10}{value:.2f}")
    cast, k = one.votes, one.answer
    f = int(cast.strongest(k)[0])
    vote = float(cast.contribution[k, f])
    yield Text.assemble(
        f"vote      {cast.values[f]:.2f} x {cast.weights[k, f]:.2f} = ",
        (f"{vote:+.2f} for {one.classes[k]}", f"bold {_tone(vote)}"),
    )


def _figure(value: float) -> str:
    return f"{value:.0f}" if value == round(value) else f"{value:.2f}"


def _tone(value: float) -> str:
    return WARM if value > 0 else COOL if value < 0 else "dim"
