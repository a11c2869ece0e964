"""The model card: README.md of a model folder, with the front matter that model hubs read."""

from __future__ import annotations

import json

from glassnet import __version__
from glassnet.data.dataset import SPLITS
from glassnet.data.kinds import KINDS
from glassnet.nets.text import total
from glassnet.training.evaluate import wilson
from glassnet.training.outcome import Outcome, Trained, Unlabelled
from glassnet.words import by, counted, duration, interval, percent


def readme(outcome: Outcome | Unlabelled, name: str) -> str:
    """The card as Markdown."""
    dataset = outcome.dataset
    counts = ", ".join(f"{int(outcome.split.counts[i].sum()):,} {side}" for i, side in enumerate(SPLITS))
    notes = "\n".join(f"- {note}" for note in outcome.notes)
    again = f" The same again:\n\n    {outcome.command}" if outcome.command else ""
    what, by_class = _with_labels(outcome) if isinstance(outcome, Outcome) else _without_labels(outcome)
    return f"""{_front_matter(outcome, name)}
# {name}

{what}{_alarms(outcome)}

## Use

    glassnet predict {name} FILE
    glassnet explain {name} FILE

## What it learnt from

{dataset.describe()}: {counts}; {counted(len(dataset.skipped), "file")} skipped as unreadable.
{notes}

## How it was made

    {outcome.net.spec}

{total(outcome.rows).parameters:,} parameters, inputs of {by(dataset.shape)}.
{_epochs(outcome)}{again}
{by_class}
Made by glassnet {__version__}. `metrics.json` has all figures, `report.html` shows them, `history.csv` has every epoch.
"""


def _with_labels(outcome: Outcome) -> tuple[str, str]:
    """What it is worth, and a table by class."""
    dataset, test = outcome.dataset, outcome.test
    low, high = test.interval
    rows = "\n".join(
        f"| {_cell(one.name)} | {one.examples:,} | {percent(one.found) if one.examples else '-'} | "
        f"{percent(one.right_when_said) if one.said else '-'} |"
        for one in test.by_class
    )
    classes = counted(len(dataset.classes), "class", "classes")
    what = f"""Tells {classes} of {dataset.kind} apart: {", ".join(dataset.classes)}.
Right on **{percent(test.accuracy)}** ({interval(low, high)}) of {test.examples:,} test {dataset.kind}, asked once after
training; loss {test.loss:.3f}, mean over the classes {percent(test.balanced_accuracy)}, calibration error
{percent(test.calibration_error)}."""
    by_class = f"""
## By class

| class | test examples | found | right when said |
|---|---|---|---|
{rows}
"""
    return what, by_class


def _without_labels(outcome: Unlabelled) -> tuple[str, str]:
    """What it is worth, and a table of hidden halves, if there is one."""
    share, halves = outcome.test.share, outcome.test.halves
    kind, count = outcome.dataset.kind, len(outcome.classes)
    what = f"""Features of {kind}, learnt without labels: its votes are for the {count} features of its highest machine.
Of what they see in {outcome.test.examples:,} test {kind} its machines say **{percent(share.value)}** again
({interval(share.low, share.high)})."""
    rows = "\n".join(
        f"| {one.name} | {one.error.value:.1f} ({one.error.low:.1f} to {one.error.high:.1f}) | "
        f"{one.of_mean.value:.1f} ({one.of_mean.low:.1f} to {one.of_mean.high:.1f}) |"
        for one in halves
    )
    table = f"""
## Hidden halves

Root mean squared error of a hidden half that it fills in, and of the mean example there.

| hidden | filled in | mean example |
|---|---|---|
{rows}
"""
    return what, table if halves else ""


def _epochs(outcome: Outcome | Unlabelled) -> str:
    if isinstance(outcome, Unlabelled):
        return f"{counted(len(outcome.learnt), 'machine')}, one after the other, in {duration(outcome.seconds)}."
    return (
        f"{counted(len(outcome.history), 'epoch')} in {duration(outcome.seconds)}, the best by held-out loss, number\n"
        f"{outcome.best_epoch}, was kept."
    )


def _alarms(outcome: Trained) -> str:
    if not outcome.alarms:
        return ""
    one = outcome.alarms
    low, high = wilson(one.refused, one.examples)
    return (
        f"\nWhat is like nothing it learnt from it calls none of these; so it did {percent(one.share)} "
        f"({interval(low, high)})\nof {one.examples:,} real test {outcome.dataset.kind}."
    )


def _front_matter(outcome: Outcome | Unlabelled, name: str) -> str:
    """YAML that model hubs read; JSON strings are YAML strings."""
    if isinstance(outcome, Unlabelled):
        tags = "tags: [glassnet, convnet, unsupervised]"
        return f"---\nlibrary_name: glassnet\npipeline_tag: feature-extraction\n{tags}\n---"
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
