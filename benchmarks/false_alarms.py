"""How often `glassnet check` says that order matters where it can't: `python -m benchmarks.false_alarms [COUNT]`.

Rows whose columns were drawn in no order, of many sizes, classes, strengths and correlations. The share of alarms is
printed with its 95 % bound (Clopper and Pearson 1934); the test promises at most 5 %.
"""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import torch
from scipy import stats

from glassnet.data.dataset import NOT_GIVEN, Dataset, Names, Preparation, Samples, digests
from glassnet.training.suitability import order_alone


def made(seed: int) -> Dataset:
    """Rows without layout: related columns stand anywhere, in an order of their own for each data set."""
    random = np.random.default_rng(seed)
    count, columns = int(random.integers(120, 900)), int(random.integers(6, 40))
    classes = int(random.integers(2, 6))
    y = random.integers(0, classes, count)
    y[: classes * 10] = np.arange(classes * 10) % classes
    hidden = random.normal(size=(count, int(random.integers(2, 6))))
    hidden += random.uniform(0, 1.5) * random.normal(size=(classes, hidden.shape[1]))[y]
    x = hidden @ random.normal(size=(hidden.shape[1], columns)) + random.uniform(0.3, 2) * random.normal(
        size=(count, columns)
    )
    if random.random() < 0.5:
        x = np.sign(x) * np.abs(x) ** 1.5
    x = x[:, random.permutation(columns)][:, None].astype(np.float32)  # (N, 1, columns)
    samples = Samples(
        x, y, Names(count, str), np.full(count, NOT_GIVEN, np.int8), digests(x), np.full((count, 1), columns, np.int32)
    )
    names = {"columns": "\n".join(map(str, range(columns)))}
    return Dataset("tables", f"made {seed}", tuple(map(str, range(classes))), samples, Preparation(x.shape[1:], names))


def main() -> None:
    """Prints a line a data set, with the share of alarms so far."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, nargs="?", default=100)
    parser.add_argument(
        "--first", type=int, default=0, help="the seed of the first data set: to go on where a run ended"
    )
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.count)
    alarms, begun = 0, time.perf_counter()
    with ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for done, p in enumerate(pool.map(alarm, seeds), 1):
            alarms += p <= 0.05
            bound = stats.beta.ppf(0.975, alarms + 1, done - alarms) if alarms < done else 1.0
            took = time.perf_counter() - begun
            share = f"{alarms / done * 100:.1f} %, at most {bound * 100:.1f} %"
            print(f"{done:4d}  p {p:.2f}  alarms {alarms} ({share})  {took:.0f} s", flush=True)


def alarm(seed: int) -> float:
    """The p of one data set."""
    return order_alone(made(seed), seed)


if __name__ == "__main__":
    main()
