"""glassnet evaluate: what a model is worth on data it did not learn from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from glassnet import files
from glassnet.config import Reading
from glassnet.data.dataset import Dataset
from glassnet.doors.card import Card, read_card
from glassnet.doors.commands import class_places, output_file, print_json, title, typed
from glassnet.doors.commands.evaluate_boxes import evaluate_boxes
from glassnet.doors.commands.evaluate_unlabelled import evaluate_unlabelled
from glassnet.doors.commands.unseen import unseen
from glassnet.doors.inputs import find_data
from glassnet.errors import GlassnetError
from glassnet.words import by, percent

if TYPE_CHECKING:
    from rich.console import Console

    from glassnet.training.evaluate import Report
    from glassnet.training.familiarity import Alarms

MOST_MISTAKES = 20
BATCH = 256


def evaluate(folder: Path, data: str, out: Path | None, reading: Reading, cleaned: bool, json: bool) -> None:
    """Prints the figures and leaves a page. cleaned: of boxes, see there."""
    card = read_card(folder)
    if card.is_detector:
        evaluate_boxes(folder, data, out, reading, cleaned, json)
        return
    if cleaned:
        fix = "Leave it out"
        raise GlassnetError("--cleaned", expected="a detector", found=f"a model of {card.kind}", fix=fix)
    page = output_file(out, f"evaluate-{title(data)}.html", ".html", ".htm")
    source = find_data(data, reading, card.preparation, card.unlabelled)
    if source.shape != card.preparation.shape:
        expected = f"examples of {by(card.preparation.shape)}, as the model learnt from"
        raise GlassnetError(data, expected=expected, found=by(source.shape), fix="Convert them")
    if card.unlabelled:
        evaluate_unlabelled(folder, source, data, json)
        return
    class_places(card, source.classes)
    from glassnet.doors.screen import console, read

    screen = console(json)
    dataset = read(source, screen)
    asked = _ask(folder, card, dataset)
    from glassnet.explaining.report import evaluation_page

    files.write_file(page, evaluation_page(asked.found, dataset, str(folder), data, asked.lead))
    if json:
        print_json(_figures(asked, folder, data, dataset, page))
    else:
        _show(asked, folder, dataset, page, screen)


@dataclass(frozen=True)
class _Asked:
    """What a model of a kind came to. refused: how many examples it called none of these. lead: which they were."""

    kind: str
    found: Report
    refused: Alarms | None
    lead: str


def _ask(folder: Path, card: Card, dataset: Dataset) -> _Asked:
    """Asks the model about the examples that it may be asked about."""
    places = class_places(card, dataset.classes)
    from glassnet.doors.model import Model
    from glassnet.training.evaluate import report
    from glassnet.training.familiarity import Alarms

    model = Model.load(folder)
    rows, lead = unseen(dataset, model.seen)
    parts = [model.answer_of(dataset.samples.x[rows[i : i + BATCH]]) for i in range(0, len(rows), BATCH)]
    logits = np.concatenate([part for part, _ in parts])
    strange = [part for _, part in parts if part is not None]
    refused = Alarms(int((np.concatenate(strange) > 1).sum()), len(rows)) if strange else None
    found = report(card.classes, logits, places[dataset.samples.y[rows]], rows)
    return _Asked(card.kind, found, refused, lead)


def _figures(asked: _Asked, folder: Path, data: str, dataset: Dataset, page: Path) -> dict[str, object]:
    from glassnet.training.evaluate import figures

    return {
        "model": str(folder),
        "data": data,
        "asked": asked.lead,
        **figures(asked.found),
        **({"none_of_these": asked.refused.as_json()} if asked.refused else {}),
        **_mistakes(asked.found, dataset),
        "page": str(page),
    }


def _show(asked: _Asked, folder: Path, dataset: Dataset, page: Path, screen: Console) -> None:
    from glassnet.doors.lines import answer, mistakes, none_of_these, skipped
    from glassnet.doors.screen import fact

    found = asked.found
    for line in answer(found, asked.kind):
        screen.print(line)
    screen.print(asked.lead)
    screen.print(f"Mean over the classes {percent(found.balanced_accuracy)}.")
    screen.print(f"Calibration error {percent(found.calibration_error)}.")
    if asked.refused:
        screen.print(none_of_these(asked.refused, asked.kind))
    for words in skipped(dataset):
        screen.print(words)
    screen.print()
    for line in mistakes(found):
        screen.print(line)
    screen.print(fact("page", str(page)))
    worst = dataset.file(int(found.rows[found.mistakes[0]])) if len(found.mistakes) else None
    screen.print(fact("next", typed("glassnet", "explain", folder, worst or "FILE"), "bold"))


def _mistakes(found: Report, dataset: Dataset) -> dict[str, object]:
    return {
        "mistakes": [
            {
                "input": str(dataset.file(int(found.rows[i])) or dataset.samples.names[int(found.rows[i])]),
                "label": found.classes[found.y[i]],
                "class": found.classes[found.said[i]],
                "score": float(found.confidence[i]),
            }
            for i in found.mistakes[:MOST_MISTAKES]
        ]
    }
