"""How a training looks in a terminal: one live block, epochs as a table, the answer first. Plain lines elsewhere.

When the result is wanted as JSON, all of this goes to standard error.
"""

from __future__ import annotations

import shlex
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console, Group
from rich.text import Text

from glassnet.data.dataset import SPLITS
from glassnet.doors.judging import Judging
from glassnet.doors.lines import MOST_CLASSES, answer, mistakes, none_of_these, rebuilt, skipped
from glassnet.doors.run import Event, Finished, Prepared
from glassnet.doors.screen import ACCENT, WIDTH, Redrawn, fact
from glassnet.nets.text import operations, total
from glassnet.training.machine import Machine
from glassnet.training.outcome import Outcome, Trained, Unlabelled
from glassnet.training.progress import Epoch, Progress
from glassnet.words import counted, duration, large, percent

BARS = "▁▂▃▄▅▆▇█"
BAR = 38
MOST_ROWS = 20  # epochs that are printed; history.csv has all
HEAD = "epoch    loss  held out    right  {what:>9}   GF/s  of peak    took"


class EpochTable:
    """The epochs of a training: a block that is drawn anew while one goes, a line once it is over."""

    def __init__(self, out: Console, drawn: Redrawn) -> None:
        self.out, self._drawn = out, drawn
        self._losses: deque[float] = deque(maxlen=18)
        self._gflops_each, self._peak, self._speed = 0.0, 1.0, "images/s"
        self._phase = ""

    def begin(self, speed: str, gflops_each: float, peak: float) -> None:
        """Prints the head. speed: what is counted in a second. gflops_each: of training on one of it. peak: GF/s."""
        self._speed, self._gflops_each, self._peak = speed, gflops_each, peak
        self.out.print()
        self.out.print(Text(HEAD.format(what=speed), "dim"))

    def progress(self, event: Progress) -> None:
        """One step further."""
        if event.phase != self._phase:
            if self._phase or not event.has_labels:
                self._drawn.stop()
                self.out.print(Text(f"{event.phase}{'' if event.has_labels else ', without labels'}", "bold"))
            self._phase = event.phase
        if event.finished:
            self._drawn.stop()
            every = max(1, -(-event.epochs // MOST_ROWS)) if self.out.is_terminal else 1
            if event.epoch % every == 0 or event.epoch in (1, event.epochs):
                self.out.print(self._row(event.finished, event.has_labels))
            return
        if self._drawn.due:
            self._losses.append(event.loss)
            self._drawn.show(self._block(event))

    def _row(self, epoch: Epoch, has_labels: bool) -> Text:
        if not has_labels:
            return Text(
                f"{epoch.epoch:5d}  {epoch.loss:6.3f}    {epoch.held_loss:6.3f}  squared error  "
                f"{epoch.examples_per_second:7,.0f}  {duration(epoch.seconds):>22}"
            )
        gflops = epoch.examples_per_second * self._gflops_each
        return Text(
            f"{epoch.epoch:5d}  {epoch.loss:6.3f}    {epoch.held_loss:6.3f}  {percent(epoch.held_accuracy):>7}  "
            f"{epoch.examples_per_second:9,.0f}  {gflops:5.0f}  {gflops / self._peak * 100:5.0f} %  "
            f"{duration(epoch.seconds):>6}"
        )

    def _block(self, event: Progress) -> Group:
        share = event.step / event.steps
        full = round(BAR * share)
        gflops = event.examples_per_second * self._gflops_each
        bar = Text.assemble(
            (f"{event.epoch:5d}  ", ACCENT),
            ("━" * full, ACCENT),
            ("━" * (BAR - full), "dim"),
            f"  {share * 100:2.0f} %   ",
            (duration(event.seconds_left), "bold"),
            " left",
        )
        right = ("   right ", (percent(event.accuracy), "bold")) if event.has_labels else ()
        loss = Text.assemble(
            f"       {'loss' if event.has_labels else 'squared error'} ",
            (f"{event.loss:.3f} ", "bold"),
            (_sparkline(self._losses), "dim"),
            *right,
        )
        speed = Text.assemble(
            "       ",
            (f"{event.examples_per_second:,.0f}", "bold"),
            f" {self._speed}   {gflops:.0f} GF/s, ",
            (f"{gflops / self._peak * 100:.0f} %", "bold"),
            " of peak",
        )
        return Group(bar, loss, speed)


class TrainingView:
    """Shows a training as it goes."""

    def __init__(self, out: Console) -> None:
        self.out = out
        self._drawn = Redrawn(out)
        self._epochs = EpochTable(out, self._drawn)
        self._speed = "images/s"

    def show(self, event: Event) -> None:
        """One event further."""
        match event:
            case Prepared():
                self._prepared(event)
            case Progress():
                self._epochs.progress(event)
            case Judging():
                if self._drawn.due:
                    self._drawn.show(fact("test", f"{event.done:,} of {event.total:,}"))
            case Finished():
                self._finished(event)

    def _prepared(self, event: Prepared) -> None:
        """What is about to happen: data, split, net, machine."""
        plan, machine, cost = event.plan, event.machine, total(event.rows)
        self._speed = "images/s" if event.dataset.kind == "pictures" else f"{event.dataset.kind}/s"
        train, val, test = (f"{int(n):,}" for n in event.split.counts.sum(1))
        self.out.print(fact("data", event.dataset.describe()))
        self.out.print(
            fact("split", f"{train} to train, {val} to choose by, {test} to test once; seed {plan.recipe.seed}")
        )
        for line in _class_counts(event):
            self.out.print(fact("", line, "dim"))
        flops = cost.multiply_adds * 2
        work = f"{large(flops)}{'F' if flops >= 1e8 else ' operations'} a {event.dataset.one}"
        self.out.print(fact("net", short(plan.net)))
        self.out.print(fact("", f"{large(cost.parameters)} parameters, {work}", "dim"))
        self.out.print(fact("machine", machine_words(machine, plan.recipe.precision)))
        for note in event.notes:
            self.out.print(fact("note", note))
        for line in skipped(event.dataset):
            self.out.print(Text(line, ACCENT))
        if event.resumed:
            self.out.print(fact("resume", f"going on in epoch {event.epoch + 1}"))
        self._epochs.begin(self._speed, operations(event.rows) / 1e9, machine.gflops[plan.recipe.precision])

    def _finished(self, event: Finished) -> None:
        """The answer first; then what it cost, what was left out, where it fails, where it lies, the next command."""
        self.answered(event)
        if event.out is not None:
            self.out.print(fact("model", str(event.out)))
            self.out.print(fact("report", str(event.out / "report.html")))
            tried = shlex.join(["glassnet", "explain", str(event.out), str(event.example or "FILE")])
            self.out.print(fact("next", tried, "bold"))

    def answered(self, event: Finished) -> None:
        """The answer, what it cost, what was left out, where it fails."""
        self._drawn.stop()
        outcome = event.outcome
        if isinstance(outcome, Unlabelled):
            self.out.print()
            for words in rebuilt(outcome.test, outcome.dataset.kind):
                self.out.print(words)
            self._rest(outcome, f"{duration(outcome.seconds)}.")
        else:
            self._answered(outcome)

    def _answered(self, outcome: Outcome) -> None:
        if self.out.is_terminal or outcome.best_epoch != len(outcome.history):
            self.out.print(Text.assemble((f"{outcome.best_epoch:5d}   ", ""), ("kept, by held-out loss", ACCENT)))
        self.out.print()
        for words in answer(outcome.test, outcome.dataset.kind):
            self.out.print(words)
        cost = (
            f"{duration(outcome.seconds)}, {outcome.examples_per_second:,.0f} {self._speed}, "
            f"{outcome.share_of_peak * 100:.0f} % of this machine's peak."
        )
        self._rest(outcome, cost)
        for text in mistakes(outcome.test):
            self.out.print(text)

    def _rest(self, outcome: Trained, cost: str) -> None:
        self.out.print(cost)
        if outcome.alarms:
            self.out.print(none_of_these(outcome.alarms, outcome.dataset.kind))
        for line in skipped(outcome.dataset):
            self.out.print(Text(line, ACCENT))
        self.out.print()

    def close(self) -> None:
        """Takes the live block away."""
        self._drawn.stop()


def _class_counts(event: Prepared) -> Iterator[str]:
    """Examples a class on each side, as many to a line as fit."""
    counts, classes = event.split.counts, event.dataset.classes
    if not classes:
        return
    if (counts == counts[:, :1]).all():
        each = " / ".join(f"{n:,}" for n in counts[:, 0])
        yield f"each class: {each} ({' / '.join(SPLITS)})"
        return
    if len(classes) > MOST_CLASSES:
        for side, name in enumerate(SPLITS):
            low, high = counts[side].argmin(), counts[side].argmax()
            yield f"{name}: {counts[side][low]:,} of {classes[low]} to {counts[side][high]:,} of {classes[high]}"
        return
    cells = [f"{name} {' / '.join(f'{n:,}' for n in counts[:, k])}" for k, name in enumerate(classes)]
    yield f"{' / '.join(SPLITS)} of each class:"
    yield from _in_lines(cells, WIDTH - 8)


def _in_lines(cells: Sequence[str], width: int) -> Iterator[str]:
    line = ""
    for cell in cells:
        if line and len(line) + 3 + len(cell) > width:
            yield line
            line = ""
        line += ("   " if line else "") + cell
    yield line


def short(net: str) -> str:
    """A net's text, its middle left out where it is long."""
    return net if len(net) <= 3 * WIDTH else f"{net[:40]} ... {net[-20:]}"


def machine_words(machine: Machine, precision: str) -> str:
    """What does the work, and how fast it can."""
    where = counted(machine.cores, "core") if machine.device == "cpu" else machine.name
    times = f"{machine.gain:.1f} times its fp32"
    words = f"bf16 ({times})" if precision == "bfloat16" else f"fp32 (bf16 is {times})"
    return f"{where}, {words}, peak {machine.gflops[precision]:,.0f} GF/s"


def _sparkline(values: Iterable[float]) -> str:
    values = list(values)
    low, high = min(values), max(values)
    return "".join(BARS[round((v - low) / (high - low) * (len(BARS) - 1)) if high > low else 0] for v in values)
