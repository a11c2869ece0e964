"""The files of a model folder that every model has, written into a folder that is being filled."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors.torch
from numpy.typing import NDArray
from torch import nn

from glassnet import files
from glassnet.doors import folder as layout
from glassnet.doors.card import Card, card_json, write_sums


def write_model(
    folder: Path, net: nn.Module, card: Card, metrics: Mapping[str, object], history: str, seen: NDArray[np.uint64]
) -> None:
    """Weights, what it has seen, card, figures, history and, last, the sums of what opening relies on."""
    files.write_file(folder / layout.WEIGHTS, weights_of(net))
    with open(folder / layout.SEEN, "wb") as file:  # as long as the data: written from where it lies
        np.save(file, seen)
        file.flush()
        os.fsync(file.fileno())
    files.write_file(folder / layout.CONFIG, card_json(card))
    files.write_json(folder / layout.METRICS, metrics)
    files.write_file(folder / layout.HISTORY, history)
    write_sums(folder)


def weights_of(net: nn.Module) -> bytes:
    """The file of a net's weights. The same net gives the same bytes."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()}
    return safetensors.torch.save(tensors, {"format": "pt"})
