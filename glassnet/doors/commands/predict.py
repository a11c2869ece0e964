"""glassnet predict: a line an input, as it is read."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from glassnet.doors.commands import print_json, say, typed
from glassnet.doors.folder import read_card
from glassnet.errors import GlassnetError
from glassnet.words import counted, listed

MOST_VOTES = 3


def predict(folder: Path, asked: Sequence[str], top: int | None, json: bool) -> int:
    """Prints what each input is. Returns 2 when one could not be read, else 0."""
    read_card(folder)  # refuses before torch is loaded
    _refuse_missing(asked)
    from glassnet.doors.model import Model

    model = Model.load(folder)
    bad, good = 0, ""
    for one in model.answer(asked):
        if json:
            print_json(one.as_json(top))
        elif one.votes is None:
            print(f"{one.input} {one.error}", file=sys.stderr)
        else:
            shown = list(one.votes.items())[: top or MOST_VOTES]
            print("   ".join([one.input, *(f"{name} {share:.2f}" for name, share in shown)]), flush=True)
        bad += one.votes is None
        good = good or one.input * (one.votes is not None)
    if bad:
        say("skipped", f"{counted(bad, 'input')} that can't be read")
    if good:
        say("next", typed("glassnet", "explain", folder, good))
    return 2 if bad else 0


def _refuse_missing(asked: Sequence[str]) -> None:
    """When nothing that was asked about is there, that is said at once, before anything is loaded."""
    if not any(name == "-" or Path(name).exists() for name in asked):
        found = "nothing there" if len(asked) == 1 else "none of them there"
        raise GlassnetError(listed(list(asked)), expected="a file or a folder", found=found, fix="Check the path")
