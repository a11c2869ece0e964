"""The split: stratified, seeded, never the same picture on two sides, and honest about what it had to do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import glassnet as gn
from glassnet import GlassnetError
from glassnet.data.dataset import NOT_GIVEN, TEST, TRAIN, VAL, Dataset, Preparation, Samples, Skipped
from glassnet.data.split import LEFT_OUT, split


def made(y, digest=None, given=None, classes=None, damaged=0):
    """A data set of these classes; examples with one digest are identical."""
    count = len(y)
    samples = Samples(
        np.zeros((count, 1, 2, 2), np.uint8),
        np.array(y, np.int64),
        [f"{i}.png" for i in range(count)],
        np.full(count, NOT_GIVEN, np.int8) if given is None else np.array(given, np.int8),
        np.arange(count, dtype=np.uint64) if digest is None else np.array(digest, np.uint64),
        np.full((count, 2), 2, np.int32),
    )
    names = classes or tuple("abcdefgh"[: max(y, default=-1) + 1])
    return Dataset(
        "pictures", "pets", names, samples, Preparation((1, 2, 2)), (Skipped("x.png", "is empty"),) * damaged
    )


def of(*counts):
    return [k for k, count in enumerate(counts) for _ in range(count)]


@pytest.mark.parametrize(
    ("counts", "train", "held"),
    [((100, 100), [80, 80], [10, 10]), ((1000, 50), [800, 40], [100, 5]), ((10, 20), [8, 16], [1, 2])],
)
def test_each_class_is_split_80_10_10(counts, train, held):
    found = split(made(of(*counts)), 0)
    assert found.counts.tolist() == [train, held, held]
    assert found.given == () and found.notes == ()


def test_the_same_seed_gives_the_same_split_and_another_one_another():
    dataset = made(of(50, 50))
    assert (split(dataset, 1).side == split(dataset, 1).side).all()
    assert (split(dataset, 1).side != split(dataset, 2).side).any()


def test_every_place_is_as_likely_to_be_tested_on():
    times = sum((split(made(of(20, 20)), seed).side == TEST) for seed in range(200))
    assert times.min() > 4 and times.max() < 45  # 20 expected, standard deviation 4.2


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30)), min_size=40, max_size=90), st.integers(0, 99))
def test_identical_examples_are_never_on_two_sides(rows, seed):
    y = [0, 1, 2] * 6 + [k for k, _ in rows]
    digest = list(range(100, 118)) + [copy for _, copy in rows]
    found = split(made(y, digest), seed)
    assert set(found.side) <= {TRAIN, VAL, TEST}
    for one in set(digest):
        assert len({int(side) for side, other in zip(found.side, digest, strict=True) if other == one}) == 1


def test_copies_are_counted():
    found = split(made(of(40, 40), [0, 0, 0, *range(3, 80)]), 0)
    assert found.notes == ("2 examples are a copy of another; copies stay on one side",)


def test_a_set_in_which_everything_stands_twice_is_still_split():
    found = split(made(of(10, 10), [i // 2 for i in range(20)]), 0)
    assert found.counts.tolist() == [[6, 6], [2, 2], [2, 2]]


def test_an_example_in_two_classes_is_named():
    found = split(made(of(40, 40), [*range(40), 3, *range(41, 80)]), 0)
    assert found.notes[0] == "1 example stands in two classes, such as 3.png (a) and 40.png (b)"


GIVEN = [TRAIN] * 6 + [VAL] * 2 + [TEST] * 2


def test_given_splits_are_kept():
    found = split(made(of(10, 10), given=GIVEN * 2), 0)
    assert found.side.tolist() == GIVEN * 2
    assert found.given == ("train", "val", "test")
    assert found.notes == ()


@pytest.mark.parametrize(("missing", "name"), [(VAL, "val"), (TEST, "test")])
def test_a_side_that_was_not_given_is_drawn_from_train_and_said(missing, name):
    given = np.array(([TRAIN] * 60 + [TEST] * 20 + [VAL] * 20) * 2)
    found = split(made(of(100, 100), given=np.where(given == missing, TRAIN, given)), 0)
    other = TEST if missing == VAL else VAL
    assert found.notes == (f"{name} drawn from train: none was given",)
    assert (found.side == other).tolist() == (given == other).tolist()
    assert found.counts[missing].tolist() == [8, 8]
    assert found.counts[TRAIN].tolist() == [72, 72]


def test_a_leak_between_given_splits_is_taken_out_of_train_and_reported():
    digest = np.arange(40)
    given = np.array([TRAIN] * 24 + [VAL] * 8 + [TEST] * 8)
    digest[[0, 1, 2]] = digest[[24, 33, 32]]  # three of train also in val or test
    digest[25] = digest[35]  # one of val also in test
    found = split(made([0, 1] * 20, digest, given), 0)
    assert found.notes == (
        "left out 3 examples of train: the same stands in val or test",
        "left out 1 example of val: the same stands in test",
    )
    assert np.flatnonzero(found.side == LEFT_OUT).tolist() == [0, 1, 2, 25]
    assert found.counts.sum(1).tolist() == [21, 7, 8]


def test_rows_give_the_places_of_a_side_in_order():
    found = split(made(of(10, 10), given=GIVEN * 2), 0)
    assert found.rows(TEST).tolist() == [8, 9, 18, 19]


def test_a_class_too_small_to_be_tested_is_trained_on_and_said():
    found = split(made(of(40, 2)), 0)
    assert found.counts[:, 1].tolist() == [2, 0, 0]
    assert found.notes == ("val has no example of b", "test has no example of b")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(4, 40), min_size=2, max_size=5), st.integers(0, 99))
def test_with_four_examples_a_class_is_on_every_side(counts, seed):
    found = split(made(of(*counts)), seed)
    assert found.counts.min() >= 1
    assert found.counts.sum(0).tolist() == counts


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        (made(of(3, 3)), "expected at least four different examples in a class, .*, found 6 examples in 2 classes"),
        (made(of(9, 9), [0] * 9 + [1] * 9), "expected at least four different examples in a class"),
        (made(of(9)), "pets: expected at least two classes, found one, a"),
        (made(of(9, 9), classes=("a", "b", "c")), "expected examples of every class to train on, found none of c"),
        (made(of(4, 4), given=[TRAIN] * 4 + [TEST] * 4), "found none of b"),
        (made(of(60, 34), damaged=5), r"5 of 99 files can't be read, over 5 in 100 \(x.png is empty\)"),
    ],
)
def test_what_can_not_be_trained_on_is_refused(dataset, words):
    with pytest.raises(GlassnetError, match=words):
        split(dataset, 0)


def test_named_groups_stay_on_one_side_also_where_copies_link_them(tmp_path):
    from PIL import Image

    random = np.random.default_rng(0)
    lines, of_speaker = ["path,label,speaker"], {}
    for i in range(120):
        name, speaker = f"{i}.png", f"s{i % 12}"
        pixels = random.integers(0, 256, (6, 6), np.uint8)
        if i == 119:
            pixels = np.asarray(Image.open(tmp_path / "0.png"))  # links speaker 11 to speaker 0
        Image.fromarray(pixels).save(tmp_path / name)
        lines.append(f"{name},{'ab'[i // 12 % 2]},{speaker}")
        of_speaker[name] = "s0" if speaker == "s11" else speaker
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    dataset = gn.read(tmp_path)
    for seed in range(4):
        sides = split(dataset, seed)
        found = {}
        for name, side in zip(dataset.samples.names, sides.side, strict=True):
            found.setdefault(of_speaker[name], set()).add(int(side))
        assert all(len(one) == 1 for one in found.values())
        assert {0, 1, 2} == set(sides.side.tolist())
        assert any("12 groups named in the table" in note for note in sides.notes)
