"""DetectorOutcome: what a detector's training came to, with all that its folder tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from glassnet.data.dataset import SPLITS, TRAIN, VAL, Preparation
from glassnet.doors.card import Card
from glassnet.doors.detection.basis import Basis
from glassnet.doors.detection.model import DetectorModel
from glassnet.doors.detection.plan import KIND, DetectorPlan, costs
from glassnet.doors.figures import history
from glassnet.nets.rcnn.judging import RegionNet
from glassnet.training.detection.detecting import Limits
from glassnet.training.detection.judging import Judged, figures
from glassnet.training.machine import Machine
from glassnet.training.progress import Epoch

KEY = "test_files"
MOST = 20  # test pictures that the card names


@dataclass(frozen=True)
class DetectorOutcome:
    """A trained detector and its story. test: judged once. seconds: of each stage. regions: seen a second in training.

    each: seconds a test picture took, by what they went into.
    """

    net: RegionNet
    basis: Basis
    plan: DetectorPlan
    machine: Machine
    limits: Limits
    thresholds: tuple[float, ...]
    history: tuple[Epoch, ...]
    best_epoch: int
    seconds: Mapping[str, float]
    each: Mapping[str, float]
    test: Judged
    test_rows: tuple[int, ...]

    @property
    def total_seconds(self) -> float:
        """Of all stages of the training, without the test."""
        return sum(self.seconds.values())

    @property
    def examples_per_second(self) -> float:
        """Training pictures a second while the net learnt."""
        count = len(self.basis.sides.rows(TRAIN)) * len(self.history)
        return count / max(self.seconds.get("train", 0.0), 1e-9)

    def names(self) -> list[str]:
        """The test pictures' files."""
        return [str(self.basis.data.file(i)) for i in self.test_rows]

    def model(self) -> DetectorModel:
        """All of it that is needed to use the detector."""
        return DetectorModel(
            self.net.eval(), self._card(), self.basis.proposals, self.limits, self.thresholds, self.metrics(),
            history(self.history), np.unique(self._seen()),
        )  # fmt: skip

    def metrics(self) -> dict[str, object]:
        """metrics.json: what was measured, with intervals, and what was left out."""
        return {
            "test": figures(self.test, self.names()),
            "examples": self._examples(),
            "skipped": [{"file": one.name, "reason": one.reason} for one in self.basis.data.skipped],
            "notes": list(self.plan.notes),
            "training": {
                "engine": self.plan.engine,
                "parameters": sum(one.numel() for one in self.net.parameters()),
                "epochs": len(self.history),
                "best_epoch": self.best_epoch,
                "seconds": self.total_seconds,
                "stages": dict(self.seconds),
                "examples_per_second": self.examples_per_second,
                "seconds_a_picture": dict(self.each),
            },
        }

    def _card(self) -> Card:
        plan, basis = self.plan, self.basis
        crops = asdict(plan.crops) if plan.engine == "rcnn" else None
        return Card(
            kind=KIND,
            classes=basis.data.classes,
            net=plan.net,
            preparation=Preparation((3, *plan.size), {}),
            normalisation=plan.normalisation,
            full_scale=255.0,
            seed=plan.recipe.seed,
            detector={
                "engine": plan.engine,
                "crops": crops,
                "proposals": basis.proposals.as_json(),
                "limits": asdict(self.limits),
                "thresholds": list(self.thresholds),
                "precision": plan.recipe.precision,
            },
            training={
                "settings": asdict(plan.settings),
                "detecting": asdict(plan.detecting),
                "recipe": asdict(plan.recipe),
                "epochs": len(self.history),
                "best_epoch": self.best_epoch,
                "machine": asdict(self.machine),
                "torch": torch.__version__,
            },
            data={
                "name": basis.data.name,
                "source": plan.source,
                "layout": basis.data.layout,
                "fingerprint": plan.fingerprint,
                "examples": self._examples(),
                KEY: [str(basis.data.file(i).absolute()) for i in self.test_rows[:MOST]],
            },
        )

    def _examples(self) -> dict[str, int]:
        counts = dict(zip(SPLITS, self.basis.sides.counts(), strict=True))
        return counts | {"skipped": len(self.basis.data.skipped)}

    def _seen(self) -> NDArray[np.uint64]:
        side = self.basis.sides.side
        return np.asarray(self.basis.store.digest[(side == TRAIN) | (side == VAL)])

    def cost_words(self) -> str:
        """What a picture costs, in words."""
        whole, region = costs(self.plan, self.basis.ground.classes)
        return f"{whole.multiply_adds / 1e9:.2f} G for a picture, {region.multiply_adds / 1e6:.1f} M for a region of it"
