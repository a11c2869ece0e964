"""The layers that torch lacks, each a named module so that its values can be looked at. Nothing works in place."""

from __future__ import annotations

from torch import Tensor, nn

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


class Add(nn.Module):
    """The sum of two stacks of maps, value by value. x, y: (B, C, *S). Returns (B, C, *S)."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


class Mean(nn.Module):
    """The mean of each map over its places. x: (B, C, *S). Returns (B, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2).mean(2)  # (B, C)


class Residual(nn.Module):
    """Two 3x3 convolutions added to their input, relu(f(x) + x). He et al. 2015, section 3.2 and figure 2.

    x: (B, in_channels, *S). Returns (B, features, *ceil(S / stride)). Where the shapes differ, the way around is a 1x1
    convolution (option B of section 3.3).
    """

    def __init__(self, axes: int, in_channels: int, features: int, stride: int) -> None:
        super().__init__()
        conv, norm = CONVS[axes], NORMS[axes]
        self.conv1 = conv(in_channels, features, 3, stride, 1, bias=False)
        self.batchnorm1 = norm(features)
        self.relu1 = nn.ReLU()
        self.conv2 = conv(features, features, 3, 1, 1, bias=False)
        self.batchnorm2 = norm(features)
        self.projects = stride > 1 or in_channels != features
        if self.projects:
            self.conv_around = conv(in_channels, features, 1, stride, bias=False)
            self.batchnorm_around = norm(features)
        self.add = Add()
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu1(self.batchnorm1(self.conv1(x)))
        y = self.batchnorm2(self.conv2(y))
        around = self.batchnorm_around(self.conv_around(x)) if self.projects else x
        out: Tensor = self.relu2(self.add(y, around))  # (B, features, *S / stride)
        return out
