"""What is kept of a training on disk: what was asked for, and every event, so that it can be gone through again."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glassnet import files
from glassnet.doors.folder import MODELS, is_model, is_unfinished
from glassnet.errors import GlassnetError

KEPT = MODELS / ".trainings"  # beside the models, so that it goes where they go
ASKED, EVENTS = "asked.json", "events.jsonl"
MOMENT = re.compile(r"\d+(\.\d+)?|now")
Facts = dict[str, Any]


@dataclass
class Record:
    """One training's folder. name: of the model it makes. asked: as it was asked for, with its state at the end."""

    name: str
    asked: Facts
    lines: list[str] | None = field(default=None, repr=False)

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return KEPT / self.name

    @property
    def out(self) -> Path:
        """The model's folder."""
        return MODELS / self.name

    def begin(self) -> None:
        """Makes the folder anew. Raises GlassnetError."""
        shutil.rmtree(self.folder, ignore_errors=True)
        try:
            self.folder.mkdir(parents=True)
        except OSError as error:
            raise files.cannot_write(self.folder, error) from error
        self.lines = []
        self.write()

    def write(self) -> None:
        """Keeps what was asked for, and the state. Raises GlassnetError."""
        files.write_json(self.folder / ASKED, self.asked)

    def add(self, line: str) -> None:
        """Keeps one event, a line of JSON. Raises OSError, of a full disk say; the event is known all the same."""
        self.events().append(line)
        with open(self.folder / EVENTS, "a", encoding="utf-8") as file:
            file.write(line + "\n")

    def events(self) -> list[str]:
        """Every event so far, as lines of JSON. A line that was cut off by a crash is left out."""
        if self.lines is None:
            try:
                text = (self.folder / EVENTS).read_text("utf-8", "replace")
            except OSError:
                text = ""
            self.lines = [line for line in text.splitlines() if _is_whole(line)]
        return self.lines

    def of(self, kind: str) -> Facts | None:
        """The last event of a type."""
        start = json.dumps({"type": kind})[:-1]
        found = next((line for line in reversed(self.events()) if line.startswith(start)), None)
        return json.loads(found) if found else None

    def all_of(self, kind: str) -> list[Facts]:
        """Every event of a type."""
        start = json.dumps({"type": kind})[:-1]
        return [json.loads(line) for line in self.events() if line.startswith(start)]

    def logits(self, moment: str) -> NDArray[np.float64]:
        """(n, K) logits of the kept held-out examples at a moment. Raises GlassnetError where none are kept."""
        found = MOMENT.fullmatch(moment) and self.folder / f"{moment}.npy"
        if not found or not found.is_file():
            raise GlassnetError("moment", expected="one that is kept", found=moment, fix="Choose another")
        values: NDArray[np.float64] = np.load(found, allow_pickle=False).astype(np.float64)
        return values

    @property
    def can_go_on(self) -> bool:
        """Whether a checkpoint lies there to go on from."""
        return is_unfinished(self.out) and not is_model(self.out)

    def remove(self) -> None:
        """Forgets the training and its checkpoints; a finished model stays. What isn't there any more is no trouble."""
        if self.can_go_on or (self.out.is_dir() and not any(self.out.iterdir())):
            shutil.rmtree(self.out, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def found(name: str) -> Record | None:
    """The record of a training by its name, if one is kept. No path is made of a name that wasn't found."""
    return next((one for one in every() if one.name == name), None)


def every() -> list[Record]:
    """All that are kept, the newest first."""
    records = []
    for path in KEPT.glob("*/" + ASKED):
        try:
            asked = json.loads(path.read_text("utf-8"))
            records.append(Record(path.parent.name, {**asked, "at": float(asked["at"])}))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # half removed by hand: it can't be shown
    return sorted(records, key=lambda one: -one.asked["at"])


def _is_whole(line: str) -> bool:
    return line.startswith("{") and line.endswith("}")
