"""The votes on a region: its features times weights plus biases, for the class that was said and for what came next."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glassnet.nets.rcnn.cropped import Cropped
from glassnet.nets.rcnn.judging import RegionNet
from glassnet.words import counted

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Voters:
    """What casts votes on every region. weights: (V, F). bias: (V,). names: V, the classes, the background perhaps.

    chances: (K, 2) slope and offset that make a margin of an SVM a score; None where scores are a softmax's.
    """

    weights: Floats
    bias: Floats
    names: tuple[str, ...]
    chances: Floats | None

    @property
    def unit(self) -> str:
        """What a sum of votes is called."""
        return "logit" if self.chances is None else "margin"


@dataclass(frozen=True)
class RegionVotes:
    """The votes on one region. values: (F,). said: the voter that was said. against: the strongest other, or None.

    contribution: (V, F) weight times value. logit: (V,) contributions and bias summed up.
    """

    voters: Voters
    values: Floats
    said: int
    contribution: Floats
    logit: Floats
    against: int | None

    @property
    def difference(self) -> Floats:
        """(F,) what each feature puts in for what was said, above what it puts in for the other."""
        other = 0.0 if self.against is None else self.contribution[self.against]
        return np.asarray(self.contribution[self.said] - other)

    def strongest(self, most: int) -> NDArray[np.int64]:
        """Features whose votes differ most, so many at most; none that makes no difference."""
        sizes = np.abs(self.difference)
        order = np.argsort(-sizes, kind="stable")[:most]
        return np.asarray(order[sizes[order] > 0])

    def rest(self, voter: int, most: int) -> float:
        """What all the other features put in for a voter."""
        return float(np.delete(self.contribution[voter], self.strongest(most)).sum())

    @property
    def score(self) -> float:
        """What the logit comes to between 0 and 1."""
        chances = self.voters.chances
        if chances is not None:
            slope, offset = chances[self.said]
            return 1 / (1 + math.exp(-float(slope * self.logit[self.said] + offset)))
        shares = np.exp(self.logit - self.logit.max())
        return float(shares[self.said] / shares.sum())

    @property
    def score_words(self) -> str:
        """How the score comes from it: "softmax of 4 logits"."""
        chances = self.voters.chances
        if chances is None:
            return f"softmax of {counted(len(self.logit), 'logit')}"
        slope, offset = chances[self.said]
        return f"sigmoid of {slope:.2f} × margin {'+' if offset >= 0 else chr(0x2212)} {abs(offset):.2f}"


def voters_of(net: RegionNet, classes: tuple[str, ...]) -> Voters:
    """Who votes in a net."""
    weights, bias, more = net.voters()
    chances = None
    if isinstance(net, Cropped) and net.has_svms:
        chances = net.get_buffer("chances").double().cpu().numpy()
    names = (*classes, *more)
    return Voters(weights.detach().double().cpu().numpy(), bias.detach().double().cpu().numpy(), names, chances)


def cast(voters: Voters, values: NDArray[np.floating], said: int) -> RegionVotes:
    """The votes on a region by its features (F,). said: the class that it was said to be."""
    exact = np.asarray(values, np.float64)
    contribution = voters.weights * exact
    logit = contribution.sum(1) + voters.bias
    others = np.delete(np.arange(len(logit)), said)
    against = int(others[logit[others].argmax()]) if len(others) else None
    return RegionVotes(voters, exact, said, contribution, logit, against)
