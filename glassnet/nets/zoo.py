"""NETWORKS: nets by name, and the net that suits a data set when none is given. Texts only; needs no torch."""

from __future__ import annotations

import math

from glassnet.nets.text import Spec, parse

DECK = "conv 8 3 valid, relu, pool 2, fc"
MANY = 5000  # examples that a wider and deeper net is worth


def choose(shape: tuple[int, ...], classes: tuple[str, ...], examples: int) -> Spec:
    """A net for pictures of `shape` (C, H, W): the slides' own for X's and O's, else a stage for every halving.

    examples: to train on; few call for a narrower net.
    """
    longer = max(shape[1:])
    if set(classes) == {"X", "O"} and longer <= 16:
        return parse(DECK)
    if longer < 24:
        return parse("conv 32 3, batchnorm, relu, conv 64 3, pool 2, batchnorm, relu, fc")
    many = examples >= MANY
    width = 64 if many else 32
    pieces = []
    for stage in range(min(round(math.log2(longer / 4)), 6)):
        features = min(width * 2**stage, 256)
        pieces.append(f"conv {features} 3, pool 2, batchnorm, relu")
        if many and stage:
            pieces.append(f"conv {features} 3, batchnorm, relu")
    return parse(", ".join([*pieces, "mean, fc"]))


def find(text: str) -> Spec:
    """The net of a name or of a text. Raises GlassnetError."""
    return parse(NETWORKS.get(text.strip().lower(), text))


NETWORKS = {"deck": DECK}
