"""Whether an example is like anything the net learnt from: how far its nearest training example is, against a limit.

An example is seen in three ways: the values that vote in the net (Sun et al. 2022, "Out-of-distribution detection with
deep nearest neighbors"), its coarse layout, and how its values are spread and differ from place to place. Noise and
foreign pictures give themselves away in the last two where a small net, which has learnt to overlook them, does not.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from glassnet.data.loader import Loader
from glassnet.nets.convnet import ConvNet
from glassnet.training.cluster import Cluster
from glassnet.training.evaluate import wilson

WANTED = 0.01  # of real examples that may be refused
BANK = 2_000  # training examples that are remembered
MOST = 10_000  # held-out examples that set the limit, and test examples that are measured by it, spread over all
WIDEST = 256  # voting values that are compared each for itself
FEWEST = 5  # examples on either side
COARSE = {1: 64, 2: 8, 3: 4}  # places along each axis of a layout, by the number of axes
TOGETHER = 1_024  # examples that are compared at a time
LEVELS = 9  # of the values' spread
LAGS = (1, 2, 4)
CHANNELS = 16  # that are looked at each for itself
FLOOR = 0.25  # of the mean spread: what varies less counts as much
SLACK = 1e-3  # of a layout that never differs

Views = Mapping[str, Tensor]


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


class Noted:
    """Within it every pass through a net is seen, so that no example has to be asked about twice for its views.

    examples: how many will pass; of more than MOST every second, third, ... is noted. both_ways: whether mirror images
    follow the examples in each pass. is_words: see views_of. known: where only how far each example is in these views
    is noted, which takes little room.
    """

    def __init__(
        self,
        net: ConvNet,
        examples: int,
        both_ways: bool = False,
        is_words: bool = False,
        known: Mapping[str, View] | None = None,
    ) -> None:
        self._net, self._parts, self._is_words, self._known = net, 2 if both_ways else 1, is_words, known
        self._every = max(1, -(-examples // MOST))
        self._wanted, self._passed, self._noted = -(-examples // self._every), 0, 0
        self._room: dict[str, Tensor] = {}  # one for all: pieces between the passes would keep memory from being reused
        self._waiting: dict[str, Tensor] = {}  # views that are not yet enough to be compared together
        self._count = 0
        self._x: list[Tensor] = []
        self._hooks: list[RemovableHandle] = []

    def __enter__(self) -> Self:
        self._hooks = [
            self._net.register_forward_pre_hook(lambda _, inputs: self._x.append(inputs[0])),
            self._net.votes.register_forward_pre_hook(lambda _, inputs: self._note(inputs[0])),
        ]
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()

    @property
    def views(self) -> dict[str, Tensor]:
        """Of all examples, in order: what they look like, (N, D), or how far they are, (N,)."""
        self._keep()
        return {name: values[: self._noted] for name, values in self._room.items()}

    def _note(self, voted: Tensor) -> None:
        x = self._x.pop()
        mine = len(x) // self._parts
        first = -self._passed % self._every
        self._passed += mine
        if first >= mine:
            return
        taken = slice(first, mine, self._every)
        seen = views_of(x[taken].detach(), voted[taken].detach(), self._is_words)
        done, count = 0, len(range(mine)[taken])
        while done < count:
            some = min(count - done, TOGETHER - self._count)
            for name, values in seen.items():
                room = self._waiting.setdefault(name, torch.empty(min(self._wanted, TOGETHER), values.shape[1]))
                room[self._count : self._count + some] = values[done : done + some]
            done += some
            self._count += some
            if self._count == TOGETHER:
                self._keep()

    def _keep(self) -> None:
        """Makes of the views that wait what is wanted of them."""
        seen = {name: values[: self._count] for name, values in self._waiting.items()}
        if self._known is not None:
            seen = {name: view.distance(seen[name]) for name, view in self._known.items()} if seen else {}
        for name, values in seen.items():
            room = self._room.setdefault(name, torch.empty(self._wanted, *values.shape[1:]))
            room[self._noted : self._noted + len(values)] = values
        self._noted += self._count
        self._count = 0


def gathered(views: Views, cluster: Cluster) -> Views:
    """The views of all processes' examples, in order."""
    return {name: cluster.gathered(values) for name, values in views.items()}


@contextmanager
def voting(net: ConvNet) -> Iterator[list[Tensor]]:
    """Within it, every pass through the net adds the values that voted, as (B, *) tensors. Takes no time."""
    values: list[Tensor] = []
    mine = threading.get_ident()  # others may be using the net too

    def note(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if threading.get_ident() == mine:
            values.append(inputs[0].detach())

    hook = net.votes.register_forward_pre_hook(note)
    try:
        yield values
    finally:
        hook.remove()


def views_of(x: Tensor, voted: Tensor, is_words: bool = False) -> dict[str, Tensor]:
    """The ways an example is seen, each (B, D). x: (B, C, *S) as the net sees it. voted: (B, F) the values that voted.

    is_words: whether x are numbers of words, of which only how many there are says anything by itself.
    """
    seen = {"votes": _narrow(voted.flatten(1).float())}
    if is_words:
        return seen | {"spread": (x > 0).float().flatten(1).mean(1, keepdim=True)}
    x = x.float()
    return seen | {"layout": _layout(x), "spread": torch.cat([_levels(x), *_differences(x)], 1)}


def _narrow(values: Tensor) -> Tensor:
    """(B, F) of many values their means over stretches, so that no net's memory grows without end."""
    return values if values.shape[1] <= WIDEST else pooled(values[:, None], (WIDEST,))[:, 0]


def _layout(x: Tensor) -> Tensor:
    size = tuple(min(COARSE[x.dim() - 2], n) for n in x.shape[2:])
    return pooled(_few_channels(x), size).flatten(1)


def pooled(x: Tensor, size: Sequence[int]) -> Tensor:
    """(B, C, *size) means over stretches of each axis, as torch's adaptive pooling has them. x: (B, C, *S).

    A product of matrices an axis, which every program that a net may leave for has.
    """
    for axis, wanted in enumerate(size, 2):
        count = x.shape[axis]
        place, part = torch.arange(count, device=x.device), torch.arange(wanted, device=x.device)[:, None]
        first, end = part * count // wanted, ((part + 1) * count + wanted - 1) // wanted
        share = ((place >= first) & (place < end)) / (end - first)  # (wanted, count)
        x = (x.transpose(axis, -1) @ share.T.to(x.dtype)).transpose(axis, -1)
    return x


def _levels(x: Tensor) -> Tensor:
    """Each channel's values at even shares of its places, from the lowest to the highest."""
    order = _few_channels(x).flatten(2).sort(2).values  # (B, C, places)
    places = torch.linspace(0, order.shape[2] - 1, LEVELS, device=x.device).round().long()
    return order[:, :, places].flatten(1)


def _differences(x: Tensor) -> Iterator[Tensor]:
    """How much neighbours differ in each channel, along each axis, some places apart."""
    x = _few_channels(x)
    for axis, lag in itertools.product(range(2, x.dim()), LAGS):
        if x.shape[axis] > lag:
            length = x.shape[axis] - lag
            yield (x.narrow(axis, lag, length) - x.narrow(axis, 0, length)).abs().flatten(2).mean(2)


def _few_channels(x: Tensor) -> Tensor:
    """As x, with at most CHANNELS channels: neighbouring ones are averaged."""
    if x.shape[1] <= CHANNELS:
        return x
    return torch.stack([part.mean(1) for part in x.tensor_split(CHANNELS, 1)], 1)


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
