"""The page that a training without labels leaves: what each machine learnt, what it says again, halves filled in."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from glassnet.data.loader import to_tensor
from glassnet.explaining import images
from glassnet.explaining.charts import curves
from glassnet.explaining.halves import fills_in, halves
from glassnet.explaining.hierarchy_picture import hierarchy_picture
from glassnet.explaining.layers import sheet
from glassnet.explaining.page import render
from glassnet.explaining.report import CurvePanel, made_by, panel, same_again, skipped
from glassnet.nets.generating import bases
from glassnet.training.completion import HiddenHalf
from glassnet.training.outcome import Unlabelled
from glassnet.words import counted, duration, interval, percent

SHOWN = 3  # examples whose halves are shown
WIDEST = 1000  # pixels of the picture of the features


@dataclass(frozen=True)
class HalfLine:
    """One line of the table of hidden halves."""

    name: str
    error: str
    error_interval: str
    mean: str
    mean_interval: str


@dataclass(frozen=True)
class Filled:
    """One example with a half hidden, and filled in, as data URIs."""

    name: str
    hidden: str
    filled: str


def unlabelled_page(outcome: Unlabelled, where: str) -> str:
    """report.html of a training without labels. where: its folder."""
    dataset, test = outcome.dataset, outcome.test
    count = sum(len(one.pictures) for one in bases(outcome.net))
    sides = " / ".join(f"{int(n):,}" for n in outcome.split.counts.sum(1))
    parts: dict[str, object] = {
        "title": f"{dataset.name}: report of a training without labels",
        "what": "report of a training without labels",
        "features": counted(count, "feature"),
        "explained": percent(test.share.value),
        "interval": interval(test.share.low, test.share.high),
        "lead": f"{dataset.describe(' × ')}. Tested once, after training, on {test.examples:,}. {skipped(dataset)}",
        "figures": [
            (sides, "train / val / test"),
            (f"{sum(row.cost.parameters for row in outcome.rows):,}", "parameters"),
            (duration(outcome.seconds), f"training, {counted(len(outcome.learnt), 'machine')}"),
            *([(percent(outcome.alarms.share), "of real ones taken for none of these")] if outcome.alarms else []),
        ],
        "kind": dataset.kind,
        "examples": f"{test.examples:,}",
        "unit": "of 255" if dataset.full_scale == 255 else "in its own units",
        "halves": [_line(one) for one in test.halves],
        "filled": _filled(outcome),
        "small": images.is_small(dataset.shape),
        "hierarchy": _small(hierarchy_picture(outcome.net, dataset.name)),
        "curves": [_curve(name, outcome) for name in outcome.learnt],
        "net": str(outcome.net.spec),
        "sheet": sheet(outcome.net, outcome.rows, len(outcome.classes), dataset.one),
        "again": same_again(outcome, where),
        "made_by": made_by(outcome),
        "notes": outcome.notes,
        "skipped": dataset.skipped,
    }
    return render("unlabelled.html", parts, f"{where}/report.html")


def _line(one: HiddenHalf) -> HalfLine:
    ranges = (f"{found.low:.1f} to {found.high:.1f}" for found in (one.error, one.of_mean))
    error, mean = ranges
    return HalfLine(one.name, f"{one.error.value:.1f}", error, f"{one.of_mean.value:.1f}", mean)


def _filled(outcome: Unlabelled) -> list[Filled]:
    """Some test examples, each half hidden in turn."""
    samples, found = outcome.dataset.samples, []
    for row in outcome.asked[np.linspace(0, len(outcome.asked) - 1, SHOWN).astype(int)].tolist():
        raw = np.asarray(samples.x[row])
        if not fills_in(outcome.net, raw):
            return []
        x = to_tensor(raw[None], outcome.normalisation, outcome.dataset.full_scale, torch.device("cpu"))
        ink = bool(outcome.dataset.preparation.settings.get("ink"))
        found += [
            Filled(half.name, images.picture(half.hidden, ink), images.picture(half.filled, ink))
            for half in halves(outcome.net, x, raw)
        ]
    return found


def _small(png: bytes) -> str:
    """A picture as a data URI, not wider than a page."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    image.thumbnail((WIDEST, 10 * WIDEST))
    data = io.BytesIO()
    image.save(data, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}"


def _curve(name: str, outcome: Unlabelled) -> CurvePanel:
    epochs = outcome.learnt[name]
    lines = curves([e.loss for e in epochs], [e.held_loss for e in epochs], len(epochs), None, 220)
    last = epochs[-1]
    return panel(f"Error of {name}", "mean square", lines, f"{last.loss:.3f}", f"{last.held_loss:.3f}")
