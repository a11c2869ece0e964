"""glassnet train: find the data, refuse early what can't be, then train and show it."""

from __future__ import annotations

import json as jsons
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glassnet.config import Detecting, Reading, Training, flag, no_device
from glassnet.data.boxes.finding import find_boxes
from glassnet.data.kinds import Source
from glassnet.data.split import refuse_one_class
from glassnet.doors import folder as layout
from glassnet.doors.card import read_card, refuse_weights_of_detector
from glassnet.doors.commands import print_json, title, train_boxes
from glassnet.doors.folder import choose_out, is_model, is_unfinished
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


def train(
    data: str,
    out: Path | None,
    settings: Training,
    detecting: Detecting,
    reading: Reading,
    resume: bool,
    overwrite: bool,
    json: bool,
) -> None:
    """Trains and leaves a model folder; its summary is the JSON."""
    begun = None if resume or not launch() else layout.unfinished_of(launch(), title(data), out)
    if begun is not None:  # torchrun starts a dead process again with the words that it had
        _resume(begun, settings, detecting, reading, json)
        return
    if resume:
        folder = folder_to_resume(data, out)
        if is_model(folder) and not is_unfinished(folder):
            read_card(folder)
            finish_line(folder, json)
            return
        _resume(folder, settings, detecting, reading, json)
        return
    refuse_device(settings.device)
    boxes = find_boxes(data) if reading.kind is None and not is_model(Path(data)) else None
    if boxes is not None:
        name = title(data)
        train_boxes.train_boxes(boxes, data, name, out, settings, detecting, reading, overwrite, json)
        return
    source, folder = choose(data, out, settings, detecting, reading, overwrite)
    follow(lambda screen: _read(source, screen), settings, folder, data, reading, None, json)


def choose(
    data: str, out: Path | None, settings: Training, detecting: Detecting, reading: Reading, overwrite: bool
) -> tuple[Source, Path]:
    """The data of a new training and where it goes, with all refused that can be known by now. Raises GlassnetError."""
    _refuse_detecting(detecting)
    refuse_weights_of_detector(settings.weights)
    learns_without = bool(settings.net) and zoo.named_belief(str(settings.net))  # a text that can't be is refused first
    source = find_data(data, reading, unlabelled=learns_without)
    if source.classes:  # else they are known when all is read
        refuse_one_class(source.name, source.classes)
    folder = choose_out(source.name, out, overwrite)
    if settings.net:
        spec = zoo.suited(settings.net, source.shape)
        fitting = spec if source.has_labels else zoo.without_labels(spec)[0]
        text.measure(fitting, source.shape, max(len(source.classes), 2))
    return source, folder


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


def folder_to_resume(data: str, out: Path | None) -> Path:
    """The folder of --out; else DATA itself if it is one; else the newest unfinished models/DATA-N."""
    if out is not None:
        return out
    if is_unfinished(Path(data)) or is_model(Path(data)):
        return Path(data)
    return layout.newest_unfinished(title(data))


def refuse_device(wanted: str) -> None:
    """What can be known of a device without loading torch is said at once."""
    lacks_cuda = sys.platform == "linux" and not any(Path(driver).exists() for driver in GPU_DRIVERS)
    if (wanted.startswith("cuda") and lacks_cuda) or (wanted.startswith("mps") and sys.platform != "darwin"):
        raise no_device(wanted)


def _resume(folder: Path, settings: Training, detecting: Detecting, reading: Reading, json: bool) -> None:
    """Goes on by the stored plan; settings that say otherwise are refused."""
    if not is_unfinished(folder):
        fix = "Begin one without --resume"
        raise GlassnetError(str(folder), expected="an unfinished training", found="none", fix=fix)
    from glassnet.doors.detection.plan import read_detector_plan

    boxes = read_detector_plan(folder)
    if boxes is not None:
        train_boxes.resume_boxes(folder, boxes, (settings, detecting, reading), json)
        return
    plan = take_up(folder, settings, detecting, reading)
    source = find_data(plan.source, plan.reading, unlabelled=zoo.named_belief(plan.net))
    follow(lambda screen: _read(source, screen), plan.settings, folder, plan.source, plan.reading, plan, json)


def take_up(folder: Path, settings: Training, detecting: Detecting, reading: Reading) -> Plan:
    """The stored plan of a training; settings that say otherwise are refused. Raises GlassnetError."""
    from glassnet.doors.plan import read_plan

    _refuse_detecting(detecting)
    plan = read_plan(folder)
    pairs = ((settings, plan.settings, Training()), (reading, plan.reading, Reading()))
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
    read: Callable[[Console], Dataset],
    settings: Training,
    out: Path | None,
    data: str,
    reading: Reading,
    stored: Plan | None,
    json: bool,
    cluster: Cluster | None = None,
) -> None:
    """Trains on what `read` gives, and shows it. cluster: of the processes that do this together; one shows it."""
    from glassnet.doors.judging import Judging
    from glassnet.doors.run import Finished, Prepared, Stop, run
    from glassnet.doors.screen import console
    from glassnet.doors.signals import patient_signals
    from glassnet.doors.terminal import TrainingView
    from glassnet.training.progress import Progress

    screen = console(json, quiet=not world().is_first)
    view, dataset = TrainingView(screen), read(screen)
    try:
        with patient_signals() as caught:
            if cluster is None:
                events = run(dataset, settings, out, data, reading, stored)
            else:
                cluster.caught = lambda: caught.number
                events = run(dataset, settings, out, data, reading, stored, cluster)
            for event in events:
                match event:
                    case Prepared():
                        view.prepared(event)
                    case Progress():
                        view.progress(event)
                    case Judging():
                        view.judging(event)
                    case Finished():
                        view.finished(event)
                number = cluster.agreed if cluster is not None else caught.number
                if number and not isinstance(event, Finished):
                    view.close()
                    events.throw(Stop(number))
    finally:
        view.close()
    if json and out is not None:
        print_json(summary(out))


def finish_line(folder: Path, json: bool) -> None:
    """Says that a folder's training is over."""
    if json:
        print_json(summary(folder))
    else:
        print(f"{folder} is trained already. Ask it: glassnet predict {folder} FILE")
