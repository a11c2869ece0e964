"""What happens while a detector is made, for a terminal or a page to show."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """How far a stage is. stage: a word for it. what: is counted. seconds_left: None where it isn't known."""

    stage: str
    done: int
    total: int
    what: str
    seconds_left: float | None = None
