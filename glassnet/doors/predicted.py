"""What is said of what a Python program names: a path, paths or arrays. Needs no torch, and asks whoever answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from glassnet.doors.answers import Prediction
from glassnet.doors.card import Card
from glassnet.doors.inputs import Input, from_array
from glassnet.errors import GlassnetError


class Answering(Protocol):
    """What is asked: a net, or a file of it."""

    @property
    def card(self) -> Card: ...
    def answer(self, asked: Sequence[str]) -> Iterator[Prediction]: ...
    def answer_inputs(self, inputs: Iterable[Input]) -> Iterator[Prediction]: ...


def predicted(
    model: Answering, x: str | Path | list[str] | list[Path] | NDArray[np.generic]
) -> Prediction | list[Prediction]:
    """What each input is. x: a path (one prediction), paths, or an array of examples (a list of them).

    A file that can't be read gives a prediction with an error. Raises GlassnetError for a wrong array or table.
    """
    if isinstance(x, (str, Path)):
        found = list(model.answer([str(x)]))
        return found[0] if len(found) == 1 and not Path(x).is_dir() else _only(found, x)
    if isinstance(x, np.ndarray):
        batch = from_array(x, model.card.preparation, model.card.full_scale)
        return list(model.answer_inputs(Input(f"array[{i}]", row) for i, row in enumerate(batch)))
    return list(model.answer([str(one) for one in x]))


def _only(found: list[Prediction], x: str | Path) -> Prediction:
    if len(found) == 1:
        return found[0]
    fix = f"For all of them: model.predict([{str(x)!r}])"
    raise GlassnetError(str(x), expected="one input", found=f"{len(found):,}", fix=fix)
