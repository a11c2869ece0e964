"""Fills a page's template with its parts: one HTML file with its style inside, that needs no network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from glassnet.words import bytes_read

PAGES = Path(__file__).parent / "pages"
SIZE = "@@SIZE@@"
IMPORT = re.compile(r'^import .* from "\./(.*)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=const|let|function)", re.MULTILINE)


def render(template: str, parts: Mapping[str, object], where: str) -> str:
    """The page as text. where: what it is of, shown in its corner with the page's own size."""
    text = (
        _environment()
        .get_template(template)
        .render(**parts, where=f"{where} · {SIZE}, opens without a network", css=Markup(asset("glass.css")))
    )
    return text.replace(SIZE, bytes_read(len(text.encode())))


def fragment(template: str, parts: Mapping[str, object]) -> str:
    """A piece that goes into somebody else's page, a notebook's: with a style that touches nothing beside it."""
    return _environment().get_template(template).render(**parts)


def asset(name: str) -> str:
    """A style that goes into a page."""
    return (PAGES / name).read_text("utf-8")


def script(name: str) -> str:
    """A module with all that it imports as one, for a page that stands alone: each once, before what needs it."""
    parts: dict[str, str] = {}

    def add(one: str) -> None:
        text = asset(one)
        for needed in IMPORT.findall(text):
            if needed not in parts:
                add(needed)
        parts[one] = EXPORT.sub("", IMPORT.sub("", text))

    add(name)
    return "".join(parts.values())


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(PAGES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals["asset"] = lambda name: Markup(asset(name))
    return environment
