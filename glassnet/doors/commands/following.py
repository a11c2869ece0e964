"""Long work as a command shows it: event by event, until it is over or a signal asks it to stop."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Protocol, TypeVar

from glassnet.doors.run import Stop
from glassnet.doors.signals import patient_signals

if TYPE_CHECKING:
    from glassnet.training.cluster import Cluster

E = TypeVar("E")
Shown = TypeVar("Shown", contravariant=True)


class View(Protocol[Shown]):
    """How some work looks."""

    def show(self, event: Shown) -> None:
        """One event further."""

    def close(self) -> None:
        """Takes away what is drawn anew."""


def follow(events: Generator[E, None, None], view: View[E], last: type[E], cluster: Cluster | None = None) -> E | None:
    """Shows what happens. The event `last`, where it came to that: only the first process of a cluster does.

    Ctrl-C or SIGTERM ends the work between two events, after it saved what it has. Raises what the work raises.
    """
    found = None
    try:
        with patient_signals() as caught:
            if cluster is not None:
                cluster.caught = lambda: caught.number
            for event in events:
                view.show(event)
                if isinstance(event, last):
                    found = event
                    continue
                number = cluster.agreed if cluster is not None else caught.number
                if number:
                    view.close()
                    events.throw(Stop(number))
    finally:
        view.close()
    return found
