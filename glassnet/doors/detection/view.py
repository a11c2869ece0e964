"""How a detector's training looks in a terminal: stages in a line, epochs as a table, the answer first."""

from __future__ import annotations

import shlex
import time

from rich.console import Console
from rich.text import Text

from glassnet.data.dataset import SPLITS
from glassnet.doors.detection.events import Step
from glassnet.doors.detection.plan import costs
from glassnet.doors.detection.run import Event, Finished, Prepared
from glassnet.doors.screen import ACCENT, Redrawn, fact
from glassnet.doors.terminal import EpochTable, machine_words, short
from glassnet.training.detection.telling import lines
from glassnet.training.progress import Progress
from glassnet.words import duration, large

DRAWN = 128


class DetectorView:
    """Shows a detector's training as it goes."""

    def __init__(self, out: Console) -> None:
        self.out = out
        self._drawn = Redrawn(out)
        self._epochs = EpochTable(out, self._drawn)
        self._stage = "", 0.0  # that goes on, and since when

    def show(self, event: Event) -> None:
        """One event further."""
        match event:
            case Step():
                self._step(event)
            case Prepared():
                self._prepared(event)
            case Progress():
                self._epochs.progress(event)
            case Finished():
                self._finished(event)

    def _step(self, event: Step) -> None:
        """How far a stage is that is no epoch."""
        now = time.monotonic()
        if event.stage != self._stage[0]:
            self._stage = event.stage, now
        if self._drawn.due:
            left = event.seconds_left
            if left is None:
                left = (now - self._stage[1]) / max(event.done, 1) * (event.total - event.done)
            self._drawn.show(
                fact(event.stage, f"{event.done:,} of {event.total:,} {event.what}, {duration(left)} left")
            )

    def _prepared(self, event: Prepared) -> None:
        """What is about to happen: data, split, regions, net, machine."""
        self._drawn.stop()
        plan, basis = event.plan, event.basis
        counts = [f"{n:,}" for n in basis.sides.counts()]
        self.out.print(fact("data", f"{basis.data.describe()}, {basis.data.layout}"))
        self.out.print(
            fact(
                "split",
                f"{counts[0]} to train, {counts[1]} to choose by, {counts[2]} to test once; seed {plan.recipe.seed}",
            )
        )
        each = [basis.data.counts[basis.sides.side == side].sum(0) for side in range(3)]
        for k, name in enumerate(basis.data.classes[:20]):
            boxes = " / ".join(f"{int(count[k]):,}" for count in each)
            self.out.print(fact("", f"{name}: {boxes} boxes ({' / '.join(SPLITS)})", "dim"))
        whole, region = costs(plan, basis.ground.classes)
        self.out.print(fact("engine", f"{plan.engine}: {basis.proposals.describe()}"))
        self.out.print(fact("net", short(plan.net)))
        work = f"{large(whole.multiply_adds * 2)}F a picture, " if whole.multiply_adds else ""
        parameters = large(whole.parameters + region.parameters)
        self.out.print(fact("", f"{parameters} parameters, {work}{large(region.multiply_adds * 2)}F a region", "dim"))
        self.out.print(fact("machine", machine_words(event.machine, plan.recipe.precision)))
        for note in event.notes:
            self.out.print(fact("note", note))
        if event.resumed:
            self.out.print(fact("resume", f"going on in epoch {event.epoch + 1}"))
        multiply_adds = (
            whole.multiply_adds / DRAWN + region.multiply_adds
        )  # of one region, its share of the picture in it
        self._epochs.begin("regions/s", multiply_adds * 6 / 1e9, event.machine.gflops[plan.recipe.precision])

    def _finished(self, event: Finished) -> None:
        """The answer first; then what it cost, where it lies, the next command."""
        self._drawn.stop()
        outcome = event.outcome
        self.out.print()
        for words in lines(outcome.test):
            self.out.print(words)
        self.out.print()
        stages = ", ".join(f"{name} {duration(seconds)}" for name, seconds in outcome.seconds.items())
        self.out.print(f"{duration(outcome.total_seconds)} in all ({stages}).")
        looked, judged = outcome.each["proposals"], outcome.each["detection"]
        self.out.print(f"{looked + judged:.2f} s a test picture: regions {looked:.2f} s, judging them {judged:.2f} s.")
        if event.out is not None:
            self.out.print(fact("model", str(event.out)))
            self.out.print(fact("report", str(event.out / "report.html")))
            tried = shlex.join(["glassnet", "explain", str(event.out), outcome.names()[0]])
            self.out.print(Text("next    ", "dim") + Text(tried, f"bold {ACCENT}" if False else "bold"))

    def close(self) -> None:
        """Takes the live line away."""
        self._drawn.stop()
