"""Weights from elsewhere: the same answers as a second implementation, and nothing run from a file."""

import json
import pickle
import warnings

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn
from torch.nn import functional

import glassnet as gn
from glassnet.nets import weights, zoo
from glassnet.nets.convnet import ConvNet
from glassnet.nets.text import parse

BLOCKS = {
    "resnet18": (2, 2, 2, 2),
    "resnet34": (3, 4, 6, 3),
    "resnet50": (3, 4, 6, 3),
    "resnet101": (3, 4, 23, 3),
    "resnet152": (3, 8, 36, 3),
}
DEEP = ("resnet50", "resnet101", "resnet152")
SMALL = {"widths": (8, 12, 16, 20), "blocks": (2, 1, 2, 1)}


def made(deep=False, widths=(64, 128, 256, 512), blocks=(2, 2, 2, 2), classes=1000, stem=7, channels=3, seed=0):
    """Random weights under torchvision's names. He et al. 2015, table 1."""
    random = torch.Generator().manual_seed(seed)
    state = {}

    def conv(name, features, before, size):
        scale = (2 / (before * size * size)) ** 0.5
        state[f"{name}.weight"] = torch.randn(features, before, size, size, generator=random) * scale

    def norm(name, features):
        state[f"{name}.weight"] = torch.rand(features, generator=random) * 0.5 + 0.5
        state[f"{name}.bias"] = torch.randn(features, generator=random) * 0.1
        state[f"{name}.running_mean"] = torch.randn(features, generator=random) * 0.1
        state[f"{name}.running_var"] = torch.rand(features, generator=random) + 0.5
        state[f"{name}.num_batches_tracked"] = torch.tensor(7)

    before = min(64, widths[0])
    conv("conv1", before, channels, stem)
    norm("bn1", before)
    for stage, (width, count) in enumerate(zip(widths, blocks, strict=True), 1):
        out = width * 4 if deep else width
        for i in range(count):
            name = f"layer{stage}.{i}"
            sizes = ((width, 1), (width, 3), (out, 1)) if deep else ((width, 3), (width, 3))
            inside = before
            for k, (features, size) in enumerate(sizes, 1):
                conv(f"{name}.conv{k}", features, inside, size)
                norm(f"{name}.bn{k}", features)
                inside = features
            if i == 0 and (stage > 1 or before != out):
                conv(f"{name}.downsample.0", out, before, 1)
                norm(f"{name}.downsample.1", out)
            before = out
    state["fc.weight"] = torch.randn(classes, before, generator=random) * 0.05
    state["fc.bias"] = torch.randn(classes, generator=random) * 0.1
    return state


def second(state, x):
    """The pass that torchvision makes, written with torch's functions alone. Returns (B, K)."""
    w = {name: tensor.to(x.dtype) for name, tensor in state.items()}

    def norm(y, name):
        parts = (w[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(y, *parts)

    def conv(y, name, stride=1):
        kernel = w[f"{name}.weight"]
        return functional.conv2d(y, kernel, None, stride, kernel.shape[-1] // 2)

    stem = w["conv1.weight"].shape[-1]
    y = norm(conv(x, "conv1", 2 if stem == 7 else 1), "bn1").relu()
    if stem == 7:
        y = functional.max_pool2d(y, 3, 2, 1)
    stage = 1
    while f"layer{stage}.0.conv1.weight" in w:
        block = 0
        while f"layer{stage}.{block}.conv1.weight" in w:
            name = f"layer{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            around = y
            if f"{name}.downsample.0.weight" in w:
                around = norm(conv(y, f"{name}.downsample.0", stride), f"{name}.downsample.1")
            if f"{name}.conv3.weight" in w:
                z = norm(conv(y, f"{name}.conv1"), f"{name}.bn1").relu()
                z = norm(conv(z, f"{name}.conv2", stride), f"{name}.bn2").relu()
                z = norm(conv(z, f"{name}.conv3"), f"{name}.bn3")
            else:
                z = norm(conv(y, f"{name}.conv1", stride), f"{name}.bn1").relu()
                z = norm(conv(z, f"{name}.conv2"), f"{name}.bn2")
            y = (z + around).relu()
            block += 1
        stage += 1
    return functional.linear(y.mean((2, 3)), w["fc.weight"], w["fc.bias"])


def built(given, classes, shape=(3, 64, 64)):
    """The net of these weights, its votes included."""
    net = ConvNet(parse(given.net), shape, classes)
    whole = weights.Weights(given.name, given.net, given.tensors, None, classes=tuple(map(str, range(classes))))
    whole.lay_in(net, whole.classes)
    return net.eval()


@pytest.mark.parametrize("deep", [False, True], ids=["basic", "bottleneck"])
@pytest.mark.parametrize("size", [64, 71])
@pytest.mark.parametrize("stem", [7, 3])
def test_the_answers_are_those_of_a_second_implementation(deep, size, stem):
    state = made(deep, classes=9, stem=stem, **SMALL)
    x = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    net = built(weights.recognise("w", state, {}), 9, (3, size, size))
    with torch.no_grad():
        expected = second(state, x.double())
        assert float(expected.std()) > 0.01, "the answers differ, so equality says something"
        assert torch.allclose(net.double()(x.double()), expected, rtol=1e-10, atol=1e-10)
        assert torch.allclose(net.float()(x).double(), expected, rtol=1e-3, atol=1e-4)


@pytest.fixture(scope="module")
def torchvision_models():
    """The oracle. Its package can't load its own operations beside a CPU build of torch, so they are declared first."""
    declared = torch.library.Library("torchvision", "FRAGMENT")
    try:
        for name in ("nms", "qnms"):
            if not hasattr(torch.ops.torchvision, name):
                declared.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from torchvision.models import resnet
    except (ImportError, OSError, RuntimeError) as error:
        pytest.skip(f"needs torchvision (pip install --no-deps torchvision), the second implementation: {error}")
    yield resnet
    del declared


@pytest.mark.parametrize("name", BLOCKS)
def test_the_answers_are_torchvisions(name, torchvision_models):
    oracle = getattr(torchvision_models, name)(num_classes=10).eval()
    for module in oracle.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.running_mean, std=0.1)
    given = weights.recognise(name, oracle.state_dict(), {})
    assert str(parse(given.net)) == str(zoo.find(name))
    x = torch.randn(2, 3, 96, 90)
    with torch.no_grad():
        assert torch.allclose(built(given, 10, (3, 96, 90))(x), oracle(x), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", BLOCKS)
def test_every_size_is_recognised_by_its_names_and_widths(name):
    with torch.device("meta"):
        own = ConvNet(zoo.find(name), (3, 64, 64), 1000).state_dict()
    meta = made_empty(name)
    given = weights.Weights(name, weights._resnet_text(name, meta), weights._renamed(name, meta), None)
    assert str(parse(given.net)) == str(zoo.find(name))
    assert {key: tuple(tensor.shape) for key, tensor in given.tensors.items()} == {
        key: tuple(tensor.shape) for key, tensor in own.items()
    }


def made_empty(name):
    """Names and shapes as torchvision has them."""
    blocks, deep = BLOCKS[name], name in DEEP
    state, before = {}, 64

    def conv(at, features, inside, size):
        state[f"{at}.weight"] = torch.empty(features, inside, size, size, device="meta")

    def norm(at, features):
        for part in ("weight", "bias", "running_mean", "running_var"):
            state[f"{at}.{part}"] = torch.empty(features, device="meta")
        state[f"{at}.num_batches_tracked"] = torch.empty((), device="meta")

    conv("conv1", 64, 3, 7)
    norm("bn1", 64)
    for stage, count in enumerate(blocks, 1):
        width = 32 << stage
        out = width * 4 if deep else width
        for i in range(count):
            inside = before
            sizes = ((width, 1), (width, 3), (out, 1)) if deep else ((out, 3), (out, 3))
            for k, (features, size) in enumerate(sizes, 1):
                conv(f"layer{stage}.{i}.conv{k}", features, inside, size)
                norm(f"layer{stage}.{i}.bn{k}", features)
                inside = features
            if i == 0 and before != out:
                conv(f"layer{stage}.{i}.downsample.0", out, before, 1)
                norm(f"layer{stage}.{i}.downsample.1", out)
            before = out
    state["fc.weight"], state["fc.bias"] = (torch.empty(1000, *more, device="meta") for more in ((before,), ()))
    return state


def write(path, state):
    safetensors.torch.save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
    return path


def test_one_command_fine_tunes_from_a_file_with_the_input_those_weights_expect(glassnet, pets, tmp_path):
    state = made(classes=7, **SMALL)
    write(tmp_path / "small.safetensors", state)
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}, tmp_path / "small.pth")
    for file in ("small.safetensors", "small.pth"):
        done = glassnet(
            "train", pets, "--weights", file, "--epochs", 2, "--size", 32, "--threads", 1, "--out", file[6:], "--json"
        )
        assert done.code == 0, done.err
        summary = json.loads(done.out)
        assert summary["net"].startswith("conv 8 7/2, batchnorm, relu, pool 3/2 same, residual 8, residual 8, res")
        assert f"begun with the weights of {file}; the votes on 2 classes begin anew" in done.err
        assert "made with pictures of 224 pixels; here they have 32" in done.err
        card = json.loads((tmp_path / file[6:] / "config.json").read_text())
        assert card["normalisation"] == {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
        assert card["training"]["settings"]["weights"] == file
    one, two = (safetensors.torch.load_file(tmp_path / name / "model.safetensors") for name in ("safetensors", "pth"))
    assert all(torch.equal(one[key], two[key]) for key in one), "the same weights, whatever file they came in"


def test_training_begins_at_the_weights(tmp_path, pets):
    state = made(classes=7, **SMALL)
    path = str(write(tmp_path / "small.safetensors", state))
    model = gn.train(pets, weights=path, epochs=1, learning_rate=1e-12)
    kernels = model.net.state_dict()["residual2.conv2.weight"].flatten()
    given = state["layer1.1.conv2.weight"].flatten()
    assert float(torch.corrcoef(torch.stack([kernels, given]))[0, 1]) > 0.999


def hub_folder(root, state, **facts):
    """As timm's models lie on the hub."""
    root.mkdir(parents=True)
    wanted = {"input_size": [3, 48, 48], "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], **facts}
    (root / "config.json").write_text(json.dumps({"architecture": "resnet18", "pretrained_cfg": wanted}))
    write(root / "model.safetensors", state)
    return root


def test_a_folder_in_the_hubs_layout_says_how_its_input_is_normalised(tmp_path):
    root = hub_folder(tmp_path / "resnet", made(classes=7, **SMALL))
    for where in (root, root / "model.safetensors"):
        given = weights.find(str(where))
        assert (given.normalisation.mean, given.normalisation.std, given.side) == ((0.5,) * 3, (0.25,) * 3, 48)


def test_a_hub_id_is_taken_from_the_hubs_own_cache_without_a_network(apart, pets, tmp_path):
    pytest.importorskip("huggingface_hub", reason="needs the hub extra")
    repository = tmp_path / "hub" / "hub" / "models--timm--small.a1_in1k"
    commit = "0123456789abcdef0123456789abcdef01234567"
    hub_folder(repository / "snapshots" / commit, made(classes=7, **SMALL))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    offline = {"HF_HOME": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"}
    words = ("train", pets, "--epochs", 1, "--out", "m", "--weights")
    done = apart(*words, "timm/small.a1_in1k", env=offline)
    assert done.code == 0, done.err
    assert json.loads((tmp_path / "m" / "config.json").read_text())["normalisation"]["mean"] == [0.5] * 3
    missing = apart("train", pets, "--weights", "timm/other", env=offline)
    assert missing.code == 2
    assert missing.err.startswith("timm/other: the hub did not give it")
    assert missing.err.count("\n") == 1


def test_a_model_of_ones_own_is_gone_on_from_with_its_votes(glassnet, xo_model):
    done = glassnet("train", "xo", "--weights", xo_model, "--epochs", 1, "--out", "m", "--json")
    assert done.code == 0, done.err
    assert "the votes too" in done.err
    assert json.loads(done.out)["test"]["accuracy"] > 0.97


def test_grey_pictures_get_the_sum_of_the_kernels_for_red_green_and_blue():
    state = made(classes=5, **SMALL)
    state["conv1.weight"][:] = state["conv1.weight"][:, :1] / 3  # then a grey in each channel is that grey in one
    given = weights.recognise("w", state, {})
    x = torch.randn(2, 1, 40, 40)
    grey = built(given, 5, (1, 40, 40))
    with torch.no_grad():
        assert torch.allclose(grey(x), second(state, x.expand(-1, 3, -1, -1)), rtol=1e-3, atol=1e-4)
    assert given.normalisation_for(1).mean == (pytest.approx(np.mean([0.485, 0.456, 0.406])),)
    assert given.normalisation_for(3) == weights.IMAGENET


class Evil:
    """What a pickle may do."""

    def __reduce__(self):
        import os

        return os.system, ("touch evil",)


def test_a_file_that_would_run_something_is_refused_and_runs_nothing(glassnet, tmp_path, pets):
    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"conv1.weight": Evil()}))
    torch.save({"conv1.weight": torch.zeros(2), "more": Evil()}, tmp_path / "evil.pt")
    for file in ("evil.pth", "evil.pt"):
        done = glassnet("train", pets, "--weights", file)
        assert done.code == 2
        assert done.err.startswith(f"{file}: expected a file of weights, found damaged, or more than weights")
        assert done.err.count("\n") == 1
    assert not (tmp_path / "evil").exists()
    assert not (tmp_path / "models").exists()


def test_weights_that_do_not_fit_are_refused_in_a_line(tmp_path, pets):
    state = made(classes=7, **SMALL)

    def refused(match, changed=None, **settings):
        path = tmp_path / "w.safetensors"
        write(path, changed or state)
        with pytest.raises(gn.GlassnetError, match=match) as caught:
            gn.train(pets, weights=str(path), epochs=1, **settings)
        assert "\n" not in str(caught.value)

    refused("conv1.weight: expected 32x3x3x3, found 8x3x7x7. Leave out --net", net="conv 32 3, batchnorm, relu, fc")
    broken = dict(state)
    broken["layer2.0.bn1.weight"] = torch.full((12,), torch.nan)
    refused("some of its weights are no numbers", broken)
    refused("found layer1.0.se.weight", {**state, "layer1.0.se.weight": torch.zeros(3)})
    wide = dict(state)
    wide["layer1.0.conv2.weight"] = torch.zeros(8, 4, 3, 3)
    refused("residual1.conv2.weight: expected 8x8x3x3, found 8x4x3x3", wide)
    refused("expected 8x8x3x3, found nothing", {k: v for k, v in state.items() if k != "layer1.1.conv1.weight"})
    refused("conv1.weight: expected .*, found nothing. Name their net with --net", {"strange": torch.zeros(3)})
    path = tmp_path / "cut.safetensors"
    path.write_bytes((tmp_path / "w.safetensors").read_bytes()[:50])
    with pytest.raises(gn.GlassnetError, match="expected safetensors, found damaged"):
        gn.train(pets, weights=str(path))
    with pytest.raises(gn.GlassnetError, match=r"found a folder without model\.safetensors"):
        weights.find(str(tmp_path))
