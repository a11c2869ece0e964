"""The page of a detector's evaluation: one file that opens without a network and prints."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from glassnet import __version__
from glassnet.explaining import detection_panels as panels
from glassnet.explaining.detection_pictures import Album
from glassnet.explaining.page import render
from glassnet.training.detection.judging import Judged
from glassnet.training.detection.mistakes import BACKGROUND, CONFUSED, DUPLICATE, NEAR, PLACED
from glassnet.training.detection.telling import ap_words, share
from glassnet.words import counted, interval, percent

CHOICES = 12  # classes whose boxes can be looked at alone
MOST_NOTES = 30
SORTS = {
    DUPLICATE: "on an object that a surer box has",
    PLACED: f"overlaps one of its class by {NEAR} to 0.5",
    CONFUSED: "lies on another class",
    BACKGROUND: "lies on nothing that is marked",
}


def detection_page(
    judged: Judged,
    names: Sequence[str],
    picture: Callable[[int], Image.Image],
    *,
    title: str,
    where: str,
    lead: str = "",
    what: str = "report of an evaluation",
    facts: Sequence[tuple[str, str]] = (),
    again: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> str:
    """The page. names, picture: of each picture that was judged, upright, in the pixels of its boxes.

    title: of the window. where: what stands in the corner. lead: what was asked about. facts: (value, what it is) of
    the detector. again: commands. notes: what to know of the data.
    """
    assert len(names) == len(judged.objects)
    known = sum(one.objects > 0 for one in judged.by_class)
    parts: dict[str, object] = {
        "title": title,
        "what": what,
        "known": known > 0,
        "map50": percent(judged.map50) if known else "",
        "interval": interval(judged.low, judged.high) if known else "",
        "asked": counted(len(judged.objects), "picture"),
        "lead": " ".join(filter(None, (_found(judged), lead))),
        "figures": [*_figures(judged), *facts],
        **_drawings(judged, known),
        **_pictures(judged, Album(judged, names, picture)),
        "again": list(again),
        "made_by": f"glassnet {__version__}",
        "notes": list(notes[:MOST_NOTES]),
        "more_notes": max(0, len(notes) - MOST_NOTES),
    }
    return render("detection.html", parts, where)


def _drawings(judged: Judged, known: int) -> dict[str, object]:
    """The table, curves, funnels and the confusion. known: how many classes have objects."""
    rows, ticks = panels.table(judged)
    curves = panels.curve_panels(judged)
    return {
        "rows": rows,
        "ticks": ticks,
        "dots": panels.DOTS,
        "ap_words": ap_words(judged),
        "curves": curves,
        "curve_size": (panels.WIDTH, panels.HEIGHT),
        "fewer_curves": known - len(curves),
        "funnels": panels.funnel_panels(judged),
        "funnel_size": (3 * panels.STEP + panels.BAR, panels.FUNNEL_HEIGHT, panels.BAR),
        "moved": int(judged.funnel.moved.sum()),
        "confusion": panels.matrix(judged),
        "left_out": int(judged.confusion.left_out.sum()),
    }


def _pictures(judged: Judged, album: Album) -> dict[str, object]:
    """What is shown of pictures; the whole ones, which are the largest, find room first."""
    return {
        "wholes": album.wholes(),
        "wrong": [
            (sort, SORTS[sort], len(some), album.mistakes(sort)) for sort, some in judged.wrong_by_sort().items()
        ],
        "wrongs": len(judged.wrong),
        "missed": album.missed(),
        "losses": len(judged.funnel.lost),
        "choices": list(enumerate(judged.classes)) if 1 < len(judged.classes) <= CHOICES else [],
    }


def _found(judged: Judged) -> str:
    objects, *_, kept = judged.funnel.reached()
    if not objects:
        return f"There is no object that counts; {counted(len(judged.wrong), 'box is', 'boxes are')} false."
    false = counted(len(judged.wrong), "false box", "false boxes")
    return f"Finds {kept:,} of {counted(objects, 'object')}, beside {false}, at the score chosen for each class."


def _figures(judged: Judged) -> list[tuple[str, str]]:
    objects, *_, kept = judged.funnel.reached()
    said = int(judged.confusion.counts[:, :-1].sum())
    both = [
        (f"{share(judged.map50_11)} %", "mAP50, 11 points"),
        (f"{share(judged.map)} %", "mAP 0.50 to 0.95"),
        (f"{share(judged.map50_coco)} %", "mAP50, COCO’s"),
    ]
    recall = [value for value in (one.recall for one in judged.by_class) if not math.isnan(value)]
    return [
        *[(value, words) for value, words in both if not value.startswith("-")],
        (f"{objects:,}", "objects"),
        (f"{said:,}", "boxes said"),
        *([(percent(kept / objects), "of the objects found")] if objects else []),
        *([(percent(float(np.mean(recall))), "found, mean over classes")] if len(recall) > 1 else []),
    ]
