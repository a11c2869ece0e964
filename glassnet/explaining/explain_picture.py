"""An explanation as one picture for a paper: the answer, what it hangs on, the maps, the votes. Knows pixels."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import nn

from glassnet.explaining.trace import Step
from glassnet.words import by

if TYPE_CHECKING:
    from glassnet.explaining.explanation import Explanation

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float64]
PAPER, INK, QUIET, EDGE = (255, 255, 255), (28, 27, 24), (84, 81, 74), (139, 135, 125)
FOR, AGAINST = (201, 106, 8), (30, 101, 170)
SCALE = [(30, 101, 170), (132, 170, 211), (241, 239, 232), (246, 183, 132), (230, 129, 27)]  # of values from -1 to 1
WIDTH, MARGIN, GAP, LABEL = 2000, 56, 24, 300
TALL, SIDE, LINE, TEXT = 320, 120, 44, 30  # heat, map, line and letters, in pixels
MAPS, LAYERS, VOTES = 12, 14, 7
STRENGTH = 0.72  # of a heat over the input


def explain_picture(one: Explanation) -> bytes:
    """A PNG some seven inches wide at 300 dots an inch."""
    first, second = one.classes[one.answer], one.classes[one.runner_up]
    title = f"{first} {one.probability[one.answer]:.2f}, {second} {one.probability[one.runner_up]:.2f}"
    blocks = [_text(title, 52), *_heats(one), *(_layer(*row) for row in _rows(one)), *_votes(one, one.answer)]
    height = sum(block.height + GAP for block in blocks) + 2 * MARGIN - GAP
    sheet, top = Image.new("RGB", (WIDTH, height), PAPER), MARGIN
    for block in blocks:
        sheet.paste(block, (MARGIN, top))
        top += block.height + GAP
    data = io.BytesIO()
    sheet.save(data, "PNG", optimize=True, dpi=(300, 300))
    return data.getvalue()


def _heats(one: Explanation) -> list[Image.Image]:
    """The input, and over it each map of what the answer hangs on; of a sentence, its words on their colours."""
    named: list[tuple[str, Floats | None]] = [("input", None)]
    if one.voted is not None:
        named.append(("votes by place", one.voted))
    named += [(found.name, found.values) for found in one.saliency]
    if one.scene.spelt:
        return [_beside([_text(name), _words(one, values)]) for name, values in named]
    picture = _picture(one)
    wide = min(TALL * picture.shape[1] / picture.shape[0], (WIDTH - 2 * MARGIN - GAP * len(named)) / len(named))
    size = max(1, round(wide)), max(1, round(wide * picture.shape[0] / picture.shape[1]))
    return [_row([_under(_framed(overlaid(one, values, size)), name) for name, values in named])]


def overlaid(one: Explanation, values: Floats | None, size: tuple[int, int]) -> Image.Image:
    """The input (width, height) pixels large, under the colours of a map (*S), if there is one."""
    picture = _picture(one)
    image = Image.fromarray(picture).resize(size, _filter(picture.shape))
    if values is None:
        return image
    heat = Image.fromarray(_coloured(_flat(_by_slices(one, values)), values)).resize(size, Image.Resampling.NEAREST)
    return Image.blend(image, heat, STRENGTH)


def _picture(one: Explanation) -> Pixels:
    """(H, W, 3) the input as a person sees it, ink dark."""
    x = 255 - one.scene.picture if one.scene.ink else one.scene.picture
    return np.ascontiguousarray(np.broadcast_to(x.transpose(1, 2, 0), (*x.shape[1:], 3)))


def _by_slices(one: Explanation, values: Floats) -> Floats:
    """Of a solid every slice has its own, also where the maps have fewer."""
    slices = one.x.shape[2]
    return values[np.arange(slices) * len(values) // slices] if values.ndim == 3 else values


def _rows(one: Explanation) -> list[tuple[str, Step]]:
    """The layers of the text that have maps, by what comes out of them; of very many some, evenly."""
    last: dict[str, Step] = {}
    for step in one.steps:
        if step.output.dim() > 2 and not isinstance(step.layer, nn.Dropout):
            last[step.name.partition(".")[0]] = step
    rows = list(last.items())
    return [rows[i] for i in sorted({round(i) for i in np.linspace(0, len(rows) - 1, min(LAYERS, len(rows)))})]


def _layer(name: str, step: Step) -> Image.Image:
    """The strongest maps of a layer in a row, all by one scale."""
    values = step.output[0].double().cpu().numpy()  # (C, *S)
    order = np.argsort(-np.abs(values).reshape(len(values), -1).max(1), kind="stable")[:MAPS]
    maps = []
    for k in order:
        pixels = _coloured(_flat(values[k]), values)
        high = max(1, round(SIDE * min(1, pixels.shape[0] / pixels.shape[1]))) if values.ndim > 2 else SIDE // 4
        wide = max(1, round(SIDE * min(1, pixels.shape[1] / pixels.shape[0])))
        maps.append(_framed(Image.fromarray(pixels).resize((wide, high), Image.Resampling.NEAREST)))
    more = f", {len(order)} of {len(values)}" if len(order) < len(values) else ""
    label = _text(name), _text(f"{by(values.shape[1:])}{more}", TEXT - 4, QUIET)
    return _beside([_column(label), _row(maps, 10)])


def _votes(one: Explanation, k: int) -> list[Image.Image]:
    """The strongest votes for a class, and the rest in one line."""
    cast = one.votes
    votes, told = cast.contribution[k], cast.told(k, VOTES)
    most = max(float(np.abs(votes).max()), 1e-12)
    lines = [_vote(one.where(int(f)), float(votes[f]), most) for f in told.shown]
    lines += [_vote(told.words, told.rest, 0), _vote(one.classes[k], float(cast.logit[k]), 0)]
    return [_text(f"votes for {one.classes[k]}"), _column(lines)]


def _vote(words: str, vote: float, most: float) -> Image.Image:
    line = Image.new("RGB", (WIDTH - 2 * MARGIN, LINE), PAPER)
    pen, font = ImageDraw.Draw(line), ImageFont.load_default(TEXT)
    pen.text((0, 4), words, INK, font)
    if most:
        pen.rectangle((1000, 12, 1000 + max(1, 500 * abs(vote) / most), LINE - 12), FOR if vote > 0 else AGAINST)
    pen.text((WIDTH - 2 * MARGIN - 180, 4), f"{vote:+.2f}", INK, font)
    return line


def _words(one: Explanation, values: Floats | None) -> Image.Image:
    """A sentence's words, each on the colour of its value."""
    font, room = ImageFont.load_default(TEXT), WIDTH - 2 * MARGIN - LABEL
    spelt = one.scene.axes[0].at
    colours = None if values is None else _coloured(values[None], values)[0]
    placed, left, top = [], 0, 0
    for i, word in enumerate(spelt):
        if not word:
            continue
        wide = math.ceil(font.getlength(word)) + 16
        if left + wide > room:
            left, top = 0, top + LINE
        colour = PAPER if colours is None else tuple(colours[i * len(colours) // len(spelt)].tolist())
        placed.append((word, left, top, wide, colour))
        left += wide + 8
    image = Image.new("RGB", (room, top + LINE), PAPER)
    pen = ImageDraw.Draw(image)
    for word, x, y, wide, colour in placed:
        pen.rectangle((x, y, x + wide, y + LINE - 6), colour)
        pen.text((x + 8, y + 1), word, PAPER if sum(colour) < 300 else INK, font)
    return image


def _coloured(values: Floats, among: Floats) -> Pixels:
    """(H, W, 3) values on the value scale. values: (H, W). among: (...) all that share the scale, 0 in the middle."""
    sizes = np.abs(among)
    most = float(np.quantile(sizes, 0.99) if sizes.size > 400 else sizes.max()) or float(sizes.max()) or 1.0
    places = np.clip(values / most, -1, 1) * 2 + 2
    channels = [np.interp(places, range(5), [colour[c] for colour in SCALE]) for c in range(3)]
    return np.stack(channels, -1).round().astype(np.uint8)


def _flat(values: Floats) -> Floats:
    """(H, W) a map as it is drawn: a series as a row, a solid's slices side by side."""
    if values.ndim < 3:
        return values.reshape(-1, values.shape[-1])
    slices, high, wide = values.shape
    across = math.ceil(math.sqrt(slices))
    down = -(-slices // across)
    sheet = np.zeros((down * across, high, wide))
    sheet[:slices] = values
    return np.asarray(sheet.reshape(down, across, high, wide).transpose(0, 2, 1, 3).reshape(down * high, across * wide))


def _filter(shape: Sequence[int]) -> Image.Resampling:
    return Image.Resampling.NEAREST if max(shape) <= 48 else Image.Resampling.BICUBIC


def _text(words: str, size: int = TEXT, colour: tuple[int, int, int] = INK) -> Image.Image:
    font = ImageFont.load_default(size)
    image = Image.new("RGB", (min(WIDTH - 2 * MARGIN, math.ceil(font.getlength(words)) + 2), round(size * 1.4)), PAPER)
    ImageDraw.Draw(image).text((0, 0), words, colour, font)
    return image


def _framed(image: Image.Image) -> Image.Image:
    framed = Image.new("RGB", (image.width + 2, image.height + 2), EDGE)
    framed.paste(image, (1, 1))
    return framed


def _under(image: Image.Image, words: str) -> Image.Image:
    return _column([image, _text(words, TEXT - 4, QUIET)])


def _column(parts: Sequence[Image.Image]) -> Image.Image:
    whole, top = Image.new("RGB", (max(p.width for p in parts), sum(p.height + 6 for p in parts)), PAPER), 0
    for part in parts:
        whole.paste(part, (0, top))
        top += part.height + 6
    return whole


def _row(parts: Sequence[Image.Image], gap: int = GAP) -> Image.Image:
    whole, left = Image.new("RGB", (sum(p.width + gap for p in parts), max(p.height for p in parts)), PAPER), 0
    for part in parts:
        whole.paste(part, (left, 0))
        left += part.width + gap
    return whole


def _beside(parts: Sequence[Image.Image]) -> Image.Image:
    """A label and what it is of."""
    label, rest = parts
    whole = Image.new("RGB", (LABEL + rest.width, max(label.height, rest.height)), PAPER)
    whole.paste(label, (0, 0))
    whole.paste(rest, (LABEL, 0))
    return whole
