"""Draws throughput against GPUs, both in powers, as the cost model has it. Knows lines and words, not where from."""

import io
import math
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from benchmarks.costs import Machine, Work, step

FINER = 2  # times, made smaller at the end
SIZE, LEFT, TOP, RIGHT, BOTTOM = (980, 560), 92, 84, 36, 64
PAPER, INK, QUIET, LINE, ACCENT = (252, 251, 248), (28, 27, 24), (107, 103, 94), (226, 222, 212), (194, 24, 91)
MOST = 1024  # GPUs


def drawn(work: Work, machines: Sequence[Machine], marked: Sequence[int]) -> bytes:
    """A PNG: a line a machine, dotted where nothing is lost; points at the marked numbers of GPUs."""
    image = Image.new("RGB", (SIZE[0] * FINER, SIZE[1] * FINER), PAPER)
    pen = ImageDraw.Draw(image)
    counts = [2**i for i in range(int(math.log2(MOST)) + 1)]
    rates = [[step(work, n, machine).rate for n in counts] for machine in machines]
    low = 10 ** math.floor(math.log10(min(row[0] for row in rates)))
    high = 10 ** math.ceil(math.log10(max(rates[0][0] * MOST, *(max(row) for row in rates))))

    def at(gpus: float, rate: float) -> tuple[float, float]:
        x = LEFT + math.log(gpus, MOST) * (SIZE[0] - LEFT - RIGHT)
        y = SIZE[1] - BOTTOM - math.log(rate / low) / math.log(high / low) * (SIZE[1] - TOP - BOTTOM)
        return x * FINER, y * FINER

    def write(x: float, y: float, words: str, ink: tuple[int, int, int], size: int = 14, anchor: str = "la") -> None:
        pen.text((x, y), words, ink, ImageFont.load_default(size * FINER), anchor)

    write(LEFT * FINER, 22 * FINER, f"{work.name}: pictures a second against GPUs, as predicted", INK, 19)
    words = "dotted: if nothing were lost; both scales in powers; up to 8,192 pictures a step; none of it measured"
    write(LEFT * FINER, 50 * FINER, words, QUIET)
    value = low
    while value <= high:
        pen.line([at(1, value), at(MOST, value)], LINE, FINER)
        write(at(1, value)[0] - 10 * FINER, at(1, value)[1], f"{value:,}", QUIET, anchor="rm")
        value *= 10
    for gpus in (1, 8, 64, 512):
        x, y = at(gpus, low)
        pen.line([(x, y), (x, y + 6 * FINER)], QUIET, FINER)
        write(x, y + 12 * FINER, f"{gpus:,}", QUIET, anchor="ma")
    write(at(32, low)[0], (SIZE[1] - 20) * FINER, "GPUs", QUIET, anchor="mm")
    for machine, row, colour in zip(machines, rates, (ACCENT, INK), strict=False):
        for i in range(60):  # a dotted line of short ones
            ends = [MOST ** ((i + part) / 60) for part in (0, 0.4)]
            pen.line([at(n, min(row[0] * n, high)) for n in ends if row[0] * n <= high], colour, FINER)
        pen.line([at(n, rate) for n, rate in zip(counts, row, strict=True)], colour, 3 * FINER, "curve")
        for gpus in marked:
            x, y = at(gpus, step(work, gpus, machine).rate)
            pen.ellipse([x - 5 * FINER, y - 5 * FINER, x + 5 * FINER, y + 5 * FINER], colour, PAPER, 2 * FINER)
        x, y = at(MOST, row[-1])
        write(x, y + 12 * FINER, machine.name, colour, 15, "ra")
    data = io.BytesIO()
    image.resize(SIZE, Image.Resampling.LANCZOS).save(data, "PNG", optimize=True)
    return data.getvalue()
