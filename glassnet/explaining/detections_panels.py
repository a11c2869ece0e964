"""What a page says of one detection, or of an object that was missed: words, and drawings worked out in pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from glassnet.explaining import images
from glassnet.explaining.region_votes import RegionVotes
from glassnet.words import counted

if TYPE_CHECKING:
    from glassnet.explaining.detections import ExplainedBox, ExplainedBoxes, Moved

CUT = 148  # pixels a side of what is cut out of the picture
AROUND = 0.25  # of the longer side, around what a cut is about
SHORTEST = 4.0  # pixels of an arrow
FEATURES, REMOVED = 10, 12
MINUS, NARROW = chr(0x2212), chr(0x202F)  # the second keeps a number and its % together


@dataclass(frozen=True)
class Rect:
    """A box, in the pixels of what it is drawn on. words: what it is."""

    x: float
    y: float
    width: float
    height: float
    words: str = ""


@dataclass(frozen=True)
class Cut:
    """A square cut out of the picture. transform: of the whole picture into it. dotted, solid: boxes there.

    arrows: x1, y1, x2, y2 from each side of one box to that of the other.
    """

    transform: str
    dotted: tuple[Rect, ...]
    solid: tuple[Rect, ...]
    arrows: tuple[tuple[float, float, float, float], ...] = ()


@dataclass(frozen=True)
class Bar:
    """One contribution. words: "2.41 × +1.32". left, width: of its bar, in percent. vote: written out."""

    words: str
    left: float
    width: float
    is_for: bool
    vote: str


@dataclass(frozen=True)
class FeatureRow:
    """A feature and what it puts in for what was said and for the other. number: counted from 1."""

    number: int
    bars: tuple[Bar, ...]
    difference: str


@dataclass(frozen=True)
class VotesPanel:
    """zero: where bars begin, in percent. rest, bias, total: of what was said, then of the other."""

    said: str
    against: str
    rows: tuple[FeatureRow, ...]
    zero: float
    rest_words: str
    rest: tuple[str, ...]
    bias: tuple[str, ...]
    total: tuple[str, ...]
    unit: str
    score_words: str


@dataclass(frozen=True)
class NearView:
    """An object that the detector learnt from."""

    image: str
    name: str
    words: str
    alt: str


@dataclass(frozen=True)
class BoxPanel:
    """All that is said of one detection. mark: its address. rect, removed: on the picture. verdict: what it is worth.

    score: as it was detected; exact: what comes out in full precision, where that differs by what can be seen. first:
    the score where it was proposed, of a box that was judged there too; last: what the votes below come to.
    """

    mark: str
    name: str
    label: int
    score: str
    exact: str
    first: str
    last: str
    rect: Rect
    removed: tuple[Rect, ...]
    more_removed: int
    is_wrong: bool
    verdict: str
    way: Cut
    seen: str
    after: Cut
    moved: str
    votes: VotesPanel
    nearest: tuple[NearView, ...]


@dataclass(frozen=True)
class MissedPanel:
    """An object that was not found."""

    mark: str
    name: str
    label: int
    stage: str
    words: str
    rect: Rect
    cut: Cut


def box_panel(one: ExplainedBoxes, i: int) -> BoxPanel:
    """Of the i-th box."""
    box, name = one.boxes[i], one.classes[one.boxes[i].label]
    area = _around(box.proposal, box.before, box.box)
    shown = box.removed[:REMOVED]
    exact = f"{box.exact:.2f}"
    return BoxPanel(
        mark=f"box-{i + 1}",
        name=name,
        label=box.label,
        score=f"{box.score:.2f}",
        exact=exact if exact != f"{box.score:.2f}" else "",
        first="" if box.first is None else f"{box.first:.2f}",
        last=f"{box.votes.score:.2f}",
        rect=_rect(box.box),
        removed=tuple(_rect(r.box, f"{r.score:.2f}, overlap {r.overlap:.2f}") for r in shown),
        more_removed=len(box.removed) - len(shown),
        is_wrong=box.verdict is not None and box.verdict.is_right is False,
        verdict=_sentence(box.verdict.words) if box.verdict else "",
        way=_cut(area, [box.proposal], []),
        seen=images.picture(box.crop, False),
        after=_cut(area, [box.before], [box.box], _arrows(area, box.before, box.box)),
        moved=moved_words(box.moved).replace(" %", f"{NARROW}%"),
        votes=_votes(box.votes),
        nearest=_nearest(one, box),
    )


def missed_panel(one: ExplainedBoxes, i: int) -> MissedPanel:
    """Of the i-th missed object."""
    missed = (one.missed or ())[i]
    others = [missed.rival] if missed.rival else []
    return MissedPanel(
        f"missed-{i + 1}", one.classes[missed.label], missed.label, missed.stage, _sentence(missed.words),
        _rect(missed.box), _cut(_around(missed.box, *others), [missed.box], others),
    )  # fmt: skip


def moved_words(moved: Moved) -> str:
    """How far a box was moved: "3 % right, 2 % up, 5 % wider"."""
    pairs = ((moved.dx, "right", "left"), (moved.dy, "down", "up"), (moved.width, "wider", "narrower"),
             (moved.height, "higher", "lower"))  # fmt: skip
    told = [
        f"{abs(share) * 100:.0f} % {more if share > 0 else less}" for share, more, less in pairs if abs(share) >= 0.005
    ]
    return ", ".join(told) or "left where it was"


def _votes(votes: RegionVotes) -> VotesPanel:
    voters = [votes.said] if votes.against is None else [votes.said, votes.against]
    strongest = votes.strongest(FEATURES)
    shown = votes.contribution[voters][:, strongest]  # (1 or 2, n)
    low, high = min(0.0, float(shown.min(initial=0))), max(0.0, float(shown.max(initial=0)))
    span = (high - low) or 1.0
    rows = [
        FeatureRow(
            int(f) + 1,
            tuple(_bar(votes, voter, int(f), low, span) for voter in voters),
            signed(float(votes.difference[f])),
        )
        for f in strongest
    ]
    return VotesPanel(
        said=votes.voters.names[votes.said],
        against="" if votes.against is None else votes.voters.names[votes.against],
        rows=tuple(rows),
        zero=round(-low / span * 100, 2),
        rest_words=counted(len(votes.values) - len(strongest), "other feature"),
        rest=tuple(signed(votes.rest(voter, FEATURES)) for voter in voters),
        bias=tuple(signed(float(votes.voters.bias[voter])) for voter in voters),
        total=tuple(signed(float(votes.logit[voter])) for voter in voters),
        unit=votes.voters.unit,
        score_words=votes.score_words,
    )


def _bar(votes: RegionVotes, voter: int, f: int, low: float, span: float) -> Bar:
    value, weight = float(votes.values[f]), float(votes.voters.weights[voter, f])
    vote = float(votes.contribution[voter, f])
    left, width = (min(vote, 0.0) - low) / span * 100, abs(vote) / span * 100
    return Bar(f"{figure(value)} × {figure(weight)}", round(left, 2), round(width, 2), vote >= 0, signed(vote))


def _nearest(one: ExplainedBoxes, box: ExplainedBox) -> tuple[NearView, ...]:
    return tuple(
        NearView(
            images.picture(near.crop, False),
            one.classes[near.label],
            f"{near.similarity:.3f}",
            f"{one.classes[near.label]} on {near.name}, similarity {near.similarity:.3f}",
        )
        for near in box.nearest
    )


def _around(*boxes: Sequence[float]) -> tuple[float, float, float]:
    """The square around some boxes: its left, top and side."""
    every = np.array(boxes)
    low, high = every[:, :2].min(0), every[:, 2:].max(0)
    side = max(float((high - low).max()), 1.0) * (1 + 2 * AROUND)
    left, top = ((low + high - side) / 2).tolist()
    return left, top, side


def _cut(
    area: tuple[float, float, float],
    dotted: Sequence[Sequence[float]],
    solid: Sequence[Sequence[float]],
    arrows: tuple[tuple[float, float, float, float], ...] = (),
) -> Cut:
    left, top, side = area
    scale = CUT / side
    return Cut(
        f"scale({scale:.5f}) translate({-left:.2f} {-top:.2f})",
        tuple(_rect(_inside(area, box)) for box in dotted),
        tuple(_rect(_inside(area, box)) for box in solid),
        arrows,
    )


def _arrows(
    area: tuple[float, float, float], before: Sequence[float], after: Sequence[float]
) -> tuple[tuple[float, float, float, float], ...]:
    """From each side straight to where it came to lie, those that can be seen."""
    old, new = (_inside(area, box) for box in (before, after))
    x, y = (new[0] + new[2]) / 2, (new[1] + new[3]) / 2
    every = [(old[i], y, new[i], y) for i in (0, 2)] + [(x, old[i], x, new[i]) for i in (1, 3)]
    return tuple(
        (round(x1, 1), round(y1, 1), round(x2, 1), round(y2, 1))
        for x1, y1, x2, y2 in every
        if abs(x2 - x1) + abs(y2 - y1) >= SHORTEST
    )


def _inside(area: tuple[float, float, float], box: Sequence[float]) -> tuple[float, ...]:
    """A box in the pixels of a cut."""
    left, top, side = area
    return tuple((value - start) * CUT / side for value, start in zip(box, (left, top, left, top), strict=True))


def _rect(box: Sequence[float], words: str = "") -> Rect:
    x1, y1, x2, y2 = box
    return Rect(round(x1, 1), round(y1, 1), round(x2 - x1, 1), round(y2 - y1, 1), words)


def signed(value: float) -> str:
    """A vote: always with its sign."""
    text = f"{abs(value):.2f}"
    return f"{MINUS}{text}" if value < 0 and float(text) else f"+{text}"


def figure(value: float) -> str:
    """Part of a product, in three digits, so that the product can be told from it: "15.5", "0.0813"."""
    size = abs(value)
    text = f"{size:.0f}" if size >= 100 else f"{round(size, 4):.3g}"
    return text if value >= 0 or text == "0" else MINUS + text


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."
