"""The page of one explanation: its maps, sums and votes as data that the page's script draws. Under 5 MB.

A net whose values and weights fit is written into the page whole, so that every value can be opened. Of a larger one
the strongest maps of each layer are, and the sum of each map's strongest place.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from torch import Tensor, nn

from glassnet import __version__
from glassnet.explaining import images
from glassnet.explaining.arithmetic import Place, arithmetic
from glassnet.explaining.page import asset, render
from glassnet.explaining.trace import Step, sources
from glassnet.nets.layers import Add, Embed, Max, Mean, Phrases
from glassnet.nets.text import measure, names
from glassnet.words import counted

if TYPE_CHECKING:
    from glassnet.explaining.explanation import Explanation

ROOM = 3_300_000  # bytes of numbers in a page, before they are written as text
MAPS = 12  # of a layer, where not all fit
SIDE = 56  # of a map, where not all fit
CHANNELS = 3  # of a sum, where it is written out in part
SHOWN_VOTES = 7

TYPES: dict[type[nn.Module], str] = {
    nn.Conv1d: "conv", nn.Conv2d: "conv", nn.Conv3d: "conv",
    nn.MaxPool1d: "pool", nn.MaxPool2d: "pool", nn.MaxPool3d: "pool",
    nn.ReLU: "relu", nn.GELU: "gelu",
    nn.BatchNorm1d: "batchnorm", nn.BatchNorm2d: "batchnorm", nn.BatchNorm3d: "batchnorm",
    nn.Linear: "fc", nn.Flatten: "flatten", nn.Dropout: "dropout",
    Mean: "mean", Max: "max", Embed: "embed", Phrases: "conv", Add: "add",
}  # fmt: skip


@dataclass(frozen=True)
class VoteLine:
    """One vote as the page lists it. link: the address of its value on the page. width: of its bar, in percent."""

    words: str
    link: str
    value: str
    weight: str
    vote: str
    width: float
    is_for: bool


@dataclass(frozen=True)
class VoteTable:
    """The votes for one class: the strongest, the rest in one line, and their sum."""

    name: str
    score: str
    lines: tuple[VoteLine, ...]
    rest_words: str
    rest: str
    logit: str


def explain_page(explanation: Explanation) -> str:
    """The page as text."""
    one, whole = explanation, _bytes_of(explanation) <= ROOM
    first, second = one.classes[one.answer], one.classes[one.runner_up]
    parts = {
        "title": f"{one.name}: why {first}",
        "what": f"why {one.model} answers as it does",
        "answer": first,
        "score": f"{one.probability[one.answer]:.2f}",
        "runner_up": f"{second} {one.probability[one.runner_up]:.2f}",
        "lead": _lead(one),
        "votes": [_vote_table(one, k) for k in (one.answer, one.runner_up)],
        "data": Markup(_script_safe(json.dumps(page_data(one, whole)))),
        "script": Markup(asset("explain.js")),
        "whole": whole,
        "weights": f"{sum(p.numel() for p in one.net.parameters()):,}",
        "sound": one.scene.sound,
        "has_voted": one.voted is not None,
        "net": str(one.net.spec),
        "tested": one.tested,
        "made_by": f"glassnet {__version__}",
    }
    return render("explain.html", parts, one.name)


def page_data(explanation: Explanation, whole: bool) -> dict[str, object]:
    """All numbers that the page's script draws. whole: every value and weight, or the strongest maps only."""
    one = explanation
    came_from = sources(one.steps)
    rows = measure(one.net.spec, one.net.shape, one.net.classes)
    texts = dict(zip(names(one.net.spec), ((str(row.layer), row) for row in rows[1:]), strict=True))
    steps: list[dict[str, Any]] = []
    for step, inputs in zip(one.steps, came_from, strict=True):
        text, row = texts.get(step.name, ("", None))
        sees = [field.size for field in row.flow.field] if row else []
        steps.append({"name": step.name, "text": text, "inputs": inputs, "sees": sees, **_step(step, whole)})
    way = one.thread()
    if way and not whole:  # the page opens on a sum, whichever maps it holds
        steps[way[-1][0]].setdefault("sums", []).append(_written_out(one.steps[way[-1][0]], way[-1][1]))
    return {
        "shape": list(one.x.shape[1:]),
        "input": _packed(one.x[0]),
        "picture": images.picture(one.scene.picture, one.scene.ink, 1024),
        "ink": one.scene.ink,
        "pictured": list(one.scene.picture.shape[1:]),
        "noun": one.scene.noun,
        "axes": [{"name": axis.name, "at": axis.at} for axis in one.scene.axes],
        "classes": one.classes,
        "answer": one.answer,
        "logit": one.votes.logit.tolist(),
        "steps": steps,
        "start": [way[-1][0], *way[-1][1]] if way else None,
        "occluded": {"shape": one.occluded.shape, "values": _packed(one.occluded)},
        "voted": None if one.voted is None else {"shape": one.voted.shape, "values": _packed(one.voted)},
    }


def _step(step: Step, whole: bool) -> dict[str, object]:
    """One layer: its values, and what is needed to write out any of them."""
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
    if isinstance(layer, (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)):
        facts |= {"window": layer.kernel_size, "stride": layer.stride, "padding": layer.padding}
    if whole:
        return facts | {"values": _packed(values)} | _weights(layer)
    return facts | _part(step, values, facts)


def _weights(layer: nn.Module) -> dict[str, object]:
    if isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)):
        bias = layer.bias if layer.bias is not None else layer.weight.new_zeros(layer.weight.shape[0])
        return {"weight": _packed(layer.weight), "bias": _packed(bias)}
    if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)):
        assert layer.running_mean is not None and layer.running_var is not None
        scale = layer.weight / (layer.running_var + layer.eps).sqrt()
        return {"weight": _packed(scale), "bias": _packed(layer.bias - layer.running_mean * scale)}
    return {}


def _part(step: Step, values: NDArray[np.float32], facts: Mapping[str, object]) -> dict[str, object]:
    """The strongest maps, made smaller where they are large, and for each the sum of its strongest place."""
    order = facts["order"]
    assert isinstance(order, list)
    kept = order[:MAPS]
    if values.ndim == 1:
        return {"values": _packed(values), "order": order}
    factor = max(1, -(-max(values.shape[1:]) // SIDE))
    small = values[kept][(slice(None), *[slice(None, None, factor)] * (values.ndim - 1))]
    sums = []
    for k in kept if facts["type"] == "conv" else []:
        at = tuple(int(i) for i in np.unravel_index(np.abs(values[k]).argmax(), values.shape[1:]))
        sums.append(_written_out(step, (int(k), *at)))
    return {"values": _packed(small), "order": kept, "factor": factor, "sums": sums}


def _written_out(step: Step, at: Place) -> dict[str, object]:
    """A sum by its strongest channels, None where they lie beyond the edge; the others in one figure."""
    layer, parts = step.layer, arithmetic(step, at)
    assert isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d))
    starts = [
        i * s - (p if isinstance(p, int) else 0) for i, s, p in zip(at[1:], layer.stride, layer.padding, strict=True)
    ]
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
                "weights": layer.weight[at[0], c].detach().cpu().double().ravel().tolist(),
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


def _lead(one: Explanation) -> str:
    """The strongest reason in a sentence."""
    cast, k = one.votes, one.answer
    twice = " It was asked about the mirror image too: each vote is the mean of both." if len(one.views) > 1 else ""
    f = int(cast.strongest(k)[0])
    vote = cast.contribution[k, f]
    lead = cast.logit[k] - cast.logit[one.runner_up]
    return (
        f"The strongest of {counted(len(cast.values), 'vote')} comes from {_where(one, f)}: {signed(vote)} for "
        f"{one.classes[k]}, which leads {one.classes[one.runner_up]} by {lead:.2f}.{_piece(one)}{twice}"
    )


def _piece(one: Explanation) -> str:
    where = one.hangs_on()
    words = " and ".join(part for part in (", ".join(where[:-1]), *where[-1:]) if part)
    return f" Covered piece by piece, it hangs most on {words}." if words else ""


def _vote_table(one: Explanation, k: int) -> VoteTable:
    cast = one.votes
    order, contribution = cast.strongest(k), cast.contribution[k]
    most = max(float(np.abs(cast.contribution[[one.answer, one.runner_up]]).max()), 1e-12)
    shown, rest = order[:SHOWN_VOTES], order[SHOWN_VOTES:]
    lines = tuple(
        VoteLine(
            _where(one, int(f)),
            _link(one, int(f)),
            f"{cast.values[f]:.2f}",
            number(cast.weights[k, f]),
            signed(contribution[f]),
            round(float(abs(contribution[f])) / most * 100, 1),
            bool(contribution[f] > 0),
        )
        for f in shown
    )
    words = f"{counted(len(rest), 'weaker vote')} and the bias" if len(rest) else "the bias"
    remainder = float(contribution[rest].sum() + cast.bias[k])
    return VoteTable(
        one.classes[k], f"{one.probability[k]:.2f}", lines, words, signed(remainder), signed(cast.logit[k])
    )


def _where(one: Explanation, f: int) -> str:
    """A voting value in words, counted from 1."""
    channel, *place = one.votes.place(f)
    names = [axis.name for axis in one.scene.axes] if place else []
    return f"feature {channel + 1}" + "".join(f", {name} {at + 1}" for name, at in zip(names, place, strict=True))


def _link(one: Explanation, f: int) -> str:
    if one.votes.made_by < 0:
        return ""
    return "/".join([one.steps[one.votes.made_by].name, *(str(i + 1) for i in one.votes.place(f))])


def number(value: float) -> str:
    """Two decimals with a true minus."""
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "\u2212")


def signed(value: float) -> str:
    """Two decimals, always with a sign."""
    return f"{value:+.2f}".replace("-", "\u2212")


def _bytes_of(one: Explanation) -> int:
    values = sum(step.output.numel() for step in one.steps) + one.x.numel()
    return 4 * (values + sum(p.numel() for p in one.net.parameters()))


def _packed(values: Tensor | NDArray[np.generic]) -> str:
    """Numbers as base64 of little-endian float32."""
    array = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
    return base64.b64encode(np.ascontiguousarray(array, "<f4").tobytes()).decode()


def _script_safe(text: str) -> str:
    """JSON that can't end the script element that it stands in."""
    return text.replace("<", "\\u003c")
