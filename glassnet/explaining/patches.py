"""The patches of the data that each feature answers to most: a running best, so that no maps are kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from glassnet.explaining.levels import Level

BEST = 9


@dataclass(frozen=True)
class Patches:
    """Where each feature of a level answers most, one place an example at most, strongest first.

    value: (F, n). example: (F, n) which of those that were shown. place: (F, n, axes) in the level's maps; no axes
    where its values have no places. share: (F, K) of each class's examples that it answers with more than 0. mean:
    (F, K) its best answer in the mean. answered: (F,) of all examples.
    """

    value: NDArray[np.float64]
    example: NDArray[np.int64]
    place: NDArray[np.int64]
    share: NDArray[np.float64]
    mean: NDArray[np.float64]
    answered: NDArray[np.float64]


class Running:
    """The best so far of one level. classes: K. best: patches that are kept a feature."""

    def __init__(self, level: Level, classes: int, best: int = BEST) -> None:
        self.features, self.best = level.features, best
        self.value = np.empty((level.features, 0))
        self.example = np.empty((level.features, 0), np.int64)
        self.flat = np.empty((level.features, 0), np.int64)
        self.sizes: tuple[int, ...] = ()
        self.over, self.sum = np.zeros((level.features, classes)), np.zeros((level.features, classes))
        self.count = np.zeros(classes)

    def add(self, output: Tensor, y: NDArray[np.int64], first: int) -> None:
        """One batch more. output: (B, F, *S). y: (B,) classes. first: the number of its first example."""
        self.sizes = tuple(output.shape[2:])
        maps = output.detach().float().cpu().reshape(len(y), self.features, -1).numpy()  # (B, F, places)
        flat = maps.argmax(2)
        top = np.take_along_axis(maps, flat[..., None], 2)[..., 0].astype(np.float64)  # (B, F)
        np.add.at(self.over.T, y, top > 0)
        np.add.at(self.sum.T, y, top)
        np.add.at(self.count, y, 1)
        example = np.broadcast_to(np.arange(first, first + len(y)), top.T.shape)
        value = np.concatenate([self.value, top.T], 1)
        order = np.argsort(-value, 1, kind="stable")[:, : self.best]
        self.value = np.take_along_axis(value, order, 1)
        self.example = np.take_along_axis(np.concatenate([self.example, example], 1), order, 1)
        self.flat = np.take_along_axis(np.concatenate([self.flat, flat.T], 1), order, 1)

    def done(self) -> Patches:
        """What came of it."""
        place = np.stack(np.unravel_index(self.flat, self.sizes), -1) if self.sizes else self.flat[..., None][..., :0]
        count = np.maximum(self.count, 1)
        answered = self.over.sum(1) / max(self.count.sum(), 1)
        return Patches(self.value, self.example, place, self.over / count, self.sum / count, answered)


@contextmanager
def outputs(modules: Sequence[nn.Module]) -> Iterator[dict[nn.Module, tuple[tuple[Tensor, ...], Tensor]]]:
    """While this lasts, what went into each of these modules when it last ran, and what came out."""
    seen: dict[nn.Module, tuple[tuple[Tensor, ...], Tensor]] = {}

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen[module] = inputs, output

    hooks = [module.register_forward_hook(note) for module in dict.fromkeys(modules)]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()
