"""What the annotations beside a picture say is on it: PASCAL VOC's, or COCO's, of the folder that it lies in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glassnet.data.boxes import coco, voc
from glassnet.data.boxes.annotated import Annotated
from glassnet.data.boxes.collecting import collect

ABOVE = 3  # folders above a picture that may hold COCO's JSON
LARGEST_BYTES = 200_000_000  # of a JSON that is read for one picture


@dataclass(frozen=True)
class Beside:
    """One picture and the classes that its labels are places in."""

    one: Annotated
    classes: tuple[str, ...]


def beside(picture: Path) -> Beside | None:
    """The boxes of a picture, if annotations name it; None too where these can't be read."""
    whole = picture.absolute()
    root = whole.parent.parent
    if whole.parent.name == voc.PICTURES and voc.is_one(root):
        sources = [voc.read_one(root, whole.name)]
    else:
        folders = [folder for folder in list(whole.parents)[:ABOVE] if _is_coco(folder)]
        sources = [coco.read_one(folder, whole) for folder in folders]
    for collected in sources:
        if not collected.raws:
            continue
        raw, size = collected.raws[0]
        if not raw.rows:  # said to be empty
            none = np.zeros(0, np.int64)
            return Beside(Annotated(raw.picture, size, np.zeros((0, 4)), none, none > 0, raw.source, none), ())
        data = collect(collected, root.name, "")
        return Beside(data.pictures[0], data.classes)
    return None


def _is_coco(folder: Path) -> bool:
    return coco.is_one(folder) and sum(file.stat().st_size for file in coco.annotation_files(folder)) <= LARGEST_BYTES
