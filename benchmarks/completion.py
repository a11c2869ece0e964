"""How well hidden halves are filled in: `python -m benchmarks.completion MODEL DATA [--json] [--out X.png]`.

For the test pictures of DATA, each half hidden in turn: root mean squared error of what is filled in, in values of
the files (0 to 255), with a 95 % interval over the examples (bootstrapped). Beside it: the mean training
example, and what is likely without the machines (principal components of the training examples).
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

import glassnet as gn
from glassnet.data.dataset import TEST, TRAIN
from glassnet.doors.model import Model
from glassnet.nets.generating import complete, known_halves, likely, whitener
from glassnet.training.completion import root_mean

AT_ONCE = 64
SHOWN = 8  # examples of the picture
Rows = dict[str, NDArray[np.float32]]


def filled(model: Model, x: torch.Tensor, known: torch.Tensor) -> dict[str, torch.Tensor]:
    """(B, C, *S) by name, normalised: three ways to fill in."""
    first = whitener(model.net)
    assert first is not None, "a net that can fill in"
    mean = first.get_buffer("mean").expand_as(x)
    found = {"mean example": mean, "likely": likely(first, x, known), "filled in": complete(model.net, x, known)}
    return {name: torch.where(known, x, one) for name, one in found.items()}


@torch.no_grad()
def errors(model: Model, x: torch.Tensor, known: torch.Tensor, unit: float) -> Rows:
    """(N,) mean squared error of each example's hidden part by the way it was filled in."""
    found: dict[str, list[torch.Tensor]] = {}
    for part in x.split(AT_ONCE):
        for name, one in filled(model, part, known).items():
            found.setdefault(name, []).append(((one - part)[..., ~known] ** 2).flatten(1).mean(1) * unit**2)
    return {name: torch.cat(parts).numpy() for name, parts in found.items()}


def draw(model: Model, x: torch.Tensor, path: Path) -> None:
    """A row a half: each example hidden, filled in, and whole."""
    rows = []
    for known in known_halves(tuple(x.shape[2:])).values():
        with torch.no_grad():
            ends = filled(model, x, known)["filled in"]
        tiles = [t for i in range(len(x)) for t in (torch.where(known, x[i], 0.0), ends[i], x[i])]
        rows.append(torch.cat(tiles, -1))
    sheet = torch.cat(rows, 1)
    scale = model.card.normalisation
    mean, std = (torch.tensor(one).reshape(-1, 1, 1) for one in (scale.mean, scale.std))
    pixels = ((sheet * std + mean) * 255).clamp(0, 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(np.repeat(pixels, 3, 2) if pixels.shape[2] == 1 else pixels).save(path)


def main() -> None:
    """Prints a line a half."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.completion", description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("data")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path, help="a picture of some")
    chosen = parser.parse_args()
    model, dataset = gn.load(chosen.model), gn.read(chosen.data)
    assert isinstance(model, Model), "a detector fills nothing in"
    samples = dataset.samples
    assert (samples.split == TRAIN).any(), "a data set that says which examples it tests on"
    x = model.look(np.asarray(samples.x[samples.split == TEST]))
    unit = float(np.mean(model.card.normalisation.std)) * dataset.full_scale
    found = {
        half: {name: root_mean(np.asarray(one, np.float64)) for name, one in errors(model, x, known, unit).items()}
        for half, known in known_halves(dataset.shape[1:]).items()
    }
    if chosen.out:
        draw(model, x[np.linspace(0, len(x) - 1, SHOWN).astype(int)], chosen.out)
    if chosen.json:
        rmse = {half: {name: asdict(one) for name, one in ways.items()} for half, ways in found.items()}
        print(json.dumps({"examples": len(x), "rmse": rmse}))
        return
    names = list(next(iter(found.values())))
    print("| hidden |", " | ".join(names), "|\n|---|" + "---|" * len(names))
    for half, ways in found.items():
        cells = (f"{one.value:.1f} ({one.low:.1f} to {one.high:.1f})" for one in ways.values())
        print(f"| {half} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
