"""scikit-learn's handwritten digits: 1,797 pictures of 8x8. UCI, "Optical recognition of handwritten digits"."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from glassnet.data import cache
from glassnet.data.dataset import NOT_GIVEN, Dataset, Preparation, Samples, digests
from glassnet.data.reading import Progress

HIGHEST = 16  # of the stored values; it becomes 255
COUNT = 1797


def read_steps() -> Generator[Progress, None, Dataset]:
    """The digits as a data set, white on black, fetched from scikit-learn once and cached."""
    folder = cache.remembered("digits", lambda _: True)
    if folder is None:
        with cache.remember("digits", {}) as new:
            from sklearn.datasets import load_digits

            images, targets = load_digits(return_X_y=True)
            x = np.round(images.reshape(-1, 1, 8, 8) * (255 / HIGHEST)).astype(np.uint8)  # (N, 1, 8, 8)
            np.savez(new / "digits.npz", x=x, y=targets.astype(np.int64), digest=digests(x))
            yield Progress(len(x), len(x))
        folder = cache.remembered("digits", lambda _: True)
    assert folder is not None, "the cache was just filled"
    with np.load(folder / "digits.npz") as stored:
        x, y, digest = stored["x"], stored["y"], stored["digest"]
    count = len(y)
    samples = Samples(
        x,
        y,
        [f"digit {i}" for i in range(count)],
        np.full(count, NOT_GIVEN, np.int8),
        digest,
        np.full((count, 2), 8, np.int32),
    )
    preparation = Preparation((1, 8, 8), {"full_scale": 65535, "ink": 1})
    return Dataset("pictures", "digits", tuple("0123456789"), samples, preparation)
