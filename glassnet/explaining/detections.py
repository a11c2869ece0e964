"""ExplainedBoxes: why a detector finds what it finds on a picture. Knows a net and a picture."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glassnet import files
from glassnet.data.boxes.geometry import Boxes, overlap
from glassnet.data.boxes.store import Sized
from glassnet.data.dataset import Normalisation
from glassnet.explaining.detections_inline import boxes_inline
from glassnet.explaining.detections_json import detections_json
from glassnet.explaining.detections_page import detections_page
from glassnet.explaining.detections_picture import detections_picture
from glassnet.explaining.marked import Missed, Verdict, mark
from glassnet.explaining.nearest import Learnt, Near, nearest
from glassnet.explaining.region_votes import RegionVotes, cast, voters_of
from glassnet.explaining.regions import look_at
from glassnet.nets.rcnn.judging import RegionNet
from glassnet.training.detection.detecting import Seen
from glassnet.training.detection.matching import Objects

MOST = 30  # boxes that are explained, the surest
CROP = 96  # pixels of what the net saw


@dataclass(frozen=True)
class Judge:
    """A detector. name: what it is called. thresholds: (K,) scores from which a box is likely. twice: it judges twice.

    tested: a sentence on what it is worth.
    """

    name: str
    net: RegionNet
    classes: tuple[str, ...]
    thresholds: tuple[float, ...]
    normalisation: Normalisation
    twice: bool = False
    tested: str = ""


@dataclass(frozen=True)
class Subject:
    """A picture. one: as the detector looks at it. whole: (3, H, W) uint8 as it is. digest: of its file's bytes.

    real: what is really on it, where that is known.
    """

    name: str
    one: Sized
    whole: NDArray[np.uint8]
    digest: int
    real: Objects | None = None


@dataclass(frozen=True)
class Moved:
    """From the box that was judged to the one that is told. dx, dy: of the centre, in shares of its width and height.

    width, height: how much more of it there is, -0.1 for a tenth less.
    """

    dx: float
    dy: float
    width: float
    height: float


@dataclass(frozen=True)
class Removed:
    """A box of the same class that gave way. overlap: with the one that stayed."""

    box: tuple[float, ...]
    score: float
    overlap: float


@dataclass(frozen=True)
class ExplainedBox:
    """One detection. score: as it was detected. box: (4,) pixels of the file, as are the others.

    proposal: where it began. before: where it was judged. votes: in float32. crop: (3, CROP, CROP) uint8 what the net
    saw. nearest: objects that it learnt from. removed: the surest first. first: the score where it began, in float32,
    of a detector that judges there too. verdict: where the truth is known.
    """

    label: int
    score: float
    box: tuple[float, ...]
    proposal: tuple[float, ...]
    before: tuple[float, ...]
    votes: RegionVotes
    crop: NDArray[np.uint8]
    nearest: tuple[Near, ...]
    removed: tuple[Removed, ...]
    first: float | None = None
    verdict: Verdict | None = None

    @property
    def exact(self) -> float:
        """The score in float32: what the votes come to, or the mean of both looks."""
        return self.votes.score if self.first is None else (self.first + self.votes.score) / 2

    @property
    def moved(self) -> Moved:
        """How far it was moved from where it was judged."""
        size, new = (np.subtract(one[2:], one[:2]) for one in (self.before, self.box))
        by = np.add(self.box[:2], self.box[2:]) / 2 - np.add(self.before[:2], self.before[2:]) / 2
        size = np.maximum(size, 1e-9)
        return Moved(*(by / size).tolist(), *(new / size - 1).tolist())


@dataclass(frozen=True)
class ExplainedBoxes:
    """All that was found out about a picture. boxes: the surest of those over their thresholds. likely: all of these.

    surest: label and score of the surest of all, None where there is none. objects, missed: None where the truth isn't
    known. right, false: how many of the likely boxes are, where it is. notes: sentences.
    """

    judge: Judge
    name: str
    picture: NDArray[np.uint8]
    boxes: tuple[ExplainedBox, ...]
    likely: tuple[int, ...]
    surest: tuple[int, float] | None
    objects: int | None
    missed: tuple[Missed, ...] | None
    right: int
    false: int
    notes: tuple[str, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        return self.judge.classes

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the picture in pixels."""
        return self.picture.shape[2], self.picture.shape[1]

    @cached_property
    def counts(self) -> list[tuple[str, int]]:
        """Each class that was found, and how often, the most frequent first."""
        return [(self.classes[k], count) for k, count in Counter(self.likely).most_common()]

    @property
    def answer(self) -> str:
        """In words: "14 RBC, 1 WBC"."""
        return ", ".join(f"{count:,} {name}" for name, count in self.counts) or "nothing"

    def __repr__(self) -> str:
        return f"<ExplainedBoxes on {self.name}: {self.answer}>"

    def _repr_html_(self) -> str:
        """Its gist, as a notebook shows it."""
        return boxes_inline(self)

    def html(self) -> str:
        """The page: one self-contained file."""
        return detections_page(self)

    def png(self) -> bytes:
        """The picture with its boxes, for a paper."""
        return detections_picture(self)

    def save(self, path: str | Path) -> Path:
        """Writes the page, or a picture where the path ends in .png. Raises GlassnetError where that can't be done."""
        files.write_file(Path(path), self.png() if Path(path).suffix.lower() == ".png" else self.html())
        return Path(path)

    def as_json(self) -> dict[str, object]:
        """As `glassnet explain --json` prints it: each box's votes, that add up to its logit."""
        return detections_json(self)


def explain_boxes(
    judge: Judge, subject: Subject, seen: Seen, known: Learnt | None = None, notes: tuple[str, ...] = ()
) -> ExplainedBoxes:
    """Finds out why a detector made of a picture what it made of it. known: objects that it learnt from."""
    found = seen.found
    over = found.scores >= np.asarray(judge.thresholds)[found.labels]
    chosen = np.flatnonzero(over)[:MOST]
    marked = mark(subject.real, seen, judge.classes, judge.thresholds) if subject.real else None
    verdicts = marked.verdicts if marked else {}
    return ExplainedBoxes(
        judge=judge,
        name=subject.name,
        picture=subject.whole,
        boxes=tuple(_boxes(judge, subject, seen, known, chosen, verdicts)),
        likely=tuple(found.labels[over].tolist()),
        surest=(int(found.labels[0]), float(found.scores[0])) if len(found.scores) else None,
        objects=marked.objects if marked else None,
        missed=marked.missed if marked else None,
        right=sum(one.is_right is True for one in verdicts.values()),
        false=sum(one.is_right is False for one in verdicts.values()),
        notes=notes,
    )


def _boxes(
    judge: Judge, subject: Subject, seen: Seen, known: Learnt | None, chosen: NDArray[np.int64],
    verdicts: dict[int, Verdict],
) -> list[ExplainedBox]:  # fmt: skip
    """chosen: places among what is kept."""
    places = seen.kept[chosen]
    if not len(places):
        return []
    where = seen.before[places]
    if judge.twice:
        where = np.concatenate([where, seen.proposals[seen.region[places]]])
    looked = look_at(judge.net, subject.one, where, judge.normalisation, CROP)
    voters = voters_of(judge.net, judge.classes)
    votes = [
        cast(voters, features, int(label))
        for features, label in zip(looked.features, np.resize(seen.labels[places], len(where)), strict=True)
    ]
    near = nearest(known, looked.features[: len(places)], subject.digest) if known else [()] * len(places)
    return [
        ExplainedBox(
            label=int(seen.labels[place]),
            score=float(seen.scores[place]),
            box=_corners(seen.boxes[place]),
            proposal=_corners(seen.proposals[seen.region[place]]),
            before=_corners(seen.before[place]),
            votes=votes[i],
            crop=looked.crops[i],
            nearest=near[i],
            removed=_removed(seen, int(place)),
            first=votes[len(places) + i].score if judge.twice else None,
            verdict=verdicts.get(int(chosen[i])),
        )
        for i, place in enumerate(places.tolist())
    ]


def _removed(seen: Seen, place: int) -> tuple[Removed, ...]:
    """The boxes that one stands for, beside itself."""
    mine = np.flatnonzero(seen.stands == place)
    mine = mine[mine != place]
    mine = mine[np.argsort(-seen.scores[mine], kind="stable")]
    share = overlap(seen.boxes[place][None], seen.boxes[mine])[0]
    return tuple(
        Removed(_corners(seen.boxes[j]), float(seen.scores[j]), float(of))
        for j, of in zip(mine.tolist(), share, strict=True)
    )


def _corners(box: Boxes) -> tuple[float, ...]:
    """box: (4,)."""
    return tuple(float(value) for value in box)
