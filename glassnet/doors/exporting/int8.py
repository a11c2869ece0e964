"""A classifier's file whose products are of whole numbers of eight bits: calibrated on training examples, measured on
others beside the file it was made from, and refused where it is worse.

Preparation and "none of these" stay as they are: only the net is brought to whole numbers.
"""

from __future__ import annotations

import ast
import json
import logging
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from glassnet.data.columns import Rows
from glassnet.data.dataset import TEST, TRAIN, VAL, Dataset
from glassnet.data.decoding import read_bytes
from glassnet.data.split import split
from glassnet.doors.exporting import runtime
from glassnet.doors.exporting.metadata import SEAL, metadata, sealed
from glassnet.doors.exporting.opened import INT8
from glassnet.doors.exporting.taken import from_file, from_prepared, name_of, takes_prepared
from glassnet.doors.model import Model
from glassnet.doors.plan import fingerprint
from glassnet.errors import GlassnetError

if TYPE_CHECKING:
    import onnxruntime

ALLOWED = 0.005  # of the accuracy may be lost
CALIBRATED = 200  # training examples
MEASURED = 2000  # examples that it did not learn from
BATCH = 16
NET = "net."  # what the exporter's names of the net's layers begin with
SCOPES = "pkg.torch.onnx.name_scopes"
KINDS = ("Conv", "Gemm", "MatMul", "Relu", "MaxPool", "AveragePool", "Add", "Reshape", "Flatten", "Transpose")

Fed = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Quantised:
    """What became of a file. accuracy, plain: shares of the held-out examples on which this file and the one in floats
    are right, or what is named by measure: a detector's map50. refused, refused_plain: how many of them each takes for
    none of these, if it can tell. calibrated: on how many training examples. held: which examples in words.
    """

    accuracy: float
    plain: float
    refused: int | None
    refused_plain: int | None
    examples: int
    held: str
    calibrated: int
    measure: str = "accuracy"

    @property
    def lost(self) -> float:
        """Of the measure, as a share of 1; below 0 where it is better."""
        return self.plain - self.accuracy

    def as_json(self) -> dict[str, object]:
        """As `glassnet export --json` prints it, and as it stands in the file's metadata."""
        told: dict[str, object] = {
            self.measure: self.accuracy,
            f"{self.measure}_float": self.plain,
            "lost": self.lost,
            "examples": self.examples,
            "measured_on": self.held,
            "calibrated_on": self.calibrated,
        }
        if self.refused is not None:
            told |= {"none_of_these": self.refused, "none_of_these_float": self.refused_plain}
        return told


def quantised(model: Model, made: bytes, dataset: Dataset) -> tuple[bytes, Quantised]:
    """The file in whole numbers, and what it is worth. made: the file in floats. dataset: as the model reads it.

    Raises GlassnetError where too much is lost, or where nothing is left to measure it on.
    """
    sides = split(dataset, model.card.seed)
    train, held = sides.rows(TRAIN), np.concatenate([sides.rows(TEST), sides.rows(VAL)])
    if fingerprint(dataset, sides) != model.card.data.get("fingerprint"):  # other data than it learnt from
        held = held[~np.isin(dataset.samples.digest[held], model.seen)]
    held = held[:MEASURED]
    if not len(held):
        fix = "Name other data with --data"
        raise GlassnetError("--int8", expected="examples it did not learn from", found="none to measure on", fix=fix)
    random = np.random.default_rng([model.card.seed, 8])
    some = np.sort(random.permutation(train)[:CALIBRATED])
    whole = whole_numbers(made, [*_fed(model, dataset, some)])
    places = np.array([model.classes.index(name) for name in dataset.classes], np.int64)
    y = places[dataset.samples.y[held]]
    (hits, refused), (plain, refused_plain) = (
        _measured(runtime.session(data, "the exported file"), _fed(model, dataset, held), y) for data in (whole, made)
    )
    on_test, on_val = (int(np.isin(held, sides.rows(side)).sum()) for side in (TEST, VAL))
    words = " and ".join([f"{n:,} {name}" for n, name in ((on_test, "test"), (on_val, "val")) if n])
    found = Quantised(
        hits / len(y), plain / len(y), refused, refused_plain, len(y), f"{words} {dataset.kind}", len(some)
    )
    refuse_worse(found)
    return with_facts(whole, made, found), found


def refuse_worse(found: Quantised) -> None:
    """Raises GlassnetError where too much is lost."""
    what = "right" if found.measure == "accuracy" else "mAP50"
    if found.lost > ALLOWED:
        raise GlassnetError(
            "--int8",
            expected=f"at most {ALLOWED * 100:g} points lost",
            found=f"{found.accuracy * 100:.2f} % {what} in whole numbers, {found.plain * 100:.2f} % in floats, of "
            f"{found.held}; so it was not kept",
            fix="Export it without --int8",
        )


def _fed(model: Model, dataset: Dataset, rows: Rows) -> Iterator[Fed]:
    """What the graph takes of these examples, some at a time; sounds one by one, each as long as it is."""
    card = model.card
    if takes_prepared(card):
        for start in range(0, len(rows), BATCH):
            yield {name_of(card): from_prepared(card, dataset.samples.x[rows[start : start + BATCH]])}
        return
    for row in rows.tolist():
        path = dataset.file(row)
        assert path is not None, "sounds lie in files"
        yield {name_of(card): from_file(card.kind, read_bytes(path), card.preparation)}


def _measured(
    session: onnxruntime.InferenceSession, fed: Iterator[Fed], y: NDArray[np.int64]
) -> tuple[int, int | None]:
    """How many are right, and how many are taken for none of these."""
    logits, strange = [], []
    for one in fed:
        _, votes, *strangeness = session.run(None, one)
        logits.append(votes)
        strange += strangeness
    hits = int((np.concatenate(logits).argmax(1) == y).sum())
    return hits, int((np.concatenate(strange) > 1).sum()) if strange else None


def whole_numbers(made: bytes, calibrating: Sequence[Fed], net: str = NET) -> bytes:
    """The graph with the net's products in whole numbers, each value's range as these examples have it.

    Activations are unsigned, weights signed with a scale a channel: what processors multiply fastest. net: how the
    names begin that torch's exporter leaves on the nodes of the net's layers.
    """
    runtime.keep_quiet()
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
        def __init__(self) -> None:
            self.left = iter(calibrating)

        def get_next(self) -> Fed | None:
            return next(self.left, None)

    graph = onnx.load_model_from_string(made)
    nodes = [node.name for node in graph.graph.node if any(one.startswith(net) for one in _scopes(node))]
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it recommends steps of its own
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "whole.onnx"
            quantize_static(
                graph, path, Reader(), quant_format=QuantFormat.QDQ, op_types_to_quantize=list(KINDS),
                per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                nodes_to_quantize=nodes,
            )  # fmt: skip
            return path.read_bytes()
    finally:
        logging.disable(before)


def _scopes(node: onnx.NodeProto) -> list[str]:
    """The modules in which torch's exporter met a node, the outermost first."""
    for one in node.metadata_props:
        if one.key == SCOPES:
            return [str(name) for name in ast.literal_eval(one.value)]
    return []


def with_facts(data: bytes, made: bytes, found: Quantised) -> bytes:
    """The file with all that the one in floats says of itself, and what it is worth; sealed."""
    facts = {key: value for key, value in metadata(made).items() if key != SEAL} | {INT8: json.dumps(found.as_json())}
    graph = onnx.load_model_from_string(data)
    del graph.metadata_props[:]
    helper.set_model_props(graph, facts)
    graph.producer_name = "glassnet"
    onnx.checker.check_model(graph)
    return sealed(bytes(graph.SerializeToString()))
