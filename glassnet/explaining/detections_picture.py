"""A picture with the boxes that were found on it, for a paper: names, scores, what was missed. Knows pixels."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from glassnet.data.boxes.sheet import COLOURS
from glassnet.words import clipped

if TYPE_CHECKING:
    from glassnet.explaining.detections import ExplainedBoxes

WIDTH = 2000  # pixels: some seven inches at 300 dots an inch
HIGHEST = 4000
TEXT, TITLE, EDGE, DASH = 26, 44, 40, 14
PAPER, INK, QUIET, WHITE = (255, 255, 255), (28, 27, 24), (84, 81, 74), (255, 255, 255)


def detections_picture(one: ExplainedBoxes) -> bytes:
    """A PNG."""
    width, height = one.size
    scale = min((WIDTH - 2 * EDGE) / width, HIGHEST / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    how = Image.Resampling.NEAREST if max(one.size) <= 48 else Image.Resampling.BICUBIC
    photo = Image.fromarray(one.picture.transpose(1, 2, 0)).resize(size, how)
    _draw(photo, one, scale)
    top = EDGE + round(TITLE * 1.5)
    sheet = Image.new("RGB", (WIDTH, top + size[1] + EDGE + round(TEXT * 1.6)), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((EDGE, EDGE - 8), clipped(one.answer, 80), INK, ImageFont.load_default(TITLE))
    sheet.paste(photo, (EDGE, top))
    pen.text((EDGE, top + size[1] + 12), clipped(_below(one), 150), QUIET, ImageFont.load_default(TEXT))
    data = io.BytesIO()
    sheet.save(data, "PNG", optimize=True, dpi=(300, 300))
    return data.getvalue()


def _draw(photo: Image.Image, one: ExplainedBoxes, scale: float) -> None:
    """The surest on top, with their names; missed objects dashed."""
    pen, font = ImageDraw.Draw(photo), ImageFont.load_default(TEXT)
    for missed in one.missed or ():
        _dashed(pen, [value * scale for value in missed.box], COLOURS[missed.label % len(COLOURS)])
    for box in reversed(one.boxes):
        colour = COLOURS[box.label % len(COLOURS)]
        x1, y1, x2, y2 = (value * scale for value in box.box)
        pen.rectangle((x1, y1, max(x1, x2), max(y1, y2)), outline=WHITE, width=7)
        pen.rectangle((x1 + 1, y1 + 1, max(x1 + 1, x2 - 1), max(y1 + 1, y2 - 1)), outline=colour, width=4)
        words = f"{clipped(one.classes[box.label], 24)} {box.score:.2f}"
        wide, high = font.getlength(words) + 10, round(TEXT * 1.25)
        left = max(0, min(x1, photo.width - wide))
        above = y1 - high if y1 >= high else y1
        pen.rectangle((left, above, left + wide, above + high), colour)
        pen.text((left + 5, above + 1), words, WHITE, font)


def _dashed(pen: ImageDraw.ImageDraw, box: Sequence[float], colour: tuple[int, int, int]) -> None:
    x1, y1, x2, y2 = box
    for low, high, ends in ((x1, x2, (y1, y2)), (y1, y2, (x1, x2))):
        for start in np.arange(low, high, 2 * DASH).tolist():
            stop = min(start + DASH, high)
            for end in ends:
                line = (start, end, stop, end) if ends == (y1, y2) else (end, start, end, stop)
                pen.line(line, WHITE, 8)
                pen.line(line, colour, 4)


def _below(one: ExplainedBoxes) -> str:
    fewer = f", the {len(one.boxes)} surest of {len(one.likely)} boxes" if len(one.boxes) < len(one.likely) else ""
    missed = f"; dashed: {len(one.missed)} of {one.objects} objects missed" if one.missed else ""
    return f"{one.name}{fewer}{missed}"
