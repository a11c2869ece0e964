"""Where models lie on disk: the names of a model folder's files, and what a folder is. Reads no file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from glassnet import files
from glassnet.errors import GlassnetError

CONFIG, WEIGHTS, SEEN, SUMS = "config.json", "model.safetensors", "seen.npy", "SHA256SUMS"
FAMILIARITY = "familiarity.safetensors"  # models have had it since they can say "none of these"
EXPORTED, EXPORTED_INT8 = "model.onnx", "model-int8.onnx"
METRICS, HISTORY, CARD, REPORT = "metrics.json", "history.csv", "README.md", "report.html"
HIERARCHY = "hierarchy.png"  # of nets that learnt without labels
CHECKPOINTS = "checkpoints"
LAUNCH = "launch.txt"  # beside the checkpoints: which call of torchrun they are of
MODELS = Path("models")  # where models go unless told
ATTEMPTS = 1000  # at a folder of one's own, beside others that want one
ROOM = 20_000_000  # bytes that a training needs at least


def is_model(folder: Path) -> bool:
    """Whether there is a finished model."""
    return (folder / CONFIG).is_file()


def is_exported(path: Path) -> bool:
    """Whether a path is meant as a file that glassnet export made."""
    return path.suffix.lower() == ".onnx" and not path.is_dir()


def is_unfinished(folder: Path) -> bool:
    """Whether a training into this folder was left before its end."""
    return (folder / CHECKPOINTS / "run.json").is_file()


def refuse_no_model(folder: Path) -> None:
    """Raises GlassnetError when no finished model lies in this folder."""
    files.recover_folder(folder)
    if not folder.exists():
        raise GlassnetError(str(folder), expected="a model folder", found="nothing there", fix="Check the path")
    if not is_model(folder):
        if is_unfinished(folder):
            fix = f"Go on with it: glassnet train {folder} --resume"
            raise GlassnetError(str(folder), found="its training has not ended", fix=fix)
        what = "a file" if folder.is_file() else "a folder without config.json"
        fix = "Train one with glassnet train, and name its folder"
        if is_exported(folder):
            what, fix = "an exported file, which predict and serve alone can ask", "Name the folder of its model"
        raise GlassnetError(str(folder), expected="a model folder", found=what, fix=fix)


def refuse_nothing_to_ask(place: Path) -> None:
    """Raises GlassnetError where there is neither a finished model nor an exported file."""
    if not is_exported(place):
        refuse_no_model(place)
    elif not place.is_file():
        found = "no ordinary file" if place.exists() else "nothing there"
        raise GlassnetError(str(place), expected="an exported file", found=found, fix="Check the path")


@contextmanager
def room_for(title: str, out: Path | None, overwrite: bool = False) -> Iterator[Path]:
    """Where a new model goes: `out`, or a folder of its own, taken away at the end (and models/) if nothing came of it.

    Raises GlassnetError rather than overwrite.
    """
    if out is not None:
        yield choose_out(out, overwrite)
        return
    folder = reserved(title)
    try:
        yield folder
    finally:
        with suppress(OSError):
            folder.rmdir()
            MODELS.rmdir()


def reserved(title: str, *others: Path) -> Path:
    """models/TITLE-N, N counting up, made so that no other training takes it. others: folders whose names count too.

    Raises GlassnetError.
    """
    quicker: OSError | None = None
    for _ in range(ATTEMPTS):
        last = max((number for folder in (MODELS, *others) for number in _numbered(folder, title)), default=0)
        out = MODELS / f"{title}-{last + 1}"
        files.check_room(out, ROOM)
        files.recover_folder(out)
        try:
            out.mkdir(parents=True)
        except (FileExistsError, FileNotFoundError) as error:  # another took it, or took an empty models/ away
            quicker = error
        except OSError as error:
            raise files.cannot_write(out, error) from error
        else:
            return out
    assert quicker is not None
    raise files.cannot_write(MODELS, quicker) from quicker


def choose_out(out: Path, overwrite: bool = False) -> Path:
    """A folder that is named for a new model. Raises GlassnetError rather than overwrite."""
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


def unfinished_of(launch: str, title: str, out: Path | None) -> Path | None:
    """The folder of a training that this call of torchrun began in an earlier round: `out`, or models/TITLE-N."""
    places = [out] if out is not None else [path for _, path in sorted(_numbered(MODELS, title).items())]
    for folder in reversed(places):
        note = folder / CHECKPOINTS / LAUNCH
        if launch and is_unfinished(folder) and note.is_file() and note.read_text("utf-8") == launch:
            return folder
    return None


def _numbered(parent: Path, title: str) -> dict[int, Path]:
    found = {}
    for path in parent.glob(f"{title}-*") if parent.is_dir() else ():
        number = path.name.removeprefix(f"{title}-")
        if number.isdecimal():
            found[int(number)] = path
    return found
