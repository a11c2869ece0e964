"""Which examples a model is asked about when it is measured: none that it learnt from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glassnet.data.dataset import TEST, Dataset


def unseen(dataset: Dataset, seen: NDArray[np.uint64]) -> tuple[NDArray[np.int64], str]:
    """The examples to ask about, and in words which: the test split if there is one. seen: digests, learnt from."""
    rows = np.flatnonzero(dataset.samples.split == TEST)
    words = f"the {len(rows):,} test {dataset.kind}"
    if not len(rows):
        rows, words = np.arange(len(dataset)), f"all {len(dataset):,} {dataset.kind}"
    return left(rows, words, np.isin(dataset.samples.digest[rows], seen))


def left(rows: NDArray[np.int64], words: str, known: NDArray[np.bool_]) -> tuple[NDArray[np.int64], str]:
    """The rows that a model didn't learn from, or all where there is none, and a sentence. words: what the rows are.

    known: (len(rows),) which it learnt from.
    """
    if known.all():
        return rows, f"Asked about {words}; the model learnt from every one of them, so this is no test."
    if not known.any():
        return rows, f"Asked about {words}; it learnt from none of them."
    others = "one" if known.sum() == 1 else f"{int(known.sum()):,}"
    return rows[~known], f"Asked about {int((~known).sum()):,} of {words}; it learnt from the other {others}."
