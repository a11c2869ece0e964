"""Makes a folder of pictures with boxes, COCO's layout, to train a detector on: `python -m benchmarks.shapes OUT`.

Discs, triangles, stars and rings of many sizes and colours on a restless ground, up to nine on a picture, some partly
behind others; rings are rare. Nothing says which pictures train and which test: that is left to be drawn.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIZE = (320, 240)
SIDES = (14, 84)  # pixels, every ratio as likely as any
FINER = 4  # times: shapes are drawn large and made smaller, so that their edges are smooth
CLASSES = {"disc": 0.35, "triangle": 0.3, "star": 0.25, "ring": 0.1}  # and how often
HIDDEN = 0.35  # share of an object that later ones may lie on, at most
TRIES = 30

Box = tuple[int, int, int, int]


def write(out: Path, count: int, seed: int = 0) -> None:
    """OUT/pictures and OUT/boxes.json."""
    random = np.random.default_rng(seed)
    (out / "pictures").mkdir(parents=True)
    images: list[dict[str, object]] = []
    marks: list[dict[str, object]] = []
    for i in range(count):
        image, found = picture(random)
        name = f"pictures/{i:03}.png"
        image.save(out / name)
        images.append({"id": i, "file_name": name, "width": SIZE[0], "height": SIZE[1]})
        for k, (x1, y1, x2, y2) in found:
            marks.append({"id": len(marks), "image_id": i, "category_id": k, "bbox": [x1, y1, x2 - x1, y2 - y1]})
    categories = [{"id": k, "name": name} for k, name in enumerate(CLASSES)]
    facts = {"images": images, "annotations": marks, "categories": categories}
    (out / "boxes.json").write_text(json.dumps(facts), "utf-8")


def picture(random: np.random.Generator) -> tuple[Image.Image, list[tuple[int, Box]]]:
    """One picture, and what is on it: (place in the classes, x1, y1, x2, y2)."""
    image = ground(random)
    owner = np.zeros(SIZE[::-1], int)  # whose each pixel is, 0 for nobody's
    areas: list[int] = []
    found: list[tuple[int, Box]] = []
    wanted = int(random.integers(3, 10))
    for _ in range(TRIES):
        k = int(random.choice(len(CLASSES), p=list(CLASSES.values())))
        side = round(float(np.exp(random.uniform(*np.log(SIDES)))))
        x, y = (int(random.integers(2, whole - side - 2)) for whole in SIZE)
        box = (x, y, x + side, y + side)
        mask = drawn(k, box, random)
        now = np.where(np.asarray(mask) > 127, len(found) + 1, owner)
        left = np.bincount(now.ravel(), minlength=len(found) + 2)[1:]
        if any(left[j] < (1 - HIDDEN) * area for j, area in enumerate(areas)):
            continue  # too much of an earlier one would be behind it
        owner = now
        areas.append(int(left[-1]))
        tall, wide = (np.flatnonzero((np.asarray(mask) > 127).any(axis)) for axis in (1, 0))
        found.append((k, (int(wide[0]), int(tall[0]), int(wide[-1]) + 1, int(tall[-1]) + 1)))
        image.paste(Image.new("RGB", SIZE, tuple(random.integers(30, 235, 3).tolist())), mask=mask)
        if len(found) == wanted:
            break
    grain = random.normal(0, 5, (SIZE[1], SIZE[0], 1))
    return Image.fromarray((np.asarray(image) + grain).clip(0, 255).astype(np.uint8)), found


def ground(random: np.random.Generator) -> Image.Image:
    """Clouds of grey."""
    coarse = random.normal(165, 22, (9, 12, 1)) + random.normal(0, 5, (9, 12, 3))
    image = Image.fromarray(coarse.clip(0, 255).astype(np.uint8)).resize(SIZE, Image.Resampling.BICUBIC)
    return image.filter(ImageFilter.GaussianBlur(2))


def drawn(k: int, box: Box, random: np.random.Generator) -> Image.Image:
    """The mask of one shape in a box, turned at random."""
    large = Image.new("L", (SIZE[0] * FINER, SIZE[1] * FINER))
    pen = ImageDraw.Draw(large)
    middle = np.array([box[0] + box[2], box[1] + box[3]]) / 2 * FINER
    radius, turn = (box[2] - box[0]) / 2 * FINER, random.uniform(0, 2 * np.pi)
    name = list(CLASSES)[k]
    if name in ("disc", "ring"):
        ends = [*(middle - radius), *(middle + radius)]
        pen.ellipse(ends, fill=255 if name == "disc" else 0, outline=255, width=max(2, round(radius * 0.3)))
    else:
        corners = 3 if name == "triangle" else 10
        length = np.where(np.arange(corners) % 2, 1 if name == "triangle" else 0.45, 1) * radius
        angles = turn + 2 * np.pi * np.arange(corners) / corners
        points = middle + length[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
        pen.polygon([tuple(point) for point in points.tolist()], fill=255)
    return large.resize(SIZE, Image.Resampling.BOX)


def main() -> None:
    """Writes the folder."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shapes", description=__doc__)
    parser.add_argument("out", type=Path, help="a new folder")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    write(chosen.out, chosen.count, chosen.seed)


if __name__ == "__main__":
    main()
