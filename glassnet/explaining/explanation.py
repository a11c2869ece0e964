"""Explanation: all that was found out about one answer. Knows a net and an example, not where they came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from glassnet import files
from glassnet.data.dataset import Array, Preparation
from glassnet.data.kinds import KINDS
from glassnet.deck import ErrorTable, error_table
from glassnet.explaining.arithmetic import Arithmetic, Place, arithmetic, seen, thread
from glassnet.explaining.explain_inline import explanation_inline
from glassnet.explaining.explain_json import explain_json
from glassnet.explaining.explain_page import explain_page
from glassnet.explaining.explain_picture import explain_picture
from glassnet.explaining.halves import Half, fills_in, halves
from glassnet.explaining.saliency import occlusion
from glassnet.explaining.saliency_maps import SaliencyMap, saliency_maps
from glassnet.explaining.scene import Scene
from glassnet.explaining.trace import Step, sources, trace
from glassnet.explaining.votes import Votes, hidden_votes, vote_map, votes
from glassnet.nets.convnet import ConvNet
from glassnet.nets.layers import Max, Mean
from glassnet.nets.network import PLAIN, BothWays, Criterion
from glassnet.training.evaluate import softmax

PIECE = 0.6  # of the greatest fall: what falls that far belongs to the piece that the answer hangs on


@dataclass(frozen=True)
class Explanation:
    """Why a net answers an example as it does. model: what the net is called. tested: a sentence on what it is worth.

    raw: (C, *S) as it was read. scene: as a person meets it. x: (1, C, *S) as the net sees it. steps: of x. views: the
    votes of x and, where the net is asked about it too, of its mirror image. votes: their mean. probability: (K,)
    shares of 1; of a net that learnt without labels the chance of each feature to be there.
    occluded: (*S) how much the answer's logit falls where a piece is covered. voted: (*S') where in the last maps its
    votes come from, or None. right: the class that would be right, where that is known. criterion: how training counted
    wrong answers. temperature: what votes were divided by after training.
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
    right: int | None = None
    criterion: Criterion = PLAIN
    temperature: float = 1.0
    strangeness: float | None = None

    @property
    def is_none_of_these(self) -> bool:
        """Whether x is like nothing that the net learnt from, whatever the votes say."""
        return self.strangeness is not None and self.strangeness > 1

    @property
    def answer(self) -> int:
        """The class it says."""
        return int(self.probability.argmax())

    @property
    def runner_up(self) -> int:
        """The class it says next."""
        return int(np.argsort(-self.probability, kind="stable")[1])

    @cached_property
    def saliency(self) -> tuple[SaliencyMap, ...]:
        """Which places the answer hangs on, by each method, made when it is first asked for."""
        known = {"occlusion": self.occluded} if self.occluded.any() else {}
        return saliency_maps(self.net, self.x, self.answer, self.scene.piece, len(self.views) > 1, known)

    @cached_property
    def halves(self) -> tuple[Half, ...]:
        """Each half hidden and filled in; none where the net learnt nothing without labels."""
        return halves(self.net, self.x, self.raw) if fills_in(self.net, self.raw) else ()

    @property
    def error(self) -> ErrorTable | None:
        """The slides' error of this answer; None where the right one isn't known."""
        return None if self.right is None else error_table(self.right, self.probability)

    @property
    def loss(self) -> float | None:
        """What training pressed down: the cross-entropy of this answer; None where the right one isn't known."""
        if self.right is None:
            return None
        trained = torch.as_tensor(self.votes.logit[None] * self.temperature)
        return self.criterion.of(trained, torch.tensor([self.right])).item()

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

    @cached_property
    def hidden(self) -> tuple[tuple[int, Votes], ...]:
        """How hidden categories came by their values, of x itself: (step, votes), from the classes down."""
        return hidden_votes(self.steps)

    def made_of(self, f: int, cast: Votes | None = None) -> tuple[str, ...]:
        """The words that voting value f was made of, or most of, where it stands for a whole map; else nothing."""
        cast = cast or self.votes
        maker = cast.made_by
        if maker < 0 or not isinstance(self.steps[maker].layer, (Max, Mean)) or not cast.values[f]:
            return ()
        spans = seen(self.steps, maker, cast.place(f)) or []
        return tuple(axis.words(span) for axis, span in zip(self.scene.axes, spans, strict=False))

    def where(self, f: int, cast: Votes | None = None) -> str:
        """A voting value in words, counted from 1: "feature 12, row 3, column 5", "feature 12, “very good”".

        cast: of whom, the classes' votes unless given.
        """
        cast = cast or self.votes
        channel, *place = cast.place(f)
        axes = self.scene.axes if place else ()
        at = [f"{axis.name} {i + 1}" for axis, i in zip(axes, place, strict=True)]
        what = "hidden category" if self._is_hidden(cast.made_by) else "feature"
        return ", ".join((f"{what} {channel + 1}", *at, *(self.made_of(f, cast) if self.scene.spelt else ())))

    def _is_hidden(self, step: int) -> bool:
        """Whether a step's values are those of a fully connected layer, which have no place."""
        while step >= 0 and self.steps[step].output.dim() == 2 and not isinstance(self.steps[step].layer, nn.Linear):
            step = self._came_from[step][0]
        return step >= 0 and isinstance(self.steps[step].layer, nn.Linear)

    @cached_property
    def _came_from(self) -> list[tuple[int, ...]]:
        return sources(self.steps)

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

    def __repr__(self) -> str:
        return f"<Explanation of {self.name}: {self.classes[self.answer]} {self.probability[self.answer]:.2f}>"

    def _repr_html_(self) -> str:
        """Its gist, as a notebook shows it."""
        return explanation_inline(self)

    def html(self) -> str:
        """The page of this explanation: one self-contained file."""
        return explain_page(self)

    def png(self) -> bytes:
        """The same as one picture, for a paper."""
        return explain_picture(self)

    def save(self, path: str | Path) -> Path:
        """Writes the page, or a picture where the path ends in .png. Raises GlassnetError where that can't be done."""
        files.write_file(Path(path), self.png() if Path(path).suffix.lower() == ".png" else self.html())
        return Path(path)

    def as_json(self, saliency: bool = False) -> dict[str, object]:
        """As `glassnet explain --json` prints it: each class's votes, that add up to its logit.

        saliency: also how much of each saliency map is left without learning, which may take long.
        """
        return explain_json(self, saliency)


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
    covered: bool = True,
    right: int | None = None,
    criterion: Criterion = PLAIN,
    temperature: float = 1.0,
    chances: bool = False,
) -> Explanation:
    """Finds out why a net answers one example as it does. x: (1, C, *S), normalised, of the example `raw` (C, *S).

    scene: by default the example as a picture. both_ways: whether the net is asked about the mirror image too; a vote
    being a product, the mean of two votes is the vote of the two values' mean. covered: whether pieces are covered to
    see what the answer hangs on, which may take long; `occluded` is 0 everywhere if not. right, criterion,
    temperature: as the explanation has them. chances: whether logits are chances as they are.
    """
    steps = tuple(trace(net, x))
    scene = scene or _by_its_axes(raw)
    passes = [steps, trace(net, x.flip(-1))] if both_ways else [steps]
    views = tuple(votes(one) for one in passes)
    cast = replace(views[0], values=np.mean([view.values for view in views], 0))
    probability = cast.logit if chances else softmax(cast.logit[None])[0]
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
        occluded=(
            occlusion(BothWays(net) if both_ways else net, x, answer, scene.piece) if covered else np.zeros(x.shape[2:])
        ),
        voted=_voted(passes, views, answer),
        right=right,
        criterion=criterion,
        temperature=temperature,
    )


def _by_its_axes(raw: Array) -> Scene:
    """An array that came without its kind, as the kind of so many axes shows it."""
    kind = next(kind for kind in KINDS.values() if kind.array_axes == raw.ndim - 1)
    preparation = Preparation(raw.shape)
    return Scene(kind.picture(raw, preparation), kind.axes(preparation, raw), noun=kind.one, spelt=kind.looked_up)


def _voted(passes: Sequence[Sequence[Step]], views: Sequence[Votes], k: int) -> NDArray[np.float64] | None:
    """Where the votes for class k come from, the mirror image's turned back; None where values have no places."""
    maps = [vote_map(steps, cast, k) for steps, cast in zip(passes, views, strict=True)]
    turned = [one if i == 0 or one is None else one[..., ::-1] for i, one in enumerate(maps)]
    found = [one for one in turned if one is not None]
    return np.asarray(np.mean(found, 0)) if found else None
