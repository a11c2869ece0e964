"""The net of the slides: their three features, divided by their nine pixels, 48 votes from upright letters."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch.nn import functional

from glassnet.data.dataset import Preparation
from glassnet.data.xo import CLASSES, EXACT, Knobs, generate
from glassnet.doors.card import Card
from glassnet.doors.model import Model
from glassnet.nets.convnet import ConvNet
from glassnet.nets.text import parse

TEXT = "conv 3 3 valid, relu, pool 2, fc"
FEATURES = {"backslash": (0, 4, 8), "cross": (0, 2, 4, 6, 8), "slash": (2, 4, 6)}  # pixels of ink, of nine
LETTERS = Knobs(9, (-0.5, 0.5), (0.9, 1.1), (-5.0, 5.0), (1.0, 1.6))  # upright: turned ones were never shown to it
COUNT = 400
DECAY = 0.0005  # keeps the votes of a net without mistakes from growing for ever


@cache
def slides_model() -> Model:
    """The toy net of the slides. A perfect match is 1.00 in its first maps, as it is on them."""
    net = ConvNet(parse(TEXT), (1, 9, 9), len(CLASSES))
    state = net.state_dict()
    kernels = torch.full((len(FEATURES), 9), -1.0)
    for kernel, ink in zip(kernels, FEATURES.values(), strict=True):
        kernel[list(ink)] = 1.0
    state["conv1.weight"] = kernels.reshape(-1, 1, 3, 3) / 9
    state["conv1.bias"] = torch.zeros(len(FEATURES))
    net.load_state_dict(state)
    _learn_votes(net.eval())
    card = Card(
        kind="pictures",
        classes=CLASSES,
        net=TEXT,
        preparation=Preparation((1, 9, 9), {"full_scale": 65535, "ink": 1}),
        normalisation=EXACT,
        full_scale=255,
        seed=0,
        training={},
        data={"name": "the slides", "source": "xo"},
    )
    return Model(net, card, {}, "", np.zeros(0, np.uint64))


def _learn_votes(net: ConvNet) -> None:
    """Logistic regression on the pooled values, to its one optimum, in float64."""
    pictures = np.concatenate(list(generate(LETTERS, COUNT, seed=0)))
    x = torch.from_numpy(pictures[:, None].astype(np.float64) / 127.5 - 1)  # (N, 1, 9, 9)
    y = torch.arange(COUNT) % 2
    with torch.no_grad():
        values = _before_votes(net.double(), x)  # (N, 48)
    weight = torch.zeros(len(CLASSES), values.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(len(CLASSES), dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        solver.zero_grad()
        total = functional.cross_entropy(values @ weight.T + bias, y) + DECAY * (weight.square().sum())
        total.backward()  # type: ignore[no-untyped-call]
        return total

    solver.step(loss)  # type: ignore[no-untyped-call]
    net.float()
    with torch.no_grad():
        net.votes.weight.copy_(weight)
        net.votes.bias.copy_(bias)


def _before_votes(net: ConvNet, x: torch.Tensor) -> torch.Tensor:
    for layer in list(net.children())[:-1]:
        x = layer(x)
    return x  # (N, 48)
