"""What a person sets of the classifier, checked and made plain; and our errors as scikit-learn's tools expect them.

Numbers may be numpy's, as a search has them. Knows no training.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from numbers import Integral, Real

from glassnet.config import wrong_value
from glassnet.errors import GlassnetError


class Unusable(GlassnetError, ValueError):
    """What can't be learnt from or asked about: our line, and the type that scikit-learn expects."""


@contextmanager
def as_value_errors() -> Iterator[None]:
    """Our errors as ValueErrors that name parameters, not flags."""
    try:
        yield
    except Unusable:
        raise
    except GlassnetError as error:
        place = error.place.removeprefix("--").replace("-", "_") if error.place.startswith("--") else error.place
        place = "random_state" if place == "seed" else place
        raise Unusable(place, expected=error.expected, found=error.found, fix=error.fix) from error


def word(name: str, value: object) -> str | None:
    """A parameter that is a text. Raises GlassnetError, as all of these do."""
    if value is None or isinstance(value, str):
        return None if value is None else str(value)
    raise wrong_value(name, "a text", value)


def choice(name: str, value: object) -> str:
    """One that is one of some words."""
    found = word(name, value)
    if found is None:
        raise wrong_value(name, "a text", value)
    return found


def whole(name: str, value: object) -> int | None:
    """One that is a whole number."""
    if value is None or isinstance(value, Integral):
        return None if value is None else int(value)
    raise wrong_value(name, "a whole number", value)


def real(name: str, value: object) -> float | None:
    """One that is a number."""
    if value is None or isinstance(value, Real):
        return None if value is None else float(value)
    raise wrong_value(name, "a number", value)


def share(name: str, value: object) -> float:
    """One that is a share of 1, but not all of it."""
    if isinstance(value, Real) and 0 <= float(value) < 1:
        return float(value)
    raise wrong_value(name, "a share from 0 to less than 1", value)


def sides(name: str, value: object) -> tuple[int, ...] | None:
    """One that is the shape of an array."""
    if value is None:
        return None
    if isinstance(value, Sequence) and value and all(isinstance(n, Integral) and int(n) > 0 for n in value):
        return tuple(int(n) for n in value)
    raise wrong_value(name, "a shape, as (8, 8)", value)
