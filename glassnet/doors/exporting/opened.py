"""An exported file, looked at: whose it is and what it was made of. Opens it without torch, and asks it nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from glassnet.doors.card import Card, parse_card, read_card, read_sums
from glassnet.doors.exporting.metadata import is_whole, metadata
from glassnet.doors.exporting.runtime import is_there
from glassnet.doors.folder import EXPORTED, FAMILIARITY, WEIGHTS
from glassnet.errors import GlassnetError

CARD, MADE_OF, INT8, FALSE_ALARMS = "glassnet", "made_of", "int8", "false_alarms"  # keys of the metadata


@dataclass(frozen=True)
class OnnxFile:
    """path: where it lies. card: of the model that it was made of. made_of: checksums of that model's files, by name.

    int8: what was measured of it, where its products are of whole numbers of eight bits. false_alarms: the share of
    real examples that the model took for none of these, if that was measured. data: all of it.
    """

    path: Path
    card: Card
    made_of: Mapping[str, str]
    int8: Mapping[str, object] | None
    false_alarms: float | None
    data: bytes


def read_file(path: Path) -> OnnxFile:
    """Looks at a file. Raises GlassnetError when it is damaged, or none that glassnet made."""
    try:
        data = path.read_bytes()
        facts = metadata(data)
    except OSError as error:
        found = f"can't be read: {error.strerror or error}"
        raise GlassnetError(str(path), found=found, fix="Check the path") from error
    except ValueError as error:
        fix = "Take a copy of it, or export the model again"
        raise GlassnetError(str(path), found="is no ONNX file, or a damaged one", fix=fix) from error
    if CARD not in facts or MADE_OF not in facts:
        found = "an ONNX file of another program" if CARD not in facts else "one of an older glassnet"
        fix = "Make one: glassnet export MODEL"
        raise GlassnetError(str(path), expected="a file that glassnet export made", found=found, fix=fix)
    if not is_whole(data):
        found = "is damaged: it is not as glassnet export wrote it"
        raise GlassnetError(str(path), found=found, fix="Take a copy of it, or export the model again")
    made_of, int8, alarms = (json.loads(facts.get(key, "null")) for key in (MADE_OF, INT8, FALSE_ALARMS))
    return OnnxFile(path, parse_card(json.loads(facts[CARD]), path), made_of, int8, alarms, data)


def find_file(folder: Path, card: Card) -> OnnxFile | None:
    """The exported file that may answer for a model folder: whole, made of these very weights. None without one.

    Any other is passed over in silence, for the folder itself can answer.
    """
    path = folder / EXPORTED
    if not path.is_file() or not is_there():
        return None
    try:
        found = read_file(path)
    except GlassnetError:
        return None
    sums = read_sums(folder)
    own = {name: sums[name] for name in (WEIGHTS, FAMILIARITY) if name in sums}
    is_it = own == dict(found.made_of) and _like(found.card) == _like(card) and found.int8 is None
    return found if is_it else None


def look_at(place: Path) -> tuple[Card, OnnxFile | None]:
    """The card of what a person named, a model folder or an exported file, and the file that can answer for it.

    Raises GlassnetError when it is neither, or damaged.
    """
    if place.is_dir() or not place.exists():
        card = read_card(place)
        return card, find_file(place, card)
    found = read_file(place)
    return found.card, found


def _like(card: Card) -> Card:
    """Without the precision of a detector, which is a machine's and not the model's."""
    return replace(card, detector={name: value for name, value in card.detector.items() if name != "precision"})
