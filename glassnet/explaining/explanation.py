"""Explanation: all that was found out about one answer. Knows a net and an example, not where they came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from glassnet import files
from glassnet.data.dataset import Array, Preparation
from glassnet.data.kind import Axis
from glassnet.data.kinds import KINDS
from glassnet.explaining.arithmetic import Arithmetic, Place, arithmetic, thread
from glassnet.explaining.explain_page import explain_page
from glassnet.explaining.saliency import occlusion
from glassnet.explaining.trace import Step, trace
from glassnet.explaining.votes import Votes, vote_map, votes
from glassnet.nets.convnet import ConvNet
from glassnet.nets.network import BothWays
from glassnet.training.evaluate import softmax

PIECE = 0.6  # of the greatest fall: what falls that far belongs to the piece that the answer hangs on
MOST_VOTES = 1000  # a class, in JSON; the weaker ones are counted and summed


@dataclass(frozen=True)
class Scene:
    """An example as a person meets it. picture: (1 or 3, H, W) bytes. axes: what its places are called.

    ink: whether bright is ink, drawn dark on a page. sound: what it sounds like, as a data URI. noun: what it is.
    piece: places a side that are covered at a time; a quarter of them unless given.
    """

    picture: NDArray[np.uint8]
    axes: tuple[Axis, ...]
    ink: bool = False
    sound: str = ""
    noun: str = "picture"
    piece: int | None = None


@dataclass(frozen=True)
class Explanation:
    """Why a net answers an example as it does. model: what the net is called. tested: a sentence on what it is worth.

    raw: (C, *S) as it was read. scene: as a person meets it. x: (1, C, *S) as the net sees it. steps: of x. views: the
    votes of x and, where the net is asked about it too, of its mirror image. votes: their mean. probability: (K,).
    occluded: (*S) how much the answer's logit falls where a piece is covered. voted: (*S') where in the last maps its
    votes come from, or None.
    """

    name: str
    model: str
    tested: str
    classes: tuple[str, ...]
    net: ConvNet
    raw: Array
    x: Tensor
    scene: Scene
    steps: tuple[Step, ...]
    views: tuple[Votes, ...]
    votes: Votes
    probability: NDArray[np.float64]
    occluded: NDArray[np.float64]
    voted: NDArray[np.float64] | None

    @property
    def answer(self) -> int:
        """The class it says."""
        return int(self.probability.argmax())

    @property
    def runner_up(self) -> int:
        """The class it says next."""
        return int(np.argsort(-self.probability, kind="stable")[1])

    def step(self, name: str) -> int:
        """The place of a step among the steps, by its name."""
        return next(i for i, step in enumerate(self.steps) if step.name == name)

    def thread(self) -> list[tuple[int, Place]]:
        """The way from the strongest vote for the answer back to the first layer, as (step, place)."""
        strongest = int(self.votes.strongest(self.answer)[0])
        return thread(self.steps, self.votes.made_by, self.votes.place(strongest)) if self.votes.made_by >= 0 else []

    def arithmetic(self, name: str, at: Place) -> Arithmetic:
        """One value written out. name: of the step, as "conv1". at: (feature, *place), from 0."""
        return arithmetic(self.steps[self.step(name)], at)

    def hangs_on(self) -> tuple[str, ...]:
        """Where the answer would fall furthest if a piece were covered, an axis at a time: "columns 3 to 5"."""
        top = float(self.occluded.max())
        if top <= 0:
            return ()
        found = []
        for i, axis in enumerate(self.scene.axes):
            needed = self.occluded.max(axis=tuple(j for j in range(self.occluded.ndim) if j != i)) >= PIECE * top
            first = last = int(np.unravel_index(self.occluded.argmax(), self.occluded.shape)[i])
            while first and needed[first - 1]:
                first -= 1
            while last + 1 < len(needed) and needed[last + 1]:
                last += 1
            found.append(axis.words(range(first, last + 1)))
        return tuple(found)

    def html(self) -> str:
        """The page of this explanation: one self-contained file."""
        return explain_page(self)

    def save(self, path: str | Path) -> Path:
        """Writes the page. Raises GlassnetError where that can't be done."""
        files.write_file(Path(path), self.html())
        return Path(path)

    def as_json(self) -> dict[str, object]:
        """As `glassnet explain --json` prints it: each class's votes, that add up to its logit."""
        maker = self.steps[self.votes.made_by].name if self.votes.made_by >= 0 else "input"
        return {
            "input": self.name,
            "class": self.classes[self.answer],
            "score": float(self.probability[self.answer]),
            "values_from": maker,
            "views": len(self.views),
            "hangs_on": list(self.hangs_on()),
            "votes": {name: self._class_votes(k) for k, name in enumerate(self.classes)},
        }

    def _class_votes(self, k: int) -> dict[str, object]:
        cast, order = self.votes, self.votes.strongest(k)
        contribution = cast.contribution[k]
        shown, rest = order[:MOST_VOTES], order[MOST_VOTES:]
        return {
            "logit": float(cast.logit[k]),
            "probability": float(self.probability[k]),
            "by_view": [float(view.logit[k]) for view in self.views],
            "bias": float(cast.bias[k]),
            "values": [
                {
                    "at": list(cast.place(int(f))),
                    "value": float(cast.values[f]),
                    "weight": float(cast.weights[k, f]),
                    "vote": float(contribution[f]),
                }
                for f in shown
            ],
            "weaker": {"count": len(rest), "vote": float(contribution[rest].sum())},
        }


def explain(
    net: ConvNet,
    classes: tuple[str, ...],
    raw: Array,
    x: Tensor,
    name: str,
    model: str = "the net",
    tested: str = "",
    scene: Scene | None = None,
    both_ways: bool = False,
) -> Explanation:
    """Finds out why a net answers one example as it does. x: (1, C, *S), normalised, of the example `raw` (C, *S).

    scene: by default the example as a picture. both_ways: whether the net is asked about the mirror image too; a vote
    being a product, the mean of two votes is the vote of the two values' mean.
    """
    steps = tuple(trace(net, x))
    scene = scene or _by_its_axes(raw)
    passes = [steps, trace(net, x.flip(-1))] if both_ways else [steps]
    views = tuple(votes(one) for one in passes)
    cast = replace(views[0], values=np.mean([view.values for view in views], 0))
    probability = softmax(cast.logit[None])[0]
    answer = int(probability.argmax())
    return Explanation(
        name=name,
        model=model,
        tested=tested,
        classes=classes,
        net=net,
        raw=raw,
        x=x,
        scene=scene,
        steps=steps,
        views=views,
        votes=cast,
        probability=probability,
        occluded=occlusion(BothWays(net) if both_ways else net, x, answer, scene.piece),
        voted=_voted(passes, views, answer),
    )


def _by_its_axes(raw: Array) -> Scene:
    """An array that came without its kind, as the kind of so many axes shows it."""
    kind = next(kind for kind in KINDS.values() if kind.array_axes == raw.ndim - 1)
    preparation = Preparation(raw.shape)
    return Scene(kind.picture(raw, preparation), kind.axes(preparation, raw), noun=kind.one)


def _voted(passes: Sequence[Sequence[Step]], views: Sequence[Votes], k: int) -> NDArray[np.float64] | None:
    """Where the votes for class k come from, the mirror image's turned back; None where values have no places."""
    maps = [vote_map(steps, cast, k) for steps, cast in zip(passes, views, strict=True)]
    turned = [one if i == 0 or one is None else one[..., ::-1] for i, one in enumerate(maps)]
    found = [one for one in turned if one is not None]
    return np.asarray(np.mean(found, 0)) if found else None
