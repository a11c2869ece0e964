"""COCO's average precision, over overlaps from 0.50 to 0.95, by the library of those who defined it."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glassnet.errors import GlassnetError
from glassnet.training.detection.matching import Found, Objects


@dataclass(frozen=True)
class CocoFigures:
    """mean: over overlaps 0.50, 0.55 ... 0.95. half: at 0.50. each: of mean and half, a class each; NaN without any."""

    mean: float
    half: float
    each: tuple[tuple[float, float], ...]


def coco_figures(objects: Sequence[Objects], found: Sequence[Found], classes: int) -> CocoFigures:
    """The figures of detections, of which at most 100 a picture count. Lin et al. 2014.

    Raises GlassnetError without pycocotools. Hard objects are given as crowds: what falls on them counts neither way.
    """
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError as error:
        fix = 'pip install "glassnet[detect]"'
        raise GlassnetError("COCO's figures", expected="pycocotools", found="it isn't installed", fix=fix) from error
    if not objects:
        return CocoFigures(math.nan, math.nan, ((math.nan, math.nan),) * classes)
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does
        truth = COCO()
        truth.dataset = _truth(objects, classes)
        truth.createIndex()
        said = _said(found)
        work = COCOeval(truth, truth.loadRes(said) if said else COCO(), "bbox")
        work.params.imgIds = list(range(1, len(objects) + 1))
        work.evaluate()
        work.accumulate()
    precision = work.eval["precision"][:, :, :, 0, -1]  # (overlaps, recalls, classes), every size, 100 a picture
    each = tuple((_mean(precision[:, :, k]), _mean(precision[0, :, k])) for k in range(classes))
    return CocoFigures(_mean(precision), _mean(precision[0]), each)


def _truth(objects: Sequence[Objects], classes: int) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    for i, one in enumerate(objects):
        for box, label, is_hard in zip(one.boxes.tolist(), one.labels.tolist(), one.is_hard.tolist(), strict=True):
            x1, y1, x2, y2 = box
            width, height = x2 - x1, y2 - y1
            rows.append(
                {
                    "id": len(rows) + 1, "image_id": i + 1, "category_id": label + 1, "iscrowd": int(is_hard),
                    "bbox": [x1, y1, width, height], "area": width * height,
                }
            )  # fmt: skip
    return {
        "info": {},
        "images": [{"id": i + 1} for i in range(len(objects))],
        "categories": [{"id": k + 1} for k in range(classes)],
        "annotations": rows,
    }


def _said(found: Sequence[Found]) -> list[dict[str, Any]]:
    return [
        {"image_id": i + 1, "category_id": label + 1, "bbox": [x1, y1, x2 - x1, y2 - y1], "score": score}
        for i, one in enumerate(found)
        for (x1, y1, x2, y2), label, score in zip(
            one.boxes.tolist(), one.labels.tolist(), one.scores.tolist(), strict=True
        )
    ]


def _mean(precision: Any) -> float:  # noqa: ANN401  # an untyped library's array
    """COCO's: the mean of all that is known; -1 stands for what isn't."""
    known = np.asarray(precision)[np.asarray(precision) > -1]
    return float(known.mean()) if known.size else float("nan")
