"""Proposals: how a detector is told where to look, kept with its model so that it looks the same way ever after."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path

import numpy as np

from glassnet import files
from glassnet.data import pictures
from glassnet.data.boxes.geometry import Boxes, brought, overlap
from glassnet.data.boxes.proposals.grid import grid, learn_shapes
from glassnet.data.boxes.proposals.selective import WIDTH, search
from glassnet.data.dataset import Preparation
from glassnet.data.decoding import read_bytes
from glassnet.data.kind import Looks
from glassnet.data.reading import Progress
from glassnet.words import counted

SHAPES = 9  # of a grid
VERSION = 2  # a step up proposes everything anew


@dataclass(frozen=True)
class Proposals:
    """kind: of PROPOSERS. count: regions on a picture, at most. shapes: of a grid, (width, height) in longer sides.

    width: pixels that a picture is brought to for a search. seed: of the order of what a search found.
    """

    kind: str
    count: int
    shapes: tuple[tuple[float, float], ...] = ()
    width: int = WIDTH
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in PROPOSERS or not 0 < self.count <= 100_000 or not 0 < self.width <= 4096 or self.seed < 0:
            raise ValueError(f"{self.kind}, {self.count} regions, width {self.width}, seed {self.seed}")
        if not all(0 < side <= 1 for shape in self.shapes for side in shape):
            raise ValueError(f"shapes {self.shapes}")
        if self.kind != "selective" and not self.shapes:
            raise ValueError(f"{self.kind} without shapes")

    def of(self, data: bytes) -> Boxes:
        """(n, 4) regions of a picture's file, in its pixels as it is seen upright. Raises Unreadable, GlassnetError."""
        height, width = pictures.look(data).size
        return PROPOSERS[self.kind](self, data, (width, height))

    def as_json(self) -> dict[str, object]:
        """As plain values."""
        return asdict(self)

    @staticmethod
    def from_json(facts: object) -> Proposals:
        """The other way. Raises ValueError, KeyError or TypeError for what can't be."""
        if not isinstance(facts, dict):
            raise ValueError(facts)
        shapes = tuple((float(w), float(h)) for w, h in facts["shapes"])
        count, width, seed = (facts[name] for name in ("count", "width", "seed"))
        if not all(isinstance(number, int) for number in (count, width, seed)):
            raise ValueError(facts)
        return Proposals(facts["kind"], count, shapes, width, seed)

    def describe(self) -> str:
        """In words: "2,000 regions on a grid of 9 shapes"."""
        regions = f"{counted(self.count, 'region')}"
        on_grid = f"a grid of {counted(len(self.shapes), 'shape')}"
        words = {
            "grid": f"on {on_grid}",
            "selective": "by selective search",
            "both": f"by selective search and {on_grid}",
        }
        return f"{regions} {words[self.kind]}"


def learn(kind: str, boxes: Sequence[Boxes], sizes: Sequence[tuple[int, int]], count: int, seed: int) -> Proposals:
    """How to look for objects like these. boxes: (n, 4) of each training picture. sizes: its (width, height)."""
    shapes = learn_shapes(boxes, sizes, SHAPES, seed) if kind != "selective" else np.zeros((0, 2))
    return Proposals(kind, count, tuple((float(w), float(h)) for w, h in shapes), seed=seed)


def propose_steps(plan: Proposals, paths: Sequence[Path]) -> Generator[Progress, None, list[Boxes]]:
    """The regions of each of these pictures. What a search finds is kept, so that it is found once for good."""
    found = []
    for done, path in enumerate(paths):
        yield Progress(done, len(paths))
        data = read_bytes(path)
        found.append(plan.of(data) if plan.kind == "grid" else _kept(plan, data))
    return found


def recall(objects: Sequence[Boxes], proposals: Sequence[Boxes], least: float) -> float:
    """The share of objects that some region overlaps by `least` or more; NaN without objects."""
    best = [overlap(o, p).max(1, initial=0.0) for o, p in zip(objects, proposals, strict=True)]
    every = np.concatenate([np.zeros(0), *best])
    return float((every >= least).mean()) if len(every) else float("nan")


def _on_grid(plan: Proposals, _: bytes, size: tuple[int, int]) -> Boxes:
    return grid(np.array(plan.shapes, float).reshape(-1, 2), size, plan.count)


def _searched(plan: Proposals, data: bytes, size: tuple[int, int]) -> Boxes:
    """The width is R-CNN's; a higher picture is brought to that height, so that none takes too long."""
    across, down = brought(size, plan.width)
    settings = pictures.prepare(Looks.of([pictures.look(data)])).settings
    x, _ = pictures.decode(data, Preparation((3, down, across), settings))
    return search(np.ascontiguousarray(x.transpose(1, 2, 0), np.uint8), size, plan.seed)[: plan.count]


def _both(plan: Proposals, data: bytes, size: tuple[int, int]) -> Boxes:
    """Half of each, and of the other what one has too few of."""
    searched = _searched(plan, data, size)
    laid = _on_grid(replace(plan, count=max(plan.count - len(searched), -(-plan.count // 2))), data, size)
    return np.concatenate([laid, searched[: plan.count - len(laid)]])


def _kept(plan: Proposals, data: bytes) -> Boxes:
    """The same, remembered by the picture's bytes and the plan; what was damaged is found anew."""
    settings = json.dumps([VERSION, plan.as_json()], sort_keys=True).encode()
    name = blake2b(data, digest_size=16, key=blake2b(settings, digest_size=32).digest()).hexdigest()
    path = files.workspace() / "cache" / "regions" / f"{name}.npy"
    try:
        boxes = np.load(path, allow_pickle=False)
        if boxes.dtype == np.float64 and boxes.ndim == 2 and boxes.shape[1] == 4:
            return np.asarray(boxes)
    except (OSError, ValueError, EOFError):
        pass  # not there, or damaged: found anew
    boxes = plan.of(data)
    raw = io.BytesIO()
    np.save(raw, boxes)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_file(path, raw.getvalue())
    return boxes


PROPOSERS: dict[str, Callable[[Proposals, bytes, tuple[int, int]], Boxes]] = {
    "grid": _on_grid,
    "selective": _searched,
    "both": _both,
}
