"""glassnet check: whether a ConvNet is right for data, measured on small nets and simpler models."""

from __future__ import annotations

from rich.console import Console

from glassnet.config import Reading
from glassnet.data.split import refuse_damaged
from glassnet.doors.commands import print_json, typed
from glassnet.doors.inputs import find_data
from glassnet.doors.screen import console, fact, line, read
from glassnet.steps import finish
from glassnet.training.suitability import Suitability, examine
from glassnet.words import duration, listed, percent

BAR = 40  # letters of a score


def check(data: str, reading: Reading, seed: int, json: bool) -> None:
    """Prints the verdict, what it rests on, and every score."""
    screen = console(json)
    dataset = read(find_data(data, reading), screen)
    refuse_damaged(dataset)
    screen.print(fact("data", dataset.describe()))
    with line(screen, "checking") as shown:
        found = finish(examine(dataset, seed), lambda step: shown.step(step.done, step.total, step.what))
    if json:
        print_json({"data": data, "kind": dataset.kind, **found.as_json()})
        return
    report(screen, found)
    ways = {True: typed("glassnet", "train", data), False: f"use {found.best}", None: f"{found.best}, or more examples"}
    screen.print(fact("next", ways[found.fits], "bold"))


def report(screen: Console, found: Suitability) -> None:
    """The verdict, the scores from the best down, and what it rests on."""
    screen.print()
    screen.print(found.verdict, style="bold")
    screen.print()
    width = max(map(len, found.scores))
    for name, score in sorted(found.scores.items(), key=lambda one: -one[1]):
        style = "bold" if name == "ConvNet" else ""
        screen.print(f"{name:<{width}}  {score * 100:5.1f} %  {'█' * round(score * BAR)}", style=style)
    screen.print()
    tried = len(found.shuffled)
    shuffled = sum(found.shuffled) / tried
    screen.print(
        fact(
            "cost", f"as given {percent(found.as_given)}, shuffled {percent(shuffled)}: a ConvNet trained half as long"
        )
    )
    as_good = round(found.p * (tried + 1)) - 1
    screen.print(
        fact("order", f"p = {found.p:.2f}: {as_good} of {tried} random orders are as easy to learn as the given")
    )
    screen.print(fact("looked", f"{listed(found.notes)}; {duration(found.seconds)}"))
