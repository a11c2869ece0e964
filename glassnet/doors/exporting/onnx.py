"""A model as an ONNX file: the graph of all it does with a raw example, and in its metadata what programs must know."""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from glassnet.data.kinds import KINDS
from glassnet.doors.answers import SHOWN
from glassnet.doors.card import Card, card_json
from glassnet.doors.detection.model import DetectorModel
from glassnet.doors.exporting.classifier import Classifier
from glassnet.doors.exporting.detector import WholeDetector
from glassnet.doors.exporting.metadata import sealed
from glassnet.doors.exporting.opened import CARD, FALSE_ALARMS, MADE_OF
from glassnet.doors.exporting.taken import name_of, takes_files
from glassnet.doors.folder import FAMILIARITY, WEIGHTS
from glassnet.doors.model import Model
from glassnet.doors.saving import weights_of
from glassnet.training.detection.detecting import MOST

if TYPE_CHECKING:
    from collections.abc import Sequence

OPSET = 18


@dataclass(frozen=True)
class Taken:
    """What a graph takes: the name, the names of its axes (numbers where they are fixed), and an example of it."""

    name: str
    axes: tuple[str | int, ...]
    example: torch.Tensor


def to_onnx(model: Model | DetectorModel) -> bytes:
    """The whole file, ready to be written."""
    whole, facts = nn.Module(), facts_of(model)  # before anything is brought to another precision
    if isinstance(model, DetectorModel):
        whole, taken, given = WholeDetector(model), detector_inputs(model), ["candidates", "candidate_scores"]
    else:
        whole, taken = Classifier(model), (classifier_input(model.card),)
        given = ["probabilities", "logits", *(["strangeness"] if model.familiar is not None else [])]
    made = _exported(whole.eval(), taken, given)
    if isinstance(model, DetectorModel):
        _leave_one_for_each(made.graph, model)
    elif KINDS[model.card.kind].looked_up:
        _look_up_words(made, str(model.card.preparation.settings["words"]).split("\n"))
    helper.set_model_props(made, facts)
    made.producer_name, made.doc_string = "glassnet", f"{model.card.kind}: {', '.join(model.classes)}"
    onnx.checker.check_model(made, full_check=True)
    return sealed(bytes(made.SerializeToString()))


def facts_of(model: Model | DetectorModel) -> dict[str, str]:
    """Metadata: the classes, the model's card, by which glassnet reads files for it, and what the file is made of."""
    parts = {WEIGHTS: weights_of(model.net)}
    facts = {"classes": json.dumps(model.classes, ensure_ascii=False), CARD: card_json(model.card)}
    if isinstance(model, Model):
        if model.familiar is not None:
            parts[FAMILIARITY] = model.familiarity()
        facts[FALSE_ALARMS] = json.dumps(model.false_alarms)
    return facts | {MADE_OF: json.dumps({name: hashlib.sha256(data).hexdigest() for name, data in parts.items()})}


def classifier_input(card: Card) -> Taken:
    """What a classifier's graph takes: a batch of raw examples of one size."""
    shape = card.preparation.shape
    if not takes_files(card):
        return Taken(name_of(card), ("batch", *shape), torch.zeros(2, *shape))
    match card.kind:
        case "pictures":
            return Taken("pixels", ("batch", "height", "width", 3), torch.zeros(2, 21, 34, 3, dtype=torch.uint8))
        case "sounds":
            return Taken("samples", ("batch", "samples"), torch.zeros(2, int(card.preparation.settings["rate_hz"])))
        case "series":
            return Taken("series", ("batch", shape[0], "moments"), torch.zeros(2, shape[0], shape[1] + 3))
        case "volumes":
            example = torch.zeros(2, shape[0], shape[1] + 1, shape[2] + 3, shape[3] + 5)
            return Taken("volumes", ("batch", shape[0], "slices", "rows", "columns"), example)
        case "sentences":
            return Taken("words", ("batch", "words"), torch.zeros(2, shape[1] + 3, dtype=torch.int64))
    raise AssertionError(f"a kind without a way in: {card.kind}")


def detector_inputs(model: DetectorModel) -> tuple[Taken, ...]:
    """What a detector's graph takes: one picture, and regions where no graph can propose them."""
    picture = Taken("pixels", ("height", "width", 3), torch.zeros(210, 340, 3, dtype=torch.uint8))
    if model.proposals.kind == "grid":
        return (picture,)
    regions = torch.tensor([[10.0, 10, 60, 60], [30, 40, 90, 90], [3, 4, 200, 100]])
    return picture, Taken("regions", ("regions", 4), regions)


def _exported(whole: nn.Module, taken: Sequence[Taken], given: Sequence[str]) -> onnx.ModelProto:
    """The graph of a module."""
    names = {axis for one in taken for axis in one.axes if isinstance(axis, str)}
    sizes = {name: torch.export.Dim(name) for name in names}
    shapes = tuple({i: sizes[axis] for i, axis in enumerate(one.axes) if isinstance(axis, str)} for one in taken)
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter's own remarks on what it uses
            program = torch.onnx.export(
                whole,
                tuple(one.example for one in taken),
                dynamo=True,
                opset_version=OPSET,
                dynamic_shapes=shapes,
                input_names=[one.name for one in taken],
                output_names=list(given),
                verbose=False,
            )
    finally:
        logging.disable(before)
    assert program is not None, "dynamo gives a program"
    return program.model_proto


def _look_up_words(made: onnx.ModelProto, words: Sequence[str]) -> None:
    """Lets a graph of numbers of words take the words themselves."""
    graph = made.graph
    name = graph.input[0].name
    for node in graph.node:
        node.input[:] = ["numbers" if one == name else one for one in node.input]
    graph.input[0].type.tensor_type.elem_type = TensorProto.STRING
    node = helper.make_node(
        "LabelEncoder", [name], ["numbers"], domain="ai.onnx.ml",
        keys_strings=list(words), values_int64s=list(range(len(words))), default_int64=1,
    )  # fmt: skip
    graph.node.insert(0, node)
    made.opset_import.append(helper.make_opsetid("ai.onnx.ml", 2))


def _leave_one_for_each(graph: onnx.GraphProto, model: DetectorModel) -> None:
    """Lets a graph end in the boxes that stay: non-maximum suppression a class, the surest first."""
    shown = [min(SHOWN, threshold) for threshold in model.thresholds]
    values: dict[str, NDArray[np.generic]] = {
        "most": np.array(MOST, np.int64), "overlap": np.array(model.limits.most, np.float32),
        "zero": np.array(0, np.float32), "one": np.array([1], np.int64), "none": np.array([0], np.int64),
        "two": np.array([2], np.int64), "three": np.array([3], np.int64), "line": np.array([-1], np.int64),
        "shown": np.array(shown, np.float32),
    }  # fmt: skip
    for name, value in values.items():
        graph.initializer.append(numpy_helper.from_array(value, f"stay_{name}"))
    for kind, inputs, output, axis in STAY:
        named = [one if one.startswith("candidate") else f"stay_{one}" for one in inputs]
        outputs = [one if one in OUTPUTS else f"stay_{one}" for one in output]
        node = helper.make_node(kind, named, outputs)
        if axis is not None:
            node.attribute.append(helper.make_attribute("axis", axis))
        graph.node.append(node)
    del graph.output[:]
    graph.output.extend(
        helper.make_tensor_value_info(name, dtype, shape)
        for name, (dtype, shape) in OUTPUTS.items()
    )  # fmt: skip


OUTPUTS: dict[str, tuple[int, list[str | int]]] = {
    "boxes": (TensorProto.FLOAT, ["objects", 4]),
    "scores": (TensorProto.FLOAT, ["objects"]),
    "labels": (TensorProto.INT64, ["objects"]),
}
STAY: tuple[tuple[str, list[str], list[str], int | None], ...] = (
    ("Unsqueeze", ["candidate_scores", "one"], ["each"], None),
    ("NonMaxSuppression", ["candidates", "each", "most", "overlap", "zero"], ["kept"], None),  # (m, 3): class, 0, place
    ("Slice", ["kept", "none", "one", "one"], ["class_column"], None),
    ("Slice", ["kept", "two", "three", "one"], ["place_column"], None),
    ("Concat", ["class_column", "place_column"], ["places"], 1),
    ("Reshape", ["class_column", "line"], ["classes"], None),
    ("GatherND", ["candidate_scores", "places"], ["some_scores"], None),
    ("GatherND", ["candidates", "places"], ["some_boxes"], None),
    ("Gather", ["shown", "classes"], ["least"], None),
    ("GreaterOrEqual", ["some_scores", "least"], ["is_shown"], None),
    ("Compress", ["some_scores", "is_shown"], ["told_scores"], 0),
    ("Compress", ["some_boxes", "is_shown"], ["told_boxes"], 0),
    ("Compress", ["classes", "is_shown"], ["told_classes"], 0),
    ("Shape", ["told_scores"], ["count"], None),
    ("TopK", ["told_scores", "count"], ["scores", "order"], None),
    ("Gather", ["told_boxes", "order"], ["boxes"], None),
    ("Gather", ["told_classes", "order"], ["labels"], None),
)
