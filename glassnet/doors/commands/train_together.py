"""glassnet train in several processes, as torchrun starts them: the first decides, writes and prints; all train."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from glassnet.config import Order, Reading
from glassnet.data.dataset import Dataset
from glassnet.data.places import refuse_missing, refuse_missing_weights
from glassnet.doors import folder as layout
from glassnet.doors.commands import title, train_boxes
from glassnet.doors.commands.train import (
    boxes_of,
    choose,
    finish_line,
    folder_to_resume,
    follow,
    is_trained,
    learns_without_labels,
    refuse_device,
    take_up,
)
from glassnet.doors.detection.plan import from_json, read_detector_plan
from glassnet.doors.inputs import find_data
from glassnet.doors.joining import joined
from glassnet.doors.plan import Plan, read_plan
from glassnet.doors.screen import read, tell_processes
from glassnet.nets import zoo
from glassnet.training.cluster import Cluster
from glassnet.world import launch

TRAINED, NEW, TAKEN_UP = "trained", "new", "taken up"


def train_together(order: Order) -> None:
    """Trains a net in all processes of a cluster and leaves one model folder; its summary is the JSON."""
    with ExitStack() as held, joined(order.training) as (cluster, mine):
        told = cluster.led(lambda: _begin(order, held))
        assert isinstance(told, dict), "as it was sent"
        is_first, how, folder = cluster.world.is_first, told["how"], Path(told["folder"])
        if how == TRAINED:
            if is_first:
                finish_line(folder, order.json)
            return
        planned = replace(order, data=told["source"], out=folder if is_first else None, training=mine)
        if "boxes" in told:
            _follow_boxes(told["boxes"], planned, cluster)
            return
        plan: Plan | None = read_plan(folder) if is_first and how == TAKEN_UP else None
        planned = replace(planned, reading=Reading(**told["reading"]))

        def reader(screen: Console) -> Dataset:
            tell_processes(screen, cluster.world.size)
            return cluster.in_turn(
                lambda: read(find_data(planned.data, planned.reading, unlabelled=told["unlabelled"]), screen)
            )

        follow(reader, planned, plan, cluster)


def _begin(order: Order, held: ExitStack) -> dict[str, object]:
    """What the first process decides: which folder, of what data, and whether its training was begun before.

    held: until the end of the training, where its folder is a new one.
    """
    begun = None if order.resume else layout.unfinished_of(launch(), title(order.data), order.out)
    if order.resume:
        begun = folder_to_resume(order)
        if is_trained(begun):
            return {"how": TRAINED, "folder": str(begun)}
    if begun is not None:
        boxes = read_detector_plan(begun)
        if boxes is not None:
            train_boxes.refuse_other_words(boxes, order)
            return {"how": TAKEN_UP, "folder": str(begun), "source": boxes.source, "boxes": asdict(boxes)}
        plan = take_up(begun, order)
        facts = {"source": plan.source, "reading": asdict(plan.reading), "unlabelled": zoo.named_belief(plan.net)}
        return {"how": TAKEN_UP, "folder": str(begun), **facts}
    refuse_missing(order.data)
    refuse_missing_weights(order.training.weights)
    refuse_device(order.training.device)
    if boxes_of(order) is not None:
        train_boxes.refuse_what_cannot_be(order)
        folder = held.enter_context(layout.room_for(title(order.data), order.out, order.overwrite))
        return {"how": NEW, "folder": str(folder), "source": order.data, "boxes": None}
    source = choose(order)
    folder = held.enter_context(layout.room_for(source.name, order.out, order.overwrite))
    facts = {"reading": asdict(order.reading), "unlabelled": learns_without_labels(order)}
    return {"how": NEW, "folder": str(folder), "source": order.data, **facts}


def _follow_boxes(plan: Mapping[str, Any] | None, order: Order, cluster: Cluster) -> None:
    """Trains a detector. plan: that the first process found, if there is one; it counts for more than the order."""
    source = cluster.together(lambda: train_boxes.source_of(order.data))
    train_boxes.follow_boxes(source, order, from_json(plan) if plan is not None else None, cluster)
