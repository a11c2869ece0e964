"""glassnet predict: a line an input, as it is read."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from glassnet.doors.card import read_card
from glassnet.doors.commands import print_json, say, typed
from glassnet.doors.commands.predict_boxes import predict_boxes
from glassnet.doors.inputs import read_inputs
from glassnet.words import counted

MOST_VOTES = 3


def predict(folder: Path, asked: Sequence[str], top: int | None, json: bool) -> int:
    """Prints what each input is. Returns 2 when one could not be read, else 0."""
    card = read_card(folder)
    if card.is_detector:
        return predict_boxes(folder, asked, top, json)
    inputs, bad, good = read_inputs(asked, card.kind, card.preparation, card.full_scale), 0, ""
    for first in inputs:  # torch is loaded for the first that can be read, and not for those before it
        if first.x is not None:
            inputs = chain([first], inputs)
            break
        bad += _refused(first.name, first.error, json)
    else:
        return 2
    from glassnet.doors.model import Model

    for one in Model.load(folder).answer_inputs(inputs):
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
    say("next", typed("glassnet", "explain", folder, good))
    return 2 if bad else 0


def _refused(name: str, error: str, json: bool) -> int:
    """Says that one can't be read. Returns how many that were."""
    if json:
        print_json({"input": name, "error": error})
    else:
        print(f"{name} {error}", file=sys.stderr)
    return 1
