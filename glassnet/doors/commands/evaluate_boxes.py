"""glassnet evaluate with a detector: average precision on boxes that it did not learn from."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from glassnet import files
from glassnet.config import Reading
from glassnet.data.boxes.annotated import BoxData
from glassnet.data.boxes.finding import find_boxes
from glassnet.data.dataset import TEST
from glassnet.doors.card import Card, read_card
from glassnet.doors.commands import class_places, output_file, print_json, title, typed
from glassnet.doors.commands.unseen import left
from glassnet.errors import GlassnetError
from glassnet.words import counted

if TYPE_CHECKING:
    from rich.console import Console

    from glassnet.training.detection.judging import Judged


def evaluate_boxes(folder: Path, data: str, out: Path | None, reading: Reading, cleaned: bool, json: bool) -> None:
    """Prints the figures and leaves a page. cleaned: without copies and pictures that lack a common class."""
    card = read_card(folder)
    page = output_file(out, f"evaluate-{title(data)}.html", ".html", ".htm")
    source = find_boxes(data) if reading == Reading() else None
    if source is None:
        fix = "Name a folder in PASCAL VOC's or COCO's layout"
        raise GlassnetError(data, expected="boxes on pictures, as the model learnt from", found="none", fix=fix)
    from glassnet.data.boxes.doctor import diagnose
    from glassnet.doors.commands.show_boxes import read_boxes
    from glassnet.doors.screen import console

    screen = console(json)
    read = read_boxes(source, screen)
    found = diagnose(read).cleaned if cleaned else read
    asked = _ask(folder, card, found, screen)
    again = typed("glassnet", "evaluate", folder, data, *(["--cleaned"] if cleaned else []))
    files.write_file(page, _page(asked, folder, data, found, again))
    if json:
        from glassnet.training.detection.judging import figures

        told = {"model": str(folder), "data": data, "asked": asked.lead, "cleaned": cleaned}
        told |= {"seconds_a_picture": asked.each_s, **figures(asked.judged, asked.names)}
        print_json({**told, "page": str(page)})
    else:
        _show(asked, folder, page, screen)


@dataclass(frozen=True)
class _Asked:
    """What a detector came to. rows: of the pictures it was asked about. lead: which they are, in words."""

    judged: Judged
    rows: list[int]
    names: list[str]
    engine: str
    each_s: float
    lead: str


def _ask(folder: Path, card: Card, data: BoxData, screen: Console) -> _Asked:
    """Asks the detector about the pictures that it may be asked about."""
    places = class_places(card, data.classes)
    from glassnet.doors.detection.model import DetectorModel
    from glassnet.doors.screen import line
    from glassnet.training.detection.judging import judge
    from glassnet.training.detection.matching import Objects, Stages

    model = DetectorModel.load(folder)
    unseen, lead = _unseen(data, model.seen)
    rows = unseen.tolist()
    objects, stages, begun = [], [], time.perf_counter()
    with line(screen, "asking") as shown:
        for done, i in enumerate(rows):
            shown.step(done, len(rows), "pictures")
            _, seen = model.look(data.file(i).read_bytes())
            one = data.pictures[i]
            objects.append(Objects(one.boxes, places[one.labels], one.is_hard))
            stages.append(Stages(seen.proposals, seen.scored, seen.found))
    each_s = (time.perf_counter() - begun) / len(rows)
    judged = judge(card.classes, objects, stages, model.thresholds)
    return _Asked(judged, rows, [str(data.file(i)) for i in rows], model.engine, each_s, lead)


def _page(asked: _Asked, folder: Path, data: str, found: BoxData, again: str) -> str:
    from PIL import Image

    from glassnet.data.boxes.store import whole
    from glassnet.explaining.detection_page import detection_page

    def picture(k: int) -> Image.Image:
        return Image.fromarray(whole(Path(asked.names[k]).read_bytes()).transpose(1, 2, 0))

    return detection_page(
        asked.judged,
        [found.pictures[i].name for i in asked.rows],
        picture,
        title=f"{title(data)}: evaluation of {folder}",
        where=str(folder),
        lead=asked.lead,
        facts=[(asked.engine, "engine"), (f"{asked.each_s:.2f} s", "a picture")],
        again=[again],
    )


def _show(asked: _Asked, folder: Path, page: Path, screen: Console) -> None:
    from glassnet.doors.screen import fact
    from glassnet.training.detection.telling import lines

    for words in lines(asked.judged, "picture"):
        screen.print(words)
    screen.print(asked.lead)
    screen.print(f"{asked.each_s:.2f} s a picture, from its file to its boxes.")
    screen.print(fact("page", str(page)))
    screen.print(fact("next", typed("glassnet", "explain", folder, asked.names[0]), "bold"))


def _unseen(data: BoxData, seen: NDArray[np.uint64]) -> tuple[NDArray[np.int64], str]:
    """The pictures to ask about, and in words which: the test side if there is one; nothing the model learnt from."""
    from glassnet.data.boxes.store import digest_of

    rows = np.array([i for i, one in enumerate(data.pictures) if one.split == TEST], np.int64)
    words = f"the {counted(len(rows), 'test picture')}"
    if not len(rows):
        rows, words = np.arange(len(data)), f"all {counted(len(data), 'picture')}"
    return left(rows, words, np.isin([digest_of(data.file(i).read_bytes()) for i in rows.tolist()], seen))
