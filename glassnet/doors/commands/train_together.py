"""glassnet train in several processes, as torchrun starts them: the first decides, writes and prints; all train."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from glassnet.config import Detecting, Reading, Training
from glassnet.data.boxes.finding import find_boxes
from glassnet.data.dataset import Dataset
from glassnet.data.places import refuse_missing, refuse_missing_weights
from glassnet.doors import folder as layout
from glassnet.doors.card import read_card
from glassnet.doors.commands import title
from glassnet.doors.commands.train import choose, finish_line, folder_to_resume, follow, refuse_device, take_up
from glassnet.doors.folder import is_model, is_unfinished
from glassnet.doors.inputs import find_data
from glassnet.doors.joining import joined
from glassnet.doors.plan import Plan, read_plan
from glassnet.doors.screen import fact, read
from glassnet.errors import GlassnetError
from glassnet.nets import zoo
from glassnet.words import counted
from glassnet.world import launch, restarts_badly

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
    """Trains a classifier in all processes of a cluster and leaves one model folder; its summary is the JSON."""
    with joined(settings) as (cluster, mine):
        told = cluster.led(lambda: _begin(data, out, settings, detecting, reading, resume, overwrite))
        assert isinstance(told, dict), "as it was sent"
        is_first, how, folder = cluster.world.is_first, told["how"], Path(told["folder"])
        if how == TRAINED:
            if is_first:
                finish_line(folder, json)
            return
        plan: Plan | None = read_plan(folder) if is_first and how == TAKEN_UP else None
        source, looked = told["source"], Reading(**told["reading"])
        size = cluster.world.size

        def reader(screen: Console) -> Dataset:
            screen.print(fact("cluster", f"{counted(size, 'process', 'processes')}, each with a part of every batch"))
            if restarts_badly():
                screen.print(fact("note", "restarts need TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1, or they hang"))
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
        _refuse_boxes(begun)
        plan = take_up(begun, settings, detecting, reading)
        facts = {"source": plan.source, "reading": asdict(plan.reading), "unlabelled": zoo.named_belief(plan.net)}
        return {"how": TAKEN_UP, "folder": str(begun), **facts}
    refuse_missing(data)
    refuse_missing_weights(settings.weights)
    refuse_device(settings.device)
    if reading.kind is None and not is_model(Path(data)) and find_boxes(data) is not None:
        raise _no_boxes(data)
    _, folder = choose(data, out, settings, detecting, reading, overwrite)
    learns_without = bool(settings.net) and zoo.named_belief(str(settings.net))
    return {
        "how": NEW, "folder": str(folder), "source": data, "reading": asdict(reading), "unlabelled": learns_without
    }  # fmt: skip


def _refuse_boxes(folder: Path) -> None:
    """Raises GlassnetError for the unfinished training of a detector."""
    from glassnet.doors.detection.plan import read_detector_plan

    if read_detector_plan(folder) is not None:
        raise _no_boxes(str(folder))


def _no_boxes(place: str) -> GlassnetError:
    fix = "Train it in one process: the same command without torchrun"
    return GlassnetError(place, expected="examples with a class each", found="boxes, for a detector", fix=fix)
