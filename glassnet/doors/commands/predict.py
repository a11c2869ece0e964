"""glassnet predict: a line an input, as it is read."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from glassnet.doors.answers import Prediction
from glassnet.doors.card import Card
from glassnet.doors.commands import print_json, say, typed
from glassnet.doors.commands.predict_boxes import predict_boxes
from glassnet.doors.exporting.answering import OnnxModel, open_for
from glassnet.doors.exporting.opened import OnnxFile, look_at
from glassnet.doors.exporting.taken import takes_prepared
from glassnet.doors.inputs import Input, read_inputs
from glassnet.words import counted, percent

MOST_VOTES = 3


def predict(place: Path, asked: Sequence[str], top: int | None, json: bool) -> int:
    """Prints what each input is. Returns 2 when one could not be read, else 0.

    place: a model folder or an exported file. A folder's own file answers for it, where it is made of the same weights.
    """
    card, file = look_at(place)
    if card.is_detector:
        return predict_boxes(place, file, asked, top, json)
    inputs, bad, good = read_inputs(asked, card.kind, card.preparation, card.full_scale), 0, ""
    for first in inputs:  # what answers is loaded for the first that can be read, and not for those before it
        if first.x is not None:
            inputs = chain([first], inputs)
            break
        bad += _refused(first.name, first.error, json)
    else:
        return 2
    if file is not None and file.int8:
        right, plain = (percent(float(str(file.int8[key]))) for key in ("accuracy", "accuracy_float"))
        say("int8", f"in whole numbers: {right} right where floats had {plain}")
    for one in _answers(place, card, file, inputs, asked):
        if one.votes is None:
            bad += _refused(one.input, one.error, json)
            continue
        good = good or one.input
        if json:
            print_json(one.as_json(top))
        else:
            shown = list(one.votes.items())[: top or MOST_VOTES]
            votes = "   ".join(f"{name} {share:.2f}" for name, share in shown)
            print(f"{one.input}   " + (f"none of these   ({votes})" if one.is_none_of_these else votes), flush=True)
    if bad:
        say("skipped", f"{counted(bad, 'input')} that can't be read")
    if place.is_dir():
        say("next", typed("glassnet", "explain", place, good))
    return 2 if bad else 0


def _answers(
    place: Path, card: Card, file: OnnxFile | None, inputs: Iterable[Input], asked: Sequence[str]
) -> Iterator[Prediction]:
    """From the exported file where there is one that can; else the net is loaded, which takes a second longer."""
    arrays = any(name.lower().endswith(".npz") for name in asked)
    loudness = place.is_dir() and arrays and not takes_prepared(card)  # of a sound: that its graph can't take
    opened = None if loudness else open_for(place, file)
    if isinstance(opened, OnnxModel):
        yield from opened.answer_inputs(inputs)
        return
    from glassnet.doors.model import Model

    yield from Model.load(place).answer_inputs(inputs)


def _refused(name: str, error: str, json: bool) -> int:
    """Says that one can't be read. Returns how many that were."""
    if json:
        print_json({"input": name, "error": error})
    else:
        print(f"{name} {error}", file=sys.stderr)
    return 1
