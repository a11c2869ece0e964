"""A detector's folder: the model, its report, its card for people."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from glassnet import __version__, files
from glassnet.data.dataset import SPLITS, TRAIN
from glassnet.doors import folder as layout
from glassnet.doors.detection.outcome import DetectorOutcome
from glassnet.explaining.detection_page import detection_page
from glassnet.training.detection.telling import answer, share
from glassnet.words import counted, duration, interval


def save(outcome: DetectorOutcome, out: Path) -> None:
    """Swaps the whole model in for the folder that held its checkpoints."""
    with files.new_folder(out) as new:
        outcome.model().write(new)
        files.write_file(new / layout.REPORT, report(outcome, str(out)))
        files.write_file(new / layout.CARD, readme(outcome, out.name))


def report(outcome: DetectorOutcome, name: str) -> str:
    """The page of its test."""
    basis = outcome.basis
    rows = outcome.test_rows

    def picture(i: int) -> Image.Image:
        x = basis.store[rows[i]]
        return Image.fromarray(x.transpose(1, 2, 0)).resize(basis.data.pictures[rows[i]].size)

    plan = outcome.plan
    facts = [
        (plan.engine, "engine"),
        (duration(outcome.total_seconds), "to train"),
        (f"{sum(outcome.each.values()):.2f} s", "a picture"),
    ]
    return detection_page(
        outcome.test,
        [basis.data.pictures[i].name for i in rows],
        picture,
        title=f"{basis.data.name}: report of a training",
        where=name,
        lead=f"It learnt from {basis.sides.counts()[0]:,} pictures of {basis.data.name} and never saw these.",
        what="report of a training",
        facts=facts,
        again=[plan.command()] if plan.source else [],
        notes=plan.notes,
    )


def readme(outcome: DetectorOutcome, name: str) -> str:
    """The card as Markdown, with the front matter that model hubs read."""
    basis, plan, test = outcome.basis, outcome.plan, outcome.test
    counts = ", ".join(f"{n:,} {side}" for n, side in zip(basis.sides.counts(), SPLITS, strict=True))
    marked = int(basis.data.counts[basis.sides.side == TRAIN].sum())
    rows = "\n".join(
        f"| {one.name.replace('|', chr(92) + '|')} | {one.objects:,} | {share(one.ap)} ({interval(one.low, one.high)}) "
        f"| {share(one.coco)} | {share(one.precision)} | {share(one.recall)} |"
        for one in test.by_class
        if one.objects
    )
    notes = "\n".join(f"- {note}" for note in plan.notes)
    again = f" The same again:\n\n    {plan.command()}" if plan.source else ""
    return f"""---
library_name: glassnet
pipeline_tag: object-detection
tags: [glassnet, convnet, object-detection, r-cnn]
model-index:
- name: {json.dumps(name)}
  results:
  - task: {{type: object-detection}}
    dataset: {{name: {json.dumps(basis.data.name)}, type: {json.dumps(basis.data.name)}}}
    metrics:
    - {{type: mAP50, value: {test.map50:.4f}}}
---
# {name}

Finds {counted(len(basis.data.classes), "class", "classes")} of objects on pictures: {", ".join(basis.data.classes)}.
{answer(test)} Engine: {plan.engine}.

## Use

    glassnet predict {name} FILE
    glassnet explain {name} FILE

## What it learnt from

{basis.data.describe()} ({basis.data.layout}): {counts}; {marked:,} boxes to train on.
{notes}

## How it was made

    {plan.net}

Pictures of {plan.size[1]} x {plan.size[0]} pixels, {outcome.basis.proposals.describe()}.
{outcome.cost_words()} (multiply-adds).
{counted(len(outcome.history), "epoch")}, {duration(outcome.total_seconds)} in all.{again}

## By class

| class | test objects | AP50 | AP 50:95 | right when said | found |
|---|---|---|---|---|---|
{rows}

Made by glassnet {__version__}. `metrics.json` has all figures, `report.html` shows them, `history.csv` has every epoch.
"""
