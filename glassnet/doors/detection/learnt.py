"""The objects that a detector learnt from, found again where its data lay. Kept, so that they are looked at once."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glassnet.data import cache
from glassnet.data.boxes.annotated import BoxData
from glassnet.data.boxes.doctor import diagnose
from glassnet.data.boxes.finding import find_boxes
from glassnet.data.boxes.sides import Sides, sides_of
from glassnet.data.boxes.store import digest_of, sized, small_size
from glassnet.data.dataset import TRAIN
from glassnet.data.decoding import read_bytes
from glassnet.data.kind import Unreadable
from glassnet.doors import folder as layout
from glassnet.doors.detection.basis import choose_side, fingerprint
from glassnet.doors.detection.events import Step
from glassnet.doors.detection.model import DetectorModel
from glassnet.errors import GlassnetError
from glassnet.explaining.nearest import Learnt, TrainingPicture, learnt_steps, spread

VERSION = 1  # a step up looks at all of them anew
COLUMNS = ("features", "labels", "boxes", "names", "digest", "crops")


@dataclass(frozen=True)
class FoundAgain:
    """known: the objects, or None; why: then a sentence that says why there are none, else empty."""

    known: Learnt | None
    why: str = ""


def find_steps(model: DetectorModel) -> Generator[Step, None, FoundAgain]:
    """Finds a detector's training objects where its data lay, if it is as it was, and looks at some of them."""
    source = str(model.card.data.get("source") or "")
    if not source or not Path(source).exists():
        where = f"{source}, where it lay, is not there" if source else "it lay in no folder"
        return FoundAgain(
            None, f"The data that the detector learnt from is gone ({where}): nothing is shown beside it."
        )
    name, facts = _name(model), _facts(model)
    kept = model.folder and cache.remembered(
        name, lambda found: all(found.get(key) == value for key, value in facts.items())
    )
    if kept:
        with np.load(kept / "objects.npz", allow_pickle=False) as columns:
            return FoundAgain(Learnt(**{key: columns[key] for key in COLUMNS}))
    try:
        found = yield from _look(model, source)
    except (GlassnetError, Unreadable, OSError) as error:
        return FoundAgain(None, f"The data that the detector learnt from can't be read ({error}).".replace(".).", ")."))
    if found is None:
        words = f"The data at {source} is not as it was when the detector learnt from it: nothing is shown beside it."
        return FoundAgain(None, words)
    if model.folder:
        with cache.remember(name, facts) as new:
            np.savez(
                new / "objects.npz", features=found.features, labels=found.labels, boxes=found.boxes,
                names=np.array(found.names), digest=found.digest, crops=found.crops,
            )  # fmt: skip
    return FoundAgain(found)


def _look(model: DetectorModel, source: str) -> Generator[Step, None, Learnt | None]:
    """None where the data is not what the model learnt from."""
    found = find_boxes(source)
    if found is None:
        return None
    steps = found.steps()
    while True:
        try:
            progress = next(steps)
        except StopIteration as end:
            data: BoxData = end.value
            break
        yield Step("reading", progress.done, progress.total, "annotations")
    if _was_cleaned(model):
        data = diagnose(data).cleaned
    digest = np.zeros(len(data), np.uint64)
    for i in range(len(data)):
        yield Step("reading", i, len(data), "pictures")
        digest[i] = digest_of(read_bytes(data.file(i)))
    sides = sides_of(data, digest, model.card.seed)
    if not _fits(model, data, digest, sides):
        return None
    rows = sides.rows(TRAIN).tolist()
    easy = [np.flatnonzero(~data.pictures[i].is_hard) for i in rows]
    labels = [data.pictures[i].labels[mine] for i, mine in zip(rows, easy, strict=True)]
    chosen = [mine[some] for mine, some in zip(easy, spread(labels, len(data.classes)), strict=True)]
    asked = [(i, some) for i, some in zip(rows, chosen, strict=True) if len(some)]
    looking = learnt_steps(model.net, _pictures(model, data, digest, asked), model.card.normalisation)
    while True:
        try:
            yield Step("looking", next(looking), len(asked), "training pictures")
        except StopIteration as end:
            known: Learnt = end.value
            return known


def _pictures(
    model: DetectorModel, data: BoxData, digest: NDArray[np.uint64], asked: list[tuple[int, NDArray[np.int64]]]
) -> Iterator[TrainingPicture]:
    """asked: which pictures, and which objects of each."""
    side = max(model.card.preparation.shape[1:])
    for i, some in asked:
        one = data.pictures[i]
        picture = sized(read_bytes(data.file(i)), side)
        yield TrainingPicture(one.name, int(digest[i]), picture, one.boxes[some], one.labels[some])


def _fits(model: DetectorModel, data: BoxData, digest: NDArray[np.uint64], sides: Sides) -> bool:
    """Whether these are the pictures, boxes and sides that it learnt from. They were kept at one of two sizes."""
    for side in (max(model.card.preparation.shape[1:]), choose_side(data)):
        small = [small_size((one.size[1], one.size[0]), side) for one in data.pictures]
        if fingerprint(data, digest, np.array(small, np.int64), sides) == model.card.data.get("fingerprint"):
            return True
    return False


def _was_cleaned(model: DetectorModel) -> bool:
    settings = model.card.training.get("detecting")
    return bool(isinstance(settings, dict) and settings.get("cleaned"))


def _name(model: DetectorModel) -> str:
    return cache.name_for(f"{Path(model.folder).name}-objects", str(Path(model.folder).resolve()))


def _facts(model: DetectorModel) -> dict[str, object]:
    """What the kept objects are of: these weights, this data."""
    sums = (Path(model.folder) / layout.SUMS).read_text("utf-8") if model.folder else ""
    return {"sums": sums, "fingerprint": str(model.card.data.get("fingerprint")), "looked": VERSION}
