"""Word vectors from a file: GloVe's and word2vec's text formats, for the layer that looks words up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from glassnet.data.dataset import Normalisation
from glassnet.errors import GlassnetError
from glassnet.nets.convnet import ConvNet
from glassnet.nets.layers import Embed
from glassnet.words import clipped, counted

SUFFIXES = frozenset({".txt", ".vec"})
MOST_NUMBERS = 4096  # of a word
LONGEST_LINE = 200_000  # letters


@dataclass(frozen=True)
class Vectors:
    """Vectors of the words that a data set has, by word. found: words of it that the file knows. total: all of its."""

    name: str
    vectors: Mapping[str, Tensor]
    words: tuple[str, ...]
    net: str
    side: int = 0

    def normalisation_for(self, channels: int) -> Normalisation | None:
        """Numbers of words stay as they are."""
        return None

    def lay_in(self, net: ConvNet, classes: tuple[str, ...]) -> str:
        """Gives the words that the file knows their vectors; the others keep their random ones. Returns what was done.

        Raises GlassnetError where the net's first layer has another number of features.
        """
        first = next(net.children())
        size = len(next(iter(self.vectors.values())))
        assert isinstance(first, Embed), "a net of sentences begins with one"
        if first.weight.shape[1] != size:
            fix = f"Begin the net with `embed {size}`"
            raise GlassnetError(self.name, expected=f"{first.weight.shape[1]} numbers a word", found=str(size), fix=fix)
        with torch.no_grad():
            for i, word in enumerate(self.words):
                if word in self.vectors:
                    first.weight[i] = self.vectors[word]
        known = counted(len(self.vectors), "word")
        return f"{known} of {len(self.words) - 2:,} begin with the vectors of {self.name}; the others are random"


def find(where: str, words: tuple[str, ...], net: str) -> Vectors:
    """The vectors of these words. net: the text of a net that begins with `embed`; its features become the file's.

    Raises GlassnetError naming the line that is no word with its numbers.
    """
    wanted, vectors, size = set(words), dict[str, Tensor](), 0
    path = Path(where)
    for number, word, values in _lines(path):
        size = size or len(values)
        if len(values) != size:
            raise _wrong(path, number, f"{size} numbers behind a word", str(len(values)))
        if word in wanted:
            try:
                vector = np.array(values, np.float32)
            except ValueError:
                raise _wrong(path, number, "numbers behind a word", clipped(" ".join(values), 40)) from None
            if not np.isfinite(vector).all():
                raise _wrong(path, number, "finite numbers", "others")
            vectors.setdefault(word, torch.from_numpy(vector))
    if not vectors:
        found = "none of them" if size else "no vectors"
        raise GlassnetError(where, expected="vectors of words that the data has", found=found, fix="Take another file")
    begun, _, rest = net.partition(",")
    return Vectors(where, vectors, words, f"embed {size}{' still' if 'still' in begun else ''},{rest}")


def _lines(path: Path) -> Iterator[tuple[int, str, list[str]]]:
    """Every line's number, word and numbers. A word may hold spaces; a first line of two counts is passed over."""
    size = 0
    try:
        with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
            for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE), ""), 1):
                parts = line.rstrip().split(" ")
                if number == 1 and len(parts) == 2 and all(part.isdecimal() for part in parts):
                    size = int(parts[1])
                    continue
                if len(parts) < 2:
                    if line.strip():
                        raise _wrong(path, number, "a word and its numbers", clipped(repr(line.strip()), 40))
                    continue
                size = size or len(parts) - 1
                if size > MOST_NUMBERS:
                    raise _wrong(path, number, f"at most {MOST_NUMBERS:,} numbers a word", f"{size:,}")
                word = " ".join(parts[:-size]) if len(parts) > size else parts[0]
                yield number, word, parts[-size:] if len(parts) > size else parts[1:]
    except OSError as error:
        raise GlassnetError(str(path), found=f"can't be read: {error.strerror}", fix="Check the path") from error


def _wrong(path: Path, line: int, expected: str, found: str) -> GlassnetError:
    return GlassnetError(f"{path}, line {line}", expected=expected, found=found, fix="Take GloVe's or word2vec's text")
