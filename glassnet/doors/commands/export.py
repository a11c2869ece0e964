"""glassnet export: a model as a standard file, compared with the model before it is kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from glassnet.config import Reading
from glassnet.doors.card import read_card
from glassnet.doors.commands import output_file, print_json, say
from glassnet.doors.exporting.needed import refuse_int8, refuse_no_onnx
from glassnet.doors.folder import EXPORTED, EXPORTED_INT8
from glassnet.doors.material import find_material
from glassnet.errors import GlassnetError
from glassnet.words import bytes_read, counted, percent

if TYPE_CHECKING:
    from glassnet.data.dataset import Dataset
    from glassnet.doors.exporting.exporting import Exported


def export(folder: Path, to: str, int8: bool, data: str | None, out: Path | None, json: bool) -> None:
    """Leaves the file; what it takes and gives, and how it compares, is the JSON."""
    if to != "onnx":
        raise GlassnetError("--to", expected="onnx", found=to, fix="Write --to onnx")
    if data is not None and not int8:
        raise GlassnetError("--data", found="nothing to calibrate or to measure", fix="Add --int8, or leave it out")
    path = output_file(out or folder / (EXPORTED_INT8 if int8 else EXPORTED), "", ".onnx")
    refuse_no_onnx()
    card = read_card(folder)
    examples: Dataset | str | bool = False
    if int8 and card.is_detector:
        examples = data or True
    elif int8:
        refuse_int8(card)
        source, _ = find_material(card, data, Reading())
        from glassnet.doors.screen import console, read

        examples = read(source, console(json))
    work = "calibrated and measured" if int8 else "asked beside the model"
    say("export", f"the graph is made, then {work}; some {'minutes' if int8 else 'seconds'}")
    from glassnet.doors.library import export as exported
    from glassnet.doors.loading import open_folder

    made = exported(open_folder(folder), path, examples)
    if json:
        print_json(made.as_json())
        return
    _print(made)


def _print(made: Exported) -> None:
    from glassnet.doors.screen import console, fact

    screen, compared = console(), made.compared
    asked = [counted(compared.examples, "example")] if compared.examples else []
    asked += [f"{compared.made_up} made up"] if compared.made_up else []
    farthest = "" if compared.farthest is None else f", boxes by {compared.farthest:.1g} pixels"
    if compared.alone:
        farthest += f", {counted(compared.alone, 'box', 'boxes')} found by one only"
    screen.print(fact("file", f"{made.path}, {bytes_read(made.size)}"))
    for label, values in (("takes", made.takes), ("gives", made.gives)):
        for one in values:
            screen.print(fact(label, f"{one.name}   {one.dtype} ({', '.join(one.axes)})"))
    worth = made.int8
    if worth is not None:
        label, of = ("right", "of") if worth.measure == "accuracy" else ("mAP50", "on")
        screen.print(fact(label, f"{percent(worth.accuracy)} {of} {worth.held}; in floats {percent(worth.plain)}"))
    screen.print(fact("differs", f"by {compared.largest:.1g} at most{farthest}: {' and '.join(asked)} asked of both"))
