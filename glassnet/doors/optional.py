"""Packages that only some work needs: refused in a line where they are missing. Loads none of them."""

from __future__ import annotations

from importlib.util import find_spec

from glassnet.errors import GlassnetError

USUAL_MINUTES = 20.0  # of a search where neither a time nor a number of trials is given


def refuse_no_optuna() -> None:
    """Raises GlassnetError where the package that searches is missing."""
    if find_spec("optuna") is None:
        fix = 'pip install "glassnet[tune]"'
        raise GlassnetError("tune", expected="the package optuna", found="none", fix=fix)
