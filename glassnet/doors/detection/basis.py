"""Basis: all that training and testing a detector starts from, made once from its data. Knows no net."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from glassnet.data.boxes.annotated import BoxData
from glassnet.data.boxes.doctor import diagnose
from glassnet.data.boxes.geometry import Boxes, area
from glassnet.data.boxes.proposals.proposing import Proposals, learn, propose_steps
from glassnet.data.boxes.sides import Sides, sides_of
from glassnet.data.boxes.store import Store, store_steps
from glassnet.data.dataset import TEST, TRAIN, Dataset, Normalisation, Preparation, Samples
from glassnet.data.symmetry import Symmetry, symmetry
from glassnet.doors.detection.events import Step
from glassnet.doors.detection.turns import all_together, in_turn
from glassnet.training.cluster import APART, Cluster
from glassnet.training.detection.ground import Ground, ground_of
from glassnet.training.detection.matching import Objects
from glassnet.words import counted

SMALLEST = 20.0  # pixels of the smallest class's usual object, as the net should see it
SIDES = (256, 640)
REGIONS = {"grid": 2000, "selective": 2000, "both": 4000}  # measured: docs/decisions/detection.md
CROP = 12  # pixels a side of the crops that mirroring is tried on
COLOURED = 200  # pictures that the normalisation is learnt from, at most


@dataclass(frozen=True)
class Basis:
    """data: as it is trained on. store: its pictures as the net sees them. proposals: how regions are found.

    ground: objects and regions in the store's pixels. found: the regions in the files' pixels. notes: what a person
    should know. fingerprint: changes when a picture, a box, a class or a side does.
    """

    data: BoxData
    store: Store
    sides: Sides
    proposals: Proposals
    ground: Ground
    found: tuple[Boxes, ...]
    notes: tuple[str, ...]
    fingerprint: str

    def objects(self, i: int) -> Objects:
        """What is really on picture i, in the file's pixels."""
        one = self.data.pictures[i]
        return Objects(one.boxes, one.labels, one.is_hard)

    def regions(self, i: int) -> Boxes:
        """(p, 4) what was proposed on picture i, in the file's pixels."""
        return self.found[i]


def basis_steps(
    found: BoxData,
    side: int | None,
    kind: str,
    regions: int | None,
    cleaned: bool,
    seed: int,
    cluster: Cluster = APART,
) -> Generator[Step, None, Basis]:
    """Reads the pictures and proposes regions on them. side: of the longer side; chosen unless given.

    cluster: of processes that each do so; of those on one machine one decodes, and all search for regions.

    Raises GlassnetError for what can't be trained on.
    """
    data, unmarked, notes = _doubted(found, cleaned)
    store = yield from in_turn(lambda: _stored(data, side or choose_side(data)), cluster)
    sides = cluster.together(lambda: sides_of(data, store.digest, seed))
    train = sides.rows(TRAIN)
    if unmarked[train].any():
        words = counted(int(unmarked[train].sum()), "training picture")
        notes += (f"{words} lack a class that is on nearly all others: nothing there counts as background",)
    known = [data.pictures[i] for i in train]
    plan = learn(kind, [one.boxes for one in known], [one.size for one in known], regions or REGIONS[kind], seed)
    plan = Proposals.from_json(cluster.told(plan.as_json()))
    place = cluster.world
    if kind != "grid" and place.local_size > 1:  # what each finds on its share is kept, and read by all
        yield from all_together(_proposed(plan, data, slice(place.local_rank, None, place.local_size)), cluster)
    proposals = yield from all_together(_proposed(plan, data), cluster)
    ground = ground_of(data, store, proposals, unmarked)
    mark = fingerprint(data, store.digest, store.size, sides)
    return Basis(data, store, sides, plan, ground, tuple(proposals), (*sides.notes, *notes), mark)


def _doubted(found: BoxData, cleaned: bool) -> tuple[BoxData, NDArray[np.bool_], tuple[str, ...]]:
    """The data as it is trained on, (pictures,) whether a class is missing there, and what a person should know."""
    diagnosis = diagnose(found)
    if cleaned:
        data = diagnosis.cleaned
        less = f"{counted(len(found) - len(data), 'picture')} and {counted(found.total - data.total, 'box', 'boxes')}"
        return data, np.zeros(len(data), bool), (f"cleaned: {less} left out",)
    doubts = counted(len(diagnosis.findings), "thing")
    notes = (f"{doubts} in the annotations may be wrong (glassnet show)",) if len(diagnosis.findings) else ()
    return found, np.asarray(diagnosis.absent.any(1)), notes


def _stored(data: BoxData, side: int) -> Generator[Step, None, Store]:
    """The pictures, decoded."""
    steps = store_steps(data, side)
    while True:
        try:
            progress = next(steps)
        except StopIteration as end:
            store: Store = end.value
            return store
        yield Step("reading", progress.done, progress.total, "pictures")


def _proposed(plan: Proposals, data: BoxData, which: slice = slice(None)) -> Generator[Step, None, list[Boxes]]:
    """The regions of some pictures."""
    steps = propose_steps(plan, [data.file(i) for i in range(len(data))[which]])
    while True:
        try:
            progress = next(steps)
        except StopIteration as end:
            proposals: list[Boxes] = end.value
            return proposals
        yield Step("looking", progress.done, progress.total, "pictures for regions")


def choose_side(data: BoxData) -> int:
    """The longer side at which the usual object of the smallest class is SMALLEST pixels wide, within SIDES."""
    known = [one for one in data.pictures if one.split != TEST]
    widths, labels = (
        np.concatenate([area(one.boxes) ** 0.5 for one in known]),
        np.concatenate([o.labels for o in known]),
    )
    longer = float(np.median([max(one.size) for one in known]))
    usual = min(float(np.median(widths[labels == k])) for k in np.unique(labels)) if len(widths) else SMALLEST
    wanted = round(longer * SMALLEST / usual / 32) * 32
    return int(min(max(wanted, SIDES[0]), SIDES[1], max(longer, 32)))


def normalisation_of(basis: Basis) -> Normalisation:
    """Mean and spread of each colour over training pictures, in shares of 255."""
    rows = basis.sides.rows(TRAIN)
    chosen = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), COLOURED)).astype(int))]
    sums = np.zeros((3, 3))  # count, sum, sum of squares
    for i in chosen.tolist():
        x = basis.store[i].reshape(3, -1) / 255.0
        sums += np.stack([np.full(3, x.shape[1]), x.sum(1), (x * x).sum(1)])
    mean = sums[1] / sums[0]
    std = np.sqrt(np.maximum(sums[2] / sums[0] - mean**2, 1e-6))
    return Normalisation(tuple(mean.tolist()), tuple(std.tolist()))


def mirrors_of(basis: Basis, seed: int) -> Symmetry:
    """Whether mirrored objects still mean the same, tried on crops of the training objects."""
    crops: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    for i in basis.sides.rows(TRAIN).tolist():
        scene, picture = basis.ground.scenes[i], basis.store[i]
        for box, label in zip(scene.boxes.tolist(), scene.labels.tolist(), strict=True):
            crops.append(_crop(picture, box))
            labels.append(label)
    count = len(crops)
    samples = Samples(
        np.stack(crops), np.array(labels, np.int64), [str(i) for i in range(count)], np.full(count, TRAIN, np.int8),
        np.arange(count, dtype=np.uint64), np.full((count, 2), CROP, np.int32),
    )  # fmt: skip
    shape = (3, CROP, CROP)
    dataset = Dataset("pictures", basis.data.name, basis.data.classes, samples, Preparation(shape, {"full_scale": 255}))
    return symmetry(dataset, np.arange(count), seed)


def _crop(picture: NDArray[np.generic], box: list[float]) -> NDArray[np.uint8]:
    """(3, CROP, CROP) the nearest pixels of a box."""
    x1, y1, x2, y2 = box
    at = (np.arange(CROP) + 0.5) / CROP
    columns = np.clip((x1 + at * (x2 - x1)).astype(int), 0, picture.shape[2] - 1)
    rows = np.clip((y1 + at * (y2 - y1)).astype(int), 0, picture.shape[1] - 1)
    return np.asarray(picture[:, rows[:, None], columns[None]], np.uint8)


def fingerprint(data: BoxData, digest: NDArray[np.uint64], size: NDArray[np.int64], sides: Sides) -> str:
    """Changes when a picture, a box, a class or a side does. digest: (n,) of the files. size: (n, 2) as in a store."""
    hasher = blake2b(digest_size=16)
    for part in (digest, size, sides.side):
        hasher.update(part.tobytes())
    for one in data.pictures:
        for column in (one.boxes, one.labels, one.is_hard):
            hasher.update(column.tobytes())
    hasher.update("\0".join(data.classes).encode("utf-8", "surrogateescape"))
    return hasher.hexdigest()
