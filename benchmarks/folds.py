"""The mean over the folds of a table of texts, beside bag of words: `python -m benchmarks.folds TABLE [--only 0 1]`.

Each row's `fold` says when it is tested; the others train, a tenth of them chooses. Printed: right on each fold by
`glassnet train`'s defaults and by logistic regression on words and pairs of words, and the means.
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import glassnet as gn
from glassnet.config import Reading
from glassnet.data import kinds
from glassnet.data.dataset import TEST
from glassnet.data.sentences import tokens


def main() -> None:
    """Prints a line a fold and the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path)
    parser.add_argument("--only", type=int, nargs="*", help="these folds")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    found = []
    for fold in chosen.only or kinds.folds(chosen.table, Reading()):
        dataset = gn.read(chosen.table, fold=fold)
        test = gn.train(dataset, seed=chosen.seed).metrics["test"]
        assert isinstance(test, dict)
        texts, y = np.array(dataset.samples.names, object), dataset.samples.y
        held = dataset.samples.split == TEST
        words = TfidfVectorizer(ngram_range=(1, 2), tokenizer=tokens, token_pattern=None, lowercase=False)
        plain = make_pipeline(words, LogisticRegression(C=10, max_iter=500))
        plain.fit(texts[~held], y[~held])
        found.append((test["accuracy"], plain.score(texts[held], y[held])))
        both = f"ConvNet {found[-1][0] * 100:.1f} %, bag of words {found[-1][1] * 100:.1f} %"
        print(f"fold {fold}: {both}", flush=True)
    mean = np.mean(found, 0) * 100
    print(f"mean of {len(found)}: ConvNet {mean[0]:.1f} %, bag of words {mean[1]:.1f} %")


if __name__ == "__main__":
    main()
