"""PASCAL VOC: Annotations/*.xml beside JPEGImages/, sides in ImageSets/Main. Everingham et al. 2010, section 2."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import XMLParser

from glassnet.data.boxes.annotated import BoxData
from glassnet.data.boxes.collecting import Collected, Raw, collect
from glassnet.data.dataset import SPLITS
from glassnet.data.decoding import read_bytes
from glassnet.data.kind import Unreadable
from glassnet.data.reading import Progress
from glassnet.data.walking import natural
from glassnet.errors import GlassnetError
from glassnet.words import clipped

ANNOTATIONS, PICTURES, SIDES = "Annotations", "JPEGImages", "ImageSets/Main"
BOX = ("xmin", "ymin", "xmax", "ymax")
LAYOUT = "PASCAL VOC"


def is_one(path: Path) -> bool:
    """Whether a folder is laid out so."""
    return (path / ANNOTATIONS).is_dir() and (path / PICTURES).is_dir()


def read_steps(path: Path) -> Generator[Progress, None, BoxData]:
    """Reads every annotation. Yields progress. Raises GlassnetError where no object is named at all."""
    files = sorted((path / ANNOTATIONS).glob("*.xml"), key=lambda file: natural(file.name))
    if not files:
        raise GlassnetError(
            str(path / ANNOTATIONS), expected="an .xml for each picture", found="none", fix="Put them there"
        )
    sides = _sides(path / SIDES)
    collected = Collected(path)
    for i, file in enumerate(files):
        name = f"{ANNOTATIONS}/{file.name}"
        try:
            collected.add(_read(file, name, sides.get(file.stem, -1)))
        except Unreadable as error:
            collected.skip(name, str(error))
        if i % 50 == 0:
            yield Progress(i, len(files))
    collected.pictures_without(PICTURES, {file.stem for file in files})
    yield Progress(len(files), len(files))
    return collect(collected, path.resolve().name, LAYOUT)


def read_one(path: Path, picture: str) -> Collected:
    """What the annotation of one picture says, if it has one. picture: its file's name."""
    collected, file = Collected(path), path / ANNOTATIONS / f"{Path(picture).stem}.xml"
    if file.is_file():
        try:
            raw = _read(file, f"{ANNOTATIONS}/{file.name}", -1)
        except Unreadable as error:
            collected.skip(f"{ANNOTATIONS}/{file.name}", str(error))
        else:
            if raw.picture == f"{PICTURES}/{picture}":
                collected.add(raw)
    return collected


class _Lined(TreeBuilder):
    """A tree that knows the line of each element."""

    def __init__(self) -> None:
        super().__init__()
        self.parser: Any = None
        self.lines: dict[Element, int] = {}

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        element = super().start(tag, attrs)
        self.lines[element] = self.parser.parser.CurrentLineNumber
        return element


def _read(file: Path, name: str, split: int) -> Raw:
    """One annotation as it says. Raises Unreadable, with the line where there is one."""
    tree = _Lined()
    tree.parser = XMLParser(target=tree)
    try:
        tree.parser.feed(read_bytes(file))
        root: Element = tree.parser.close()
    except ParseError as error:
        raise Unreadable(f"is no whole XML: line {error.position[0]}, {clipped(str(error).split(':')[0])}") from error
    except (DefusedXmlException, ValueError, LookupError) as error:
        raise Unreadable("is XML that defines entities, or in an unknown encoding; it is not read") from error
    if root.tag != "annotation":
        raise Unreadable(f"is no annotation: its first element is <{clipped(root.tag)}>")
    raw = Raw(f"{PICTURES}/{_picture(file, root)}", name, split, _size(root))
    for one in root.iter("object"):
        line, label = tree.lines[one], (one.findtext("name") or "").strip()
        box, corners = one.find("bndbox"), []
        for corner in BOX:
            text = (box.findtext(corner) if box is not None else None) or ""
            try:
                corners.append(float(text))
            except ValueError:
                raw.doubt("no number", line, f"{label or 'an object'} has no number as its {corner}: it is left out")
                break
        else:
            if label:
                raw.add(label, corners, (one.findtext("difficult") or "").strip() == "1", line)
            else:
                raw.doubt("no name", line, "an object has no name: it is left out")
    return raw


def _picture(file: Path, root: Element) -> str:
    """The picture's file name: as the annotation says if it is there, else of the annotation's own name."""
    folder = file.parent.parent / PICTURES
    told = Path((root.findtext("filename") or "").strip()).name
    if told and (folder / told).is_file():
        return told
    found = sorted(path.name for path in folder.glob(f"{_literal(file.stem)}.*"))
    if not found:
        raise Unreadable(f"belongs to no picture: {PICTURES}/{clipped(told or file.stem)} isn't there")
    return found[0]


def _literal(stem: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in stem)


def _size(root: Element) -> tuple[int, int] | None:
    try:
        return int(root.findtext("size/width") or ""), int(root.findtext("size/height") or "")
    except ValueError:
        return None


def _sides(folder: Path) -> dict[str, int]:
    """The side of each picture by its stem, as train.txt, val.txt and test.txt name them."""
    found: dict[str, int] = {}
    for i, side in enumerate(SPLITS):
        try:
            lines = (folder / f"{side}.txt").read_text("utf-8", "replace").splitlines()
        except OSError:
            continue
        found |= {line.split()[0]: i for line in lines if line.strip()}
    return found
