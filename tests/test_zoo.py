"""NETWORKS and the net chosen for a data set: a checklist over every entry."""

import numpy as np
import pytest
import torch

import glassnet as gn
from glassnet.data.loader import Batch
from glassnet.nets import zoo
from glassnet.nets.convnet import ConvNet
from glassnet.nets.spec import Mean
from glassnet.nets.text import measure, parse, total
from glassnet.nets.zoo import NETWORKS, choose, find

LETTERS = ("X", "O")
TEN = tuple("0123456789")


@pytest.mark.parametrize("name", NETWORKS)
def test_every_named_net_is_found_is_built_and_answers(name):
    spec = find(name)
    assert spec == find(f" {name.upper()} ") == parse(NETWORKS[name])
    assert parse(str(spec)) == spec
    net = ConvNet(spec, (3, 64, 64), 5)
    assert sum(p.numel() for p in net.parameters()) == total(measure(spec, (3, 64, 64), 5)).parameters
    x = torch.randn(2, 3, 64, 64)
    logits = net(x)
    assert logits.shape == (2, 5)
    assert torch.isfinite(logits).all()
    for phase in net.phases():
        loss, _ = phase.loss(Batch(x, torch.tensor([0, 4]), np.arange(2)), zoo_criterion())
        loss.backward()
    assert all(p.grad is not None for p in net.parameters()), "every weight learns"


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("resnet18", 11_689_512),
        ("resnet34", 21_797_672),
        ("resnet50", 25_557_032),
        ("resnet101", 44_549_160),
        ("resnet152", 60_192_808),
    ],
)
def test_residual_nets_have_the_weights_that_torchvision_lists_for_them(name, parameters):
    assert total(measure(find(name), (3, 224, 224), 1000)).parameters == parameters


@pytest.mark.parametrize(
    ("name", "millions"),
    [("resnet20", 0.27), ("resnet32", 0.46), ("resnet44", 0.66), ("resnet56", 0.85), ("resnet110", 1.7)],
)
def test_small_residual_nets_have_the_weights_of_the_papers_table(name, millions):
    """He et al. 2015, table 6; its shortcuts have no weights, ours 2,752 in all."""
    assert total(measure(find(name), (3, 32, 32), 10)).parameters / 1e6 == pytest.approx(millions, abs=0.035)


def test_a_residual_nets_stages_halve_and_double():
    rows = measure(find("resnet18"), (3, 224, 224), 1000)
    shapes = list(dict.fromkeys(row.flow.shape for row in rows))
    assert shapes == [
        (3, 224, 224), (64, 112, 112), (64, 56, 56), (128, 28, 28), (256, 14, 14), (512, 7, 7), (512,), (1000,),
    ]  # fmt: skip


def test_a_name_nearly_right_is_asked_back():
    with pytest.raises(gn.GlassnetError, match="no net is called resnet19"):
        find("resnet19")


def zoo_criterion():
    from glassnet.nets.network import Criterion

    return Criterion()


def test_a_text_is_found_as_it_stands_and_a_wrong_name_is_refused():
    assert str(find("conv 4 3, fc")) == "conv 4 3, fc"
    with pytest.raises(gn.GlassnetError, match="glassnet knows no layer `lenet5`"):
        find("lenet5")


@pytest.mark.parametrize("examples", [50, 4999, 5000, 100_000])
@pytest.mark.parametrize(
    "shape",
    [(1, 4, 4), (1, 8, 8), (1, 9, 9), (3, 16, 20), (1, 23, 5), (1, 24, 24), (3, 32, 32), (3, 4, 96), (3, 224, 160),
     (4, 1024, 1024)],
)  # fmt: skip
def test_a_net_is_chosen_that_fits_and_whose_votes_see_the_whole_picture(shape, examples):
    for classes in (LETTERS, TEN):
        spec = choose(shape, classes, examples)
        rows = measure(spec, shape, len(classes))
        assert rows[-1].flow.shape == (len(classes),)
        assert total(rows).parameters < 11_700_000, "fewer than ResNet-18"
        assert all(len(f.seen_by(0, size)) == size for f, size in zip(rows[-1].flow.field, shape[1:], strict=True))


def test_the_slides_letters_get_the_slides_net():
    assert str(choose((1, 9, 9), LETTERS, 4000)) == str(choose((1, 9, 9), ("O", "X"), 50)) == zoo.DECK
    assert str(choose((1, 9, 9), TEN, 4000)) != zoo.DECK
    assert str(choose((1, 28, 28), LETTERS, 4000)) != zoo.DECK


def test_larger_pictures_get_a_stage_for_every_halving_down_to_four():
    for size, stages in ((32, 3), (64, 4), (128, 5), (256, 6), (1024, 6)):
        spec = choose((3, size, size), TEN, 100)
        rows = measure(spec, (3, size, size), 10)
        (mean,) = [i for i, row in enumerate(rows) if isinstance(row.layer, Mean)]
        assert rows[mean - 1].flow.shape[1] == size // 2**stages


def test_more_examples_get_more_weights():
    def weights(n):
        return total(measure(choose((3, 32, 32), TEN, n), (3, 32, 32), 10)).parameters

    assert weights(zoo.MANY) > 2 * weights(zoo.MANY - 1)
