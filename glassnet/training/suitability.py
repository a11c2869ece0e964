"""Whether a ConvNet is right for data: whether the order of its places matters, and whether simpler models do as well.

The slides' rule of thumb as a test: "if your data is just as useful after swapping any of your columns with each
other, then you can't use ConvNets". Small nets learn from the data as given and in random orders of its places.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from glassnet.data.dataset import Dataset
from glassnet.data.kind import Kind, Limits
from glassnet.nets.convnet import ConvNet
from glassnet.nets.text import Spec, parse
from glassnet.training import rivals
from glassnet.training.drawn import Drawn, Part, reordered, sizes
from glassnet.training.machine import using

PROBE = parse("conv 16 3, relu, pool 2, conv 32 3, relu, mean, fc")
CONVNET = parse("conv 16 3, relu, pool 2, conv 32 3, relu, pool 2, fc")
WORD_PROBE = parse(f"embed 32, {PROBE}")
WORD_NET = parse("embed 50, dropout 0.3, phrases 50 3-5, relu, max, dropout 0.5, fc")
ORDERS = 19  # random ones beside the given: one in twenty is at least as good by chance alone
BATCH, LEARNING = 32, 5e-3
WARM = 0.3  # share of the steps
LEVEL = 0.05
SMALL_EFFECT = 0.03  # a loss below this matters to nobody
GAINS = 10  # splits that the competitors are compared on
ORDERS_DRAWN, SPLIT_FOR_ORDERS, SPLIT_FOR_GAINS = 11, 12, 13  # what random numbers are for, so that each has its own


@dataclass(frozen=True)
class Share:
    """A difference of accuracies with its 95 % interval, as shares of 1."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Suitability:
    """What was found. order: "matters", "nothing" or "unclear". fits: whether a ConvNet is the right choice, if that
    is known. p: of the order. drop: what shuffling costs. gain: the ConvNet's lead over the best competitor. scores:
    accuracy of each; spread: the same with intervals. runs: of each split, the accuracy of each order, the given first;
    as_given, shuffled: their means over the splits. notes: what was looked at, what was left out.
    """

    order: str
    fits: bool | None
    verdict: str
    p: float
    drop: Share
    gain: Share
    best: str
    scores: dict[str, float]
    spread: dict[str, Share]
    runs: tuple[tuple[float, ...], ...]
    as_given: float
    shuffled: tuple[float, ...]
    examples: int
    seconds: float
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """As `glassnet check --json` prints it."""
        return {
            "order": self.order,
            "fits": self.fits,
            "verdict": self.verdict,
            "p": self.p,
            "effect": {"drop": self.drop.value, "low": self.drop.low, "high": self.drop.high},
            "gain": {"over": self.best, "gain": self.gain.value, "low": self.gain.low, "high": self.gain.high},
            "scores": self.scores,
            "intervals": {name: [one.low, one.high] for name, one in self.spread.items()},
            "as_given": self.as_given,
            "shuffled": list(self.shuffled),
            "examples": self.examples,
            "seconds": self.seconds,
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Checking:
    """How far a check is. what: in words. runs: accuracies so far, of every order of every split. spread: of the
    ConvNet and its competitors so far.
    """

    what: str
    done: int
    total: int
    runs: tuple[float, ...] = ()
    spread: Mapping[str, Share] = field(default_factory=dict)


def examine(dataset: Dataset, seed: int = 0) -> Generator[Checking, None, Suitability]:
    """Tests the order, then the competitors. Yields progress, returns what was found. One thread, so that a seed gives
    the same twice. Raises GlassnetError for too few examples.
    """
    begun = time.perf_counter()
    random = np.random.default_rng([seed, ORDERS_DRAWN])
    drawn = Drawn.of(dataset, random)
    with using(1):
        p, drop, runs = yield from _test_order(drawn, seed, random)
        spread, gain, best, missing = yield from _compare(drawn, seed)
    scores, (given, *shuffled) = {name: one.value for name, one in spread.items()}, runs.mean(0).tolist()
    examples = min(len(drawn), drawn.kind.check.train + drawn.kind.check.test)
    order, fits, verdict = judge(p, drop, gain, best, scores[best], examples)
    notes = (f"{examples:,} of {dataset.counted()}, drawn with seed {seed}", *missing)
    return Suitability(
        order=order,
        fits=fits,
        verdict=verdict,
        p=p,
        drop=drop,
        gain=gain,
        best=best,
        scores=scores,
        spread=spread,
        runs=tuple(tuple(one) for one in runs.tolist()),
        as_given=given,
        shuffled=tuple(shuffled),
        examples=examples,
        seconds=time.perf_counter() - begun,
        notes=notes,
    )


def order_alone(dataset: Dataset, seed: int = 0) -> float:
    """The p of the order, and nothing else. Raises GlassnetError for too few examples."""
    random = np.random.default_rng([seed, ORDERS_DRAWN])
    drawn = Drawn.of(dataset, random)
    with using(1):
        probe, steps = _nets(drawn.kind)[0], drawn.kind.check.steps
        likelihood = np.array([_learn(moved, probe, steps, s)[1] for s, moved in _orders(drawn, seed, random)])
    return _rank(likelihood.reshape(drawn.splits, -1))


def judge(p: float, drop: Share, gain: Share, best: str, score: float, examples: int) -> tuple[str, bool | None, str]:
    """The order, whether a ConvNet fits, and the verdict in words."""
    cost = f"{_points(drop.value)} points ({_points(drop.low)} to {_points(drop.high)})"
    reaches = f"{best} reaches {score * 100:.1f} %"
    if p > LEVEL:
        if drop.high < SMALL_EFFECT:
            return (
                "nothing",
                False,
                f"No. Shuffling the positions costs {cost}. Use {best}: it reaches {score * 100:.1f} %.",
            )
        room = max(abs(SMALL_EFFECT - drop.value), 0.01)
        about = math.ceil(examples * ((drop.high - drop.value) / room) ** 2 / 100) * 100
        return "unclear", None, f"Cannot tell with {examples:,} examples; about {about:,} would do. {reaches}."
    if gain.low > 0:
        lead = f"{_points(gain.value)} points ({_points(gain.low)} to {_points(gain.high)})"
        return "matters", True, f"Yes. Order matters: shuffling costs {cost}. A ConvNet beats {best} by {lead}."
    small = " It is a small effect: neighbours may just be related." if drop.high < SMALL_EFFECT else ""
    is_worse = gain.high < 0
    beside = f"At this size a ConvNet is {'worse' if is_worse else 'no better'} than {best}"
    return "matters", not is_worse, f"Order matters: shuffling costs {cost}. {beside}.{small}"


def _orders(drawn: Drawn, seed: int, random: np.random.Generator) -> Iterator[tuple[int, Part]]:
    """Every split in the given order and then in random ones, the same in all splits; each with the seed of a split."""
    sides = [drawn.sides(np.random.default_rng([seed, SPLIT_FOR_ORDERS, s])) for s in range(drawn.splits)]
    most = drawn.kind.check.sides
    orders: list[NDArray[np.int64]] = []
    for s, (train, test) in enumerate(sides):
        part = drawn.part(train, test, most)
        places = math.prod(part.shape[1:])
        orders = orders or [np.arange(places), *(random.permutation(places) for _ in range(ORDERS))]
        for order in orders:
            yield seed + s, reordered(part, order, within=drawn.kind.looked_up)


def _rank(likelihood: NDArray[np.float64]) -> float:
    """The p of the first order among all. likelihood: (splits, orders)."""
    scores = likelihood.mean(0)
    return (1 + int((scores[1:] >= scores[0]).sum())) / len(scores)


def _test_order(
    drawn: Drawn, seed: int, random: np.random.Generator
) -> Generator[Checking, None, tuple[float, Share, NDArray[np.float64]]]:
    """The permutation test: p, what shuffling costs, the accuracy (splits, orders), the given order first."""
    total = drawn.splits * (1 + ORDERS)
    probe, convnet = _nets(drawn.kind)
    likelihood: list[float] = []
    accuracy: list[float] = []
    lost, asked = np.zeros((2, len(drawn)))  # by shuffling, of each example; and how often it was held out
    for s, moved in _orders(drawn, seed, random):
        given = len(likelihood) % (1 + ORDERS) == 0
        likelihood.append(_learn(moved, probe, drawn.kind.check.steps, s)[1])
        hits, _ = _learn(moved, convnet, drawn.kind.check.steps, s)
        accuracy.append(float(hits.mean()))
        lost[moved.held] += hits if given else -hits / ORDERS
        asked[moved.held] += given
        yield Checking("trainings of orders", len(likelihood), total, tuple(accuracy))
    runs = np.array(accuracy).reshape(drawn.splits, -1)
    p = _rank(np.array(likelihood).reshape(drawn.splits, -1))
    return p, _drop(runs.mean(0), lost[asked > 0] / asked[asked > 0]), runs


def _drop(by_order: NDArray[np.float64], differences: NDArray[np.float64]) -> Share:
    """What shuffling costs: the spread of the shuffled orders and that of the examples both count.

    differences: what it costs each example that was held out, in the mean over its splits.
    """
    from scipy import stats

    value = float(by_order[0] - by_order[1:].mean())
    spread = float(by_order[1:].var(ddof=1)) * (1 + 1 / ORDERS)
    half = float(stats.t.ppf(0.975, ORDERS - 1)) * math.sqrt(spread + differences.var(ddof=1) / len(differences))
    return Share(value, value - half, value + half)


def _compare(
    drawn: Drawn, seed: int
) -> Generator[Checking, None, tuple[dict[str, Share], Share, str, tuple[str, ...]]]:
    """Accuracies of the ConvNet and of every competitor, and the ConvNet's lead over the best."""
    limits, convnet = drawn.kind.check, _nets(drawn.kind)[1]
    entrants, missing = rivals.entrants(drawn)
    found: dict[str, list[float]] = {name: [] for name in ("ConvNet", *entrants)}
    for s in range(GAINS):
        train, test = drawn.sides(np.random.default_rng([seed, SPLIT_FOR_GAINS, s]))
        hits, _ = _learn(drawn.part(train, test, limits.fair), convnet, 2 * limits.steps, seed + s)
        found["ConvNet"].append(float(hits.mean()))
        for name, rival in entrants.items():
            found[name].append(float((rival(train, test, seed + s) == drawn.y[test]).mean()))
        spread = {name: _corrected(np.array(each), limits, len(drawn)) for name, each in found.items()}
        yield Checking("splits with competitors", s + 1, GAINS, spread=spread)
    best = max(entrants, key=lambda name: spread[name].value)
    return spread, _corrected(np.array(found["ConvNet"]) - found[best], limits, len(drawn)), best, missing


def _nets(kind: Kind) -> tuple[Spec, Spec]:
    """The probe and the ConvNet for a kind."""
    return (WORD_PROBE, WORD_NET) if kind.looked_up else (PROBE, CONVNET)


def _corrected(gains: NDArray[np.float64], limits: Limits, examples: int) -> Share:
    """The mean with an interval that knows that the splits share examples: Nadeau, Bengio 2003. Of one split: none."""
    from scipy import stats

    if len(gains) < 2:
        return Share(float(gains[0]), math.nan, math.nan)
    train, test = sizes(limits, examples)
    half = float(stats.t.ppf(0.975, len(gains) - 1)) * math.sqrt(gains.var(ddof=1) * (1 / len(gains) + test / train))
    return Share(float(gains.mean()), float(gains.mean()) - half, float(gains.mean()) + half)


def _learn(part: Part, net: Spec, steps: int, seed: int) -> tuple[NDArray[np.float64], float]:
    """Trains a small net. Returns which held-out examples it is right on, (n,), and their mean log-likelihood."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # for dropout
        return _trained(ConvNet(net, part.shape, part.classes, seed), part, steps, seed)


def _trained(net: ConvNet, part: Part, steps: int, seed: int) -> tuple[NDArray[np.float64], float]:
    """The same, of a net with its first weights. The order of the batches follows from the seed alone."""
    random = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(net.parameters(), LEARNING, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING, total_steps=steps, pct_start=WARM)
    net.train()
    rows = torch.empty(0, dtype=torch.long)
    size = min(BATCH, len(part.y))
    for _ in range(steps):
        if len(rows) < size:
            rows = torch.randperm(len(part.y), generator=random)
        chosen, rows = rows[:size], rows[size:]
        loss = functional.cross_entropy(net(part.x[chosen]), part.y[chosen])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimizer.step()
        schedule.step()
    net.eval()
    with torch.inference_mode():
        logits = torch.cat([net(x) for x in torch.split(part.held_x, 256)])
    likelihood = -float(functional.cross_entropy(logits.double(), part.held_y))
    return (logits.argmax(1) == part.held_y).double().numpy(), likelihood


def _points(share: float) -> str:
    return f"{round(share * 100, 1) + 0.0:.1f}"  # never -0.0
