"""Whether an example is like anything the net learnt from: how far its nearest training example is, against a limit.

An example is seen in three ways: the values that vote in the net (Sun et al. 2022, "Out-of-distribution detection with
deep nearest neighbors"), its coarse layout, and how its values are spread and differ from place to place. Noise and
foreign pictures give themselves away in the last two where a small net, which has learnt to overlook them, does not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glassnet.data.loader import Loader
from glassnet.nets.convnet import ConvNet
from glassnet.training.evaluate import wilson
from glassnet.training.seeing import TOGETHER, Noted, Views

WANTED = 0.01  # of real examples that may be refused
BANK = 2_000  # training examples that are remembered
FEWEST = 5  # examples on either side
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
        return self.strange({name: view.distance(seen[name]) for name, view in self.views.items()})

    def strange(self, distance: Views) -> NDArray[np.float64]:
        """The same by the distances (N,) in each of its views."""
        found = torch.stack([distance[name] for name in self.views]).amax(0)
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


def remember(net: ConvNet, train: Loader, seed: int, is_words: bool = False) -> dict[str, View]:
    """The ways of seeing that tell training examples apart, with up to BANK of these, drawn with a seed.

    None of them where the examples are too few. What is far in each is learnt later: see `learn`.
    """
    rows = train.rows
    if len(rows) < FEWEST:
        return {}
    if len(rows) > BANK:
        rows = np.sort(np.random.default_rng([seed, 9]).choice(rows, BANK, replace=False))
    some = Loader(train.dataset, rows, train.normalisation, train.batch, torch.device("cpu"))
    device = next(net.parameters()).device
    with Noted(net, len(rows), is_words=is_words) as noted, torch.no_grad():
        for batch in some.in_order():
            net(batch.x.to(device))
    found = {name: _scaled(values, each=name != "layout") for name, values in noted.views.items()}
    return {name: view for name, view in found.items() if view is not None}


def learn(known: Mapping[str, View], held: Views) -> Familiarity | None:
    """What a trained net is used to. held: how far examples are that it did not learn from, to set the limit.

    None where the examples are too few, or all the same, to tell near from far.
    """
    views, distances = {}, []
    if not held or min(map(len, held.values())) < FEWEST:
        return None
    for name, view in known.items():
        far = _exceeded_by_few(held[name])
        if math.isfinite(far) and far > 0:
            views[name] = replace(view, far=far)
            distances.append(held[name] / far)
    if not views:
        return None
    largest = torch.stack(distances).amax(0)
    return Familiarity(views, _exceeded_by_few(largest), len(largest))


def alarms(familiarity: Familiarity, test: Views) -> Alarms:
    """How many real examples are refused. test: how far examples are that set nothing."""
    strange = familiarity.strange({name: test[name] / view.far for name, view in familiarity.views.items()})
    return Alarms(int((strange > 1).sum()), len(strange))


def _scaled(known: Tensor, each: bool) -> View | None:
    """A view of known examples, if they differ in it. each: whether every value has a scale of its own."""
    mean, spread = known.mean(0), known.std(0, correction=0)
    even = float(spread.mean())
    if not math.isfinite(even) or even == 0:
        return None
    spread = spread.clamp_min(FLOOR * even) if each else torch.full_like(spread, max(even, SLACK))
    return View(((known - mean) / spread).half(), mean, spread, 1.0)


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
