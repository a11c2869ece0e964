"""One file a command: what it does once its words are understood, printed for a person or as JSON."""

from __future__ import annotations

import json as jsons
import shlex
import sys
from pathlib import Path


def print_json(value: object) -> None:
    """One JSON object on a line of standard output."""
    print(jsons.dumps(value, ensure_ascii=False), flush=True)


def say(label: str, words: str) -> None:
    """A line about the work, on standard error: what it is about, then the words."""
    print(f"{label:<8}{words}", file=sys.stderr)


def typed(*words: str | Path) -> str:
    """A command as a person can type it."""
    return shlex.join(str(word) for word in words)
