"""Which examples a model is looked at with, beside those it is asked about: what was named, or what it learnt from."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glassnet.config import Reading
from glassnet.data.dataset import Dataset
from glassnet.data.kinds import BUILT_IN, Source
from glassnet.doors.card import Card
from glassnet.doors.inputs import find_data
from glassnet.errors import GlassnetError
from glassnet.words import by, listed

FEWEST = 9  # examples
ENOUGH = 500  # examples that the model did not learn from: these alone are looked at then
MOST = 2000  # examples


def find_material(card: Card, data: str | None, reading: Reading) -> tuple[Source, str]:
    """The data that a person names, or what the model learnt from, and its name. Raises GlassnetError.

    reading: what was typed of how to read it; what is open there is read as the model's own data was.
    """
    own = card.data.get("reading")
    settings = {**(own if isinstance(own, dict) else {}), **{k: v for k, v in asdict(reading).items() if v is not None}}
    named = data if data is not None else str(card.data.get("source") or "")
    if data is None and not (named in BUILT_IN or (named and Path(named).exists())):
        found = f"{named} is not there any more" if named else "it learnt from data that lay in no file"
        raise GlassnetError("the model's data", found=found, fix="Name what to look at: --data DATA")
    source = find_data(named, Reading(**settings), card.preparation, card.unlabelled)
    refuse_others(card, named, source.kind, source.shape, source.classes)
    return source, named


def refuse_detector(card: Card, name: str) -> None:
    """Refuses a detector, whose features are not looked at by themselves. Raises GlassnetError."""
    if card.is_detector:
        fix = f"Ask it about a picture: glassnet explain {name} PICTURE"
        raise GlassnetError(name, expected="a model that names whole examples", found="a detector", fix=fix)


def refuse_others(card: Card, name: str, kind: str, shape: tuple[int, ...], classes: tuple[str, ...]) -> None:
    """Refuses data that a model can't be looked at with. Raises GlassnetError."""
    if kind != card.kind:
        raise GlassnetError(name, expected=f"{card.kind}, as the model learnt from", found=kind, fix="Name others")
    if shape != card.preparation.shape:
        expected = f"examples of {by(card.preparation.shape)}, as the model learnt from"
        raise GlassnetError(name, expected=expected, found=by(shape), fix="Convert them")
    if card.unlabelled:
        return
    if unknown := [one for one in classes if one not in card.classes]:
        expected = f"some of the model's classes: {listed(list(card.classes), 10)}"
        raise GlassnetError(name, expected=expected, found=listed(unknown), fix="Rename them, or leave those out")


def choose(dataset: Dataset, seen: NDArray[np.uint64], seed: int) -> tuple[NDArray[np.int64], str]:
    """The examples to look at, in order, and in words which: those the model did not learn from, if they are enough.

    seen: digests of what it learnt from. Raises GlassnetError where there are too few.
    """
    if len(dataset) < FEWEST:
        expected = f"{dataset.counted(FEWEST)} or more"
        raise GlassnetError(dataset.name, expected=expected, found=f"{len(dataset)}", fix="Name more with --data")
    rows = np.flatnonzero(~np.isin(dataset.samples.digest, seen))
    which = f"the {dataset.counted(len(rows))} of {dataset.name} that it did not learn from"
    if len(rows) < ENOUGH:
        known = "none of which it learnt from" if len(rows) == len(dataset) else "those it learnt from too"
        rows, which = np.arange(len(dataset)), f"all {dataset.counted()} of {dataset.name}, {known}"
    if len(rows) <= MOST:
        return rows, f"Looked at {which}."
    drawn = np.sort(np.random.default_rng([seed, 9]).choice(rows, MOST, replace=False))
    return drawn, f"Looked at {dataset.counted(MOST)} drawn from {which}."
