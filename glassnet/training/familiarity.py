"""Whether an example is like anything the net learnt from: how far its nearest training example is, against a limit.

An example is seen in three ways: the values that vote in the net (Sun et al. 2022, "Out-of-distribution detection with
deep nearest neighbors"), its coarse layout, and how its values are spread and differ from place to place. Noise and
foreign pictures give themselves away in the last two where a small net, which has learnt to overlook them, does not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glassnet.data.loader import Loader
from glassnet.nets.convnet import ConvNet
from glassnet.training.evaluate import wilson
from glassnet.training.seeing import Noted, Views

WANTED = 0.01  # of real examples that may be refused
BANK = 2_000  # training examples that are remembered
FEWEST = 5  # examples on either side
TOGETHER = 1_024  # examples that are compared at a time
FLOOR = 0.25  # of the mean spread: what varies less counts as much
SLACK = 1e-3  # of a layout that never differs


@dataclass(frozen=True)
class Alarms:
    """How many real examples were refused, of those that were asked about."""

    refused: int
    examples: int

    @property
    def share(self) -> float:
        return self.refused / self.examples

    def as_json(self) -> dict[str, object]:
        """For metrics.json. share, low, high: of 1, with the 95 % confidence interval."""
        low, high = wilson(self.refused, self.examples)
        return {
            "refused": self.refused, "examples": self.examples,
            "share": self.share, "low": low, "high": high, "wanted": WANTED,
        }  # fmt: skip


@dataclass(frozen=True)
class View:
    """One way of seeing. bank: (n, D) training examples, scaled. mean, spread: (D,), that scaled them.

    far: the distance to the nearest of them that one held-out example in a hundred exceeds.
    """

    bank: Tensor
    mean: Tensor
    spread: Tensor
    far: float

    def distance(self, values: Tensor) -> Tensor:
        """(N,) from each of (N, D) values to its nearest in the bank, of `far`."""
        nearest, bank = torch.empty(len(values), device=self.mean.device), self.bank.float()
        for some, room in zip(torch.split(values, TOGETHER), torch.split(nearest, TOGETHER), strict=True):
            room[:] = torch.cdist((some.to(self.mean.device) - self.mean) / self.spread, bank).amin(1)
        return nearest / self.far


@dataclass(frozen=True)
class Familiarity:
    """What a net is used to. limit: of the largest of the views' distances. held: examples that set it."""

    views: Mapping[str, View]
    limit: float
    held: int

    def strangeness(self, seen: Views) -> NDArray[np.float64]:
        """(N,) how strange examples are: over 1 they are like nothing that was learnt from. seen: by `views_of`."""
        found = torch.stack([view.distance(seen[name]) for name, view in self.views.items()]).amax(0)
        return np.asarray(found.double().cpu().numpy() / self.limit)

    def tensors(self) -> dict[str, Tensor]:
        """All of it as tensors by name, for safetensors."""
        kept = {"limit": torch.tensor([self.limit, self.held], dtype=torch.float64)}
        for name, view in self.views.items():
            kept |= {f"{name}.bank": view.bank, f"{name}.mean": view.mean, f"{name}.spread": view.spread}
            kept[f"{name}.far"] = torch.tensor(view.far, dtype=torch.float64)
        return {name: tensor.contiguous() for name, tensor in kept.items()}

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Familiarity:
        """The reverse of `tensors`. Raises KeyError, ValueError where it isn't that."""
        names = [name.removesuffix(".bank") for name in tensors if name.endswith(".bank")]
        limit, held = tensors["limit"].tolist()
        views = {}
        for name in sorted(names):
            bank, mean, spread = (tensors[f"{name}.{part}"] for part in ("bank", "mean", "spread"))
            if bank.dim() != 2 or mean.shape != bank.shape[1:] or spread.shape != bank.shape[1:]:
                raise ValueError(f"{name} has another shape")
            views[name] = View(bank, mean, spread, float(tensors[f"{name}.far"]))
        if not views or not limit > 0:
            raise ValueError("it has no limit")
        return cls(views, limit, int(held))


def learn(net: ConvNet, train: Loader, held: Views, seed: int, is_words: bool = False) -> Familiarity | None:
    """What a trained net is used to. held: views of examples that it did not learn from, to set the limit.

    None where the examples are too few, or all the same, to tell near from far.
    """
    if min(len(train.rows), len(next(iter(held.values())))) < FEWEST:
        return None
    known = _remembered(net, train, seed, is_words)
    views, distances = {}, []
    for name, values in known.items():
        scaled = _scaled(values, held[name], each=name != "layout")
        if scaled is not None:
            views[name], distance = scaled
            distances.append(distance)
    if not views:
        return None
    largest = torch.stack(distances).amax(0)
    return Familiarity(views, _exceeded_by_few(largest), len(largest))


def alarms(familiarity: Familiarity, test: Views) -> Alarms:
    """How many real examples are refused. test: views of examples that set nothing."""
    strange = familiarity.strangeness(test)
    return Alarms(int((strange > 1).sum()), len(strange))


def _remembered(net: ConvNet, train: Loader, seed: int, is_words: bool) -> dict[str, Tensor]:
    """The views of up to BANK training examples, drawn with a seed."""
    rows = train.rows
    if len(rows) > BANK:
        rows = np.sort(np.random.default_rng([seed, 9]).choice(rows, BANK, replace=False))
    some = Loader(train.dataset, rows, train.normalisation, train.batch, torch.device("cpu"))
    device = next(net.parameters()).device
    with Noted(net, len(rows), is_words=is_words) as noted, torch.no_grad():
        for batch in some.in_order():
            net(batch.x.to(device))
    return noted.views


def _scaled(known: Tensor, other: Tensor, each: bool) -> tuple[View, Tensor] | None:
    """A view of known examples, and the others' distances in it. each: whether every value has a scale of its own."""
    mean, spread = known.mean(0), known.std(0, correction=0)
    even = float(spread.mean())
    if not math.isfinite(even) or even == 0:
        return None
    spread = spread.clamp_min(FLOOR * even) if each else torch.full_like(spread, max(even, SLACK))
    bank = ((known - mean) / spread).half()
    distance = View(bank, mean, spread, 1.0).distance(other)
    far = _exceeded_by_few(distance)
    return (View(bank, mean, spread, far), distance / far) if math.isfinite(far) and far > 0 else None


def _exceeded_by_few(distances: Tensor) -> float:
    """The limit that one new distance in a hundred exceeds, or fewer; (n,) of examples that were not learnt from.

    Conformal prediction, Vovk, Gammerman and Shafer 2005, section 2.2: the (n + 1)(1 - share)-th smallest of n. Fewer
    than 99 have none so far out: there it is read off an exponential tail through their middle and their largest.
    """
    order, count = distances.sort().values, len(distances)
    place = math.ceil((count + 1) * (1 - WANTED))
    if place <= count:
        return float(order[place - 1])
    middle = float(order.median())
    return middle + (float(order[-1]) - middle) * math.log(0.5 / WANTED) / math.log((count + 1) / 2)


def of_windows(strangeness: Sequence[float]) -> float:
    """Of an example in several windows: it is as strange as the one that is most familiar."""
    return min(strangeness)
