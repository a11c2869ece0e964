"""NETWORKS: nets by name, and the net that suits a data set when none is given. Texts only; needs no torch."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence

from glassnet.errors import GlassnetError
from glassnet.nets.blocks import ProbPool, Rbm
from glassnet.nets.text import Spec, parse

DECK = "conv 8 3 valid, relu, pool 2, fc"
MANY = 5000  # examples that a wider and deeper net is worth


def choose(shape: tuple[int, ...], classes: tuple[str, ...], examples: int) -> Spec:
    """A net for examples of `shape` (C, *S): the slides' own for X's and O's, else a stage for every halving.

    examples: to train on; few call for a narrower net.
    """
    longer = max(shape[1:])
    if set(classes) == {"X", "O"} and longer <= 16:
        return parse(DECK)
    if longer < 24:
        return parse("conv 32 3, batchnorm, relu, conv 64 3, pool 2, batchnorm, relu, fc")
    if examples >= MANY:
        return _for_many(shape)
    stages = [
        f"conv {min(32 * 2**i, 256)} 3, pool 2, batchnorm, relu" for i in range(min(round(math.log2(longer / 4)), 6))
    ]
    return parse(", ".join([*stages, "mean, fc"]))


def _for_many(shape: tuple[int, ...]) -> Spec:
    """A net whose cost lies in its middle: 2x2 kernels at every place, then stages of two convolutions, the first one
    pooled. After K. Jordan 2024, "94 % on CIFAR-10 in 3.29 seconds on a single GPU", section 3.
    """
    count = min(round(math.log2(max(shape[1:]) / 4)), 6)
    widths = [min(64 << (2 * stage if count <= 3 else stage), 256) for stage in range(count)]
    first, pool = (
        ("conv 24 2 valid, gelu", "pool 2 same") if min(shape[1:]) > 2**count else ("conv 24 3, gelu", "pool 2")
    )
    stages = [f"conv {w} 3, {pool}, batchnorm, gelu, conv {w} 3, batchnorm, gelu" for w in widths]
    return parse(", ".join([first, *stages, "mean, fc"]))


def easy(shape: tuple[int, ...]) -> Spec | None:
    """A net of few kernels, the first of which take every other place: for pictures (C, H, W) that are told apart at a
    glance. None where the net that is chosen anyway is as small.
    """
    longer = max(shape[1:])
    if longer < 24:
        return None
    widths = [32 << min(stage, 2) for stage in range(max(1, round(math.log2(longer / 16))))]
    stages = [f"conv {width} 3, pool 2, batchnorm, relu" for width in widths]
    return parse(", ".join(["conv 16 5/2, batchnorm, relu", *stages, "fc"]))


def find(text: str) -> Spec:
    """The net of a name or of a text. Raises GlassnetError."""
    name = text.strip().lower()
    near = difflib.get_close_matches(name, NETWORKS, 1, 0.8)
    if near and name not in NETWORKS:
        raise GlassnetError("--net", found=f"no net is called {name}", fix=f"Did you mean {near[0]}")
    return parse(NETWORKS.get(name, text))


def resnet(block: str, widths: Sequence[int], blocks: Sequence[int]) -> str:
    """A residual net for large pictures: stages of so many blocks, of so many features. He et al. 2015, table 1."""
    stages = [f"{block} {widths[0]} x{blocks[0]}"]
    for width, count in zip(widths[1:], blocks[1:], strict=True):
        stages.append(f"{block} {width}/2, {block} {width} x{count - 1}" if count > 1 else f"{block} {width}/2")
    return ", ".join(["conv 64 7/2, batchnorm, relu, pool 3/2 same", *stages, "mean, fc"])


def _small_resnet(layers: int) -> str:
    """A residual net for pictures of 32x32, of 6n + 2 layers. He et al. 2015, section 4.2."""
    n = (layers - 2) // 6
    stages = f"residual 16 x{n}, residual 32/2, residual 32 x{n - 1}, residual 64/2, residual 64 x{n - 1}"
    return f"conv 16 3, batchnorm, relu, {stages}, mean, fc"


def belief(shape: tuple[int, ...]) -> Spec:
    """A convolutional deep belief network for examples of `shape` (C, *S): more machines where there is more to see.

    Lee et al. 2009, section 4.
    """
    longer = max(shape[1:])
    if len(shape) == 4 and longer >= 12:  # of a cube a kernel sees many more values than of a square
        text = "whiten 1, rbm 32 5 valid, probpool 2, rbm 32 3, probpool 2"
    elif longer >= 48:
        text = "whiten 9, rbm 24 10 valid, probpool 2, rbm 40 8, probpool 2, rbm 24 12, probpool 2"
    elif longer >= 20:
        text = "whiten 1, rbm 40 9 valid, probpool 2, rbm 60 6, probpool 2"
    else:
        text = "whiten 1, rbm 64 5, probpool 2"
    return parse(f"{text}, batchnorm, fc")


def suited(text: str, shape: tuple[int, ...]) -> Spec:
    """The net of a name or of a text, for examples of `shape` (C, *S): some names stand for what suits them."""
    return belief(shape) if text.strip().lower() == BELIEF else find(text)


def named_belief(text: str) -> bool:
    """Whether --net asks for a net that learns without labels before it learns with any."""
    return text.strip().lower() == BELIEF or any(isinstance(layer, Rbm) for layer in find(text).layers)


def without_labels(spec: Spec) -> tuple[Spec, tuple[str, ...]]:
    """What is left of a net where nothing names classes, and what its votes stand for: the features of the highest
    machine, each by its strongest answer.
    """
    machines = [(i, layer) for i, layer in enumerate(spec.layers) if isinstance(layer, Rbm)]
    end, highest = machines[-1]
    end += 1 + isinstance(spec.layers[end + 1], ProbPool)
    kept = parse(", ".join([*map(str, spec.layers[:end]), "max, fc"]))
    return kept, tuple(f"feature {k + 1}" for k in range(highest.features))


BELIEF = "cdbn"
NETWORKS = {
    "deck": DECK,
    BELIEF: str(belief((1, 64, 64))),
    "resnet18": resnet("residual", (64, 128, 256, 512), (2, 2, 2, 2)),
    "resnet34": resnet("residual", (64, 128, 256, 512), (3, 4, 6, 3)),
    "resnet50": resnet("bottleneck", (256, 512, 1024, 2048), (3, 4, 6, 3)),
    "resnet101": resnet("bottleneck", (256, 512, 1024, 2048), (3, 4, 23, 3)),
    "resnet152": resnet("bottleneck", (256, 512, 1024, 2048), (3, 8, 36, 3)),
    **{f"resnet{layers}": _small_resnet(layers) for layers in (20, 32, 44, 56, 110)},
}
