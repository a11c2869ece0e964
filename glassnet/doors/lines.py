"""Lines that several commands print: the tested figure, mistakes, votes. Bold, dim and one colour."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from glassnet.data.dataset import Dataset
from glassnet.data.kinds import KINDS
from glassnet.doors.screen import ACCENT
from glassnet.explaining.explanation import Explanation
from glassnet.training.completion import Rebuilt
from glassnet.training.evaluate import Report, wilson
from glassnet.training.familiarity import WANTED, Alarms
from glassnet.words import counted, interval, listed, percent

MOST_CLASSES = 12
MOST_VOTES = 5


def answer(report: Report, kind: str) -> Iterator[Text]:
    """The tested figure with its interval, in words."""
    asked = counted(report.examples, f"test {KINDS[kind].one}", f"test {kind}")
    rest = f" on {asked} ({interval(*report.interval)}), loss {report.loss:.3f}."
    yield Text.assemble((f"{percent(report.accuracy)} right", "bold"), rest)


def rebuilt(found: Rebuilt, kind: str) -> Iterator[Text]:
    """What machines that learnt without labels are worth, in words."""
    share, asked = found.share, counted(found.examples, f"test {KINDS[kind].one}", f"test {kind}")
    rest = f" of what they see in {asked} ({interval(share.low, share.high)})."
    yield Text.assemble("Its machines say ", (f"{percent(share.value)} again", "bold"), rest)
    if found.halves:
        errors = ", ".join(f"{one.name} {one.error.value:.1f}" for one in found.halves)
        means = ", ".join(f"{one.of_mean.value:.1f}" for one in found.halves)
        yield Text(f"Hidden halves filled in: off by {errors}; the mean example by {means}.")


def none_of_these(alarms: Alarms, kind: str) -> str:
    """How often a real example is taken for none of the classes, in words."""
    asked = counted(alarms.examples, f"real {KINDS[kind].one}", f"real {kind}")
    share = f"{percent(alarms.share)}, {interval(*wilson(alarms.refused, alarms.examples))}"
    return f"Takes {alarms.refused:,} of {asked} for none of these ({share}; {percent(WANTED)} is aimed at)."


def mistakes(report: Report) -> Iterator[Text]:
    """Which classes are taken for which, and how many of each are found, side by side."""
    confused = [
        (f"{report.classes[i]} said {report.classes[j]}", count)
        for i, j, count in report.confused()[: MOST_CLASSES // 4]
    ]
    if not confused:
        return
    order = sorted(report.by_class, key=lambda one: -one.found)[:MOST_CLASSES]
    worst = min(report.by_class, key=lambda one: one.found)
    width = max(len(words) for words, _ in confused)
    yield Text(f"{'most mistaken':<{width + 8}}   right, by class", "dim")
    cells = [Text(f"{one.name} {one.found * 100:.0f}", ACCENT if one is worst else "") for one in order]
    rows = [cells[i :: len(confused)] for i in range(len(confused))]
    for (words, count), row in zip(confused, rows, strict=True):
        yield Text.assemble(f"{words:<{width}}  {count:5,}    ", Text("   ").join(row))
    yield Text()


def vote_lines(one: Explanation) -> Iterator[Text]:
    """The answer and its runner-up, each with its strongest votes, adding up to its logit."""
    first, second = one.answer, one.runner_up
    yield Text.assemble(
        (f"{one.classes[first]}, {one.probability[first]:.2f}", "bold"),
        f"; {one.classes[second]} {one.probability[second]:.2f}",
    )
    maker = one.steps[one.votes.made_by].name if one.votes.made_by >= 0 else "the input"
    for k in (first, second):
        cast, told = one.votes.contribution[k], one.votes.told(k, MOST_VOTES)
        yield Text()
        yield Text(f"votes for {one.classes[k]}, by the values of {maker}", "dim")
        where = [one.where(int(f)) for f in told.shown]
        width = max(24, *(len(words) + 1 for words in where))
        for words, f in zip(where, told.shown, strict=True):
            yield Text(f"{words:<{width}}{one.votes.values[f]:7.2f} x {one.votes.weights[k, f]:6.2f} {cast[f]:+8.2f}")
        yield Text(f"{told.words:<{width + 16}} {told.rest:+8.2f}")
        yield Text(f"{one.classes[k]:<{width + 16}} {one.votes.logit[k]:+8.2f}", "bold")
    yield Text()


def skipped(dataset: Dataset) -> Iterator[str]:
    """Every file that could not be read, named and counted; the rest of a long list by number."""
    if dataset.skipped:
        files = [f"{one.name} {one.reason}" for one in dataset.skipped]
        yield f"Skipped {counted(len(files), 'damaged file')}: {listed(files, 5)}"
