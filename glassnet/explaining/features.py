"""Features: what each feature of each layer of a net answers to, in a data set. Knows not where they came from."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glassnet import files
from glassnet.data.dataset import Dataset, Normalisation
from glassnet.data.kinds import KINDS
from glassnet.data.sentences import RARE
from glassnet.explaining.exciting import TOGETHER, Exciting, afford, can_excite, excite
from glassnet.explaining.features_json import features_json
from glassnet.explaining.features_page import features_page
from glassnet.explaining.feeds import Feeds, Sums
from glassnet.explaining.levels import Level, levels, widths
from glassnet.explaining.patches import Patches, Running, outputs
from glassnet.nets.convnet import ConvNet
from glassnet.nets.text import activations, measure
from glassnet.training.machine import LIGHT, choose_threads, using

ROOM = 20_000_000  # values of a batch that may lie in memory at once
MOST_TOGETHER = 256  # examples
WHOLE = 10**12  # multiply-adds that are worth every idle core
FEW = 5  # feeds of a feature that make the features below worth showing


@dataclass(frozen=True)
class Patch:
    """A place of an example that a feature answers to. example: which of those that were looked at.

    place: in the level's maps; () where its values have none. window: what of the input it sees, an axis at a time.
    where: the same in words, in the kind's own units.
    """

    example: int
    name: str
    label: str
    value: float
    place: tuple[int, ...]
    window: tuple[range, ...]
    where: tuple[str, ...]


@dataclass(frozen=True)
class Feature:
    """What one feature answers to. dead: no example ever brings it over 0, and what is below counts as nothing.

    answered: share of the examples that bring it over 0. share, mean: (K,) the same by class, and its best answer in
    the mean. patches: strongest first; of a dead feature those that come nearest. exciting: None where it wasn't drawn.
    """

    index: int
    dead: bool
    answered: float
    share: NDArray[np.float64]
    mean: NDArray[np.float64]
    patches: tuple[Patch, ...]
    feeds: Feeds
    exciting: Exciting | None = None

    @property
    def speaks_for(self) -> int | None:
        """The class that it answers most to in the mean; None for a dead one."""
        return None if self.dead else int(self.mean.argmax())


@dataclass(frozen=True)
class LayerFeatures:
    """The features of one level. chosen: those that matter most to the levels above, first the most wanted."""

    level: Level
    features: tuple[Feature, ...]
    chosen: tuple[int, ...]

    @property
    def dead(self) -> tuple[int, ...]:
        """Those that answer to nothing."""
        return tuple(one.index for one in self.features if one.dead)


@dataclass(frozen=True)
class Features:
    """What the features of a net answer to, level by level from the input up; `roof` is the classes.

    model, data: what they are called. about: a sentence on which examples were looked at. rows: (n,) their places in
    the data set.
    """

    model: str
    data: str
    about: str
    net: ConvNet
    classes: tuple[str, ...]
    normalisation: Normalisation
    dataset: Dataset
    rows: NDArray[np.int64]
    layers: tuple[LayerFeatures, ...]
    roof: LayerFeatures

    @property
    def levels(self) -> tuple[LayerFeatures, ...]:
        """The layers, and the classes on top."""
        return (*self.layers, self.roof)

    @property
    def words(self) -> tuple[str, ...]:
        """Of kinds that are looked up, all words by their number."""
        return tuple(str(self.dataset.preparation.settings.get("words", "")).replace(RARE, "\u2026").split("\n"))

    def html(self) -> str:
        """The page: one self-contained file."""
        return features_page(self)

    def save(self, path: str | Path) -> Path:
        """Writes the page. Raises GlassnetError where that can't be done."""
        files.write_file(Path(path), self.html())
        return Path(path)

    def as_json(self) -> dict[str, object]:
        """As `glassnet features --json` prints it."""
        return features_json(self)


@dataclass(frozen=True)
class Asked:
    """What is to be found out. y: (n,) classes of the examples, as the net counts them. look: raw examples as the net
    sees them. The rest is as Features has it.
    """

    model: str
    data: str
    about: str
    net: ConvNet
    classes: tuple[str, ...]
    normalisation: Normalisation
    look: Callable[[NDArray[np.generic]], Tensor]
    dataset: Dataset
    rows: NDArray[np.int64]
    y: NDArray[np.int64]
    seed: int = 0


@dataclass(frozen=True)
class Progress:
    """So many of so many of what is done now."""

    done: int
    total: int
    what: str


def find(asked: Asked) -> Generator[Progress, None, Features]:
    """Goes through the examples twice, for the best patches and for what feeds them, then draws what excites most."""
    net = asked.net
    training, cores = net.training, torch.get_num_threads()
    net.eval()
    try:
        torch.set_num_threads(choose_threads(cores, WHOLE)[0])
        stack = levels(net)
        patches = yield from _best(asked, stack)
        kept = [_kept(level, found) for level, found in zip(stack, patches, strict=True)]
        feeds = yield from _fed(asked, stack, patches, kept)
        layers = [
            LayerFeatures(level, tuple(_feature(asked, level, found, f, kept[i][f], feeds[i][f])
                                       for f in range(level.features)), ())
            for i, (level, found) in enumerate(zip(stack, patches, strict=True))
        ]  # fmt: skip
        layers = _choose(layers)
        if can_excite(net):
            layers = yield from _drawn(asked, layers)
    finally:
        torch.set_num_threads(cores)
        net.train(training)
    return Features(
        asked.model, asked.data, asked.about, net, asked.classes, asked.normalisation, asked.dataset, asked.rows,
        tuple(layers[:-1]), layers[-1],
    )  # fmt: skip


def _batches(asked: Asked, examples: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
    """The net's view of these examples, as many at a time as there is room for."""
    values = activations(measure(asked.net.spec, asked.net.shape, asked.net.classes))
    size = max(1, min(MOST_TOGETHER, ROOM // max(values, 1)))
    for start in range(0, len(examples), size):
        some = examples[start : start + size]
        yield some, asked.look(asked.dataset.samples.x[asked.rows[some]])


def _best(asked: Asked, stack: Sequence[Level]) -> Generator[Progress, None, list[Patches]]:
    """The best patches of every level, in one pass."""
    running = [Running(level, len(asked.classes)) for level in stack]
    with outputs([level.value for level in stack]) as seen:
        for examples, x in _batches(asked, np.arange(len(asked.rows))):
            with torch.no_grad():
                asked.net(x)
            for level, best in zip(stack, running, strict=True):
                best.add(seen[level.value][1], asked.y[examples], int(examples[0]))
            yield Progress(int(examples[-1]) + 1, len(asked.rows), f"{asked.dataset.kind} looked at")
    return [best.done() for best in running]


def _kept(level: Level, found: Patches) -> NDArray[np.int64]:
    """(F,) how many patches of each feature are answers; all of a dead one, which come nearest."""
    over = (found.value > 0).sum(1)
    return np.where(over > 0, over, found.value.shape[1]) if level.is_cut else np.full(len(over), found.value.shape[1])


def _fed(
    asked: Asked, stack: Sequence[Level], patches: Sequence[Patches], kept: Sequence[NDArray[np.int64]]
) -> Generator[Progress, None, list[list[Feeds]]]:
    """What feeds each feature, in the mean over its patches: a pass over the examples that they lie in."""
    wanted: dict[int, list[tuple[int, int, tuple[int, ...]]]] = {}
    for i, (found, counts) in enumerate(zip(patches, kept, strict=True)):
        for f in range(len(found.value)):
            for n in range(int(counts[f])):
                place = tuple(int(one) for one in found.place[f, n])
                wanted.setdefault(int(found.example[f, n]), []).append((i, f, place))
    below = widths(asked.net, tuple(stack))
    sums = [Sums(level, below) for level in stack]
    spelt = KINDS[asked.dataset.kind].looked_up
    modules = [module for level in stack for module in (level.value, *(feeder.layer for feeder in level.feeders))]
    done = 0
    with outputs(modules) as seen:
        for examples, x in _batches(asked, np.array(sorted(wanted), np.int64)):
            with torch.no_grad():
                asked.net(x)
            for row, example in enumerate(examples.tolist()):
                words = x[row, 0].long().cpu().numpy() if spelt else None
                for i, f, place in wanted[example]:
                    sums[i].add(seen, row, f, place, words)
            done += len(examples)
            yield Progress(done, len(wanted), f"{asked.dataset.kind} taken apart")
    return [[one.done(f) for f in range(level.features)] for one, level in zip(sums, stack, strict=True)]


def _feature(asked: Asked, level: Level, found: Patches, f: int, kept: int, feeds: Feeds) -> Feature:
    dead = level.is_cut and not found.answered[f]
    best = tuple(_patch(asked, level, found, f, n) for n in range(kept))
    return Feature(f, bool(dead), float(found.answered[f]), found.share[f], found.mean[f], best, feeds)


def _patch(asked: Asked, level: Level, found: Patches, f: int, n: int) -> Patch:
    example, samples = int(found.example[f, n]), asked.dataset.samples
    place, row = tuple(int(i) for i in found.place[f, n]), int(asked.rows[example])
    window = tuple(level.window(f, place, asked.net.shape[1:]))
    kind = KINDS[asked.dataset.kind]
    axes = kind.axes(asked.dataset.preparation, np.asarray(samples.x[row]) if kind.looked_up else None)
    where = tuple(axis.words(span) for axis, span in zip(axes, window, strict=True))
    label = asked.classes[asked.y[example]]
    name = str(asked.dataset.file(row) or samples.names[row])
    return Patch(example, name, label, float(found.value[f, n]), place, window, where)


def _choose(layers: Sequence[LayerFeatures]) -> list[LayerFeatures]:
    """Of every level the features to be shown: those that feed what is shown above most, then by number."""
    wanted: dict[str, dict[int, float]] = {}
    found: list[LayerFeatures] = []
    for layer in reversed(layers):
        weight = wanted.get(layer.level.name, {})
        order = sorted(layer.features, key=lambda one: (-weight.get(one.index, 0.0), one.dead, one.index))
        chosen = tuple(one.index for one in order[:TOGETHER])
        for f in chosen:
            for feed in layer.features[f].feeds.feeds[:FEW]:
                mine = wanted.setdefault(feed.layer, {})
                mine[feed.feature] = mine.get(feed.feature, 0.0) + feed.share
        found.append(replace(layer, chosen=chosen))
    return found[::-1]


def _drawn(asked: Asked, layers: Sequence[LayerFeatures]) -> Generator[Progress, None, list[LayerFeatures]]:
    """The levels with what excites their chosen features most."""
    plans = [afford(asked.net, layer.level) for layer in layers]
    done, total, found = 0, sum(plan.steps for plan in plans), []
    for i, (layer, plan) in enumerate(zip(layers, plans, strict=True)):
        pictures: Mapping[int, Exciting] = {}
        wanted = layer.chosen[: plan.features]
        with using(1 if plan.work <= LIGHT else 0):
            for pictures in excite(asked.net, layer.level, wanted, plan.steps, asked.seed + i):
                done += not pictures
                yield Progress(min(done, total), total, "steps towards what excites most")
        features = tuple(replace(one, exciting=pictures.get(one.index)) for one in layer.features)
        found.append(replace(layer, features=features))
    return found
