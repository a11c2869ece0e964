"""glassnet train: find the data, refuse early what can't be, then train and show it."""

from __future__ import annotations

import json as jsons
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glassnet.config import Detecting, Order, Reading, Training, flag, no_device
from glassnet.data.boxes.finding import BoxSource, find_boxes
from glassnet.data.kinds import Source
from glassnet.data.split import refuse_one_class
from glassnet.doors import folder as layout
from glassnet.doors.card import read_card, refuse_weights_of_detector
from glassnet.doors.commands import print_json, title, train_boxes
from glassnet.doors.folder import is_model, is_unfinished
from glassnet.doors.inputs import find_data
from glassnet.errors import GlassnetError
from glassnet.nets import text, zoo
from glassnet.world import launch, world

if TYPE_CHECKING:
    from rich.console import Console

    from glassnet.data.dataset import Dataset
    from glassnet.doors.plan import Plan
    from glassnet.training.cluster import Cluster

GPU_DRIVERS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")  # NVIDIA's, Windows' for Linux, AMD's


def train(order: Order) -> None:
    """Trains and leaves a model folder; its summary is the JSON."""
    begun = None if order.resume or not launch() else layout.unfinished_of(launch(), title(order.data), order.out)
    if begun is not None:  # torchrun starts a dead process again with the words that it had
        _resume(begun, order)
        return
    if order.resume:
        folder = folder_to_resume(order)
        if is_trained(folder):
            finish_line(folder, order.json)
            return
        _resume(folder, order)
        return
    refuse_device(order.training.device)
    boxes = boxes_of(order)
    if boxes is not None:
        train_boxes.train_boxes(boxes, order)
        return
    source = choose(order)
    with layout.room_for(source.name, order.out, order.overwrite) as folder:
        follow(lambda screen: _read(source, screen), replace(order, out=folder))


def boxes_of(order: Order) -> BoxSource | None:
    """The boxes on pictures that a new training is about, if it is. Raises GlassnetError."""
    return find_boxes(order.data) if order.reading.kind is None and not is_model(Path(order.data)) else None


def learns_without_labels(order: Order) -> bool:
    """Whether the net that is asked for does. Raises GlassnetError for a text that can't be."""
    return bool(order.training.net) and zoo.named_belief(str(order.training.net))


def choose(order: Order) -> Source:
    """The data of a new training, with all refused that can be known by now. Raises GlassnetError."""
    _refuse_detecting(order.detecting)
    refuse_weights_of_detector(order.training.weights)
    source = find_data(order.data, order.reading, unlabelled=learns_without_labels(order))
    if source.classes:  # else they are known when all is read
        refuse_one_class(source.name, source.classes)
    if order.training.net:
        spec = zoo.suited(order.training.net, source.shape)
        fitting = spec if source.has_labels else zoo.without_labels(spec)[0]
        text.measure(fitting, source.shape, max(len(source.classes), 2))
    return source


def summary(folder: Path) -> dict[str, object]:
    """What `glassnet train --json` prints of a finished model."""
    card = read_card(folder)
    if card.is_detector:
        return train_boxes.summary(folder)
    metrics: dict[str, Any] = jsons.loads((folder / layout.METRICS).read_text("utf-8"))
    spec = text.parse(card.net)
    rows = text.measure(spec, card.preparation.shape, len(card.classes))
    return {
        "model": str(folder),
        "kind": card.kind,
        "net": card.net,
        "parameters": text.total(rows).parameters,
        "classes": list(card.classes),
        "examples": metrics["examples"],
        "test": _tested(metrics["test"]) if not card.unlabelled else {"accuracy": None, **metrics["test"]},
        "epochs": metrics["training"]["epochs"],
        "seconds": metrics["training"]["seconds"],
        "examples_per_second": metrics["training"]["examples_per_second"],
    }


def _tested(test: dict[str, object]) -> dict[str, object]:
    return {key: test[key] for key in ("accuracy", "low", "high", "loss")}


def folder_to_resume(order: Order) -> Path:
    """The folder of --out; else DATA itself if it is one; else the newest unfinished models/DATA-N."""
    if order.out is not None:
        return order.out
    if is_unfinished(Path(order.data)) or is_model(Path(order.data)):
        return Path(order.data)
    return layout.newest_unfinished(title(order.data))


def is_trained(folder: Path) -> bool:
    """Whether its training is over. Raises GlassnetError where there is none, or a damaged model."""
    if is_model(folder) and not is_unfinished(folder):
        read_card(folder)
        return True
    if not is_unfinished(folder):
        fix = "Begin one without --resume"
        raise GlassnetError(str(folder), expected="an unfinished training", found="none", fix=fix)
    return False


def refuse_device(wanted: str) -> None:
    """What can be known of a device without loading torch is said at once."""
    lacks_cuda = sys.platform == "linux" and not any(Path(driver).exists() for driver in GPU_DRIVERS)
    if (wanted.startswith("cuda") and lacks_cuda) or (wanted.startswith("mps") and sys.platform != "darwin"):
        raise no_device(wanted)


def _resume(folder: Path, order: Order) -> None:
    """Goes on by the stored plan; settings that say otherwise are refused."""
    from glassnet.doors.detection.plan import read_detector_plan

    boxes = read_detector_plan(folder)
    if boxes is not None:
        train_boxes.resume_boxes(folder, boxes, order)
        return
    plan = take_up(folder, order)
    source = find_data(plan.source, plan.reading, unlabelled=zoo.named_belief(plan.net))
    planned = replace(order, data=plan.source, out=folder, training=plan.settings, reading=plan.reading)
    follow(lambda screen: _read(source, screen), planned, plan)


def take_up(folder: Path, order: Order) -> Plan:
    """The stored plan of a training; settings that say otherwise are refused. Raises GlassnetError."""
    from glassnet.doors.plan import read_plan

    _refuse_detecting(order.detecting)
    plan = read_plan(folder)
    pairs = ((order.training, plan.settings, Training()), (order.reading, plan.reading, Reading()))
    train_boxes.refuse_other_settings(pairs)
    return plan


def _refuse_detecting(detecting: Detecting) -> None:
    """Raises GlassnetError for a setting of detectors where there are no boxes."""
    plain = Detecting()
    for name, value in vars(detecting).items():
        if value != getattr(plain, name):
            fix = "Leave it out, or name a folder of boxes (PASCAL VOC or COCO)"
            raise GlassnetError(flag(name), expected="boxes on pictures", found="examples with a class each", fix=fix)


def _read(source: Source, screen: Console) -> Dataset:
    from glassnet.doors.screen import read

    return read(source, screen)


def follow(
    read: Callable[[Console], Dataset], order: Order, stored: Plan | None = None, cluster: Cluster | None = None
) -> None:
    """Trains on what `read` gives, and shows it. order: its folder is chosen. stored: the plan that it goes on by.

    cluster: of the processes that do this together; one shows it.
    """
    from glassnet.doors.commands import following
    from glassnet.doors.run import Finished, run
    from glassnet.doors.screen import console
    from glassnet.doors.terminal import TrainingView
    from glassnet.training.cluster import APART

    screen = console(order.json, quiet=not world().is_first)
    dataset = read(screen)
    events = run(dataset, order.training, order.out, order.data, order.reading, stored, cluster or APART)
    following.follow(events, TrainingView(screen), Finished, cluster)
    if order.json and order.out is not None:
        print_json(summary(order.out))


def finish_line(folder: Path, json: bool) -> None:
    """Says that a folder's training is over."""
    if json:
        print_json(summary(folder))
    else:
        print(f"{folder} is trained already. Ask it: glassnet predict {folder} FILE")
