"""The boxes that were found on a picture as a notebook shows them. No script, small."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image

from glassnet.explaining.detections_picture import detections_picture
from glassnet.explaining.explain_page import signed
from glassnet.explaining.inline import data_uri
from glassnet.explaining.page import fragment
from glassnet.words import counted

if TYPE_CHECKING:
    from glassnet.explaining.detections import ExplainedBox, ExplainedBoxes

WIDE, MOST = 560, 12  # pixels of the picture; boxes in the table


def boxes_inline(one: ExplainedBoxes) -> str:
    """A piece of HTML."""
    picture = Image.open(io.BytesIO(detections_picture(one)))
    picture.thumbnail((WIDE, 2 * WIDE))
    left = len(one.likely) - min(len(one.boxes), MOST)
    parts: dict[str, object] = {
        "answer": one.answer,
        "name": one.name,
        "notes": one.notes,
        "picture": data_uri(picture),
        "boxes": [_line(one, box) for box in one.boxes[:MOST]],
        "more": f"And {counted(left, 'more box', 'more boxes')}." if left > 0 else "",
        "tested": one.judge.tested,
    }
    return fragment("notebook_boxes.html", parts)


def _line(one: ExplainedBoxes, box: ExplainedBox) -> dict[str, str]:
    x1, y1, x2, y2 = box.box
    strongest = box.votes.strongest(1)
    vote = f"feature {strongest[0] + 1}: {signed(float(box.votes.difference[strongest[0]]))}" if len(strongest) else ""
    return {
        "label": one.classes[box.label],
        "score": f"{box.score:.2f}",
        "box": f"{x2 - x1:.0f} × {y2 - y1:.0f} at {x1:.0f}, {y1:.0f}",
        "vote": vote,
        "removed": f"{len(box.removed):,}",
    }
