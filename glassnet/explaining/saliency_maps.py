"""SALIENCY: every way to ask which places an answer hangs on, each beside what it shows of a net without learning."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from glassnet.explaining.gradients import STEPS, grad_cam, integrated_gradients
from glassnet.explaining.saliency import occlusion, pieces_of, stride_of
from glassnet.explaining.sanity import randomised, rank_correlation
from glassnet.nets.network import BothWays

Floats = NDArray[np.float64]
RANDOM_NETS = 3  # one alone may resemble a small map by chance
LARGE, FEWER = 8192, 16  # an input of so many places is compared with one, roughly: fewer pieces, so many steps
MUCH = LARGE * 400  # so is one of so many places in all that nets look at while its pieces are covered
ALIKE, AKIN = 0.7, 0.4  # from so strong a correlation on a map is taken for nearly the same, for partly the same


@dataclass(frozen=True)
class SaliencyMap:
    """Which places the answer hangs on, by one method. values: (*S), positive for the class; or at smaller maps' size.

    random: rank correlation with the map of each of some nets with random weights.
    """

    name: str
    values: Floats
    random: tuple[float, ...]

    @property
    def correlation(self) -> float:
        """How much of the picture is left when nothing is learnt, over all random nets: 0 none, 1 all."""
        return float(np.mean(np.abs(self.random)))

    @property
    def is_blank(self) -> bool:
        """Whether it is the same everywhere, as a Grad-CAM is where on the whole no map speaks for the class."""
        return float(np.ptp(self.values)) == 0

    @property
    def sanity(self) -> str:
        """What the comparison says, in words."""
        if self.is_blank:
            return "the same everywhere: it says nothing here"
        if self.correlation >= ALIKE:
            return "nearly the same picture without learning: it tells of the input, not of the net"
        if self.correlation >= AKIN:
            return "partly the same picture without learning: read it with care"
        return "another picture without learning, as it should be"

    def as_json(self) -> dict[str, object]:
        """What the comparison gave; the values are in the page."""
        return {
            "method": self.name,
            "shape": list(self.values.shape),
            "random_weights": {"rank_correlations": list(self.random), "left": self.correlation, "says": self.sanity},
        }


def saliency_maps(
    net: nn.Module,
    x: Tensor,
    k: int,
    piece: int | None = None,
    both_ways: bool = False,
    known: Mapping[str, Floats] | None = None,
) -> tuple[SaliencyMap, ...]:
    """The maps of every method for class k. x: (1, C, *S), normalised. piece: places a side that are covered at a time.

    both_ways: whether the net is asked about the mirror image too. known: maps of this net that are made already.
    """
    found, rough = [], _is_much(tuple(x.shape[2:]), piece)
    others = [randomised(net, seed) for seed in range(1 if rough else RANDOM_NETS)]
    for name, method in SALIENCY.items():
        values = (known or {}).get(name)
        if values is None:
            values = method(net, x, k, piece, both_ways)
        if values is None:
            continue
        compared = method(net, x, k, piece, both_ways, True) if rough else values
        pictures = [method(other, x, k, piece, both_ways, rough) for other in others]
        pairs = [(compared, one) for one in pictures if compared is not None and one is not None]
        found.append(SaliencyMap(name, values, tuple(rank_correlation(*pair) for pair in pairs)))
    return tuple(found)


def _is_much(sizes: Sequence[int], piece: int | None) -> bool:
    """Whether asking several nets about every piece takes too long."""
    places, window = math.prod(sizes), _window(sizes, piece)
    return places >= LARGE or places * len(pieces_of(sizes, window, stride_of(window, len(sizes)))) >= MUCH


def _window(sizes: Sequence[int], piece: int | None) -> int:
    return piece or max(1, round(max(sizes) / 4))


class Method(Protocol):
    """A way to ask. Returns (*S), or at the size of smaller maps, or None. rough: with less work, to compare nets."""

    def __call__(
        self, net: nn.Module, x: Tensor, k: int, piece: int | None, both_ways: bool, rough: bool = False
    ) -> Floats | None: ...


def _occlusion(
    net: nn.Module, x: Tensor, k: int, piece: int | None, both_ways: bool, rough: bool = False
) -> Floats | None:
    window = _window(x.shape[2:], piece)
    return occlusion(BothWays(net) if both_ways else net, x, k, window, window if rough else None)


def _integrated_gradients(
    net: nn.Module, x: Tensor, k: int, piece: int | None, both_ways: bool, rough: bool = False
) -> Floats | None:
    return integrated_gradients(BothWays(net) if both_ways else net, x, k, FEWER if rough else STEPS)


def _grad_cam(
    net: nn.Module, x: Tensor, k: int, piece: int | None, both_ways: bool, rough: bool = False
) -> Floats | None:
    """Of both ways the mean of two maps, the mirror image's turned back."""
    first = grad_cam(net, x, k)
    second = grad_cam(net, x.flip(-1), k) if both_ways else first
    return (
        (first + (second[..., ::-1] if both_ways else second)) / 2 if first is not None and second is not None else None
    )


SALIENCY: dict[str, Method] = {
    "occlusion": _occlusion,
    "integrated gradients": _integrated_gradients,
    "Grad-CAM": _grad_cam,
}
