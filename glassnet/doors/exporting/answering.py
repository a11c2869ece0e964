"""An exported file as a thing that answers: the same questions, the same words, without torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from glassnet.data.boxes.proposals.proposing import Proposals
from glassnet.doors.answers import Box, Prediction, boxes_of
from glassnet.doors.card import Card
from glassnet.doors.detection.inputs import Finds
from glassnet.doors.exporting import runtime
from glassnet.doors.exporting.opened import OnnxFile
from glassnet.doors.exporting.taken import from_file, from_prepared, name_of, picture_taken, takes_prepared
from glassnet.doors.inputs import Input, from_array, read_inputs
from glassnet.doors.predicted import predicted
from glassnet.errors import GlassnetError
from glassnet.training.evaluate import softmax
from glassnet.words import counted

if TYPE_CHECKING:
    import onnxruntime

BATCH = 64
Answer = tuple[NDArray[np.float64], float | None]  # shares of the classes (K,), and strangeness


@dataclass(frozen=True)
class OnnxModel:
    """A classifier's file that answers: what `gn.load("model.onnx")` gives. name: its path.

    folder: where its model lies, if that is known. false_alarms: as Model's.
    """

    card: Card
    session: onnxruntime.InferenceSession
    name: str
    folder: str = ""
    false_alarms: float | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        return self.card.classes

    def __repr__(self) -> str:
        return f"<OnnxModel {self.name}: {counted(len(self.classes), 'class', 'classes')} of {self.card.kind}>"

    @overload
    def predict(self, x: str | Path) -> Prediction: ...

    @overload
    def predict(self, x: list[str] | list[Path] | NDArray[np.generic]) -> list[Prediction]: ...

    def predict(self, x: str | Path | list[str] | list[Path] | NDArray[np.generic]) -> Prediction | list[Prediction]:
        """Says what each input is, as Model.predict does. x: a path, paths, or an array of examples."""
        return predicted(self, x)

    def logits(self, x: NDArray[np.generic]) -> NDArray[np.float64]:
        """The votes (N, K) of examples (N, C, *S) as the net sees them, raw; of sounds only the file itself has any.

        Raises GlassnetError for a wrong array.
        """
        if not takes_prepared(self.card):
            raise GlassnetError(self.name, expected="sounds", found="an array", fix="Give predict the paths of files")
        raw = from_array(x, self.card.preparation, self.card.full_scale)
        parts = [raw[i : i + BATCH] for i in range(0, len(raw), BATCH)]
        return np.concatenate([self._asked(from_prepared(self.card, part))[0] for part in parts])

    def shares(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, K) each class's share of 1; of features, how surely each is there at all. logits: (N, K)."""
        return logits if self.card.unlabelled else softmax(logits)

    def answer(self, asked: Sequence[str]) -> Iterator[Prediction]:
        """Predictions for files, folders, tables, arrays and "-", as they are read."""
        card = self.card
        yield from self.answer_inputs(read_inputs(asked, card.kind, card.preparation, card.full_scale))

    def answer_inputs(self, inputs: Iterable[Input]) -> Iterator[Prediction]:
        """The same, of inputs as they are read. Batches grow: the first answer comes at once, many come fast."""
        inputs, size = iter(inputs), 1
        while batch := list(islice(inputs, size)):
            batch = [self._heard(one) for one in batch]
            found = iter(self._answers([one for one in batch if one.x is not None]))
            for one in batch:
                if one.x is None:
                    yield Prediction(one.name, error=one.error)
                else:
                    yield Prediction.of(one.name, self.classes, *next(found))
            size = min(size * 4, BATCH)

    def _heard(self, one: Input) -> Input:
        """An input, refused where only its spectrogram is there: the graph takes sounds."""
        if one.x is None or one.data or takes_prepared(self.card):
            return one
        return Input(one.name, None, "is no sound but its loudness: of that the model's folder is asked, not its file")

    def _answers(self, asked: Sequence[Input]) -> Iterator[Answer]:
        """Shares and strangeness of inputs that can be answered."""
        if not takes_prepared(self.card):
            for one in asked:  # each is as long as it is
                yield from self._run(from_file(self.card.kind, one.data, self.card.preparation))
        elif asked:
            yield from self._run(from_prepared(self.card, np.stack([one.x for one in asked if one.x is not None])))

    def _run(self, taken: NDArray[np.generic]) -> Iterator[Answer]:
        votes, strange = self._asked(taken)
        for i, one in enumerate(self.shares(votes)):
            yield one, None if strange is None else float(strange[i])

    def _asked(self, taken: NDArray[np.generic]) -> tuple[NDArray[np.float64], NDArray[np.float32] | None]:
        """Votes (N, K), and strangeness (N,) if the file can tell."""
        _, logits, *strange = self.session.run(None, {name_of(self.card): taken})
        return np.asarray(logits, np.float64), np.asarray(strange[0]) if strange else None


@dataclass(frozen=True)
class OnnxDetector(Finds):
    """A detector's file that answers. proposals: where it looks, where its graph doesn't lay regions itself."""

    card: Card
    session: onnxruntime.InferenceSession
    name: str
    proposals: Proposals
    thresholds: tuple[float, ...]
    folder: str = ""

    @property
    def classes(self) -> tuple[str, ...]:
        return self.card.classes

    def __repr__(self) -> str:
        return f"<OnnxDetector {self.name}: {counted(len(self.classes), 'class', 'classes')} of objects>"

    def find(self, data: bytes) -> tuple[tuple[Box, ...], tuple[int, int]]:
        """The boxes on a picture of a file's bytes, and its width and height. Raises Unreadable."""
        taken = picture_taken(data, self.proposals)
        boxes, scores, labels = self.session.run(None, taken)
        height, width, _ = taken["pixels"].shape
        return boxes_of((boxes, scores, labels), self.classes, self.thresholds), (width, height)


def open_for(place: Path, file: OnnxFile | None) -> OnnxModel | OnnxDetector | None:
    """What answers for a model folder or an exported file that was looked at; None where a folder's net must itself.

    Raises GlassnetError for a file that can't answer, where no folder is there to.
    """
    if file is None:
        return None
    if not place.is_dir():
        return open_file(file)
    try:
        return open_file(file, str(place))
    except GlassnetError:
        return None


def open_file(file: OnnxFile, folder: str = "") -> OnnxModel | OnnxDetector:
    """Makes a file ready to answer. folder: where its model lies. Raises GlassnetError where that can't be."""
    opened = runtime.session(file.data, str(file.path))
    if not file.card.is_detector:
        return OnnxModel(file.card, opened, str(file.path), folder, file.false_alarms)
    facts = file.card.detector
    try:
        proposals = Proposals.from_json(facts["proposals"])
        thresholds = tuple(float(one) for one in facts["thresholds"])  # type: ignore[attr-defined]  # TypeError is met
    except (KeyError, ValueError, TypeError) as error:
        fix = "Export it again"
        raise GlassnetError(str(file.path), found="its card lacks how a detector looks", fix=fix) from error
    return OnnxDetector(file.card, opened, str(file.path), proposals, thresholds, folder)
