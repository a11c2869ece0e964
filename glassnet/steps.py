"""Work in steps: a generator that yields how far it is and returns what came of it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

Step = TypeVar("Step")
Result = TypeVar("Result")


def finish(steps: Generator[Step, None, Result], show: Callable[[Step], object] | None = None) -> Result:
    """What comes of it in the end. show: is told of every step on the way."""
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
        if show is not None:
            show(step)
