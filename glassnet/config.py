"""What a person may set: records for reading data, training, detectors. Flags and TOML keys come from their fields.

Each field's `help` is the command line's help text, its `choices` (if any) what it may be; None means: chosen for you.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glassnet.errors import GlassnetError

Value = str | int | float | bool


@dataclass(frozen=True)
class Reading:
    """How a data set is read: only what can't be seen from the files themselves."""

    kind: str | None = field(default=None, metadata={"help": "Kind of data, if taken for the wrong one."})
    size: int | None = field(default=None, metadata={"help": "Longer side of pictures as the net sees them."})
    path: str | None = field(default=None, metadata={"help": "Column of a table that names the files."})
    label: str | None = field(default=None, metadata={"help": "Column of a table that holds the classes."})
    text: str | None = field(default=None, metadata={"help": "Column of a table that holds texts."})
    fold: int | None = field(default=None, metadata={"help": "Fold to test on, of a table's column."})

    def __post_init__(self) -> None:
        if self.size is not None and not 4 <= self.size <= 1024:
            raise wrong_value("size", "a whole number from 4 to 1024", self.size)


@dataclass(frozen=True)
class Training:
    """How a net is trained on a data set."""

    net: str | None = field(default=None, metadata={"help": 'The net as text: "conv 32 3, relu, fc".'})
    weights: str | None = field(default=None, metadata={"help": "Weights to begin with: file, folder, hub id."})
    epochs: int | None = field(default=None, metadata={"help": "Times each example is seen."})
    minutes: float | None = field(default=None, metadata={"help": "Time that the training may take."})
    batch: int | None = field(default=None, metadata={"help": "Examples in a step."})
    learning_rate: float | None = field(default=None, metadata={"help": "Highest learning rate of the schedule."})
    augment: bool = field(default=True, metadata={"help": "Vary training pictures: shifts, mirrors."})
    seed: int = field(default=0, metadata={"help": "The same seed gives the same net."})
    device: str = field(default="auto", metadata={"help": "auto, cpu, cuda or mps."})
    threads: int | None = field(default=None, metadata={"help": "Cores to use."})
    precision: str = field(
        default="auto",
        metadata={"help": "auto, float32 or bfloat16.", "choices": ("auto", "float32", "bfloat16")},
    )

    def __post_init__(self) -> None:
        if self.epochs is not None and not 1 <= self.epochs <= 100_000:
            raise wrong_value("epochs", "a whole number from 1 to 100,000", self.epochs)
        if self.minutes is not None and not 0 < self.minutes <= 100_000:
            raise wrong_value("minutes", "a time over 0", self.minutes)
        if self.batch is not None and not 1 <= self.batch <= 65_536:
            raise wrong_value("batch", "a whole number from 1 to 65,536", self.batch)
        if self.learning_rate is not None and not 0 < self.learning_rate <= 100:
            raise wrong_value("learning_rate", "a number over 0 and up to 100", self.learning_rate)
        if self.threads is not None and not 1 <= self.threads <= 1024:
            raise wrong_value("threads", "a whole number from 1 to 1,024", self.threads)
        if not 0 <= self.seed < 2**32:
            raise wrong_value("seed", "a whole number from 0 to 4,294,967,295", self.seed)
        if self.precision not in ("auto", "float32", "bfloat16"):
            raise wrong_value("precision", "auto, float32 or bfloat16", self.precision)
        if self.device.split(":")[0] not in ("auto", "cpu", "cuda", "mps"):
            raise wrong_value("device", "auto, cpu, cuda or mps", self.device)


@dataclass(frozen=True)
class Detecting:
    """How a detector is trained on boxes; no other data takes these."""

    engine: str | None = field(default=None, metadata={"help": "Of boxes: fast, or rcnn (the paper's way)."})
    proposals: str | None = field(default=None, metadata={"help": "Of boxes: grid, selective or both."})
    regions: int | None = field(default=None, metadata={"help": "Of boxes: regions of a picture to look at."})
    cleaned: bool = field(default=False, metadata={"help": "Of boxes: no copies, no doubtful pictures."})
    crop: int | None = field(default=None, metadata={"help": "Of rcnn: pixels a side of a region's crop."})
    square: bool = field(default=False, metadata={"help": "Of rcnn: cut squares out."})
    without: str | None = field(default=None, metadata={"help": "Not wanted: regression, svm, fine-tuning."})

    @property
    def parts(self) -> frozenset[str]:
        """What is done of all that can be left out: PARTS without those that are not wanted."""
        return frozenset(PARTS) - frozenset(_parts(self.without))

    def __post_init__(self) -> None:
        for name, choices in (("engine", ENGINES), ("proposals", PROPOSALS)):
            value = getattr(self, name)
            if value is not None and value not in choices:
                raise wrong_value(name, " or ".join(choices), value)
        if self.regions is not None and not 10 <= self.regions <= 20_000:
            raise wrong_value("regions", "a whole number from 10 to 20,000", self.regions)
        if not set(_parts(self.without)) <= set(PARTS):
            raise wrong_value("without", f"some of {', '.join(PARTS)}, with commas between", self.without)
        if self.crop is not None and not 16 <= self.crop <= 256:
            raise wrong_value("crop", "a whole number from 16 to 256", self.crop)


@dataclass(frozen=True)
class Order:
    """A training that is asked for: data as it was named, how to read it, what to make of it, where it goes.

    out: models/DATA-N where it is None. resume: to go on with one that was stopped. overwrite: to replace a model that
    is there. json: whether its summary is printed as JSON.
    """

    data: str
    out: Path | None = None
    training: Training = field(default_factory=Training)
    reading: Reading = field(default_factory=Reading)
    detecting: Detecting = field(default_factory=Detecting)
    resume: bool = False
    overwrite: bool = False
    json: bool = False


ENGINES, PROPOSALS = ("fast", "rcnn"), ("grid", "selective", "both")
PARTS = ("regression", "svm", "fine-tuning")  # of a detector, that can be left out to see what they bring
Settings = Reading | Training | Detecting


def _parts(words: str | None) -> list[str]:
    return [word.strip().lower() for word in (words or "").split(",") if word.strip()]


def record(part: type[Settings], chosen: Mapping[str, Any]) -> Settings:
    """A record of settings by name; those that are None keep their defaults. Raises GlassnetError for what can't be."""
    return part(**{name: value for name, value in chosen.items() if value is not None})


def wrong_value(name: str, expected: str, found: object) -> GlassnetError:
    """The line for a setting that can't be."""
    return GlassnetError(flag(name), expected=expected, found=repr(found), fix="Leave it out to let glassnet choose")


def number(
    name: str, kind: type[int | float], lowest: float = -math.inf, highest: float = math.inf
) -> Callable[[str], float]:
    """A reader of what is typed after a flag. Its lines are ours, like those of every other setting."""
    expected = "a whole number" if kind is int else "a number"
    if lowest > -math.inf:
        expected += f" from {lowest}"
    if highest < math.inf:
        expected += f" to {highest:,}"

    def read(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            raise wrong_value(name, expected, text) from None
        if not lowest <= value <= highest:
            raise wrong_value(name, expected, value)
        return value

    return read


def no_device(wanted: str) -> GlassnetError:
    """The line for a device that this machine lacks."""
    return GlassnetError("--device", expected="a device of this machine", found=wanted, fix="Use --device auto, or cpu")


def flag(name: str) -> str:
    """A field's flag: learning_rate is --learning-rate."""
    return "--" + name.replace("_", "-")


def read_toml(path: Path) -> dict[str, Value]:
    """Settings of a TOML file, each a field of one of these records; unknown ones and wrong types are refused."""
    try:
        settings = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise GlassnetError(str(path), found=f"can't be read: {error.strerror}", fix="Check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise GlassnetError(str(path), expected="TOML", found=str(error), fix="Write lines like epochs = 8") from error
    known = {f.name: str(f.type) for part in (Reading, Training, Detecting) for f in dataclasses.fields(part)}
    for name, value in settings.items():
        name = name.replace("-", "_")
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise GlassnetError(
                str(path),
                found=f"{name} is no setting of glassnet",
                fix=f"Did you mean {near[0]}" if near else f"It can set {', '.join(known)}",
            )
        if not _fits(value, known[name]):
            raise GlassnetError(
                f"{path}, {name}", expected=known[name].split(" |")[0], found=repr(value), fix="Mend that line"
            )
    return {name.replace("-", "_"): value for name, value in settings.items()}


def _fits(value: object, kind: str) -> bool:
    allowed: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float), "bool": (bool,)}
    return isinstance(value, allowed[kind.split(" |")[0]]) and (isinstance(value, bool) == (kind == "bool"))
