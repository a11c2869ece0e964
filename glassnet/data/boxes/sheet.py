"""A contact sheet of boxes: some pictures with theirs drawn on, then objects of every class, cut out."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from glassnet.data.boxes.annotated import Annotated, BoxData
from glassnet.data.contact_sheet import CELL, EDGE, GAP, INK, LABEL, PAPER, QUIET, WIDTH
from glassnet.data.decoding import read_bytes

SHOWN, ACROSS = 6, 3  # pictures, and how many of them side by side
ROWS = 20  # classes
COLUMNS = (WIDTH + GAP) // (CELL + GAP)
CONTEXT = 0.1  # of a box's sides, around what is cut out
COLOURS = ((163, 32, 99), (29, 95, 168), (196, 106, 0), (20, 118, 93), (96, 72, 178), (150, 60, 40), (84, 110, 20))


def box_sheet(data: BoxData) -> bytes:
    """A PNG. Pictures are spread evenly over the data, objects over each class."""
    room = (WIDTH + LABEL - GAP * (ACROSS - 1)) // ACROSS
    shown = _spread(np.arange(len(data)), SHOWN)
    drawn = [_drawn(data, int(i), room) for i in shown]
    heights = [max(one.height for one in drawn[i : i + ACROSS]) for i in range(0, len(drawn), ACROSS)]
    classes = min(len(data.classes), ROWS)
    above = EDGE + sum(heights) + GAP * len(heights) + GAP
    size = (EDGE * 2 + LABEL + WIDTH, above + classes * (CELL + GAP) + EDGE + 16)
    sheet = Image.new("RGB", size, PAPER)
    top = EDGE
    for i, height in zip(range(0, len(drawn), ACROSS), heights, strict=True):
        for column, one in enumerate(drawn[i : i + ACROSS]):
            sheet.paste(one, (EDGE + column * (room + GAP), top))
        top += height + GAP
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for k in range(classes):
        top = above + k * (CELL + GAP)
        pen.rectangle((EDGE, top + 16, EDGE + 8, top + 24), fill=COLOURS[k % len(COLOURS)])
        pen.text((EDGE + 14, top + 12), data.classes[k][:18], INK, font)
        pen.text((EDGE + 14, top + 28), f"{int(data.counts[:, k].sum()):,}", QUIET, font)
        for column, cut in enumerate(_cuts(data, k)):
            left = EDGE + LABEL + column * (CELL + GAP)
            sheet.paste(cut, (left + (CELL - cut.width) // 2, top + (CELL - cut.height) // 2))
    rest = len(data.classes) - classes
    words = f"{data.name}: {data.describe()}" + (f"; {rest} more classes" if rest else "")
    pen.text((EDGE, size[1] - EDGE - 8), words, QUIET, font)
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def _drawn(data: BoxData, i: int, width: int) -> Image.Image:
    """A picture with its boxes, so wide."""
    one = data.pictures[i]
    scale = min(width / one.size[0], width / one.size[1])
    image = _picture(data, one).resize((max(1, round(one.size[0] * scale)), max(1, round(one.size[1] * scale))))
    pen = ImageDraw.Draw(image)
    for label, box in zip(one.labels.tolist(), (one.boxes * scale).tolist(), strict=True):
        pen.rectangle(box, outline=COLOURS[label % len(COLOURS)], width=2)
    return image


def _cuts(data: BoxData, k: int) -> Iterator[Image.Image]:
    """Some objects of a class, each fitted into a cell."""
    rows = [(i, int(j)) for i, one in enumerate(data.pictures) for j in np.flatnonzero(one.labels == k)]
    for place in _spread(np.arange(len(rows)), COLUMNS):
        i, j = rows[int(place)]
        one = data.pictures[i]
        x1, y1, x2, y2 = one.boxes[j]
        dx, dy = CONTEXT * (x2 - x1), CONTEXT * (y2 - y1)
        low = max(0, round(x1 - dx)), max(0, round(y1 - dy))
        high = min(one.size[0], round(x2 + dx) + 1), min(one.size[1], round(y2 + dy) + 1)
        cut = _picture(data, one).crop((*low, *high))
        yield ImageOps.contain(cut, (CELL, CELL))


def _picture(data: BoxData, one: Annotated) -> Image.Image:
    with Image.open(io.BytesIO(read_bytes(data.root / one.name))) as image:
        return ImageOps.exif_transpose(image).convert("RGB")


def _spread(places: np.ndarray[tuple[int, ...], np.dtype[np.int64]], most: int) -> list[int]:
    """Up to so many of them, evenly."""
    return sorted({int(places[i]) for i in np.linspace(0, len(places) - 1, min(most, len(places))).astype(int)})
