"""The weights of a classifier laid into a detector: its first layers look at the picture, the rest at each region."""

import pytest
import torch
from test_detector_net import BOXES, some
from test_weights import SMALL, made

from glassnet.errors import GlassnetError
from glassnet.nets import weights
from glassnet.nets.convnet import ConvNet
from glassnet.nets.rcnn.detector import Detector
from glassnet.nets.rcnn.pooling import roi_align
from glassnet.nets.rcnn.text import parse_regions
from glassnet.nets.rcnn.transfer import lay_in_trunk, regions_text
from glassnet.nets.text import parse


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


@pytest.mark.parametrize("change", ["shape", "more", "fewer"])
def test_weights_of_another_net_are_refused_in_one_line(change):
    given = weights.recognise("w", made(classes=5, **SMALL), {})
    tensors = dict(given.tensors)
    if change == "shape":
        tensors["conv1.weight"] = torch.zeros(8, 1, 7, 7)
    elif change == "more":
        tensors["residual9.conv1.weight"] = torch.zeros(3)
    else:
        del tensors["residual2.conv1.weight"]
    net = Detector(parse_regions(regions_text(given.net)), (3, 64, 64), 2)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with pytest.raises(GlassnetError) as refused:
        lay_in_trunk(weights.Weights("w", given.net, tensors, None), net)
    assert "\n" not in str(refused.value) and str(refused.value).startswith("w")
    assert change != "shape" or "expected 8x3x7x7, found 8x1x7x7" in str(refused.value)
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items()), (
        "nothing is half laid in"
    )
