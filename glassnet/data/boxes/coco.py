"""COCO: one JSON of images, annotations and categories a side, beside the pictures. Lin et al. 2014."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path, PurePosixPath
from typing import Any

from glassnet.data.boxes.annotated import BoxData
from glassnet.data.boxes.collecting import Collected, Raw, collect
from glassnet.data.dataset import SPLITS
from glassnet.data.decoding import read_bytes
from glassnet.data.kind import Unreadable
from glassnet.data.reading import Progress
from glassnet.data.walking import natural
from glassnet.errors import GlassnetError

LAYOUT = "COCO"
KEYS = ("images", "annotations", "categories")
PLACES = ("", "annotations")  # where the JSON lies below the folder that is named
SIDES = {"train": 0, "val": 1, "valid": 1, "validation": 1, "test": 2}
HEAD = 4096  # bytes of a JSON that are looked at before it is read


def is_one(path: Path) -> bool:
    """Whether a folder, or a JSON, is laid out so."""
    return bool(annotation_files(path))


def read_steps(path: Path) -> Generator[Progress, None, BoxData]:
    """Reads every JSON. Yields progress. Raises GlassnetError for one that can't be read."""
    root = path if path.is_dir() else path.parent.parent if path.parent.name == "annotations" else path.parent
    collected = Collected(root)
    files = annotation_files(path)
    for i, file in enumerate(files):
        yield Progress(i, len(files))
        name = file.relative_to(root).as_posix()
        try:
            facts = _facts(file)
        except Unreadable as error:
            fix = "Mend it, or write it anew"
            raise GlassnetError(str(file), expected="COCO's JSON", found=f"it {error}", fix=fix) from error
        _read(facts, collected, name, _side(file), file.parent)
    yield Progress(len(files), len(files))
    return collect(collected, path.resolve().stem, LAYOUT)


def read_one(path: Path, picture: Path) -> Collected:
    """What the JSONs below a folder say of one picture, those of them that can be read."""
    collected = Collected(path)
    for file in annotation_files(path):
        try:
            facts = _facts(file)
        except Unreadable as error:
            collected.skip(file.relative_to(path).as_posix(), str(error))
            continue
        named = [
            image
            for image in facts["images"]
            if PurePosixPath(str(image.get("file_name", ""))).name == picture.name
            and (found := _find(path, file.parent, str(image.get("file_name", "")))) is not None
            and (path / found).samefile(picture)
        ]
        if named:
            _read({**facts, "images": named}, collected, file.relative_to(path).as_posix(), -1, file.parent)
    return collected


def annotation_files(path: Path) -> list[Path]:
    """The annotation files: one that is named, or all that lie where they usually do."""
    if path.is_file():
        return [path] if path.suffix.lower() == ".json" and _looks_so(path) else []
    found = [file for place in PLACES for file in (path / place).glob("*.json")]
    found += [file for side in SIDES for file in (path / side).glob("*.json")]
    return sorted((file for file in found if _looks_so(file)), key=lambda file: natural(file.as_posix()))


def _looks_so(file: Path) -> bool:
    try:
        with open(file, "rb") as opened:
            head = opened.read(HEAD).lstrip()
    except OSError:
        return False
    return head.startswith(b"{") and any(f'"{key}"'.encode() in head for key in (*KEYS, "info", "licenses"))


def _side(file: Path) -> int:
    """The side that a file's name, or its folder's, tells."""
    words = {word for part in (file.stem, file.parent.name) for word in part.lower().replace("-", "_").split("_")}
    words |= {word.rstrip("0123456789") for word in words}
    return next((side for name, side in SIDES.items() if name in words), -1)


def _facts(file: Path) -> dict[str, list[dict[str, Any]]]:
    try:
        facts = json.loads(read_bytes(file))
    except json.JSONDecodeError as error:
        raise Unreadable(f"is no JSON: line {error.lineno}, {error.msg.lower()}") from error
    except ValueError as error:
        raise Unreadable("is no JSON in UTF-8") from error
    for key in KEYS:
        rows = facts.get(key) if isinstance(facts, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise Unreadable(f"has no list of {key}")
    return {key: facts[key] for key in KEYS}


def _read(facts: dict[str, list[dict[str, Any]]], collected: Collected, name: str, side: int, near: Path) -> None:
    names = {row.get("id"): str(row.get("name", "")).strip() for row in facts["categories"]}
    raws: dict[object, Raw] = {}
    for image in facts["images"]:
        file = _find(collected.root, near, str(image.get("file_name", "")))
        if file is None:
            collected.skip(str(image.get("file_name", "")), f"isn't there, though {name} names it")
            continue
        size = image.get("width"), image.get("height")
        told = (size[0], size[1]) if isinstance(size[0], int) and isinstance(size[1], int) else None
        raws[image.get("id")] = Raw(file, name, side, told)
    for row in facts["annotations"]:
        raw = raws.get(row.get("image_id"))
        if raw is None:
            continue  # its picture isn't there, which was said
        label, box, words = names.get(row.get("category_id"), ""), row.get("bbox"), f"annotation {row.get('id')}"
        if not label:
            raw.doubt("no name", 0, f"{words} is of category {row.get('category_id')}, which has no name: left out")
        elif not isinstance(box, list) or len(box) != 4 or not all(isinstance(v, (int, float)) for v in box):
            raw.doubt("no number", 0, f"{words} ({label}) has no bbox of four numbers: it is left out")
        else:
            x, y, width, height = map(float, box)
            raw.add(label, [x, y, x + width, y + height], bool(row.get("iscrowd")), 0, words)
    for raw in raws.values():
        collected.add(raw)


def _find(root: Path, near: Path, told: str) -> str | None:
    """Where a picture lies, relative to the root: as it is told, or in one of the usual folders. Never outside."""
    path = PurePosixPath(told.replace("\\", "/"))
    if not told or path.is_absolute() or ".." in path.parts:
        return None
    folders = [near, root, root / "images", *(root / side for side in SIDES), *(root / "images" / s for s in SPLITS)]
    for folder in folders:
        if (folder / path).is_file() and folder.is_relative_to(root):
            return (folder / path).relative_to(root).as_posix()
    return None
