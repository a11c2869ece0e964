"""glassnet make, as it can be typed: the slides' X's and O's, shards."""

from __future__ import annotations

from pathlib import Path

import click

from glassnet.config import Reading
from glassnet.data.places import refuse_missing
from glassnet.doors.options import PATH, as_json, data_argument, settings, whole_number


@click.group(no_args_is_help=False)
def make() -> None:
    """Make data: glassnet make xo OUT, glassnet make shards DATA OUT."""


@make.command("xo")
@click.argument("out", type=PATH)
@whole_number("count", 2, "Pictures in all.", 2000)
@whole_number("size", 5, "Pixels a side.", 9)
@click.option("--translate", metavar="RANGE", help="Shift in pixels: 1.5 for -1.5:1.5, or LOW:HIGH.")
@click.option("--scale", metavar="RANGE", help="Size: 0.8 for just that, or LOW:HIGH.")
@click.option("--rotate", metavar="RANGE", help="Degrees: 45 for -45:45, or LOW:HIGH.")
@click.option("--weight", metavar="RANGE", help="Stroke in pixels: 1 for just that, or LOW:HIGH.")
@whole_number("seed", 0, "The same seed gives the same pictures.", 0)
@as_json
def make_xo(
    out: Path,
    count: int,
    size: int,
    translate: str | None,
    scale: str | None,
    rotate: str | None,
    weight: str | None,
    seed: int,
    json: bool,
) -> None:
    """The slides' X's and O's as class folders of PNGs in a new folder OUT.

    With all four trickier cases, unless a knob says else.
    """
    from glassnet.doors.commands import make as work

    work.make_xo(out, count, size, (translate, scale, rotate, weight), seed, json)


@make.command("shards")
@data_argument
@click.argument("out", type=PATH)
@whole_number("size-mb", 1, "Megabytes of a shard, at most.", 256, 1_000_000)
@settings(Reading)
@as_json
def make_shards(data: str, out: Path, size_mb: int, reading: Reading, json: bool) -> None:
    """DATA's files as .tar shards in a new folder OUT, as WebDataset has them.

    DATA is a folder of class folders, or a table that names files. A shard holds
    cat/1.png and its class's number, cat/1.cls; classes.txt names the classes.
    """
    refuse_missing(data)
    from glassnet.doors.commands import make as work

    work.make_shards(data, out, size_mb, reading, json)
