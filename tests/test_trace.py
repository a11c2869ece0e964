"""The trace: every named step of a pass once, as plain hooks see it, and a net left as it was."""

import pytest
import torch
from torch import nn

from glassnet.explaining.trace import sources, trace
from glassnet.nets.convnet import ConvNet
from glassnet.nets.text import parse

TEXT = "conv 4 3, batchnorm, relu, pool 2, residual 4, residual 5/2, dropout 0.4, fc 6, relu, dropout 0.5, fc"
SHAPES = [(2, 19), (1, 12, 11), (1, 8, 7, 9)]


def net_of(shape, text=TEXT):
    return ConvNet(parse(text), shape, 3)


def hooks(net):
    return sum(len(module._forward_hooks) for module in net.modules())


@pytest.mark.parametrize("shape", SHAPES, ids=["1-D", "2-D", "3-D"])
def test_every_named_step_is_there_once_in_the_order_it_ran_with_the_values_plain_hooks_see(shape):
    net, x, seen = net_of(shape).eval(), torch.randn(1, *shape), []
    marks = [
        module.register_forward_hook(lambda m, inputs, output, name=name: seen.append((name, m, inputs, output)))
        for name, module in net.named_modules()
        if not list(module.children())
    ]
    net(x)
    for mark in marks:
        mark.remove()
    steps = trace(net, x)
    assert [step.name for step in steps] == [name for name, *_ in seen]
    assert sorted(step.name for step in steps) == sorted(n for n, m in net.named_modules() if not list(m.children()))
    for step, (_, module, inputs, output) in zip(steps, seen, strict=True):
        assert step.layer is module
        assert torch.equal(step.output, output)
        assert len(step.inputs) == len(inputs)
        assert all(torch.equal(one, other) for one, other in zip(step.inputs, inputs, strict=True))
        assert not step.output.requires_grad


def test_a_residual_block_runs_as_in_figure_2_of_he_et_al():
    steps = trace(net_of((4, 8, 8), "residual 4, residual 6/2, fc"), torch.randn(1, 4, 8, 8))
    plain = ["conv1", "batchnorm1", "relu1", "conv2", "batchnorm2"]
    assert [step.name for step in steps] == [
        *[f"residual1.{name}" for name in (*plain, "add", "relu2")],
        *[f"residual2.{name}" for name in (*plain, "conv_around", "batchnorm_around", "add", "relu2")],
        "flatten",
        "fc1",
    ]
    made = {step.name: tuple(steps[i].name if i >= 0 else "input" for i in by) for step, by in
            zip(steps, sources(steps), strict=True)}  # fmt: skip
    assert made["residual1.conv1"] == ("input",)
    assert made["residual1.add"] == ("residual1.batchnorm2", "input")
    assert made["residual2.conv1"] == made["residual2.conv_around"] == ("residual1.relu2",)
    assert made["residual2.add"] == ("residual2.batchnorm2", "residual2.batchnorm_around")
    assert made["fc1"] == ("flatten",)
    assert made["flatten"] == ("residual2.relu2",)


def test_layers_that_hand_on_their_input_are_still_told_apart():
    steps = trace(net_of((1, 6, 6), "dropout 0.5, conv 2 3, dropout 0.2, dropout 0.3, fc"), torch.randn(1, 1, 6, 6))
    assert [step.name for step in steps] == ["dropout1", "conv1", "dropout2", "dropout3", "flatten", "fc1"]
    assert sources(steps) == [(-1,), (0,), (1,), (2,), (3,), (4,)]


def test_tracing_is_a_pass_in_evaluation_mode_that_leaves_no_trace_on_the_net():
    net, x = net_of((1, 12, 11)), torch.randn(1, 1, 12, 11)
    net.train()
    frozen = net.get_submodule("batchnorm1").eval()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    first, second = trace(net, x), trace(net, x)
    assert torch.equal(first[-1].output, second[-1].output), "no dropout, no batch statistics"
    assert hooks(net) == 0
    assert not frozen.training
    assert net.training and all(m.training for m in net.modules() if m is not frozen)
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())


class Trap(nn.Module):
    def forward(self, x):
        raise RuntimeError("sprung")


def test_the_hooks_are_gone_and_the_mode_is_back_when_the_net_fails():
    net = nn.Sequential(nn.Conv2d(1, 1, 3), Trap(), nn.ReLU())
    with pytest.raises(RuntimeError, match="sprung"):
        trace(net, torch.zeros(1, 1, 5, 5))
    assert hooks(net) == 0
    assert net.training
