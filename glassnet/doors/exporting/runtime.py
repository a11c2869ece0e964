"""onnxruntime, imported when it is asked for, and kept from telling anybody that it was. Knows nothing of models."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

from glassnet.errors import GlassnetError

if TYPE_CHECKING:
    import onnxruntime

SILENT = 3  # errors alone are told


def is_there() -> bool:
    """Whether it is installed."""
    return find_spec("onnxruntime") is not None


def keep_quiet() -> None:
    """Before its first import: else that writes a device id and a database into the home folder, to be sent."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"


def session(data: bytes, place: str) -> onnxruntime.InferenceSession:
    """A graph that answers, on the CPU. Raises GlassnetError where the package is missing, or can't run the graph."""
    if not is_there():
        fix = 'pip install "glassnet[onnx]"'
        raise GlassnetError(place, expected="onnxruntime to answer with", found="none", fix=fix)
    keep_quiet()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = SILENT
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no common class
        found = f"onnxruntime {onnxruntime.__version__} can't run it ({type(error).__name__})"
        raise GlassnetError(place, found=found, fix="Export it again, or update onnxruntime") from error
