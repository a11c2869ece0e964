"""ConvNet: the network that a text describes, in 1-D, 2-D and 3-D. Knows nothing of data or training."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from glassnet.data.loader import Batch
from glassnet.nets import belief, layers
from glassnet.nets.blocks import Block, Embed, Phrases, ProbPool, Rbm, Whiten
from glassnet.nets.layers import CONVS, NORMS, POOLS, RBMS, Max, Mean, Residual
from glassnet.nets.network import Criterion, Network, Phase
from glassnet.nets.spec import BatchNorm, Conv, Dropout, Fc, Flow, Gelu, Layer, Pool, Relu
from glassnet.nets.spec import Max as MaxLayer
from glassnet.nets.spec import Mean as MeanLayer
from glassnet.nets.text import Spec, measure, names


class ConvNet(Network):
    """The network of a text. Its children are the layers by name (conv1, relu1, ...), run in order.

    shape: (C, *S) of one example. classes: K. seed: of its initial weights. Raises GlassnetError where the text doesn't
    fit the shape.
    """

    def __init__(self, spec: Spec, shape: tuple[int, ...], classes: int, seed: int = 0) -> None:
        super().__init__()
        self.spec, self.shape, self.classes = spec, shape, classes
        rows = measure(spec, shape, classes)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for before, row, name in zip(rows, rows[1:], names(spec), strict=False):
                assert row.layer is not None, "only the input has none"
                if isinstance(row.layer, Fc) and before.flow.is_grid:
                    self.add_module("flatten", nn.Flatten())
                self.add_module(name, layer_module(row.layer, before.flow, row.flow, row.bias))
            for module in self.modules():
                initialise(module)
            _initialise_votes(self.votes)
            for machine in belief.machines(list(self.named_children()))[1:]:
                machine.rbm.real = False

    @property
    def votes(self) -> nn.Linear:
        """The last fully connected layer: (K, F) weights that vote on the classes."""
        last = list(self.children())[-1]
        assert isinstance(last, nn.Linear), "every text ends in fc"
        return last

    @torch.no_grad()
    def name_features(self) -> None:
        """Makes each value that votes a class of its own: for nets that learn without labels, and have no others."""
        self.votes.weight.copy_(torch.eye(*self.votes.weight.shape))
        self.votes.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.children():
            x = layer(x)
        return x  # (B, K)

    def phases(self) -> tuple[Phase, ...]:
        machines = belief.phases(list(self.named_children()))
        if not machines:
            return (Phase("train", self._cross_entropy),)
        learnt = {id(one) for phase in machines for one in phase.moved}
        rest = tuple(one for one in self.parameters() if id(one) not in learnt)
        return (*machines, Phase("votes", self._cross_entropy, moved=rest))

    def _cross_entropy(self, batch: Batch, criterion: Criterion) -> tuple[Tensor, Tensor]:
        logits = self(batch.x)  # (B, K)
        return criterion.of(logits, batch.y, batch.weight), logits


def layer_module(layer: Layer, before: Flow, after: Flow, bias: bool) -> nn.Module:
    """The layer of a text as a module."""
    axes, channels = len(before.shape) - 1, before.shape[0]
    match layer:
        case Conv():
            return CONVS[axes](channels, layer.features, layer.size, layer.stride, layer.padding, bias=bias)
        case Pool():
            return POOLS[axes](layer.window, layer.stride, layer.padding, ceil_mode=not layer.same)
        case Embed():
            return layers.Embed(channels, layer.features, layer.still)
        case Phrases():
            return layers.Phrases(channels, layer.features, layer.shortest, layer.longest)
        case Whiten():
            return layers.Whiten(before.shape, layer.size)
        case Rbm():
            machine = RBMS[axes](channels, layer.features, layer.size, padding=layer.padding)
            machine.see(channels)
            return machine
        case ProbPool():
            return layers.ProbPool(layer.side)
        case Relu():
            return nn.ReLU()
        case Gelu():
            return nn.GELU()
        case BatchNorm():
            return NORMS[axes](channels)
        case Dropout():
            return nn.Dropout(layer.p)
        case Block():
            return Residual(axes, channels, layer.convs, layer.around(channels))
        case MeanLayer():
            return Mean()
        case MaxLayer():
            return Max()
        case Fc():
            return nn.Linear(math.prod(before.shape), after.shape[0], bias=bias)
    raise AssertionError(f"no module for {layer}")


def initialise(module: nn.Module) -> None:
    """He initialisation (He et al. 2015, "Delving deep into rectifiers"); a residual block begins as its way around."""
    if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, Residual):
        nn.init.zeros_(module.gain)
    elif isinstance(module, layers.Embed):
        nn.init.uniform_(module.weight, -0.1, 0.1)
        with torch.no_grad():
            module.weight[0] = 0
    if isinstance(module, layers.Phrases):
        with torch.no_grad():
            module.weight.mul_(module.get_buffer("mask"))


def _initialise_votes(votes: nn.Linear) -> None:
    """Small votes at first, so that no class starts ahead."""
    nn.init.normal_(votes.weight, std=0.5 / math.sqrt(votes.in_features))
