"""glassnet evaluate with a detector: average precision on boxes that it did not learn from."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glassnet import files
from glassnet.config import Reading
from glassnet.data.boxes.annotated import BoxData
from glassnet.data.boxes.finding import find_boxes
from glassnet.data.dataset import TEST
from glassnet.doors.card import read_card
from glassnet.doors.commands import class_places, output_file, print_json, title, typed
from glassnet.errors import GlassnetError
from glassnet.words import counted


def evaluate_boxes(folder: Path, data: str, out: Path | None, reading: Reading, cleaned: bool, json: bool) -> None:
    """Prints the figures and leaves a page. cleaned: without copies and pictures that lack a common class."""
    card = read_card(folder)
    page = output_file(out, f"evaluate-{title(data)}.html", ".html", ".htm")
    source = find_boxes(data) if reading == Reading() else None
    if source is None:
        fix = "Name a folder in PASCAL VOC's or COCO's layout"
        raise GlassnetError(data, expected="boxes on pictures, as the model learnt from", found="none", fix=fix)
    from PIL import Image

    from glassnet.data.boxes.doctor import diagnose
    from glassnet.data.boxes.store import whole
    from glassnet.doors.commands.show_boxes import read_boxes
    from glassnet.doors.detection.model import DetectorModel
    from glassnet.doors.screen import console, fact, line
    from glassnet.explaining.detection_page import detection_page
    from glassnet.training.detection.judging import figures, judge
    from glassnet.training.detection.matching import Objects, Stages
    from glassnet.training.detection.telling import lines

    screen = console(json)
    read = read_boxes(source, screen)
    found = diagnose(read).cleaned if cleaned else read
    places = class_places(card, found.classes)
    model = DetectorModel.load(folder)
    rows, lead = _unseen(found, model.seen)
    objects, stages, begun = [], [], time.perf_counter()
    with line(screen, "asking") as shown:
        for done, i in enumerate(rows.tolist()):
            shown.step(done, len(rows), "pictures")
            _, seen = model.look(found.file(i).read_bytes())
            one = found.pictures[i]
            objects.append(Objects(one.boxes, places[one.labels], one.is_hard))
            stages.append(Stages(seen.proposals, seen.scored, seen.found))
    each = (time.perf_counter() - begun) / len(rows)
    judged = judge(card.classes, objects, stages, model.thresholds)
    names = [str(found.file(i)) for i in rows.tolist()]

    def picture(k: int) -> Image.Image:
        return Image.fromarray(whole(Path(names[k]).read_bytes()).transpose(1, 2, 0))

    text = detection_page(
        judged,
        [found.pictures[i].name for i in rows.tolist()],
        picture,
        title=f"{title(data)}: evaluation of {folder}",
        where=str(folder),
        lead=lead,
        facts=[(model.engine, "engine"), (f"{each:.2f} s", "a picture")],
        again=[typed("glassnet", "evaluate", folder, data, *(["--cleaned"] if cleaned else []))],
    )
    files.write_file(page, text)
    if json:
        told = {"model": str(folder), "data": data, "asked": lead, "cleaned": cleaned, "seconds_a_picture": each}
        print_json({**told, **figures(judged, names), "page": str(page)})
        return
    for words in lines(judged, "picture"):
        screen.print(words)
    screen.print(lead)
    screen.print(f"{each:.2f} s a picture, from its file to its boxes.")
    screen.print(fact("page", str(page)))
    screen.print(fact("next", typed("glassnet", "explain", folder, names[0]), "bold"))


def _unseen(data: BoxData, seen: NDArray[np.uint64]) -> tuple[NDArray[np.int64], str]:
    """The pictures to ask about, and in words which: the test side if there is one; nothing the model learnt from."""
    from glassnet.data.boxes.store import digest_of

    rows = np.array([i for i, one in enumerate(data.pictures) if one.split == TEST], np.int64)
    words = f"the {counted(len(rows), 'test picture')}"
    if not len(rows):
        rows, words = np.arange(len(data)), f"all {counted(len(data), 'picture')}"
    known = np.isin([digest_of(data.file(i).read_bytes()) for i in rows.tolist()], seen)
    if known.all():
        return rows, f"Asked about {words}; the model learnt from every one of them, so this is no test."
    if not known.any():
        return rows, f"Asked about {words}; it learnt from none of them."
    left = rows[~known]
    return left, f"Asked about {len(left):,} of {words}; it learnt from the other {counted(int(known.sum()), 'one')}."
