"""glassnet predict with a detector: what is on each picture, and where."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from glassnet.doors.commands import print_json, say, typed
from glassnet.doors.detection.inputs import read_pictures
from glassnet.doors.exporting.answering import OnnxDetector, open_for
from glassnet.doors.exporting.opened import OnnxFile
from glassnet.words import counted

if TYPE_CHECKING:
    from glassnet.doors.detection.model import DetectorModel

MOST = 8  # boxes that are written out, of a picture


def predict_boxes(place: Path, file: OnnxFile | None, asked: Sequence[str], top: int | None, json: bool) -> int:
    """Prints what each picture has. file: what answers instead of the net. Returns 2 when one could not be read."""
    model, bad, good = _opened(place, file), 0, ""
    for name, data in read_pictures(asked):
        one = model.answer_bytes(name, data)
        bad += bool(one.error)
        good = good or ("" if one.error else name)
        if json:
            print_json(one.as_json(top))
        elif one.error:
            print(f"{name} {one.error}", file=sys.stderr)
        else:
            counts = Counter(box.label for box in one.likely)
            words = ", ".join(f"{n:,} {label}" for label, n in counts.most_common()) or "nothing"
            print(f"{name}   {words}", flush=True)
            for box in one.likely[: top or MOST]:
                corners = ", ".join(f"{value:.0f}" for value in box.box)
                print(f"    {box.label} {box.score:.2f} at {corners}", flush=True)
            if len(one.likely) > (top or MOST):
                print(f"    and {len(one.likely) - (top or MOST):,} more; --json has all", flush=True)
    if bad:
        say("skipped", f"{counted(bad, 'input')} that can't be read")
    if good and place.is_dir():
        say("next", typed("glassnet", "explain", place, good))
    return 2 if bad else 0


def _opened(place: Path, file: OnnxFile | None) -> DetectorModel | OnnxDetector:
    opened = open_for(place, file)
    if isinstance(opened, OnnxDetector):
        return opened
    from glassnet.doors.detection.model import DetectorModel

    return DetectorModel.load(place)
