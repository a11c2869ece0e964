"""Fills a page's template with its parts: one HTML file with its style inside, that needs no network."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from glassnet.words import bytes_read

PAGES = Path(__file__).parent / "pages"
SIZE = "@@SIZE@@"


def render(template: str, parts: Mapping[str, object], where: str) -> str:
    """The page as text. where: what it is of, shown in its corner with the page's own size."""
    text = (
        _environment()
        .get_template(template)
        .render(**parts, where=f"{where} · {SIZE}, opens without a network", css=Markup(asset("glass.css")))
    )
    return text.replace(SIZE, bytes_read(len(text.encode())))


def asset(name: str) -> str:
    """A style or a script that goes into a page."""
    return (PAGES / name).read_text("utf-8")


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(PAGES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
