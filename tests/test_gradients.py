"""Integrated gradients and Grad-CAM: Captum as the second implementation, for every kind; and completeness."""

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients, LayerGradCam, LayerIntegratedGradients, Occlusion

from glassnet.explaining.gradients import grad_cam, integrated_gradients
from glassnet.explaining.saliency import occlusion
from glassnet.nets.convnet import ConvNet
from glassnet.nets.layers import NORMS
from glassnet.nets.text import parse

RESNET = "conv 4 3, batchnorm, relu, residual 4, bottleneck 8/2, mean, dropout 0.5, fc"
# the text of a net, its input, and the layer whose maps are the last
NETS = [
    ("conv 4 3, relu, pool 2, fc", (2, 26), "relu1"),
    ("conv 8 3 valid, relu, pool 2, fc", (1, 9, 9), "relu1"),
    ("conv 4 3, gelu, pool 2, conv 6 3, batchnorm, relu, pool 2, fc 7, relu, fc", (3, 14, 11), "relu1"),
    ("conv 3 3, relu, pool 2, conv 4 3, relu, mean, fc", (1, 8, 9, 7), "relu2"),
    (RESNET, (2, 24), "bottleneck1.relu3"),
    (RESNET, (3, 15, 12), "bottleneck1.relu3"),
    (RESNET, (1, 6, 9, 7), "bottleneck1.relu3"),
    ("embed 5, phrases 3 2-4, relu, max, dropout 0.5, fc", (30, 14), "relu1"),
]
WORDS = NETS[-1]


def net_of(text, shape, classes=3):
    with torch.random.fork_rng():
        torch.manual_seed(7)
        net = ConvNet(parse(text), shape, classes, seed=2).double().eval()
        for module in net.modules():
            if isinstance(module, tuple(NORMS.values())):
                torch.nn.init.uniform_(module.weight, 0.5, 1.5)
                torch.nn.init.uniform_(module.running_var, 0.5, 2)
                torch.nn.init.normal_(module.running_mean)
        for parameter in net.votes.parameters():
            torch.nn.init.normal_(parameter)
        x = torch.randn(1, *shape, dtype=torch.float64)
        return net, torch.randint(30, (1, 1, shape[-1])).double() if "embed" in text else x


@pytest.mark.parametrize(("text", "shape", "_layer"), NETS[:-1])
def test_integrated_gradients_are_captums(text, shape, _layer):
    net, x = net_of(text, shape)
    kept = x.clone()
    oracle = IntegratedGradients(net).attribute(x.clone(), target=1, n_steps=40)[0].sum(0).numpy()
    assert np.allclose(integrated_gradients(net, x, 1, steps=40), oracle, rtol=1e-6, atol=1e-9)
    assert torch.equal(x, kept) and x.grad is None


def test_of_words_the_way_is_that_of_their_features_as_captum_does_it():
    net, x = net_of(*WORDS[:2])
    oracle = LayerIntegratedGradients(net, net.get_submodule("embed1")).attribute(x, x * 0, target=2, n_steps=64)
    assert np.allclose(integrated_gradients(net, x, 2), oracle[0].detach().sum(0).numpy(), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("text", "shape", "layer"), NETS)
def test_grad_cam_is_captums_at_the_last_maps(text, shape, layer):
    net, x = net_of(text, shape)
    for k in range(3):
        oracle = LayerGradCam(net, net.get_submodule(layer)).attribute(x, k, relu_attributions=True)[0, 0]
        found = grad_cam(net, x, k)
        assert found.shape == tuple(oracle.shape)
        assert np.allclose(found, oracle.detach().numpy(), rtol=1e-6, atol=1e-9)
        assert found.min() >= 0
    assert not any(module._forward_hooks for module in net.modules())


@pytest.mark.parametrize(("text", "shape", "_layer"), NETS[:4])
def test_covering_one_place_at_a_time_is_captums_too(text, shape, _layer):
    net, x = net_of(text, shape)
    window = (shape[0], *[1] * (len(shape) - 1))
    oracle = Occlusion(net).attribute(x, sliding_window_shapes=window, target=1)[0, 0].numpy()
    assert np.allclose(occlusion(net, x, 1, 1, 1), oracle, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("text", "shape", "_layer"), NETS)
def test_integrated_gradients_add_up_to_the_logit_less_that_of_nothing(text, shape, _layer):
    """Completeness: Sundararajan et al. 2017, proposition 1. Bent nets meet it as the steps grow finer."""
    net, x = net_of(text, shape)
    with torch.no_grad():
        difference = float((net(x) - net(torch.zeros_like(x)))[0, 1])
    gaps = [abs(integrated_gradients(net, x, 1, steps).sum() - difference) for steps in (64, 512)]
    assert gaps[0] < 0.1 * max(1, abs(difference))
    assert gaps[1] < 0.02 * max(1, abs(difference))


def test_of_a_net_that_only_adds_up_each_place_put_in_its_product():
    net, x = net_of("fc", (2, 4, 5))
    products = (net.votes.weight[1].detach() * x.flatten()).reshape(2, 4, 5).sum(0).numpy()
    assert np.allclose(integrated_gradients(net, x, 1, steps=1), products, rtol=1e-12)
    assert grad_cam(net, x, 1) is None, "it makes no maps"
