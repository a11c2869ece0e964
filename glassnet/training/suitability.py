"""Whether a ConvNet is right for data: whether the order of its places matters, and whether simpler models do as well.

The slides' rule of thumb as a test: "if your data is just as useful after swapping any of your columns with each
other, then you can't use ConvNets". Small nets learn from the data as given and in random orders of its places.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from glassnet.data.dataset import Dataset
from glassnet.nets.convnet import ConvNet
from glassnet.nets.text import parse
from glassnet.training import rivals
from glassnet.training.drawn import (
    LIMITS,
    Limits,
    Part,
    distinct,
    groups,
    reduced,
    refuse_too_little,
    reordered,
    sides,
    sizes,
    standardised,
)
from glassnet.training.machine import using

PROBE = parse("conv 16 3, relu, pool 2, conv 32 3, relu, mean, fc")
CONVNET = parse("conv 16 3, relu, pool 2, conv 32 3, relu, pool 2, fc")
ORDERS = 19  # random ones beside the given: one in twenty is at least as good by chance alone
STEPS, BATCH, LEARNING = 250, 32, 5e-3
WARM = 0.3  # share of the steps
LEVEL = 0.05
SMALL_EFFECT = 0.03  # a loss below this matters to nobody
GAINS = 10  # splits that the competitors are compared on


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
    accuracy of each. as_given, shuffled: accuracy of each order. notes: what was looked at, what was left out.
    """

    order: str
    fits: bool | None
    verdict: str
    p: float
    drop: Share
    gain: Share
    best: str
    scores: dict[str, float]
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
            "as_given": self.as_given,
            "shuffled": list(self.shuffled),
            "examples": self.examples,
            "seconds": self.seconds,
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Checking:
    """How far a check is. what: in words."""

    what: str
    done: int
    total: int


def examine(dataset: Dataset, seed: int = 0) -> Generator[Checking, None, Suitability]:
    """Tests the order, then the competitors. Yields progress, returns what was found. One thread, so that a seed gives
    the same twice.
    """
    begun = time.perf_counter()
    limits = LIMITS[dataset.kind]
    random = np.random.default_rng([seed, 11])
    rows = distinct(dataset, random)
    refuse_too_little(dataset, rows)
    with using(1):
        p, drop, given, shuffled = yield from _test_order(dataset, rows, limits, seed, random)
        scores, gains, best, missing = yield from _compare(dataset, rows, limits, seed)
    gain = _corrected(gains, limits, len(rows))
    examples = min(len(rows), limits.train + limits.test)
    order, fits, verdict = judge(p, drop, gain, best, scores[best], examples)
    notes = (f"{examples:,} of {dataset.counted()}, drawn with seed {seed}", *missing)
    return Suitability(
        order, fits, verdict, p, drop, gain, best, scores, given, shuffled, examples, time.perf_counter() - begun, notes
    )


def order_alone(dataset: Dataset, seed: int = 0) -> float:
    """The p of the order alone, without the competitors. Raises GlassnetError for too few examples."""
    random = np.random.default_rng([seed, 11])
    rows = distinct(dataset, random)
    refuse_too_little(dataset, rows)
    with using(1):
        steps = _test_order(dataset, rows, LIMITS[dataset.kind], seed, random)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return float(end.value[0])


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
        return "matters", True, f"Yes. Order matters: shuffling costs {cost}, and a ConvNet beats {best} by {lead}."
    small = " It is a small effect: neighbours may just be related." if drop.high < SMALL_EFFECT else ""
    if gain.high < 0:
        return "matters", False, f"Order matters (shuffling costs {cost}), but {best} is better at this size.{small}"
    return "matters", True, f"Order matters (shuffling costs {cost}), but {best} does as well at this size.{small}"


def _test_order(
    dataset: Dataset, rows: NDArray[np.int64], limits: Limits, seed: int, random: np.random.Generator
) -> Generator[Checking, None, tuple[float, Share, float, tuple[float, ...]]]:
    """The permutation test: p, what shuffling costs, the accuracy as given and of each order."""
    x, y, group = reduced(dataset, rows, limits.sides), dataset.samples.y[rows], groups(dataset, rows)
    places = int(np.prod(x.shape[2:]))
    orders = [np.arange(places), *(random.permutation(places) for _ in range(ORDERS))]
    total = limits.splits * len(orders)
    likelihood, accuracy = np.zeros((2, limits.splits, len(orders)))
    differences: list[NDArray[np.float64]] = []
    for s in range(limits.splits):
        part = standardised(x, y, *sides(y, group, limits, np.random.default_rng([seed, 12, s])), dataset.kind)
        right = []
        for o, order in enumerate(orders):
            moved = reordered(part, order)
            classes = len(dataset.classes)
            likelihood[s, o] = _learn(ConvNet(PROBE, moved.x.shape[1:], classes, seed + s), moved, seed + s)[1]
            hits, _ = _learn(ConvNet(CONVNET, moved.x.shape[1:], classes, seed + s), moved, seed + s)
            accuracy[s, o] = hits.mean()
            right.append(hits)
            yield Checking("orders", s * len(orders) + o + 1, total)
        differences.append(right[0] - np.mean(right[1:], 0))
    scores = likelihood.mean(0)
    p = (1 + int((scores[1:] >= scores[0]).sum())) / len(orders)
    by_order = accuracy.mean(0)
    return p, _drop(by_order, np.concatenate(differences)), float(by_order[0]), tuple(by_order[1:].tolist())


def _drop(by_order: NDArray[np.float64], differences: NDArray[np.float64]) -> Share:
    """What shuffling costs: the spread of the shuffled orders and that of the test examples both count."""
    from scipy import stats

    value = float(by_order[0] - by_order[1:].mean())
    spread = float(by_order[1:].var(ddof=1)) * (1 + 1 / ORDERS)
    half = float(stats.t.ppf(0.975, ORDERS - 1)) * math.sqrt(spread + differences.var(ddof=1) / len(differences))
    return Share(value, value - half, value + half)


def _compare(
    dataset: Dataset, rows: NDArray[np.int64], limits: Limits, seed: int
) -> Generator[Checking, None, tuple[dict[str, float], NDArray[np.float64], str, tuple[str, ...]]]:
    """Accuracies of the ConvNet and of every competitor, and the ConvNet's lead over the best on each split."""
    x, y, group = reduced(dataset, rows, limits.fair), dataset.samples.y[rows], groups(dataset, rows)
    small = reduced(dataset, rows, limits.sides).reshape(len(rows), -1)
    entrants, missing = rivals.entrants(dataset, rows, small)
    found: dict[str, list[float]] = {name: [] for name in ("ConvNet", *entrants)}
    for s in range(GAINS):
        train, test = sides(y, group, limits, np.random.default_rng([seed, 13, s]))
        part = standardised(x, y, train, test, dataset.kind)
        hits, _ = _learn(ConvNet(CONVNET, part.x.shape[1:], len(dataset.classes), seed + s), part, seed + s, times=2)
        found["ConvNet"].append(float(hits.mean()))
        for name, rival in entrants.items():
            found[name].append(float((rival(train, test, seed + s) == y[test]).mean()))
        yield Checking("competitors", s + 1, GAINS)
    scores = {name: float(np.mean(each)) for name, each in found.items()}
    best = max(entrants, key=lambda name: scores[name])
    return scores, np.array(found["ConvNet"]) - np.array(found[best]), best, missing


def _corrected(gains: NDArray[np.float64], limits: Limits, examples: int) -> Share:
    """The mean lead with an interval that knows that the splits share examples: Nadeau and Bengio 2003."""
    from scipy import stats

    train, test = sizes(limits, examples)
    half = float(stats.t.ppf(0.975, len(gains) - 1)) * math.sqrt(gains.var(ddof=1) * (1 / len(gains) + test / train))
    return Share(float(gains.mean()), float(gains.mean()) - half, float(gains.mean()) + half)


def _learn(net: ConvNet, part: Part, seed: int, times: int = 1) -> tuple[NDArray[np.float64], float]:
    """Trains a small net. Returns which held-out examples it is right on, (n,), and their mean log-likelihood.

    times: as many steps as usual. The order of the batches follows from the seed alone.
    """
    random, steps = torch.Generator().manual_seed(seed), STEPS * times
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


def drain(steps: Generator[Checking, None, Suitability]) -> Suitability:
    """Runs a check to its end, without showing its progress."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Suitability = end.value
            return result
