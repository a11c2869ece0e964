"""The layers that torch lacks, each a named module so that its values can be looked at. Nothing works in place."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from glassnet.nets.spec import Conv

CONVS: dict[int, type[nn.Conv1d | nn.Conv2d | nn.Conv3d]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
POOLS: dict[int, type[nn.MaxPool1d | nn.MaxPool2d | nn.MaxPool3d]] = {
    1: nn.MaxPool1d,
    2: nn.MaxPool2d,
    3: nn.MaxPool3d,
}
NORMS: dict[int, type[nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d]] = {
    0: nn.BatchNorm1d,
    1: nn.BatchNorm1d,
    2: nn.BatchNorm2d,
    3: nn.BatchNorm3d,
}


FILTERS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
CONTRAST = 3.0  # of whitened examples, in spreads of a visible unit around what is expected of it
FLATTEST = 1e-4  # mean square below which an example has no contrast to speak of
LEAST_INPUT = -30.0  # of a hidden unit: it is as good as never on. Chances below 1e-38 make a processor crawl
DIRECTIONS, DIRECTED = 64, 2**20  # in which examples differ most: how many, and values of all of them, at most


class Add(nn.Module):
    """The sum of two stacks of maps, value by value. x, y: (B, C, *S). Returns (B, C, *S)."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


class Mean(nn.Module):
    """The mean of each map over its places. x: (B, C, *S). Returns (B, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2).mean(2)  # (B, C)


class Max(nn.Module):
    """The largest value of each map. x: (B, C, *S). Returns (B, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2).amax(2)  # (B, C)


class Embed(nn.Module):
    """Of each word its own features. x: (B, 1, T) numbers of words, 0 for none. Returns (B, features, T).

    One-hot words (B, words, T) times a dense layer without bias, looked up. Nothing (0) has no features. still: whether
    training leaves them as they are. ratio: (words, 1) what each word's features are scaled by.
    """

    ratio: Tensor

    def __init__(self, words: int, features: int, still: bool = False) -> None:
        super().__init__()
        self.still = still
        self.weight = nn.Parameter(torch.empty(words, features))
        self.register_buffer("ratio", torch.ones(words, 1))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight.detach() if self.still else self.weight
        number = x[:, 0].long()  # (B, T)
        found = functional.embedding(number, weight, padding_idx=0) * functional.embedding(number, self.ratio)
        return found.transpose(1, 2).contiguous()  # (B, features, T)


class Phrases(nn.Conv1d):
    """Convolutions of several lengths side by side, as one of the longest: the weights beyond a shorter one are 0.

    x: (B, C, T). Returns (B, features * lengths, T), the shortest first. spans: of each feature its part of the kernel.
    """

    def __init__(self, in_channels: int, features: int, shortest: int, longest: int) -> None:
        lengths = range(shortest, longest + 1)
        super().__init__(in_channels, features * len(lengths), longest, padding=(longest - 1) // 2)
        starts = [(longest - size) // 2 for size in lengths]
        self.spans = [range(s, s + size) for s, size in zip(starts, lengths, strict=True) for _ in range(features)]
        mask = torch.zeros(features * len(lengths), 1, longest)
        for one, span in zip(mask, self.spans, strict=True):
            one[:, span.start : span.stop] = 1
        self.register_buffer("mask", mask, persistent=False)
        self.weight.register_hook(lambda grad: grad * mask.to(grad.device))  # type: ignore[no-untyped-call]

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


class _Visible(nn.Module):
    """What a convolutional restricted Boltzmann machine has beside its features: a bias a visible map.

    real: whether its visible units are real numbers, or else on or off; the first machine of a net has real ones.
    """

    visible: nn.Parameter
    real: bool = True

    def see(self, channels: int) -> None:
        """Gives it the visible maps' biases."""
        self.visible = nn.Parameter(torch.zeros(channels))


class Rbm1d(nn.Conv1d, _Visible):
    """See RBMS."""


class Rbm2d(nn.Conv2d, _Visible):
    """See RBMS."""


class Rbm3d(nn.Conv3d, _Visible):
    """See RBMS."""


Rbm = Rbm1d | Rbm2d | Rbm3d
RBMS: dict[int, type[Rbm1d | Rbm2d | Rbm3d]] = {1: Rbm1d, 2: Rbm2d, 3: Rbm3d}  # convolutions that also look downwards


class Whiten(nn.Module):
    """Neighbours made independent by a convolution that isn't trained, then each example brought to one contrast.

    x: (B, C, *S). Returns (B, C, *S - size + 1), each example with a root mean square of CONTRAST. weight: (C, C,
    *size), of no effect at first. What hidden parts are filled in from: mean (C, *S), the mean example; directions
    (R, C, *S) in which examples differ most, of length 1; their variance (R,); that of a value beside them, alone ().
    """

    def __init__(self, shape: tuple[int, ...], size: int) -> None:
        super().__init__()
        channels, axes = shape[0], len(shape) - 1
        many = math.prod(shape)
        count = max(1, min(DIRECTIONS, many // 4, DIRECTED // many))
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("directions", torch.zeros(count, *shape))
        self.register_buffer("variance", torch.zeros(count))
        self.register_buffer("alone", torch.ones(()))
        weight = torch.zeros(channels, channels, *[size] * axes)
        for channel in range(channels):
            weight[(channel, channel, *[size // 2] * axes)] = 1
        self.register_buffer("weight", weight)

    def forward(self, x: Tensor) -> Tensor:
        y = self.filtered(x)
        return y * self.gain(y)

    def filtered(self, x: Tensor) -> Tensor:
        """(B, C, *S - size + 1) before the contrast is brought to one."""
        return FILTERS[x.dim() - 2](x, self.get_buffer("weight"))

    def gain(self, y: Tensor) -> Tensor:
        """(B, 1, ...) what the filtered values of each example are multiplied by."""
        axes = tuple(range(1, y.dim()))
        return CONTRAST / (y * y).mean(axes, keepdim=True).clamp(min=FLATTEST).sqrt()


class ProbPool(nn.Module):
    """Probabilistic max-pooling: the chance that one unit of each block is on. Lee et al. 2009, section 3.3.

    x: (B, K, *S) what hidden units get. Returns (B, K, *ceil(S / side)): 1 - 1 / (1 + sum of exp(x) over the block).
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        short = [pad for size in reversed(x.shape[2:]) for pad in (0, (-size) % self.side)]
        x = functional.pad(x.clamp(min=LEAST_INPUT), short, value=-1e30)  # nothing is beyond the edge
        for axis in range(2, x.dim()):
            x = x.reshape(*x.shape[:axis], -1, self.side, *x.shape[axis + 1 :]).logsumexp(axis + 1)
        return x.sigmoid()


class Residual(nn.Module):
    """Convolutions added to their input, relu(f(x) + x). He et al. 2015, section 3.2 and figures 2 and 5.

    x: (B, in_channels, *S). Returns (B, features, *ceil(S / stride)). convs: in order. around: the 1x1 convolution of
    the way around, where the shapes differ.
    """

    def __init__(self, axes: int, in_channels: int, convs: Sequence[Conv], around: Conv | None) -> None:
        super().__init__()
        channels = in_channels
        for i, conv in enumerate(convs, 1):
            self._add(f"{i}", axes, channels, conv)
            if i < len(convs):
                self.add_module(f"relu{i}", nn.ReLU())
            channels = conv.features
        self.convs = len(convs)
        self.projects = around is not None
        if around is not None:
            self._add("_around", axes, in_channels, around)
        self.add = Add()
        self.add_module(f"relu{self.convs}", nn.ReLU())

    @property
    def gain(self) -> Tensor:
        """(features,) what the convolutions' result is scaled by before the sum."""
        weight = self.get_submodule(f"batchnorm{self.convs}").weight
        assert isinstance(weight, Tensor), "a batch norm has one"
        return weight

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for i in range(1, self.convs):
            y = self._run("relu", i, self._normed(i, y))
        y = self._normed(self.convs, y)
        around = self._normed("_around", x) if self.projects else x
        return self._run("relu", self.convs, self.add(y, around))  # (B, features, *S / stride)

    def _add(self, name: str, axes: int, channels: int, conv: Conv) -> None:
        convolution = CONVS[axes](channels, conv.features, conv.size, conv.stride, conv.padding, bias=False)
        self.add_module(f"conv{name}", convolution)
        self.add_module(f"batchnorm{name}", NORMS[axes](conv.features))

    def _normed(self, name: int | str, x: Tensor) -> Tensor:
        return self._run("batchnorm", name, self._run("conv", name, x))

    def _run(self, word: str, name: int | str, x: Tensor) -> Tensor:
        out: Tensor = self._modules[f"{word}{name}"](x)  # type: ignore[misc]  # a module that was added
        return out
