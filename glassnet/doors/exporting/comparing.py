"""What left glassnet beside what stays: the same files asked of both, and how far their answers lie apart."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from glassnet.data.decoding import read_bytes
from glassnet.data.kind import Unreadable
from glassnet.doors.card import Card
from glassnet.doors.detection.model import DetectorModel
from glassnet.doors.examples import find_examples
from glassnet.doors.exporting import runtime
from glassnet.doors.exporting.answering import OnnxModel
from glassnet.doors.exporting.taken import from_file, name_of, picture_taken, takes_files
from glassnet.doors.inputs import Input, read_data
from glassnet.doors.model import Model
from glassnet.errors import GlassnetError

if TYPE_CHECKING:
    import onnxruntime

MADE_UP = 4  # examples of noise, each of another size
ALLOWED = 0.01  # of a share or a score, between the two answers
ALLOWED_SHARE = 0.01  # of a picture's longer side, between two boxes that are alike
ALLOWED_WHOLE = 0.05  # the same where one of them was found in whole numbers
FILES = 20  # examples from files, at most


@dataclass(frozen=True)
class Compared:
    """largest: between two shares of a class, or two scores of a box. strangest: between two measures of strangeness.

    farthest: between two edges of a box, in pixels. alone: boxes that one of them found by itself. examples: from
    files. made_up: of noise.
    """

    examples: int
    made_up: int
    largest: float
    strangest: float | None = None
    farthest: float | None = None
    alone: int | None = None


@dataclass(frozen=True)
class Apart:
    """Two lists of boxes. score, place: the largest difference of two scores, and of two edges, among like boxes.

    alone: the scores of boxes that have no like in the other list.
    """

    score: float
    place: float
    alone: tuple[float, ...]


def compare(model: Model | DetectorModel, made: bytes, refuse: bool = True) -> Compared:
    """Asks both. refuse: whether to raise GlassnetError where they answer differently; else noise, of which the model
    knows nothing, is asked about only where no files are there.
    """
    session = runtime.session(made, "the exported file")
    if isinstance(model, DetectorModel):
        return _detector(model, session, refuse)
    files = list(_files(model.folder, model.card))
    noise = []
    if takes_files(model.card) and (refuse or not files):
        noise = [(f"noise {i}", data) for i, data in enumerate(made_up(model.card))]
    asked = [_asked(name, data, model.card) for name, data in [*files, *noise]] or _arrays(model.card)
    inputs, largest, strangest = [one for one, _ in asked], 0.0, 0.0
    others = OnnxModel(model.card, session, "the exported file").answer_inputs(inputs)  # as `predict` asks the file
    for (one, raw), answer, other in zip(asked, model.answer_inputs(inputs), others, strict=True):
        assert answer.votes is not None and other.votes is not None, "it could be read"
        probabilities, _, *strange = session.run(None, {name_of(model.card): raw})
        mine = np.array([answer.votes[name] for name in model.classes])
        prepared = np.array([other.votes[name] for name in model.classes])
        difference = float(np.abs(np.stack([probabilities[0], prepared]) - mine).max())
        _refuse(difference, ALLOWED if refuse else np.inf, one.name)
        largest = max(largest, difference)
        if strange and answer.strangeness is not None:
            strangest = max(strangest, abs(float(strange[0][0]) - answer.strangeness))
    return Compared(len(files), len(asked) - len(files), largest, strangest if model.familiar is not None else None)


def _asked(name: str, data: bytes, card: Card) -> tuple[Input, NDArray[np.generic]]:
    """A file as glassnet reads it, and what the graph takes of it."""
    read = read_data(name, data, card.kind, card.preparation, card.full_scale)
    return read, from_file(card.kind, data, card.preparation)


def _arrays(card: Card) -> list[tuple[Input, NDArray[np.generic]]]:
    """Noise in the shape of what a model learnt from, where that lay in no file of its kind."""
    random = np.random.default_rng(0)
    mean, std = (np.array(values) * card.full_scale for values in (card.normalisation.mean, card.normalisation.std))
    axes = (-1, *[1] * (len(card.preparation.shape) - 1))
    every = random.normal(size=(MADE_UP, *card.preparation.shape)) * std.reshape(axes) + mean.reshape(axes)
    raw = every.clip(0, 255).astype(np.uint8) if card.full_scale == 255 else every.astype(np.float32)
    return [(Input(f"noise {i}", x), x[None].astype(np.float32)) for i, x in enumerate(raw)]


def made_up(card: Card) -> Iterator[bytes]:
    """Files of noise, each of another size. Speaks no kind's language better than its reader."""
    random = np.random.default_rng(0)
    for i in range(MADE_UP):
        yield NOISE[card.kind](random, card, 0.6 + 0.4 * i)


def _picture(random: np.random.Generator, card: Card, ratio: float) -> bytes:
    height, width = (max(2, round(side * ratio)) for side in card.preparation.shape[1:])
    coarse = Image.fromarray(random.integers(0, 256, (5, 7, 3), np.uint8)).resize((width, height + 3))
    return _saved(coarse)


def _saved(image: Image.Image) -> bytes:
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def _sound(random: np.random.Generator, card: Card, ratio: float) -> bytes:
    import soundfile

    settings = card.preparation.settings
    samples = round(card.preparation.shape[2] * int(settings["hop"]) * ratio)
    data = io.BytesIO()
    loudness = np.abs(np.sin(np.arange(samples) / 997))
    soundfile.write(data, 0.2 * random.normal(size=samples) * loudness, int(settings["rate_hz"]), "FLOAT", format="WAV")
    return data.getvalue()


def _series(random: np.random.Generator, card: Card, ratio: float) -> bytes:
    channels, moments = card.preparation.shape
    every = int(card.preparation.settings.get("every", 1))
    return _npy(random.normal(size=(channels, max(channels, round(moments * every * ratio)))), card)


def _volume(random: np.random.Generator, card: Card, ratio: float) -> bytes:
    channels, *size = card.preparation.shape
    return _npy(random.normal(size=(channels, *(max(2, round(side * ratio)) for side in size))), card)


def _npy(values: NDArray[np.float64], card: Card) -> bytes:
    """Values of the spread that the model's own have."""
    mean, std = (np.array(one) * card.full_scale for one in (card.normalisation.mean, card.normalisation.std))
    axes = (-1, *[1] * (values.ndim - 1))
    spread = values * std.reshape(axes) + mean.reshape(axes)
    data = io.BytesIO()
    np.save(data, spread.clip(0, 255).astype(np.uint8) if card.full_scale == 255 else spread.astype(np.float32))
    return data.getvalue()


def _sentence(random: np.random.Generator, card: Card, ratio: float) -> bytes:
    words = [word for word in str(card.preparation.settings["words"]).split("\n")[2:] if word.isalnum()] or ["word"]
    return " ".join([*random.choice(words, max(1, round(card.preparation.shape[1] * ratio))), "unheard-of"]).encode()


NOISE = {
    "pictures": _picture,
    "sounds": _sound,
    "series": _series,
    "volumes": _volume,
    "sentences": _sentence,
}


def _files(folder: str, card: Card) -> Iterator[tuple[str, bytes]]:
    """Examples that came with the model, or lay in files when it was trained, if they are still there."""
    for name, path in list(find_examples(folder, card.data).items())[:FILES]:
        try:
            data = read_bytes(path)
            read = read_data(name, data, card.kind, card.preparation, card.full_scale)
        except Unreadable:
            continue
        if read.x is not None:
            yield name, data


def _detector(model: DetectorModel, session: onnxruntime.InferenceSession, refuse: bool) -> Compared:
    """The same of a detector: every box of one must be a box of the other, where it is to be refused."""
    files = list(_pictures(model))
    noise = [(f"noise {i}", _scene(i, model)) for i in range(MADE_UP)] if refuse or not files else []
    share = ALLOWED_SHARE if refuse else ALLOWED_WHOLE
    largest, farthest, alone = 0.0, 0.0, 0
    for name, data in [*files, *noise]:
        regions = model.proposals.of(data)
        taken = picture_taken(data, model.proposals, regions)
        one, seen = model.look(data, regions)
        mine = [(model.classes.index(box.label), box.score, *box.box) for box in model.boxes(seen)]
        boxes, scores, labels = session.run(None, taken)
        theirs = np.column_stack([labels, scores, boxes]).reshape(-1, 6)
        found = apart(np.array(mine).reshape(-1, 6), theirs, max(one.size) * share)
        if refuse:
            _refuse(max(found.score, *found.alone, 0.0), ALLOWED, name)
        largest, farthest = max(largest, found.score), max(farthest, found.place)
        alone += len(found.alone)
    return Compared(len(files), len(noise), largest, farthest=farthest, alone=alone)


def apart(one: NDArray[np.float64], other: NDArray[np.float64], near: float) -> Apart:
    """How far two lists of boxes differ.

    Each (n, 6): class, score, x1, y1, x2, y2. Boxes of a class are alike whose edges lie within `near` pixels.
    """
    score, place, alone = 0.0, 0.0, []
    for mine, theirs in ((one, other), (other, one)):
        for box in mine:
            same = theirs[theirs[:, 0] == box[0]]
            edges = np.abs(same[:, 2:] - box[2:]).max(1, initial=0.0)
            if edges.min(initial=np.inf) > near:
                alone.append(float(box[1]))
                continue
            like = int(edges.argmin())
            score, place = max(score, abs(float(same[like, 1] - box[1]))), max(place, float(edges[like]))
    return Apart(score, place, tuple(alone))


def _pictures(model: DetectorModel) -> Iterable[tuple[str, bytes]]:
    """Pictures of what a detector learnt from, if it is still there, from all over it."""
    from glassnet.data.boxes.finding import find_boxes
    from glassnet.steps import finish

    source = Path(str(model.card.data.get("source") or ""))
    found = find_boxes(source) if source.name and source.is_dir() else None
    if found is None:
        return
    data = finish(found.steps())
    for i in np.unique(np.linspace(0, len(data) - 1, MADE_UP).astype(int)).tolist():
        try:
            yield data.pictures[i].name, read_bytes(data.file(i))
        except Unreadable:
            continue


def _scene(seed: int, model: DetectorModel) -> bytes:
    """Patches of colour, in a picture of a size of its own."""
    random = np.random.default_rng(seed)
    height, width = (max(16, round(side * (0.7 + 0.5 * seed))) for side in model.card.preparation.shape[1:])
    coarse = Image.fromarray(random.integers(0, 256, (6, 8, 3), np.uint8))
    return _saved(coarse.resize((width, height), Image.Resampling.NEAREST))


def _refuse(difference: float, allowed: float, name: str) -> None:
    """Refuses a file that says something else than the model. Raises GlassnetError."""
    if difference > allowed:
        raise GlassnetError(
            "the exported file",
            expected=f"the model's own answers, within {allowed:g}",
            found=f"a difference of {difference:.2g} on {name}, so it was not kept",
            fix="Please report it with the model",
        )
