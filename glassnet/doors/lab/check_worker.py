"""The process of one check: an order as a line of JSON in, what it finds as lines out. Keeps and writes nothing.

It ends when standard input does: no server, no check.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from glassnet.data.dataset import Array, Dataset
from glassnet.data.kinds import KINDS
from glassnet.data.reading import Progress
from glassnet.data.split import refuse_damaged
from glassnet.doors.lab.asked_data import AskedData
from glassnet.errors import GlassnetError
from glassnet.explaining import images
from glassnet.steps import finish
from glassnet.words import by, clipped, duration

if TYPE_CHECKING:
    from glassnet.training.suitability import Checking, Share  # with torch, which a first look does without

NOW_S = 0.2  # between two words on how far the reading is
CLASSES, EXAMPLES = 12, 12  # shown
SIDE, LETTERS = 96, 240  # of a picture, of a sentence, at most
NICE = 10  # a check takes its time: whoever draws in another tab comes first
Facts = dict[str, Any]
Tell = Callable[[Facts], None]


def main() -> int:
    """Works until the check is done, or standard input ends. Returns the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server decides when it ends
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints is no line of ours
    try:
        order = json.loads(sys.stdin.readline())
    except ValueError:
        return 2
    threading.Thread(target=_leave_with, args=(sys.stdin,), daemon=True).start()
    tell = _teller(lines)
    try:
        work(order, tell)
    except GlassnetError as error:
        tell({"error": str(error)})
        return error.exit_code
    return 0


def work(order: Facts, tell: Tell) -> None:
    """Reads the data and tells what is in it; checks it, if that was ordered. Raises GlassnetError."""
    asked, seed = AskedData.model_validate(order["data"]), int(order["seed"])
    dataset = _read(asked, tell)
    refuse_damaged(dataset)
    tell({"data": described(dataset)})
    if not order["check"]:
        return
    os.nice(NICE)
    from glassnet.training.drawn import one_shuffled
    from glassnet.training.rivals import HOW
    from glassnet.training.suitability import CONVNET, WORD_NET, examine

    fitted, as_given, shuffled = one_shuffled(dataset, seed)
    net = WORD_NET if KINDS[dataset.kind].looked_up else CONVNET
    tell(
        {
            "pair": [shown(fitted, as_given), shown(fitted, shuffled)],
            "pair_size": _size(dataset, as_given),
            "how": {**HOW, "ConvNet": str(net)},
        }
    )
    clock = Clock(tell)
    found = finish(examine(dataset, seed), clock.show)
    tell(
        {
            "found": {"data": asked.data, "kind": dataset.kind, **found.as_json()},
            "runs": found.runs,
            "took": duration(found.seconds),
        }
    )


class Clock:
    """Tells how far a check is, its figures so far, and how long its part takes yet."""

    def __init__(self, tell: Tell) -> None:
        self.tell, self.part = tell, ""
        self.begun = self.told = time.monotonic()

    def show(self, step: Checking) -> None:
        """Tells of a step; the time left is counted anew where another part begins."""
        if step.what != self.part:
            self.part, self.begun = step.what, self.told
        self.told = time.monotonic()
        left = (self.told - self.begun) / step.done * (step.total - step.done)
        facts: Facts = {"step": {"what": step.what, "done": step.done, "total": step.total, "left": duration(left)}}
        if step.runs:
            facts["runs"] = _by_split(step.runs)
        if step.spread:
            facts["spread"] = {name: [one.value, *_ends(one)] for name, one in step.spread.items()}
        self.tell(facts)


def described(dataset: Dataset) -> Facts:
    """A data set in words and figures, with a few of its examples."""
    counts = list(zip(dataset.classes, dataset.counts.tolist(), strict=True))
    return {
        "name": dataset.name,
        "kind": dataset.kind,
        "one": dataset.one,
        "words": dataset.describe(" × "),
        "examples": len(dataset),
        "class_count": len(counts),
        "classes": [{"name": name, "count": count} for name, count in counts[:CLASSES]],
        "skipped": len(dataset.skipped),
        "notes": list(dataset.notes),
        "shown": [
            {"class": dataset.classes[dataset.samples[row].y], **shown(dataset, dataset.samples[row].x)}
            for row in _some(dataset)
        ],
    }


def shown(dataset: Dataset, x: Array) -> Facts:
    """One example as a person sees it: a picture, or words."""
    kind = KINDS[dataset.kind]
    if kind.looked_up:
        return {"words": clipped(" ".join(word for word in kind.axes(dataset.preparation, x)[0].at if word), LETTERS)}
    seen = kind.thumbnail(x, dataset.preparation)
    ink = bool(dataset.preparation.settings.get("ink"))
    return {"picture": images.picture(seen, ink, SIDE), "small": images.is_small(seen.shape)}


def _size(dataset: Dataset, x: Array) -> str:
    """What is left of an example, in words."""
    kind, size = KINDS[dataset.kind], by(x.shape[1:], " × ")
    return f"up to {size} words" if kind.looked_up else size if kind.ordered else f"{size} columns"


def _some(dataset: Dataset) -> list[int]:
    """Places of a few examples, every class in turn."""
    of_class = [np.flatnonzero(dataset.samples.y == k)[:EXAMPLES] for k in range(len(dataset.classes))]
    turns = (int(rows[turn]) for turn in range(EXAMPLES) for rows in of_class if turn < len(rows))
    return list(itertools.islice(turns, EXAMPLES))


def _by_split(runs: Sequence[float]) -> list[list[float]]:
    """Accuracies split by split, each with the order as given first."""
    from glassnet.training.suitability import ORDERS

    each = 1 + ORDERS
    return [list(runs[at : at + each]) for at in range(0, len(runs), each)]


def _ends(share: Share) -> tuple[float | None, float | None]:
    return (None, None) if math.isnan(share.low) else (share.low, share.high)


def _read(asked: AskedData, tell: Tell) -> Dataset:
    told_s = 0.0

    def show(progress: Progress) -> None:
        nonlocal told_s
        if time.monotonic() - told_s > NOW_S:
            told_s = time.monotonic()
            tell({"reading": [progress.done, progress.total]})

    return finish(asked.source().steps(), show)


def _teller(lines: TextIO) -> Tell:
    def tell(facts: Facts) -> None:
        lines.write(json.dumps(facts, allow_nan=False) + "\n")
        lines.flush()

    return tell


def _leave_with(orders: TextIO) -> None:
    """Ends this process, and whatever it has begun, when nobody gives orders any more."""
    while orders.read(1):
        pass
    os.killpg(0, signal.SIGTERM)  # the server made it the first of a group of its own


if __name__ == "__main__":
    raise SystemExit(main())
