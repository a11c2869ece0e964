"""Objects that a detector learnt from, as it sees them, and which of them are like a region that it judged."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glassnet.data.boxes.geometry import Boxes
from glassnet.data.boxes.store import Sized
from glassnet.data.dataset import Normalisation
from glassnet.explaining.regions import Looked, look_at
from glassnet.nets.rcnn.judging import RegionNet

MOST = 600  # objects that are looked at
SIDE = 64  # pixels of their crops
SHOWN = 6  # beside a region


@dataclass(frozen=True)
class Learnt:
    """n objects of training pictures. features: (n, F). labels: (n,). boxes: (n, 4) pixels of the file. names: of it.

    digest: (n,) of the file's bytes. crops: (n, 3, SIDE, SIDE) uint8.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    boxes: Boxes
    names: Sequence[str]
    digest: NDArray[np.uint64]
    crops: NDArray[np.uint8]


@dataclass(frozen=True)
class Near:
    """One of them beside a region. similarity: the cosine of their features, 1 for the same direction."""

    name: str
    label: int
    box: Boxes
    similarity: float
    crop: NDArray[np.uint8]


@dataclass(frozen=True)
class TrainingPicture:
    """A picture and the objects on it that are looked at. boxes: (n, 4). labels: (n,)."""

    name: str
    digest: int
    one: Sized
    boxes: Boxes
    labels: NDArray[np.int64]


def learnt_steps(
    net: RegionNet, pictures: Iterable[TrainingPicture], normalisation: Normalisation
) -> Generator[int, None, Learnt]:
    """Looks at the objects of pictures, there are some, each picture once. Yields how many pictures are done."""
    looked: list[Looked] = []
    given: list[TrainingPicture] = []
    for picture in pictures:
        yield len(given)
        looked.append(look_at(net, picture.one, picture.boxes, normalisation, SIDE))
        given.append(picture)
    return Learnt(
        np.concatenate([one.features for one in looked]),
        np.concatenate([one.labels for one in given]),
        np.concatenate([one.boxes for one in given]),
        [one.name for one in given for _ in one.labels],
        np.concatenate([np.full(len(one.labels), one.digest, np.uint64) for one in given]),
        np.concatenate([one.crops for one in looked]),
    )


def spread(labels: Sequence[NDArray[np.int64]], classes: int, most: int = MOST) -> list[NDArray[np.int64]]:
    """Which objects of each picture are looked at: of each class as many, if it has them, evenly over the pictures.

    labels: of the objects of each picture. What a rare class leaves free goes to the others.
    """
    where = np.concatenate([np.full(len(one), i) for i, one in enumerate(labels)] or [np.zeros(0, np.int64)])
    place = np.concatenate([np.arange(len(one)) for one in labels] or [np.zeros(0, np.int64)])
    every = np.concatenate([*labels, np.zeros(0, np.int64)]).astype(np.int64)
    chosen, room = np.zeros(len(every), bool), most
    order = np.argsort(np.bincount(every, minlength=classes), kind="stable")
    for done, k in enumerate(order.tolist()):
        mine = np.flatnonzero(every == k)
        count = min(len(mine), room // (classes - done))
        chosen[mine[np.linspace(0, len(mine) - 1, count).round().astype(int)]] = True
        room -= count
    return [place[chosen & (where == i)] for i in range(len(labels))]


def nearest(known: Learnt, features: NDArray[np.float32], digest: int, most: int = SHOWN) -> list[tuple[Near, ...]]:
    """For each region of a picture, by its features (R, F), the objects nearest by cosine, none of the picture itself.

    digest: of the picture's file.
    """
    others = np.flatnonzero(known.digest != np.uint64(digest))
    cosines = _directions(features) @ _directions(known.features[others]).T  # (R, n)
    found = []
    for row in cosines:
        best = np.argsort(-row, kind="stable")[:most]
        found.append(tuple(_near(known, int(others[j]), float(row[j])) for j in best))
    return found


def _near(known: Learnt, i: int, similarity: float) -> Near:
    return Near(known.names[i], int(known.labels[i]), known.boxes[i], similarity, known.crops[i])


def _directions(features: NDArray[np.float32]) -> NDArray[np.float64]:
    exact = features.astype(np.float64)
    return np.asarray(exact / np.maximum(np.linalg.norm(exact, axis=1, keepdims=True), 1e-12))
