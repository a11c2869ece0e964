"""Model: a trained net with all that is needed to use it. Saved without pickle, opened with its checksums verified."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import overload

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray

from glassnet import files
from glassnet.data.dataset import Array
from glassnet.data.kinds import KINDS
from glassnet.data.loader import to_tensor
from glassnet.doors import folder as layout
from glassnet.doors.answers import Prediction
from glassnet.doors.card import Card, read_card
from glassnet.doors.inputs import Input, read_inputs
from glassnet.doors.material import refuse_detector
from glassnet.doors.predicted import predicted
from glassnet.doors.saving import write_model
from glassnet.errors import GlassnetError
from glassnet.nets.convnet import ConvNet
from glassnet.nets.network import BothWays, Criterion
from glassnet.nets.text import parse
from glassnet.training.evaluate import softmax
from glassnet.training.familiarity import Familiarity, of_windows
from glassnet.training.seeing import views_of, voting
from glassnet.words import counted, interval, percent

BATCH = 64


@dataclass(frozen=True)
class Model:
    """A trained net. card: its config. metrics: what was measured. history: CSV. seen: digests it learnt from.

    familiar: what tells whether an example is none of the classes; None in models of before there was such a thing.
    """

    net: ConvNet
    card: Card
    metrics: Mapping[str, object]
    history: str
    seen: NDArray[np.uint64]
    folder: str = ""
    familiar: Familiarity | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        return self.card.classes

    @property
    def name(self) -> str:
        """The folder it was opened from, else what it learnt from."""
        return self.folder or str(self.card.data.get("name", "the model"))

    def __repr__(self) -> str:
        count = len(self.classes)
        told = counted(count, "feature") if self.card.unlabelled else counted(count, "class", "classes")
        return f"<Model {self.name}: {told} of {self.card.kind}>"

    def _repr_html_(self) -> str:
        """As a notebook shows it: its layers, and what it is worth."""
        from glassnet.explaining.inline import model_inline  # pages, which only this needs

        worth = self.tested or self._right_on("val", "held-out") or "What it is worth was not measured."
        return model_inline(self.name, self.net, self.classes, self.card.kind, worth, self.card.unlabelled)

    @property
    def tested(self) -> str:
        """A sentence on what it is worth, if that is known."""
        return self._right_on("test", "test")

    def _right_on(self, side: str, words: str) -> str:
        found = self.metrics.get(side)
        if not isinstance(found, dict):
            return ""
        if self.card.unlabelled:
            share = f"{percent(found['explained'])} ({interval(found['explained_low'], found['explained_high'])})"
            return f"It learnt without labels; of {found['examples']:,} {words} {self.card.kind} it says {share} again."
        share = f"{percent(found['accuracy'])} ({interval(found['low'], found['high'])})"
        return f"On {found['examples']:,} {words} {self.card.kind} this net is right on {share}."

    @property
    def false_alarms(self) -> float | None:
        """The share of real test examples that it took for none of these, if that was measured."""
        found = self.metrics.get("none_of_these")
        return float(found["share"]) if isinstance(found, dict) else None

    @property
    def criterion(self) -> Criterion:
        """How its training counted wrong answers."""
        recipe = self.card.training.get("recipe")
        facts = recipe if isinstance(recipe, dict) else {}
        weight = facts.get("class_weight")
        return Criterion(float(facts.get("smoothing", 0)), torch.tensor(weight) if weight else None)

    @property
    def temperature(self) -> float:
        """What its votes were divided by after training."""
        found = self.card.training.get("temperature")
        return float(found) if isinstance(found, (int, float)) else 1.0

    @property
    def device(self) -> torch.device:
        return next(self.net.parameters()).device

    def save(self, folder: str | Path) -> Path:
        """Writes the model folder, whole or not at all. Raises GlassnetError when something is there already."""
        path = Path(folder)
        if path.exists() and any(path.iterdir()):
            raise GlassnetError(
                str(path), expected="a new or empty folder", found="something there", fix="Choose another"
            )
        files.check_room(path, 0)
        with files.new_folder(path) as new:
            self.write(new)
        return path

    def write(self, folder: Path) -> None:
        """Writes the files of a model into a folder that is being filled."""
        if self.familiar is not None:
            files.write_file(folder / layout.FAMILIARITY, self.familiarity())
        write_model(folder, self.net, self.card, self.metrics, self.history, self.seen)

    def familiarity(self) -> bytes:
        """The file of what tells strange examples."""
        assert self.familiar is not None, "a model that can tell"
        return safetensors.torch.save(self.familiar.tensors())

    @staticmethod
    def load(folder: str | Path, device: str = "cpu") -> Model:
        """Opens a model folder. Raises GlassnetError when it is damaged, from a newer glassnet, or not one of ours."""
        path = Path(folder)
        card = read_card(path)
        refuse_detector(card, str(path))
        net = ConvNet(parse(card.net), card.preparation.shape, len(card.classes))
        try:
            net.load_state_dict(safetensors.torch.load_file(path / layout.WEIGHTS))
            seen = np.load(path / layout.SEEN, allow_pickle=False)
            familiar = _familiar(path / layout.FAMILIARITY)
        except (RuntimeError, ValueError, KeyError, OSError, safetensors.SafetensorError) as error:
            found = "its weights don't fit its net"
            raise GlassnetError(str(path), found=found, fix="Take a copy of it, or train it again") from error
        net, metrics, history = net.eval().to(device), _json(path / layout.METRICS), _text(path / layout.HISTORY)
        return Model(net, card, metrics, history, seen, str(path), familiar)

    def look(self, x: NDArray[np.generic]) -> torch.Tensor:
        """What the net sees of raw examples. x: (N, C, *S) bytes or floats. Returns (N, C, *S), normalised."""
        return to_tensor(x, self.card.normalisation, self.card.full_scale, self.device)

    def logits(self, x: NDArray[np.generic]) -> NDArray[np.float64]:
        """The votes of raw examples (N, C, *S), as (N, K) logits, computed in float32."""
        net = BothWays(self.net) if self.card.both_ways else self.net
        with torch.inference_mode():
            return np.asarray(net(self.look(x)).cpu().numpy(), np.float64)

    def shares(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, K) what logits (N, K) come to: each class's share of 1; of features, how surely each is there at all."""
        return logits if self.card.unlabelled else softmax(logits)

    def answer_of(self, x: NDArray[np.generic]) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        """Of raw examples (N, C, *S) the logits (N, K), and how strange they are (N,), if the model can tell."""
        if self.familiar is None:
            return self.logits(x), None
        with voting(self.net) as voted:  # of mirror images too, where both are asked about, after the others
            logits = self.logits(x)
        with torch.inference_mode():
            seen = views_of(self.look(x), voted[0][: len(x)], KINDS[self.card.kind].looked_up)
            return logits, self.familiar.strangeness(seen)

    @overload
    def predict(self, x: str | Path) -> Prediction: ...

    @overload
    def predict(self, x: list[str] | list[Path] | NDArray[np.generic]) -> list[Prediction]: ...

    def predict(self, x: str | Path | list[str] | list[Path] | NDArray[np.generic]) -> Prediction | list[Prediction]:
        """Says what each input is. x: a path (one prediction), paths, or an array of examples (a list of them).

        A file that can't be read gives a prediction with an error. Raises GlassnetError for a wrong array or table.
        """
        return predicted(self, x)

    def answer(self, asked: Sequence[str]) -> Iterator[Prediction]:
        """Predictions for files, folders, tables, arrays and "-", as they are read."""
        card = self.card
        yield from self.answer_inputs(read_inputs(asked, card.kind, card.preparation, card.full_scale))

    def answer_inputs(self, inputs: Iterable[Input]) -> Iterator[Prediction]:
        """The same, of inputs as they are read. Batches grow: the first answer comes at once, many come fast."""
        inputs, size = iter(inputs), 1
        while batch := list(islice(inputs, size)):
            parts = [_parts(one) for one in batch if one.x is not None]
            found = self._answers(parts) if parts else iter(())
            for one in batch:
                yield (
                    Prediction.of(one.name, self.classes, *next(found))
                    if one.x is not None
                    else Prediction(one.name, error=one.error)
                )
            size = min(size * 4, BATCH)

    def _answers(self, parts: Sequence[Array]) -> Iterator[tuple[NDArray[np.float64], float | None]]:
        """Shares (K,) and strangeness of inputs, each of some windows (m, C, *S): the logits' mean over its windows."""
        ends = np.cumsum([len(part) for part in parts])[:-1]
        every = np.concatenate(parts)
        logits, strange = zip(*(self.answer_of(every[i : i + BATCH]) for i in range(0, len(every), BATCH)), strict=True)
        shares = self.shares(np.stack([one.mean(0) for one in np.split(np.concatenate(logits), ends)]))
        known = [part for part in strange if part is not None]
        if not known:
            return ((one, None) for one in shares)
        windows = np.split(np.concatenate(known), ends)
        return ((one, of_windows(mine.tolist())) for one, mine in zip(shares, windows, strict=True))


def _familiar(path: Path) -> Familiarity | None:
    return Familiarity.of(safetensors.torch.load_file(path)) if path.is_file() else None


def _parts(one: Input) -> Array:
    """What is asked about an input, (m, C, *S)."""
    assert one.x is not None, "it could be read"
    return one.windows if one.windows is not None else one.x[None]


def _json(path: Path) -> Mapping[str, object]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}  # figures for people; a model works without them
    return value if isinstance(value, dict) else {}


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError):
        return ""
