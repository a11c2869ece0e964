"""glassnet export: a model as a standard file, compared with the model before it is kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from glassnet.doors.card import read_card
from glassnet.doors.commands import output_file, print_json, say
from glassnet.doors.exporting.needed import refuse_no_onnx
from glassnet.doors.folder import EXPORTED
from glassnet.errors import GlassnetError
from glassnet.words import bytes_read, counted

if TYPE_CHECKING:
    from glassnet.doors.exporting.exporting import Exported


def export(folder: Path, to: str, out: Path | None, json: bool) -> None:
    """Leaves the file; what it takes and gives, and how it compares, is the JSON."""
    if to != "onnx":
        raise GlassnetError("--to", expected="onnx", found=to, fix="Write --to onnx")
    path = output_file(out or folder / EXPORTED, "", ".onnx")
    refuse_no_onnx()
    read_card(folder)
    say("export", "the graph is made, then asked beside the model; some seconds")
    from glassnet.doors.library import export as exported
    from glassnet.doors.library import load

    made = exported(load(folder), path)
    if json:
        print_json(made.as_json())
        return
    _print(made)


def _print(made: Exported) -> None:
    from glassnet.doors.screen import console, fact

    screen, compared = console(), made.compared
    asked = [counted(compared.examples, "example")] if compared.examples else []
    asked.append(f"{compared.made_up} made up")
    farthest = "" if compared.farthest is None else f", boxes by {compared.farthest:.1g} pixels"
    screen.print(fact("file", f"{made.path}, {bytes_read(made.size)}"))
    for label, values in (("takes", made.takes), ("gives", made.gives)):
        for one in values:
            screen.print(fact(label, f"{one.name}   {one.dtype} ({', '.join(one.axes)})"))
    screen.print(fact("differs", f"by {compared.largest:.1g} at most{farthest}: {' and '.join(asked)} asked of both"))
