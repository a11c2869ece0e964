"""The net as text: read, written, measured, built in 1-D to 3-D, and refused with a line that teaches."""

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

import glassnet as gn
from glassnet.nets import convnet
from glassnet.nets.blocks import LAYERS, Bottleneck, Residual
from glassnet.nets.convnet import ConvNet
from glassnet.nets.spec import BatchNorm, Conv, Dropout, Fc, Gelu, Mean, Pool, Relu
from glassnet.nets.text import Spec, activations, measure, names, parse, total

whole = st.integers(1, 1_000_000)
layers = st.one_of(
    st.builds(Conv, whole, whole, whole, st.booleans()),
    st.builds(Pool, whole, whole, st.booleans()),
    st.just(Relu()),
    st.just(Gelu()),
    st.just(BatchNorm()),
    st.builds(Dropout, st.floats(0, 1, exclude_min=True, exclude_max=True)),
    st.builds(Residual, whole, whole),
    st.builds(Bottleneck, whole, whole),
    st.just(Mean()),
    st.builds(Fc, whole),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(layers, max_size=6))
def test_a_net_is_read_back_from_its_text_layer_for_layer(chosen):
    spec = Spec((*chosen, Fc()))
    assert parse(str(spec)) == spec


@settings(max_examples=300, deadline=None)
@given(st.text("convpolrelufcx2 ()/,3.5*", max_size=40) | st.text(max_size=20))
@example("x2, fc")
@example("residual 64 x" + "9" * 5000)
@example("(" * 3000 + "relu" + ")" * 3000)
@example("conv ³ 3, fc")
def test_any_text_is_a_net_or_refused_with_one_line(text):
    try:
        read, line = parse(text), ""
    except gn.GlassnetError as error:
        read, line = None, str(error)
    assert "\n" not in line
    assert (read is None) == (line != "")
    assert read is None or parse(str(read)) == read


def test_a_text_is_read_as_the_layers_it_names():
    assert parse(
        "conv 32 3, conv 8 5/2 valid, pool 2, pool 3/2, dropout 0.5, residual 64/2, mean, fc 9, fc"
    ).layers == (
        Conv(32, 3),
        Conv(8, 5, 2, True),
        Pool(2, 2),
        Pool(3, 2),
        Dropout(0.5),
        Residual(64, 2),
        Mean(),
        Fc(9),
        Fc(),
    )


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("residual 64 x2, fc", "residual 64, residual 64, fc"),
        ("relu x 2, fc", "relu, relu, fc"),
        ("(conv 8 3, relu) x2, fc", "conv 8 3, relu, conv 8 3, relu, fc"),
        ("(conv 8 3, relu)x2,fc", "conv 8 3, relu, conv 8 3, relu, fc"),
        ("((relu, pool 2) x2, mean) x1, fc", "relu, pool 2, relu, pool 2, mean, fc"),
        ("(relu), fc", "relu, fc"),
        ("  CONV 8 3 ,\n relu,fc, ", "conv 8 3, relu, fc"),
        ("pool 2/2, conv 8 3/1, fc", "pool 2, conv 8 3, fc"),
    ],
)
def test_repeats_and_groups_are_written_out(text, written):
    assert str(parse(text)) == written


def test_layers_are_named_by_counting_each_word():
    spec = parse("conv 8 3, relu, conv 8 3, relu, pool 2, residual 8, fc 4, fc")
    assert names(spec) == ("conv1", "relu1", "conv2", "relu2", "pool1", "residual1", "fc1", "fc2")


def test_the_deck_net_costs_what_is_counted_by_hand():
    rows = measure(parse("conv 8 3 valid, relu, pool 2, fc"), (1, 9, 9), 2)
    assert [row.flow.shape for row in rows] == [(1, 9, 9), (8, 7, 7), (8, 7, 7), (8, 4, 4), (2,)]
    assert [row.cost.parameters for row in rows] == [0, 8 * 9 + 8, 0, 0, 128 * 2 + 2]
    assert [row.cost.multiply_adds for row in rows] == [0, 8 * 9 * 49, 0, 0, 256]
    assert (total(rows).parameters, total(rows).multiply_adds) == (338, 3784)
    assert activations(rows) == 8 * 49 + 8 * 49 + 8 * 16 + 2


EVERY = (
    "conv 4 3, batchnorm, relu, conv 5 3/2 valid, pool 3/2, dropout 0.2, residual 5, residual 6/2, "
    "gelu, pool 3/2 same, bottleneck 8, bottleneck 9, conv 3 2, batchnorm, fc 7, batchnorm, relu, dropout 0.5, fc"
)
SHAPES = [(3, 33), (3, 33, 34), (1, 33, 34, 35)]


@pytest.mark.parametrize("shape", SHAPES, ids=["1-D", "2-D", "3-D"])
@pytest.mark.parametrize("text", [EVERY, "conv 4 3, relu, pool 2, mean, fc", "mean, relu, batchnorm, fc"])
def test_one_text_builds_in_every_dimension_as_it_was_measured(text, shape):
    spec = parse(text)
    rows, net = measure(spec, shape, 10), ConvNet(spec, shape, 10).eval()
    assert total(rows).parameters == sum(p.numel() for p in net.parameters())
    x = torch.zeros(2, *shape)
    made = dict(zip(names(spec), rows[1:], strict=True))
    for name, layer in net.named_children():
        x = layer(x)
        if name != "flatten":
            assert tuple(x.shape) == (2, *made[name].flow.shape), name
            assert sum(p.numel() for p in layer.parameters()) == made[name].cost.parameters, name
    assert x.shape == (2, 10)


@pytest.mark.parametrize("shape", SHAPES, ids=["1-D", "2-D", "3-D"])
def test_multiply_adds_are_the_products_a_layer_forms(shape):
    """Counted a second way: every output value of a sum forms as many products as it has weights."""
    spec = parse("conv 4 3/2, residual 5/2, bottleneck 8/2, conv 6 3 valid, fc 7, fc")
    net, products = ConvNet(spec, shape, 10).eval(), []

    def count(layer, _, output):
        if isinstance(layer, (torch.nn.modules.conv._ConvNd, torch.nn.Linear)):
            products.append(output.numel() * layer.weight[0].numel())
        elif isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
            products.append(output.numel())

    for module in net.modules():
        module.register_forward_hook(count)
    net(torch.zeros(1, *shape))
    assert sum(products) == total(measure(spec, shape, 10)).multiply_adds


def test_a_bias_is_left_out_where_a_batchnorm_would_take_it_off():
    rows = measure(parse("conv 8 3, pool 2, batchnorm, conv 8 3, relu, batchnorm, fc 8, batchnorm, fc"), (1, 9, 9), 2)
    assert [row.bias for row in rows if isinstance(row.layer, (Conv, Fc))] == [False, True, False, True]


def refused(text, shape=(1, 32, 32)):
    with pytest.raises(gn.GlassnetError) as caught:
        measure(parse(text), shape, 2)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "pool 2, pool 2, pool 2, pool 2, pool 2, relu, pool 2, fc",
            "layer 7 `pool 2`: nothing left to pool, its input is 1x1. Drop it, or use inputs of 64x64.",
        ),
        (
            "conv 8 40 valid, fc",
            "layer 1 `conv 8 40 valid`: a feature of 40x40 does not fit its input of 32x32. Use `conv 8 32 valid`, "
            "or use inputs of 64x64.",
        ),
        (
            "(conv 8 9 valid) x5, fc",  # a smaller fourth feature would leave no room for the fifth
            "layer 4 `conv 8 9 valid`: a feature of 9x9 does not fit its input of 8x8. Use inputs of 64x64.",
        ),
        (
            "pool 40/1, fc",
            "layer 1 `pool 40/1`: a window of 40 does not fit its input of 32x32. Use `pool 2`, "
            "or use inputs of 64x64.",
        ),
        (
            "mean, pool 2, pool 2, fc",
            "layer 2 `pool 2`: its input has no places any more, only 1 values. Keep only what stands before it: "
            "`mean, fc`.",
        ),
        ("fc 9, relu, mean, fc", "layer 3 `mean`: its input has no places any more, only 9 values. Drop it."),
        ("relu, fc, relu, fc", "layer 2 `fc`: only the last `fc` may be bare, one neuron a class. Use `fc 128`."),
    ],
)
def test_a_layer_that_cannot_be_is_refused_with_its_arithmetic_and_what_can(text, line):
    assert refused(text) == line


def test_what_a_refusal_proposes_works():
    for text in ("pool 2, pool 2, pool 2, pool 2, pool 2, relu, fc", "conv 8 32 valid, fc", "pool 2, fc", "mean, fc"):
        measure(parse(text), (1, 32, 32), 2)
    measure(parse("pool 2, pool 2, pool 2, pool 2, pool 2, relu, pool 2, fc"), (1, 64, 64), 2)
    measure(parse("(conv 8 9 valid) x5, fc"), (1, 64, 64), 2)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "the net: expected a bare `fc` at the end, for one neuron a class, found nothing. Write `fc`."),
        (
            "conv 8 3, relu",
            "the net: expected a bare `fc` at the end, for one neuron a class, found it ends in `relu`. Write "
            "`conv 8 3, relu, fc`.",
        ),
        (
            "relu, fc 10",
            "the net: expected a bare `fc` at the end, for one neuron a class, found it ends in `fc 10`. Write "
            "`relu, fc`.",
        ),
        ("relu, cnov 32 3, fc", "layer 2 `cnov 32 3`: glassnet knows no layer `cnov`. Write `conv 32 3`."),
        ("maxpool 2, fc", "layer 1 `maxpool 2`: glassnet knows no layer `maxpool`. Write `pool 2`."),
        ("batch norm, fc", "layer 1 `batch norm`: glassnet knows no layer `batch`. Write `batchnorm`."),
        ("conv(32, 3), fc", "layer 1 `conv(32, 3)`: glassnet knows no layer `conv(32,`. Write `conv 32 3`."),
        (
            "linear 10, fc",
            "layer 1 `linear 10`: glassnet knows no layer `linear`. A layer is one of conv, pool, relu, gelu, "
            "batchnorm, dropout, residual, bottleneck, mean, max, embed, phrases, whiten, rbm, probpool, fc.",
        ),
        ("conv 32 5x5, fc", "layer 1 `conv 32 5x5`: `5x5` is no whole number from 1 to 1,000,000. Write `conv 32 5`."),
        ("conv 5×5 32, fc", "layer 1 `conv 5×5 32`: `5×5` is no whole number from 1 to 1,000,000. Write `conv 32 5`."),
        ("conv 32 5 same, fc", "layer 1 `conv 32 5 same`: it is written `conv FEATURES SIZE`. Write `conv 32 5`."),
        ("conv 32 5 2, fc", "layer 1 `conv 32 5 2`: it is written `conv FEATURES SIZE`. Write `conv 32 5/2`."),
        ("conv 16, fc", "layer 1 `conv 16`: it is written `conv FEATURES SIZE`. Write `conv 16 3`."),
        ("conv 0 3, fc", "layer 1 `conv 0 3`: `0` is no whole number from 1 to 1,000,000. It is written "
         "`conv FEATURES SIZE`."),
        ("pool 3 2, fc", "layer 1 `pool 3 2`: it is written `pool WINDOW`. Write `pool 3/2`."),
        ("pool 2x2, fc", "layer 1 `pool 2x2`: `2x2` is no whole number from 1 to 1,000,000. Write `pool 2`."),
        ("dropout 50%, fc", "layer 1 `dropout 50%`: a probability lies between 0 and 1. Write `dropout 0.5`."),
        ("relu 2, fc", "layer 1 `relu 2`: it is written `relu`. Write `relu`."),
        ("fc 64 relu, fc", "layer 1 `fc 64 relu`: it is written `fc NEURONS`. Write `fc 64`."),
        ("conv 8 3, (relu, fc", "layer 2 `(relu, fc`: its bracket is never closed. Write ) after it."),
        ("relu), fc", "layer 1 `relu)`: a bracket closes that was never opened. Drop it."),
        (
            "(relu, pool 2) 3, fc",
            "layer 1 `(relu, pool 2) 3`: a group is written (conv 32 3, relu) x2. Write x and a number behind it.",
        ),
        (
            "(relu x1500, pool 2) x2, fc",
            "layer 1 `(relu x1500, pool 2) x2`: a net has 1 to 2,000 layers. Repeat it fewer times.",
        ),
        ("relu x0, fc", "layer 1 `relu x0`: a net has 1 to 2,000 layers. Repeat it fewer times."),
    ],
)  # fmt: skip
def test_a_slip_is_answered_with_how_to_write_it(text, line):
    assert refused(text) == line


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_says_how_it_is_written_in_words_that_can_be_read_back(name):
    kind = LAYERS[name]
    usual = {"FEATURES": "8", "SIZE": "3", "WINDOW": "2", "NEURONS": "16", "P": "0.5", "SHORTEST-LONGEST": "3-5"}
    text = " ".join(usual.get(word.strip("[]"), word.strip("[]")) for word in kind.form.split())
    assert str(parse(f"{text}, fc").layers[0]) == text
    assert f"it is written `{kind.form}`" in refused(f"{name} a b c d, fc") or name == "dropout"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("fc 1000000, fc 1000000, fc", "1,000 G in layer 2 `fc 1000000`"),
        ("conv 1000000 31, conv 1000000 31, fc", "961,000 G in layer 2 `conv 1000000 31`"),
        ("conv 1 1000000, fc", "1,000 G in layer 1 `conv 1 1000000`"),
        ("conv 1000000 3, fc", "2 G in layer 2 `fc`"),
    ],
)
def test_absurd_sizes_are_refused_before_memory_is_taken(text, found, monkeypatch):
    monkeypatch.setattr(convnet, "layer_module", lambda *_: pytest.fail("a layer was built"))
    with pytest.raises(gn.GlassnetError, match="expected at most 2 G parameters") as caught:
        ConvNet(parse(text), (1, 32, 32), 2)
    assert found in str(caught.value)


def test_absurd_maps_are_refused_though_their_weights_are_few():
    line = refused("conv 100000 1, mean, fc", (1, 512, 512))
    assert line == ("the net: 26 G values for one example. Use smaller inputs, fewer features or an earlier pool.")
