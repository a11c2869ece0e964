"""glassnet explain: why a model says what it says, as a page, and as sums in the terminal for small pictures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from glassnet.doors.card import read_card
from glassnet.doors.commands import output_file, print_json, say, typed
from glassnet.doors.commands.explain_boxes import explain_boxes
from glassnet.doors.inputs import read_one, right_class

if TYPE_CHECKING:
    from glassnet.explaining.explanation import Explanation

PRINTED = 12  # pixels a side of the largest picture whose sums are printed


def explain(folder: Path, asked: str, out: Path | None, right: str | None, json: bool) -> None:
    """Leaves a page; the votes are the JSON."""
    card = read_card(folder)
    page = output_file(out, f"explain-{_plain(asked)}.html", ".html", ".htm", ".png")
    if card.is_detector:
        explain_boxes(card, folder, asked, page, right, json)
        return
    right = right_class(card.classes, asked, right)
    one = read_one(asked, card.kind, card.preparation, card.full_scale)
    from glassnet.doors.model import Model
    from glassnet.doors.why import explain_input

    found_out = explain_input(Model.load(folder), one, right)
    found_out.save(page)
    if json:
        print_json({**found_out.as_json(saliency=True), "page": str(page)})
        return
    _print(found_out, page)
    source = str(card.data.get("source") or "")
    say("next", typed("glassnet", "evaluate", folder, source or "DATA"))


def _plain(asked: str) -> str:
    return re.sub(r"[^\w.-]+", "-", Path(asked).stem) or "input"


def _print(one: Explanation, page: Path) -> None:
    from glassnet.doors.lines import vote_lines
    from glassnet.doors.screen import console, fact
    from glassnet.doors.sums import sum_lines

    screen = console()
    if one.is_none_of_these:
        screen.print(f"None of these: like nothing that the net learnt from (strangeness {one.strangeness:.2f}).")
    for line in vote_lines(one):
        screen.print(line)
    if one.raw.ndim == 3 and max(one.raw.shape[1:]) <= PRINTED and one.raw.shape[0] == 1:
        for line in sum_lines(one):
            screen.print(line)
    screen.print(fact("page", str(page)))
