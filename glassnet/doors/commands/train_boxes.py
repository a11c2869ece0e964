"""glassnet train on boxes: a detector."""

from __future__ import annotations

import json as jsons
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glassnet.config import PARTS, Detecting, Order, Reading, Training, flag
from glassnet.data.boxes.finding import BoxSource, find_boxes
from glassnet.doors import folder as layout
from glassnet.doors.card import read_card, refuse_weights_of_detector
from glassnet.doors.commands import print_json, title
from glassnet.errors import GlassnetError
from glassnet.world import world

if TYPE_CHECKING:
    from rich.console import Console

    from glassnet.data.boxes.annotated import BoxData
    from glassnet.doors.detection.plan import DetectorPlan
    from glassnet.training.cluster import Cluster


def train_boxes(source: BoxSource, order: Order) -> None:
    """Trains a detector and leaves its folder."""
    refuse_what_cannot_be(order)
    with layout.room_for(title(order.data), order.out, order.overwrite) as folder:
        follow_boxes(source, replace(order, out=folder))


def refuse_what_cannot_be(order: Order) -> None:
    """Raises GlassnetError for all of a new detector that can be known to be wrong by now."""
    refuse_what_does_nothing(order.detecting, order.reading)
    refuse_weights_of_detector(order.training.weights, order.detecting.engine or "fast")


def resume_boxes(folder: Path, plan: DetectorPlan, order: Order) -> None:
    """Goes on by the stored plan; settings that say otherwise are refused."""
    refuse_other_words(plan, order)
    source = source_of(plan.source)
    planned = replace(
        order, data=plan.source, out=folder, training=plan.settings, reading=plan.reading, detecting=plan.detecting
    )
    follow_boxes(source, planned, plan)


def refuse_other_words(plan: DetectorPlan, order: Order) -> None:
    """Raises GlassnetError for a setting that differs from a plan's."""
    pairs = (
        (order.training, plan.settings, Training()),
        (order.detecting, plan.detecting, Detecting()),
        (order.reading, plan.reading, Reading()),
    )
    refuse_other_settings(pairs)


def source_of(data: str) -> BoxSource:
    """The boxes that a training began with. Raises GlassnetError."""
    source = find_boxes(data)
    if source is None:
        fix = "Put it back as it was, or begin anew with another --out"
        raise GlassnetError(data, expected="boxes on pictures", found="none", fix=fix)
    return source


def refuse_other_settings(pairs: Iterable[tuple[object, object, object]]) -> None:
    """Raises GlassnetError for a setting that differs from a stored one. pairs: records wanted, stored and plain."""
    for wanted, stored, plain in pairs:
        for name, value in vars(wanted).items():
            if value not in (vars(plain)[name], vars(stored)[name]):
                found = f"this training goes on with {vars(stored)[name]}"
                raise GlassnetError(f"{flag(name)} {value}", found=found, fix="Leave it out, or begin anew")


def refuse_what_does_nothing(detecting: Detecting, reading: Reading) -> None:
    """Raises GlassnetError for a flag that means nothing here, rather than pass over it."""
    wrong = [name for name in ("kind", "path", "label", "text", "fold") if getattr(reading, name) is not None]
    if wrong:
        raise GlassnetError(flag(wrong[0]), found="it means nothing to boxes", fix="Leave it out")
    if (detecting.engine or "fast") == "rcnn":
        return
    plain, left_out = Detecting(), frozenset(PARTS) - detecting.parts
    wrong = [name for name in ("crop", "square") if getattr(detecting, name) != getattr(plain, name)]
    wrong += ["without"] if left_out - {"regression"} else []
    if wrong:
        fix = "Leave it out, or add --engine rcnn"
        raise GlassnetError(flag(wrong[0]), found="the fast engine has no such thing", fix=fix)


def summary(folder: Path) -> dict[str, object]:
    """What `glassnet train --json` prints of a finished detector."""
    card = read_card(folder)
    metrics: dict[str, Any] = jsons.loads((folder / layout.METRICS).read_text("utf-8"))
    keys = ("map50", "map", "map50_low", "map50_high", "map50_11")
    return {
        "model": str(folder),
        "kind": card.kind,
        "net": card.net,
        "engine": card.detector["engine"],
        "parameters": metrics["training"]["parameters"],
        "classes": list(card.classes),
        "examples": metrics["examples"],
        "test": {key: metrics["test"][key] for key in keys},
        "epochs": metrics["training"]["epochs"],
        "seconds": metrics["training"]["seconds"],
        "examples_per_second": metrics["training"]["examples_per_second"],
        "stages": metrics["training"]["stages"],
        "seconds_a_picture": metrics["training"]["seconds_a_picture"],
    }


def follow_boxes(
    source: BoxSource, order: Order, stored: DetectorPlan | None = None, cluster: Cluster | None = None
) -> None:
    """Trains a detector and shows it. order: its folder is chosen. stored: the plan that it goes on by.

    cluster: of the processes that do this together; one shows it.
    """
    from glassnet.doors.commands import following
    from glassnet.doors.detection.run import Finished, run
    from glassnet.doors.detection.view import DetectorView
    from glassnet.doors.screen import console
    from glassnet.training.cluster import APART

    screen = console(order.json, quiet=not world().is_first)
    found = _read(source, screen, cluster)
    events = run(
        found, order.training, order.detecting, order.out, order.data, order.reading, stored, cluster or APART
    )  # fmt: skip
    following.follow(events, DetectorView(screen), Finished, cluster)
    if order.json and order.out is not None:
        print_json(summary(order.out))


def _read(source: BoxSource, screen: Console, cluster: Cluster | None) -> BoxData:
    """The annotations, read by every process."""
    from glassnet.doors.commands.show_boxes import read_boxes
    from glassnet.doors.screen import tell_processes

    if cluster is None:
        return read_boxes(source, screen)
    tell_processes(screen, cluster.world.size)
    return cluster.together(lambda: read_boxes(source, screen))
