"""A model as plain bytes: the files of its folder by name, so that what is kept in a pickle is no pickle of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from glassnet import files
from glassnet.doors.model import Model


def pack(model: Model) -> dict[str, bytes]:
    """What a model folder holds: safetensors, JSON, an .npy, checksums."""
    with TemporaryDirectory() as folder:
        model.write(Path(folder))
        return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def unpack(packed: Mapping[str, bytes]) -> Model:
    """The model again, its checksums verified. Raises GlassnetError where it is damaged or of a newer glassnet."""
    with TemporaryDirectory() as folder:
        for name, data in packed.items():
            files.write_file(Path(folder) / Path(name).name, data)
        return replace(Model.load(folder), folder="")
