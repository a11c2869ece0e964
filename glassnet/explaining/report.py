"""The page that a training or an evaluation leaves: one file that opens without a network and prints."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

import torch

from glassnet import __version__
from glassnet.data.dataset import Dataset
from glassnet.explaining import images
from glassnet.explaining.charts import Curves, apart, curves
from glassnet.explaining.gallery import Gallery
from glassnet.explaining.layers import sheet
from glassnet.explaining.page import render
from glassnet.explaining.panels import Calibration, Confusion
from glassnet.training.evaluate import Report
from glassnet.training.outcome import Outcome, Trained
from glassnet.words import counted, duration, interval, percent

WORST, NARROW = 6, 3


@dataclass(frozen=True)
class CurvePanel:
    """Two curves with their names. training_at, held_at: heights of the labels at their ends."""

    title: str
    unit: str
    lines: Curves
    training: str
    held: str
    training_at: float
    held_at: float


def training_page(outcome: Outcome, where: str) -> str:
    """report.html of a training run. where: its folder."""
    dataset = outcome.dataset
    counts = " / ".join(f"{int(n):,}" for n in outcome.split.counts.sum(1))
    speed = f"{dataset.kind} a second, {outcome.share_of_peak * 100:.0f} % of peak"
    parts: dict[str, object] = {
        **_answers(outcome.test, dataset),
        "title": f"{dataset.name}: report of a training run",
        "what": "report of a training run",
        "lead": f"{dataset.describe(' × ')}. Tested once, after training. {skipped(dataset)}",
        "figures": [
            (f"{outcome.test.hits:,} of {outcome.test.examples:,}", "right"),
            (f"{outcome.test.loss:.3f}", "test loss"),
            (counts, "train / val / test"),
            (f"{sum(row.cost.parameters for row in outcome.rows):,}", "parameters"),
            (duration(outcome.seconds), f"training, {counted(len(outcome.history), 'epoch')}"),
            (f"{outcome.examples_per_second:,.0f}", speed),
            *([(percent(outcome.alarms.share), "of real ones taken for none of these")] if outcome.alarms else []),
        ],
        "curves": _curves(outcome),
        "kept": f"kept: epoch {outcome.best_epoch}",
        "net": str(outcome.net.spec),
        "sheet": sheet(outcome.net, outcome.rows, len(dataset.classes), dataset.one),
        "again": same_again(outcome, where),
        "made_by": made_by(outcome),
        "notes": outcome.notes,
    }
    return render("report.html", parts, f"{where}/report.html")


def same_again(outcome: Trained, where: str) -> list[str]:
    """The commands that do a training again, measure it, and ask it. where: its folder."""
    measured = f"glassnet evaluate {shlex.quote(where)} {shlex.quote(outcome.source)}"
    done = [outcome.command, measured] if outcome.command else []
    return [*done, f"glassnet explain {shlex.quote(where)} FILE"]


def made_by(outcome: Trained) -> str:
    """With what a training was done, and of what."""
    where = f"{counted(outcome.machine.cores, 'core')} {outcome.machine.name}"
    return (
        f"glassnet {__version__}, torch {torch.__version__}, {where}, "
        f"{outcome.recipe.precision}, seed {outcome.recipe.seed}, data {outcome.fingerprint[:8]}"
    )


def evaluation_page(report: Report, dataset: Dataset, model: str, source: str, lead: str) -> str:
    """The page of an evaluation: what a model is worth on other data. lead: which examples were asked about."""
    parts: dict[str, object] = {
        **_answers(report, dataset),
        "title": f"{Path(model).name} on {dataset.name}",
        "what": "report of an evaluation",
        "lead": f"{lead} {skipped(dataset)}",
        "figures": [
            (f"{report.hits:,} of {report.examples:,}", "right"),
            (f"{report.loss:.3f}", "loss"),
            (percent(report.balanced_accuracy), "mean over the classes"),
            (percent(report.calibration_error), "calibration error"),
        ],
        "curves": [],
        "sheet": None,
        "again": [f"glassnet evaluate {shlex.quote(model)} {shlex.quote(source)}"],
        "made_by": f"glassnet {__version__}, torch {torch.__version__}",
        "notes": dataset.notes,
    }
    return render("report.html", parts, f"{model} on {source}")


def _answers(report: Report, dataset: Dataset) -> dict[str, object]:
    """What both pages show of the answers."""
    low, high = report.interval
    gallery = Gallery(report, dataset)
    worst = [gallery.shown(int(i)) for i in report.mistakes[:WORST]]
    wrong = len(report.mistakes)
    some = f"{len(worst)} of {wrong:,}, surest first" if wrong > len(worst) else f"all {wrong}, surest first"
    return {
        "kind": dataset.kind,
        "hits": f"{report.hits:,}",
        "examples": f"{report.examples:,}",
        "accuracy": percent(report.accuracy),
        "interval": interval(low, high),
        "confusion": Confusion.of(report),
        "cells": gallery.cells(),
        "worst": worst,
        "worst_words": some if wrong > 1 else "the only one" if wrong else "none",
        "narrow": [gallery.shown(int(i)) for i in report.narrow[:NARROW]],
        "small": images.is_small(dataset.shape),
        "long_names": max(len(name) for name in report.classes) > 3,
        "calibration": Calibration.of(report),
        "calibration_error": percent(report.calibration_error),
        "skipped": dataset.skipped,
    }


def _curves(outcome: Outcome) -> list[CurvePanel]:
    history, kept = outcome.history, outcome.best_epoch
    loss = curves([e.loss for e in history], [e.held_loss for e in history], kept, None, 300)
    right = curves([e.accuracy * 100 for e in history], [e.held_accuracy * 100 for e in history], kept, 100, 300)
    last = history[-1]
    return [
        panel("Loss", "cross-entropy, by epoch", loss, f"{last.loss:.3f}", f"{last.held_loss:.3f}"),
        panel("Accuracy", "% right, by epoch", right, *_shares(last.accuracy, last.held_accuracy)),
    ]


def _shares(*shares: float) -> list[str]:
    return [percent(share).removesuffix(" %") for share in shares]


def panel(title: str, unit: str, lines: Curves, training: str, held: str) -> CurvePanel:
    """Two curves with the figures at their ends in words."""
    held_at, training_at = apart(lines.held.end[1], lines.training.end[1])
    return CurvePanel(title, unit, lines, f"{training} training", f"{held} held out", training_at, held_at)


def skipped(dataset: Dataset) -> str:
    """In a sentence how many files were."""
    if not dataset.skipped:
        return "Nothing was skipped."
    return f"{counted(len(dataset.skipped), 'damaged file was', 'damaged files were')} skipped, named below."
