"""A net's features that were learnt without labels, as it would draw them, machine above machine. Knows pixels.

As in Lee et al. 2009, figures 2 and 3: each feature a weighted sum of those below it.
"""

from __future__ import annotations

import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from glassnet.data.dataset import Array
from glassnet.nets.convnet import ConvNet
from glassnet.nets.generating import Bases, bases, has_machines
from glassnet.words import by, clipped, counted

WIDTH = 1600
EDGE, GAP, TITLE, TEXT = 40, 6, 40, 24
TILES = (64, 92, 124)  # pixels of a feature, from the lowest machine up
MOST = 120  # features of a machine, the strongest
PAPER, INK, QUIET = (255, 255, 255), (28, 27, 24), (84, 81, 74)
DARKEST = 0.995  # share of a feature's values that lie within the range that is drawn


def draws(net: ConvNet) -> bool:
    """Whether a net has such features."""
    return has_machines(net)


def hierarchy_picture(net: ConvNet, name: str) -> bytes:
    """A PNG: the highest machine at the bottom, as one reads."""
    found = bases(net)
    rows = [(one, _tiles(one, TILES[min(i, len(TILES) - 1)])) for i, one in enumerate(found)]
    height = 2 * EDGE + round(TITLE * 1.6) + sum(round(TEXT * 2.2) + tiles.height + 2 * GAP for _, tiles in rows)
    sheet = Image.new("RGB", (WIDTH, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((EDGE, EDGE - 8), clipped(f"What {name} learnt without labels", 70), INK, ImageFont.load_default(TITLE))
    top = EDGE + round(TITLE * 1.6)
    for i, (one, tiles) in enumerate(rows):
        pen.text((EDGE, top), _words(one, i), QUIET, ImageFont.load_default(TEXT))
        top += round(TEXT * 1.8)
        sheet.paste(tiles, (EDGE, top))
        top += tiles.height + 2 * GAP + round(TEXT * 0.4)
    data = io.BytesIO()
    sheet.quantize(128).save(data, "PNG", optimize=True)
    return data.getvalue()


def _words(one: Bases, number: int) -> str:
    count, size = len(one.pictures), by(one.pictures.shape[2:], " x ")
    of = "" if number == 0 else ", each a sum of the features above it"
    shown = f", the {MOST} strongest" if count > MOST else ""
    return f"{one.name}: {counted(count, 'feature')} of {size}{shown}{of}"


def _tiles(one: Bases, side: int) -> Image.Image:
    """The features of one machine in rows."""
    every = one.pictures.numpy()
    order = np.argsort(-np.abs(every.reshape(len(every), -1)).sum(1), kind="stable")[:MOST]
    drawn = [_tile(every[k], side) for k in np.sort(order)]
    across = (WIDTH - 2 * EDGE + GAP) // (side + GAP)
    down = math.ceil(len(drawn) / across)
    sheet = Image.new("RGB", (WIDTH - 2 * EDGE, down * (side + GAP)), PAPER)
    for i, tile in enumerate(drawn):
        sheet.paste(tile, (i % across * (side + GAP), i // across * (side + GAP)))
    return sheet


def _tile(values: Array, side: int) -> Image.Image:
    """One feature, grey where it wants nothing. values: (C, *S); of a volume its middle slice, of a series lines."""
    if values.ndim == 4:
        values = values[:, values.shape[1] // 2]
    if values.ndim == 2:
        return _lines(values, side)
    most = float(np.quantile(np.abs(values), DARKEST)) or 1.0
    pixels = ((values / most).clip(-1, 1) * 127.5 + 127.5).round().astype(np.uint8)
    colours = pixels if len(pixels) == 3 else np.repeat(pixels[:1], 3, 0)
    image = Image.fromarray(colours.transpose(1, 2, 0))
    scale = side / max(image.size)
    how = Image.Resampling.NEAREST if scale > 3 else Image.Resampling.BICUBIC
    image = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))), how)
    tile = Image.new("RGB", (side, side), (128, 128, 128))
    tile.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return tile


def _lines(values: NDArray[np.generic], side: int) -> Image.Image:
    tile = Image.new("RGB", (side, side), (236, 234, 228))
    pen = ImageDraw.Draw(tile)
    most = float(np.abs(values).max()) or 1.0
    for channel in values:
        across = (np.arange(len(channel)) + 0.5) * side / len(channel)
        down = side / 2 * (1 - 0.9 * np.asarray(channel, float) / most)
        pen.line(list(zip(across.tolist(), down.tolist(), strict=True)), INK, 2)
    return tile
