"""What `import glassnet as gn` offers beside the deck's operations: read, train, explain, features."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from glassnet.config import Reading, Training
from glassnet.data import xo as generator
from glassnet.data.dataset import Dataset
from glassnet.data.xo import Range
from glassnet.doors.detection.explained import explained_steps
from glassnet.doors.detection.inputs import no_right_class, read_picture
from glassnet.doors.detection.model import DetectorModel
from glassnet.doors.exporting.needed import refuse_no_onnx
from glassnet.doors.folder import choose_out
from glassnet.doors.inputs import Input, find_data, from_array, read_one, right_class
from glassnet.doors.loading import refuse_file
from glassnet.doors.material import choose, find_material, refuse_detector, refuse_others
from glassnet.doors.model import BATCH, Model
from glassnet.doors.optional import USUAL_MINUTES, refuse_no_optuna
from glassnet.doors.run import Finished, run
from glassnet.doors.why import explain_input
from glassnet.errors import GlassnetError
from glassnet.explaining.detections import ExplainedBoxes
from glassnet.explaining.explanation import Explanation
from glassnet.explaining.features import Asked, Features
from glassnet.explaining.features import Progress as FeaturesProgress
from glassnet.explaining.features import find as find_features
from glassnet.explaining.inline import dataset_inline
from glassnet.nets import zoo
from glassnet.steps import finish
from glassnet.training.suitability import Suitability, examine

if TYPE_CHECKING:
    from glassnet.doors.exporting.exporting import Exported
    from glassnet.doors.tuned import Tuned


def read(
    data: str | Path,
    *,
    kind: str | None = None,
    size: int | None = None,
    path: str | None = None,
    label: str | None = None,
    text: str | None = None,
    fold: int | None = None,
) -> Dataset:
    """Reads a data set: a folder, a table, an .npz file, or built-in data ("xo", "digits").

    kind: what it holds, if it is taken for the wrong one. size: longer side of the pictures, chosen unless given. path,
    label, text: columns of a table. fold: the one to test on, of a table's column of folds. Raises GlassnetError.
    """
    return replace(find_data(data, Reading(kind, size, path, label, text, fold)).read(), drawn=dataset_inline)


def xo(
    count: int = 4000,
    *,
    size: int = 9,
    translate: Range | None = None,
    scale: Range | None = None,
    rotate: Range | None = None,
    weight: Range | None = None,
    seed: int = 0,
) -> Dataset:
    """The slides' X's and O's, each example with its own shift, size, turn and stroke from these ranges (low, high).

    translate: pixels. scale: 1 fills the picture but for one pixel. rotate: degrees. weight: pixels. A range that is
    left out is that of all four trickier cases. Raises GlassnetError for a range that can't be.
    """
    usual = generator.trickier(generator.Knobs(size).size)
    knobs = generator.Knobs(
        size, translate or usual.translate, scale or usual.scale, rotate or usual.rotate, weight or usual.weight
    )
    return replace(finish(generator.read_steps(knobs, count, seed)), drawn=dataset_inline)


def train(
    data: Dataset | str | Path,
    *,
    net: str | None = None,
    weights: str | None = None,
    epochs: int | None = None,
    minutes: float | None = None,
    batch: int | None = None,
    learning_rate: float | None = None,
    augment: bool = True,
    seed: int = 0,
    device: str = "auto",
    threads: int | None = None,
    precision: str = "auto",
    out: str | Path | None = None,
) -> Model:
    """Trains a net, tests it once, and returns it. With `out` it leaves a model folder there.

    data: a data set, or what `read` takes; for a net that learns without labels also a folder of examples without
    classes. What is left open is chosen from the data and the machine. Raises GlassnetError.
    """
    unlabelled = net is not None and zoo.named_belief(net)
    dataset = data if isinstance(data, Dataset) else find_data(data, unlabelled=unlabelled).read()
    settings = Training(net, weights, epochs, minutes, batch, learning_rate, augment, seed, device, threads, precision)
    folder = choose_out(Path(out)) if out is not None else None
    finished = None
    for event in run(dataset, settings, folder, "" if isinstance(data, Dataset) else str(data)):
        finished = event
    assert isinstance(finished, Finished), "a run ends with its model"
    return finished.model


def tune(
    data: Dataset | str | Path,
    *,
    out: str | Path,
    trials: int | None = None,
    minutes: float | None = None,
    storage: str | None = None,
    net: str | None = None,
    weights: str | None = None,
    epochs: int | None = None,
    batch: int | None = None,
    learning_rate: float | None = None,
    augment: bool = True,
    seed: int = 0,
    device: str = "auto",
    threads: int | None = None,
    precision: str = "auto",
) -> Tuned:
    """Searches the knobs of net and training, trains and tests the best net; `gn.load(found.model)` opens it.

    out: a folder for the search; called again with the same one it goes on. trials: nets to try in all. minutes: for
    all of it, 20 where trials isn't given. storage: a database's URL that several processes share. What is set is not
    searched. Raises GlassnetError, also where optuna is missing (glassnet[tune]).
    """
    refuse_no_optuna()
    from glassnet.doors.tuned import Tuned
    from glassnet.doors.tuning import Wanted  # optuna, which only this needs
    from glassnet.doors.tuning import tune as search

    dataset = data if isinstance(data, Dataset) else read(data)
    settings = Training(net, weights, epochs, minutes, batch, learning_rate, augment, seed, device, threads, precision)
    wanted = Wanted(Path(out), trials, minutes or (None if trials else USUAL_MINUTES), storage)
    found = None
    for event in search(dataset, settings, wanted, "" if isinstance(data, Dataset) else str(data)):
        found = event
    assert isinstance(found, Tuned), "a search ends with what it came to"
    return found


def check(data: str | Path | Dataset, seed: int = 0) -> Suitability:
    """Whether a ConvNet is right for data: whether the order of its places matters, and what else does as well.

    Takes some seconds to some minutes. Raises GlassnetError.
    """
    return finish(examine(data if isinstance(data, Dataset) else read(data), seed))


def export(model: Model | DetectorModel, path: str | Path, int8: Dataset | str | Path | bool = False) -> Exported:
    """Writes a model as an ONNX file that holds the preparation of raw examples too, for other programs to run.

    It is compared with the model before it is kept. int8: whether its products are of whole numbers, smaller and
    faster; calibrated and measured on the data that is named, or on what the model learnt from. Raises GlassnetError
    where a package for it is missing (glassnet[onnx]), or where its answers differ too much.
    """
    refuse_file(model, "export")
    refuse_no_onnx()
    from glassnet.doors.exporting.exporting import export_model, find_pictures  # onnx

    if isinstance(model, DetectorModel):
        return export_model(model, Path(path), find_pictures(model.card, int8) if int8 else None)
    if int8 is False or isinstance(int8, Dataset):
        return export_model(model, Path(path), int8 or None)
    source, _ = find_material(model.card, None if int8 is True else str(int8), Reading())
    return export_model(model, Path(path), source.read())


@overload
def explain(model: Model, x: str | Path | NDArray[np.generic], right: str | None = None) -> Explanation: ...
@overload
def explain(model: DetectorModel, x: str | Path | NDArray[np.generic], right: None = None) -> ExplainedBoxes: ...
def explain(
    model: Model | DetectorModel, x: str | Path | NDArray[np.generic], right: str | None = None
) -> Explanation | ExplainedBoxes:
    """Why a model answers one example as it does: every step, every sum, every vote. A detector's boxes, each.

    x: a file's path, or an array (C, *S) or (*S). right: the class that would be right, for the table of its error; by
    default the file's folder where that is a class. A detector takes a picture's path and no class. Raises
    GlassnetError when it can't be read.
    """
    refuse_file(model, "explain")
    if isinstance(model, DetectorModel):
        return _explain_boxes(model, x, right)
    card = model.card
    if not isinstance(x, np.ndarray):
        right = right_class(card.classes, str(x), right)
        return explain_input(model, read_one(str(x), card.kind, card.preparation, card.full_scale), right)
    right = right_class(card.classes, "", right)
    batch = from_array(x, card.preparation, card.full_scale)
    if len(batch) != 1:
        raise GlassnetError("explain", expected="one example", found=f"{len(batch)}", fix="Ask about one at a time")
    return explain_input(model, Input("array", batch[0]), right)


def _explain_boxes(model: DetectorModel, x: object, right: str | None) -> ExplainedBoxes:
    if right is not None:
        raise no_right_class()
    if not isinstance(x, (str, Path)):
        raise GlassnetError("explain", expected="a picture's path", found="an array", fix="Save it as a PNG")
    return finish(explained_steps(model, str(x), read_picture(str(x))))


def features(model: Model, data: Dataset | str | Path | None = None, seed: int = 0) -> Features:
    """What each feature of each layer of a model answers to, found in a data set: in what it learnt from unless given.

    Takes some seconds to some minutes. Raises GlassnetError when the data isn't there, or is of another sort.
    """
    refuse_file(model, "features")
    refuse_detector(model.card, model.folder)
    if isinstance(data, Dataset):
        return finish(features_steps(model, data, data.name, seed))
    source, named = find_material(model.card, None if data is None else str(data), Reading())
    return finish(features_steps(model, source.read(), named, seed))


def features_steps(
    model: Model, dataset: Dataset, named: str, seed: int = 0
) -> Generator[FeaturesProgress, None, Features]:
    """The same, of a data set that is read already, telling how far it is. named: what the data is called."""
    card = model.card
    refuse_others(card, named, dataset.kind, dataset.shape, dataset.classes)
    rows, about = choose(dataset, model.seen, seed)
    if card.unlabelled:
        y = np.concatenate(
            [model.logits(dataset.samples.x[some]).argmax(1) for some in np.array_split(rows, -(-len(rows) // BATCH))]
        )
        about += (
            " They come without labels: each counts for the feature of the highest machine that it brings out most."
        )
    else:
        places = np.array([card.classes.index(name) for name in dataset.classes], np.int64)
        y = places[dataset.samples.y[rows]]
    return find_features(
        Asked(model.name, named, about, model.net, card.classes, card.normalisation, model.look, dataset, rows, y, seed)
    )
