"""Memory as data grow: what each stage of a training holds for each example more; stretches give what wholes do.

Counted by tracemalloc on columns without files. Stretches are made short, so that what grows with the data stands out.
"""

import re
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from glassnet.data import arrays, cache, columns
from glassnet.data.dataset import NOT_GIVEN, TEST, TRAIN, VAL, Dataset, Names, Normalisation, Preparation, Samples
from glassnet.data.kinds import KINDS
from glassnet.data.listing import arranged
from glassnet.data.loader import Loader
from glassnet.data.split import split
from glassnet.data.walking import Packing, natural
from glassnet.nets.convnet import ConvNet
from glassnet.nets.text import parse
from glassnet.training import familiarity
from glassnet.training.evaluate import report, softmax

MANY = 50_000
CLASSES = 10


@pytest.fixture(autouse=True)
def short_stretches(monkeypatch):
    monkeypatch.setattr(columns, "TOGETHER", 2_000)


def bytes_each(work, count=MANY):
    """The most that was held at once beside what was there before, for each example."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / count
    finally:
        tracemalloc.stop()


def many(copies=0, given=None):
    random = np.random.default_rng(0)
    digest = random.integers(0, 2**64 - 1, MANY, np.uint64)
    digest[:copies] = digest[copies : 2 * copies]
    samples = Samples(
        np.broadcast_to(np.zeros((1, 1, 4, 4), np.uint8), (MANY, 1, 4, 4)),
        random.integers(0, CLASSES, MANY),
        Names(MANY, str),
        np.full(MANY, NOT_GIVEN, np.int8) if given is None else random.choice(np.array(given, np.int8), MANY),
        digest,
        np.broadcast_to(np.array([4, 4], np.int32), (MANY, 2)),
    )
    return Dataset("pictures", "many", tuple("abcdefghij"), samples, Preparation((1, 4, 4)))


@pytest.mark.parametrize(("copies", "given"), [(0, None), (500, None), (500, [TRAIN, VAL, TEST]), (0, [TRAIN, TEST])])
def test_a_split_holds_25_bytes_an_example_at_most(copies, given):
    """The side, a group in four bytes; of each group a class and a size in four each, and who was drawn."""
    dataset = many(copies, given)
    assert bytes_each(lambda: split(dataset, 0)) < 25


def test_an_epoch_holds_its_rows_and_their_order_in_four_bytes_each():
    dataset = many()
    rows = split(dataset, 0).rows(TRAIN)
    assert rows.dtype == np.int32

    def work():
        loader = Loader(dataset, rows, Normalisation((0.5,), (0.5,)), 512, torch.device("cpu"))
        next(iter(loader.shuffled(0)))

    assert bytes_each(work, len(rows)) < 6, "the order alone, for nothing is mirrored"


def test_an_npz_is_read_without_holding_its_labels(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(arrays, "CHUNK_VALUES", 20_000)

    def work(count):
        y = np.random.default_rng(0).integers(0, CLASSES, count)
        np.savez(tmp_path / f"{count}.npz", x=np.zeros((count, 4, 4), np.uint8), y=y)
        contents = arrays.look_into(tmp_path / f"{count}.npz")
        return lambda: [*arrays.read_steps(contents, KINDS["pictures"])]

    work(100)()  # what is imported only now
    assert bytes_each(work(MANY)) < 8, "some chunks, whatever the number of examples; labels alone are eight"


def test_a_report_holds_the_votes_and_three_figures_an_example():
    random = np.random.default_rng(0)
    logits, y = random.normal(0, 2, (MANY, CLASSES)).astype(np.float32), random.integers(0, CLASSES, MANY)
    names = tuple("abcdefghij")

    def work():
        found = report(names, logits, y, np.arange(MANY))
        assert found.loss > 0 and found.confidence.max() <= 1 and len(found.said) == MANY

    assert bytes_each(work) < 45, "shares of all in float64 would be 80, and 80 more while they are made"


def test_shares_of_a_stretch_are_those_of_the_whole():
    logits = np.random.default_rng(1).normal(0, 2, (5_000, 3)).astype(np.float32)
    found = report(("a", "b", "c"), logits, np.zeros(5_000, np.int64), np.arange(5_000))
    whole = softmax(logits.astype(np.float64))
    assert (found.confidence == whole.max(1)).all() and (found.said == whole.argmax(1)).all()
    assert found.loss == -np.log(whole[:, 0]).mean()


def test_a_listing_holds_names_and_marks_as_bytes(tmp_path):
    """A name of 13 bytes, a mark of 43, where each ends in eight, a folder in four; a label in eight, a side in one."""

    def work():
        packing = Packing()
        for i in range(MANY):
            packing.add(str(i % CLASSES), f"{i:09}.png", "784 1764489600000000000 1764489600000000000")
        files, _ = packing.packed()
        assert len(arranged(tmp_path, files, [], frozenset({".png"}), {})[0].names) == MANY

    assert bytes_each(work) < 110, "as strings they would be some 250, and their sorting keys 500"


def test_long_columns_lie_in_a_file_and_keep_their_values(tmp_path, monkeypatch):
    monkeypatch.setenv("GLASSNET_CACHE", str(tmp_path))
    column = np.arange(cache.ASIDE_BYTES // 8 + 1)
    assert bytes_each(lambda: cache.aside(column), 1) < cache.ASIDE_BYTES / 4
    kept = cache.aside(column)
    assert kept is not column and (kept == column).all() and kept.dtype == column.dtype
    assert cache.aside(column[:10]).base is column
    assert [path.name for path in tmp_path.iterdir()] == [".gitignore"], "the file has no name"


def test_of_an_example_only_its_distances_are_noted(monkeypatch):
    monkeypatch.setattr(familiarity, "TOGETHER", 4)
    net = ConvNet(parse("conv 4 3, relu, pool 2, fc"), (1, 8, 8), 2).eval()
    x = torch.randn(23, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with familiarity.Noted(net, 23) as whole, torch.no_grad():
        net(x)
    known = {
        name: familiarity.View(values[:9], values.mean(0), values.std(0) + 1, 1.0)
        for name, values in whole.views.items()
    }
    with familiarity.Noted(net, 23, known=known) as noted, torch.no_grad():
        for some in (x[:3], x[3:14], x[14:15], x[15:]):
            net(some)
    for name, view in known.items():
        assert noted.views[name].shape == (23,)
        assert torch.allclose(noted.views[name], view.distance(whole.views[name]), atol=1e-5), name


@given(st.lists(st.integers(0, 2**64 - 1), max_size=30), st.integers(1, 9))
def test_equal_values_get_equal_numbers_in_order(values, repeat):
    column = np.array(values * repeat, np.uint64)
    assert (columns.alike(column) == np.unique(column, return_inverse=True)[1]).all()
    assert columns.different(column.copy()).tolist() == sorted(set(values))


def test_columns_of_many_stretches_give_what_numpy_does_of_wholes(monkeypatch):
    random = np.random.default_rng(2)
    digest, y, side = random.integers(0, 2**64 - 1, MANY, np.uint64), random.integers(0, 7, MANY), np.zeros(MANY)
    digest[::9], side[::5] = digest[0], 1
    assert (columns.alike(digest) == np.unique(digest, return_inverse=True)[1]).all()
    rows = columns.places(MANY, columns.equal(side, 1))
    assert rows.tolist() == np.flatnonzero(side == 1).tolist()
    assert (columns.taken(y, rows) == y[rows]).all()
    assert (columns.tally(y, columns.equal(side, 1), 8) == np.bincount(y[side == 1], minlength=8)).all()
    monkeypatch.setattr(columns, "WIDEST", 100)
    assert columns.places(MANY, columns.equal(side, 1)).dtype == np.int64, "where four bytes don't hold the places"


def counting(name):
    """The order that `natural` has to have, as tuples of numbers and of what stands between them."""
    return (*((int(p), p) if p.isdecimal() else (-1, p) for p in re.split(r"(\d+)", name)), (-1, name))


NAMES = st.text(st.sampled_from("ab/.0129 -é٣\udc80\ue000"), max_size=8)


@given(NAMES, NAMES, st.integers(0, 8))
def test_natural_order_counts(one, other, shared):
    other = one[:shared] + other
    assert (natural(one) < natural(other)) == (counting(one) < counting(other))
    assert (natural(one) == natural(other)) == (one == other)


@given(st.lists(st.tuples(st.sampled_from(["", "cat", "train/é"]), st.text("ab.é\udc80", min_size=1)), max_size=9))
def test_packed_names_come_out_as_they_went_in(files):
    packing = Packing()
    for i, (folder, name) in enumerate(files):
        packing.add(folder, name, str(i))
    names, marks = packing.packed()
    wanted = [f"{folder}/{name}" if folder else name for folder, name in files]
    assert list(names) == wanted == [names[i] for i in range(len(names))]
    assert list(marks) == [str(i) for i in range(len(files))] and len(names) == len(files)
