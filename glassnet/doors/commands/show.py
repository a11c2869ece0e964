"""glassnet show: what is in a data set, as figures and as a contact sheet."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from glassnet import files
from glassnet.config import Reading
from glassnet.data.boxes.finding import find_boxes
from glassnet.data.contact_sheet import contact_sheet
from glassnet.data.dataset import NOT_GIVEN, SPLITS, Dataset
from glassnet.data.kinds import KINDS
from glassnet.doors.commands import output_file, print_json, title, typed
from glassnet.doors.inputs import find_data
from glassnet.words import by, counted, listed

MOST_SIZES, MOST_COPIES, MOST_DAMAGED = 8, 10, 20


def show(data: str, out: Path | None, reading: Reading, json: bool) -> None:
    """Prints what is there and leaves a picture of some of it."""
    page = output_file(out, f"show-{title(data)}.png", ".png")
    boxes = find_boxes(data) if reading == Reading() else None
    if boxes:
        from glassnet.doors.commands.show_boxes import show_boxes

        show_boxes(data, boxes, page, json)
        return
    from glassnet.doors.screen import console, fact, read

    screen = console(json)
    dataset = read(find_data(data, reading, unlabelled=True), screen)
    files.write_file(page, contact_sheet(dataset, KINDS[dataset.kind]))
    facts = describe(dataset)
    if json:
        print_json({"data": data, **facts, "sheet": str(page)})
        return
    screen.print(fact("data", dataset.describe()))
    for line in _class_lines(dataset):
        screen.print(fact("", line, "dim"))
    if not dataset.detail:  # which says them in the words of the kind
        sizes = Counter(map(tuple, dataset.samples.sizes.tolist())).most_common()
        words = [f"{count:,} of {by(size)}" for size, count in sizes]
        screen.print(fact("sizes", listed(words, MOST_SIZES)))
    copies = duplicates(dataset)
    screen.print(fact("copies", f"{counted(len(copies), 'group')} of identical examples" if copies else "none"))
    for names in copies[:MOST_COPIES]:
        screen.print(fact("", listed(names, 4), "dim"))
    screen.print(fact("damaged", counted(len(dataset.skipped), "file") if dataset.skipped else "none"))
    for one in dataset.skipped[:MOST_DAMAGED]:
        screen.print(fact("", f"{one.name} {one.reason}", "dim"))
    others = ", ".join(f"{count:,} {suffix}" for suffix, count in dataset.ignored.items())
    screen.print(fact("others", others or "none"))
    for note in dataset.notes:
        screen.print(fact("note", note))
    screen.print(fact("sheet", str(page)))
    screen.print(
        fact("next", typed("glassnet", "train", data, *(() if dataset.has_labels else ("--net", "cdbn"))), "bold")
    )


def describe(dataset: Dataset) -> dict[str, object]:
    """The same as plain values."""
    sizes = Counter(map(tuple, dataset.samples.sizes.tolist())).most_common()
    return {
        "kind": dataset.kind,
        "classes": list(dataset.classes),
        "examples": len(dataset),
        "counts": {name: _counts(dataset, k) for k, name in enumerate(dataset.classes)},
        "shape": list(dataset.shape),
        "sizes": [{"size": list(size), "count": count} for size, count in sizes],
        "duplicates": duplicates(dataset),
        "damaged": [{"file": one.name, "reason": one.reason} for one in dataset.skipped],
        "others": dict(dataset.ignored),
        "notes": list(dataset.notes),
    }


def duplicates(dataset: Dataset) -> list[list[str]]:
    """Names of identical examples, group by group, with the class of each."""
    _, group, times = np.unique(dataset.samples.digest, return_inverse=True, return_counts=True)
    rows = np.flatnonzero(times[group] > 1)
    groups: dict[int, list[str]] = {}
    for row in rows:
        name = dataset.samples.names[int(row)]
        if dataset.has_labels:
            name += f" ({dataset.classes[dataset.samples.y[row]]})"
        groups.setdefault(int(group[row]), []).append(name)
    return list(groups.values())


def _counts(dataset: Dataset, k: int) -> dict[str, int]:
    mine = dataset.samples.split[dataset.samples.y == k]
    given = {name: int((mine == side).sum()) for side, name in enumerate(SPLITS)}
    open_ones = int((mine == NOT_GIVEN).sum())
    return {name: n for name, n in given.items() if n} | ({"not split": open_ones} if open_ones else {})


def _class_lines(dataset: Dataset) -> list[str]:
    lines = []
    for k, name in enumerate(dataset.classes):
        parts = _counts(dataset, k)
        lines.append(f"{name}: " + (", ".join(f"{n:,} {side}" for side, n in parts.items()) or "none"))
    return lines if len(lines) <= 20 else [*lines[:19], f"and {len(lines) - 19} more classes"]
