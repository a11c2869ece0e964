"""Examples with the shares of their likeliest classes, as a report shows them: worst mistakes, confusion cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glassnet.data.dataset import Dataset
from glassnet.data.kinds import KINDS
from glassnet.explaining import images
from glassnet.training.evaluate import Report

MOST_PICTURES = 240  # in the cells of one page
IN_A_CELL = 24
MOST_SOUND = 3_000_000  # letters of sounds in one page


@dataclass(frozen=True)
class Bar:
    """A class's share of an answer. words: 0.90. width: in percent. is_right: whether the example is of this class."""

    name: str
    words: str
    width: float
    is_right: bool


@dataclass(frozen=True)
class Shown:
    """One example: its name, its picture and, if it has one, its sound as data URIs, or its words as the net knows
    them, and the shares of two classes: of the one said, and of the right or next one.
    """

    name: str
    image: str
    bars: tuple[Bar, ...]
    sound: str = ""
    text: str = ""


@dataclass(frozen=True)
class Cell:
    """A kind of mistake. mark: its place on the page. more: how many examples are not shown."""

    mark: str
    name: str
    said: str
    pictures: tuple[Shown, ...]
    more: int


class Gallery:
    """Draws the examples of a report, each once."""

    def __init__(self, report: Report, dataset: Dataset) -> None:
        self.report, self.dataset = report, dataset
        self.ink = bool(dataset.preparation.settings.get("ink"))
        self.kind = KINDS[dataset.kind]
        self._sounding = MOST_SOUND
        self._drawn: dict[int, Shown] = {}

    def shown(self, i: int) -> Shown:
        """Example i of the report."""
        if i not in self._drawn:
            sample = self.dataset.samples[int(self.report.rows[i])]
            seen, text = "", ""
            if self.kind.looked_up:
                (words,) = self.kind.axes(self.dataset.preparation, sample.x)
                text = " ".join(word for word in words.at if word)
            else:
                seen = images.picture(self.kind.thumbnail(sample.x, self.dataset.preparation), self.ink)
            path = self.dataset.file(int(self.report.rows[i]))
            sound = images.sound(self.kind, path) if path is not None and self._sounding > 0 else ""
            self._sounding -= len(sound)
            self._drawn[i] = Shown(sample.name, seen, self._bars(i), sound, text)
        return self._drawn[i]

    def cells(self) -> list[Cell]:
        """Every inked cell of the confusion with its examples, up to what a page may hold."""
        report, left, found = self.report, MOST_PICTURES, []
        for i, j, count in report.confused():
            mine = np.flatnonzero((report.y == i) & (report.said == j))
            chosen = [int(m) for m in mine[np.argsort(-report.confidence[mine], kind="stable")]][: min(IN_A_CELL, left)]
            if not chosen:
                break
            left -= len(chosen)
            pictures = tuple(self.shown(m) for m in chosen)
            found.append(Cell(cell_mark(i, j), report.classes[i], report.classes[j], pictures, count - len(chosen)))
        return found

    def _bars(self, i: int) -> tuple[Bar, ...]:
        shares, own = self.report.probability[i : i + 1][0], int(self.report.y[i])
        first, second = (int(k) for k in np.argsort(-shares, kind="stable")[:2])
        chosen = (first, second if own == first else own)
        return tuple(
            Bar(self.report.classes[k], f"{shares[k]:.2f}", round(float(shares[k]) * 100, 1), k == own) for k in chosen
        )


def cell_mark(i: int, j: int) -> str:
    """The address on the page of the examples of class i that were taken for class j."""
    return f"is-{i}-said-{j}"
