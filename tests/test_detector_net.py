"""The nets that judge regions: their text, their answers, their loss."""

import math

import pytest
import torch

from glassnet.data.loader import Batch, Regions
from glassnet.errors import GlassnetError
from glassnet.nets.network import PLAIN
from glassnet.nets.rcnn.cropped import NORM, Cropped
from glassnet.nets.rcnn.detector import SPREAD, Detector
from glassnet.nets.rcnn.pooling import roi_align
from glassnet.nets.rcnn.text import CROPPED, FAST, measure_regions, parse_regions
from glassnet.nets.rcnn.warping import Crops, warp
from glassnet.nets.text import parse

NET = "conv 6 3/2, batchnorm, relu, conv 8 3/2, relu, roi 3, conv 8 3, relu, fc 10, relu, fc"
BOXES = torch.tensor(
    [[2.0, 3.0, 20.0, 25.0], [0.0, 0.0, 40.0, 32.0], [10.0, 12.0, 14.0, 15.0], [30.0, 1.0, 39.0, 31.0]]
)


def detector(net=NET, classes=3, seed=0):
    return Detector(parse_regions(net), (3, 32, 40), classes, seed)


def some(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def stirred(net):
    """With corrections that are no longer next to nothing."""
    with torch.no_grad():
        for weight in net.parameters():
            weight += some(*weight.shape, seed=weight.numel()) * 0.1
    return net.eval()


def test_a_detectors_text_builds_it_again():
    for net in (NET, FAST):
        spec = parse_regions(net)
        assert parse_regions(str(spec)) == spec
    spec = parse_regions(" conv 8 3 ,ROI  7 , fc")
    assert (str(spec), spec.cells) == ("conv 8 3, roi 7, fc", 7)
    assert str(parse(CROPPED)) == CROPPED


@pytest.mark.parametrize(
    ("net", "says"),
    [
        ("conv 8 3, relu, fc", "expected one `roi CELLS`, where regions are cut out, found none"),
        ("conv 8 3, roi, fc", "found none"),
        ("", "found none"),
        ("conv 8 3, roi 7, conv 8 3, roi 7, fc", "found 2 of them"),
        ("conv 8 3, roi 0, fc", "expected `roi 1` to `roi 14`, found `roi 0`"),
        ("conv 8 3, roi 99, fc", "found `roi 99`"),
        ("conv 8 3, roi 100, fc", "found `roi 100`"),
        ("roi 7, fc", "expected layers before `roi`, found none"),
        ("conv 8 3, roi 7", "expected a bare `fc` at the end"),
        ("conv 8 3, roi 7, conv 8 3", "expected a bare `fc` at the end"),
        ("(conv 8 3, roi 7) x2, fc", "found none"),
        ("konv 8 3, roi 7, fc", "knows no layer `konv`"),
        ("conv 8 3, roi 7, konv 8, fc", "knows no layer `konv`"),
        ("conv 8 3, mean, roi 7, fc", "`mean` before `roi`"),
        ("conv 8 3, fc 9, roi 7, fc", "`fc 9` before `roi`"),
        ("conv 8 3, roi 2, conv 8 5 valid, fc", "layer 1 `conv 8 5 valid`"),
    ],
)
def test_what_is_no_detector_is_refused_in_one_line(net, says):
    with pytest.raises(GlassnetError) as refused:
        measure_regions(parse_regions(net), (3, 32, 40), 2)
    assert says in str(refused.value) and "\n" not in str(refused.value)


def test_the_sheets_tell_maps_and_grids():
    trunk, head = measure_regions(parse_regions(NET), (3, 32, 40), 2)
    assert trunk[-1].flow.shape == (8, 8, 10) and trunk[-1].flow.field[0].stride == 4
    assert head[0].flow.shape == (8, 3, 3) and head[-1].flow.shape == (3,)


def test_logits_are_one_more_than_the_classes_for_each_region_on_pictures_of_any_size():
    net = detector().eval()
    for shape in ((2, 3, 32, 40), (2, 3, 57, 33)):
        regions = Regions(BOXES, torch.tensor([1, 0, 1, 1]), BOXES)
        assert net(some(*shape), regions).shape == (4, 4)
    logits, changes = net.judge(net.grids(some(1, 3, 32, 40), BOXES, torch.zeros(4, dtype=torch.int64)))
    assert logits.shape == (4, 4) and changes.shape == (4, 3, 4)
    nothing = net.regions(some(3, 32, 40), torch.zeros(0, 4))
    assert nothing.scores.shape == (0, 3) and nothing.changes.shape == (0, 3, 4) and nothing.features.shape == (0, 10)


@pytest.mark.parametrize("make", [detector, lambda seed: Cropped(parse(CROPPED), Crops(16), 3, seed)])
def test_the_seed_tells_the_weights(make):
    one, same, other = (make(seed=seed).state_dict() for seed in (4, 4, 5))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_regions_are_judged_as_the_layers_do_one_by_one():
    net, x = stirred(detector()), some(3, 32, 40)
    judged = net.regions(x, BOXES)
    with torch.no_grad():
        maps = x[None]
        for layer in net.trunk.children():
            maps = layer(maps)
        value = roi_align(maps, BOXES, torch.zeros(4, dtype=torch.int64), 3, 4)
        for layer in list(net.head.children())[:-1]:
            value = layer(value)
        weight, bias, others = net.voters()
        logits = value @ weight.T + bias
        changes = net.corrections(value).reshape(4, 3, 4) * torch.tensor(SPREAD)
    assert others == ("background",)
    assert torch.allclose(judged.features, value, atol=1e-5)
    assert torch.allclose(judged.scores, logits.softmax(1)[:, :3], atol=1e-5)
    assert torch.allclose(judged.changes, changes, atol=1e-6) and changes.abs().max() > 0.01
    assert torch.allclose(net(x[None], Regions(BOXES, torch.zeros(4, dtype=torch.int64), BOXES)), logits, atol=1e-4)


def test_judged_in_bfloat16_regions_come_near_to_float32():
    net, x = stirred(detector(seed=2)), some(3, 32, 40)
    exact = net.regions(x, BOXES)
    with torch.autocast("cpu", torch.bfloat16):
        rough = net.regions(x, BOXES)
    assert rough.scores.dtype == rough.changes.dtype == rough.features.dtype == torch.float32
    assert (rough.scores - exact.scores).abs().max() < 0.03
    assert (rough.changes - exact.changes).abs().max() < 0.03
    assert (rough.features - exact.features).abs().max() < 0.03 * exact.features.abs().max()


def batch_of(y, truth):
    y = torch.tensor(y)
    picture = torch.tensor([0, 0, 1, 1])
    return Batch(some(2, 3, 32, 40), y, torch.arange(4).numpy(), Regions(BOXES, picture, truth))


def test_the_loss_is_cross_entropy_and_the_smooth_distance_of_boxes_on_objects():
    """Fast R-CNN, equations 1 to 3, both means over all regions; corrections in their usual spreads."""
    net = stirred(detector())
    truth = BOXES + torch.tensor([[1.0, -2.0, 3.0, 1.0], [0.0] * 4, [-2.0, 1.0, 9.0, 8.0], [5.0] * 4])
    batch = batch_of([1, 3, 0, 3], truth)
    (phase,) = net.phases()
    with torch.no_grad():
        loss, logits = phase.loss(batch, PLAIN)
        said = net.judge(net.grids(batch.x, BOXES, batch.regions.picture))[1]
    total = -sum(float(logits[i].log_softmax(0)[y]) for i, y in enumerate([1, 3, 0, 3]))
    for i, k in ((0, 1), (2, 0)):  # the others are background, wherever their truth lies
        x1, y1, x2, y2 = BOXES[i].tolist()
        a1, b1, a2, b2 = truth[i].tolist()
        moved = ((a1 + a2 - x1 - x2) / 2 / (x2 - x1), (b1 + b2 - y1 - y2) / 2 / (y2 - y1))
        wanted = (*moved, math.log((a2 - a1) / (x2 - x1)), math.log((b2 - b1) / (y2 - y1)))
        for one, right, spread in zip(said[i, k].tolist(), wanted, (0.1, 0.1, 0.2, 0.2), strict=True):
            off = abs(one - right) / spread
            total += off**2 / 2 if off < 1 else off - 0.5
    assert float(loss) == pytest.approx(total / 4, rel=1e-4)


def test_without_objects_the_loss_is_cross_entropy_alone():
    net = stirred(detector())
    with torch.no_grad():
        loss, logits = net.phases()[0].loss(batch_of([3, 3, 3, 3], BOXES + 7), PLAIN)
    assert float(loss) == pytest.approx(-float(logits.log_softmax(1)[:, 3].mean()), rel=1e-5)


def test_every_weight_is_reached_by_the_loss():
    net = detector().train()
    loss, _ = net.phases()[0].loss(batch_of([0, 1, 2, 3], BOXES + 1), PLAIN)
    loss.backward()
    for name, weight in net.named_parameters():
        assert weight.grad is not None and weight.grad.isfinite().all() and weight.grad.any(), name


def cropped(net="conv 6 3/2, relu, conv 8 3, relu, pool 2, fc 10, relu, fc", side=16):
    return Cropped(parse(net), Crops(side), 3).eval()


def test_crops_are_scored_by_the_softmax_until_there_are_svms():
    net, x = cropped(), some(3, 32, 40)
    judged = net.regions(x, BOXES)
    crops = warp(x[None], BOXES, torch.zeros(4, dtype=torch.int64), 16)
    with torch.no_grad():
        logits = net(crops)
    assert logits.shape == (4, 4) and not net.has_svms and not judged.changes.any()
    assert torch.allclose(judged.scores, logits.softmax(1)[:, :3], atol=1e-5)
    weight, bias, others = net.voters()
    assert others == ("background",)
    assert torch.allclose(judged.features @ weight.T + bias, logits, atol=1e-4)


@pytest.fixture
def fitted():
    net = cropped()
    with torch.no_grad():
        for part in (net.svms, net.corrections):
            part.weight.copy_(some(*part.weight.shape) * 0.05)
            part.bias.copy_(some(*part.bias.shape))
        net.get_buffer("norms").copy_(torch.tensor([5.0, 8.0]))
        net.get_buffer("chances").copy_(torch.tensor([[2.0, 0.1], [3.0, -0.5], [1.0, 0.0]]))
    return net


def test_once_there_are_svms_they_score_and_a_regression_corrects(fitted):
    """Features times 20 through their mean norm; a margin's chance is a sigmoid; the votes are the SVMs'."""
    x = some(3, 32, 40)
    judged = fitted.regions(x, BOXES)
    with torch.no_grad():
        pooled = warp(x[None], BOXES, torch.zeros(4, dtype=torch.int64), 16)
        for layer in list(fitted.net.children())[:5]:
            pooled = layer(pooled)
        features = list(fitted.net.children())[6](pooled.flatten(1)).relu() * 20 / 5
        margins = features @ fitted.svms.weight.T + fitted.svms.bias
        changes = fitted.corrections(pooled.flatten(1) * 20 / 8).reshape(4, 3, 4)
        weight, bias, others = fitted.voters()
    assert fitted.has_svms and others == ()
    assert torch.allclose(judged.features, features, atol=1e-4)
    slope, offset = torch.tensor([2.0, 3.0, 1.0]), torch.tensor([0.1, -0.5, 0.0])
    assert torch.allclose(judged.scores, torch.sigmoid(slope * margins + offset), atol=1e-4)
    assert torch.allclose(judged.changes, changes, atol=1e-4)
    assert torch.allclose(judged.features @ weight.T + bias, margins, atol=1e-4)


def test_features_are_as_they_are_before_their_norms_are_known():
    net, x = cropped(), some(3, 32, 40)
    features, pooled = net.look(x, BOXES)
    crops = net.cut(x, BOXES)
    with torch.no_grad():
        layers = list(net.net.children())
        raw = crops
        for layer in layers[:5]:
            raw = layer(raw)
        assert torch.allclose(pooled, raw.flatten(1), atol=1e-5)
        assert torch.allclose(features, layers[6](raw.flatten(1)).relu(), atol=1e-5)
    assert NORM == 20


@pytest.mark.parametrize("net", ["fc", "fc 8, relu, fc", "conv 4 3, relu, mean, fc", "conv 4 3, fc"])
def test_any_text_has_something_that_boxes_are_corrected_by(net):
    one = Cropped(parse(net), Crops(8), 2).eval()
    features, pooled = one.look(some(3, 20, 20), BOXES)
    assert features.shape == (4, one.svms.in_features) and pooled.shape == (4, one.corrections.in_features)
    nothing = one.regions(some(3, 20, 20), torch.zeros(0, 4))
    assert nothing.scores.shape == (0, 2) and nothing.features.shape == (0, one.svms.in_features)


def test_without_corrections_every_box_is_left_where_it_was_proposed(fitted):
    for net in (stirred(detector()), fitted):
        x = some(3, 32, 40)
        before = net.regions(x, BOXES)
        net.without_corrections()
        after = net.regions(x, BOXES)
        assert before.changes.any() and not after.changes.any() and torch.equal(after.scores, before.scores)
