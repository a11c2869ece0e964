"""Plan of a detector's training: everything chosen before it begins, written beside its checkpoints."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from glassnet import files
from glassnet.config import Detecting, Reading, Training
from glassnet.data.boxes.proposals.proposing import Proposals
from glassnet.data.dataset import TRAIN, VAL, Normalisation
from glassnet.data.kind import Augmentation
from glassnet.doors.detection.basis import Basis, mirrors_of, normalisation_of
from glassnet.doors.folder import CHECKPOINTS
from glassnet.doors.plan import RUN, command_of
from glassnet.errors import GlassnetError
from glassnet.nets import text, weights, zoo
from glassnet.nets.rcnn.cropped import Cropped
from glassnet.nets.rcnn.detector import Detector
from glassnet.nets.rcnn.judging import RegionNet
from glassnet.nets.rcnn.text import CROPPED, FAST, measure_regions, parse_regions
from glassnet.nets.rcnn.transfer import lay_in_trunk, regions_text
from glassnet.nets.rcnn.warping import CONTEXT, Crops
from glassnet.nets.spec import Cost
from glassnet.nets.weights import Weights
from glassnet.training.detection.feeding import Feed
from glassnet.training.machine import Machine, choose_threads
from glassnet.training.recipe import Recipe
from glassnet.words import percent
from glassnet.world import ALONE, World

KIND = "boxes"
CROP = 48  # pixels a side that a region is warped to, unless told; R-CNN's own are 227
PICTURES = 4  # in a step
DRAWN = 128  # regions of each, of the fast engine
STEP_OF_RCNN = 8, 16  # pictures in a step and regions of each: 128 regions, as in the paper
SEEN = {"fast": 8200, "rcnn": 32_800}  # pictures that a training sees in all, within EPOCHS; of rcnn fewer regions each
EPOCHS = (8, 160)
ZOOM = 0.2  # of a varied copy, either way, in logarithms
LEARNING, TUNING, PUBLISHED = 0.005, 0.0015, 0.001  # anew; from weights; the same by R-CNN's own sgd


@dataclass(frozen=True)
class DetectorPlan:
    """One run. source: the data as it was named. side: of the longer side of a picture, in pixels, as the net sees it.

    net: its text. size: (height, width) of the usual picture. notes: what a person should know.
    """

    source: str
    settings: Training
    detecting: Detecting
    reading: Reading
    engine: str
    net: str
    side: int
    size: tuple[int, int]
    recipe: Recipe
    normalisation: Normalisation
    fingerprint: str
    notes: tuple[str, ...]

    @property
    def crops(self) -> Crops:
        """How regions are cut out, where they are."""
        return Crops(self.detecting.crop or CROP, CONTEXT, self.detecting.square)

    def command(self) -> str:
        """The command that does this again."""
        epochs = self.recipe.epochs if self.settings.minutes else self.settings.epochs
        settings = replace(self.settings, minutes=None, epochs=epochs)
        pairs = ((settings, Training()), (self.detecting, Detecting()), (self.reading, Reading()))
        return command_of(self.source, *pairs) if self.source else ""

    def write(self, out: Path) -> None:
        """Keeps the plan beside the checkpoints."""
        files.write_json(out / CHECKPOINTS / RUN, {"kind": KIND, **asdict(self)})


def make(
    basis: Basis,
    source: str,
    settings: Training,
    detecting: Detecting,
    reading: Reading,
    machine: Machine,
    sharing: int = 1,
) -> DetectorPlan:
    """Chooses whatever was left open. Raises GlassnetError when the net can't be.

    sharing: processes on this machine that train together.
    """
    engine = detecting.engine or "fast"
    given = weights.find(settings.weights) if settings.weights else None
    net = _net(settings, given, engine)
    size = _usual_size(basis)
    normalisation = given.normalisation_for(3) if given else None
    begun = (f"begun with the weights of {given.name}; the votes begin anew",) if given else ()
    augmentation, varied = _varied(basis, settings) if settings.augment else (Augmentation(), ())
    count = len(basis.sides.rows(TRAIN))
    recipe = _recipe(settings, engine, given is not None, count, machine, augmentation)
    plan = DetectorPlan(
        source, settings, detecting, reading, engine, net, max(size), size, recipe,
        normalisation or normalisation_of(basis), basis.fingerprint, (*basis.notes, *begun, *varied),
    )  # fmt: skip
    threads, why = _threads(plan, basis, machine, sharing)
    return replace(plan, recipe=replace(recipe, threads=threads), notes=(*plan.notes, *why))


def _varied(basis: Basis, settings: Training) -> tuple[Augmentation, tuple[str, ...]]:
    """How training pictures are varied, and that in words."""
    mirrors = mirrors_of(basis, settings.seed)
    found = Augmentation(mirror_x=mirrors.left_right.natural, mirror_y=mirrors.up_down.natural, scale=ZOOM)
    ways = ((found.mirror_x, "left-right"), (found.mirror_y, "up-down"))
    named = [words for is_on, words in ways if is_on]
    mirrored = f"mirrored {' and '.join(named)}, " if named else ""
    return found, (f"varied: {mirrored}zoomed up to {percent(math.expm1(ZOOM))}, shifted, in another light",)


def _recipe(
    settings: Training, engine: str, is_given: bool, count: int, machine: Machine, augmentation: Augmentation
) -> Recipe:
    """Of a training on so many pictures. is_given: whether it begins with the weights of another."""
    fast = engine == "fast"
    as_published = is_given and not fast  # a net that is there already is tuned as R-CNN's was
    rate = PUBLISHED if as_published else TUNING if is_given else LEARNING
    return Recipe(
        epochs=settings.epochs or min(max(round(SEEN[engine] / count), EPOCHS[0]), EPOCHS[1]),
        batch=settings.batch or (PICTURES if fast else STEP_OF_RCNN[0]),
        learning_rate=settings.learning_rate or rate,
        weight_decay=0.0005 if as_published else 0.02,
        smoothing=0.0,
        warm=0.1,
        precision=machine.precision(settings.precision),
        seed=settings.seed,
        augmentation=augmentation,
        optimizer="sgd" if as_published else "muon",
    )


def build(plan: DetectorPlan, classes: int, begun: bool = True) -> RegionNet:
    """The net of a plan, with random weights, or those of --weights unless it isn't to be begun."""
    seed = plan.recipe.seed
    given = weights.find(plan.settings.weights) if begun and plan.settings.weights else None
    if plan.engine == "fast":
        detector = Detector(parse_regions(plan.net), (3, *plan.size), classes, seed)
        if given:
            lay_in_trunk(given, detector)
        return detector
    cropped = Cropped(text.parse(plan.net), plan.crops, classes, seed)
    if given:
        given.lay_in(cropped.net, ())
    return cropped


def costs(plan: DetectorPlan, classes: int) -> tuple[Cost, Cost]:
    """What the trunk takes for a picture, and what is taken for each region of it."""
    if plan.engine == "fast":
        trunk, head = measure_regions(parse_regions(plan.net), (3, *plan.size), classes)
        return text.total(trunk), text.total(head)
    side = plan.crops.side
    return Cost(), text.total(text.measure(text.parse(plan.net), (3, side, side), classes + 1))


def feeds(
    plan: DetectorPlan, basis: Basis, proposals: Proposals, device: torch.device, world: World = ALONE
) -> tuple[Feed, Feed]:
    """Steps of training, and the held-out regions that judge it. world: of the processes that share each step."""
    fast, recipe = plan.engine == "fast", plan.recipe
    regions = DRAWN if fast else STEP_OF_RCNN[1]
    crops = None if fast else plan.crops
    train, val = (
        Feed(
            basis.ground,
            basis.sides.rows(side),
            plan.normalisation,
            recipe.batch,
            regions if side == TRAIN or fast else regions * 4,
            device,
            crops,
            recipe.augmentation if side == TRAIN and plan.settings.augment else None,
            proposals.kind != "grid",
            recipe.seed,
            world if side == TRAIN else ALONE,
        )
        for side in (TRAIN, VAL)
    )
    return train, val


def read_detector_plan(out: Path) -> DetectorPlan | None:
    """The plan of an unfinished training, if it is a detector's. Raises GlassnetError when it is damaged."""
    path = out / CHECKPOINTS / RUN
    try:
        facts = json.loads(path.read_text("utf-8"))
        return from_json(facts) if facts.get("kind") == KIND else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise GlassnetError(str(path), found="the plan of this training is damaged", fix="Begin anew") from error


def _net(settings: Training, given: Weights | None, engine: str) -> str:
    """The text of the net: as told, as the weights have it, or the usual one."""
    if settings.net:
        named = zoo.NETWORKS.get(settings.net.strip().lower())
        if engine == "fast":
            return str(parse_regions(regions_text(named) if named else settings.net))
        return str(zoo.find(settings.net))
    if given:
        return regions_text(given.net) if engine == "fast" else given.net
    return str(parse_regions(FAST)) if engine == "fast" else str(text.parse(CROPPED))


def _usual_size(basis: Basis) -> tuple[int, int]:
    """(height, width) that most of the pictures have."""
    sizes, counts = np.unique(basis.store.size, axis=0, return_counts=True)
    height, width = sizes[int(counts.argmax())].tolist()
    return height, width


def _threads(plan: DetectorPlan, basis: Basis, machine: Machine, sharing: int) -> tuple[int, tuple[str, ...]]:
    if machine.device != "cpu" or plan.settings.threads:
        return plan.settings.threads or 0, ()
    trunk, region = costs(plan, basis.ground.classes)
    each = trunk.multiply_adds + region.multiply_adds * DRAWN
    threads, why = choose_threads(machine.cores, each * plan.recipe.batch, sharing)
    return threads, (why,) if why else ()


def from_json(facts: Mapping[str, Any]) -> DetectorPlan:
    """The plan that was written as JSON."""
    recipe = dict(facts["recipe"])
    recipe["augmentation"] = Augmentation(**recipe["augmentation"])
    normalisation = facts["normalisation"]
    return DetectorPlan(
        facts["source"],
        Training(**facts["settings"]),
        Detecting(**facts["detecting"]),
        Reading(**facts["reading"]),
        facts["engine"],
        facts["net"],
        facts["side"],
        (facts["size"][0], facts["size"][1]),
        Recipe(**recipe),
        Normalisation(tuple(normalisation["mean"]), tuple(normalisation["std"])),
        facts["fingerprint"],
        tuple(facts["notes"]),
    )
