"""The page of a picture's detections: one file on which each box can be chosen and says why it is there. Under 3 MB."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup

from glassnet import __version__
from glassnet.explaining import images
from glassnet.explaining.detections_panels import CUT, box_panel, missed_panel
from glassnet.explaining.page import render, script
from glassnet.words import counted, listed

if TYPE_CHECKING:
    from glassnet.explaining.detections import ExplainedBoxes

PHOTO = 1024  # longer side of the picture in the page, in pixels
MISSED = 30  # objects that are shown
RARE = 3  # boxes of a class that are named without being pointed at


def detections_page(one: ExplainedBoxes) -> str:
    """The page as text."""
    width, height = one.size
    boxes = [box_panel(one, i) for i in range(len(one.boxes))]
    missed = [missed_panel(one, i) for i in range(min(MISSED, len(one.missed or ())))]
    counts = dict(one.counts)
    parts: dict[str, object] = {
        "title": f"{one.name}: {one.answer}",
        "what": f"why {one.judge.name} finds what it finds",
        "answer": one.counts,
        "lead": _lead(one),
        "photo": images.picture(one.picture, False, PHOTO),
        "is_small": images.is_small(one.picture.shape),
        "size": (width, height),
        "cut": CUT,
        "boxes": boxes,
        "missed": missed,
        "rare": {name for name, count in counts.items() if count <= RARE},
        "alt": f"{one.name}: {one.answer}",
        "has_truth": one.missed is not None,
        "notes": one.notes,
        "tested": one.judge.tested,
        "thresholds": _thresholds(one),
        "made_by": f"glassnet {__version__}",
        "script": Markup(script("detections.js")),
    }
    return render("detections.html", parts, one.name)


def _lead(one: ExplainedBoxes) -> str:
    """What there is to see, in sentences."""
    said: list[str] = []
    if not one.likely:
        said.append(_surest(one))
    elif len(one.boxes) < len(one.likely):
        said.append(f"The {len(one.boxes)} surest of {len(one.likely):,} boxes say why they are there; choose one.")
    else:
        said.append("Each box says why it is there; choose one.")
    if one.missed is not None and one.objects is not None:
        said.append(_truth(one.objects, one.objects - len(one.missed), one.false))
    return " ".join(said)


def _truth(objects: int, found: int, false: int) -> str:
    of = f"Of {counted(objects, 'object')} marked on it {found or 'none'} {'are' if found > 1 else 'is'} found"
    return f"{of if objects else 'No object is marked on it'}; {counted(false, 'box is', 'boxes are')} false."


def _surest(one: ExplainedBoxes) -> str:
    if one.surest is None:
        return "No region scored anything worth a box."
    label, score = one.surest
    needed = one.judge.thresholds[label]
    return f"The surest box would be {one.classes[label]} with {score:.2f}; {needed:.2f} is needed."


def _thresholds(one: ExplainedBoxes) -> str:
    pairs: Sequence[tuple[str, float]] = list(zip(one.classes, one.judge.thresholds, strict=True))
    return listed([f"{name} from {least:.2f}" for name, least in pairs], 12)
