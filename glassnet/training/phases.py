"""The phases of a training, and the examples that those without labels learn and begin from."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar, cast

from torch import Tensor

from glassnet.data.loader import Batches, Loader
from glassnet.nets.network import Network, Phase
from glassnet.training.recipe import Recipe

SOME = 512  # examples that a phase without labels begins from, and is judged by
FEWEST = 8  # steps of such a phase

Feed = TypeVar("Feed", bound=Batches)


def phases_of(net: Network, recipe: Recipe, has_labels: bool) -> tuple[Phase, ...]:
    """The stretches of a training, those without labels as long as the recipe has patience."""
    kept = [phase for phase in net.phases() if has_labels or not phase.has_labels]
    return tuple(
        phase if phase.has_labels else replace(phase, steps=max(FEWEST, round(phase.steps * recipe.patience)))
        for phase in kept
    )


def examples_of(feed: Feed, phase: Phase) -> Feed:
    """The batches of a phase without labels."""
    assert isinstance(feed, Loader), "only whole examples are learnt without labels"
    return cast(Feed, feed.of(phase.batch, phase.steps))


def some(feed: Batches) -> Tensor:
    """Some examples as they are, (N, C, *S)."""
    assert isinstance(feed, Loader), "only whole examples are learnt without labels"
    return feed.some(SOME)
