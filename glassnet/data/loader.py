"""From a data set to batches on a device: shuffled and varied for training, in order for everything else.

What a batch holds follows from the seed, the epoch and the step alone, so a training can go on from any step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glassnet.data.augment import Augmentation, augment
from glassnet.data.dataset import Dataset, Normalisation

MEASURED = 20_000  # examples that the normalisation is learnt from, at most


@dataclass(frozen=True)
class Batch:
    """Examples for one step. x: (B, C, *S) float32, normalised. y: (B,) int64. rows: (B,) their places in the data."""

    x: Tensor
    y: Tensor
    rows: NDArray[np.int64]


class Loader:
    """Batches of some examples of a data set. rows: (n,) which. device: where the batches go.

    examples: how many of them make an epoch of training, 0 for all.
    """

    def __init__(
        self,
        dataset: Dataset,
        rows: NDArray[np.int64],
        normalisation: Normalisation,
        batch: int,
        device: torch.device,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        examples: int = 0,
    ) -> None:
        self.dataset, self.rows, self.normalisation = dataset, rows, normalisation
        self.batch, self.device, self.seed = batch, device, seed
        self.augmentation = augmentation or Augmentation()
        self.examples = min(examples or len(rows), len(rows))

    @property
    def steps(self) -> int:
        """Batches in an epoch of training."""
        return -(-self.examples // self.batch)

    def shuffled(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """One epoch of varied copies in a new order, from step `first` on; the batches are of even size."""
        order = np.random.default_rng([self.seed, 2, epoch]).permutation(self.rows)[: self.examples]
        for step, rows in enumerate(np.array_split(order, self.steps)):
            if step >= first:
                random = torch.Generator().manual_seed(step_seed(self.seed, epoch, step))
                batch = self._batch(rows)
                yield Batch(augment(batch.x, self.augmentation, random), batch.y, rows)

    def in_order(self, batch: int | None = None) -> Iterator[Batch]:
        """Every example once, as it is."""
        for start in range(0, len(self.rows), batch or self.batch):
            yield self._batch(self.rows[start : start + (batch or self.batch)])

    def _batch(self, rows: NDArray[np.int64]) -> Batch:
        samples = self.dataset.samples
        x = to_tensor(samples.x[rows], self.normalisation, self.dataset.full_scale, self.device)
        return Batch(x, torch.from_numpy(samples.y[rows]).to(self.device), rows)


def to_tensor(x: NDArray[np.generic], normalisation: Normalisation, full_scale: float, device: torch.device) -> Tensor:
    """What a net sees of raw examples. x: (B, C, *S) uint8 or float32. Returns float32, channels last in memory."""
    raw = torch.from_numpy(np.require(x, requirements=["C", "W"])).to(device)
    axes = (1, -1, *[1] * (raw.dim() - 2))
    mean = torch.tensor(normalisation.mean, dtype=torch.float64, device="cpu") * full_scale
    std = torch.tensor(normalisation.std, dtype=torch.float64, device="cpu") * full_scale
    values = (raw.float() - mean.float().to(device).reshape(axes)) / std.float().to(device).reshape(axes)
    return values.contiguous(memory_format=memory_format(values.dim()))


def memory_format(dimensions: int) -> torch.memory_format:
    """How a batch of this many dimensions lies in memory fastest: channels last for pictures and volumes."""
    return {4: torch.channels_last, 5: torch.channels_last_3d}.get(dimensions, torch.contiguous_format)


def learn_normalisation(dataset: Dataset, rows: NDArray[np.int64]) -> Normalisation:
    """Mean and spread a channel, of the training examples alone, in shares of the full scale."""
    if dataset.normalisation is not None:
        return dataset.normalisation
    chosen = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MEASURED)).astype(int))]
    count, total, squares = 0, np.zeros(dataset.shape[0]), np.zeros(dataset.shape[0])
    for start in range(0, len(chosen), 1000):
        x = dataset.samples.x[chosen[start : start + 1000]].astype(np.float64) / dataset.full_scale
        axes = (0, *range(2, x.ndim))
        total += x.sum(axes)
        squares += (x * x).sum(axes)
        count += x[:, 0].size
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    return Normalisation(tuple(mean.tolist()), tuple(np.where(std > 1e-6, std, 1.0).tolist()))


def step_seed(seed: int, epoch: int, step: int) -> int:
    """A seed for one step of one epoch, the same whenever the training comes to it."""
    return int(np.random.SeedSequence([seed, 4, epoch, step]).generate_state(1, np.uint64)[0] >> 1)
