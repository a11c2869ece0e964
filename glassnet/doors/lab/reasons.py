"""What the Ask page draws of an explanation: the input as it looks, votes with what they saw, maps of places."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from glassnet.data import sentences, sounds
from glassnet.data.kinds import KINDS
from glassnet.doors.lab.passes import can_be_drawn
from glassnet.doors.lab.questions import Question
from glassnet.doors.model import Model
from glassnet.explaining import images
from glassnet.explaining.arithmetic import seen
from glassnet.explaining.explanation import Explanation
from glassnet.explaining.numbers import packed

LINES = 8  # votes a class whose words and patches are sent
CLASSES = 12  # of which lines are sent, the likeliest first
LARGEST = 1024  # pixels


def reasons(model: Model, asked: Question, one: Explanation) -> dict[str, Any]:
    """`explain --json` and the rest. Numbers are packed as explaining.numbers packs them."""
    scene = one.scene
    likeliest = np.argsort(-one.probability, kind="stable")[:CLASSES]
    was_covered = bool(one.occluded.any())
    return {
        **one.as_json(),
        "kind": model.card.kind,
        "noun": scene.noun,
        "classes": list(one.classes),
        "answer": one.answer,
        "picture": images.picture(scene.picture, scene.ink, LARGEST),
        "pictured": list(scene.picture.shape[1:]),
        "shape": list(one.raw.shape),
        "axes": [{"name": axis.name, "at": list(axis.at), "falling": axis.falling} for axis in scene.axes],
        "sound": scene.sound,
        "voted": _map(one.voted),
        "occluded": _map(one.occluded if was_covered else None),
        "lines": {one.classes[k]: _lines(one, int(k)) for k in likeliest},
        "tested": one.tested,
        "values": len(one.votes.values),
        **_by_kind(model, asked, one),
    }


def _map(values: np.ndarray[Any, np.dtype[np.float64]] | None) -> dict[str, Any] | None:
    return None if values is None else {"shape": list(values.shape), "values": packed(values)}


def _lines(one: Explanation, k: int) -> list[dict[str, Any]]:
    """The strongest votes for a class, in words, each with the stretch of the input that it was made of."""
    cast = one.votes
    contribution = cast.contribution[k]
    shown = cast.told(k, LINES).shown
    return [
        {
            "words": one.where(int(f)),
            "value": float(cast.values[f]),
            "weight": float(cast.weights[k, f]),
            "vote": float(contribution[f]),
            "saw": _saw(one, int(f)) if k in (one.answer, one.runner_up) else None,
        }
        for f in shown
    ]


def _saw(one: Explanation, f: int) -> list[list[int]] | None:
    """[from, beyond] along each axis; None where a value has lost its place."""
    if one.votes.made_by < 0 or not one.votes.values[f]:
        return None
    spans = seen(one.steps, one.votes.made_by, one.votes.place(f))
    return [[span.start, span.stop] for span in spans] if spans else None


def _by_kind(model: Model, asked: Question, one: Explanation) -> dict[str, Any]:
    """What only some kinds have: where a sound's part begins, the words as they were typed, a curve's values."""
    preparation, kind = model.card.preparation, KINDS[model.card.kind]
    if kind.playable and asked.data:
        settings, begins = preparation.settings, 0.0
        if asked.one.windows is not None:
            begins = sounds.loudest_s(asked.data, preparation)
        lasts = preparation.shape[2] * int(settings["hop"]) / int(settings["rate_hz"])
        windows = 1 if asked.one.windows is None else len(asked.one.windows)
        return {"part": {"begins_s": begins, "lasts_s": lasts, "of": windows}, "x": packed(one.raw)}
    if kind.looked_up and asked.data:
        text = sentences.text_of(asked.data)
        words, typed = sentences.tokens(text), sentences.TOKEN.findall(text)
        known = [int(number) != 1 for number in one.raw.ravel()[: len(words)]]
        return {"words": typed if len(typed) == len(words) else words, "known": known}
    if can_be_drawn(model):
        return {"drawn": base64.b64encode(np.ascontiguousarray(one.raw).tobytes()).decode()}
    return {"x": packed(one.raw)} if one.raw.ndim == 2 and not kind.looked_up else {}
