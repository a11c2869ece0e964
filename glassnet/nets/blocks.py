"""The layers that are nets of their own, residual blocks, and LAYERS: every word that a net's text may hold."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

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
    sized,
)


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


LAYERS: dict[str, type[Layer]] = {
    kind.form.split()[0]: kind
    for kind in (Conv, Pool, Relu, Gelu, BatchNorm, Dropout, Residual, Bottleneck, Mean, Max, Fc)
}
