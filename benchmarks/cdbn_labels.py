"""Few labels: features learnt without any, then a linear SVM on some, tested once on the test split.

`python -m benchmarks.cdbn_labels DATA --labels N [--seed S] [--json]`: the protocol of Lee, Grosse, Ranganath, Ng 2009,
section 4.3, on any folder. N labels in all, as many of each class. A convolutional deep belief network (`--net`) learns
on all training examples without their labels; the SVM takes the pooling units of every machine. Its C is chosen by
cross-validation among the labels where there are three of each class. `--compare` adds the same SVM on raw values and
the default ConvNet, trained from nothing on the same labels and varied copies of their
examples, each for `--draws` draws of the labels.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.model_selection import GridSearchCV
from sklearn.svm import LinearSVC

import glassnet as gn
from glassnet.config import Training
from glassnet.data.dataset import TEST, TRAIN, VAL, Dataset
from glassnet.data.loader import Loader
from glassnet.data.split import Split
from glassnet.doors.run import Prepared, run
from glassnet.nets.layers import ProbPool
from glassnet.training.evaluate import wilson
from glassnet.training.progress import Progress

COSTS = (0.1, 1.0, 10.0, 100.0)
USUAL = 10.0  # where there are too few labels to choose by
FOLDS = 3
AT_ONCE = 256
Rows = NDArray[np.int64]
Values = NDArray[np.float32]


@dataclass(frozen=True)
class Learnt:
    """A net that saw no label, the data, its sides, and how long it took in seconds."""

    net: torch.nn.Module
    dataset: Dataset
    sides: Split
    train: Loader
    seconds: float


def learn(data: str, net: str, seed: int) -> Learnt:
    """The phases without labels of a training, and nothing after them."""
    begun = time.perf_counter()
    events = run(gn.read(data), Training(net=net, seed=seed))
    prepared = next(events)
    assert isinstance(prepared, Prepared), "a run begins with its plan"
    for event in events:
        if isinstance(event, Progress) and event.has_labels:
            break  # the first step of the votes moved nothing else
    trainer = prepared.trainer
    events.close()
    return Learnt(trainer.net.eval(), prepared.dataset, prepared.split, trainer.train, time.perf_counter() - begun)


@torch.no_grad()
def pooled(learnt: Learnt, rows: Rows) -> Values:
    """(n, F) the pooling units of every machine, each machine's brought to a mean length of 1."""
    like = learnt.train
    found: list[list[torch.Tensor]] = []
    for batch in Loader(learnt.dataset, rows, like.normalisation, AT_ONCE, like.device).in_order():
        x, layers = batch.x, []
        for module in learnt.net.children():
            x = module(x)
            if isinstance(module, ProbPool):
                layers.append(x.flatten(1).cpu())
        found.append(layers)
    return np.concatenate([even(torch.cat(parts).numpy()) for parts in zip(*found, strict=True)], 1)


def raw(learnt: Learnt, rows: Rows) -> Values:
    """(n, F) the values of the files, as a net gets them."""
    like = learnt.train
    parts = Loader(learnt.dataset, rows, like.normalisation, AT_ONCE, like.device).in_order()
    return even(torch.cat([batch.x.flatten(1).cpu() for batch in parts]).numpy())


def even(values: Values) -> Values:
    """Rows of a mean length of 1."""
    return values / max(float(np.linalg.norm(values, axis=1).mean()), 1e-9)


def choose(y: Rows, rows: Rows, count: int, seed: int) -> Rows:
    """`count` of these rows, as many of each class as can be."""
    random = np.random.default_rng([seed, 11])
    classes = [random.permutation(rows[y[rows] == k]) for k in np.unique(y[rows])]
    depth = max(len(some) for some in classes)
    in_turn = [
        int(some[i]) for i in range(depth) for some in random.permutation(np.array(classes, object)) if i < len(some)
    ]
    return np.array(in_turn[:count])


def svm(values: Callable[[Learnt, Rows], Values], learnt: Learnt, chosen: Rows) -> int:
    """How many test examples a linear SVM gets wrong that learnt from the chosen ones."""
    y, test = learnt.dataset.samples.y, learnt.sides.rows(TEST)
    x = values(learnt, np.concatenate([chosen, test]))
    fewest = np.bincount(y[chosen], minlength=len(learnt.dataset.classes)).min()
    plain = LinearSVC(C=USUAL, dual="auto", max_iter=20_000)
    if fewest >= FOLDS:
        plain = GridSearchCV(plain, {"C": COSTS}, cv=FOLDS)
    said = plain.fit(x[: len(chosen)], y[chosen]).predict(x[len(chosen) :])
    return int((said != y[test]).sum())


def convnet(learnt: Learnt, chosen: Rows, seed: int) -> int:
    """How many test examples the default ConvNet gets wrong that learnt from the chosen ones alone: they choose its
    epoch too, for there are no others with labels.
    """
    samples, test = learnt.dataset.samples, learnt.sides.rows(TEST)
    rows = np.concatenate([chosen, chosen, test])
    some = replace(
        samples,
        x=np.asarray(samples.x[rows]),
        y=samples.y[rows],
        names=[samples.names[i] for i in rows],
        split=np.repeat(np.array([TRAIN, VAL, TEST], np.int8), [len(chosen), len(chosen), len(test)]),
        digest=np.arange(len(rows), dtype=np.uint64),  # copies on two sides are wanted here
        sizes=samples.sizes[rows],
        group=None,
    )
    told = gn.train(replace(learnt.dataset, samples=some), seed=seed).metrics["test"]
    assert isinstance(told, dict), "figures of a test"
    return round((1 - told["accuracy"]) * len(test))


def compare(learnt: Learnt, counts: Sequence[int], draws: int, seed: int) -> None:
    """Prints a table: a row a number of labels, a column a way."""
    tested = len(learnt.sides.rows(TEST))
    print(f"Error in % on {tested:,} test examples: mean of {draws} draws of the labels (95 % interval of the mean).\n")
    print(
        "| labels | features learnt without labels, SVM | raw values, SVM | ConvNet from nothing |\n|---|---|---|---|"
    )
    for count in counts:
        wrong = []
        for draw in range(seed, seed + draws):
            chosen = choose(learnt.dataset.samples.y, learnt.sides.rows(TRAIN), count, draw)
            wrong.append((svm(pooled, learnt, chosen), svm(raw, learnt, chosen), convnet(learnt, chosen, draw)))
        print(f"| {count:,} |", " | ".join(spread(one / tested * 100) for one in np.array(wrong).T), "|", flush=True)


def spread(found: NDArray[np.float64]) -> str:
    """A mean with its interval, drawn anew from the draws of the labels."""
    random = np.random.default_rng(0)
    means = found[random.integers(0, len(found), (4000, len(found)))].mean(1)
    low, high = np.quantile(means, (0.025, 0.975))
    return f"{found.mean():.1f} ({low:.1f} to {high:.1f})"


def main() -> None:
    """One figure, or the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cdbn_labels", description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--labels", type=int, nargs="+", required=True, help="in all; several with --compare")
    parser.add_argument("--net", default="cdbn", help="its name or text")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--draws", type=int, default=10)
    asked = parser.parse_args()
    begun = time.perf_counter()
    learnt = learn(asked.data, asked.net, asked.seed)
    if asked.compare:
        compare(learnt, asked.labels, asked.draws, asked.seed)
        return
    chosen = choose(learnt.dataset.samples.y, learnt.sides.rows(TRAIN), asked.labels[0], asked.seed)
    wrong, tested = svm(pooled, learnt, chosen), len(learnt.sides.rows(TEST))
    low, high = wilson(wrong, tested)
    seconds = time.perf_counter() - begun
    if asked.json:
        print(
            json.dumps({"error": wrong / tested, "low": low, "high": high, "labels": len(chosen), "seconds": seconds})
        )
        return
    share, least, most = (f"{one * 100:.2f}" for one in (wrong / tested, low, high))
    print(f"{share} % wrong ({least} to {most}) of {tested:,} with {len(chosen):,} labels")


if __name__ == "__main__":
    main()
