"""The model card: README.md of a model folder, with the front matter that model hubs read."""

from __future__ import annotations

import json

from glassnet import __version__
from glassnet.data.dataset import SPLITS
from glassnet.data.kinds import KINDS
from glassnet.nets.text import total
from glassnet.training.evaluate import wilson
from glassnet.training.outcome import Outcome
from glassnet.words import by, counted, duration, interval, percent


def readme(outcome: Outcome, name: str) -> str:
    """The card as Markdown."""
    dataset, test = outcome.dataset, outcome.test
    low, high = test.interval
    counts = ", ".join(f"{int(outcome.split.counts[i].sum()):,} {side}" for i, side in enumerate(SPLITS))
    rows = "\n".join(
        f"| {_cell(one.name)} | {one.examples:,} | {percent(one.found) if one.examples else '-'} | "
        f"{percent(one.right_when_said) if one.said else '-'} |"
        for one in test.by_class
    )
    notes = "\n".join(f"- {note}" for note in outcome.notes)
    again = f" The same again:\n\n    {outcome.command}" if outcome.command else ""
    return f"""{_front_matter(outcome, name)}
# {name}

Tells {counted(len(dataset.classes), "class", "classes")} of {dataset.kind} apart: {", ".join(dataset.classes)}.
Right on **{percent(test.accuracy)}** ({interval(low, high)}) of {test.examples:,} test {dataset.kind}, asked once after
training; loss {test.loss:.3f}, mean over the classes {percent(test.balanced_accuracy)}, calibration error
{percent(test.calibration_error)}.{_alarms(outcome)}

## Use

    glassnet predict {name} FILE
    glassnet explain {name} FILE

## What it learnt from

{dataset.describe()}: {counts}; {counted(len(dataset.skipped), "file")} skipped as unreadable.
{notes}

## How it was made

    {outcome.net.spec}

{total(outcome.rows).parameters:,} parameters, inputs of {by(dataset.shape)}.
{counted(len(outcome.history), "epoch")} in {duration(outcome.seconds)}, the best by held-out loss, number
{outcome.best_epoch}, was kept.{again}

## By class

| class | test examples | found | right when said |
|---|---|---|---|
{rows}

Made by glassnet {__version__}. `metrics.json` has all figures, `report.html` shows them, `history.csv` has every epoch.
"""


def _alarms(outcome: Outcome) -> str:
    if not outcome.alarms:
        return ""
    one = outcome.alarms
    low, high = wilson(one.refused, one.examples)
    return (
        f"\nWhat is like nothing it learnt from it calls none of these; so it did {percent(one.share)} "
        f"({interval(low, high)})\nof {one.examples:,} real test {outcome.dataset.kind}."
    )


def _front_matter(outcome: Outcome, name: str) -> str:
    """YAML that model hubs read; JSON strings are YAML strings."""
    task = KINDS[outcome.dataset.kind].task
    return f"""---
library_name: glassnet
pipeline_tag: {task}
tags: [glassnet, convnet, {task}]
model-index:
- name: {json.dumps(name)}
  results:
  - task: {{type: {task}}}
    dataset: {{name: {json.dumps(outcome.dataset.name)}, type: {json.dumps(outcome.dataset.name)}}}
    metrics:
    - {{type: accuracy, value: {outcome.test.accuracy:.4f}}}
---"""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
