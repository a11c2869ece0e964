"""Makes a net's scores mean what they say: one factor for all votes, found on the held-out examples."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

LIMITS = (0.2, 5.0)
ROUNDS = 40
MOST = 5000  # examples that a temperature is found on


def temperature(logits: Tensor, y: Tensor) -> float:
    """What to divide logits by so that a score of 0.9 is right nine times in ten. Guo et al. 2017, section 4.2.

    logits: (N, K). y: (N,). The targets leave room for one mistake that was not seen (Platt 1999), so that a net
    without mistakes does not become certain. Of many examples every second, third, ... is taken: they may lie by class.
    """
    every = -(-len(y) // MOST)
    logits, y = logits[::every].double(), y[::every]
    count, classes = logits.shape
    target = functional.one_hot(y, classes).double()
    target = target * (1 - 1 / (count + 2)) + 1 / (count + 2) / classes

    def loss(log_t: float) -> float:
        return float(-(target * functional.log_softmax(logits / math.exp(log_t), 1)).sum(1).mean())

    low, high = (math.log(limit) for limit in LIMITS)
    golden = (math.sqrt(5) - 1) / 2
    for _ in range(ROUNDS):  # the loss has one valley in the temperature's logarithm: golden-section search
        left, right = high - golden * (high - low), low + golden * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2)


def calibrated_loss(logits: Tensor, y: Tensor) -> float:
    """Mean cross-entropy at the best temperature: what epochs are compared by, as the kept one will be calibrated."""
    return float(functional.cross_entropy(logits / temperature(logits, y), y))


def scale_votes(votes: torch.nn.Linear, by: float) -> None:
    """Divides every vote and bias by a temperature, so that the logits are calibrated without another layer."""
    with torch.no_grad():
        votes.weight.div_(by)
        if votes.bias is not None:
            votes.bias.div_(by)
