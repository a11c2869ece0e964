"""What an evaluation of a detector says, in words: lines for a terminal, sentences for a page."""

from __future__ import annotations

import math
from collections.abc import Iterator

from glassnet.training.detection.judging import Judged
from glassnet.words import clipped, counted, interval, percent

WORST = 3  # confusions
MOST_CLASSES, WIDEST = 20, 24  # of the table


def lines(judged: Judged, noun: str = "test picture") -> Iterator[str]:
    """The answer, then a table a class, where objects are lost, and the worst confusions."""
    yield answer(judged, noun)
    yield from table(judged)
    yield lost(judged)
    confused = confusions(judged)
    if confused:
        yield f"Most mistaken: {'; '.join(confused[:WORST])}."


def answer(judged: Judged, noun: str = "test picture") -> str:
    """One sentence: "mAP50 87.3 % (85.1 to 89.2) on 72 test pictures." noun: what was asked about, one of it."""
    asked = counted(len(judged.objects), noun)
    if math.isnan(judged.map50):
        return f"No mAP50: there is nothing to find on {asked}."
    return f"mAP50 {percent(judged.map50)} ({interval(judged.low, judged.high)}) on {asked}."


def table(judged: Judged) -> Iterator[str]:
    """A line a class, the worst of very many; COCO's figure only where its library is there."""
    order = sorted(judged.by_class, key=lambda one: (math.isnan(one.ap), one.ap))[:MOST_CLASSES]
    shown = [one for one in judged.by_class if one in order]
    width = min(WIDEST, max([len(one.name) for one in shown] + [5]))
    head = f"{'class':<{width}} {'objects':>7}  {'AP50':>5} {'':>14} {'AP':>5}  right  found  from"
    yield head
    for one in shown:
        ends = f"({interval(one.low, one.high)})" if one.objects else ""
        cells = (share(one.coco), share(one.precision), share(one.recall))
        yield (
            f"{clipped(one.name, width):<{width}} {one.objects:>7,}  {share(one.ap):>5} {ends:<14} "
            f"{cells[0]:>5}  {cells[1]:>5}  {cells[2]:>5}  {one.threshold:.2f}"
        )
    if len(judged.by_class) > len(shown):
        yield f"and {counted(len(judged.by_class) - len(shown), 'class', 'classes')} with a higher AP50"
    yield f"AP50: overlap 0.5, all points. AP: {ap_words(judged)}."
    yield "right, found: of the boxes with at least the score they count from, chosen on other pictures."


def ap_words(judged: Judged) -> str:
    """What AP is, and why it may be missing."""
    if judged.map is None:
        return 'COCO\'s, needs pycocotools: pip install "glassnet[detect]"'
    return f"COCO's, overlaps 0.50 to 0.95, {share(judged.map)} in the mean"


def lost(judged: Judged) -> str:
    """The funnel in one line: of so many objects these are proposed, scored as what they are, kept."""
    objects, proposed, scored, kept = judged.funnel.reached()
    if not objects:
        return "There are no objects that count."
    line = f"Of {counted(objects, 'object')} {proposed:,} are proposed, {scored:,} scored as what they are"
    return f"{line}, {kept:,} kept."


def confusions(judged: Judged) -> list[str]:
    """Every confusion with its count, the most frequent first: "31 RBC missed", "2 Platelets said WBC"."""
    return [confusion_words(judged, i, j, count) for i, j, count in judged.confusion.confused()]


def confusion_words(judged: Judged, row: int, column: int, count: int) -> str:
    """One cell of the confusion with background."""
    names, background = judged.classes, len(judged.classes)
    if row == background:
        return f"{count:,} {names[column]} said where none is left"
    return f"{count:,} {names[row]} {'missed' if column == background else f'said {names[column]}'}"


def share(value: float | None) -> str:
    """A share of 1 in percent without its sign, or a dash where it isn't known."""
    return "-" if value is None or math.isnan(value) else percent(value).removesuffix(" %")
