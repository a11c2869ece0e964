"""Why a detector finds on a picture what it finds: its answer, its training objects and the truth brought together."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import numpy as np

from glassnet.data.boxes.beside import beside
from glassnet.data.boxes.store import digest_of, whole
from glassnet.doors.detection.events import Step
from glassnet.doors.detection.learnt import find_steps
from glassnet.doors.detection.model import DetectorModel
from glassnet.explaining.detections import ExplainedBoxes, Judge, Subject, explain_boxes
from glassnet.training.detection.matching import Objects
from glassnet.words import counted, interval, listed, percent


def explained_steps(
    model: DetectorModel, name: str, data: bytes, truth: bool = True
) -> Generator[Step, None, ExplainedBoxes]:
    """Finds out why. name: the picture's path, or "-". data: its bytes. Raises Unreadable.

    truth: whether annotations are looked for beside that path; not where the name came from elsewhere.
    """
    one, seen = model.look(data)
    digest = digest_of(data)
    made = ("The detector was made with this very picture, so this is no test of it.",)
    notes = made if np.uint64(digest) in model.seen else ()
    real, words = _truth(model, Path(name)) if truth else (None, ())
    found = yield from find_steps(model)
    judge = Judge(
        model.folder or str(model.card.data.get("name", "the detector")),
        model.net,
        model.classes,
        model.thresholds,
        model.card.normalisation,
        model.limits.twice,
        _tested(model),
    )
    subject = Subject(name, one, np.asarray(whole(data), np.uint8), digest, real)
    return explain_boxes(judge, subject, seen, found.known, (*notes, *words, *filter(None, (found.why,))))


def _truth(model: DetectorModel, path: Path) -> tuple[Objects | None, tuple[str, ...]]:
    """What is really on a picture, if annotations beside it say so, and what to know of that."""
    found = beside(path) if path.is_file() else None
    if found is None:
        return None, ()
    known = np.array([name in model.classes for name in found.classes], bool)
    places = np.array([model.classes.index(name) if name in model.classes else -1 for name in found.classes], np.int64)
    one = found.one.only(known[found.one.labels])
    left = len(found.one) - len(one)
    others = [name for name, is_known in zip(found.classes, known, strict=True) if not is_known]
    words = f"{counted(left, 'object')} of classes that the detector doesn't know left out ({listed(others)})."
    return Objects(one.boxes, places[one.labels], one.is_hard), (words,) if left else ()


def _tested(model: DetectorModel) -> str:
    """A sentence on what it is worth, if that is known."""
    test = model.metrics.get("test")
    if not isinstance(test, dict) or test.get("map50") is None:
        return ""
    words = f"{percent(test['map50'])} ({interval(test['map50_low'], test['map50_high'])})"
    return f"On {counted(test['pictures'], 'test picture')} this detector has mAP50 {words}."
