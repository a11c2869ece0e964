"""Makes the folder of 70,000 PNG digits, 28 x 28, that peers and glassnet are timed on.

`python -m benchmarks.pictures OUT`. scikit-learn's 1,797 handwritten digits are split first, so that no drawing is on
both sides; then each picture is one of them enlarged, turned, scaled, sheared, shifted and thickened at random.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

SIDE, INNER = 28, 20
TRAIN, TEST = 60_000, 10_000
HELD = 0.15  # share of the drawings that the test pictures are made of


def write(out: Path, count: int, test: int, seed: int = 0) -> None:
    """Class folders under OUT/train and OUT/test."""
    images, targets = load_digits(return_X_y=True)
    random = np.random.default_rng(seed)
    order = random.permutation(len(targets))
    held = order[: round(len(order) * HELD)]
    for side, rows, total in (("test", held, test), ("train", np.setdiff1d(order, held), count)):
        for label in range(10):
            (out / side / str(label)).mkdir(parents=True, exist_ok=True)
        for i in range(total):
            row = rows[random.integers(len(rows))]
            varied(images[row].reshape(8, 8), random).save(out / side / str(targets[row]) / f"{i:05}.png")


def varied(drawing: np.ndarray, random: np.random.Generator) -> Image.Image:
    """One picture of a drawing (8, 8) of values 0 to 16."""
    large = Image.fromarray((drawing * (255 / 16)).astype(np.uint8)).resize((INNER, INNER), Image.Resampling.BICUBIC)
    canvas = Image.new("L", (SIDE, SIDE))
    canvas.paste(large, ((SIDE - INNER) // 2, (SIDE - INNER) // 2))
    angle, size, shear = np.radians(random.uniform(-10, 10)), random.uniform(0.9, 1.1), random.uniform(-0.15, 0.15)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.array([[1, shear], [0, 1]]) / size
    middle, shift = np.full(2, SIDE / 2), random.uniform(-2, 2, 2)
    offset = middle - matrix @ (middle + shift)
    flat = (*matrix[0], offset[0], *matrix[1], offset[1])
    moved = canvas.transform(canvas.size, Image.Transform.AFFINE, flat, Image.Resampling.BILINEAR)
    lit = np.asarray(moved, np.float32) * random.uniform(0.9, 1.4)
    return Image.fromarray(lit.clip(0, 255).astype(np.uint8))


def main() -> None:
    """Writes the folder."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pictures", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=TRAIN)
    parser.add_argument("--test", type=int, default=TEST)
    chosen = parser.parse_args()
    write(chosen.out, chosen.count, chosen.test)


if __name__ == "__main__":
    main()
