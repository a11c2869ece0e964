"""Several processes on boxes: the same detector as of one, to rounding, whichever engine; left by one, ended by two."""

import csv
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from box_data import make_voc
from safetensors.torch import load_file
from test_cluster import gap, torchrun
from test_detector_learning import scene, store_of

from glassnet.config import Detecting, Training
from glassnet.data.boxes.finding import find_boxes
from glassnet.data.dataset import Normalisation
from glassnet.data.kind import Augmentation
from glassnet.doors.detection.events import Step
from glassnet.doors.detection.plan import read_detector_plan
from glassnet.doors.detection.run import run
from glassnet.doors.run import Stop
from glassnet.errors import Interrupted
from glassnet.nets.rcnn.warping import Crops
from glassnet.steps import finish
from glassnet.training.detection.ground import Ground
from glassnet.training.progress import Progress

PLAIN = Normalisation((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
VARIED = Augmentation(mirror_x=True, mirror_y=True, scale=0.2)
CROPS = Crops(8)
NETS = {
    "fast": "conv 6 3/2, batchnorm, relu, dropout 0.3, conv 8 3, relu, roi 3, fc 12, batchnorm, relu, dropout 0.3, fc",
    "rcnn": "conv 6 3/2, batchnorm, relu, dropout 0.3, pool 2, fc 12, batchnorm, relu, fc",
}
SHORT = Training(
    net="conv 8 3/2, batchnorm, relu, conv 16 3/2, batchnorm, relu, roi 5, fc 32, relu, dropout 0.2, fc",
    epochs=3, precision="float32", threads=1,
)  # fmt: skip
CROPPED = Training(
    net="conv 8 3/2, batchnorm, relu, conv 16 3, batchnorm, relu, pool 2, fc 32, relu, fc",
    epochs=2, precision="float32", threads=1,
)  # fmt: skip
TRAININGS = {
    "fast": (SHORT, Detecting(regions=300)),
    "rcnn": (CROPPED, Detecting("rcnn", "grid", 300, crop=16)),
    "plain": (CROPPED, Detecting("rcnn", "grid", 300, crop=16, without="fine-tuning")),
}  # fmt: skip
MEETINGS = 7  # of the worker's processes


def made_up(objects, count=7, seed=0):
    """A large picture and smaller ones, twenty proposals on each; so many of them have two objects, the others none."""
    random = np.random.default_rng(seed)
    pictures, scenes = [], []
    for i in range(5 if objects == 1 else count):
        height, width = (32, 50) if i else (40, 60)  # only one process has it, the other must leave room for it
        pictures.append(random.integers(0, 256, (3, height, width)).astype(np.uint8))
        corner = random.uniform(0, 20, (22, 2))
        boxes = np.concatenate([corner, corner + random.uniform(8, 14, (22, 2))], 1)
        near = boxes[:2].repeat(3, 0) + random.uniform(-1, 1, (6, 4))
        real, labels = (boxes[:2], [i % 2, 1]) if i < objects else ([], [])
        scenes.append(scene(real, labels, np.concatenate([near, boxes[2:]])))
    return Ground(store_of(pictures), tuple(scenes), 2)


def train(shapes, out, name, until=None):
    """The training in one process; left where `until` says so of what happens."""
    settings, detecting = TRAININGS[name]
    events = run(finish(find_boxes(shapes).steps()), settings, detecting, out, str(shapes))
    for event in events:
        if until is not None and until(event):
            with pytest.raises(Interrupted):
                events.throw(Stop(15))
            return


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What one process trains, and what it leaves in the midst of it."""
    home = tmp_path_factory.mktemp("boxes")
    shapes = make_voc(home / "shapes", 20)
    cut = make_voc(home / "damaged", 20) / "JPEGImages" / "003.png"
    cut.write_bytes(cut.read_bytes()[:5000])  # its head is whole
    for name in TRAININGS:
        train(shapes, home / f"one-{name}", name)
    train(shapes, home / "left-fast", "fast", lambda event: isinstance(event, Progress) and event.epoch == 2)
    train(shapes, home / "left-plain", "plain", lambda event: isinstance(event, Step) and event.stage == "fitting")
    return home


@pytest.fixture(scope="module")
def found(alone):
    """What two processes worked out, see cluster_boxes_worker.py; and what they said."""
    worker = Path(__file__).with_name("cluster_boxes_worker.py")
    free = [socket.create_server(("127.0.0.1", 0)) for _ in range(MEETINGS)]
    ports = [one.getsockname()[1] for one in free]
    for one in free:
        one.close()
    process = torchrun(alone, worker, alone, *ports)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    return torch.load(alone / "found.pt", weights_only=True) | {"said": said}


def losses(model):
    with open(model / "history.csv", newline="") as file:
        return [[float(row[name]) for name in ("loss", "accuracy", "held_loss")] for row in csv.DictReader(file)]


@pytest.mark.parametrize("name", ["fast", "rcnn"])
def test_two_processes_train_the_detector_that_one_does_to_rounding(alone, found, name):
    """Losses and weights, with SVMs and corrections; after 6 to 12 steps in float32, whose own rounding is 6e-8."""
    one, two = alone / f"one-{name}", alone / f"two-{name}"
    assert found["codes"][name] == 0 and len(losses(one)) == TRAININGS[name][0].epochs
    for mine, other in zip(losses(one), losses(two), strict=True):
        assert other == pytest.approx(mine, rel=1e-4)
    assert gap(one, two) < 2e-3


def test_what_one_process_left_two_finish_to_the_same_detector(alone, found):
    assert found["codes"]["left fast"] == 0
    assert losses(alone / "left-fast") == [pytest.approx(row, rel=1e-4) for row in losses(alone / "one-fast")]
    assert gap(alone / "one-fast", alone / "left-fast") < 2e-3


def test_svms_and_corrections_of_shared_pictures_are_those_of_one_process_bit_for_bit(alone, found):
    """The net has random weights, so only what is fitted could differ; one process left it, two went on."""
    assert found["codes"]["left plain"] == 0
    assert gap(alone / "one-plain", alone / "left-plain") == 0
    weights = load_file(alone / "left-plain" / "model.safetensors")
    assert weights["svms.weight"].abs().max() > 0 and weights["corrections.weight"].abs().max() > 0


def test_what_two_processes_left_one_finishes_to_the_same_detector(alone, found):
    assert found["left"] == [143, 143]
    out = alone / "left-by-two"
    stored = read_detector_plan(out)
    for _ in run(finish(find_boxes(stored.source).steps()), stored.settings, stored.detecting, out, stored=stored):
        pass
    assert gap(alone / "one-plain", out) == 0


@pytest.mark.parametrize("engine", NETS)
@pytest.mark.parametrize("objects", [5, 1])
def test_a_step_of_two_processes_is_that_of_one_in_float64(found, engine, objects):
    """Losses, gradients, running statistics: over pictures of two sizes and over regions; also where one process has
    no region on an object, and so nothing that says where one lies.
    """
    one, two = found["steps"][engine, objects]["alone"], found["steps"][engine, objects]["together"]
    assert two[0] == pytest.approx(one[0], rel=1e-12)
    assert one[1].keys() == two[1].keys(), "all processes move the same parameters"
    for name, tensor in one[1].items():
        assert torch.allclose(tensor, two[1][name], rtol=1e-10, atol=1e-13), name
    grads = [tensor.abs().max() for name, tensor in one[1].items() if name.startswith("grad.") and "weight" in name]
    assert min(grads) > 1e-5
    on = found["steps"][engine, objects]["on objects"]
    assert (0 in on) == (objects == 1) and sum(on) > 0
    assert found["steps"][engine, objects]["plain"], "afterwards the net has its plain layers back"


@pytest.mark.parametrize("engine", NETS)
def test_regions_of_shared_pictures_are_those_that_one_process_draws(found, engine):
    parts, whole = found["batches"][engine]["parts"], found["batches"][engine]["whole"]
    assert len(parts) == len(whole) == 2
    for one, other in zip(parts, whole, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert torch.equal(*found["batches"][engine]["held"])


def test_each_picture_is_searched_for_regions_by_one_process_of_a_machine(found):
    assert found["searched"] == {"counts": [10, 10], "same": True}


def test_a_signal_to_one_process_while_pictures_are_read_ends_all(found):
    assert found["signalled"] == [143, 143]


def test_what_cannot_be_is_one_line_and_each_line_is_printed_once(alone, found):
    said = found["said"]
    assert found["codes"]["too many"] == found["codes"]["damaged"] == 2
    assert said.count("torchrun: expected up to 1 process, a picture of each batch for one, found 2.") == 1
    assert said.count("003.png: the picture") == 1
    assert said.count("2 processes, each with a part of every batch") == 6
    assert said.count("on 5 test pictures") == 4 and "Traceback" not in said
    assert not (alone / "never").exists()
