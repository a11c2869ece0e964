"""Detectors for tests: some trained on made-up shapes in seconds, some with random weights, all asked about noise."""

from dataclasses import replace

import numpy as np
import torch
from box_data import CROPPED, FAST

from glassnet.config import Detecting, Training
from glassnet.data.boxes.finding import find_boxes
from glassnet.data.boxes.store import Sized
from glassnet.data.dataset import Normalisation
from glassnet.doors.detection.run import run
from glassnet.explaining.detections import Judge, Subject, explain_boxes
from glassnet.explaining.nearest import SIDE, Learnt
from glassnet.nets.rcnn.cropped import Cropped
from glassnet.nets.rcnn.detector import Detector
from glassnet.nets.rcnn.text import parse_regions
from glassnet.nets.rcnn.warping import Crops
from glassnet.nets.text import parse
from glassnet.steps import finish
from glassnet.training.detection.detecting import Limits, see
from glassnet.training.detection.matching import Objects

ENGINES = ("fast", "rcnn", "softmax")  # the last is rcnn's net before it has SVMs
TYPED = {
    "fast": (Training(net=FAST, epochs=12, threads=1), Detecting(regions=400)),
    "rcnn": (Training(net=CROPPED, epochs=12, threads=1), Detecting("rcnn", "grid", 400, crop=16)),
}
LIMITS = Limits(0.3)
PLAIN = Normalisation((0.5,) * 3, (0.25,) * 3)
REGIONS = np.array([(4, 4, 30, 30), (6, 5, 32, 30), (40, 20, 70, 60), (42, 18, 72, 55), (0, 0, 96, 72)], float)


def train_detector(data, out, engine, **changes):
    """A model folder. changes: of the usual settings."""
    settings, detecting = TYPED[engine]
    for _ in run(finish(find_boxes(data).steps()), replace(settings, **changes), detecting, out, str(data)):
        pass
    return out


def random_net(engine, classes=2, seed=3):
    """A net with random weights, of all parts."""
    if engine == "fast":
        net = Detector(parse_regions("conv 6 3/2, relu, roi 3, fc 12, relu, fc"), (3, 72, 96), classes, seed)
    else:
        net = Cropped(parse("conv 6 3/2, relu, pool 2, fc 12, relu, fc"), Crops(16), classes, seed)
    made = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in net.named_parameters():
            if name.endswith("bias") or value.dim() < 4:
                value += torch.randn(value.shape, generator=made) * 0.1
        net.corrections.weight.mul_(0.05)  # boxes stay near their regions
        if engine == "rcnn":
            net.get_buffer("norms").copy_(torch.tensor([3.0, 5.0]))
            net.get_buffer("chances").copy_(torch.tensor([[2.0, 0.1]] * classes))
    return net.eval()


def noise(size=(96, 72), seed=0):
    """(3, H, W) uint8."""
    return np.random.default_rng(seed).integers(0, 256, (3, size[1], size[0]), dtype=np.uint8)


def subject(picture, real=None, name="folder/noise.png"):
    """A picture as it is."""
    size = picture.shape[2], picture.shape[1]
    return Subject(name, Sized(picture, np.ones(2), size), picture, 7, real)


def judge(net, classes=("cat", "dog"), thresholds=None, twice=False):
    return Judge("models/pets", net, classes, thresholds or (0.02,) * len(classes), PLAIN, twice, "It was tested.")


def seen_by(net, one, limits=LIMITS, regions=REGIONS):
    return see(net, one.one.x, one.one.scale, one.one.size, regions, PLAIN, limits)


def objects(boxes, labels, hard=None):
    labels = np.array(labels, np.int64)
    return Objects(np.array(boxes, float).reshape(-1, 4), labels, np.array(hard or [False] * len(labels), bool))


def explained(engine="fast", classes=("cat", "dog"), real=None, picture=None, known=True, **changes):
    """A picture of noise, and why a net with random weights sees there what it sees."""
    net = random_net(engine, len(classes))
    one = subject(noise() if picture is None else picture, real)
    found = explain_boxes(
        judge(net, classes), one, seen_by(net, one), learnt_by(len(classes)) if known else None, ("A note.",)
    )
    return replace(found, **changes)


def learnt_by(classes, count=20, features=12):
    random = np.random.default_rng(5)
    return Learnt(
        random.random((count, features), np.float32),
        np.arange(count) % classes,
        random.uniform(0, 50, (count, 4)),
        [f"JPEGImages/{i:02}.png" for i in range(count)],
        np.arange(count, dtype=np.uint64),
        random.integers(0, 256, (count, 3, SIDE, SIDE), dtype=np.uint8),
    )
