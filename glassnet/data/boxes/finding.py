"""Which reader of boxes a folder, or a JSON, is for."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from glassnet.data.boxes import coco, voc
from glassnet.data.boxes.annotated import BoxData
from glassnet.data.reading import Progress

Steps = Generator[Progress, None, BoxData]


@dataclass(frozen=True)
class BoxSource:
    """Boxes on pictures that were found but not yet read. layout: "PASCAL VOC" or "COCO"."""

    layout: str
    steps: Callable[[], Steps]


def find_boxes(data: str | Path) -> BoxSource | None:
    """The boxes that a path names, if they are such; nothing is read but the heads of JSON files."""
    path = Path(data)
    if voc.is_one(path):
        return BoxSource(voc.LAYOUT, partial(voc.read_steps, path))
    return BoxSource(coco.LAYOUT, partial(coco.read_steps, path)) if coco.is_one(path) else None
