"""From a model to a file that other programs run: made, asked beside the model, and kept only if both answer alike."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import onnx

from glassnet import files
from glassnet.data.boxes.annotated import BoxData
from glassnet.data.dataset import Dataset
from glassnet.doors.detection.model import DetectorModel
from glassnet.doors.exporting.comparing import Compared, compare
from glassnet.doors.exporting.int8 import Quantised, quantised
from glassnet.doors.exporting.int8_boxes import find_pictures as find_pictures
from glassnet.doors.exporting.int8_boxes import quantised_boxes
from glassnet.doors.exporting.needed import refuse_int8
from glassnet.doors.exporting.onnx import to_onnx
from glassnet.doors.model import Model


@dataclass(frozen=True)
class Value:
    """What a graph takes or gives. axes: their sizes, or their names where any size will do."""

    name: str
    dtype: str
    axes: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """A fixed size as a number."""
        axes = [int(axis) if axis.isdecimal() else axis for axis in self.axes]
        return {"name": self.name, "dtype": self.dtype, "shape": axes}


@dataclass(frozen=True)
class Exported:
    """A file that was kept. size: bytes. int8: what it is worth, where it is one of whole numbers."""

    path: Path
    size: int
    compared: Compared
    int8: Quantised | None
    takes: tuple[Value, ...]
    gives: tuple[Value, ...]
    seconds: float

    def as_json(self) -> dict[str, object]:
        """As `glassnet export --json` prints it."""
        compared = self.compared
        told: dict[str, object] = {
            "path": str(self.path),
            "format": "onnx",
            "bytes": self.size,
            "largest_difference": compared.largest,
            "compared": {"examples": compared.examples, "made_up": compared.made_up},
            "inputs": [one.as_json() for one in self.takes],
            "outputs": [one.as_json() for one in self.gives],
            "seconds": self.seconds,
        }
        if compared.strangest is not None:
            told["largest_difference_of_strangeness"] = compared.strangest
        if compared.farthest is not None:
            told["largest_difference_px"] = compared.farthest
            told["boxes_of_one_only"] = compared.alone
        if self.int8 is not None:
            told["int8"] = self.int8.as_json()
        return told


def export_model(model: Model | DetectorModel, path: Path, int8: Dataset | BoxData | None = None) -> Exported:
    """Writes the file, whole or not at all. Raises GlassnetError where it would answer differently.

    The answers are compared in single precision, which the file computes in. int8: the data to calibrate and measure a
    file of whole numbers on, where one is wanted.
    """
    begun = time.perf_counter()
    if isinstance(model, DetectorModel):
        model = replace(model, card=replace(model.card, detector={**model.card.detector, "precision": "float32"}))
    made, worth = to_onnx(model), None
    compared = compare(model, made)
    if int8 is not None:
        refuse_int8(model.card)
        if isinstance(model, DetectorModel):
            assert isinstance(int8, BoxData), "a detector's data"
            made, worth = quantised_boxes(model, made, int8)
        else:
            assert isinstance(int8, Dataset), "a classifier's data"
            made, worth = quantised(model, made, int8)
        compared = compare(model, made, refuse=False)  # what it is worth was measured
    files.write_file(path, made)
    graph = onnx.load_model_from_string(made).graph
    takes, gives = (tuple(map(_value, values)) for values in (graph.input, graph.output))
    return Exported(path, len(made), compared, worth, takes, gives, time.perf_counter() - begun)


def _value(value: onnx.ValueInfoProto) -> Value:
    tensor = value.type.tensor_type
    dtype = onnx.TensorProto.DataType.Name(tensor.elem_type).lower()
    axes = tuple(axis.dim_param or str(axis.dim_value) for axis in tensor.shape.dim)
    return Value(value.name, {"float": "float32"}.get(dtype, dtype), axes)
