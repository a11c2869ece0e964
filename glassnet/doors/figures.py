"""What was measured in a training, as a model folder keeps it: metrics.json and history.csv."""

from __future__ import annotations

import csv
import io
from dataclasses import fields

from glassnet.data.dataset import SPLITS
from glassnet.training.evaluate import figures
from glassnet.training.outcome import Outcome, Trained, Unlabelled
from glassnet.training.progress import Epoch


def examples(outcome: Trained) -> dict[str, int]:
    """How many examples each side has, and how many files were skipped."""
    counts = {name: int(outcome.split.counts[i].sum()) for i, name in enumerate(SPLITS)}
    return counts | {"skipped": len(outcome.dataset.skipped)}


def metrics(outcome: Outcome | Unlabelled) -> dict[str, object]:
    """metrics.json: what was measured, with intervals, and what was left out."""
    measured: dict[str, object]
    if isinstance(outcome, Outcome):
        measured = {"test": figures(outcome.test), "val": figures(outcome.held)}
    else:
        errors = {name: [epoch.held_loss for epoch in epochs] for name, epochs in outcome.learnt.items()}
        measured = {"test": outcome.test.as_json(), "machines": errors}
    return {
        **measured,
        **({"none_of_these": outcome.alarms.as_json()} if outcome.alarms else {}),
        "examples": examples(outcome),
        "skipped": [{"file": one.name, "reason": one.reason} for one in outcome.dataset.skipped],
        "notes": list(outcome.notes),
        "training": {
            "epochs": len(outcome.history),
            "best_epoch": outcome.best_epoch,
            "seconds": outcome.seconds,
            "examples_per_second": outcome.examples_per_second,
            "gflops": outcome.gflops,
            "share_of_peak": outcome.share_of_peak,
        },
    }


def history(epochs: tuple[Epoch, ...]) -> str:
    """history.csv: a line an epoch."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    names = [field.name for field in fields(Epoch)]
    writer.writerow(names)
    writer.writerows([getattr(epoch, name) for name in names] for epoch in epochs)
    return lines.getvalue()
