"""What options the commands share: one for every field of config's records, and those that many commands have."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_type_hints

import click

from glassnet.config import Settings, flag, number, read_toml, record

PATH = click.Path(path_type=Path)

Command = Callable[..., Any]
Option = Callable[[Command], Command]


def settings(*records: type[Settings]) -> Option:
    """Gives a command an option for every field of these records of config, and --config.

    The command gets the records filled: what a flag leaves open the file of --config may set; what both leave open, the
    record's default does.
    """

    def with_options(command: Command) -> Command:
        def filled(config: Path | None, **given: Any) -> Any:  # noqa: ANN401  # click calls it with whatever was typed
            stored = read_toml(config) if config else {}
            for part in records:
                typed = {field.name: given.pop(field.name) for field in dataclasses.fields(part)}
                chosen = {name: stored.get(name) if value is None else value for name, value in typed.items()}
                given[part.__name__.lower()] = record(part, chosen)
            return command(**given)

        config: Option = click.option(
            "--config", type=PATH, help="A TOML file with any of these settings.", metavar="FILE"
        )
        options = [_option(part, field) for part in records for field in dataclasses.fields(part)]
        whole: Command = functools.wraps(command)(filled)
        for option in reversed([*options, config]):
            whole = option(whole)
        return whole

    return with_options


def _option(part: type[Settings], field: dataclasses.Field[Any]) -> Option:
    """The option of a field: None where it is not typed."""
    kind = get_type_hints(part)[field.name]
    plain = next(one for one in (bool, int, float, str) if one in (kind, *get_args(kind)))
    name, words = flag(field.name), field.metadata["help"]
    if plain is bool:
        return click.option(f"{name}/--no-{name[2:]}", default=None, help=words)
    reader = number(field.name, plain) if plain in (int, float) else str
    return click.option(name, type=reader, metavar=METAVARS[plain], help=words)


def whole_number(name: str, lowest: int, words: str, usual: int | None = None, highest: float = math.inf) -> Option:
    """The option of a whole number that is no setting of a data set or a training."""
    words += f"  [default: {usual:,}]" if usual is not None else ""
    return click.option(f"--{name}", type=number(name, int, lowest, highest), default=usual, metavar="INT", help=words)


METAVARS = {int: "INT", float: "NUMBER", str: "TEXT"}
as_json = click.option("--json", is_flag=True, help="Print JSON, and all else to standard error.")
data_argument = click.argument("data")
model_argument = click.argument("model", type=PATH)


def out_option(words: str) -> Option:
    """The option of where something is written."""
    return click.option("--out", type=PATH, metavar="PATH", help=words)
