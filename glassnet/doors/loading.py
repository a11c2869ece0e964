"""gn.load: a model folder as the net in it, an exported file as what answers from it. The latter without torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from glassnet.doors.card import read_card
from glassnet.doors.exporting.answering import OnnxDetector, OnnxModel, open_file
from glassnet.doors.exporting.opened import read_file
from glassnet.doors.folder import is_exported, refuse_nothing_to_ask
from glassnet.errors import GlassnetError

if TYPE_CHECKING:
    from glassnet.doors.detection.model import DetectorModel
    from glassnet.doors.model import Model


def load(folder: str | Path, device: str = "cpu") -> Model | DetectorModel | OnnxModel | OnnxDetector:
    """Opens a model folder, a detector's too, or a file that `glassnet export` wrote ("photos-1/model.onnx").

    A file answers by itself, without torch: `predict` as a model does, the `logits` of arrays, a detector `answer`.
    It has no net: what looks into one, or trains it further, says in a line that it wants the folder. device: of the
    net; a file is computed on the CPU. Raises GlassnetError when it is damaged, newer, or not one of ours.
    """
    place = Path(folder)
    if is_exported(place):
        refuse_nothing_to_ask(place)
        if device not in ("cpu", "auto"):
            fix = "Leave device out, or name the folder of its model"
            raise GlassnetError(str(place), expected="cpu, where an exported file is computed", found=device, fix=fix)
        return open_file(read_file(place))
    return open_folder(place, device)


def open_folder(folder: Path, device: str = "cpu") -> Model | DetectorModel:
    """Opens a model folder, with its net. Raises GlassnetError as above."""
    is_detector = read_card(folder).is_detector
    from glassnet.doors.detection.model import DetectorModel  # torch, which a file answers without
    from glassnet.doors.model import Model

    return (DetectorModel if is_detector else Model).load(folder, device)


def refuse_file(model: object, what: str) -> None:
    """Raises GlassnetError where an exported file was opened, which has no net to look into. what: is to be done."""
    if isinstance(model, (OnnxModel, OnnxDetector)):
        found = f"{model.name}, an exported file, which can only be asked"
        raise GlassnetError(what, expected="a model's net", found=found, fix="Load the folder of its model")
