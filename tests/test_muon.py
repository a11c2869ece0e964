"""Muon: steps that are nearly orthogonal, on just the weights whose size doesn't matter."""

import numpy as np
import pytest
import torch

import glassnet as gn
from glassnet.config import Reading, Training
from glassnet.doors import choosing, starting
from glassnet.training.muon import NEWTON_SCHULZ, Muon, orthogonal
from glassnet.training.trainer import Trainer


def matrices(seed=0):
    random = torch.Generator().manual_seed(seed)
    for rows, columns in ((8, 9), (64, 27), (32, 288), (128, 576), (64, 64)):
        yield torch.randn(rows, columns, generator=random)
        yield torch.randn(rows, columns, generator=random) * torch.logspace(0, -1.5, columns)


def polar(matrix):
    """The nearest matrix with orthogonal unit rows or columns, by singular values in float64 (Higham 1986)."""
    u, _, v = np.linalg.svd(matrix.double().numpy(), full_matrices=False)
    return u @ v


def test_a_step_is_nearly_the_nearest_orthogonal_matrix():
    for matrix in matrices():
        found = orthogonal(matrix).double().numpy()
        sizes = np.linalg.svd(found, compute_uv=False)
        assert sizes.max() < 1.35
        assert 0.5 < np.median(sizes) < 1.3
        wanted = polar(matrix)
        alike = (found * wanted).sum() / np.linalg.norm(found) / np.linalg.norm(wanted)
        assert alike > 0.9


def test_it_is_the_same_polynomial_in_float64():
    for matrix in matrices(1):
        x = matrix.double().numpy()
        x = x / np.linalg.norm(x)
        for a, b, c in NEWTON_SCHULZ:  # here from the left or the right: (x xT) x = x (xT x)
            x = a * x + b * x @ (x.T @ x) + c * x @ (x.T @ x) @ (x.T @ x)
        assert np.linalg.norm(orthogonal(matrix).double().numpy() - x) < 0.05 * np.linalg.norm(x)


def test_no_gradient_is_no_step_and_nothing_divides_by_zero():
    assert torch.equal(orthogonal(torch.zeros(4, 6)), torch.zeros(4, 6))
    weight = torch.nn.Parameter(torch.ones(2, 3))
    Muon([weight], 0.1).step()
    assert torch.equal(weight.detach(), torch.ones(2, 3))


def test_two_steps_by_hand():
    start = torch.randn(6, 4, 3, 3, generator=torch.Generator().manual_seed(2))
    weight = torch.nn.Parameter(start.clone())
    optimizer = Muon([weight], lr=0.1, momentum=0.6)
    gradients = [torch.randn(6, 4, 3, 3, generator=torch.Generator().manual_seed(seed)) for seed in (3, 4)]
    wanted, momentum = start.double(), torch.zeros_like(start).double()
    for gradient in gradients:
        weight.grad = gradient.clone()
        optimizer.step()
        momentum = 0.6 * momentum + gradient.double()
        ahead = gradient.double() + 0.6 * momentum
        wanted = wanted * 6**0.5 / wanted.norm() - 0.1 * orthogonal(ahead.flatten(1).float()).double().view(6, 4, 3, 3)
    assert weight.detach().double() == pytest.approx(wanted, abs=1e-3)


def test_only_kernels_before_a_batch_norm_are_turned():
    net = "conv 8 3, batchnorm, relu, residual 8, pool 2, conv 8 3, relu, fc 16, relu, fc"
    dataset = gn.xo(count=100)
    plan, sides, _ = choosing.make(dataset, "xo", Reading(), Training(net=net))
    train, held, _ = starting.loaders(plan, dataset, sides, torch.device("cpu"))
    trainer = Trainer(starting.build(plan, dataset), train, held, plan.recipe)
    adamw, muon = trainer.optimizers
    names = {id(p): name for name, p in trainer.net.named_parameters()}
    turned = {names[id(p)] for group in muon.param_groups for p in group["params"]}
    others = {names[id(p)] for group in adamw.param_groups for p in group["params"]}
    assert turned == {"conv1.weight", "residual1.conv1.weight", "residual1.conv2.weight"}
    assert turned | others == set(names.values())
    assert not turned & others
