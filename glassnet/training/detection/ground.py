"""What a detector learns from, in the pixels that it looks at: pictures, the objects on them, regions proposed on them;
and which regions of a picture a step of training is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glassnet.data.boxes.annotated import BoxData
from glassnet.data.boxes.geometry import Boxes
from glassnet.data.boxes.store import Store
from glassnet.nets.rcnn.geometry import overlap

ON = 0.5  # overlap from which a region is on an object: Girshick et al. 2014, section 2.3
OBJECTS = 0.25  # share of a step's regions that are on objects, if so many are


@dataclass(frozen=True)
class Scene:
    """One picture. boxes: (n, 4) its objects. labels: (n,). is_hard: (n,) those that count neither way.

    proposals: (p, 4). is_whole: whether all objects are marked, so that what is not marked is background.
    """

    boxes: Tensor
    labels: Tensor
    is_hard: Tensor
    proposals: Tensor
    is_whole: bool = True


@dataclass(frozen=True)
class Ground:
    """Pictures and scenes of a data set. classes: K."""

    store: Store
    scenes: tuple[Scene, ...]
    classes: int


@dataclass(frozen=True)
class Marked:
    """Regions of one picture and what they are on. boxes: (r, 4). y: (r,) classes, K for background. truth: (r, 4)."""

    boxes: Tensor
    y: Tensor
    truth: Tensor

    def __len__(self) -> int:
        return len(self.y)


def ground_of(data: BoxData, store: Store, proposals: Sequence[Boxes], unmarked: NDArray[np.bool_]) -> Ground:
    """Everything in the store's pixels. proposals: of each picture, in the file's.

    unmarked: (pictures,) whether a class is missing there that should be marked.
    """
    scenes = []
    for i, one in enumerate(data.pictures):
        scale = np.tile(store.scale[i], 2)
        scenes.append(
            Scene(
                torch.from_numpy(one.boxes * scale).float(),
                torch.from_numpy(one.labels),
                torch.from_numpy(one.is_hard),
                torch.from_numpy(proposals[i] * scale).float(),
                not unmarked[i],
            )
        )
    return Ground(store, tuple(scenes), len(data.classes))


def mark(scene: Scene, classes: int) -> tuple[Marked, Tensor]:
    """All proposals and the objects themselves as regions, and how much each overlaps its object, (r,).

    Regions on hard objects are left out, and background where not all is marked.
    """
    regions = torch.cat([scene.boxes, scene.proposals])
    if not len(scene.boxes):
        y = torch.full((len(regions),), classes)
        whole = Marked(regions, y, regions)
        marked = whole if scene.is_whole else pick(whole, torch.zeros(0, dtype=torch.int64))
        return marked, torch.zeros(len(marked))
    share, who = overlap(regions, scene.boxes).max(1)
    y = torch.where(share >= ON, scene.labels[who], classes)
    truth = torch.where((share >= ON)[:, None], scene.boxes[who], regions)
    usable = torch.where(share >= ON, ~scene.is_hard[who], torch.tensor(scene.is_whole))
    keep = torch.nonzero(usable)[:, 0]
    return pick(Marked(regions, y, truth), keep), share[keep]


def draw(marked: Marked, classes: int, count: int, random: np.random.Generator, share: float = OBJECTS) -> Marked:
    """Some of the regions of a picture: up to a share on objects, the rest background. Girshick 2015, section 2.3."""
    is_on = (marked.y < classes).numpy()
    on = random.permutation(np.flatnonzero(is_on))[: round(count * share)]
    off = random.permutation(np.flatnonzero(~is_on))[: count - len(on)]
    return pick(marked, torch.from_numpy(np.concatenate([on, off]).astype(np.int64)))


def pick(marked: Marked, places: Tensor) -> Marked:
    """Those at some places."""
    return Marked(marked.boxes[places], marked.y[places], marked.truth[places])
