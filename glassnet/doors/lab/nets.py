"""The nets that the lab can open: the slides' own, and the models in the folder where it was started."""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from glassnet.doors.card import is_detector
from glassnet.doors.detection.model import DetectorModel
from glassnet.doors.folder import is_exported
from glassnet.doors.lab import known
from glassnet.doors.lab.known import SLIDES
from glassnet.doors.lab.slides import FEATURES, slides_model
from glassnet.doors.model import Model
from glassnet.errors import GlassnetError

OPEN = 8  # nets, and changed copies of them, that are kept in memory


@dataclass(frozen=True)
class Change:
    """One weight set by hand. key: its tensor. at: its place there."""

    key: str
    at: tuple[int, ...]
    value: float


class Nets:
    """Opens nets by name. A name stands for a folder only if it was found: no path is ever taken from a request."""

    def __init__(self, named: Path | None = None) -> None:
        self._named = named
        self._open: OrderedDict[tuple[str, tuple[Change, ...]], tuple[float, Model]] = OrderedDict()
        self._detectors: OrderedDict[str, tuple[float, DetectorModel]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def first(self) -> str:
        """The net that a page opens on: the one that was named, else the slides'."""
        return known.name_of(self._named) if self._named else SLIDES

    def folders(self) -> dict[str, Path]:
        """Every model folder that can be opened, by name, the newest first."""
        return known.folders(self._named)

    def open(self, name: str, changes: Sequence[Change] = ()) -> Model:
        """A net by name, with weights set by hand. Raises GlassnetError when there is none, or it is damaged."""
        folder = self.folders().get(name)
        if folder is None and name != SLIDES:
            some = ", ".join([SLIDES, *self.folders()][:6])
            raise GlassnetError("net", expected=f"one of {some}", found=name, fix="Choose one of these")
        if folder is not None and is_exported(folder):
            expected, found = (
                "a model folder, whose net can be looked into",
                "an exported file, which can only be asked",
            )
            raise GlassnetError(name, expected=expected, found=found, fix="Serve its folder, or ask with /api/predict")
        changed_at = (folder / "config.json").stat().st_mtime if folder else 0.0
        key = (name, tuple(changes))
        with self._lock:
            if key in self._open and self._open[key][0] == changed_at:
                self._open.move_to_end(key)
                return self._open[key][1]
        model = _changed(self.open(name), changes) if changes else Model.load(folder) if folder else slides_model()
        with self._lock:
            self._open[key] = changed_at, model
            while len(self._open) > OPEN:
                self._open.popitem(last=False)
        return model

    def any_of(self, name: str) -> Model | DetectorModel:
        """A net or a detector by name, the first without one. Raises GlassnetError as above."""
        return self.detector(name or self.first) or self.open(name or self.first)

    def detectors(self) -> list[str]:
        """Those of the names that are detectors, by a look into their cards."""
        return known.detectors(self._named)

    def detector(self, name: str) -> DetectorModel | None:
        """A detector by name; None where the name is another net's, or nobody's. Raises GlassnetError when damaged."""
        folder = self.folders().get(name)
        if folder is None or not is_detector(folder):
            return None
        changed_at = (folder / "config.json").stat().st_mtime
        with self._lock:
            if name in self._detectors and self._detectors[name][0] == changed_at:
                self._detectors.move_to_end(name)
                return self._detectors[name][1]
        model = DetectorModel.load(folder)
        with self._lock:
            self._detectors[name] = changed_at, model
            while len(self._detectors) > OPEN:
                self._detectors.popitem(last=False)
        return model


def feature_names(name: str) -> dict[str, tuple[str, ...]]:
    """What people call the features of a net's layers; only of the slides' are any known."""
    return {"conv1": tuple(FEATURES)} if name == SLIDES else {}


def _changed(model: Model, changes: Sequence[Change]) -> Model:
    """A copy with some weights set. Raises GlassnetError for a weight that isn't there."""
    net = copy.deepcopy(model.net)
    tensors = dict(net.named_parameters())
    with torch.no_grad():
        for change in changes:
            tensor = tensors.get(change.key)
            if tensor is None:
                keys = ", ".join(list(tensors)[:8])
                raise GlassnetError("changes", expected=f"one of {keys}", found=change.key, fix="Name a weight")
            if len(change.at) != tensor.ndim or any(
                not 0 <= i < n for i, n in zip(change.at, tensor.shape, strict=True)
            ):
                size = "x".join(map(str, tensor.shape))
                raise GlassnetError(
                    change.key, expected=f"a place in {size}", found=str(change.at), fix="Choose one inside"
                )
            tensor[change.at] = change.value
    return replace(model, net=net)
