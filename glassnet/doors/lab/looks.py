"""What is in the data that a page names, read in a thread and told before anything is trained. Keeps nothing of it."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from glassnet.data.dataset import SPLITS, TRAIN, Dataset
from glassnet.data.kinds import KINDS
from glassnet.data.reading import Progress
from glassnet.data.split import split
from glassnet.doors.lab.asked_data import AskedData
from glassnet.doors.lab.limits import Refused
from glassnet.explaining import images
from glassnet.nets import zoo
from glassnet.steps import finish

MOST_CLASSES, MOST_DAMAGED = 24, 20
PICTURES, SIDE = 24, 96  # pictures shown, and their longer side
MOST = 4  # that are read at a time, or wait to be
Facts = dict[str, Any]


class _Unwanted(Exception):
    """Nobody waits for it any more."""


@dataclass
class _Look:
    future: Future[Facts]
    progress: Progress = field(default_factory=lambda: Progress(0, 0))
    ended: threading.Event = field(default_factory=threading.Event)


class Looks:
    """One data set is read at a time."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "look")
        self._looks: dict[str, _Look] = {}

    def look(self, asked: AskedData, seed: int) -> Facts:
        """What is known by now: how far the reading is, or all of it, once. Raises GlassnetError, Refused."""
        key = f"{asked.model_dump_json()} {seed}"
        one = self._looks.get(key)
        if one is None:
            if len(self._looks) >= MOST:
                self._forget()
            one = self._looks[key] = _Look(Future())
            one.future = self._thread.submit(self._read, asked, seed, one)
        if not one.future.done():
            return {"state": "reading", "done": one.progress.done, "total": one.progress.total}
        del self._looks[key]
        return one.future.result()

    def close(self) -> None:
        """Stops reading."""
        for one in self._looks.values():
            one.ended.set()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _forget(self) -> None:
        """Drops the oldest, which nobody came back for. Raises Refused where that one is being waited for."""
        key, oldest = next(iter(self._looks.items()))
        oldest.ended.set()
        if not oldest.future.cancel() and not oldest.future.done():
            raise Refused(503, "other data is being read: try again in a second")
        del self._looks[key]

    @staticmethod
    def _read(asked: AskedData, seed: int, one: _Look) -> Facts:
        def show(progress: Progress) -> None:
            one.progress = progress
            if one.ended.is_set():
                raise _Unwanted

        return described(finish(asked.source().steps(), show), seed)


def described(dataset: Dataset, seed: int) -> Facts:
    """A data set in words and figures. Raises GlassnetError where it can't be trained on."""
    kind = KINDS[dataset.kind]
    sides = split(dataset, seed)
    dataset = kind.fitted(dataset, sides.rows(TRAIN))
    count = len(sides.rows(TRAIN))
    net = kind.net or str(zoo.choose(dataset.shape, dataset.classes, count))
    counts = [
        {"name": name, "count": int(dataset.counts[k]), "sides": sides.counts[:, k].tolist()}
        for k, name in enumerate(dataset.classes)
    ]
    why = (
        ""
        if kind.ordered
        else f"A ConvNet doesn\u2019t fit {kind.name}, whose columns have no order. Check tells what does."
    )
    return {
        "state": "known", "name": dataset.name, "kind": dataset.kind, "one": dataset.one,
        "words": dataset.describe(" × "), "examples": len(dataset), "shape": list(dataset.shape),
        "classes": counts[:MOST_CLASSES], "more_classes": max(0, len(counts) - MOST_CLASSES),
        "class_count": len(counts),
        "sides": dict(zip(SPLITS, sides.counts.sum(1).tolist(), strict=True)),
        "damaged": [{"file": one.name, "reason": one.reason} for one in dataset.skipped[:MOST_DAMAGED]],
        "skipped": len(dataset.skipped), "others": dict(dataset.ignored),
        "notes": [*dataset.notes, *sides.notes], "net": net, "why": why, "resizable": dataset.kind == "pictures",
        "pictures": _pictures(dataset),
    }  # fmt: skip


def _pictures(dataset: Dataset) -> list[Facts]:
    """A few examples of each class, as a person sees them."""
    kind, shown = KINDS[dataset.kind], []
    classes = range(min(len(dataset.classes), PICTURES))
    each = max(1, PICTURES // max(len(classes), 4))
    for k in classes:
        mine = np.flatnonzero(dataset.samples.y == k)
        for row in mine[np.unique(np.linspace(0, len(mine) - 1, min(each, len(mine))).astype(int))]:
            sample = dataset.samples[int(row)]
            one: Facts = {"class": k, "name": sample.name}
            if kind.looked_up:
                (words,) = kind.axes(dataset.preparation, sample.x)
                one["words"] = " ".join(word for word in words.at if word)[:120]
            else:
                seen = kind.thumbnail(sample.x, dataset.preparation)
                one["picture"] = images.picture(seen, bool(dataset.preparation.settings.get("ink")), SIDE)
                one["small"] = images.is_small(seen.shape)
            shown.append(one)
    return shown
