"""A detector's file in whole numbers: calibrated on pictures it learnt from, its mAP50 measured on others.

It is refused where it is worse than the file it was made from. Where regions lie, and which boxes stay, is worked out
in floats still.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glassnet.data.boxes.annotated import BoxData
from glassnet.data.boxes.finding import find_boxes
from glassnet.data.boxes.store import digest_of
from glassnet.data.dataset import TEST
from glassnet.data.decoding import read_bytes
from glassnet.doors.card import Card
from glassnet.doors.detection.model import DetectorModel
from glassnet.doors.exporting import runtime
from glassnet.doors.exporting.int8 import Fed, Quantised, refuse_worse, whole_numbers, with_facts
from glassnet.doors.exporting.taken import picture_taken
from glassnet.errors import GlassnetError
from glassnet.steps import finish
from glassnet.training.detection.matching import Found, Objects, match
from glassnet.training.detection.precision import all_points
from glassnet.words import counted, listed

CALIBRATED = 50  # pictures it learnt from
MEASURED = 500  # others
NET = "judge.net."  # what the exporter's names of the net's layers begin with


def find_pictures(card: Card, data: object = None) -> BoxData:
    """Boxes on pictures that a person names by a path, or those that a detector learnt from. Raises GlassnetError."""
    named = str(data) if isinstance(data, (str, Path)) else str(card.data.get("source") or "")
    found = find_boxes(named) if named and Path(named).exists() else None
    if found is None:
        fix = "Name them: --data DATA"
        raise GlassnetError("--int8", expected="boxes on pictures", found=f"none in {named or 'memory'}", fix=fix)
    read = finish(found.steps())
    unknown = [name for name in read.classes if name not in card.classes]
    if unknown:
        expected = f"some of the model's classes: {listed(list(card.classes), 10)}"
        raise GlassnetError(named, expected=expected, found=listed(unknown), fix="Name others with --data")
    return read


def quantised_boxes(model: DetectorModel, made: bytes, data: BoxData) -> tuple[bytes, Quantised]:
    """The file in whole numbers, and what it is worth. made: the file in floats. data: with the model's classes.

    Raises GlassnetError where too much is lost, or where nothing is left to calibrate or to measure it on.
    """
    learnt = np.isin([digest_of(read_bytes(data.file(i))) for i in range(len(data))], model.seen)
    on_test = np.array([one.split == TEST for one in data.pictures])
    held = np.flatnonzero(~learnt & on_test) if (~learnt & on_test).any() else np.flatnonzero(~learnt)
    train = np.flatnonzero(learnt)
    if not len(held) or not len(train):
        lacks = "none to measure on" if len(train) else "none that it learnt from to calibrate on"
        fix = "Name the data that it learnt from with --data"
        raise GlassnetError("--int8", expected="pictures", found=lacks, fix=fix)
    random = np.random.default_rng([model.card.seed, 8])
    some = np.sort(random.permutation(train)[:CALIBRATED])
    held = np.sort(random.permutation(held)[:MEASURED])
    smaller = whole_numbers(made, [_fed(model, data, i) for i in some.tolist()], NET)
    worth, plain = (_map50(model, data, held, one) for one in (smaller, made))
    words = counted(len(held), "picture that it did not learn from", "pictures that it did not learn from")
    found = Quantised(worth, plain, None, None, len(held), words, len(some), "map50")
    refuse_worse(found)
    return with_facts(smaller, made, found), found


def _fed(model: DetectorModel, data: BoxData, i: int) -> Fed:
    return picture_taken(read_bytes(data.file(i)), model.proposals)


def _map50(model: DetectorModel, data: BoxData, rows: NDArray[np.int64], made: bytes) -> float:
    """Mean average precision at an overlap of 0.5, over the classes that have objects on these pictures."""
    session = runtime.session(made, "the exported file")
    places = np.array([model.classes.index(name) for name in data.classes], np.int64)
    one_each = [data.pictures[i] for i in rows.tolist()]
    objects = [Objects(one.boxes, places[one.labels], one.is_hard) for one in one_each]
    found = []
    for i in rows.tolist():
        boxes, scores, labels = session.run(None, _fed(model, data, i))
        found.append(Found(np.asarray(boxes, float), np.asarray(labels, np.int64), np.asarray(scores, float)))
    each = [all_points(match(objects, found, k)) for k in range(len(model.classes))]
    return float(np.nanmean(each))
