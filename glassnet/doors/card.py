"""Card: config.json of a model, all that is needed beside the weights; checked against its sums. Needs no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from glassnet import __version__, files
from glassnet.data.dataset import Normalisation, Preparation
from glassnet.doors.folder import CONFIG, FAMILIARITY, SEEN, SUMS, WEIGHTS, refuse_no_model
from glassnet.errors import GlassnetError

FORMAT = 1
CHECKED = (CONFIG, WEIGHTS, SEEN)  # the files that opening relies on


@dataclass(frozen=True)
class Card:
    """config.json: all that is needed, beside the weights, to use a model and to train it again.

    full_scale: 255 where raw examples are bytes, 1 where they are floats. both_ways: whether it is asked about mirror
    images too. unlabelled: whether nothing named classes; `classes` are features of the highest machine then. detector:
    of boxes, how it looks at a picture. training, data: how it was made, from what.
    """

    kind: str
    classes: tuple[str, ...]
    net: str
    preparation: Preparation
    normalisation: Normalisation
    full_scale: float
    seed: int
    training: Mapping[str, object]
    data: Mapping[str, object]
    both_ways: bool = False
    unlabelled: bool = False
    detector: Mapping[str, object] = field(default_factory=dict)
    glassnet: str = __version__
    format: int = FORMAT

    @property
    def is_detector(self) -> bool:
        """Whether it finds objects on pictures, instead of naming the whole picture."""
        return bool(self.detector)


def read_card(folder: Path) -> Card:
    """Opens a model's card after checking that its files are whole. Raises GlassnetError when it is no whole model."""
    refuse_no_model(folder)
    facts = _facts(folder)
    _check_sums(folder)
    return _card(facts, folder)


def parse_card(facts: object, place: Path) -> Card:
    """A card that lies in another file of a model, as JSON. Raises GlassnetError for one that isn't ours, or newer."""
    return _card(_ours(facts, place, "the card in it"), place)


def is_detector(folder: Path) -> bool:
    """Whether a model folder's card is a detector's; nothing else of it is looked at."""
    try:
        return bool(json.loads((folder / CONFIG).read_text("utf-8")).get("detector"))
    except (OSError, ValueError, AttributeError):
        return False  # opening it will say what is wrong


def refuse_weights_of_detector(asked: str | None, engine: str = "") -> None:
    """Raises GlassnetError where weights to begin with are those of a detector that can't begin this.

    asked: what --weights names. engine: of the detector to be trained; none for a net that names whole examples.
    """
    path = Path(asked or "")
    folder = path.parent if path.name == WEIGHTS else path
    if asked is None or not is_detector(folder):
        return
    of = str(read_card(folder).detector["engine"])
    if not engine:
        fix = "Name a classifier's, or train on a folder of boxes"
        raise GlassnetError(asked, expected="weights of a net that names whole examples", found="a detector's", fix=fix)
    if of != engine:
        found, fix = f"those of engine {of}", f"Add --engine {of}, or name a classifier's"
        raise GlassnetError(asked, expected=f"weights of a classifier or of engine {engine}", found=found, fix=fix)


def card_json(card: Card) -> str:
    """config.json's text."""
    return json.dumps(asdict(card), indent=1, ensure_ascii=False) + "\n"


def write_sums(folder: Path) -> None:
    """SHA256SUMS of the files that opening relies on, as `sha256sum -c` reads it."""
    there = [name for name in (*CHECKED, FAMILIARITY) if (folder / name).is_file()]
    lines = [f"{files.sha256(folder / name)}  {name}\n" for name in there]
    files.write_file(folder / SUMS, "".join(lines))


def _facts(folder: Path) -> dict[str, Any]:
    try:
        facts = json.loads((folder / CONFIG).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(folder, f"{CONFIG} can't be read") from error
    return _ours(facts, folder, f"its {CONFIG}")


def _ours(facts: object, place: Path, what: str) -> dict[str, Any]:
    if not isinstance(facts, dict) or "glassnet" not in facts:
        fix = "Name a folder that glassnet train made"
        raise GlassnetError(str(place), found=f"{what} was not written by glassnet", fix=fix)
    if not isinstance(facts.get("format"), int) or facts["format"] > FORMAT:
        raise GlassnetError(
            str(place),
            expected=f"a model of format {FORMAT} (glassnet {__version__})",
            found=f"format {facts.get('format')} (glassnet {facts['glassnet']})",
            fix="Install a newer glassnet",
        )
    return facts


def _card(facts: dict[str, Any], place: Path) -> Card:
    try:
        return Card(
            kind=facts["kind"],
            classes=tuple(facts["classes"]),
            net=facts["net"],
            preparation=Preparation(tuple(facts["preparation"]["shape"]), facts["preparation"]["settings"]),
            normalisation=Normalisation(tuple(facts["normalisation"]["mean"]), tuple(facts["normalisation"]["std"])),
            full_scale=float(facts["full_scale"]),
            seed=facts["seed"],
            training=facts["training"],
            data=facts["data"],
            both_ways=bool(facts.get("both_ways", False)),
            unlabelled=bool(facts.get("unlabelled", False)),
            detector=facts.get("detector") or {},
            glassnet=facts["glassnet"],
            format=facts["format"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(place, f"{CONFIG} lacks {error}") from error


def read_sums(folder: Path) -> dict[str, str]:
    """The checksums of a folder's files, by name, as they were written. Raises GlassnetError."""
    try:
        lines = (folder / SUMS).read_text("utf-8").splitlines()
        return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    except (OSError, ValueError) as error:
        raise _damaged(folder, f"{SUMS} is missing or can't be read") from error


def _check_sums(folder: Path) -> None:
    sums = read_sums(folder)
    more = [FAMILIARITY] if FAMILIARITY in sums or (folder / FAMILIARITY).is_file() else []
    for name in (*CHECKED, *more):
        if not (folder / name).is_file():
            raise _damaged(folder, f"{name} is missing")
        if files.sha256(folder / name) != sums.get(name):
            raise _damaged(folder, f"{name} is not as it was written: its checksum differs")


def _damaged(folder: Path, why: str) -> GlassnetError:
    return GlassnetError(str(folder), found=f"the model is damaged, {why}", fix="Take a copy of it, or train it again")
