"""What writing a standard file needs beside torch. Loads none of it."""

from __future__ import annotations

from importlib.util import find_spec

from glassnet.errors import GlassnetError
from glassnet.words import listed

PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def refuse_no_onnx() -> None:
    """Raises GlassnetError where a package is missing."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        fix = 'pip install "glassnet[onnx]"'
        raise GlassnetError("export", expected=listed(list(PACKAGES)), found=f"no {listed(missing)}", fix=fix)


def no_int8_detector() -> GlassnetError:
    """The line for a detector that is wanted in whole numbers."""
    fix = "Export it without --int8"
    return GlassnetError("--int8", expected="a model that names whole examples", found="a detector", fix=fix)
