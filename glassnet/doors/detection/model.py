"""DetectorModel: a trained detector with all that is needed to use it. Saved and opened as every model is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import safetensors.torch
from numpy.typing import NDArray

from glassnet.data.boxes.proposals.proposing import Proposals
from glassnet.data.boxes.store import Sized, sized
from glassnet.doors import folder as layout
from glassnet.doors.answers import Box, boxes_of
from glassnet.doors.card import Card, read_card
from glassnet.doors.detection.inputs import Finds
from glassnet.doors.saving import write_model
from glassnet.errors import GlassnetError
from glassnet.nets import text
from glassnet.nets.rcnn.cropped import Cropped
from glassnet.nets.rcnn.detector import Detector
from glassnet.nets.rcnn.judging import RegionNet
from glassnet.nets.rcnn.text import parse_regions
from glassnet.nets.rcnn.warping import Crops
from glassnet.training.detection.detecting import Limits, Seen, see
from glassnet.words import counted


@dataclass(frozen=True)
class DetectorModel(Finds):
    """A trained detector. card, metrics, history, seen: as of every model. proposals: where it looks.

    thresholds: (K,) scores from which a box is likely.
    """

    net: RegionNet
    card: Card
    proposals: Proposals
    limits: Limits
    thresholds: tuple[float, ...]
    metrics: Mapping[str, object]
    history: str
    seen: NDArray[np.uint64]
    folder: str = ""

    def __repr__(self) -> str:
        return f"<DetectorModel {self.folder}: {counted(len(self.classes), 'class', 'classes')}, engine {self.engine}>"

    @property
    def classes(self) -> tuple[str, ...]:
        return self.card.classes

    @property
    def engine(self) -> str:
        """Fast or rcnn."""
        return str(self.card.detector["engine"])

    def write(self, folder: Path) -> None:
        """Writes the files of a model into a folder that is being filled."""
        write_model(folder, self.net, self.card, self.metrics, self.history, self.seen)

    @staticmethod
    def load(folder: str | Path, device: str = "cpu") -> DetectorModel:
        """Opens a detector's folder. Raises GlassnetError when it is damaged, or no detector."""
        path = Path(folder)
        card = read_card(path)
        if not card.is_detector:
            fix = "Train one on a folder of boxes"
            raise GlassnetError(str(path), expected="a detector", found=f"a model of {card.kind}", fix=fix)
        try:
            facts = card.detector
            net = empty_net(card)
            net.load_state_dict(safetensors.torch.load_file(path / layout.WEIGHTS))
            seen = np.load(path / layout.SEEN, allow_pickle=False)
            proposals = Proposals.from_json(facts["proposals"])
            limits = _limits(facts["limits"])
            thresholds = tuple(float(one) for one in _sequence(facts["thresholds"]))
        except (RuntimeError, ValueError, KeyError, TypeError, OSError, safetensors.SafetensorError) as error:
            found = "its weights don't fit its net"
            raise GlassnetError(str(path), found=found, fix="Take a copy of it, or train it again") from error
        metrics = json.loads((path / layout.METRICS).read_text("utf-8")) if (path / layout.METRICS).is_file() else {}
        history = (path / layout.HISTORY).read_text("utf-8") if (path / layout.HISTORY).is_file() else ""
        return DetectorModel(
            net.eval().to(device), card, proposals, limits, thresholds, metrics, history, seen, str(path)
        )  # fmt: skip

    def look(self, data: bytes, regions: NDArray[np.float64] | None = None) -> tuple[Sized, Seen]:
        """A file's picture as it sees it, and everything that it makes of it. Raises Unreadable.

        regions: those that are proposed on it, where they were found already.
        """
        one = sized(data, max(self.card.preparation.shape[1:]))
        return one, self.judge(one, self.proposals.of(data) if regions is None else regions)

    def judge(self, one: Sized, regions: NDArray[np.float64], limits: Limits | None = None) -> Seen:
        """The same of regions in the file's pixels that were proposed elsewhere."""
        precision = str(self.card.detector["precision"])
        device = next(self.net.parameters()).device
        with_bf16 = precision if device.type == "cpu" or precision == "float32" else "bfloat16"
        return see(
            self.net, one.x, one.scale, one.size, regions, self.card.normalisation, limits or self.limits, with_bf16
        )  # fmt: skip

    def boxes(self, seen: Seen) -> tuple[Box, ...]:
        """What stays of everything, the surest first, from SHOWN on."""
        found = seen.found
        return boxes_of((found.boxes, found.scores, found.labels), self.classes, self.thresholds)

    def find(self, data: bytes) -> tuple[tuple[Box, ...], tuple[int, int]]:
        """The boxes on a picture of a file's bytes, and its width and height. Raises Unreadable."""
        one, seen = self.look(data)
        return self.boxes(seen), one.size

    def to_file(self, folder: str) -> DetectorModel:
        """The same, said to lie in a folder."""
        return replace(self, folder=folder)


def empty_net(card: Card) -> RegionNet:
    """The net that a card describes, its weights not yet laid in."""
    facts = card.detector
    if facts["engine"] == "fast":
        return Detector(parse_regions(card.net), card.preparation.shape, len(card.classes))
    crops = _mapping(facts["crops"])
    cut = Crops(int(crops["side"]), crops["context"], bool(crops["square"]))
    return Cropped(text.parse(card.net), cut, len(card.classes))


def _limits(value: object) -> Limits:
    facts = _mapping(value)
    return Limits(facts["most"], bool(facts["twice"]), facts["least"])


def _mapping(value: object) -> dict[str, float]:
    if not isinstance(value, dict):
        raise ValueError(value)
    return value


def _sequence(value: object) -> list[float]:
    if not isinstance(value, list):
        raise ValueError(value)
    return value
