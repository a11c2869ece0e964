"""Ctrl-C and SIGTERM, made into something that a training can answer between two steps."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from glassnet.errors import Interrupted


@dataclass
class Caught:
    """The signal that came, if one did; 0 before."""

    number: int = 0


@contextmanager
def patient_signals() -> Iterator[Caught]:
    """While this lasts, the first Ctrl-C or SIGTERM is only noted. A second one stops the process where it is."""
    caught = Caught()

    def note(number: int, _: FrameType | None) -> None:
        if caught.number:
            raise Interrupted(number, "stopped at once; the checkpoint before stays whole")
        caught.number = number

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def polite_termination() -> None:
    """Makes SIGTERM unwind like Ctrl-C does, so that nothing half-written stays behind."""

    def stop(number: int, _: FrameType | None) -> None:
        raise Interrupted(number, "stopped before there was anything to lose")

    signal.signal(signal.SIGTERM, stop)
