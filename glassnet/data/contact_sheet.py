"""A contact sheet: some examples of every class in one picture. Knows pictures and names, nothing else."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from glassnet.data.dataset import Dataset
from glassnet.data.kind import Kind

ROWS = 20
STRETCHES = 5
CELL, WIDTH, GAP, LABEL, EDGE = 64, 976, 8, 140, 24
WIDEST = 4  # times as wide as high
PAPER, INK, QUIET = (252, 251, 248), (28, 27, 24), (107, 103, 94)


def contact_sheet(dataset: Dataset, kind: Kind) -> bytes:
    """A PNG with a row a class, examples spread evenly over each, as people see examples of the kind."""
    parts = _parts(dataset)
    shown = min(len(parts), ROWS)
    cell = _cell(dataset, kind)
    columns = (WIDTH + GAP) // (cell + GAP)
    size = (EDGE * 2 + LABEL + WIDTH, EDGE * 2 + shown * (CELL + GAP) + 24)
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(13)
    for k, (name, mine) in enumerate(parts[:shown]):
        top = EDGE + k * (CELL + GAP)
        draw.text((EDGE, top + CELL / 2 - 16), name[:20], INK, font)
        draw.text((EDGE, top + CELL / 2), f"{len(mine):,}", QUIET, font)
        for column, row in enumerate(mine[np.linspace(0, len(mine) - 1, min(columns, len(mine))).astype(int)]):
            example = _fitted(kind.thumbnail(dataset.samples.x[int(row)], dataset.preparation), cell, kind.looked_up)
            left = EDGE + LABEL + column * (cell + GAP)
            sheet.paste(example, (left + (cell - example.width) // 2, top + (CELL - example.height) // 2))
    rest = len(parts) - shown
    words = f"{dataset.name}: {dataset.describe()}" + (f"; {rest} more classes" if rest else "")
    draw.text((EDGE, size[1] - EDGE - 12), words, QUIET, font)
    data = io.BytesIO()
    sheet.save(data, "PNG")
    return data.getvalue()


def _parts(dataset: Dataset) -> list[tuple[str, NDArray[np.int64]]]:
    """The classes, with the rows of each; without labels stretches of the examples, by their numbers."""
    if dataset.has_labels:
        return [(name, np.flatnonzero(dataset.samples.y == k)) for k, name in enumerate(dataset.classes)]
    stretches = np.array_split(np.arange(len(dataset)), min(STRETCHES, len(dataset)))
    return [(f"from {int(rows[0]) + 1:,}", rows) for rows in stretches]


def _cell(dataset: Dataset, kind: Kind) -> int:
    """How wide a cell is: as wide as examples are, at its height."""
    if not len(dataset):
        return CELL
    _, height, width = kind.thumbnail(dataset.samples.x[0], dataset.preparation).shape
    return int(width) if kind.looked_up else CELL * min(max(1, round(width / height)), WIDEST)


def _fitted(x: NDArray[np.uint8], width: int, is_text: bool) -> Image.Image:
    """One example in a cell, text as it is, of which the first lines. x: (1 or 3, H, W)."""
    image = Image.fromarray(x[0] if len(x) < 3 else x.transpose(1, 2, 0)).convert("RGB")
    if is_text:
        return image.crop((0, 0, image.width, min(image.height, CELL)))
    scale = min(width / image.width, CELL / image.height)
    sides = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(sides, Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.BOX)
