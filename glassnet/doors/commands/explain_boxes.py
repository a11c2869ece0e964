"""glassnet explain with a detector: why each box is there, as a page; the answer and the surest box in the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from glassnet.doors.card import Card
from glassnet.doors.commands import print_json, typed
from glassnet.doors.detection.inputs import no_right_class, read_picture
from glassnet.steps import finish
from glassnet.words import counted, joined

if TYPE_CHECKING:
    from glassnet.explaining.detections import ExplainedBox, ExplainedBoxes

MISSED = 4  # objects that are written out


def explain_boxes(card: Card, folder: Path, asked: str, page: Path, right: str | None, json: bool) -> None:
    """Leaves a page; each box's votes are the JSON. Raises GlassnetError."""
    if right is not None:
        raise no_right_class()
    data = read_picture(asked)  # what can't be read is said before anything is loaded
    from glassnet.doors.detection.explained import explained_steps
    from glassnet.doors.detection.model import DetectorModel
    from glassnet.doors.screen import console, fact, line

    screen = console(json)
    with line(screen, "looking") as told:
        work = explained_steps(DetectorModel.load(folder), asked, data)
        found_out = finish(work, lambda step: told.step(step.done, step.total, step.what))
    found_out.save(page)
    if json:
        print_json({**found_out.as_json(), "page": str(page)})
        return
    for words in _lines(found_out):
        screen.print(words)
    screen.print(fact("page", str(page)))
    source = str(card.data.get("source") or "")
    screen.print(fact("next", typed("glassnet", "evaluate", folder, source or "DATA"), "bold"))


def _lines(one: ExplainedBoxes) -> Iterator[str]:
    """The answer first; then the surest box, and what is known of the truth."""
    answer = one.answer if one.likely else "Nothing"
    yield f"{answer} on {Path(one.name).name}"
    if one.boxes:
        yield from _box(one, one.boxes[0])
    elif one.surest is not None:
        label, score = one.surest
        yield f"The surest box is {one.classes[label]} {score:.2f}; {one.judge.thresholds[label]:.2f} is needed."
    if one.missed is not None and one.objects is not None:
        found = one.objects - len(one.missed)
        false = counted(one.false, "false box", "false boxes")
        yield f"Found {found:,} of {counted(one.objects, 'marked object')}; {false}."
        for missed in one.missed[:MISSED]:
            yield f"Missed {one.classes[missed.label]} at {_at(missed.box)}: {missed.words}."
        if len(one.missed) > MISSED:
            yield f"and {len(one.missed) - MISSED:,} missed more; the page shows them"
    yield from one.notes


def _box(one: ExplainedBoxes, box: ExplainedBox) -> Iterator[str]:
    from glassnet.explaining.detections_panels import moved_words

    votes, names = box.votes, box.votes.voters.names
    yield f"The surest: {names[votes.said]} {box.score:.2f} at {_at(box.box)}, {moved_words(box.moved)}."
    against = "" if votes.against is None else f", against {votes.logit[votes.against]:+.2f} for {names[votes.against]}"
    strongest = [f"feature {f + 1} {votes.difference[f]:+.2f}" for f in votes.strongest(3)]
    unit = votes.voters.unit
    yield f"Its {unit} is {votes.logit[votes.said]:+.2f}{against}; most by {joined(strongest)}."
    if box.nearest:
        near = box.nearest[0]
        yield f"Most like {one.classes[near.label]} on {near.name} ({near.similarity:.2f})."
    if box.removed:
        yield f"{counted(len(box.removed), 'box', 'boxes')} of its class gave way to it."


def _at(box: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.0f}" for value in box)
