"""Where data and inputs can be. Asked before anything is loaded, so that a wrong path is said at once."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from glassnet.errors import GlassnetError
from glassnet.words import clipped, listed

BUILT_IN = ("xo", "digits")
IN_TAR = re.compile(r"\.tar/(?=.)", re.IGNORECASE)
HUB_ID = re.compile(r"[\w.-]+/(?!.*\.(safetensors|pth?|bin)$)[\w.-]+", re.ASCII)  # a file's path is none


def refuse_missing(data: str | Path) -> None:
    """Raises GlassnetError when no data goes by this name: a path, or the name of built-in data."""
    if str(data) in BUILT_IN or (str(data) and os.path.exists(data)):  # unlike Path.exists, for any name
        return
    raise GlassnetError(
        clipped(str(data), 200) or "''",
        expected=f"a folder, a table, an .npz file or built-in data ({', '.join(BUILT_IN)})",
        found="nothing there",
        fix="Check the path",
    )


def in_tar(asked: str) -> tuple[str, str] | None:
    """The tar and the name in it, of what a person names as photos.tar/cat/1.png; None for all else."""
    for match in IN_TAR.finditer(asked):
        if os.path.isfile(asked[: match.end() - 1]):
            return asked[: match.end() - 1], asked[match.end() :]
    return None


def is_text(asked: str) -> bool:
    """Whether what a person asks about can be no path that is there, but several words, as a sentence is."""
    return " " in asked.strip() and not os.path.exists(asked)


def refuse_missing_inputs(asked: Sequence[str]) -> None:
    """Raises GlassnetError when none of these paths is there; "-" is standard input, and a text is what it is."""
    if not any(name == "-" or os.path.exists(name) or is_text(name) or in_tar(name) for name in asked):
        found = "nothing there" if len(asked) == 1 else "none of them there"
        names = listed([clipped(name, 200) for name in asked])
        raise GlassnetError(names, expected="a file or a folder", found=found, fix="Check the path")


def refuse_all_but_a_file(asked: str) -> None:
    """Raises GlassnetError unless this is a file, "-" for standard input, or a text."""
    if asked != "-" and not os.path.isfile(asked) and not is_text(asked) and not in_tar(asked):
        found = "a folder" if os.path.isdir(asked) else "nothing there"
        raise GlassnetError(clipped(asked, 200), expected="one file", found=found, fix="Check the path")


def refuse_missing_weights(asked: str | None) -> None:
    """Raises GlassnetError for weights that are neither here nor named as a model of the hub, owner/name."""
    if asked is None or (asked and os.path.exists(asked)) or HUB_ID.fullmatch(asked):
        return
    fix = "Check the path, or name a model of the hub as owner/name"
    raise GlassnetError(clipped(asked, 200) or "''", expected="a file of weights", found="nothing there", fix=fix)
