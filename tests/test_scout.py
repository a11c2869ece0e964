"""How hard is it? A small net's first look decides whether a small net is enough."""

import numpy as np
import pytest
import torch

from glassnet.config import Reading, Training
from glassnet.data.dataset import NOT_GIVEN, Dataset, Names, Preparation, Samples
from glassnet.doors import choosing
from glassnet.nets import zoo
from glassnet.nets.text import measure, total
from glassnet.training.recipe import easy_epochs

COUNT = 6400


def stripes(noise, shuffled=False, count=COUNT, side=24):
    """Four classes of stripes: fine or broad, across or down."""
    random = np.random.default_rng(0)
    y = np.arange(count) % 4
    places = np.arange(side)
    wave = np.sin(places[None] * np.where(y % 2, 0.6, 1.8)[:, None] + random.uniform(0, 6, count)[:, None])
    pictures = np.where((y < 2)[:, None, None], wave[:, :, None], wave[:, None, :]) * 60 + 128
    x = (pictures + random.normal(0, noise, pictures.shape)).clip(0, 255).astype(np.uint8)[:, None]
    if shuffled:
        y = random.permutation(y)
    samples = Samples(
        x,
        y.astype(np.int64),
        Names(count, lambda i: f"stripes {i}"),
        np.full(count, NOT_GIVEN, np.int8),
        np.arange(count, dtype=np.uint64),
        np.full((count, 2), side, np.int32),
    )
    return Dataset("pictures", "stripes", ("a", "b", "c", "d"), samples, Preparation((1, side, side), {}))


def planned(dataset, **settings):
    return choosing.make(dataset, "", Reading(), Training(**settings))[0]


def test_pictures_told_apart_at_a_glance_get_a_small_net_and_few_epochs():
    plan = planned(stripes(20))
    train = COUNT - 2 * (COUNT // 10)
    assert plan.net == str(zoo.easy((1, 24, 24)))
    assert plan.recipe.epochs == easy_epochs(train) == round(100_000 / train)
    assert any(note.startswith("a small net is enough: it is right on") for note in plan.notes)
    assert planned(stripes(20), epochs=3).recipe.epochs == 3


def test_labels_that_pictures_do_not_tell_get_the_net_for_many():
    plan = planned(stripes(20, shuffled=True))
    assert plan.net == str(zoo.choose((1, 24, 24), ("a", "b", "c", "d"), COUNT))
    assert not any("small net" in note for note in plan.notes)


@pytest.mark.parametrize("settings", [{"net": "conv 4 3, relu, fc"}, {"minutes": 0.05}])
def test_a_net_or_a_time_that_was_given_is_taken_as_it_is(settings):
    plan = planned(stripes(20), **settings)
    assert plan.net != str(zoo.easy((1, 24, 24)))
    assert not any("small net" in note for note in plan.notes)


def test_the_look_is_the_same_twice():
    one, two = (planned(stripes(60), seed=3, threads=1) for _ in range(2))
    assert (one.net, one.notes) == (two.net, two.notes)


@pytest.mark.parametrize("shape", [(1, 24, 24), (1, 28, 28), (3, 32, 32), (3, 64, 48), (3, 224, 224), (1, 1024, 1024)])
def test_the_small_net_is_far_smaller_and_its_votes_see_the_whole_picture(shape):
    small, usual = (measure(net, shape, 10) for net in (zoo.easy(shape), zoo.choose(shape, tuple("0123456789"), 5000)))
    assert total(small).multiply_adds < total(usual).multiply_adds / 5
    assert all(len(f.seen_by(0, size)) == size for f, size in zip(small[-1].flow.field, shape[1:], strict=True))
    assert torch.Size(small[-1].flow.shape) == (10,)


def test_where_nets_are_small_anyway_there_is_nothing_to_look_for():
    assert zoo.easy((1, 8, 8)) is None
    assert zoo.easy((1, 23, 9)) is None
