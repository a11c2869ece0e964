"""The weights of a classifier laid into a detector: its first layers look at the picture, the rest at each region."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from box_data import make_voc
from detectors import TYPED, train_detector
from test_detector_net import BOXES, some
from test_weights import SMALL, made, write

import glassnet as gn
from glassnet.config import Training
from glassnet.data.boxes.finding import find_boxes
from glassnet.data.dataset import Normalisation
from glassnet.doors.card import read_card
from glassnet.doors.detection.model import DetectorModel, empty_net
from glassnet.doors.detection.run import run
from glassnet.errors import GlassnetError
from glassnet.nets import weights
from glassnet.nets.convnet import ConvNet
from glassnet.nets.rcnn.detector import Detector
from glassnet.nets.rcnn.pooling import roi_align
from glassnet.nets.rcnn.text import parse_regions
from glassnet.nets.rcnn.transfer import lay_in_trunk, regions_text
from glassnet.nets.text import parse
from glassnet.steps import finish


def whole(given, classes, side):
    """A classifier with these weights."""
    net = ConvNet(parse(given.net), (3, side, side), classes).eval()
    weights.Weights("w", given.net, given.tensors, None, classes=tuple(map(str, range(classes)))).lay_in(
        net, tuple(map(str, range(classes)))
    )
    return net


@pytest.mark.parametrize("deep", [False, True])
def test_a_resnets_weights_give_the_features_that_its_own_layers_would(deep):
    given = weights.recognise("w", made(deep, classes=5, **SMALL), {})
    net = Detector(parse_regions(regions_text(given.net)), (3, 64, 64), 2)
    lay_in_trunk(given, net)
    net.eval()
    assert net.trunk.stride == 8
    layers = list(whole(given, 5, 64).children())
    count = len(list(net.trunk.children()))
    x, boxes = some(3, 64, 64), BOXES
    with torch.no_grad():
        maps = x[None]
        for layer in layers[:count]:
            maps = layer(maps)
        value = roi_align(maps, boxes, torch.zeros(4, dtype=torch.int64), 7, 8)
        for layer in layers[count:-1]:
            value = layer(value)
    found = net.regions(x, boxes).features
    assert value.std() > 0.01 and torch.allclose(found, value, rtol=1e-4, atol=1e-4)


def test_a_text_is_cut_where_its_map_would_get_too_coarse():
    net = "conv 4 3/2, relu, conv 4 3/2, relu, conv 4 3/2, relu, conv 4 3/2, relu, mean, fc"
    assert regions_text(net) == net.replace("conv 4 3/2, relu, mean", "roi 7, conv 4 3/2, relu, mean")
    assert regions_text("conv 4 3, relu, fc 8, relu, fc") == "conv 4 3, relu, roi 7, fc 8, relu, fc"
    with pytest.raises(GlassnetError, match="expected layers that look at a picture, found fc 8"):
        regions_text("fc 8, relu, fc")


@pytest.mark.parametrize("engine", ["fast", "rcnn"])
def test_weights_that_learnt_from_grey_pictures_see_a_grey_picture_in_colours_as_they_did(engine):
    own = ConvNet(parse("conv 4 3/2, batchnorm, relu, conv 6 3, relu, mean, fc"), (1, 24, 24), 5).eval()
    given = weights.Weights("w", str(own.spec), own.state_dict(), Normalisation((0.4,), (0.2,)))
    assert given.normalisation_for(3) == Normalisation((0.4,) * 3, (0.2,) * 3)
    if engine == "fast":
        net = Detector(parse_regions(regions_text(given.net)), (3, 24, 24), 2)
        lay_in_trunk(given, net)
        looking = net.trunk
    else:
        looking = ConvNet(parse(given.net), (3, 24, 24), 3)
        given.lay_in(looking, ())
    x = torch.rand(2, 1, 24, 24, generator=torch.Generator().manual_seed(0))
    grey, coloured = x, x.expand(-1, 3, -1, -1)
    with torch.no_grad():
        for one, other in zip(list(own.children())[:5], list(looking.eval().children())[:5], strict=True):
            grey, coloured = one(grey), other(coloured)
    assert grey.std() > 0.01 and torch.allclose(grey, coloured, atol=1e-6)


@pytest.fixture(scope="module")
def place(tmp_path_factory, xo_model):
    """Boxes, a detector of each engine that learnt from them, a classifier."""
    root = tmp_path_factory.mktemp("place")
    make_voc(root / "shapes", 14)
    for engine in TYPED:
        train_detector(root / "shapes", root / engine, engine, epochs=1)
    (root / "xo").symlink_to(xo_model)
    write(root / "resnet.safetensors", made(classes=7, **SMALL))
    return root


@pytest.mark.parametrize("engine", TYPED)
def test_a_detector_begins_with_the_layers_of_another_but_not_with_its_votes(engine, place):
    given, was = weights.find(str(place / engine)), DetectorModel.load(place / engine).net.state_dict()
    net = empty_net(read_card(place / engine))
    if engine == "fast":
        lay_in_trunk(given, net)
    else:
        given.lay_in(net.net, ())
    anew = (
        ("head.fc2.", "corrections.") if engine == "fast" else ("net.fc2.", "corrections.", "svms.", "norms", "chances")
    )
    same = {key for key, tensor in net.state_dict().items() if torch.equal(tensor, was[key])}
    assert same >= {key for key in was if not key.startswith(anew)} and len(was) - len(same) >= 4
    assert regions_text(given.net) == given.net if engine == "fast" else given.normalisation is not None


@pytest.mark.parametrize("engine", TYPED)
@pytest.mark.parametrize("begun", ["resnet.safetensors", "xo", "the same"])
def test_a_training_begins_with_weights_of_every_sort_and_says_so(place, engine, begun):
    where = str(place / (engine if begun == "the same" else begun))
    settings, detecting = Training(weights=where, epochs=1, threads=1), replace(TYPED[engine][1], regions=50)
    detecting = detecting if begun == "the same" or engine == "fast" else replace(detecting, crop=32)
    *_, last = run(finish(find_boxes(place / "shapes").steps()), settings, detecting, None, "")
    plan = last.outcome.plan
    assert f"begun with the weights of {where}; the votes begin anew" in plan.notes
    assert plan.net != TYPED[engine][0].net or begun == "the same"


def test_weights_of_a_detector_for_what_they_can_not_begin_are_refused_before_torch_is_loaded(place):
    refused = {
        "xo --weights fast": "fast: expected weights of a net that names whole examples, found a detector's. Name a "
        "classifier's, or train on a folder of boxes.",
        "xo --weights rcnn/model.safetensors": "rcnn/model.safetensors: expected weights of a net that names whole",
        "shapes --weights rcnn": "rcnn: expected weights of a classifier or of engine fast, found those of engine "
        "rcnn. Add --engine rcnn, or name a classifier's.",
        "shapes --engine rcnn --weights fast": "found those of engine fast. Add --engine fast, or name",
    }
    code = "import sys; from glassnet.doors import cli; print(cli.run(sys.argv[1:]), 'torch' in sys.modules)"
    for typed, said in refused.items():
        done = subprocess.run(
            [sys.executable, "-c", code, "train", *typed.split()],
            cwd=place,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout == "2 False\n" and said in done.stderr and done.stderr.count("\n") == 1, done.stderr
    with pytest.raises(GlassnetError, match="found a detector's"):
        gn.train("xo", weights=str(place / "fast"), epochs=1)


@pytest.mark.parametrize("change", ["shape", "more", "fewer"])
def test_weights_of_another_net_are_refused_in_one_line(change):
    given = weights.recognise("w", made(classes=5, **SMALL), {})
    tensors = dict(given.tensors)
    if change == "shape":
        tensors["conv1.weight"] = torch.zeros(8, 2, 7, 7)
    elif change == "more":
        tensors["residual9.conv1.weight"] = torch.zeros(3)
    else:
        del tensors["residual2.conv1.weight"]
    net = Detector(parse_regions(regions_text(given.net)), (3, 64, 64), 2)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with pytest.raises(GlassnetError) as refused:
        lay_in_trunk(weights.Weights("w", given.net, tensors, None), net)
    assert "\n" not in str(refused.value) and str(refused.value).startswith("w")
    assert change != "shape" or "expected 8x3x7x7, found 8x2x7x7" in str(refused.value)
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items()), (
        "nothing is half laid in"
    )
