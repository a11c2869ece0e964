"""Steps of training for detectors: whole pictures with some regions each, or those regions cut out of them.

What a step holds follows from the seed, the epoch and the step alone, so a training can go on from any step. Of
processes that share a step each knows which regions it has, and looks at its own pictures alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glassnet.data.dataset import Array, Normalisation
from glassnet.data.kind import Augmentation
from glassnet.data.loader import Batch, Part, Regions, step_seed, to_tensor
from glassnet.nets.rcnn.warping import Crops, warp
from glassnet.training.detection.ground import Ground, Marked, Scene, draw, mark
from glassnet.training.detection.varied import Copy, any_copy, moved_scene
from glassnet.world import ALONE, World

CPU = torch.device("cpu")


class Feed:
    """Batches of regions of some pictures of a ground. Of the held-out ones the same regions are drawn every time.

    pictures: (n,) which. batch: pictures in a step. regions: of each. crops: how they are cut out; None for whole
    pictures. augmentation: how copies vary, None where nothing does. moves_proposals: see varied. world: of the
    processes that share each step of training.
    """

    def __init__(
        self,
        ground: Ground,
        pictures: NDArray[np.int64],
        normalisation: Normalisation,
        batch: int,
        regions: int,
        device: torch.device,
        crops: Crops | None = None,
        augmentation: Augmentation | None = None,
        moves_proposals: bool = True,
        seed: int = 0,
        world: World = ALONE,
    ) -> None:
        self.world = world
        self.ground, self.pictures, self.normalisation = ground, pictures, normalisation
        self.batch, self.regions, self.device, self.crops = batch, regions, device, crops
        self.augmentation, self.moves_proposals, self.seed = augmentation, moves_proposals, seed
        self._held: list[Marked] = []
        self._taught = np.array([i for i in pictures.tolist() if _teaches(ground.scenes[i])], np.int64)

    @property
    def steps(self) -> int:
        """Batches in an epoch of training."""
        return -(-len(self._taught) // self.batch)

    @property
    def fewest(self) -> int:
        """Pictures of the smallest step of training."""
        return len(self._taught) // max(self.steps, 1)

    @property
    def rows(self) -> NDArray[np.int64]:
        """(n,) the regions that in_order gives."""
        return np.arange(sum(map(len, self._in_order())))

    def shuffled(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """One epoch of varied copies in a new order, from step `first` on."""
        order = np.random.default_rng([self.seed, 2, epoch]).permutation(self._taught)
        groups = np.array_split(order, self.steps)
        for step in range(first, self.steps):
            random = np.random.default_rng([step_seed(self.seed, epoch, step)])
            group = groups[step].tolist()
            drawn = [self._draw(i, random) for i in group]
            mine = self.world.part(len(group))
            xs = [self._look(i, copy) for i, (copy, _) in zip(group[mine], drawn[mine], strict=True)]
            chosen = [marked for _, marked in drawn]
            part = None if self.world.is_alone else self._part(chosen, mine)
            size = self.ground.store.size[groups[step]].max(0)
            yield self._batch(xs, chosen[mine], 0, (int(size[0]), int(size[1])), part)

    def in_order(self) -> Iterator[Batch]:
        """The regions drawn of every picture once, as they are."""
        held, done = self._in_order(), 0
        for start in range(0, len(self.pictures), self.batch):
            some = slice(start, start + self.batch)
            chosen = held[some]
            size = self.ground.store.size[self.pictures[some]].max(0)
            xs = [self._look(i) for i in self.pictures[some].tolist()]
            yield self._batch(xs, chosen, done, (int(size[0]), int(size[1])))
            done += sum(map(len, chosen))

    @property
    def pieces(self) -> int:
        """Among how many processes they can be divided."""
        return -(-len(self.pictures) // self.batch)

    def shard(self, world: World) -> Feed:
        """Those of the regions, in order, that a process is asked about: of whole batches, for what lies beside a
        smaller picture isn't quite nothing to a net.
        """
        part = world.part(self.pieces)
        some = slice(part.start * self.batch, part.stop * self.batch)
        feed = Feed(
            self.ground, self.pictures[some], self.normalisation, self.batch, self.regions, self.device, self.crops,
            seed=self.seed,
        )  # fmt: skip
        feed._held = self._in_order()[some]
        return feed

    def _in_order(self) -> list[Marked]:
        if not self._held:
            for i in self.pictures.tolist():
                marked, _ = mark(self.ground.scenes[i], self.ground.classes)
                random = np.random.default_rng([self.seed, 6, i])
                self._held.append(draw(marked, self.ground.classes, self.regions, random))
        return self._held

    def _draw(self, i: int, random: np.random.Generator) -> tuple[Copy | None, Marked]:
        """How a picture is varied, if it is, and some of the regions on it then."""
        scene, copy, classes = self.ground.scenes[i], None, self.ground.classes
        if self.augmentation is not None:
            height, width = self.ground.store.size[i].tolist()
            copy = any_copy((width, height), self.augmentation, random)
            scene = moved_scene(scene, copy.move, (width, height), self.moves_proposals)
        marked, _ = mark(scene, classes)
        if not len(marked):  # all that it teaches was moved off: the picture as it is
            copy, marked = None, mark(self.ground.scenes[i], classes)[0]
        return copy, draw(marked, classes, self.regions, random)

    def _part(self, chosen: Sequence[Marked], mine: slice) -> Part:
        """What this process's pictures are of a step's."""
        y = torch.cat([one.y for one in chosen]).to(self.device)
        return Part(sum(map(len, chosen[: mine.start])), y, (mine.start, len(chosen)))

    def _look(self, i: int, copy: Copy | None = None) -> Tensor:
        x = look(self.ground.store[i], self.normalisation)
        return x if copy is None else copy.of(x)

    def _batch(
        self,
        xs: Sequence[Tensor],
        chosen: Sequence[Marked],
        first: int,
        size: tuple[int, int],
        part: Part | None = None,
    ) -> Batch:
        """size: (height, width) of the largest picture of the step, of which these are all or a part."""
        x = together(xs, size)
        boxes, truth = torch.cat([one.boxes for one in chosen]), torch.cat([one.truth for one in chosen])
        y = torch.cat([one.y for one in chosen]).to(self.device)
        rows = np.arange(first, first + len(y))
        picture = torch.repeat_interleave(torch.tensor([len(one) for one in chosen]))
        if self.crops is not None:
            cut = warp(x, boxes, picture, self.crops.side, self.crops.context, self.crops.square)
            return Batch(cut.to(self.device), y, rows, part=part)
        regions = Regions(boxes.to(self.device), picture.to(self.device), truth.to(self.device))
        return Batch(x.to(self.device), y, rows, regions, part=part)


def _teaches(scene: Scene) -> bool:
    """Whether any region of a picture is of use: an object, or background where everything is marked."""
    return bool((~scene.is_hard).any()) or (scene.is_whole and len(scene.proposals) > 0)


def look(x: Array, normalisation: Normalisation) -> Tensor:
    """(3, H, W) what a net sees of a picture (3, H, W) uint8."""
    return to_tensor(x[None], normalisation, 255.0, CPU)[0]


def together(xs: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
    """(B, 3, H, W) pictures up to a size (height, width) as one batch, 0 beside and below the smaller ones."""
    height, width = size
    batch = torch.zeros((len(xs), 3, height, width)).contiguous(memory_format=torch.channels_last)
    for b, x in enumerate(xs):
        batch[b, :, : x.shape[1], : x.shape[2]] = x
    return batch
