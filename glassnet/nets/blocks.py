"""Layers made of plain ones: words looked up, phrases, residual blocks, machines that learn without labels; and LAYERS,
every word of a net's text.
"""

from __future__ import annotations

import math
import re
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from glassnet import shapes
from glassnet.nets.spec import (
    BatchNorm,
    Conv,
    Cost,
    Dropout,
    Fc,
    Flow,
    Gelu,
    Layer,
    Max,
    Mean,
    Pool,
    Relu,
    Unfit,
    nearest,
    number,
    sized,
)
from glassnet.words import by


@dataclass(frozen=True)
class Embed(Layer):
    """`embed FEATURES [still]`: of each word its own features: one-hot words times a dense layer, looked up instead.

    Input: (words, T), of which the net is given the words' numbers; so it stands first. still: they are not learnt.
    """

    features: int
    still: bool = False
    form: ClassVar[str] = "embed FEATURES [still]"

    @classmethod
    def parse(cls, words: list[str]) -> Embed:
        if len(words) == 2 and words[1] == "still":
            return cls(number(words[0]), still=True)
        if len(words) != 1:
            raise Unfit("", nearest("embed", words, "100"))
        return cls(number(words[0]))

    def __str__(self) -> str:
        return f"embed {self.features}{' still' if self.still else ''}"

    def after(self, flow: Flow) -> Flow:
        if len(flow.shape) != 2:
            raise Unfit(f"words stand in a row, but its input is {by(flow.shape[1:])}")
        return Flow((self.features, *flow.shape[1:]), flow.field)

    def cost(self, before: Flow, after: Flow, bias: bool) -> Cost:
        return Cost(before.shape[0] * self.features)


@dataclass(frozen=True)
class Phrases(Layer):
    """`phrases FEATURES SHORTEST-LONGEST`: convolutions of several lengths side by side, so many features of each.

    Over a sentence they match phrases of three, four and five words: Kim 2014, "Convolutional neural networks for
    sentence classification". Built as one convolution of the longest length; the shorter ones use its middle.
    """

    features: int
    shortest: int
    longest: int
    form: ClassVar[str] = "phrases FEATURES SHORTEST-LONGEST"

    @classmethod
    def parse(cls, words: list[str]) -> Phrases:
        found = re.fullmatch(r"(\d{1,3})-(\d{1,3})", words[1]) if len(words) == 2 else None
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            raise Unfit("", "phrases 100 3-5")
        return cls(number(words[0]), int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"phrases {self.features} {self.shortest}-{self.longest}"

    @property
    def conv(self) -> Conv:
        """The one convolution that holds them all."""
        return Conv(self.features * (self.longest - self.shortest + 1), self.longest)

    def after(self, flow: Flow) -> Flow:
        return self.conv.after(flow)

    def cost(self, before: Flow, after: Flow, bias: bool) -> Cost:
        lengths = range(self.shortest, self.longest + 1)
        weights = sum(self.features * before.shape[0] * size ** len(before.field) for size in lengths)
        return Cost(weights + after.shape[0], weights * math.prod(after.shape[1:]))


@dataclass(frozen=True)
class Block(Layer):
    """Convolutions, each with a batch norm, added to their input. He et al. 2015, "Deep residual learning"."""

    features: int
    stride: int = 1

    @classmethod
    def parse(cls, words: list[str]) -> Block:
        if len(words) != 1:
            raise Unfit("", nearest(cls.form.split()[0], words, "64"))
        return cls(*sized(words[0], 1))

    def __str__(self) -> str:
        return f"{self.form.split()[0]} {self.features}" + (f"/{self.stride}" if self.stride > 1 else "")

    @property
    @abstractmethod
    def convs(self) -> tuple[Conv, ...]:
        """The convolutions, in order."""

    def around(self, in_channels: int) -> Conv | None:
        """The 1x1 convolution of the way around, where that doesn't fit as it is (option B of section 3.3)."""
        return Conv(self.features, 1, self.stride) if self.stride > 1 or in_channels != self.features else None

    def after(self, flow: Flow) -> Flow:
        for conv in self.convs:
            flow = conv.after(flow)
        return flow

    def cost(self, before: Flow, after: Flow, bias: bool) -> Cost:
        around, flow, costs = self.around(before.shape[0]), before, []
        pairs = [(around, before)] if around else []
        for conv in self.convs:
            pairs.append((conv, flow))
            flow = conv.after(flow)
        for conv, flow in pairs:
            made = conv.after(flow)
            costs += [conv.cost(flow, made, bias=False), BatchNorm().cost(made, made, bias=False)]
        return Cost(sum(one.parameters for one in costs), sum(one.multiply_adds for one in costs))


@dataclass(frozen=True)
class Residual(Block):
    """`residual FEATURES[/STRIDE]`: two 3x3 convolutions added to their input. He et al. 2015, figure 2."""

    form: ClassVar[str] = "residual FEATURES"

    @property
    def convs(self) -> tuple[Conv, ...]:
        return Conv(self.features, 3, self.stride), Conv(self.features, 3)


@dataclass(frozen=True)
class Bottleneck(Block):
    """`bottleneck FEATURES[/STRIDE]`: 1x1 to a quarter of the features, 3x3, and 1x1 back, added to their input.

    He et al. 2015, figure 5; the stride is at the 3x3 convolution, as in torchvision.
    """

    form: ClassVar[str] = "bottleneck FEATURES"

    @property
    def convs(self) -> tuple[Conv, ...]:
        inner = max(self.features // 4, 1)
        return Conv(inner, 1), Conv(inner, 3, self.stride), Conv(self.features, 1)


@dataclass(frozen=True)
class Whiten(Layer):
    """`whiten SIZE`: neighbours made independent by a kernel found in the data, each example brought to one contrast.

    It stands first, before an `rbm`. Lee et al. 2009, section 4.1; Olshausen and Field 1997.
    """

    size: int
    form: ClassVar[str] = "whiten SIZE"

    @classmethod
    def parse(cls, words: list[str]) -> Whiten:
        if len(words) != 1:
            raise Unfit("", nearest("whiten", words, "9"))
        return cls(number(words[0]))

    def __str__(self) -> str:
        return f"whiten {self.size}"

    def conv(self, channels: int) -> Conv:
        """The convolution that it does before the contrast is brought to one."""
        return Conv(channels, self.size, valid=True)

    def after(self, flow: Flow) -> Flow:
        return self.conv(flow.shape[0]).after(flow)

    def cost(self, before: Flow, after: Flow, bias: bool) -> Cost:
        done = self.conv(before.shape[0]).cost(before, after, bias=False)
        return Cost(0, done.multiply_adds)  # its kernel is found, not trained


@dataclass(frozen=True)
class Rbm(Layer):
    """`rbm FEATURES SIZE [valid]`: a convolutional restricted Boltzmann machine, looked through upwards.

    It learns without labels, before the votes do. Padded by SIZE - 1, so that every value is seen equally often, or not
    at all (`valid`). A `probpool` follows it. Lee et al. 2009, section 3.2.
    """

    features: int
    size: int
    valid: bool = False
    form: ClassVar[str] = "rbm FEATURES SIZE"

    @classmethod
    def parse(cls, words: list[str]) -> Rbm:
        valid = words[-1:] == ["valid"]
        if len(words) != 2 + valid:
            raise Unfit("", nearest("rbm", words, "24", "8"))
        return cls(number(words[0]), number(words[1]), valid)

    def __str__(self) -> str:
        return f"rbm {self.features} {self.size}{' valid' if self.valid else ''}"

    @property
    def padding(self) -> int:
        """Blank cells at each end of each axis."""
        return 0 if self.valid else self.size - 1

    def after(self, flow: Flow) -> Flow:
        sizes = tuple(shapes.conv_size(s, self.size, 1, self.padding) for s in flow.shape[1:])
        if min(sizes) < 1:
            found = f"a feature of {self.size} does not fit its input of {by(flow.shape[1:])}"
            raise Unfit(found, f"rbm {self.features} {min(flow.shape[1:])} valid")
        return Flow((self.features, *sizes), tuple(f.through(self.size, 1, self.padding) for f in flow.field))

    def cost(self, before: Flow, after: Flow, bias: bool) -> Cost:
        weights = self.features * before.shape[0] * self.size ** len(before.field)
        return Cost(weights + self.features + before.shape[0], weights * math.prod(after.shape[1:]))


@dataclass(frozen=True)
class ProbPool(Layer):
    """`probpool WINDOW`: probabilistic max-pooling: the chance that one unit of each block of an `rbm` is on.

    Lee et al. 2009, section 3.3.
    """

    side: int
    form: ClassVar[str] = "probpool WINDOW"

    @classmethod
    def parse(cls, words: list[str]) -> ProbPool:
        if len(words) != 1:
            raise Unfit("", nearest("probpool", words, "2"))
        return cls(number(words[0]))

    def __str__(self) -> str:
        return f"probpool {self.side}"

    def after(self, flow: Flow) -> Flow:
        sizes = tuple(-(-size // self.side) for size in flow.shape[1:])
        return Flow((flow.shape[0], *sizes), tuple(f.through(self.side, self.side) for f in flow.field))


LAYERS: dict[str, type[Layer]] = {
    kind.form.split()[0]: kind
    for kind in (
        Conv, Pool, Relu, Gelu, BatchNorm, Dropout, Residual, Bottleneck, Mean, Max, Embed, Phrases, Whiten, Rbm,
        ProbPool, Fc,
    )
}  # fmt: skip
