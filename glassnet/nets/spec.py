"""The plain layers a net can be written in: their text, their arithmetic, their cost. Builds nothing, needs no torch.

A conv is padded by (SIZE - 1) / 2, rounded down, so that odd sizes keep the picture's size; `valid` pads nothing, as on
the slides. A pool keeps the windows that reach past the edge; `same` pads it as a conv is padded, and drops them.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from glassnet import shapes
from glassnet.shapes import Field
from glassnet.words import by


class Unfit(Exception):
    """A layer that can't be. The text says why; mend: the nearest layer that can, or None to drop it."""

    def __init__(self, text: str, mend: str | None = None) -> None:
        super().__init__(text)
        self.mend = mend


@dataclass(frozen=True)
class Flow:
    """What arrives at a layer. shape: (C, *S), or (F,) once votes have begun. field: what one value sees, an axis."""

    shape: tuple[int, ...]
    field: tuple[Field, ...]

    @property
    def is_grid(self) -> bool:
        """Whether the values still have places."""
        return len(self.shape) > 1


@dataclass(frozen=True)
class Cost:
    """What a layer takes for one example. parameters: trained numbers. multiply_adds: products summed."""

    parameters: int = 0
    multiply_adds: int = 0


class Layer(ABC):
    """One word of a net's text. form: how it is written. needs_grid: whether values must have places."""

    form: ClassVar[str]
    needs_grid: ClassVar[bool] = True

    @classmethod
    @abstractmethod
    def parse(cls, words: list[str]) -> Layer:
        """The layer from the words after its name. Raises Unfit."""

    @abstractmethod
    def after(self, flow: Flow) -> Flow:
        """What it makes of its input. Raises Unfit when it can't take it."""

    def cost(self, before: Flow, after: Flow, bias: bool) -> Cost:
        """What it takes for one example. bias: whether its sums have one."""
        return Cost()


class Word(Layer):
    """A layer that is one word, with nothing to choose."""

    @classmethod
    def parse(cls, words: list[str]) -> Word:
        if words:
            raise Unfit("", cls.form)
        return cls()

    def __str__(self) -> str:
        return self.form

    def after(self, flow: Flow) -> Flow:
        return flow


@dataclass(frozen=True)
class Conv(Layer):
    """`conv FEATURES SIZE[/STRIDE] [valid]`: convolution, one filtered map a feature."""

    features: int
    size: int
    stride: int = 1
    valid: bool = False
    form: ClassVar[str] = "conv FEATURES SIZE"

    @classmethod
    def parse(cls, words: list[str]) -> Conv:
        valid = words[-1:] == ["valid"]
        if len(words) != 2 + valid:
            raise Unfit("", nearest("conv", words, "32", "3"))
        size, stride = sized(words[1], 1)
        return cls(number(words[0]), size, stride, valid)

    def __str__(self) -> str:
        stride = f"/{self.stride}" if self.stride > 1 else ""
        return f"conv {self.features} {self.size}{stride}{' valid' if self.valid else ''}"

    @property
    def padding(self) -> int:
        """Blank cells at each end of each axis."""
        return 0 if self.valid else shapes.same_padding(self.size)

    def after(self, flow: Flow) -> Flow:
        sizes = tuple(shapes.conv_size(s, self.size, self.stride, self.padding) for s in flow.shape[1:])
        if min(sizes) < 1:
            fitting = Conv(self.features, min(flow.shape[1:]), self.stride, self.valid)
            raise Unfit(
                f"a feature of {by([self.size] * len(sizes))} does not fit its input of {by(flow.shape[1:])}",
                str(fitting),
            )
        return Flow((self.features, *sizes), tuple(f.through(self.size, self.stride, self.padding) for f in flow.field))

    def cost(self, before: Flow, after: Flow, bias: bool) -> Cost:
        weights = self.features * before.shape[0] * self.size ** len(before.field)
        return Cost(weights + self.features * bias, weights * math.prod(after.shape[1:]))


@dataclass(frozen=True)
class Pool(Layer):
    """`pool WINDOW[/STRIDE] [same]`: the maximum of each window; the stride is the window's size unless given."""

    window: int
    stride: int
    same: bool = False
    form: ClassVar[str] = "pool WINDOW"

    @classmethod
    def parse(cls, words: list[str]) -> Pool:
        same = words[-1:] == ["same"]
        if len(words) != 1 + same:
            raise Unfit("", nearest("pool", words, "2"))
        window, stride = sized(words[0], 0)
        return cls(window, stride or window, same)

    def __str__(self) -> str:
        stride = f"/{self.stride}" if self.stride != self.window else ""
        return f"pool {self.window}{stride}{' same' if self.same else ''}"

    @property
    def padding(self) -> int:
        """Cells at each end of each axis that never win."""
        return shapes.same_padding(self.window) if self.same else 0

    def after(self, flow: Flow) -> Flow:
        if max(flow.shape[1:]) == 1:
            raise Unfit(f"nothing left to pool, its input is {by(flow.shape[1:])}")
        count = shapes.conv_size if self.same else shapes.pool_size
        sizes = tuple(count(s, self.window, self.stride, self.padding) for s in flow.shape[1:])
        if min(sizes) < 1:
            raise Unfit(f"a window of {self.window} does not fit its input of {by(flow.shape[1:])}", "pool 2")
        field = tuple(f.through(self.window, self.stride, self.padding) for f in flow.field)
        return Flow((flow.shape[0], *sizes), field)


@dataclass(frozen=True)
class Relu(Word):
    """`relu`: negatives become zero."""

    form: ClassVar[str] = "relu"
    needs_grid: ClassVar[bool] = False


@dataclass(frozen=True)
class Gelu(Word):
    """`gelu`: each value times the share of a normal distribution that lies below it: a relu with its corner rounded.

    Hendrycks and Gimpel 2016, "Gaussian error linear units".
    """

    form: ClassVar[str] = "gelu"
    needs_grid: ClassVar[bool] = False


@dataclass(frozen=True)
class BatchNorm(Word):
    """`batchnorm`: each map brought to mean 0 and spread 1, then scaled and shifted by two trained numbers."""

    form: ClassVar[str] = "batchnorm"
    needs_grid: ClassVar[bool] = False

    def cost(self, before: Flow, after: Flow, bias: bool) -> Cost:
        return Cost(2 * before.shape[0], math.prod(before.shape))


@dataclass(frozen=True)
class Dropout(Layer):
    """`dropout P`: while training, each value is left out with probability P."""

    p: float
    form: ClassVar[str] = "dropout P"
    needs_grid: ClassVar[bool] = False

    @classmethod
    def parse(cls, words: list[str]) -> Dropout:
        try:
            p = float(words[0]) if len(words) == 1 else math.nan
        except ValueError:
            p = math.nan
        if not 0 < p < 1:
            raise Unfit("a probability lies between 0 and 1", "dropout 0.5")
        return cls(p)

    def __str__(self) -> str:
        return f"dropout {self.p}"

    def after(self, flow: Flow) -> Flow:
        return flow


@dataclass(frozen=True)
class Mean(Word):
    """`mean`: the mean of each map over all its places."""

    form: ClassVar[str] = "mean"

    def after(self, flow: Flow) -> Flow:
        return Flow((flow.shape[0],), whole_field(flow))


@dataclass(frozen=True)
class Max(Word):
    """`max`: the largest value of each map, wherever it stands."""

    form: ClassVar[str] = "max"

    def after(self, flow: Flow) -> Flow:
        return Flow((flow.shape[0],), whole_field(flow))


@dataclass(frozen=True)
class Fc(Layer):
    """`fc NEURONS`: fully connected, every value votes for every neuron; bare, a neuron a class (neurons is 0)."""

    neurons: int = 0
    form: ClassVar[str] = "fc NEURONS"
    needs_grid: ClassVar[bool] = False

    @classmethod
    def parse(cls, words: list[str]) -> Fc:
        if len(words) > 1:
            raise Unfit("", nearest("fc", [word for word in words if "/" not in word][:1], "128"))
        return cls(number(words[0])) if words else cls()

    def __str__(self) -> str:
        return f"fc {self.neurons}" if self.neurons else "fc"

    def after(self, flow: Flow) -> Flow:
        return Flow((self.neurons,), whole_field(flow))

    def cost(self, before: Flow, after: Flow, bias: bool) -> Cost:
        weights = math.prod(before.shape) * after.shape[0]
        return Cost(weights + after.shape[0] * bias, weights)


def whole_field(flow: Flow) -> tuple[Field, ...]:
    """What a value sees that draws on all places of its input."""
    if not flow.is_grid:
        return flow.field
    return tuple(
        Field(f.size + (s - 1) * f.stride, f.stride, f.start) for f, s in zip(flow.field, flow.shape[1:], strict=True)
    )


def number(word: str) -> int:
    """A whole number from 1 to a million. Raises Unfit."""
    if not (word.isdecimal() and 0 < len(word) < 8 and 1 <= int(word) <= 1_000_000):
        raise Unfit(f"`{word}` is no whole number from 1 to 1,000,000")
    return int(word)


def sized(word: str, default: int) -> tuple[int, int]:
    """SIZE[/STRIDE] as two numbers. Raises Unfit."""
    size, slash, stride = word.partition("/")
    return number(size), number(stride) if slash else default


def nearest(name: str, words: list[str], *usual: str) -> str:
    """A layer with the sizes among the words, and the usual ones for those that lack. One too many is the stride."""
    found = [word for word in words if re.fullmatch(r"[1-9]\d{0,5}(/[1-9]\d{0,5})?", word, re.ASCII)]
    kept = [*found[: len(usual)], *usual[len(found) :]]
    if len(found) > len(usual) and "/" not in kept[-1] + found[len(usual)]:
        kept[-1] += f"/{found[len(usual)]}"
    return " ".join((name, *kept))
