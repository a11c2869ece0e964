"""The page that a search leaves: how each trial learnt, which knobs mattered, and what came out. Knows no training."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from glassnet import __version__
from glassnet.config import Value
from glassnet.data.dataset import VAL, Dataset
from glassnet.data.split import Split
from glassnet.explaining.charts import Scale, Tick, apart, round_values, through
from glassnet.explaining.page import render
from glassnet.training.knobs import Knob
from glassnet.training.tune import Trial
from glassnet.words import counted, duration, interval, percent

WIDE, HIGH = 560, 260  # the learning curves
SIDE, TALL, INSET = 220, 120, 36  # dots of one knob
FEW = 0.75  # of the trials that shape the scale: the others stand at its end
MARKED = 2.5  # times the least, from which on a scale of factors has a mark in its middle
SPREAD = 9.0  # pixels between dots of one choice, fewer where they are many
Places = Callable[[Value], float]


@dataclass(frozen=True)
class Curve:
    """How one trial learnt. look: "best", "default" or "". at: height of its words."""

    path: str
    end: tuple[float, float]
    look: str
    title: str
    words: str = ""
    at: float = 0.0


@dataclass(frozen=True)
class Dot:
    """A trial in the panel of a knob. whole: it ran to its end."""

    x: float
    y: float
    whole: bool
    look: str
    title: str


@dataclass(frozen=True)
class Panel:
    """One knob: its trials by their choice. share: of the differences between trials that it explains, in words."""

    name: str
    words: str
    share: str
    dots: tuple[Dot, ...]
    x_ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class Row:
    """A trial as a line of the table."""

    number: int
    state: str
    net: str
    recipe: str
    loss: str
    right: str
    took: str
    look: str


def tuning_page(
    dataset: Dataset,
    sides: Split,
    trials: Sequence[Trial],
    knobs: Sequence[Knob],
    importance: Mapping[str, float],
    best: Trial,
    default: Trial | None,
    settings: Mapping[str, Value],
    test: Mapping[str, float] | None,
    commands: Sequence[str],
    where: str,
) -> str:
    """tune.html of a search. settings: that the best net is trained with. test: of its model, if it was. commands:
    what to type next.
    """
    over = [trial for trial in trials if trial.is_over]
    marked = {best.number: "best"} | ({default.number: "default"} if default and default != best else {})
    marks = _marks(over)
    scale = marks[0], marks[-1]
    whole = sum(trial.state == "complete" for trial in over)
    held = counted(int(sides.counts[VAL].sum()), f"held-out {dataset.one}", f"held-out {dataset.kind}")
    told: dict[str, object] = {
        "title": f"{dataset.name}: a search over the knobs",
        "what": "report of a search",
        "better": default is None or default.number != best.number,
        "test": _tested(test, dataset) if test else None,
        "best": best,
        "settings": _settings(best, settings),
        "lead": f"{dataset.describe(' × ')}. {counted(len(over), 'net was', 'nets were')} tried, {whole} of them to "
        f"the end, and judged on {held}; no trial saw a test {dataset.one}.",
        "figures": _figures(best, default, over),
        "curves": _curves(over, marked, scale),
        "y_ticks": _ticks(marks, HIGH),
        "panels": _panels(over, knobs, importance, marked, scale),
        "panel_ticks": _ticks(marks, TALL),
        "has_importance": bool(importance),
        "rows": _rows(over, marked),
        "commands": commands,
        "made_by": f"glassnet {__version__}",
        "wide": WIDE, "high": HIGH, "side": SIDE, "tall": TALL,
    }  # fmt: skip
    return render("tune.html", told, where)


def _tested(test: Mapping[str, float], dataset: Dataset) -> dict[str, str]:
    """The one test, in words."""
    return {
        "accuracy": percent(test["accuracy"]),
        "interval": interval(test["low"], test["high"]),
        "asked": counted(int(test["examples"]), f"test {dataset.one}", f"test {dataset.kind}"),
    }


def _settings(best: Trial, settings: Mapping[str, Value]) -> str:
    """How the best net is trained, in words, and what it had time for as a trial."""
    told = ", ".join(f"{name.replace('_', ' ')} {_words(value)}" for name, value in settings.items() if name != "net")
    tried = best.settings.get("epochs")
    fewer = f" As a trial it had time for {tried} epochs." if tried != settings.get("epochs") else ""
    return f"Trial {best.number}: {told}.{fewer}"


def _figures(best: Trial, default: Trial | None, over: Sequence[Trial]) -> list[tuple[str, str]]:
    """Large figures, each with its words."""
    found = [(_loss(best), "held-out loss of the best"), (_right(best), "of held-out ones right")]
    if default is not None and default.number != best.number:
        found += [(_loss(default), "held-out loss of the default"), (_right(default), "right, of the default")]
    return [*found, (duration(sum(trial.seconds for trial in over)), "spent on trials")]


def _marks(over: Sequence[Trial]) -> list[float]:
    """Marks of the scale that all drawings share, from the least held-out loss up; what is worse stands at its end."""
    last = sorted(trial.held_loss for trial in over if trial.held_loss is not None)
    top = last[min(len(last) - 1, math.ceil(len(last) * FEW))]
    first = max((trial.curve[0][1] for trial in over if trial.curve), default=top)
    return round_values(last[0], min(max(top, last[0] * 1.2), max(first, top)), 4)


def _ticks(marks: Sequence[float], high: int) -> list[Tick]:
    y = Scale(marks[0], marks[-1], high, 0)
    return [Tick(y.at(value), f"{value:g}") for value in marks]


def _curves(over: Sequence[Trial], marked: Mapping[int, str], scale: tuple[float, float]) -> list[Curve]:
    """All trials over the share of the training done; those that are pointed out lie on top, with words."""
    x, y = Scale(0, 1, 0, WIDE), Scale(*scale, HIGH, 0)
    found = []
    for trial in sorted(over, key=lambda one: one.number in marked):
        if not trial.curve:
            continue
        line = through([(x.at(done), y.at(loss)) for done, loss in trial.curve])
        look = marked.get(trial.number, "")
        found.append(
            Curve(line.path, line.end, look, _title(trial), f"{_loss(trial)} {look}" if look else "", line.end[1])
        )
    named = [curve for curve in found if curve.look]
    if len(named) == 2:
        heights = apart(named[0].end[1], named[1].end[1])
        moved = [Curve(c.path, c.end, c.look, c.title, c.words, at) for c, at in zip(named, heights, strict=True)]
        found = [*(curve for curve in found if not curve.look), *moved]
    return found


def _panels(
    over: Sequence[Trial],
    knobs: Sequence[Knob],
    importance: Mapping[str, float],
    marked: Mapping[int, str],
    scale: tuple[float, float],
) -> list[Panel]:
    """A panel for each knob that more than one value of was tried, the one that mattered most first."""
    found = []
    for knob in sorted(knobs, key=lambda one: -importance.get(one.name, 0.0)):
        tried = [trial for trial in over if knob.name in trial.knobs and trial.held_loss is not None]
        values = [trial.knobs[knob.name] for trial in tried]
        if len(set(values)) < 2:
            continue
        share = percent(importance[knob.name]) if knob.name in importance else ""
        ticks, at = _by_choice(knob, values) if knob.choices else _by_factor(values)
        dots = _dots(tried, [at(value) for value in values], marked, scale)
        found.append(Panel(knob.name.replace("_", " "), knob.words, share, dots, ticks))
    return found


def _dots(
    tried: Sequence[Trial], places: Sequence[float], marked: Mapping[int, str], scale: tuple[float, float]
) -> tuple[Dot, ...]:
    """Dots at their places, moved aside where another stands already; those that are pointed out lie on top."""
    y, dots = Scale(*scale, TALL, 0), []
    taken: list[tuple[float, float]] = []
    spread = min(SPREAD, 2 * INSET / max(Counter(places).values()))
    for trial, place in sorted(zip(tried, places, strict=True), key=lambda pair: pair[0].number not in marked):
        assert trial.held_loss is not None, "only such trials are drawn"
        high = y.at(trial.held_loss)
        aside = next(
            step
            for step in _steps(spread)
            if all(math.hypot(place + step - px, high - py) >= spread - 1e-9 for px, py in taken)
        )
        taken.append((place + aside, high))
        look = marked.get(trial.number, "")
        dots.append(Dot(round(place + aside, 1), high, trial.state == "complete", look, _title(trial)))
    return tuple(reversed(dots))


def _steps(spread: float) -> list[float]:
    """Ways aside, the nearest first; the last is far enough for any dot."""
    return [0.0, *(sign * spread * step for step in range(1, 1000) for sign in (1, -1))]


def _by_choice(knob: Knob, values: Sequence[Value]) -> tuple[tuple[Tick, ...], Places]:
    """Choices in order, side by side, with those that a net was built with because the searched ones didn't fit."""
    known = [choice for choice in knob.choices if choice in values]
    choices = [*known, *(value for value in dict.fromkeys(values) if value not in known)]
    if all(isinstance(choice, (int, float)) and not isinstance(choice, bool) for choice in choices):
        choices = sorted(choices, key=float)
    step = (SIDE - 2 * INSET) / max(1, len(choices) - 1)
    at = {choice: INSET + step * i for i, choice in enumerate(choices)}
    return tuple(Tick(round(place, 1), _words(choice)) for choice, place in at.items()), lambda value: at[value]


def _by_factor(values: Sequence[Value]) -> tuple[tuple[Tick, ...], Places]:
    """Numbers by their logarithm; marks at the least, the middle and the most."""
    numbers = sorted(float(value) for value in values)
    low, high = numbers[0], numbers[-1]
    x = Scale(math.log(low), math.log(high), INSET, SIDE - INSET)
    marks = [low, math.sqrt(low * high), high] if high > MARKED * low else [low, high]
    return tuple(Tick(x.at(math.log(mark)), f"{mark:.2g}") for mark in marks), lambda value: x.at(
        math.log(float(value))
    )


def _rows(over: Sequence[Trial], marked: Mapping[int, str]) -> list[Row]:
    """All trials, the best first; those that were given up behind those that ran to their end."""
    order = sorted(over, key=lambda one: (one.state != "complete", one.held_loss is None, one.held_loss or 0.0))
    return [
        Row(
            trial.number, trial.why if trial.state == "pruned" else trial.begun, trial.net, _recipe(trial),
            _loss(trial), _right(trial), duration(trial.seconds), marked.get(trial.number, ""),
        )
        for trial in order
    ]  # fmt: skip


def _recipe(trial: Trial) -> str:
    """How it was trained: epochs, batch and rate."""
    told = trial.settings
    varied = "" if told.get("augment", True) else ", not varied"
    return f"{told.get('epochs')} epochs, batch {told.get('batch')}, rate {told.get('learning_rate')}{varied}"


def _title(trial: Trial) -> str:
    end = f", {trial.why}" if trial.why else ""
    return f"trial {trial.number}: {trial.net}; {_recipe(trial)}; held-out loss {_loss(trial)}{end}"


def _loss(trial: Trial) -> str:
    return "" if trial.held_loss is None else f"{trial.held_loss:.3f}"


def _right(trial: Trial) -> str:
    return "" if trial.held_accuracy is None else percent(trial.held_accuracy)


def _words(value: Value) -> str:
    return (
        {True: "yes", False: "no"}[value]
        if isinstance(value, bool)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )
