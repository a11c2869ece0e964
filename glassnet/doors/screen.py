"""Where a person reads: the console, facts in a row, and what is redrawn while work goes on. Needs no torch."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from glassnet.data.dataset import Dataset
from glassnet.data.kinds import Source
from glassnet.data.reading import Progress
from glassnet.steps import finish
from glassnet.words import counted, duration
from glassnet.world import restarts_badly

ACCENT = "#f58ab6"
WIDTH = 80
REFRESH_S = 0.1
QUIET_S = 0.4  # work that is over sooner says nothing


def console(json: bool = False, quiet: bool = False) -> Console:
    """Where a person reads: standard output, or standard error when that is kept for JSON. quiet: nobody reads."""
    made = Console(stderr=json, highlight=False, markup=False, emoji=False, soft_wrap=True, quiet=quiet)
    if made.is_terminal:
        made.width = min(made.width, WIDTH)
    return made


def fact(label: str, words: str, style: str = "") -> Text:
    """A line that begins with what it is about: "data    60,000 pictures in 10 classes"."""
    return Text.assemble((f"{label:<8}", "dim"), (words, style))


def tell_processes(out: Console, count: int) -> None:
    """Says that so many train together, and what would make restarts hang."""
    out.print(fact("cluster", f"{counted(count, 'process', 'processes')}, each with a part of every batch"))
    if restarts_badly():
        out.print(fact("note", "restarts need TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1, or they hang"))


class Redrawn:
    """Some lines that are drawn anew in their place, and taken away at the end."""

    def __init__(self, out: Console) -> None:
        self.out = out
        self._live: Live | None = None
        self._shown_s = 0.0

    @property
    def due(self) -> bool:
        """Whether a person watches, and it was drawn long enough ago."""
        return self.out.is_terminal and time.monotonic() - self._shown_s > REFRESH_S

    def show(self, block: RenderableType) -> None:
        """Draws it."""
        self._shown_s = time.monotonic()
        if self._live is None:
            self._live = Live(console=self.out, transient=True, auto_refresh=False)
            self._live.start()
        self._live.update(block, refresh=True)

    def stop(self) -> None:
        """Takes it away."""
        if self._live is not None:
            self._live.stop()
            self._live = None


class Line:
    """One redrawn line that says how far some work is, and how long it takes yet."""

    def __init__(self, out: Console, label: str) -> None:
        self.label, self.drawn = label, Redrawn(out)
        self.begun, self.what = time.monotonic(), ""

    def step(self, done: int, total: int, what: str) -> None:
        """So many of so many of what is done now; the time left is counted anew when that changes."""
        now = time.monotonic()
        if what != self.what:
            self.begun, self.what = now, what
        if now - self.begun < QUIET_S or not self.drawn.due:
            return
        left = duration((now - self.begun) / max(done, 1) * (total - done))
        self.drawn.show(fact(self.label, f"{done:,} of {total:,} {what}, {left} left"))


@contextmanager
def line(out: Console, label: str) -> Iterator[Line]:
    """A line that is taken away at the end, however that comes."""
    shown = Line(out, label)
    try:
        yield shown
    finally:
        shown.drawn.stop()


def read(source: Source, out: Console) -> Dataset:
    """Reads a data set and counts its files on the way. Raises GlassnetError."""
    with line(out, "reading") as shown:

        def show(progress: Progress) -> None:
            shown.step(progress.done, progress.total, f"files of {source.name}")

        return finish(source.steps(), show)
