"""How much each word tells: how unevenly it stands among the classes of the training examples. Counted, not learnt."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from glassnet.data.columns import Rows
from glassnet.data.dataset import Array
from glassnet.nets.layers import Embed

TOGETHER = 50_000  # examples that are counted at a time


def weigh_words(embed: Embed, x: Array, y: NDArray[np.int64], rows: Rows) -> None:
    """Scales what is looked up of each word by its log-count ratio, so that a word that stands evenly among the classes
    begins and stays small.

    x: (N, 1, T) numbers of words. y: (N,) classes. rows: (n,) the training examples. The ratio of a class is
    |log((examples of it with the word + 1) / all of it) - log(the same of the others)|; the largest over the classes
    counts. Wang, Manning 2012, "Baselines and bigrams", section 2.3, who scale a linear model's inputs by it.
    """
    words, ratio = len(embed.weight), np.zeros(len(embed.weight))
    of_class = [rows[y[rows] == k] for k in np.unique(y[rows])]
    everywhere = _seen(x, rows, words) + len(of_class)
    for mine in of_class:
        own = _seen(x, mine, words) + 1
        others = everywhere - own
        if others.any():
            ratio = np.maximum(ratio, np.abs(np.log(own / own.sum()) - np.log(others / others.sum())))
    with torch.no_grad():
        embed.ratio.copy_(torch.from_numpy(ratio).float()[:, None])


def _seen(x: Array, rows: Rows, words: int) -> NDArray[np.float64]:
    """(words,) in how many of these examples each word stands."""
    seen = np.zeros(words)
    for start in range(0, len(rows), TOGETHER):
        spelt = np.sort(x[rows[start : start + TOGETHER], 0].astype(np.int64), 1)  # (n, T)
        first = np.ones(spelt.shape, np.bool_)
        first[:, 1:] = spelt[:, 1:] != spelt[:, :-1]
        seen += np.bincount(spelt[first], minlength=words)
    return seen
