"""The ways an example is seen, to tell whether it is like what a net learnt from; noted while the net is asked anyway.

They are the values that vote in the net, the example's coarse layout, and how its values are spread and differ from
place to place. Knows nothing of what is near or far.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol, Self

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from glassnet.nets.convnet import ConvNet
from glassnet.training.cluster import Cluster

MOST = 10_000  # held-out examples that set the limit, and test examples that are measured by it, spread over all
WIDEST = 256  # voting values that are compared each for itself
COARSE = {1: 64, 2: 8, 3: 4}  # places along each axis of a layout, by the number of axes
LEVELS = 9  # of the values' spread
LAGS = (1, 2, 4)
CHANNELS = 16  # that are looked at each for itself
TOGETHER = 1_024  # examples that are compared at a time

Views = Mapping[str, Tensor]


class Measure(Protocol):
    """What tells how far examples are."""

    def distance(self, values: Tensor) -> Tensor:
        """(N,) of (N, D) values."""


class Noted:
    """Within it every pass through a net is seen, so that no example has to be asked about twice for its views.

    examples: how many will pass; of more than MOST every second, third, ... is noted. both_ways: whether mirror images
    follow the examples in each pass. is_words: see views_of. known: where only how far each example is by these
    measures is noted, which takes little room.
    """

    def __init__(
        self,
        net: ConvNet,
        examples: int,
        both_ways: bool = False,
        is_words: bool = False,
        known: Mapping[str, Measure] | None = None,
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
