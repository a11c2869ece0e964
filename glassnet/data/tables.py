"""Tables (CSV, TSV, JSON lines, Parquet) as columns of text, and the manifest among them. Knows nothing of kinds."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from glassnet.config import Reading
from glassnet.data.dataset import NOT_GIVEN, TEST, TRAIN
from glassnet.data.listing import SPLIT_WORDS
from glassnet.errors import GlassnetError
from glassnet.words import clipped, counted, listed

SUFFIXES = frozenset({".csv", ".tsv", ".jsonl", ".parquet"})

PATH_NAMES = ("path", "file_name", "filename", "file", "filepath", "image", "image_path", "img")
LABEL_NAMES = ("label", "labels", "class", "category", "target", "y")
SPLIT_NAMES = ("split", "set", "subset", "partition")
TEXT_NAMES = ("text", "sentence", "review", "message", "content", "comment", "title")
FOLD = "fold"
GROUP_NAMES = ("group", "speaker", "person", "subject", "patient", "recording", "session")
ASIDE = frozenset({*SPLIT_NAMES, *GROUP_NAMES, FOLD})  # columns that say where a row belongs, not what it is


@dataclass(frozen=True)
class Table:
    """Columns of text by name, and the line of the file that each row began on. separator: of delimited text."""

    path: Path
    columns: dict[str, list[str]]
    lines: Sequence[int]
    separator: str = ""

    def __len__(self) -> int:
        return len(self.lines)


@dataclass(frozen=True)
class Manifest:
    """Files with their classes and, where the table has them, splits (-1 elsewhere) and groups."""

    root: Path
    names: list[str]
    labels: list[str]
    splits: list[int]
    groups: list[str]


def read_table(path: Path) -> Table:
    """Reads a table whole. Raises GlassnetError naming the line of the first row that doesn't fit."""
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return _parquet(path)
    text = _text(path)
    table = _jsonl(path, text) if suffix == ".jsonl" else _delimited(path, text)
    if not len(table):
        raise GlassnetError(str(path), expected="rows below a header", found="none", fix="Add some")
    return table


def manifest(table: Table, reading: Reading) -> Manifest:
    """Finds the columns of a manifest by name and checks every row."""
    path_column = find_column(table, reading.path, PATH_NAMES, "path")
    label_column = find_column(table, reading.label, LABEL_NAMES, "label")
    names, labels = table.columns[path_column], table.columns[label_column]
    for row, (name, label) in enumerate(zip(names, labels, strict=True)):
        for column, value in ((path_column, name), (label_column, label)):
            if not value.strip() or "\n" in value:
                raise GlassnetError(
                    f"{table.path}, line {table.lines[row]}",
                    expected=f"a {column}",
                    found="a line break inside it (is a quote missing)" if value.strip() else "nothing",
                    fix="Mend that line",
                )
    _refuse_swallowed(table, path_column)
    return Manifest(
        table.path.parent,
        [name.strip().replace("\\", "/") for name in names],
        [label.strip() for label in labels],
        sides_of(table, reading),
        groups_of(table),
    )


def names_files(path: Path) -> bool:
    """Whether the header of delimited text has a column of files by a usual name. Reads no further."""
    try:
        with path.open("rb") as file:
            header = file.readline(10_000).decode("utf-8-sig", "replace").lower()
    except OSError:
        return False
    delimiter = max(",;\t|", key=header.count)
    return any(name.strip().strip('"') in PATH_NAMES for name in header.split(delimiter))


def has_column(table: Table, wanted: str | None, usual: Sequence[str]) -> bool:
    """Whether a table has the column that a person named, or one with a usual name."""
    names = {name.lower() for name in table.columns}
    return any(name.lower() in names for name in ((wanted,) if wanted is not None else usual))


def find_column(table: Table, wanted: str | None, usual: Sequence[str], flag: str) -> str:
    """The column that a person named, or the first with a usual name."""
    if wanted in table.columns:
        return wanted
    lower = {column.lower(): column for column in reversed(table.columns)}
    for name in (wanted,) if wanted is not None else usual:
        if name.lower() in lower:
            return lower[name.lower()]
    raise GlassnetError(
        str(table.path),
        expected=f"a column {wanted or usual[0]}",
        found=f"the columns {listed(list(table.columns), 8)}",
        fix=f"Name the right one with --{flag}",
    )


def _refuse_swallowed(table: Table, path_column: str) -> None:
    """Raises where a stray quote made rows the text of another column: lines inside it name files of the same kind."""
    place, names = list(table.columns).index(path_column), table.columns[path_column]
    for column, values in table.columns.items():
        for row in (row for row, value in enumerate(values) if "\n" in value and table.separator):
            for line in values[row].split("\n")[1:]:
                cells = line.split(table.separator)
                suffix = Path(names[row]).suffix
                if suffix and len(cells) > place and Path(cells[place]).suffix == suffix:
                    raise GlassnetError(
                        f"{table.path}, line {table.lines[row]}",
                        expected=f"a {column}",
                        found=f"a whole row inside it, {clipped(line)!r} (is a quote missing)",
                        fix="Mend that line",
                    )


def groups_of(table: Table) -> list[str]:
    """The group of each row, an empty one for itself; nothing where the table names none."""
    column = next((c for c in table.columns if c.lower() in GROUP_NAMES), None)
    if column is None:
        return []
    return [value.strip() or f"row {row}" for row, value in enumerate(table.columns[column])]


def sides_of(table: Table, reading: Reading) -> list[int]:
    """The side of each row: by the fold that a person wants tested, else by the column of splits, -1 without one."""
    if reading.fold is not None:
        folds = folds_of(table)
        if reading.fold not in folds:
            words = listed([str(fold) for fold in sorted(set(folds))], 12)
            fix = "Choose one of them"
            raise GlassnetError("--fold", expected=f"a fold of {table.path}: {words}", found=str(reading.fold), fix=fix)
        return [TEST if fold == reading.fold else TRAIN for fold in folds]
    column = next((c for c in table.columns if c.lower() in SPLIT_NAMES), None)
    if column is None:
        return [NOT_GIVEN] * len(table)
    return [_side(table, row, value) for row, value in enumerate(table.columns[column])]


def folds_of(table: Table) -> list[int]:
    """The fold of each row. Raises GlassnetError where there is no such column, or with the line of a wrong value."""
    column = next((c for c in table.columns if c.lower() == FOLD), None)
    if column is None:
        found = f"the columns {listed(list(table.columns), 8)}"
        raise GlassnetError(
            str(table.path), expected=f"a column {FOLD}", found=found, fix="Add one with a number a row"
        )
    for row, value in enumerate(table.columns[column]):
        if not value.strip().isdecimal():
            place = f"{table.path}, line {table.lines[row]}"
            raise GlassnetError(
                place, expected="the number of a fold", found=repr(clipped(value)), fix="Mend that line"
            )
    return [int(value) for value in table.columns[column]]


def _side(table: Table, row: int, value: str) -> int:
    """The side that a row names. Raises GlassnetError with its line."""
    split = SPLIT_WORDS.get(value.strip().lower())
    if split is None:
        raise GlassnetError(
            f"{table.path}, line {table.lines[row]}",
            expected="train, val or test",
            found=repr(clipped(value)),
            fix="Give each row one of the three, or leave the column out",
        )
    return split


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise GlassnetError(str(path), found=f"can't be read: {error.strerror}", fix="Check the path") from error
    try:
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
        if "\0" in text:
            raise UnicodeDecodeError("utf-8", raw, raw.index(0), raw.index(0) + 1, "no text holds it")
        return text
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise GlassnetError(
            f"{path}, line {line}",
            expected="UTF-8 text",
            found=f"the byte 0x{raw[error.start]:02x}",
            fix="Save the table as UTF-8",
        ) from error


def _delimited(path: Path, text: str) -> Table:
    header = text.lstrip("\n\r").split("\n", 1)[0]
    delimiter = "\t" if path.suffix.lower() == ".tsv" else max(",;\t|", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    start = 1
    try:
        for row in reader:
            if row:
                rows.append(row)
                lines.append(start)
            start = reader.line_num + 1
    except csv.Error as error:
        raise GlassnetError(
            f"{path}, line {start}", found=f"no row of a table: {_why(error)}", fix="Mend it"
        ) from error
    if not rows:
        raise GlassnetError(str(path), expected="a header and rows", found="an empty file", fix="Check the path")
    names = [name.strip() for name in rows[0]]
    if len(set(names)) < len(names):
        raise GlassnetError(f"{path}, line {lines[0]}", found="two columns have one name", fix="Rename one")
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(names):
            raise GlassnetError(
                f"{path}, line {line}",
                expected=counted(len(names), "column"),
                found=str(len(row)),
                fix="Mend that line (a quote or a separator too many)",
            )
    return Table(path, {name: [row[i] for row in rows[1:]] for i, name in enumerate(names)}, lines[1:], delimiter)


def _why(error: csv.Error) -> str:
    text = str(error)
    if "unexpected end of data" in text:
        return "a quote is opened and not closed"
    return "a value is over 131,072 letters long (is a quote missing)" if "field limit" in text else text


def _jsonl(path: Path, text: str) -> Table:
    rows: list[dict[str, object]] = []
    lines: list[int] = []
    for number, line in enumerate(text.split("\n"), 1):  # splitlines would also cut at line ends inside texts
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise GlassnetError(
                f"{path}, line {number}",
                expected="one JSON object",
                found=clipped(line.strip()),
                fix="Write an object a line",
            ) from error
        if not isinstance(row, dict):
            found = clipped(line.strip())
            raise GlassnetError(f"{path}, line {number}", expected="one JSON object", found=found, fix="Mend it")
        rows.append(row)
        lines.append(number)
    names = list(dict.fromkeys(name for row in rows for name in row))
    return Table(
        path, {name: ["" if row.get(name) is None else str(row.get(name)) for row in rows] for name in names}, lines
    )


def _parquet(path: Path) -> Table:
    try:
        import pyarrow.parquet
        from pyarrow import types
    except ImportError as error:
        raise GlassnetError(
            str(path), found="Parquet needs pyarrow", fix="pip install 'glassnet[parquet]', or save it as CSV"
        ) from error
    try:
        table = pyarrow.parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        found = clipped(str(error), 120)
        raise GlassnetError(str(path), expected="a Parquet file", found=found, fix="Check the file") from error
    plain = [
        field.name
        for field in table.schema
        if not (types.is_nested(field.type) or types.is_binary(field.type) or types.is_large_binary(field.type))
    ]
    columns = {name: ["" if v is None else str(v) for v in table[name].to_pylist()] for name in plain}
    return Table(path, columns, range(1, table.num_rows + 1))
