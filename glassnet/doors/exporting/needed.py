"""What writing a standard file needs beside torch. Loads none of it."""

from __future__ import annotations

from importlib.util import find_spec

from glassnet.doors.card import Card
from glassnet.errors import GlassnetError
from glassnet.words import listed

PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def refuse_no_onnx() -> None:
    """Raises GlassnetError where a package is missing."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        fix = 'pip install "glassnet[onnx]"'
        raise GlassnetError("export", expected=listed(list(PACKAGES)), found=f"no {listed(missing)}", fix=fix)


def refuse_int8(card: Card) -> None:
    """Raises GlassnetError for a model whose loss in whole numbers would not be measured: it names no classes."""
    if card.unlabelled:
        found, fix = "one that learnt without labels", "Export it without --int8"
        raise GlassnetError("--int8", expected="a model that names classes", found=found, fix=fix)
