"""Pictures for a detector's page: whole ones with all boxes, mistakes and missed objects cut out with theirs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from glassnet.data.boxes.geometry import Boxes
from glassnet.explaining import images
from glassnet.training.detection.funnel import Lost
from glassnet.training.detection.judging import Judged
from glassnet.training.detection.matching import belonging, operating
from glassnet.training.detection.mistakes import BACKGROUND, CONFUSED, DUPLICATE, PLACED, Mistake
from glassnet.words import counted, listed

CONTEXT, LEAST = 0.35, 48  # around what is cut out: of its longer side; pixels that a cut has at least
CUT, WHOLE = 280, 640  # longer side in pixels, as kept in the page
PICTURES, EACH, MISSED = 6, 4, 8  # whole ones; cuts of each sort of mistake; of missed objects
NAMED = 6  # mistakes below a whole picture
ROOM = 2_400_000  # letters of pictures in one page


@dataclass(frozen=True)
class Rectangle:
    """A box on a picture. is_real: of an object, else of a detection. is_wrong: false or missed. label: its class."""

    x: float
    y: float
    width: float
    height: float
    is_real: bool
    is_wrong: bool
    label: int
    words: str


@dataclass(frozen=True)
class Shown:
    """A picture or a cut of one, with boxes. view: (x, y, width, height) of it in the picture's pixels.

    title, words: what is to be seen. alt: the same for those who don't see it.
    """

    image: str
    view: tuple[float, float, float, float]
    boxes: tuple[Rectangle, ...]
    title: str
    words: str
    name: str
    alt: str


class Album:
    """Draws the pictures of a judged detector, until the page is full. picture: of each place, in its own pixels."""

    def __init__(self, judged: Judged, names: Sequence[str], picture: Callable[[int], Image.Image]) -> None:
        self.judged, self.names = judged, names
        self._open = lru_cache(maxsize=2)(picture)
        self._room = ROOM

    def mistakes(self, sort: str) -> list[Shown]:
        """The surest false detections of a sort."""
        return [one for wrong in self.judged.wrong_by_sort()[sort][:EACH] if (one := self._mistake(wrong))]

    def missed(self) -> list[Shown]:
        """Objects that were not found: the largest of every class in turn."""
        return [one for lost in self.judged.missed[:MISSED] if (one := self._missed(lost))]

    def wholes(self) -> list[Shown]:
        """Whole pictures, spread evenly from the one with the most mistakes to the one with the fewest."""
        wrong = np.zeros(len(self.judged.objects), int)
        places = [one.picture for one in self.judged.wrong] + [one.picture for one in self.judged.funnel.lost]
        np.add.at(wrong, np.array(places, int), 1)
        order = np.argsort(-wrong, kind="stable")
        chosen = sorted(set(np.linspace(0, len(order) - 1, min(PICTURES, len(order))).astype(int).tolist()))
        return [one for i in chosen if (one := self._whole(int(order[i])))]

    def _mistake(self, wrong: Mistake) -> Shown | None:
        judged = self.judged
        real, said, name = judged.objects[wrong.picture], judged.found[wrong.picture], judged.classes[wrong.label]
        boxes = [rectangle(said.boxes[wrong.place], False, True, wrong.label, f"said {name} {wrong.score:.2f}")]
        words, surer = "nothing there is marked", ""
        if wrong.of >= 0:
            other = judged.classes[real.labels[wrong.of]]
            boxes.append(rectangle(real.boxes[wrong.of], True, False, int(real.labels[wrong.of]), f"is {other}"))
        if wrong.sort == DUPLICATE:
            one = belonging(real, said, wrong.label)
            first = int(one.place[one.is_hit & (one.of == wrong.of)][0])
            surer = f"{said.scores[first]:.2f}"
            boxes.append(rectangle(said.boxes[first], False, False, wrong.label, f"said {name} {surer}"))
        if wrong.sort != BACKGROUND:
            words = {
                DUPLICATE: f"a surer box ({surer}) has this {name} already",
                PLACED: f"overlaps the {name} by {wrong.overlap:.2f} only",
                CONFUSED: f"is {judged.classes[real.labels[wrong.of]]}, overlapped by {wrong.overlap:.2f}",
            }[wrong.sort]
        return self._cut(wrong.picture, boxes, f"{name} {wrong.score:.2f}", words)

    def _missed(self, lost: Lost) -> Shown | None:
        judged, name = self.judged, self.judged.classes[lost.label]
        box = judged.objects[lost.picture].boxes[lost.place]
        boxes = [rectangle(box, True, True, lost.label, f"missed {name}")]
        if lost.rival:
            boxes.append(rectangle(np.array(lost.rival), False, False, lost.label, "the box of which it is told"))
        return self._cut(lost.picture, boxes, f"{name}, not {lost.stage}", lost.words)

    def _whole(self, i: int) -> Shown | None:
        judged, real, said = self.judged, self.judged.objects[i], self.judged.found[i]
        wrong = {one.place: one for one in judged.wrong if one.picture == i}
        lost = {one.place: one for one in judged.funnel.lost if one.picture == i}
        boxes, false, missed = [], [], []
        for place in operating(said, judged.thresholds).tolist():
            k = int(said.labels[place])
            words = f"{judged.classes[k]} {said.scores[place]:.2f}"
            if place in wrong:
                words += f" ({wrong[place].sort})"
                false.append(words)
            boxes.append(rectangle(said.boxes[place], False, place in wrong, k, words))
        for place, one in lost.items():
            missed.append(f"{judged.classes[one.label]} (not {one.stage})")
            boxes.append(rectangle(real.boxes[place], True, True, one.label, f"missed {missed[-1]}: {one.words}"))
        easy = int((~real.is_hard).sum())
        title = f"{easy - len(lost):,} of {counted(easy, 'object')} found, {len(false):,} false"
        told = [f"{what}: {listed(some, NAMED)}" for what, some in (("False", false), ("Missed", missed)) if some]
        boxes.sort(key=lambda one: one.is_wrong)  # on top
        return self._fitted(i, (0, 0, *self._open(i).size), boxes, WHOLE, title, ". ".join(told))

    def _cut(self, i: int, boxes: Sequence[Rectangle], title: str, words: str) -> Shown | None:
        """A square around the boxes, as far as the picture goes."""
        width, height = self._open(i).size
        low = min(one.x for one in boxes), min(one.y for one in boxes)
        high = max(one.x + one.width for one in boxes), max(one.y + one.height for one in boxes)
        side = max(LEAST, (1 + 2 * CONTEXT) * max(high[0] - low[0], high[1] - low[1]))
        across, down = min(side, width), min(side, height)
        x = min(max(0, (low[0] + high[0] - across) / 2), width - across)
        y = min(max(0, (low[1] + high[1] - down) / 2), height - down)
        view = (round(x), round(y), max(1, round(across)), max(1, round(down)))
        return self._fitted(i, view, boxes, CUT, title, words)

    def _fitted(
        self, i: int, view: tuple[int, int, int, int], boxes: Sequence[Rectangle], side: int, title: str, words: str
    ) -> Shown | None:
        """None where the page has no room for it."""
        x, y, width, height = view
        cut = self._open(i).convert("RGB").crop((x, y, x + width, y + height))
        data = images.picture(np.asarray(cut).transpose(2, 0, 1), False, side)
        self._room -= len(data)
        if self._room < 0:
            return None
        alt = f"{self.names[i]}: {title}. {words}"
        return Shown(data, view, tuple(boxes), title, words, Path(self.names[i]).name, alt)


def rectangle(box: Boxes, is_real: bool, is_wrong: bool, label: int, words: str) -> Rectangle:
    """box: (4,)."""
    x1, y1, x2, y2 = (round(float(value), 1) for value in box)
    return Rectangle(x1, y1, round(x2 - x1, 1), round(y2 - y1, 1), is_real, is_wrong, label, words)
