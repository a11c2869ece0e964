"""Votes: each class's logit split into weight times value, a line a value. Knows little but the last layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from glassnet.explaining.trace import Step, sources
from glassnet.nets.layers import Max, Mean
from glassnet.words import counted

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Told:
    """Votes for a class as people are told them. shown: places of values, one by one. rest: all else, with the bias.

    words: what the rest is.
    """

    shown: NDArray[np.int64]
    words: str
    rest: float


@dataclass(frozen=True)
class Votes:
    """How the values of the last layer vote. values: (F,). weights, contribution: (K, F). bias, logit: (K,).

    contribution + bias adds up to logit, in float64. made_by: the step whose values vote, before they were laid in a
    row or let through by a dropout (-1: the input itself). shape: of its values, (C, *S) or (F,).
    """

    values: Floats
    weights: Floats
    bias: Floats
    made_by: int
    shape: tuple[int, ...]

    @property
    def contribution(self) -> Floats:
        return self.weights * self.values

    @property
    def logit(self) -> Floats:
        return np.asarray(self.contribution.sum(1) + self.bias)

    def strongest(self, k: int) -> NDArray[np.int64]:
        """Places of the values by the size of their vote for class k, the strongest first."""
        return np.argsort(-np.abs(self.contribution[k]), kind="stable")

    def told(self, k: int, most: int) -> Told:
        """The strongest for class k, so many at most, one at least, and none beside it that casts nothing."""
        order, contribution = self.strongest(k), self.contribution[k]
        count = max(1, int(np.count_nonzero(contribution[order[:most]])))
        others = order[count:]
        words = f"{counted(len(others), 'weaker vote')} and the bias" if len(others) else "the bias"
        return Told(order[:count], words, float(contribution[others].sum() + self.bias[k]))

    def place(self, f: int) -> tuple[int, ...]:
        """Where value f stands in the layer that made it: (feature, *place)."""
        return tuple(int(i) for i in np.unravel_index(f, self.shape))


def votes(steps: Sequence[Step], at: int = -1) -> Votes:
    """The votes of a traced pass. at: the step that counts them, a fully connected layer, by default the last."""
    last = steps[at]
    assert isinstance(last.layer, nn.Linear), "votes are counted by fc, and every net ends in one"
    values = last.inputs[0][0].double().cpu().numpy()
    weights = last.layer.weight.detach().double().cpu().numpy()
    bias = last.layer.bias.detach().double().cpu().numpy() if last.layer.bias is not None else np.zeros(len(weights))
    came_from = sources(steps)
    made_by, shape = came_from[at][0], values.shape
    while made_by >= 0 and isinstance(steps[made_by].layer, (nn.Flatten, nn.Dropout)):
        if isinstance(steps[made_by].layer, nn.Flatten):
            shape = tuple(steps[made_by].inputs[0].shape[1:])
        made_by = came_from[made_by][0]
    return Votes(values, weights, bias, made_by, shape)


def hidden_votes(steps: Sequence[Step]) -> tuple[tuple[int, Votes], ...]:
    """How hidden categories came by their values: the votes in each fully connected layer below the last.

    Returns (step, votes) pairs, the layer next to the classes first; there a class is a hidden category, a logit its
    value before its ReLU.
    """
    layers = [i for i, step in enumerate(steps[:-1]) if isinstance(step.layer, nn.Linear)]
    return tuple((i, votes(steps, i)) for i in reversed(layers))


def vote_map(steps: Sequence[Step], cast: Votes, k: int) -> Floats | None:
    """(*S) where in the last maps the votes for class k come from; None where values have lost their places.

    A value that is a mean over places shares its vote among them by what each place put in: class activation mapping,
    Zhou et al. 2016. One that is the largest of its map gives it to the place where that stands. Adds up to the logit
    without its bias.
    """
    if len(cast.shape) > 1:
        return np.asarray(cast.contribution[k].reshape(cast.shape).sum(0))  # (*S)
    maker = steps[cast.made_by]
    if cast.made_by < 0 or not isinstance(maker.layer, (Max, Mean)):
        return None
    maps = maker.inputs[0][0].double().cpu().numpy()  # (C, *S)
    if isinstance(maker.layer, Max):
        votes_at = np.zeros(maps[0].size)
        np.add.at(votes_at, maps.reshape(len(maps), -1).argmax(1), cast.contribution[k])
        return votes_at.reshape(maps.shape[1:])
    places = int(np.prod(maps.shape[1:]))
    return np.asarray(np.tensordot(cast.weights[k], maps, 1) / places)
