"""Made-up pictures with boxes, in PASCAL VOC's layout: bright squares and dark discs on noise."""

import numpy as np
from PIL import Image

FAST = "conv 8 3/2, batchnorm, relu, conv 16 3/2, batchnorm, relu, roi 5, fc 32, relu, fc"
CROPPED = "conv 8 3/2, batchnorm, relu, conv 16 3, batchnorm, relu, pool 2, fc 32, relu, fc"
CLASSES = ("disc", "square")


def make_voc(root, pictures=24, seed=0, size=(96, 72), classes=CLASSES, empty=(), tested=5):
    """A folder of pictures with one to three objects each; empty: those without. The last `tested` are for testing."""
    random = np.random.default_rng(seed)
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    for i in range(pictures):
        pixels = random.normal(120, 4, (size[1], size[0], 3))
        boxes = [] if i in empty else [_draw(pixels, random, classes) for _ in range(random.integers(1, 4))]
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / "JPEGImages" / f"{i:03}.png")
        (root / "Annotations" / f"{i:03}.xml").write_text(annotation(f"{i:03}.png", size, boxes))
    names = [f"{i:03}\n" for i in range(pictures)]
    train, val = names[: -tested - 5], names[-tested - 5 : -tested]
    for side, some in (("train", train), ("val", val), ("test", names[-tested:])):
        (root / "ImageSets" / "Main" / f"{side}.txt").write_text("".join(some))
    return root


def annotation(picture, size, boxes):
    """VOC's XML. boxes: (class, x1, y1, x2, y2)."""
    objects = "\n".join(
        f"<object><name>{label}</name><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox>"
        "</object>"
        for label, x1, y1, x2, y2 in boxes
    )
    return (
        f"<annotation>\n<filename>{picture}</filename>\n"
        f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>\n{objects}\n</annotation>\n"
    )


def _draw(pixels, random, classes):
    height, width, _ = pixels.shape
    side = int(random.integers(14, 26))
    x, y = int(random.integers(0, width - side)), int(random.integers(0, height - side))
    label = classes[int(random.integers(len(classes)))]
    inner = pixels[y : y + side, x : x + side]
    if label == "square":
        inner[:] = (240, 210, 60)
    else:
        rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
        inner[rows**2 + columns**2 <= (side / 2) ** 2] = (30, 30, 90)
    return label, x, y, x + side, y + side
