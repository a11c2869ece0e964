"""Checkpoints: the whole state of a training, whole or absent, the newest three kept. Knows nothing of what trains."""

from __future__ import annotations

import json
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
from torch import Tensor

from glassnet import files

KEPT = 3
COST = 0.02  # of the training time that saving may take
SOONEST_S = 5.0  # nothing shorter is worth saving
NAME = re.compile(r"epoch-(\d+)(?:-step-(\d+))?")

Facts = dict[str, object]


@dataclass(frozen=True)
class Snapshot:
    """The state of a training between two steps. tensors: weights and the optimizer's. facts: all else, as JSON."""

    tensors: dict[str, Tensor]
    facts: Facts


class Checkpoints:
    """Saves and finds snapshots below a folder, seldom enough to cost little."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._last = time.monotonic()
        self._took_s = 0.0

    @property
    def due(self) -> bool:
        """Whether it is time to save: never more than COST of the time goes into saving."""
        return time.monotonic() - self._last > max(SOONEST_S, self._took_s / COST)

    def save(self, snapshot: Snapshot, epoch: int, step: int) -> Path:
        """Writes a snapshot taken after `step` steps of the epoch after `epoch` whole ones. Raises GlassnetError."""
        begun = time.monotonic()
        target = self.folder / (f"epoch-{epoch}-step-{step}" if step else f"epoch-{epoch}")
        with files.new_folder(target) as new:
            files.write_file(new / "state.safetensors", safetensors.torch.save(snapshot.tensors))
            facts = {"sha256": files.sha256(new / "state.safetensors"), **snapshot.facts}
            files.write_json(new / "state.json", facts)
        for old in self._found()[:-KEPT]:
            shutil.rmtree(old, ignore_errors=True)
        self._last = time.monotonic()
        self._took_s = self._last - begun
        return target

    def latest(self) -> tuple[Snapshot | None, tuple[str, ...]]:
        """The newest whole snapshot, if any, and what was wrong with newer ones."""
        notes: tuple[str, ...] = ()
        for folder in reversed(self._found()):
            try:
                return _open(folder), notes
            except (OSError, ValueError, KeyError) as error:
                notes += (f"{folder} is damaged ({error}); going on from the one before it",)
        return None, notes

    def _found(self) -> list[Path]:
        """Checkpoints from the oldest to the newest."""
        found = []
        for folder in self.folder.iterdir() if self.folder.is_dir() else ():
            match = NAME.fullmatch(folder.name)
            if match:
                found.append((int(match[1]), int(match[2] or 0), folder))
        return [folder for _, _, folder in sorted(found)]


def _open(folder: Path) -> Snapshot:
    facts = json.loads((folder / "state.json").read_text("utf-8"))
    if files.sha256(folder / "state.safetensors") != facts.pop("sha256"):
        raise ValueError("its checksum differs")
    return Snapshot(safetensors.torch.load_file(folder / "state.safetensors"), facts)
