"""Detectors on one folder of boxes, and what each part of R-CNN brings: `python -m benchmarks.detection FOLDER`.

First how many objects the proposed regions reach. Then both engines as `glassnet train` makes them, on the labels as
they are and without doubtful ones, with the seconds of each stage. Then R-CNN with and without its SVMs, its box
regression and its fine-tuning, as in Girshick et al. 2014, table 2: the net trained from nothing, and with --pretrain
FOLDER one that learnt to tell that folder's pictures apart first.
"""

import argparse
import copy
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

import glassnet as gn
from glassnet.config import Detecting, Reading, Training
from glassnet.data.boxes.annotated import BoxData
from glassnet.data.boxes.doctor import diagnose
from glassnet.data.boxes.finding import find_boxes
from glassnet.data.boxes.geometry import Boxes
from glassnet.data.boxes.proposals.proposing import learn, recall
from glassnet.data.dataset import TEST, TRAIN
from glassnet.doors.detection import plan as plans
from glassnet.doors.detection.basis import Basis, basis_steps
from glassnet.doors.detection.outcome import DetectorOutcome
from glassnet.doors.detection.run import Work
from glassnet.nets.rcnn.cropped import Cropped
from glassnet.nets.rcnn.text import CROPPED
from glassnet.steps import finish
from glassnet.training.detection.matching import Found, Objects, match
from glassnet.training.detection.precision import all_points
from glassnet.training.machine import look_at_machine, using

WAYS = (
    ("grid", 500, 500), ("grid", 1000, 500), ("grid", 2000, 500), ("selective", 2000, 300), ("selective", 2000, 500),
    ("both", 2000, 500), ("both", 4000, 500),
)  # fmt: skip
ROW = "| {what} | {map50:.1f} | {map:.1f} | {classes} | {cleaned:.1f} |"


def main() -> None:
    """Trains the detectors and prints a row for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="PASCAL VOC or COCO")
    parser.add_argument("--pretrain", type=Path, help="class folders or a table that a net learns from first")
    parser.add_argument("--epochs", type=int, help="of every net that is trained on regions")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--only", choices=("fast", "plain", "begun"), help="one of the three trainings")
    options = parser.parse_args()
    common = {"epochs": options.epochs, "threads": options.threads}
    source = find_boxes(options.folder)
    assert source is not None, "a folder of boxes"
    found = finish(source.steps())
    recalls(found)
    print(
        "| detector | mAP50 | mAP 50:95 | AP50 of each class | mAP50, cleaned labels |\n|---|---|---|---|---|",
        flush=True,
    )
    if options.only in (None, "fast"):
        fast = Bench(found, Training(**common), Detecting())
        fast.train()
        fast.row("fast")
        fast.row("fast, no box regression", regression=False)
    if options.only in (None, "plain"):
        plain = Bench(found, Training(**common), Detecting(engine="rcnn"))
        plain.train()
        plain.rows("rcnn, trained from nothing")
    if options.pretrain and options.only in (None, "begun"):
        with tempfile.TemporaryDirectory() as work:
            pictures = gn.read(options.pretrain, size=plans.CROP)
            weights = str(gn.train(pictures, net=CROPPED, threads=options.threads).save(Path(work) / "first"))
            for tuned in (False, True):
                bench = Bench(
                    found,
                    Training(**common, weights=weights),
                    Detecting(engine="rcnn", without=None if tuned else "fine-tuning"),
                )
                bench.train()
                bench.rows(f"rcnn, begun with {options.pretrain.name}, {'' if tuned else 'not '}fine-tuned", False)


def recalls(found: BoxData) -> None:
    """What share of the test objects the regions reach, and what finding them takes."""
    known = [one for one in found.pictures if one.split == TRAIN]
    tests = [i for i, one in enumerate(found.pictures) if one.split == TEST]
    files = [found.file(i).read_bytes() for i in tests]
    print(
        f"| regions | a picture | reach 0.5, {', '.join(found.classes)} | reach 0.7 | seconds a picture |", flush=True
    )
    print("|---|---|---|---|---|")
    for kind, count, width in WAYS:
        boxes, sizes = [one.boxes for one in known], [one.size for one in known]
        plan = replace(learn(kind, boxes, sizes, count, 0), width=width)
        begun = time.perf_counter()
        said = [plan.of(data) for data in files]
        each = (time.perf_counter() - begun) / len(files)
        half, more = (_reached(found, tests, said, least) for least in (0.5, 0.7))
        mean = sum(map(len, said)) / len(said)
        name = plan.describe().split(" ", 2)[2] + (f", {width} px wide" if kind != "grid" else "")
        print(f"| {name} | {mean:,.0f} | {half} | {more} | {each:.3f} |", flush=True)


def _reached(found: BoxData, rows: list[int], said: list[Boxes], least: float) -> str:
    """Of all objects, and of each class."""
    pictures = [found.pictures[i] for i in rows]
    each = [recall([one.boxes[one.labels == k] for one in pictures], said, least) for k in range(len(found.classes))]
    whole = recall([one.boxes for one in pictures], said, least)
    return f"{whole:.1%} ({', '.join(f'{share:.0%}' for share in each)})"


class Bench:
    """One training, whose parts can be left out afterwards."""

    def __init__(self, found: BoxData, settings: Training, detecting: Detecting) -> None:
        kind = "grid" if detecting.engine != "rcnn" else "both"
        self.found = found
        self.basis: Basis = finish(basis_steps(found, None, kind, None, False, settings.seed))
        machine = look_at_machine(torch.device("cpu"))
        plan = plans.make(self.basis, "", settings, detecting, Reading(), machine)
        self.work = Work(self.basis, plan, machine, None, False)
        cleaned = diagnose(found).cleaned
        self.cleaned = {one.name: one for one in cleaned.pictures}

    def train(self) -> None:
        """The net, and for rcnn its SVMs and its regression."""
        work = self.work
        with using(work.plan.recipe.threads):
            if "fine-tuning" in work.plan.detecting.parts:
                for _ in work.train_net():
                    pass
            work.net.eval()
            if isinstance(work.net, Cropped):
                for _ in work.fit(work.net):
                    pass
        self.state = copy.deepcopy(work.net.state_dict())

    def rows(self, what: str, softmax: bool = True) -> None:
        """Every combination of scorer and regression."""
        for svm in (False, True) if softmax else (True,):
            for regression in (False, True):
                parts = f"{'SVMs' if svm else 'softmax'}{', box regression' if regression else ''}"
                self.row(f"{what}: {parts}", svm, regression)

    def row(self, what: str, svm: bool = True, regression: bool = True) -> None:
        """Chooses on the validation pictures, tests, prints."""
        net, work = self.work.net, self.work
        net.load_state_dict(self.state)
        net.eval()
        if isinstance(net, Cropped) and not svm:
            net.get_buffer("chances").zero_()
        if not regression:
            net.without_corrections()
        with using(work.plan.recipe.threads):
            limits, thresholds = finish(work.choose())
            outcome: DetectorOutcome | None = finish(work.test(limits, thresholds))
        assert outcome is not None, "a process alone is the first"
        test = outcome.test
        classes = ", ".join(f"{one.name} {one.ap * 100:.1f}" for one in test.by_class)
        cells = {"map50": test.map50 * 100, "map": (test.map or 0) * 100, "classes": classes}
        print(ROW.format(what=what, cleaned=self.on_cleaned(outcome) * 100, **cells), flush=True)
        stages = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in outcome.seconds.items())
        each = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in outcome.each.items())
        print(f"<!-- {what}: {stages}; a picture: {each}; NMS {limits.most} -->", flush=True)

    def on_cleaned(self, outcome: DetectorOutcome) -> float:
        """mAP50 of the same detections on the cleaned labels."""
        real: list[Objects] = []
        said: list[Found] = []
        for i, found in zip(outcome.test_rows, outcome.test.found, strict=True):
            one = self.cleaned.get(self.basis.data.pictures[i].name)
            if one is not None:
                real.append(Objects(one.boxes, one.labels, one.is_hard))
                said.append(found)
        each = [all_points(match(real, said, k)) for k in range(self.basis.ground.classes)]
        return sum(each) / len(each)


if __name__ == "__main__":
    main()
