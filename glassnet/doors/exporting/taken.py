"""What a model's graph takes, from examples that are prepared already or from a sound. Needs no torch.

An example as the net sees it goes through the graph's own preparation unchanged, for it has the right size: so a file
that was decoded by the house's readers is answered as the net itself answers it, to the last digits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glassnet.data.boxes.proposals.proposing import Proposals
from glassnet.data.boxes.store import whole
from glassnet.data.dataset import Preparation
from glassnet.data.kinds import KINDS
from glassnet.doors.card import Card

NAMES = {"pictures": "pixels", "sounds": "samples", "series": "series", "volumes": "volumes", "sentences": "words"}


def takes_files(card: Card) -> bool:
    """Whether a model learnt from files of its kind, or from arrays that no such file could hold."""
    if card.kind == "pictures":
        return card.full_scale == 255 and card.preparation.shape[0] in (1, 3)
    return card.kind != "tables"


def name_of(card: Card) -> str:
    """What the graph of a classifier calls what it takes."""
    return NAMES[card.kind] if takes_files(card) else "x"


def picture_taken(
    data: bytes, proposals: Proposals, regions: NDArray[np.float64] | None = None
) -> dict[str, NDArray[np.generic]]:
    """What the graph of a detector takes of a file's picture, by name; regions too, unless it lays them itself.

    regions: those that are proposed, where they were found already. Raises Unreadable.
    """
    taken: dict[str, NDArray[np.generic]] = {"pixels": np.ascontiguousarray(whole(data).transpose(1, 2, 0))}  # H, W, 3
    if proposals.kind != "grid":
        taken["regions"] = (proposals.of(data) if regions is None else regions).astype(np.float32)
    return taken


def takes_prepared(card: Card) -> bool:
    """Whether an example as the net sees it can be asked about; of sounds only the sound itself can."""
    return card.kind != "sounds"


def from_prepared(card: Card, x: NDArray[np.generic]) -> NDArray[np.generic]:
    """What the graph takes of examples (N, C, *S) as the net sees them, raw. Not of sounds."""
    assert takes_prepared(card), "a sound is no longer in its spectrogram"
    if not takes_files(card):
        return np.asarray(x, np.float32)
    match card.kind:
        case "pictures":
            pixels = np.broadcast_to(x, (len(x), 3, *x.shape[2:])).transpose(0, 2, 3, 1)
            return np.ascontiguousarray(pixels, np.uint8)  # (N, H, W, 3)
        case "series":
            return np.repeat(np.asarray(x, np.float32), int(card.preparation.settings.get("every", 1)), axis=2)
        case "sentences":
            words = np.array(str(card.preparation.settings["words"]).split("\n"), object)
            return np.asarray(words[np.asarray(x[:, 0], np.int64)])  # (N, T)
    return np.asarray(x, np.float32)


def from_file(kind: str, data: bytes, preparation: Preparation) -> NDArray[np.generic]:
    """What the graph takes of a file as it is, a batch of one. Raises Unreadable."""
    return as_taken(np.asarray(KINDS[kind].raw(data, preparation)))


def as_taken(raw: NDArray[np.generic]) -> NDArray[np.generic]:
    """A batch of one; words as Python has them, as onnxruntime wants."""
    return (raw.astype(object) if raw.dtype.kind == "U" else raw)[None]
