"""A net that is asked about a picture and its mirror image: the mean of both, in every answer and every explanation."""

import numpy as np
import pytest
import torch

import glassnet as gn
from glassnet.explaining.explanation import explain
from glassnet.nets.convnet import ConvNet
from glassnet.nets.network import BothWays
from glassnet.nets.text import parse


@pytest.fixture(scope="module")
def model(pets, tmp_path_factory):
    """Stripes across or down: a mirror changes neither."""
    return gn.train(pets, epochs=2, out=tmp_path_factory.mktemp("views") / "pets")


def test_the_answer_is_the_mean_of_both_and_the_same_for_a_picture_and_its_mirror_image():
    net = ConvNet(parse("conv 4 3, relu, pool 2, fc"), (3, 9, 8), 3).double().eval()
    x = torch.randn(5, 3, 9, 8, dtype=torch.float64)
    both = BothWays(net)
    assert torch.allclose(both(x), (net(x) + net(x.flip(-1))) / 2, rtol=1e-12)
    assert torch.allclose(both(x), both(x.flip(-1)), rtol=1e-12)
    assert not torch.allclose(net(x), net(x.flip(-1)))
    assert not both.training


def test_a_model_whose_pictures_may_be_mirrored_looks_twice_and_a_saved_one_does_too(model):
    assert model.card.both_ways
    x = np.random.default_rng(0).integers(0, 256, (4, *model.card.preparation.shape), np.uint8)
    loaded = gn.load(model.folder) if model.folder else model
    for one in (model, loaded):
        seen = one.look(x)
        with torch.no_grad():
            expected = (one.net(seen) + one.net(seen.flip(-1))) / 2
        assert np.allclose(one.logits(x), expected, atol=1e-5)
        assert np.allclose(one.logits(x), one.logits(x[..., ::-1].copy()), atol=1e-5)


def test_digits_and_letters_are_looked_at_once(xo_model):
    assert not gn.load(xo_model).card.both_ways


@pytest.mark.parametrize("text", ["conv 4 3, relu, pool 2, fc", "conv 4 3, relu, mean, fc", "conv 4 3, fc 5, relu, fc"])
def test_votes_of_both_views_add_up_to_the_logit_that_is_the_answer(text):
    net = ConvNet(parse(text), (1, 9, 8), 3, seed=4).double().eval()
    x = torch.randn(1, 1, 9, 8, dtype=torch.float64)
    why = explain(net, ("a", "b", "c"), x[0].numpy(), x, "it", both_ways=True)
    logits = BothWays(net)(x)[0].detach().numpy()
    assert np.allclose(why.votes.logit, logits, rtol=1e-12)
    assert np.allclose(why.votes.contribution.sum(1) + why.votes.bias, logits, rtol=1e-12)
    assert np.allclose(np.mean([view.logit for view in why.views], 0), logits, rtol=1e-12)
    said = why.as_json()
    assert said["views"] == 2
    for k, name in enumerate(why.classes):
        cast = said["votes"][name]
        assert sum(one["vote"] for one in cast["values"]) + cast["bias"] == pytest.approx(cast["logit"], rel=1e-9)
        assert np.mean(cast["by_view"]) == pytest.approx(logits[k], rel=1e-9)
    assert np.allclose(why.probability, np.exp(logits) / np.exp(logits).sum())
    if why.voted is not None:
        assert why.voted.sum() + why.votes.bias[why.answer] == pytest.approx(logits[why.answer], rel=1e-9)
        turned = explain(net, why.classes, x[0].flip(-1).numpy(), x.flip(-1), "it", both_ways=True)
        assert np.allclose(why.voted, turned.voted[:, ::-1]), "the mirror image's places are the picture's, mirrored"


def test_the_explanation_of_a_file_gives_the_score_that_predict_gives(model, pets):
    file = pets / "down" / "003.png"
    why, said = gn.explain(model, file), model.predict(file)
    assert why.classes[why.answer] == said.label
    assert float(why.probability[why.answer]) == pytest.approx(said.score, abs=1e-5)
    assert "asked about the mirror image too" in why.html()
