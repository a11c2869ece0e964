"""The numbers of a traced pass as a page's script takes them: packed values, weights, and sums that are written out."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from glassnet.explaining import images
from glassnet.explaining.arithmetic import Place, arithmetic
from glassnet.explaining.scene import Scene
from glassnet.explaining.trace import Step, sources
from glassnet.nets.convnet import ConvNet
from glassnet.nets.layers import RBMS, Add, Embed, Max, Mean, Phrases, ProbPool, Whiten
from glassnet.nets.text import measure, names

ROOM = 3_300_000  # bytes of numbers in a page, before they are written as text
CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
MAPS = 12  # of a layer, where not all fit
SIDE = 56  # of a map, where not all fit
CHANNELS = 3  # of a sum, where it is written out in part

TYPES: dict[type[nn.Module], str] = {
    nn.Conv1d: "conv", nn.Conv2d: "conv", nn.Conv3d: "conv",
    nn.MaxPool1d: "pool", nn.MaxPool2d: "pool", nn.MaxPool3d: "pool",
    nn.ReLU: "relu", nn.GELU: "gelu",
    nn.BatchNorm1d: "batchnorm", nn.BatchNorm2d: "batchnorm", nn.BatchNorm3d: "batchnorm",
    nn.Linear: "fc", nn.Flatten: "flatten", nn.Dropout: "dropout",
    Mean: "mean", Max: "max", Embed: "embed", Phrases: "conv", Add: "add",
    **dict.fromkeys(RBMS.values(), "conv"), Whiten: "conv", ProbPool: "pool",
}  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """One pass as a page shows it. x: (1, C, *S) as the net sees it. logits: (K,). answer: the class that leads."""

    net: ConvNet
    steps: Sequence[Step]
    x: Tensor
    scene: Scene
    classes: Sequence[str]
    logits: Sequence[float]
    answer: int


def fits(net: nn.Module, steps: Sequence[Step]) -> bool:
    """Whether all values of a pass and all weights have room in a page."""
    values = sum(step.output.numel() for step in steps) + steps[0].inputs[0].numel()
    return 4 * (values + sum(p.numel() for p in net.parameters())) <= ROOM


def pass_numbers(shown: Shown, way: Sequence[tuple[int, Place]], whole: bool) -> dict[str, Any]:
    """One pass. way: the thread from the strongest vote back. whole: every value and weight, or the strongest maps."""
    net, scene = shown.net, shown.scene
    rows = measure(net.spec, net.shape, net.classes)
    texts = dict(zip(names(net.spec), rows[1:], strict=True))
    steps: list[dict[str, Any]] = []
    for step, inputs in zip(shown.steps, sources(shown.steps), strict=True):
        row = texts.get(step.name)
        text, sees = (str(row.layer), [field.size for field in row.flow.field]) if row else ("", [])
        steps.append({"name": step.name, "text": text, "inputs": inputs, "sees": sees, **step_numbers(step, whole)})
    start = next((end for end in reversed(way) if isinstance(shown.steps[end[0]].layer, CONVS)), None)
    if start and not whole:  # the page opens on a sum, whichever maps it holds
        steps[start[0]].setdefault("sums", []).append(written_out(shown.steps[start[0]], start[1]))
    return {
        "shape": list(shown.x.shape[1:]),
        "input": packed(shown.x[0]),
        "picture": images.picture(scene.picture, scene.ink, 1024),
        "ink": scene.ink,
        "pictured": list(scene.picture.shape[1:]),
        "noun": scene.noun,
        "axes": [{"name": axis.name, "at": axis.at} for axis in scene.axes],
        "spelt": scene.spelt,
        "classes": list(shown.classes),
        "answer": shown.answer,
        "logit": list(shown.logits),
        "steps": steps,
        "start": [start[0], *start[1]] if start else None,
    }


def step_numbers(step: Step, whole: bool) -> dict[str, object]:
    """One layer: its values, and what is needed to write out any of them. whole: all, or the strongest maps only."""
    values = step.output[0].float().cpu().numpy()  # (C, *S) or (F,)
    flat = np.abs(values.reshape(len(values), -1))
    facts: dict[str, object] = {
        "type": TYPES[type(step.layer)],
        "shape": list(values.shape),
        "scale": float(np.quantile(flat, 0.99)) or float(flat.max()) or 1.0,
        "order": np.argsort(-flat.max(1), kind="stable").tolist(),
    }
    layer = step.layer
    if isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
        facts |= {"kernel": list(layer.kernel_size), "stride": list(layer.stride), "padding": list(layer.padding)}
    if isinstance(layer, Phrases):  # of each feature, the part of the kernel that it has
        facts["reach"] = [[span.start, span.stop] for span in layer.spans]
    if isinstance(layer, (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)):
        facts |= {"window": layer.kernel_size, "stride": layer.stride, "padding": layer.padding}
    if isinstance(layer, ProbPool):
        facts |= {"window": layer.side, "stride": layer.side, "padding": 0, "chances": True}
    if isinstance(layer, Whiten):
        axes = values.ndim - 1
        facts |= {"kernel": list(layer.get_buffer("weight").shape[2:]), "stride": [1] * axes, "padding": [0] * axes}
    if whole:
        return facts | {"values": packed(values)} | _weights(step)
    return facts | _part(step, values, facts)


def _weights(step: Step) -> dict[str, object]:
    layer = step.layer
    if isinstance(layer, Whiten):
        return {"weight": packed(_kernel(step)), "bias": packed(torch.zeros(len(layer.get_buffer("weight"))))}
    if isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)):
        bias = layer.bias if layer.bias is not None else layer.weight.new_zeros(layer.weight.shape[0])
        return {"weight": packed(layer.weight), "bias": packed(bias)}
    if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)):
        assert layer.running_mean is not None and layer.running_var is not None
        scale = layer.weight / (layer.running_var + layer.eps).sqrt()
        return {"weight": packed(scale), "bias": packed(layer.bias - layer.running_mean * scale)}
    return {}


def _part(step: Step, values: NDArray[np.float32], facts: Mapping[str, object]) -> dict[str, object]:
    """The strongest maps, made smaller where they are large, and for each the sum of its strongest place."""
    order = facts["order"]
    assert isinstance(order, list)
    kept = order[:MAPS]
    if values.ndim == 1:
        return {"values": packed(values), "order": order}
    factor = max(1, -(-max(values.shape[1:]) // SIDE))
    small = values[kept][(slice(None), *[slice(None, None, factor)] * (values.ndim - 1))]
    sums = []
    for k in kept if facts["type"] == "conv" else []:
        at = tuple(int(i) for i in np.unravel_index(np.abs(values[k]).argmax(), values.shape[1:]))
        sums.append(written_out(step, (int(k), *at)))
    return {"values": packed(small), "order": kept, "factor": factor, "sums": sums}


def written_out(step: Step, at: Place) -> dict[str, object]:
    """A sum by its strongest channels, None where they lie beyond the edge; the others in one figure."""
    layer, parts = step.layer, arithmetic(step, at)
    starts = list(at[1:])
    if isinstance(layer, CONVS):
        starts = [
            i * s - (p if isinstance(p, int) else 0)
            for i, s, p in zip(at[1:], layer.stride, layer.padding, strict=True)
        ]
    kernel = _kernel(step)
    values = np.full(parts.patch, None, object)
    values[tuple((parts.places - [0, *starts]).T)] = parts.values
    sums = np.bincount(parts.places[:, 0], parts.products, minlength=parts.patch[0])
    strongest = np.argsort(-np.abs(sums), kind="stable")[:CHANNELS]
    return {
        "at": at,
        "channels": [
            {
                "channel": int(c),
                "values": values[c].ravel().tolist(),
                "weights": kernel[at[0], c].detach().cpu().double().ravel().tolist(),
                "sum": float(sums[c]),
            }
            for c in strongest
        ],
        "others": [parts.patch[0] - len(strongest), float(sums.sum() - sums[strongest].sum())],
        "count": math.prod(parts.patch),
        "bias": parts.bias,
        "total": parts.total,
        "net": step.output[0][at].item(),
    }


def _kernel(step: Step) -> Tensor:
    """(K, C, *k) the weights of a convolution; of a whitening what it multiplies this example by."""
    layer = step.layer
    if isinstance(layer, Whiten):
        kernel: Tensor = layer.get_buffer("weight") * layer.gain(layer.filtered(step.inputs[0]))[0]
        return kernel
    assert isinstance(layer, CONVS)
    return layer.weight


def packed(values: Tensor | NDArray[np.generic]) -> str:
    """Numbers as base64 of little-endian float32."""
    array = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
    return base64.b64encode(np.ascontiguousarray(array, "<f4").tobytes()).decode()
