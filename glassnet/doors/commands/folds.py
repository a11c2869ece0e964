"""glassnet evaluate --folds: a model's way of training, measured on each fold of a table by a net of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from glassnet.config import Reading, Training
from glassnet.data import kinds
from glassnet.doors.card import read_card
from glassnet.doors.commands import print_json
from glassnet.doors.inputs import find_data
from glassnet.doors.run import Finished, run
from glassnet.doors.screen import console, fact, line, read
from glassnet.errors import GlassnetError
from glassnet.training.evaluate import Report
from glassnet.training.outcome import Outcome
from glassnet.training.progress import Progress
from glassnet.words import counted, interval, percent


def evaluate_folds(folder: Path, data: str, reading: Reading, json: bool) -> None:
    """Trains as the model was trained, once a fold on all the others; prints each figure, the mean and the spread."""
    card, screen = read_card(folder), console(json)
    settings = _settings(card.training["settings"], card.net, card.seed)
    reports: dict[int, Report] = {}
    for fold in kinds.folds(data, reading):
        dataset = read(find_data(data, replace(reading, fold=fold)), screen)
        if dataset.kind != card.kind:
            expected = f"{card.kind}, as the model learnt from"
            raise GlassnetError(data, expected=expected, found=dataset.kind, fix="Name others")
        if not reports:
            screen.print(fact("data", dataset.describe()))
            screen.print(fact("net", card.net))
        with line(screen, f"fold {fold}") as shown:
            for event in run(dataset, settings, None, data):
                if isinstance(event, Progress):
                    done = (event.epoch - 1) * event.steps + event.step
                    shown.step(done, event.epochs * event.steps, "steps")
                elif isinstance(event, Finished):
                    assert isinstance(event.outcome, Outcome), "a table's rows have labels"
                    reports[fold] = event.outcome.test
        one = reports[fold]
        words = f"{percent(one.accuracy)} right on {one.examples:,} ({interval(*one.interval)})"
        screen.print(fact(f"fold {fold}", words))
    right = np.array([one.accuracy for one in reports.values()])
    mean, sd = float(right.mean()), float(right.std(ddof=1))
    if json:
        found = [{"fold": fold, "accuracy": one.accuracy, "examples": one.examples} for fold, one in reports.items()]
        print_json({"model": str(folder), "data": data, "folds": found, "accuracy": mean, "sd": sd})
        return
    words = f"{percent(mean)} over {counted(len(right), 'fold')}, standard deviation {sd * 100:.1f} points"
    screen.print(fact("mean", words, "bold"))


def _settings(stored: object, net: str, seed: int) -> Training:
    """How the model was trained, with the net it came to."""
    known: Mapping[str, Any] = stored if isinstance(stored, dict) else {}
    names = {field.name for field in fields(Training)}
    return Training(**{name: value for name, value in known.items() if name in names} | {"net": net, "seed": seed})
