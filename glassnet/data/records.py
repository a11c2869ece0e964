"""Tables of numbers as examples: a row is (1, columns) float32. Columns have no order, which a ConvNet would need."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Generator, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from glassnet.config import Reading
from glassnet.data.dataset import Array, Dataset, Names, Preparation, Samples, digests
from glassnet.data.kind import Augmentation, Axis, Look, Looks, Unreadable
from glassnet.data.listing import sorted_classes
from glassnet.data.reading import Progress
from glassnet.data.tables import ASIDE, LABEL_NAMES, Table, find_column, groups_of, has_column, sides_of
from glassnet.errors import GlassnetError
from glassnet.words import clipped, counted, listed

BAR = 12  # pixels of a column in a drawn row
HEIGHT = 72
MOST_CLASSES = 1000
MOST_BYTES = 1_000_000  # of one row


def is_one(table: Table, reading: Reading) -> bool:
    """Whether a table holds numbers to learn from: a column of classes, and others of which most are numbers."""
    if not has_column(table, reading.label, LABEL_NAMES):
        return False
    label = find_column(table, reading.label, LABEL_NAMES, "label")
    others = [name for name in table.columns if name != label and name.lower() not in ASIDE]
    return bool(others) and 2 * len(columns(table, reading)) > len(others)


def columns(table: Table, reading: Reading) -> list[str]:
    """The columns of numbers beside the classes, the split and what belongs together, in their order."""
    label = find_column(table, reading.label, LABEL_NAMES, "label")
    others = [name for name in table.columns if name != label and name.lower() not in ASIDE]
    return [name for name in others if _numeric(table.columns[name])]


def read_steps(table: Table, reading: Reading, given: Preparation | None = None) -> Generator[Progress, None, Dataset]:
    """The rows as a data set. given: a model's columns. Raises GlassnetError naming the line of what is no number."""
    label = find_column(table, reading.label, LABEL_NAMES, "label")
    kept = columns(table, reading)
    preparation = given or Preparation((1, len(kept)), {"columns": "\n".join(kept), "floats": 1})
    x = rows_of(table, preparation)
    yield Progress(len(x), len(x))
    classes, y = _classes(table, label)
    groups = groups_of(table)
    samples = Samples(
        x,
        y,
        Names(len(y), lambda i: f"{table.path.name}, line {table.lines[i]}"),
        np.array(sides_of(table, reading), np.int8),
        digests(x),
        np.full((len(y), 1), x.shape[2], np.int32),
        np.unique(groups, return_inverse=True)[1].astype(np.int64) if groups else None,
    )
    left = [name for name in table.columns if name not in (*kept, label) and name.lower() not in ASIDE]
    notes = (f"left out {listed(left)}: no numbers",) if left else ()
    detail = counted(x.shape[2], "column")
    return Dataset("tables", table.path.stem, classes, samples, preparation, notes=notes, one="row", detail=detail)


def _classes(table: Table, label: str) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The classes, and each row's place among them."""
    words = [value.strip() for value in table.columns[label]]
    for row, word in enumerate(words):
        if not word:
            place = f"{table.path}, line {table.lines[row]}"
            raise GlassnetError(place, expected=f"a {label}", found="nothing", fix="Mend that line")
    classes = sorted_classes(set(words))
    if len(classes) > min(MOST_CLASSES, max(2, len(words) // 2)):
        found = f"{len(classes):,} different values in {label}"
        raise GlassnetError(str(table.path), expected="classes", found=found, fix="Name the column with --label")
    rank = {name: k for k, name in enumerate(classes)}
    return classes, np.array([rank[word] for word in words], np.int64)


def rows_of(table: Table, preparation: Preparation) -> NDArray[np.float32]:
    """(N, 1, columns) of a table with the columns that a model learnt from. Raises GlassnetError."""
    names = str(preparation.settings["columns"]).split("\n")
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise GlassnetError(str(table.path), expected=f"the column {missing[0]}", found="none", fix="Add it")
    return np.stack([_column(table, name) for name in names], 1)[:, None]


def rows(table: Table, preparation: Preparation) -> Iterator[tuple[str, Array | Unreadable]]:
    """Every row of a table that a model is asked about, under its line."""
    for line, row in zip(table.lines, rows_of(table, preparation), strict=True):
        yield f"{table.path}, line {line}", row


def look(data: bytes) -> Look:
    """A row lies in no file of its own. Raises Unreadable, always."""
    raise Unreadable("is no table of numbers: ask with a CSV that has the columns it learnt from")


def decode(data: bytes, preparation: Preparation) -> tuple[Array, Look]:
    """One row of CSV, (1, columns): under a header, or its numbers alone in the columns' order. Raises Unreadable."""
    names = str(preparation.settings["columns"]).split("\n")
    text = data[:MOST_BYTES].decode("utf-8-sig", "replace")
    separator = max(",;\t ", key=text.strip().split("\n")[0].count)
    try:
        lines = csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True)
        rows = [[word.strip() for word in line] for line in lines if line]
    except csv.Error as error:
        raise Unreadable(f"is no row of numbers: {error}") from error
    header = names if not rows or all(map(_is_number, rows[0])) else rows.pop(0)
    if len(rows) != 1 or len(rows[0]) != len(header):
        found = f"{len(rows)} rows" if len(rows) != 1 else f"{len(rows[0])} values"
        raise Unreadable(f"has {found}: ask with one row of {listed(names)}, or with a header above it")
    row = dict(zip(header, rows[0], strict=True))
    for name in names:
        if not _is_number(row.get(name, "")):
            raise Unreadable(f"has no number in {clipped(name)}, which the net learnt from")
    return np.array([[float(row[name]) for name in names]], np.float32), Look((len(names),), 1, 1)


def raw(data: bytes, preparation: Preparation) -> Array:
    """(1, columns) the numbers of a row. Raises Unreadable."""
    return decode(data, preparation)[0]


def typed(text: str, preparation: Preparation) -> bytes:
    """A row as it was typed."""
    return text.encode("utf-8", "replace")


def prepare(looks: Looks, longest: int | None = None) -> Preparation:
    """Never asked for."""
    raise AssertionError("rows are prepared when their table is read")


def vary(shape: tuple[int, ...]) -> Augmentation:
    """There is no natural copy of a row."""
    return Augmentation()


def axes(preparation: Preparation, x: Array | None = None) -> tuple[Axis, ...]:
    """Columns by their names."""
    return (Axis("column", tuple(str(preparation.settings["columns"]).split("\n"))),)


def picture(x: Array, preparation: Preparation) -> NDArray[np.uint8]:
    """A bar a column. x: (1, columns). Returns (1, H, W)."""
    values = np.asarray(x[0], np.float64)
    low, high = min(0.0, float(values.min())), max(float(values.max()), 0.0)
    sheet = np.full((HEIGHT, BAR * len(values)), 255, np.uint8)
    zero = round((HEIGHT - 1) * high / ((high - low) or 1))
    for i, value in enumerate(values):
        end = round((HEIGHT - 1) * (high - value) / ((high - low) or 1))
        sheet[min(zero, end) : max(zero, end) + 1, i * BAR + 2 : (i + 1) * BAR - 2] = 60
    image = Image.fromarray(sheet)
    if image.width > 4 * HEIGHT:
        image = image.resize((4 * HEIGHT, HEIGHT), Image.Resampling.BOX)
    return np.asarray(image, np.uint8)[None]


def _numeric(values: list[str]) -> bool:
    """Whether a column holds numbers: the first fifty that aren't empty, nearly all."""
    some = [value for value in values if value.strip()][:50]
    return bool(some) and sum(map(_is_number, some)) >= 0.9 * len(some)


def _is_number(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False


def _column(table: Table, name: str) -> NDArray[np.float32]:
    values = table.columns[name]
    for row, value in enumerate(values):
        if not _is_number(value):
            raise GlassnetError(
                f"{table.path}, line {table.lines[row]}",
                expected=f"a number in {name}",
                found=repr(clipped(value)) if value.strip() else "nothing",
                fix="Fill it, or leave that row or column out",
            )
    return np.array([float(value) for value in values], np.float32)
