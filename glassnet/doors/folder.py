"""The model folder on disk: what its files are, whether they are whole, and the card. Needs no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from glassnet import __version__, files
from glassnet.config import Reading
from glassnet.data import kinds
from glassnet.data.dataset import Normalisation, Preparation
from glassnet.data.kinds import Source
from glassnet.errors import GlassnetError

FORMAT = 1
CONFIG, WEIGHTS, SEEN, SUMS = "config.json", "model.safetensors", "seen.npy", "SHA256SUMS"
METRICS, HISTORY, CARD, REPORT = "metrics.json", "history.csv", "README.md", "report.html"
CHECKPOINTS = "checkpoints"
MODELS = Path("models")  # where models go unless told
ROOM = 20_000_000  # bytes that a training needs at least
CHECKED = (CONFIG, WEIGHTS, SEEN)  # the files that opening relies on


@dataclass(frozen=True)
class Card:
    """config.json: all that is needed, beside the weights, to use a model and to train it again.

    full_scale: 255 where raw examples are bytes, 1 where they are floats. training, data: how it was made, from what.
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
    glassnet: str = __version__
    format: int = FORMAT


def is_model(folder: Path) -> bool:
    """Whether there is a finished model."""
    return (folder / CONFIG).is_file()


def is_unfinished(folder: Path) -> bool:
    """Whether a training into this folder was left before its end."""
    return (folder / CHECKPOINTS / "run.json").is_file()


def find_data(data: str | Path, reading: Reading | None = None, given: Preparation | None = None) -> Source:
    """The data that a person names. A model folder is none; built-in data may have the same name. See kinds.find."""
    if not (is_model(Path(data)) and (Path(data) / WEIGHTS).is_file()):
        return kinds.find(data, reading, given)
    if str(data) in kinds.BUILT_IN:
        return kinds.BUILT_IN[str(data)]
    fix = f"Name the data, or ask this model: glassnet predict {data} FILE"
    raise GlassnetError(str(data), expected="data", found="a model", fix=fix)


def read_card(folder: Path) -> Card:
    """Opens a model's card after checking that its files are whole. Raises GlassnetError when it is no whole model."""
    files.recover_folder(folder)
    if not folder.exists():
        raise GlassnetError(str(folder), expected="a model folder", found="nothing there", fix="Check the path")
    if not is_model(folder):
        if is_unfinished(folder):
            fix = f"Go on with it: glassnet train {folder} --resume"
            raise GlassnetError(str(folder), found="its training has not ended", fix=fix)
        what = "a file" if folder.is_file() else "a folder without config.json"
        fix = "Train one with glassnet train, and name its folder"
        raise GlassnetError(str(folder), expected="a model folder", found=what, fix=fix)
    facts = _facts(folder)
    _check_sums(folder)
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
            glassnet=facts["glassnet"],
            format=facts["format"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(folder, f"{CONFIG} lacks {error}") from error


def card_json(card: Card) -> str:
    """config.json's text."""
    return json.dumps(asdict(card), indent=1, ensure_ascii=False) + "\n"


def write_sums(folder: Path) -> None:
    """SHA256SUMS of the files that opening relies on, as `sha256sum -c` reads it."""
    lines = [f"{files.sha256(folder / name)}  {name}\n" for name in CHECKED]
    files.write_file(folder / SUMS, "".join(lines))


def choose_out(title: str, out: Path | None, overwrite: bool = False) -> Path:
    """Where a new model goes: `out`, or models/TITLE-N, N counting up. Raises GlassnetError rather than overwrite."""
    if out is None:
        out = MODELS / f"{title}-{max(_numbered(MODELS, title), default=0) + 1}"
    files.check_room(out, ROOM)
    files.recover_folder(out)
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return out
    if is_model(out) and overwrite:
        return out
    if is_unfinished(out):
        fix = "Go on with --resume, or choose another --out"
        raise GlassnetError(str(out), found="an unfinished training is there", fix=fix)
    if is_model(out):
        raise GlassnetError(str(out), found="a model is there", fix="Choose another --out, or add --overwrite")
    raise GlassnetError(str(out), expected="a new or empty folder", found="something there", fix="Choose another --out")


def newest_unfinished(title: str) -> Path:
    """The last of models/TITLE-N whose training was left. Raises GlassnetError when there is none."""
    open_ones = [path for _, path in sorted(_numbered(MODELS, title).items()) if is_unfinished(path)]
    if not open_ones:
        fix = "Name its folder with --out, or begin one without --resume"
        raise GlassnetError(f"{MODELS}/{title}-N", expected="an unfinished training", found="none", fix=fix)
    return open_ones[-1]


def _numbered(parent: Path, title: str) -> dict[int, Path]:
    found = {}
    for path in parent.glob(f"{title}-*") if parent.is_dir() else ():
        number = path.name.removeprefix(f"{title}-")
        if number.isdecimal():
            found[int(number)] = path
    return found


def _facts(folder: Path) -> dict[str, Any]:
    try:
        facts = json.loads((folder / CONFIG).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(folder, f"{CONFIG} can't be read") from error
    if not isinstance(facts, dict) or "glassnet" not in facts:
        fix = "Name a folder that glassnet train made"
        raise GlassnetError(str(folder), found=f"its {CONFIG} was not written by glassnet", fix=fix)
    if not isinstance(facts.get("format"), int) or facts["format"] > FORMAT:
        raise GlassnetError(
            str(folder),
            expected=f"a model of format {FORMAT} (glassnet {__version__})",
            found=f"format {facts.get('format')} (glassnet {facts['glassnet']})",
            fix="Install a newer glassnet",
        )
    return facts


def _check_sums(folder: Path) -> None:
    try:
        lines = (folder / SUMS).read_text("utf-8").splitlines()
        sums = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    except (OSError, ValueError) as error:
        raise _damaged(folder, f"{SUMS} is missing or can't be read") from error
    for name in CHECKED:
        if not (folder / name).is_file():
            raise _damaged(folder, f"{name} is missing")
        if files.sha256(folder / name) != sums.get(name):
            raise _damaged(folder, f"{name} is not as it was written: its checksum differs")


def _damaged(folder: Path, why: str) -> GlassnetError:
    return GlassnetError(str(folder), found=f"the model is damaged, {why}", fix="Take a copy of it, or train it again")
