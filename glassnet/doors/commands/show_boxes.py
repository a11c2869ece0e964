"""glassnet show on boxes: what is marked on the pictures, what is doubtful about it, and a contact sheet."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from glassnet import files
from glassnet.data.boxes.annotated import BoxData
from glassnet.data.boxes.doctor import Diagnosis, diagnose
from glassnet.data.boxes.finding import BoxSource
from glassnet.data.boxes.sheet import box_sheet
from glassnet.data.dataset import SPLITS
from glassnet.doors.commands import print_json
from glassnet.steps import finish
from glassnet.words import counted, listed

if TYPE_CHECKING:
    from rich.console import Console

MOST_SIZES, MOST_NAMED = 8, 12


def show_boxes(data: str, source: BoxSource, page: Path, json: bool) -> None:
    """Prints what is there and leaves a picture of some of it."""
    from glassnet.doors.screen import console, fact

    screen = console(json)
    found = read_boxes(source, screen)
    diagnosis = diagnose(found)
    files.write_file(page, box_sheet(found))
    if json:
        print_json({"data": data, **describe(found, diagnosis), "sheet": str(page)})
        return
    screen.print(fact("data", f"{found.describe()}, {found.layout}"))
    for words in _class_lines(found):
        screen.print(fact("", words, "dim"))
    screen.print(fact("split", ", ".join(f"{n:,} {side}" for side, n in found.sides().items())))
    sizes = Counter(one.size for one in found.pictures).most_common()
    screen.print(fact("sizes", listed([f"{n:,} of {width} x {height}" for (width, height), n in sizes], MOST_SIZES)))
    screen.print(fact("damaged", counted(len(found.skipped), "file") if found.skipped else "none"))
    for one in found.skipped[:MOST_NAMED]:
        screen.print(fact("", f"{one.name} {one.reason}", "dim"))
    screen.print(fact("doubts", _doubts(diagnosis)))
    for sort in diagnosis.by_sort().values():
        for finding in sort[:MOST_NAMED]:
            screen.print(fact("", str(finding), "dim"))
        if len(sort) > MOST_NAMED:
            screen.print(fact("", f"and {len(sort) - MOST_NAMED:,} more; --json names all", "dim"))
    screen.print(
        fact("cleaned", f"without copies and pictures that lack a common class: {diagnosis.cleaned.describe()}")
    )
    screen.print(fact("sheet", str(page)))


def read_boxes(source: BoxSource, out: Console) -> BoxData:
    """Reads annotations and counts them on the way. Raises GlassnetError."""
    from glassnet.doors.screen import line

    with line(out, "reading") as shown:
        return finish(source.steps(), lambda progress: shown.step(progress.done, progress.total, "annotations"))


def describe(data: BoxData, diagnosis: Diagnosis) -> dict[str, object]:
    """The same as plain values."""
    sizes = Counter(one.size for one in data.pictures).most_common()
    return {
        "kind": "boxes",
        "layout": data.layout,
        "classes": list(data.classes),
        "pictures": len(data),
        "boxes": data.total,
        "counts": {name: _counts(data, k) for k, name in enumerate(data.classes)},
        "split": data.sides(),
        "empty": int((data.counts.sum(1) == 0).sum()),
        "sizes": [{"size": list(size), "count": count} for size, count in sizes],
        "damaged": [{"file": one.name, "reason": one.reason} for one in data.skipped],
        "findings": [
            {"what": one.what, "file": one.file, "line": one.line, "words": one.words} for one in diagnosis.findings
        ],
        "cleaned": {"pictures": len(diagnosis.cleaned), "boxes": diagnosis.cleaned.total},
    }


def _counts(data: BoxData, k: int) -> dict[str, object]:
    mine, side = data.counts[:, k], np.array([one.split for one in data.pictures])
    given = {name: int(mine[side == i].sum()) for i, name in enumerate(SPLITS)} if (side >= 0).any() else {}
    return {"boxes": int(mine.sum()), "pictures": int((mine > 0).sum()), **{n: v for n, v in given.items() if v}}


def _class_lines(data: BoxData) -> list[str]:
    lines = []
    for k, name in enumerate(data.classes):
        boxes, pictures, *sides = _counts(data, k).items()
        given = ", ".join(f"{n:,} {side}" for side, n in sides)
        lines.append(f"{name}: {boxes[1]:,} on {pictures[1]:,} pictures" + (f" ({given})" if given else ""))
    return lines if len(lines) <= 20 else [*lines[:19], f"and {len(lines) - 19} more classes"]


def _doubts(diagnosis: Diagnosis) -> str:
    return ", ".join(f"{len(found)} {what}" for what, found in diagnosis.by_sort().items()) or "nothing"
