"""What R-CNN learns after its net: a linear SVM a class with hard negatives, a ridge regression of boxes a class.

Girshick et al. 2014, section 2.3, appendices B and C, and their released code, whose numbers these are.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glassnet.data.dataset import Normalisation
from glassnet.nets.rcnn.cropped import NORM, Cropped
from glassnet.nets.rcnn.geometry import correction, overlap
from glassnet.training.answers import autocast
from glassnet.training.checkpoints import Snapshot
from glassnet.training.cluster import APART, Cluster
from glassnet.training.detection.feeding import look
from glassnet.training.detection.ground import Ground, Scene
from glassnet.training.detection.ridge import Ridge
from glassnet.training.detection.svm import Svm

OTHER = 0.3  # overlap with a class's objects below which a region is a negative of that class
NEAR = 0.6  # overlap from which a region teaches where the object really lies
NORMED = 16  # proposals of a picture that the norms are measured on
PROVISIONAL = 6.0  # slope of the chance while the true one isn't known


@dataclass(frozen=True)
class FitProgress:
    """How far it is, in pictures of its two passes."""

    done: int
    total: int
    seconds_left: float


class Fitter:
    """Learns from pictures of a ground what a Cropped scores and corrects by. It can be left between any two pictures.

    A first pass looks at the objects themselves, the positives; a second at every proposal.

    cluster: of processes that each look at their share of the pictures, which takes nearly all the time. Only the first
    fits and keeps what is fitted, picture by picture in the order of one process; at the end all nets have it.
    """

    def __init__(
        self,
        net: Cropped,
        ground: Ground,
        pictures: NDArray[np.int64],
        normalisation: Normalisation,
        precision: str,
        seed: int,
        cluster: Cluster = APART,
    ) -> None:
        self.cluster = cluster
        self.net, self.ground, self.pictures, self.normalisation = net, ground, pictures, normalisation
        self.precision, self.seed, self.done, self.seconds = precision, seed, 0, 0.0
        self.norms = torch.zeros(3, dtype=torch.float64)  # sums of the features' norms, of the pooled ones', a count
        self.positives: list[list[Tensor]] = [[] for _ in range(net.classes)]
        self.svms: list[Svm] = []
        self.ridges: list[Ridge] = []
        net.get_buffer("norms").fill_(NORM)  # features as they are, until their mean norms are known

    @property
    def total(self) -> int:
        """Pictures to look at, in both passes."""
        return 2 * len(self.pictures)

    def run(self) -> Iterator[FitProgress]:
        """Goes through both passes, yielding after each picture, or as many as there are processes; then the net holds
        SVMs and regression.
        """
        while self.done < self.total:
            begun = time.perf_counter()
            place = self.done % len(self.pictures)
            is_second = self.done >= len(self.pictures)
            if is_second and place == 0:
                self._begin_second()
            some = self.pictures[place : place + self.cluster.world.size].tolist()
            each = [self._boxes(i, is_second) for i in some]
            for i, boxes, (features, pooled) in zip(some, each, self._look(some, each), strict=True):
                if len(boxes):
                    (self._second if is_second else self._first)(i, boxes, features, pooled)
            self.done += len(some)
            self.seconds += time.perf_counter() - begun
            yield FitProgress(self.done, self.total, self._seconds_left())
        self._finish()

    def snapshot(self) -> Snapshot:
        """The whole state, to go on from bit for bit."""
        tensors = {"norms": self.norms, "scale": self.net.get_buffer("norms")}
        for k, mine in enumerate(self.positives):
            for i, some in enumerate(mine):
                tensors[f"positive.{k}.{i:06}"] = some
        for k, svm in enumerate(self.svms):
            tensors |= {f"svm.{k}.{name}": tensor for name, tensor in svm.state().items()}
        for k, ridge in enumerate(self.ridges):
            tensors |= {f"ridge.{k}.{name}": tensor for name, tensor in ridge.state().items()}
        kept = {name: t.clone(memory_format=torch.contiguous_format) for name, t in tensors.items()}
        return Snapshot(kept, {"done": self.done, "took": self.seconds})

    def restore(self, snapshot: Snapshot | None) -> None:
        """Takes up the state of the first process's snapshot of the same net and ground, if it has one."""
        few = {name: snapshot.tensors[name] for name in ("norms", "scale")} if snapshot else {}
        told = self.cluster.shared(Snapshot(few, snapshot.facts) if snapshot else None)
        if told is None:
            return
        self.done, self.seconds = int(str(told.facts["done"])), float(str(told.facts["took"]))
        self.norms = told.tensors["norms"].clone()
        self.net.get_buffer("norms").copy_(told.tensors["scale"])
        if snapshot is None:
            return
        tensors = snapshot.tensors
        for name in sorted(tensors):
            part, _, rest = name.partition(".")
            if part == "positive":
                self.positives[int(rest.partition(".")[0])].append(tensors[name])

        def of(part: str, k: int) -> dict[str, Tensor]:
            start = f"{part}.{k}."
            return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}

        if self.done > len(self.pictures):
            self.svms = [Svm.of(of("svm", k), self.seed + k) for k in range(self.net.classes)]
            self.ridges = [Ridge.of(of("ridge", k)) for k in range(self.net.classes)]

    def _boxes(self, i: int, every: bool) -> Tensor:
        """(r, 4) the objects of a picture, and all of its proposals or some."""
        scene = self.ground.scenes[i]
        if every:
            return torch.cat([scene.boxes, scene.proposals])
        random = np.random.default_rng([self.seed, 7, i])
        some = torch.from_numpy(random.permutation(len(scene.proposals))[:NORMED])
        return torch.cat([scene.boxes, scene.proposals[some]])

    def _first(self, i: int, boxes: Tensor, features: Tensor, pooled: Tensor) -> None:
        """The objects of a picture, and some of its proposals, as they are before any scaling."""
        scene = self.ground.scenes[i]
        norms = torch.stack([features.norm(dim=1).sum(), pooled.norm(dim=1).sum(), torch.tensor(float(len(boxes)))])
        self.norms += norms.double()
        if not self.cluster.world.is_first:
            return
        for k in range(self.net.classes):
            mine = (scene.labels == k) & ~scene.is_hard
            if mine.any():
                self.positives[k].append(features[: len(mine)][mine])

    def _begin_second(self) -> None:
        """Scales the features so that their mean norm is NORM."""
        means = self.cluster.given({"norms": (self.norms[:2] / self.norms[2]).float().clamp(min=1e-6)})["norms"]
        self.net.get_buffer("norms").copy_(means)
        width = self.net.svms.in_features
        for k, mine in enumerate(self.positives):
            positives = torch.cat(mine) if mine else torch.zeros(0, width)
            self.svms.append(Svm(positives * (NORM / means[0]), self.seed + k))
            self.ridges.append(Ridge(self.net.corrections.in_features))
        self.positives = [[] for _ in self.positives]

    def _second(self, i: int, boxes: Tensor, features: Tensor, pooled: Tensor) -> None:
        """All regions of a picture: hard negatives for the SVMs, and regions near objects for the regression."""
        if not self.cluster.world.is_first:
            return
        scene = self.ground.scenes[i]
        for k in range(self.net.classes):
            share, who = _shares(boxes, scene, k)
            if scene.is_whole:
                hard = overlap(boxes, scene.boxes[scene.is_hard])
                free = (share < OTHER) & ~(hard >= OTHER).any(1)
                self.svms[k].add_negatives(features[free])
            near = share > NEAR
            mine = scene.boxes[(scene.labels == k) & ~scene.is_hard]
            if near.any():
                self.ridges[k].add(pooled[near], correction(boxes[near], mine[who[near]]))

    def _look(self, some: Sequence[int], each: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Features and pooled features of regions of some pictures, of which each process looks at one."""
        device, rank = next(self.net.parameters()).device, self.cluster.world.rank
        mine = torch.zeros(0, self.net.svms.in_features), torch.zeros(0, self.net.corrections.in_features)
        if rank < len(some) and len(each[rank]):
            x = look(self.ground.store[some[rank]], self.normalisation).to(device)
            with autocast(device, self.precision):
                features, pooled = self.net.look(x, each[rank].to(device))
            mine = features.cpu(), pooled.cpu()
        counts = [len(boxes) for boxes in each]
        split = (torch.split(self.cluster.gathered(values), counts) for values in mine)
        return list(zip(*split, strict=True))

    def _finish(self) -> None:
        if self.cluster.world.is_first:
            self._fit()
        if not self.cluster.is_alone:
            self.net.load_state_dict(self.cluster.given(self.net.state_dict()))

    def _fit(self) -> None:
        for k, (svm, ridge) in enumerate(zip(self.svms, self.ridges, strict=True)):
            weight, bias = svm.finished()
            self.net.svms.weight.data[k], self.net.svms.bias.data[k] = weight, bias
            weight, offset = ridge.solved()
            self.net.corrections.weight.data[4 * k : 4 * k + 4] = weight
            self.net.corrections.bias.data[4 * k : 4 * k + 4] = offset
        self.net.get_buffer("chances").copy_(torch.tensor([[PROVISIONAL, 0.0]] * self.net.classes))

    def _seconds_left(self) -> float:
        """The second pass takes longer, by as many as there are more regions."""
        done = float(self._work[: self.done].sum())
        return self.seconds / max(done, 1) * float(self._work[self.done :].sum())

    @cached_property
    def _work(self) -> NDArray[np.float64]:
        """(total,) regions that each picture of the two passes has."""
        scenes = [self.ground.scenes[i] for i in self.pictures.tolist()]
        some = [len(scene.boxes) + min(NORMED, len(scene.proposals)) for scene in scenes]
        every = [len(scene.boxes) + len(scene.proposals) for scene in scenes]
        return np.array(some + every, float)


def _shares(boxes: Tensor, scene: Scene, k: int) -> tuple[Tensor, Tensor]:
    """(r,) how much each region overlaps an object of a class at most, and (r,) which of that class's it is."""
    mine = scene.boxes[(scene.labels == k) & ~scene.is_hard]
    if not len(mine):
        return torch.zeros(len(boxes)), torch.zeros(len(boxes), dtype=torch.int64)
    share, who = overlap(boxes, mine).max(1)
    return share, who
