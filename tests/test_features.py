"""What features answer to: best patches, fields, what excites and what feeds them, each found in another way too."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from glassnet.data.dataset import Dataset, Normalisation, Preparation, Samples
from glassnet.explaining import features_page
from glassnet.explaining.exciting import excite, stage
from glassnet.explaining.features import Asked, find
from glassnet.explaining.feeds import contributions
from glassnet.explaining.levels import levels, widths
from glassnet.explaining.patches import outputs
from glassnet.nets.convnet import ConvNet
from glassnet.nets.text import parse
from glassnet.steps import finish

UNITS = "residual 4, bottleneck 8/2, pool 3/2 same, residual 6"
KINDS = {2: "series", 3: "pictures", 4: "volumes"}
NETS = {
    "plain": ("conv 5 3, relu, pool 2, conv 6 3, batchnorm, relu, fc 7, relu, fc", (1, 9, 9)),
    "valid, strides": ("conv 4 3/2 valid, relu, conv 5 3 valid, relu, mean, fc", (3, 16, 13)),
    "residual": (f"conv 4 3, batchnorm, relu, {UNITS}, mean, fc", (3, 14, 9)),
    "series": ("conv 4 5, gelu, pool 2, conv 5 3/2, relu, max, fc", (2, 40)),
    "volume": ("conv 3 3, relu, pool 2, conv 4 3, relu, fc", (1, 6, 8, 7)),
    "votes alone": ("fc", (1, 5, 5)),
}  # fmt: skip


def net_of(name, seed=0):
    """A net with weights at random, batch norms and all."""
    text, shape = NETS[name]
    net = ConvNet(parse(text), shape, 3, seed).eval()
    random = torch.Generator().manual_seed(seed)
    for module in net.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)):
            for tensor in (module.weight, module.bias, module.running_mean):
                tensor.data.copy_(torch.randn(tensor.shape, generator=random))
            module.running_var.copy_(torch.rand(module.running_var.shape, generator=random) + 0.5)
    return net


def examples_for(net, count=40, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(count, *net.shape)).astype(np.float32)
    names = [f"{i}.npy" for i in range(count)]
    sizes = np.tile(np.int32(net.shape[1:]), (count, 1))
    samples = Samples(x, np.arange(count) % 3, names, np.full(count, -1, np.int8), np.arange(count, dtype=np.uint64), sizes)  # fmt: skip  # noqa: E501
    return Dataset(KINDS[len(net.shape)], "noise", ("a", "b", "c"), samples, Preparation(net.shape))


def found_in(net, dataset=None, seed=0):
    dataset = dataset or examples_for(net)
    plain = Normalisation((0.0,) * net.shape[0], (1.0,) * net.shape[0])
    rows = np.arange(len(dataset))
    asked = Asked("models/a", "noise", "Looked at noise.", net, dataset.classes, plain, torch.from_numpy, dataset, rows,
                  dataset.samples.y, seed)  # fmt: skip
    return finish(find(asked))


def values_of(net, level, x):
    with outputs([level.value]) as seen, torch.no_grad():
        net(torch.as_tensor(x))
    return seen[level.value][1].numpy()


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Nets this small are slower on several."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=NETS)
def looked(request):
    net = net_of(request.param)
    dataset = examples_for(net)
    return net, dataset, found_in(net, dataset)


def test_the_best_patches_are_those_that_a_search_through_every_place_finds(looked):
    net, dataset, found = looked
    assert [layer.level.name for layer in found.levels] == [level.name for level in levels(net)]
    for layer in found.levels:
        maps = values_of(net, layer.level, dataset.samples.x)
        for one in layer.features:
            every = maps[:, one.index].reshape(len(maps), -1)
            order = sorted(range(len(every)), key=lambda n, every=every: (-every[n].max(), n))[:9]
            if layer.level.is_cut and not one.dead:
                order = [n for n in order if every[n].max() > 0]
            assert [patch.example for patch in one.patches] == order
            for patch in one.patches:
                mine = maps[patch.example, one.index]
                assert mine[patch.place] == mine.max() == pytest.approx(patch.value, abs=1e-5)
            best = every.max(1)
            assert one.answered == pytest.approx((best > 0).mean())
            for k in range(3):
                own = best[dataset.samples.y == k]
                assert one.mean[k] == pytest.approx(own.mean(), abs=1e-5)
                assert one.share[k] == pytest.approx((own > 0).mean())
            assert one.dead or one.speaks_for == one.mean.argmax()


def test_a_value_hangs_on_its_window_and_on_nothing_else(looked):
    net, dataset, found = looked
    random = np.random.default_rng(5)
    double = net.double()
    try:
        for layer in found.levels:
            for one in layer.features[:4]:
                patch = one.patches[0]
                x = np.array(dataset.samples.x[patch.example], np.float64)
                window = (slice(None), *(slice(span.start, span.stop) for span in patch.window))
                outside = x + 10 * random.normal(size=x.shape)
                outside[window] = x[window]
                inside = x.copy()
                inside[window] += random.normal(size=x[window].shape)
                at = (0, one.index, *patch.place)
                before, far, near = (values_of(double, layer.level, v[None])[at] for v in (x, outside, inside))
                assert far == before
                assert near != before
    finally:
        net.float()


def test_what_feeds_a_feature_adds_up_to_its_value(looked):
    net, dataset, found = looked
    below = widths(net, levels(net))
    double = net.double()
    try:
        for layer in found.levels:
            level = layer.level
            modules = [level.value, *(feeder.layer for feeder in level.feeders)]
            for one in layer.features[:5]:
                patch = one.patches[0]
                with outputs(modules) as seen, torch.no_grad():
                    double(torch.as_tensor(dataset.samples.x[patch.example][None], dtype=torch.float64))
                total = 0.0
                for feeder in level.feeders:
                    x = seen[feeder.layer][0][-1][0]
                    parts, bias = contributions(feeder, x, one.index, patch.place, below[feeder.lower])
                    assert all(0 <= f < below[feeder.lower] for f in parts)
                    total += sum(parts.values()) + bias
                assert total == pytest.approx(seen[level.value][1][(0, one.index, *patch.place)].item(), abs=1e-9)
    finally:
        net.float()
    for layer in found.levels:
        for one in layer.features:
            put = sum(feed.contribution for feed in one.feeds.feeds)
            assert put + one.feeds.bias == pytest.approx(one.feeds.value, abs=1e-4)
            assert one.feeds.value == pytest.approx(np.mean([patch.value for patch in one.patches]), abs=1e-4)
            assert sum(feed.share for feed in one.feeds.feeds) == pytest.approx(1)


def test_the_way_around_feeds_a_residual_unit_beside_its_convolutions():
    net = net_of("residual")
    found = found_in(net)
    layers = {layer.level.name: layer for layer in found.levels}
    assert list(layers) == [
        "conv1", "residual1.conv1", "residual1", "bottleneck1.conv1", "bottleneck1.conv2", "bottleneck1",
        "residual2.conv1", "residual2", "fc1",
    ]  # fmt: skip
    for one in layers["residual1"].features:  # as it is: its own map of the layer below
        (skip,) = [feed for feed in one.feeds.feeds if feed.skip]
        assert (skip.layer, skip.feature) == ("conv1", one.index)
        assert {feed.layer for feed in one.feeds.feeds if not feed.skip} == {"residual1.conv1"}
    for one in layers["bottleneck1"].features:  # through a 1x1 convolution: all maps of it
        assert {(feed.layer, feed.feature) for feed in one.feeds.feeds if feed.skip} == {("residual1", f) for f in range(4)}  # fmt: skip  # noqa: E501


@pytest.mark.parametrize("name", ["plain", "valid, strides", "series", "volume"])
def test_what_excites_a_first_convolution_most_is_its_kernel(name):
    net = net_of(name)
    first = levels(net)[0]
    *_, pictures = excite(net, first, range(first.features), 64)
    assert isinstance(first.value, (nn.Conv1d, nn.Conv2d, nn.Conv3d))
    for f, one in pictures.items():
        kernel = first.value.weight[f].detach().numpy()
        assert one.x.shape == kernel.shape
        cosine = (one.x * kernel).sum() / np.linalg.norm(one.x) / np.linalg.norm(kernel)
        assert cosine > 0.99
        assert np.linalg.norm(one.x) == pytest.approx(np.sqrt(kernel.size), rel=1e-4)
        bias = first.value.bias[f].item()
        assert one.value == pytest.approx((one.x * kernel).sum() + bias, abs=1e-4)


def test_what_excites_most_does_so_more_than_two_hundred_inputs_of_its_length(looked):
    net, _, found = looked
    won = []
    for layer in found.levels:
        level, spot = layer.level, stage(net, layer.level)
        window = (slice(None), slice(None), *(slice(span.start, span.stop) for span in spot.window))
        random = np.random.default_rng(1)
        noise = np.zeros((200, net.shape[0], *spot.sizes), np.float32)
        noise[window] = random.normal(size=noise[window].shape)
        noise *= np.sqrt(noise[0][window[1:]].size) / np.sqrt((noise**2).sum(tuple(range(1, noise.ndim)), keepdims=True))  # fmt: skip  # noqa: E501
        if level.is_grid:
            x = torch.from_numpy(noise)
            with outputs([level.value]) as seen, torch.no_grad():
                for module in net.children():
                    x = module(x)
                    if level.value in seen:
                        break
            tried = seen[level.value][1].numpy()[(slice(None), slice(None), *spot.place)]
        else:
            tried = values_of(net, level, noise)
        for one in layer.features:
            assert one.exciting is not None
            assert one.exciting.x.shape == (net.shape[0], *map(len, spot.window))
            won.append(one.exciting.value > tried[:, one.index].max())
    assert np.mean(won) > 0.7, "a climb may end on a lower hill"


def test_a_feature_that_answers_to_nothing_is_called_dead():
    net = net_of("plain")
    with torch.no_grad():
        net.get_submodule("conv1").bias[3] = -1000
    found = found_in(net)
    first = found.layers[0]
    assert first.dead == (3,)
    one = first.features[3]
    assert (one.speaks_for, one.answered, len(one.patches)) == (None, 0.0, 9)
    told = found.as_json()["layers"][0]
    assert (told["dead"], told["features"][3]["class"]) == (1, None)
    assert f"; {sum(len(layer.dead) for layer in found.layers)} of them to nothing" in found.html()


def test_a_net_in_training_is_left_so_and_hooks_go():
    net = net_of("residual").train()
    found_in(net)
    assert net.training
    assert not any(module._forward_hooks for module in net.modules())


def test_the_same_seed_finds_the_same():
    one, two = (json.dumps(found_in(net_of("plain")).as_json()) for _ in range(2))
    assert one == two


def test_a_page_stays_small_and_asks_for_nothing(monkeypatch):
    net = net_of("residual")
    found = found_in(net)
    text = found.html()
    assert "http:" not in text and "https:" not in text
    sizes = []
    for room in (4_600_000, 120_000):
        monkeypatch.setattr(features_page, "ROOM", room)
        sizes.append(len(found.html().encode()))
    assert sizes[0] == len(text.encode()) < 5_000_000
    assert sizes[1] < sizes[0]


def test_of_many_features_those_are_shown_that_feed_what_is_shown_above():
    net = ConvNet(parse("conv 50 3, relu, conv 40 3, relu, mean, fc"), (1, 9, 9), 3).eval()
    with torch.no_grad():
        net.votes.weight.zero_()
        net.votes.weight[:, 38] = 5.0
    found = found_in(net)
    assert len(found.layers[0].chosen) == len(found.layers[1].chosen) == 32
    assert found.layers[1].chosen[0] == 38
    strongest = found.layers[1].features[38].feeds.feeds[0]
    assert strongest.feature in found.layers[0].chosen
