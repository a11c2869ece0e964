"""Where sentences come from: a table's column of texts, or class folders of text files. Knows no words."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace

import numpy as np

from glassnet.config import Reading
from glassnet.data import decoding, sentences
from glassnet.data.dataset import Array, Dataset, Preparation, Skipped
from glassnet.data.kind import Kind, Unreadable
from glassnet.data.listing import Listing, sorted_classes
from glassnet.data.reading import Progress, Wish, nothing_readable
from glassnet.data.tables import (
    LABEL_NAMES,
    TEXT_NAMES,
    Table,
    find_column,
    groups_of,
    has_column,
    sides_of,
)
from glassnet.errors import GlassnetError

MANY_WORDS = 2  # in a text; with fewer in most rows, a column called "title" may as well hold names


def is_one(table: Table, reading: Reading) -> bool:
    """Whether a table holds texts to learn from: a column of them, and one of classes."""
    if not has_column(table, reading.text, TEXT_NAMES) or not has_column(table, reading.label, LABEL_NAMES):
        return False
    some = table.columns[find_column(table, reading.text, TEXT_NAMES, "text")][:100]
    return reading.text is not None or sum(len(sentences.tokens(text)) >= MANY_WORDS for text in some) > len(some) / 2


def rows(table: Table, preparation: Preparation) -> Iterator[tuple[str, Array | Unreadable]]:
    """Every text of a table that a model is asked about, under its own words."""
    for text in table.columns[find_column(table, None, TEXT_NAMES, "text")]:
        try:
            yield text, sentences.decode(text.encode(), preparation)[0]
        except Unreadable as error:
            yield text, error


def read_steps(table: Table, reading: Reading, given: Preparation | None) -> Generator[Progress, None, Dataset]:
    """A table's texts. Raises GlassnetError naming the line of a row without words or without a class."""
    text, label = (
        find_column(table, reading.text, TEXT_NAMES, "text"),
        find_column(table, reading.label, LABEL_NAMES, "label"),
    )
    labels = [value.strip() for value in table.columns[label]]
    for row, value in enumerate(labels):
        for column, holds in ((label, bool(value)), (text, bool(sentences.tokens(table.columns[text][row])))):
            if not holds:
                place = f"{table.path}, line {table.lines[row]}"
                raise GlassnetError(place, expected=f"a {column}", found="no words", fix="Mend that line")
    classes = sorted_classes(set(labels))
    rank = {name: k for k, name in enumerate(classes)}
    groups = groups_of(table)
    return (
        yield from sentences.read_texts(
            table.path.stem,
            table.columns[text],
            np.array([rank[value] for value in labels], np.int64),
            classes,
            np.array(sides_of(table, reading), np.int8),
            np.unique(groups, return_inverse=True)[1].astype(np.int64) if groups else None,
            (),
            given,
        )
    )


def read_files(kind: Kind, name: str, listing: Listing, wish: Wish) -> Generator[Progress, None, Dataset]:
    """Text files, a sentence each. Yields progress, returns the data set."""
    texts: list[str] = []
    rows: list[int] = []
    skipped: list[Skipped] = []
    with decoding.Reader(listing.root) as reader:
        for row, file in enumerate(listing.names):
            try:
                texts.append(sentences.text_of(reader.read(listing.stored.where(row))))
                rows.append(row)
            except Unreadable as error:
                skipped.append(Skipped(file, str(error)))
            if row % 500 == 0:
                yield Progress(row, len(listing.names))
    if not rows:
        raise nothing_readable(kind, listing, skipped)
    dataset = yield from sentences.read_texts(
        name,
        texts,
        listing.labels[rows],
        listing.classes,
        listing.split[rows],
        listing.group[rows] if listing.group is not None else None,
        listing.notes,
        wish.given,
    )
    return replace(dataset, skipped=(*listing.skipped, *skipped), ignored=listing.ignored)
