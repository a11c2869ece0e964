"""One pass of a net as the page draws it: every map, every vote, and the thread behind the strongest one."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from glassnet.data.dataset import Array
from glassnet.data.kinds import KINDS
from glassnet.doors.examples import find_examples
from glassnet.doors.inputs import read_one
from glassnet.doors.lab import board
from glassnet.doors.model import Model
from glassnet.errors import GlassnetError
from glassnet.explaining.arithmetic import thread
from glassnet.explaining.numbers import packed, step_numbers
from glassnet.explaining.trace import sources, trace
from glassnet.explaining.votes import votes
from glassnet.nets.text import measure, names
from glassnet.training.evaluate import softmax

ROOM = 400_000  # values and weights of a net that a page takes whole at each stroke
SHOWN = 400  # votes a class


def raw(model: Model, pixels: str) -> Array:
    """An example from base64 of its values, (C, *S): bytes where the net's examples are bytes, else float32.

    Raises GlassnetError when it has another length.
    """
    card = model.card
    is_bytes = card.full_scale == 255
    try:
        data = base64.b64decode(pixels, validate=True)
    except ValueError as error:
        raise GlassnetError("x", expected="base64", found="something else", fix="Encode the values") from error
    expected = int(np.prod(card.preparation.shape)) * (1 if is_bytes else 4)
    if len(data) != expected:
        size = "x".join(map(str, card.preparation.shape)) + (" bytes" if is_bytes else " float32 values")
        raise GlassnetError("x", expected=size, found=f"{len(data):,} bytes", fix="Fit it to the net")
    values: Array = np.frombuffer(data, np.uint8) if is_bytes else np.frombuffer(data, np.float32)
    return values.reshape(card.preparation.shape)


def one_pass(model: Model, x: Array) -> dict[str, Any]:
    """All that a page draws of one pass. x: (C, *S), raw. See explaining.numbers for how values are packed."""
    seen = model.look(x[None])
    steps = trace(model.net, seen)
    cast = votes(steps)
    whole = sum(step.output.numel() for step in steps) + sum(p.numel() for p in model.net.parameters()) <= ROOM
    logits = model.logits(x[None])[0]
    answer = int(logits.argmax())
    texts = dict(
        zip(names(model.net.spec), measure(model.net.spec, model.net.shape, model.net.classes)[1:], strict=True)
    )
    rows = []
    for step, inputs in zip(steps, sources(steps), strict=True):
        row = texts.get(step.name)
        text, sees = (str(row.layer), [field.size for field in row.flow.field]) if row else ("", [])
        rows.append({"name": step.name, "text": text, "inputs": inputs, "sees": sees, **step_numbers(step, whole)})
    strongest = int(cast.strongest(answer)[0])
    way = thread(steps, cast.made_by, cast.place(strongest)) if cast.made_by >= 0 else []
    return {
        "shape": list(seen.shape[1:]),
        "input": packed(seen[0]),
        "classes": list(model.classes),
        "answer": answer,
        "logit": logits.tolist(),
        "probability": softmax(logits[None])[0].tolist(),
        "steps": rows,
        "votes": {
            "made_by": cast.made_by,
            "shape": list(cast.shape),
            "values": packed(cast.values),
            "bias": cast.bias.tolist(),
            "strongest": [cast.strongest(k)[:SHOWN].tolist() for k in range(min(len(model.classes), 12))],
            "contribution": [packed(one) for one in cast.contribution[:12]],
        },
        "thread": [[i, *at] for i, at in way],
        "whole": whole,
    }


def example(model: Model, which: int) -> dict[str, Any]:
    """One of the model's own examples, as the net takes it. Raises GlassnetError if none does."""
    path, card = example_file(model, which), model.card
    one = read_one(str(path), card.kind, card.preparation, card.full_scale)
    assert one.x is not None, "read_one raises where it can't"
    return {"name": path.name, "x": base64.b64encode(np.ascontiguousarray(one.x).tobytes()).decode()}


def example_file(model: Model, which: int) -> Path:
    """Where one of a model's own examples lies. Raises GlassnetError if none does."""
    found = list(find_examples(model.folder, model.card.data).values())
    if not found:
        why = "no examples are left, in its folder or where it learnt"
        raise GlassnetError(model.name, found=why, fix="Ask it about a file")
    return found[which % len(found)]


def warm_up(model: Model) -> None:
    """One answer for nobody: a net's first is many times slower than the others."""
    shape = model.card.preparation.shape
    x: Array = np.zeros(shape, np.uint8) if model.card.full_scale == 255 else np.zeros(shape, np.float32)
    one_pass(model, x)


def swept(model: Model, x: Array, knob: str, at: dict[str, float]) -> dict[str, Any]:
    """A slider's consequence: the net's logits at all positions of a knob, the others staying where they are.

    x: (1, H, W) as it was drawn, in bytes. at: where the knobs stand.
    """
    ink = as_ink(x)
    size = len(ink)
    places = board.positions(knob, size)
    pictures = np.stack([board.turned(ink, **{**at, knob: float(place)}) for place in places])
    logits = model.logits(as_bytes(pictures)[:, None])
    return {"at": places.tolist(), "logits": np.round(logits, 4).tolist()}


def as_ink(x: Array) -> NDArray[np.float64]:
    """(H, W) from -1, paper, to 1, ink."""
    return np.asarray(x[0], np.float64) / 127.5 - 1


def as_bytes(ink: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The reverse of as_ink, of one picture or several."""
    return np.asarray(((ink + 1) * 127.5).round().clip(0, 255), np.uint8)


def can_be_drawn(model: Model) -> bool:
    """Whether it is asked about grey pictures small enough to draw by hand."""
    shape = model.card.preparation.shape
    return model.card.kind == "pictures" and len(shape) == 3 and shape[0] == 1 and max(shape) <= 64


def described(name: str, model: Model) -> dict[str, Any]:
    """What a list of nets says of one."""
    card = model.card
    parameters: Sequence[torch.Tensor] = list(model.net.parameters())
    return {
        "name": name,
        "kind": card.kind,
        "net": card.net,
        "classes": list(card.classes),
        "shape": list(card.preparation.shape),
        "parameters": sum(one.numel() for one in parameters),
        "ink": bool(card.preparation.settings.get("ink")),
        "drawable": can_be_drawn(model),
        "typed": KINDS[card.kind].typed is not None,
        "tested": model.tested,
        "learnt_from": str(card.data.get("source") or card.data.get("name") or ""),
    }
