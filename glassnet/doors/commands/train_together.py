"""glassnet train in several processes, as torchrun starts them: the first decides, writes and prints; all train."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from glassnet.config import Detecting, Reading, Training
from glassnet.data.boxes.finding import find_boxes
from glassnet.data.dataset import Dataset
from glassnet.data.places import refuse_missing, refuse_missing_weights
from glassnet.doors import folder as layout
from glassnet.doors.card import read_card
from glassnet.doors.commands import title, train_boxes
from glassnet.doors.commands.train import choose, finish_line, folder_to_resume, follow, refuse_device, take_up
from glassnet.doors.detection.plan import from_json, read_detector_plan
from glassnet.doors.folder import is_model, is_unfinished
from glassnet.doors.inputs import find_data
from glassnet.doors.joining import joined
from glassnet.doors.plan import Plan, read_plan
from glassnet.doors.screen import read, tell_processes
from glassnet.errors import GlassnetError
from glassnet.nets import zoo
from glassnet.training.cluster import Cluster
from glassnet.world import launch

TRAINED, NEW, TAKEN_UP = "trained", "new", "taken up"


def train_together(
    data: str,
    out: Path | None,
    settings: Training,
    detecting: Detecting,
    reading: Reading,
    resume: bool,
    overwrite: bool,
    json: bool,
) -> None:
    """Trains a net in all processes of a cluster and leaves one model folder; its summary is the JSON."""
    with joined(settings) as (cluster, mine):
        told = cluster.led(lambda: _begin(data, out, settings, detecting, reading, resume, overwrite))
        assert isinstance(told, dict), "as it was sent"
        is_first, how, folder = cluster.world.is_first, told["how"], Path(told["folder"])
        if how == TRAINED:
            if is_first:
                finish_line(folder, json)
            return
        if "boxes" in told:
            _follow_boxes(told, folder if is_first else None, (mine, detecting, reading), json, cluster)
            return
        plan: Plan | None = read_plan(folder) if is_first and how == TAKEN_UP else None
        source, looked = told["source"], Reading(**told["reading"])

        def reader(screen: Console) -> Dataset:
            tell_processes(screen, cluster.world.size)
            return cluster.in_turn(lambda: read(find_data(source, looked, unlabelled=told["unlabelled"]), screen))

        follow(reader, mine, folder if is_first else None, source, looked, plan, json, cluster)


def _begin(
    data: str,
    out: Path | None,
    settings: Training,
    detecting: Detecting,
    reading: Reading,
    resume: bool,
    overwrite: bool,
) -> dict[str, object]:
    """What the first process decides: which folder, of what data, and whether its training was begun before."""
    begun = None if resume else layout.unfinished_of(launch(), title(data), out)
    if resume:
        begun = folder_to_resume(data, out)
        if is_model(begun) and not is_unfinished(begun):
            read_card(begun)
            return {"how": TRAINED, "folder": str(begun)}
        if not is_unfinished(begun):
            fix = "Begin one without --resume"
            raise GlassnetError(str(begun), expected="an unfinished training", found="none", fix=fix)
    if begun is not None:
        boxes = read_detector_plan(begun)
        if boxes is not None:
            train_boxes.refuse_other_words(boxes, (settings, detecting, reading))
            return {"how": TAKEN_UP, "folder": str(begun), "source": boxes.source, "boxes": asdict(boxes)}
        plan = take_up(begun, settings, detecting, reading)
        facts = {"source": plan.source, "reading": asdict(plan.reading), "unlabelled": zoo.named_belief(plan.net)}
        return {"how": TAKEN_UP, "folder": str(begun), **facts}
    refuse_missing(data)
    refuse_missing_weights(settings.weights)
    refuse_device(settings.device)
    if reading.kind is None and not is_model(Path(data)) and find_boxes(data) is not None:
        folder = train_boxes.choose_box_folder(title(data), out, settings, detecting, reading, overwrite)
        return {"how": NEW, "folder": str(folder), "source": data, "boxes": None}
    _, folder = choose(data, out, settings, detecting, reading, overwrite)
    learns_without = bool(settings.net) and zoo.named_belief(str(settings.net))
    return {
        "how": NEW, "folder": str(folder), "source": data, "reading": asdict(reading), "unlabelled": learns_without
    }  # fmt: skip


def _follow_boxes(
    told: Mapping[str, Any],
    out: Path | None,
    asked: tuple[Training, Detecting, Reading],
    json: bool,
    cluster: Cluster,
) -> None:
    """Trains a detector. told: what the first process decided. asked: what was typed; a plan counts for more."""
    stored = from_json(told["boxes"]) if told["boxes"] is not None else None
    source = cluster.together(lambda: train_boxes.source_of(told["source"]))
    train_boxes.follow_boxes(source, told["source"], out, *asked, stored, json, cluster)
