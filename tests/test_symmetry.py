"""Mirroring: natural where mirrored pictures keep their class, and only there."""

import dataclasses

import numpy as np

import glassnet as gn
from glassnet.data.symmetry import symmetry

COUNT = 600


def made(x, y, classes):
    """A data set of pictures (N, H, W) from 0 to 1."""
    dataset = gn.xo(count=len(x))
    pixels = (np.asarray(x)[:, None] * 255).astype(np.uint8)
    samples = dataclasses.replace(dataset.samples, x=pixels, y=np.asarray(y))
    return dataclasses.replace(dataset, samples=samples, classes=classes)


def asked(x, y, classes=("cat", "dog")):
    found = symmetry(made(x, y, classes), np.arange(len(x)), 0)
    return found.left_right, found.up_down


def noise():
    return np.random.default_rng(0).uniform(0, 0.3, (COUNT, 14, 16))


Y = np.arange(COUNT) % 2


def bright(rows, columns):
    """Pictures of noise with a bright patch where the second class has it."""
    x = noise()
    x[Y == 1, rows, columns] += 0.6
    return x


def test_left_and_right_as_classes_are_not_mirrored_left_right():
    left_right, up_down = asked(bright(slice(5, 9), slice(0, 5)), Y)
    assert not left_right.natural
    assert left_right.plain > 0.95 and left_right.mirrored < 0.6  # the patch is looked for on the other side
    assert up_down.natural


def test_above_and_below_as_classes_are_not_mirrored_up_down():
    left_right, up_down = asked(bright(slice(0, 5), slice(6, 10)), Y)
    assert left_right.natural
    assert not up_down.natural


def test_a_patch_in_the_middle_may_be_mirrored_both_ways():
    left_right, up_down = asked(bright(slice(5, 9), slice(6, 10)), Y)
    assert left_right.natural and up_down.natural
    assert min(left_right.plain, left_right.mirrored, up_down.mirrored) > 0.98


def test_classes_that_are_each_others_mirror_image_are_not_mirrored():
    x = noise()
    x[Y == 0, 2:12, 1:4] += 0.6
    x[Y == 1, 2:12, 12:15] += 0.6
    left_right, _ = asked(x, Y)
    assert not left_right.natural
    assert left_right.mirrored < 0.05  # each is taken for the other


def test_where_nothing_was_learnt_only_left_right_is_taken_for_natural():
    left_right, up_down = asked(noise(), Y)
    assert left_right.natural and not up_down.natural
    assert left_right.plain == -1


def test_characters_about_which_nothing_was_learnt_are_not_mirrored():
    for classes in (("b", "d"), ("0", "1"), ("digit_six", "digit_nine")):
        left_right, up_down = asked(noise(), Y, classes)
        assert not left_right.natural and not up_down.natural


def test_few_examples_tell_nothing():
    x, few = bright(slice(5, 9), slice(0, 5)), np.arange(60)
    assert symmetry(made(x, Y, ("cat", "dog")), few, 0).left_right.plain == -1


def test_the_same_seed_finds_the_same():
    dataset = made(bright(slice(5, 9), slice(0, 5)), Y, ("cat", "dog"))
    assert symmetry(dataset, np.arange(COUNT), 3) == symmetry(dataset, np.arange(COUNT), 3)


def test_handwritten_digits_are_not_mirrored():
    found = symmetry(gn.read("digits"), np.arange(1797), 0)
    assert not found.left_right.natural and not found.up_down.natural
