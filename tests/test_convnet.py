"""ConvNet: the same function in every precision and memory layout, seeded, with keys that can be read."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from glassnet.data.loader import Batch
from glassnet.nets import blocks
from glassnet.nets.convnet import ConvNet
from glassnet.nets.layers import CONVS, NORMS, POOLS, Add, Mean, Residual
from glassnet.nets.network import Criterion
from glassnet.nets.text import parse

TEXT = (
    "conv 6 3, batchnorm, relu, pool 2, residual 6, residual 8/2, "
    "conv 8 3 valid, relu, dropout 0.3, mean, fc 9, relu, fc"
)
SHAPES = {1: (2, 37), 2: (3, 21, 18), 3: (1, 14, 13, 15)}


def settled(text, shape, classes=4, seed=0):
    """A net whose running statistics and norms are not those it began with."""
    net = ConvNet(parse(text), shape, classes, seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for module in net.modules():
            if isinstance(module, tuple(NORMS.values())):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias)
                nn.init.uniform_(module.running_var, 0.5, 2)
                nn.init.normal_(module.running_mean)
        return net.eval(), torch.randn(3, *shape)


def by_hand(net, x):
    """The same pass in float64, written with torch's functions alone, from the weights' keys."""
    w = {key: value.double() for key, value in net.state_dict().items()}
    axes = x.dim() - 2
    conv = (functional.conv1d, functional.conv2d, functional.conv3d)[axes - 1]
    pool = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)[axes - 1]

    def norm(y, key):
        kept = (-1, *[1] * (y.dim() - 2))
        mean, var = (w[f"{key}.{part}"].reshape(kept) for part in ("running_mean", "running_var"))
        return (y - mean) / (var + 1e-5).sqrt() * w[f"{key}.weight"].reshape(kept) + w[f"{key}.bias"].reshape(kept)

    def block(y, key, stride):
        z = norm(conv(y, w[f"{key}.conv1.weight"], None, stride, 1), f"{key}.batchnorm1").clamp(min=0)
        z = norm(conv(z, w[f"{key}.conv2.weight"], None, 1, 1), f"{key}.batchnorm2")
        if f"{key}.conv_around.weight" in w:
            y = norm(conv(y, w[f"{key}.conv_around.weight"], None, stride), f"{key}.batchnorm_around")
        return (z + y).clamp(min=0)

    y = norm(conv(x, w["conv1.weight"], None, 1, 1), "batchnorm1").clamp(min=0)
    y = pool(y, 2, 2, ceil_mode=True)
    y = block(block(y, "residual1", 1), "residual2", 2)
    y = conv(y, w["conv2.weight"], w["conv2.bias"]).clamp(min=0)
    y = y.mean(tuple(range(2, y.dim())))
    y = (y @ w["fc1.weight"].T + w["fc1.bias"]).clamp(min=0)
    return y @ w["fc2.weight"].T + w["fc2.bias"]


@pytest.mark.parametrize("axes", SHAPES)
def test_a_net_computes_what_torch_computes_from_its_weights_in_float64(axes):
    net, x = settled(TEXT, SHAPES[axes])
    expected = by_hand(net, x.double())
    with torch.no_grad():
        assert torch.allclose(net(x).double(), expected, rtol=1e-4, atol=1e-4)
        assert torch.allclose(copy.deepcopy(net).double()(x.double()), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("axes", SHAPES)
def test_a_bottleneck_computes_what_torch_computes_from_its_weights_in_float64(axes):
    net, x = settled("bottleneck 8/2, bottleneck 8, mean, fc", SHAPES[axes])
    w = {key: tensor.double() for key, tensor in net.state_dict().items()}
    conv = (functional.conv1d, functional.conv2d, functional.conv3d)[axes - 1]

    def run(y, block, i, stride=1, padding=0):
        y = conv(y, w[f"{block}.conv{i}.weight"], None, stride, padding)
        stats = [w[f"{block}.batchnorm{i}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        return functional.batch_norm(y, *stats)

    y = x.double()
    for block, stride in (("bottleneck1", 2), ("bottleneck2", 1)):
        z = run(run(y, block, 1).relu(), block, 2, stride, 1).relu()
        around = run(y, block, "_around", stride) if stride == 2 else y
        y = (run(z, block, 3) + around).relu()
    expected = y.flatten(2).mean(2) @ w["fc1.weight"].T + w["fc1.bias"]
    with torch.no_grad():
        assert torch.allclose(net(x).double(), expected, rtol=1e-4, atol=1e-4)
        assert torch.allclose(copy.deepcopy(net).double()(x.double()), expected, rtol=1e-12, atol=1e-12)


def test_channels_last_and_bfloat16_stay_close_to_float64():
    net, x = settled(TEXT, SHAPES[2])
    expected = by_hand(net, x.double())
    fast, laid = copy.deepcopy(net).to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    with torch.no_grad():
        assert torch.allclose(fast(laid).double(), expected, rtol=1e-4, atol=1e-4)
        with torch.autocast("cpu", torch.bfloat16):
            half = fast(laid)
    assert half.dtype == torch.bfloat16
    # 8 bits of mantissa, some ten sums in a row: a few hundredths of the largest logit
    assert float((half.double() - expected).abs().max()) < 0.05 * float(expected.abs().max())


def test_the_keys_of_the_weights_are_the_layers_names_with_torchs_dots():
    net = ConvNet(parse("conv 2 3, batchnorm, relu, residual 4/2, pool 2, fc 5, relu, fc"), (1, 9, 9), 2)
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    assert list(net.state_dict()) == [
        "conv1.weight",
        *[f"batchnorm1.{part}" for part in norm],
        "residual1.conv1.weight",
        *[f"residual1.batchnorm1.{part}" for part in norm],
        "residual1.conv2.weight",
        *[f"residual1.batchnorm2.{part}" for part in norm],
        "residual1.conv_around.weight",
        *[f"residual1.batchnorm_around.{part}" for part in norm],
        "fc1.weight",
        "fc1.bias",
        "fc2.weight",
        "fc2.bias",
    ]
    assert [name for name, _ in net.named_children()] == [
        "conv1", "batchnorm1", "relu1", "residual1", "pool1", "flatten", "fc1", "relu2", "fc2",
    ]  # fmt: skip


def test_nothing_works_in_place():
    net, x = settled(TEXT, SHAPES[2])
    kept, seen, given = x.clone(), [], []

    def record(_, inputs, output):
        seen.extend(inputs)
        given.extend(one.clone() for one in inputs)
        seen.append(output)
        given.append(output.clone())

    for module in net.modules():
        assert not getattr(module, "inplace", False)
        module.register_forward_hook(record)
    net(x)
    assert torch.equal(x, kept)
    assert all(torch.equal(one, was) for one, was in zip(seen, given, strict=True))


def test_a_seed_gives_the_same_weights_and_leaves_the_random_numbers_alone():
    torch.manual_seed(7)
    before = torch.get_rng_state()
    one, same, other = (ConvNet(parse(TEXT), SHAPES[2], 4, seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not torch.equal(one["conv1.weight"], other["conv1.weight"])


def test_weights_begin_with_the_spread_of_he_et_al_and_votes_small():
    net = ConvNet(parse("conv 64 5, relu, conv 128 3, relu, mean, fc 400, relu, fc"), (3, 32, 32), 10)
    weights = net.state_dict()
    for name, inputs in (("conv1", 3 * 25), ("conv2", 64 * 9), ("fc1", 128)):
        assert float(weights[f"{name}.weight"].std()) == pytest.approx(np.sqrt(2 / inputs), rel=0.05), name
        assert not weights[f"{name}.bias"].any()
    assert float(weights["fc2.weight"].std()) == pytest.approx(0.5 / np.sqrt(400), rel=0.05)


def test_a_residual_block_begins_as_its_way_around():
    net = ConvNet(parse("residual 3, fc"), (3, 8, 8), 2).eval()
    x = torch.rand(2, 3, 8, 8)  # not negative, so that the last relu keeps it
    assert torch.equal(net.get_submodule("residual1")(x), x)


@pytest.mark.parametrize("axes", SHAPES)
def test_the_layers_that_torch_lacks_do_what_they_say(axes):
    x, y = torch.randn(2, 5, 3, *SHAPES[axes][2:]), torch.randn(2, 5, 3, *SHAPES[axes][2:])
    assert np.array_equal(Add()(x, y).numpy(), x.numpy() + y.numpy())
    assert np.allclose(Mean()(x).numpy(), x.numpy().reshape(2, 5, -1).mean(2), atol=1e-6)
    residuals = (blocks.Residual(3), blocks.Residual(4), blocks.Residual(3, 2))
    ways = {block: block.around(3) is not None for block in residuals}
    assert list(ways.values()) == [False, True, True]
    for block, projects in ways.items():
        assert Residual(axes, 3, block.convs, block.around(3)).projects is projects
    assert CONVS.keys() == POOLS.keys() == NORMS.keys() - {0}


def test_the_loss_is_the_weighted_smoothed_cross_entropy_of_the_books():
    net, x = settled("conv 4 3, relu, fc", (3, 8, 8), 3)
    y, weight, smoothing = torch.tensor([0, 2, 1]), torch.tensor([1.0, 2.0, 0.5]), 0.1
    loss, logits = net.phases()[0].loss(Batch(x, y, np.arange(3)), Criterion(smoothing, weight))
    z, w = logits.detach().double().numpy(), weight.double().numpy()
    shares = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    target = np.eye(3)[y] * (1 - smoothing) + smoothing / 3
    # Szegedy et al. 2015, section 7, with each class's term weighted; torch divides by the weights of the right classes
    expected = -(target * np.log(shares) * w).sum() / w[y].sum()
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-6)
    assert [phase.name for phase in net.phases()] == ["train"]


def test_the_votes_are_the_last_layer():
    net = ConvNet(parse("conv 4 3, relu, fc 6, relu, fc"), (3, 8, 8), 3)
    assert net.votes is net.get_submodule("fc2")
    assert tuple(net.votes.weight.shape) == (3, 6)


def test_weights_of_classes_count_in_the_precision_of_the_logits():
    """Explanations ask a net in float64 that was trained in float32."""
    logits, y = torch.tensor([[1.0, 2.0], [0.5, -1.0]], dtype=torch.float64), torch.tensor([0, 1])
    weight = torch.tensor([1.0, 3.0])
    each = torch.log_softmax(logits, 1)[[0, 1], y] * weight[y].double()
    assert torch.allclose(Criterion(weight=weight).of(logits, y), -each.sum() / weight.sum().double(), atol=1e-12)
