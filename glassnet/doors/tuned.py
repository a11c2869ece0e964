"""What a search came to: its best trial, the folder of its model, its settings as a file, its page. Trains nothing."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from glassnet import files
from glassnet.config import Reading, Training, Value
from glassnet.doors import folder as layout
from glassnet.doors import plan as plans
from glassnet.doors.card import read_card
from glassnet.doors.run import Finished
from glassnet.doors.trials import Ground, said
from glassnet.explaining.tune_page import tuning_page
from glassnet.training.database import shown
from glassnet.training.knobs import Knob
from glassnet.training.tune import Search, Trial

TRIALS, CONFIG, PAGE, MODEL = "trials.db", "best.toml", "tune.html", "model"


@dataclass(frozen=True)
class Tuned:
    """What a search came to. settings: that the best net is trained with. default: the trial of what `glassnet train`
    would choose. importance: a knob's share.

    model: the folder of the best net's model; None while another process still works on this search. command: what
    trains it. next: what to type then.
    """

    trials: tuple[Trial, ...]
    knobs: tuple[Knob, ...]
    best: Trial
    settings: dict[str, Value]
    default: Trial | None
    importance: dict[str, float]
    model: Path | None
    config: Path
    page: Path
    storage: str
    command: str
    next: tuple[str, ...]
    finished: Finished | None = None

    @property
    def is_better(self) -> bool:
        """Whether anything was found that is better on held-out examples than the default."""
        return self.default is None or self.best.number != self.default.number

    def as_json(self) -> dict[str, object]:
        """As a program reads it."""
        metrics = _test_of(self.model) if self.model else None
        return {
            "trials": [trial.as_json() for trial in self.trials],
            "best": _flat(self.best) | self.settings,
            "default": _flat(self.default) if self.default else None,
            "better": self.is_better,
            "model": str(self.model) if self.model else None,
            "test": metrics,
            "importance": self.importance,
            "config": str(self.config),
            "page": str(self.page),
            "storage": self.storage,
            "command": self.command,
            "next": list(self.next),
        }


def result(
    search: Search, best: Trial, chosen: Training, model: Path | None, finished: Finished | None, out: Path,
    source: str, reading: Reading,
) -> Tuned:  # fmt: skip
    """What the search came to, told in full. chosen: the settings that the best net is trained with."""
    found, config = search.trials(), out / CONFIG
    trained = plans.command_of(source, (chosen, Training()), (reading, Reading())) if source else ""
    example = str(finished.example) if finished and finished.example else "FILE"
    following = [["glassnet", "explain", str(model), example]] if model else []
    following += [["glassnet", "train", source, "--config", str(config)]] if source else []
    return Tuned(
        found, search.knobs, best, said(chosen), default_of(found), search.importances(), model, config, out / PAGE,
        shown(search.url), trained, tuple(map(shlex.join, following)), finished,
    )  # fmt: skip


def home(first: Path, best: Trial, chosen: Training, fingerprint: str) -> tuple[Path, Training]:
    """Where the winner's model lies or goes, and its settings: nothing that was trained before is overwritten.

    What was trained before is the winner's also where it had time for more or fewer epochs than there is now.
    """
    number = 1
    while True:
        path = first if number == 1 else first.with_name(f"{first.name}-{number}")
        files.recover_folder(path)
        if not path.exists() or not any(path.iterdir()):
            return path, chosen
        there = _there(path, fingerprint)
        longest = max(epochs_wanted(best), chosen.epochs or 0)
        if (
            there is not None
            and replace(there, epochs=chosen.epochs) == chosen
            and int(best.settings["epochs"]) <= (there.epochs or 0) <= longest
        ):
            return path, there
        number += 1


def _there(path: Path, fingerprint: str) -> Training | None:
    """The settings of the model in a folder, finished or not; None where it learnt from something else, or is none."""
    if layout.is_unfinished(path):
        plan = plans.read_plan(path)
        return plan.settings if plan.fingerprint == fingerprint else None
    if not layout.is_model(path):
        return None
    card = read_card(path)
    settings = card.training.get("settings")
    known = isinstance(settings, dict) and card.data.get("fingerprint") == fingerprint
    return Training(**settings) if known and isinstance(settings, dict) else None


def epochs_wanted(best: Trial) -> int:
    """How many epochs the best trial would have had, had there been the time."""
    return int(best.knobs.get("epochs", best.settings["epochs"]))


def best_of(found: tuple[Trial, ...]) -> Trial | None:
    """The trial with the least held-out loss among those that ran to their end; of equals the first."""
    whole = [trial for trial in found if trial.state == "complete" and trial.held_loss is not None]
    return min(whole, key=lambda trial: (trial.held_loss, trial.number), default=None)


def default_of(found: tuple[Trial, ...]) -> Trial | None:
    """The trial of what `glassnet train` would choose."""
    return next((trial for trial in found if trial.begun == "default" and trial.is_over), None)


def toml(settings: Training, reading: Reading, best: Trial, source: str) -> str:
    """The settings of a training as a file that `glassnet train --config` takes."""
    told: dict[str, Value] = said(settings)
    told |= {name: value for name, value in asdict(reading).items() if value is not None}
    about = f"# found by glassnet tune {shlex.quote(source)}: trial {best.number}, held-out loss {best.held_loss:.4f}"
    return "\n".join(
        [about, *(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in told.items()), ""]
    )


def page(ground: Ground, result: Tuned) -> str:
    """tune.html: what a person looks at."""
    test = _test_of(result.model) if result.model else None
    return tuning_page(
        ground.dataset, ground.sides, result.trials, result.knobs, result.importance, result.best, result.default,
        result.settings, test, result.next, str(result.page),
    )  # fmt: skip


def _flat(trial: Trial) -> dict[str, object]:
    """A trial's settings beside its figures."""
    return {
        "number": trial.number, **trial.settings, "held_loss": trial.held_loss, "held_accuracy": trial.held_accuracy,
        "seconds": trial.seconds, "knobs": dict(trial.knobs),
    }  # fmt: skip


def _test_of(model: Path) -> dict[str, float]:
    """What the test of a model came to."""
    test = json.loads((model / layout.METRICS).read_text("utf-8"))["test"]
    return {
        name: float(test[name]) if name != "examples" else int(test[name])
        for name in ("examples", "accuracy", "low", "high", "loss")
    }
