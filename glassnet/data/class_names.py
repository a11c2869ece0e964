"""What the classes of numbered labels are called: a file of names beside the data. Knows no examples."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from glassnet.errors import GlassnetError
from glassnet.words import clipped, counted

CLASS_FILES = ("classes.txt", "classes.json")


def named_by(labels: dict[str, int], known: Sequence[str]) -> tuple[list[str], dict[int, str]]:
    """The class of each label by its number, "" for none; and what is wrong with some of them."""
    wrong: dict[int, str] = {}
    names = []
    for text, i in labels.items():
        number = int(text) if known and re.fullmatch(r"-?\d{1,9}", text) else None
        if number is not None and not 0 <= number < len(known):
            wrong[i] = f"has the label {number}, but {counted(len(known), 'class is', 'classes are')} named"
        names.append("" if i in wrong else text if number is None else known[number])
    return names, wrong


def class_names(root: Path) -> list[str]:
    """The names of numbered classes, from a file beside the tars, if there is one. Raises GlassnetError."""
    path = next((root / name for name in CLASS_FILES if (root / name).is_file()), None)
    if path is None:
        return []
    try:
        text = path.read_text("utf-8-sig")
        names = _from_json(json.loads(text)) if path.suffix == ".json" else text.splitlines()
    except (OSError, ValueError, RecursionError) as error:
        found = f"it can't be read ({clipped(str(error), 60)})"
        raise GlassnetError(
            str(path), expected="the names of the classes", found=found, fix="Write one a line"
        ) from error
    names = [name.strip() for name in names]
    while names and not names[-1]:
        names.pop()
    if not names or not all(names) or len(set(names)) < len(names):
        found = "none" if not names else "an empty line" if not all(names) else "a name twice"
        raise GlassnetError(str(path), expected="a different name for each class", found=found, fix="Write one a line")
    return names


def _from_json(value: object) -> list[str]:
    """Names from a list, from {"0": name}, or from {name: 0}. Raises ValueError."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return value
    if isinstance(value, dict):
        turned = {str(number): name for name, number in value.items()} if _numbers(value.values()) else value
        if _numbers(turned) and all(isinstance(one, str) for one in turned.values()):
            numbers = {int(number): name for number, name in turned.items()}
            if sorted(numbers) == list(range(len(numbers))):
                return [numbers[i] for i in range(len(numbers))]
    raise ValueError("neither a list of names nor a number for each name, from 0 on")


def _numbers(values: object) -> bool:
    return all(re.fullmatch(r"\d{1,9}", str(one)) for one in values)  # type: ignore[attr-defined]  # of a dictionary
