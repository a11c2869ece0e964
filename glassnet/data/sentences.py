"""Sentences: texts to (1, T) numbers of words, which a net's first layer looks up. Knows words, not classes.

"Position in sentence x words in dictionary": an example is a grid of one-hot words (words, T), kept as one number a
place. Number 0 is no word, 1 a word that the training examples lack.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from glassnet.data.columns import Rows
from glassnet.data.dataset import Array, Dataset, Normalisation, Preparation, Samples
from glassnet.data.kind import Augmentation, Axis, Look, Looks, Unreadable
from glassnet.data.reading import Progress
from glassnet.words import counted

SUFFIXES = frozenset({".txt"})
TOKEN = re.compile(r"\w+(?:['\u2019]\w+)*|[^\w\s]")
NONE, RARE = "", "\ufffd"  # what stands for numbers 0 and 1 in the list of words
SOME = (2, 64)  # the shape of sentences before any is read
LONGEST = 256  # words
NET = "embed 100, dropout 0.7, phrases 100 1-3, relu, mean, dropout 0.5, fc"
MOST_WORDS = 50_000  # that a net knows; of more, those that occur most often
MOST_LETTERS = 1_000_000
SOME_TEXTS = 5000  # between two reports of progress
LINE, WIDTH = 16, 320  # pixels of a drawn sentence


def tokens(text: str) -> list[str]:
    """Words and marks, in lower case."""
    return TOKEN.findall(text.lower())


def read_texts(
    name: str,
    texts: Sequence[str],
    y: NDArray[np.int64],
    classes: tuple[str, ...],
    split: NDArray[np.int8],
    group: NDArray[np.int64] | None = None,
    notes: tuple[str, ...] = (),
    given: Preparation | None = None,
) -> Generator[Progress, None, Dataset]:
    """Texts as a data set, with a list of all words that occur. given: a model's list. Yields progress."""
    words: list[list[str]] = []
    for start in range(0, len(texts), SOME_TEXTS):
        words += map(tokens, texts[start : start + SOME_TEXTS])
        yield Progress(len(words), len(texts))
    sizes = np.array([[len(one)] for one in words], np.int32)
    if given is None:
        counts = Counter(word for one in words for word in one)
        known = [NONE, RARE, *sorted(counts, key=lambda word: (-counts[word], word))]
        given = Preparation((len(known), _length(sizes)), {"words": "\n".join(known), "floats": 1})
    x = np.stack([_numbers(one, given) for one in words])[:, None]  # (N, 1, T)
    digest = [
        int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "little") for text in texts
    ]
    long = int((sizes > given.shape[1]).sum())
    if long:
        most = counted(given.shape[1], "word")
        notes += (f"longer than {most}: {counted(long, 'sentence')}, of which the beginning counts",)
    samples = Samples(x, y, list(texts), split, np.array(digest, np.uint64), sizes, group)
    low, high = int(sizes.min()), int(sizes.max())
    return Dataset(
        "sentences",
        name,
        classes,
        samples,
        given,
        normalisation=Normalisation((0.0,), (1.0,)),
        notes=notes,
        one="sentence",
        detail=f"{low:,} to {high:,} words, {given.shape[0] - 2:,} different",
    )


def fit(dataset: Dataset, rows: Rows) -> Dataset:
    """The same sentences by the words of the training examples alone: the others become one, the rare word."""
    counts = np.bincount(dataset.samples.x[rows].astype(np.int64).ravel(), minlength=dataset.shape[0])
    kept = counts > 0
    kept[np.argsort(-counts, kind="stable")[MOST_WORDS:]] = False
    kept[:2] = True
    number = np.where(kept, np.cumsum(kept) - 1, 1).astype(np.float32)
    words = str(dataset.preparation.settings["words"]).split("\n")
    known = [word for word, keep in zip(words, kept, strict=True) if keep]
    preparation = Preparation(
        (len(known), dataset.shape[1]), {**dataset.preparation.settings, "words": "\n".join(known)}
    )
    samples = replace(dataset.samples, x=number[dataset.samples.x.astype(np.int64)])
    note = f"{counted(len(known) - 2, 'word')} of the training sentences; others count as one"
    return replace(dataset, samples=samples, preparation=preparation, notes=(*dataset.notes, note))


def _length(sizes: NDArray[np.int32]) -> int:
    """Words that an example holds, from how many each has (N, 1): nearly all fit in whole."""
    return max(8, min(int(np.quantile(sizes, 0.99, method="higher")), LONGEST))


def look(data: bytes) -> Look:
    """How many words. Raises Unreadable."""
    return Look((len(tokens(text_of(data))),), 1)


def prepare(looks: Looks, longest: int | None = None) -> Preparation:
    """How long they are; the words are known when all texts have been read."""
    return Preparation((SOME[0], _length(looks.size)))


def decode(data: bytes, preparation: Preparation) -> tuple[Array, Look]:
    """One text as (1, T). Raises Unreadable."""
    words = tokens(text_of(data))
    return _numbers(words, preparation)[None], Look((len(words),), 1)


def raw(data: bytes, preparation: Preparation) -> NDArray[np.str_]:
    """(t,) all words of a text, in lower case. Raises Unreadable."""
    return np.array(tokens(text_of(data)))


def typed(text: str, preparation: Preparation) -> bytes:
    """The words as they were typed."""
    return text.encode("utf-8", "replace")


def vary(shape: tuple[int, ...]) -> Augmentation:
    """Some words left out."""
    return Augmentation(drop=0.3)


def axes(preparation: Preparation, x: Array | None = None) -> tuple[Axis, ...]:
    """Places by the words that stand there."""
    return (Axis("word", () if x is None else tuple(spelt(x, preparation)), read=True),)


def spelt(x: Array, preparation: Preparation) -> list[str]:
    """The words of an example (1, T) as the net knows them."""
    words = str(preparation.settings["words"]).split("\n")
    return [words[int(i)].replace(RARE, "\u2026") for i in np.asarray(x).ravel()]


def picture(x: Array, preparation: Preparation) -> NDArray[np.uint8]:
    """The sentence as it is read. x: (1, T). Returns (1, H, W)."""
    font, lines = ImageFont.load_default(12), [""]
    for word in spelt(x, preparation):
        if word and font.getlength(f"{lines[-1]} {word}") > WIDTH - 12:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    image = Image.new("L", (WIDTH, LINE * min(len(lines), 12) + 8), 255)
    draw = ImageDraw.Draw(image)
    for i, line in enumerate(lines[:12]):
        draw.text((6, 4 + i * LINE), line, 30, font)
    return np.asarray(image, np.uint8)[None]


def _numbers(words: Sequence[str], preparation: Preparation) -> NDArray[np.float32]:
    """(T,) the words' numbers, 0 behind the last."""
    number = _places(str(preparation.settings["words"]))
    row = np.zeros(preparation.shape[1], np.float32)
    found = [number.get(word, 1) for word in words[: len(row)]]
    row[: len(found)] = found
    return row


@lru_cache(maxsize=4)
def _places(words: str) -> Mapping[str, int]:
    return {word: i for i, word in enumerate(words.split("\n"))}


def text_of(data: bytes) -> str:
    """A file as text. Raises Unreadable."""
    if not data.strip():
        raise Unreadable("is empty")
    if len(data) > MOST_LETTERS:
        raise Unreadable(f"is {len(data) / 1e6:.0f} MB of text, over the limit of 1")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"is no UTF-8 text: the byte 0x{data[error.start]:02x}") from error
    if "\0" in text or not tokens(text):
        raise Unreadable("holds no words")
    return text
