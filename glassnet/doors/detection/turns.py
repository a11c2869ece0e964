"""Who of a cluster does a stage's work, and when: one of each machine before the others, or all at once."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

from glassnet.errors import GlassnetError, Interrupted
from glassnet.training.cluster import Cluster

S = TypeVar("S")
T = TypeVar("T")
NOTHING_LOST = "stopped before there was anything to lose"


def in_turn(make: Callable[[], Generator[S, None, T]], cluster: Cluster) -> Generator[S, None, T]:
    """What each process's steps give, which on each machine one takes before the others: it fills the cache."""
    leads = cluster.world.local_rank == 0
    early = yield from all_together(make() if leads else _nothing(), cluster)
    late = yield from all_together(_nothing() if leads else make(), cluster)
    done = early if leads else late
    assert done is not None, "its own steps gave it"
    return done


def all_together(steps: Generator[S, None, T], cluster: Cluster) -> Generator[S, None, T]:
    """What each process's steps give. Where they fail in one, or a signal comes to one, all end."""
    if cluster.is_alone:
        return (yield from steps)
    done: list[T] = []
    error: GlassnetError | None = None
    try:
        done.append((yield from _until_signal(steps, cluster)))
    except GlassnetError as failed:
        error = failed

    def result() -> T:
        if error is not None:
            raise error
        return done[0]

    return cluster.together(result)


def _until_signal(steps: Generator[S, None, T], cluster: Cluster) -> Generator[S, None, T]:
    while True:
        if number := cluster.caught():
            raise Interrupted(number, NOTHING_LOST)
        try:
            step = next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        yield step


def _nothing() -> Generator[S, None, T | None]:
    return None
    yield
