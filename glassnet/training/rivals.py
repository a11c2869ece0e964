"""What a ConvNet has to beat: the commonest class, linear models, neighbours, trees, SIFT on pictures. Knows no net."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from glassnet.data.dataset import Dataset
from glassnet.data.sentences import tokens
from glassnet.training.drawn import Drawn

Rows = NDArray[np.int64]
Rival = Callable[[Rows, Rows, int], NDArray[np.int64]]  # places to learn from, places to answer, a seed: the answers

TREES = 200
NEIGHBOURS = 5
WORDS, SAMPLED = 200, 20_000  # visual words, and descriptors that they are found from
SIFT_SIDE = 64  # pixels a side at least: smaller pictures are enlarged
SIFT_SIZES = (8.0, 12.0)


def entrants(drawn: Drawn) -> tuple[dict[str, Rival], tuple[str, ...]]:
    """Competitors by name for the rows that were drawn, and what is left out for want of a library.

    Each learns from some of the rows and answers for others.
    """
    from sklearn.dummy import DummyClassifier

    y, found, missing = drawn.y, dict[str, Rival](), list[str]()
    values = drawn.reduced(drawn.kind.check.sides).reshape(len(drawn), -1)
    found["the commonest class"] = _on(values, y, lambda _: DummyClassifier())
    if not drawn.kind.looked_up:  # numbers of words are no values
        found |= _on_values(values, y)
    for name in drawn.kind.check.rivals:
        try:
            found[NAMES[name]] = OWN[name](drawn)
        except ImportError:
            missing.append(f"{NAMES[name]} is left out: it needs opencv (pip install 'glassnet[detect]')")
    return found, tuple(missing)


def _on_values(values: NDArray[np.float32], y: NDArray[np.int64]) -> dict[str, Rival]:
    """Those that take the values of an example in no order. values: (n, F)."""
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def logistic(_seed: int) -> object:
        return make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=200))

    def neighbours(_seed: int) -> object:
        return make_pipeline(StandardScaler(), KNeighborsClassifier(NEIGHBOURS, weights="distance"))

    return {
        "logistic regression": _on(values, y, logistic),
        "nearest neighbours": _on(values, y, neighbours),
        "trees": _on(values, y, lambda seed: ExtraTreesClassifier(TREES, random_state=seed)),
    }


def _on(x: NDArray[np.generic], y: NDArray[np.int64], make: Callable[[int], object]) -> Rival:
    """A scikit-learn model that learns from rows of x."""
    return lambda train, test, seed: _answers(make(seed), x[train], y[train], x[test])


def bag_of_words(drawn: Drawn) -> Rival:
    """Logistic regression on which words and pairs of words a sentence holds, weighted by how rare they are."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    texts = np.array([drawn.dataset.samples.names[int(row)] for row in drawn.rows], object)

    def make(_seed: int) -> object:
        words = TfidfVectorizer(ngram_range=(1, 2), tokenizer=tokens, token_pattern=None, lowercase=False)
        return make_pipeline(words, LogisticRegression(C=10, max_iter=500))

    return _on(texts, drawn.y, make)


def sift_words(drawn: Drawn) -> Rival:
    """A linear SVM on visual words. Raises ImportError."""
    words, y = descriptors(drawn.dataset, drawn.rows), drawn.y
    return lambda train, test, seed: visual_words(words, y, train, test, seed)


def descriptors(dataset: Dataset, rows: Rows) -> NDArray[np.float32]:
    """(n, places, 128) SIFT descriptors on a grid, of two sizes, brought to unit length of their square roots.

    Lowe 2004; Arandjelovic and Zisserman 2012, "Three things everyone should know", section 3. Raises ImportError.
    """
    import cv2

    cv2.setNumThreads(1)
    sift = cv2.SIFT_create()  # type: ignore[attr-defined]  # its stubs lack it
    found = []
    for row in rows:
        x = np.asarray(dataset.samples.x[int(row)], np.float32)
        grey = x.mean(0) * (255 / dataset.full_scale)
        grey = ((grey - grey.min()) * (255 / (np.ptp(grey) or 1))).astype(np.uint8)
        scale = max(1.0, SIFT_SIDE / max(grey.shape))
        if scale > 1:
            grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        step = max(grey.shape) / 8
        places = [
            cv2.KeyPoint(float(c), float(r), size)
            for size in SIFT_SIZES
            for r in np.arange(step / 2, grey.shape[0], step)
            for c in np.arange(step / 2, grey.shape[1], step)
        ]
        _, values = sift.compute(grey, places)
        found.append(np.sqrt(values / (values.sum(1, keepdims=True) + 1e-6)))
    return np.asarray(np.stack(found), np.float32)


def visual_words(
    words: NDArray[np.float32], y: NDArray[np.int64], train: Rows, test: Rows, seed: int
) -> NDArray[np.int64]:
    """Answers of a linear SVM on how often each visual word occurs. Csurka et al. 2004. words: (n, places, 128)."""
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    random = np.random.default_rng(seed)
    known = words[train].reshape(-1, words.shape[2])
    some = known[random.permutation(len(known))[:SAMPLED]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        means = MiniBatchKMeans(min(WORDS, len(some) // 4), random_state=seed, n_init=1, batch_size=2048).fit(some)
    kind = means.predict(words.reshape(-1, words.shape[2])).reshape(len(words), -1)
    counts = np.stack([np.bincount(one, minlength=means.n_clusters) for one in kind])
    svm = make_pipeline(StandardScaler(), LinearSVC(C=0.01, random_state=seed))
    return _answers(svm, np.sqrt(counts[train]), y[train], np.sqrt(counts[test]))


def _answers(
    model: object, x: NDArray[np.generic], y: NDArray[np.int64], asked: NDArray[np.generic]
) -> NDArray[np.int64]:
    """Fits a scikit-learn model and asks it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a competitor that has not quite converged is still a competitor
        return np.asarray(model.fit(x, y).predict(asked), np.int64)  # type: ignore[attr-defined]  # sklearn is untyped


OWN: dict[str, Callable[[Drawn], Rival]] = {"visual words": sift_words, "bag of words": bag_of_words}
NAMES = {
    "visual words": "SIFT, visual words, linear SVM",
    "bag of words": "bag of words and pairs, logistic regression",
}
HOW = {
    "the commonest class": "always the class that most of the training examples have",
    "logistic regression": "on standardised values, C = 0.1",
    "nearest neighbours": f"{NEIGHBOURS} of them, on standardised values; the nearer count for more",
    "trees": f"{TREES} extremely randomised trees",
    NAMES["visual words"]: f"SIFT on a grid, {WORDS} visual words, linear SVM, C = 0.01",
    NAMES["bag of words"]: "TF-IDF of words and of pairs, C = 10",
}
