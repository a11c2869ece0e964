"""glassnet check: whether a ConvNet is right for data, measured on small nets and simpler models."""

from __future__ import annotations

import time

from rich.live import Live

from glassnet.config import Reading
from glassnet.data.split import refuse_damaged
from glassnet.doors.commands import print_json, typed
from glassnet.doors.inputs import find_data
from glassnet.doors.lines import console, fact
from glassnet.training.suitability import Checking, Suitability, examine
from glassnet.words import duration, listed

BAR = 40  # letters of a score


def check(data: str, reading: Reading, seed: int, json: bool) -> None:
    """Prints the verdict, what it rests on, and every score."""
    dataset = find_data(data, reading).read()
    refuse_damaged(dataset)
    screen = console(json)
    screen.print(fact("data", dataset.describe()))
    steps = examine(dataset, seed)
    progress = _Progress()
    try:
        while True:
            progress.step(next(steps))
    except StopIteration as end:
        found: Suitability = end.value
    finally:
        progress.close()
    if json:
        print_json({"data": data, "kind": dataset.kind, **found.as_json()})
        return
    report(found)
    ways = {True: typed("glassnet", "train", data), False: f"use {found.best}", None: f"{found.best}, or more examples"}
    screen.print(fact("next", ways[found.fits], "bold"))


def report(found: Suitability) -> None:
    """The verdict, the scores from the best down, and what it rests on."""
    screen = console()
    screen.print()
    screen.print(found.verdict, style="bold")
    screen.print()
    scores = {**found.scores, "ConvNet, places shuffled": sum(found.shuffled) / len(found.shuffled)}
    width = max(map(len, scores))
    for name, score in sorted(scores.items(), key=lambda one: -one[1]):
        style = "bold" if name == "ConvNet" else ""
        screen.print(f"{name:<{width}}  {score * 100:5.1f} %  {'█' * round(score * BAR)}", style=style)
    screen.print()
    lower = sum(one < found.as_given for one in found.shuffled)
    screen.print(
        fact(
            "order",
            f"p = {found.p:.2f}; as given {found.as_given * 100:.1f} %, better than {lower} of 19 random orders",
        )
    )
    screen.print(fact("looked", f"{listed(found.notes)}; {duration(found.seconds)}"))


class _Progress:
    """One line that is redrawn, with the time left."""

    def __init__(self) -> None:
        self.out = console(json=True)  # on standard error
        self.live: Live | None = None
        self.what, self.begun = "", time.monotonic()

    def step(self, now: Checking) -> None:
        if now.what != self.what:
            self.what, self.begun = now.what, time.monotonic()
        if not self.out.is_terminal:
            return
        left = (time.monotonic() - self.begun) / max(now.done - 1, 1) * (now.total - now.done)
        line = fact("checking", f"{now.what}, {now.done} of {now.total}, {duration(left)} left")
        if self.live is None:
            self.live = Live(console=self.out, transient=True, auto_refresh=False)
            self.live.start()
        self.live.update(line, refresh=True)

    def close(self) -> None:
        if self.live is not None:
            self.live.stop()
