"""glassnet train: find the data, refuse early what can't be, then train and show it."""

from __future__ import annotations

import json as jsons
import sys
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

if TYPE_CHECKING:
    from glassnet.doors.plan import Plan

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
    if resume:
        folder = _folder_to_resume(data, out)
        if is_model(folder) and not is_unfinished(folder):
            read_card(folder)
            _finish_line(folder, json)
            return
        _resume(folder, settings, detecting, reading, json)
        return
    _refuse_device(settings.device)
    boxes = find_boxes(data) if reading.kind is None and not is_model(Path(data)) else None
    if boxes is not None:
        name = title(data)
        train_boxes.train_boxes(boxes, data, name, out, settings, detecting, reading, overwrite, json)
        return
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
    _train(source, settings, folder, data, reading, None, json)


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


def _folder_to_resume(data: str, out: Path | None) -> Path:
    """The folder of --out; else DATA itself if it is one; else the newest unfinished models/DATA-N."""
    if out is not None:
        return out
    if is_unfinished(Path(data)) or is_model(Path(data)):
        return Path(data)
    return layout.newest_unfinished(title(data))


def _refuse_device(wanted: str) -> None:
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
    from glassnet.doors.plan import read_plan

    boxes = read_detector_plan(folder)
    if boxes is not None:
        train_boxes.resume_boxes(folder, boxes, (settings, detecting, reading), json)
        return
    _refuse_detecting(detecting)
    plan = read_plan(folder)
    pairs = ((settings, plan.settings, Training()), (reading, plan.reading, Reading()))
    train_boxes.refuse_other_settings(pairs)
    source = find_data(plan.source, plan.reading, unlabelled=zoo.named_belief(plan.net))
    _train(source, plan.settings, folder, plan.source, plan.reading, plan, json)


def _refuse_detecting(detecting: Detecting) -> None:
    """Raises GlassnetError for a setting of detectors where there are no boxes."""
    plain = Detecting()
    for name, value in vars(detecting).items():
        if value != getattr(plain, name):
            fix = "Leave it out, or name a folder of boxes (PASCAL VOC or COCO)"
            raise GlassnetError(flag(name), expected="boxes on pictures", found="examples with a class each", fix=fix)


def _train(
    source: Source, settings: Training, out: Path, data: str, reading: Reading, stored: Plan | None, json: bool
) -> None:
    from glassnet.doors.judging import Judging
    from glassnet.doors.run import Finished, Prepared, Stop, run
    from glassnet.doors.screen import console, read
    from glassnet.doors.signals import patient_signals
    from glassnet.doors.terminal import TrainingView
    from glassnet.training.trainer import Progress

    screen = console(json)
    view, dataset = TrainingView(screen), read(source, screen)
    try:
        with patient_signals() as caught:
            events = run(dataset, settings, out, data, reading, stored)
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
                if caught.number and not isinstance(event, Finished):
                    view.close()
                    events.throw(Stop(caught.number))
    finally:
        view.close()
    if json:
        print_json(summary(out))


def _finish_line(folder: Path, json: bool) -> None:
    if json:
        print_json(summary(folder))
    else:
        print(f"{folder} is trained already. Ask it: glassnet predict {folder} FILE")
