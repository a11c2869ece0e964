"""Pictures of boxes as they are kept for a detector, and which of them train, choose and test."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from glassnet.data.boxes.annotated import Annotated, BoxData
from glassnet.data.boxes.sides import sides_of, stratified
from glassnet.data.boxes.store import digest_of, sized, store_steps, whole
from glassnet.data.kind import Unreadable
from glassnet.errors import GlassnetError
from glassnet.steps import finish

BOX = (30, 10, 90, 50)


def painted(size=(160, 80), mode="RGB", box=BOX):
    """A dark picture with a bright box."""
    image = Image.new("RGB", size, (20, 20, 20))
    ImageDraw.Draw(image).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=(240, 230, 220))
    return image.convert(mode)


def data_of(root, names, labels=None, splits=None, classes=("a", "b")):
    """Pictures with a box of one class each."""
    labels = labels or [(i % len(classes),) for i in range(len(names))]
    splits = splits or [-1] * len(names)
    pictures = tuple(
        Annotated(
            name, (160, 80), np.array([BOX] * len(mine), float).reshape(-1, 4), np.array(mine, np.int64),
            np.zeros(len(mine), bool), "", np.zeros(len(mine), np.int64), split,
        )
        for name, mine, split in zip(names, labels, splits, strict=True)
    )  # fmt: skip
    return BoxData("cells", root, "COCO", classes, pictures)


def where_bright(x):
    """The box of what is bright on a kept picture, to a fraction of a pixel."""
    grey = x.mean(0)
    share = (grey - grey.min()) / (grey.max() - grey.min())
    columns, rows = share[share.shape[0] * 3 // 8], share[:, share.shape[1] * 3 // 8]
    ends = []
    for line in (columns, rows):
        inside = np.flatnonzero(line > 0.5)
        first, last = inside[0], inside[-1]
        low = first - line[max(0, first - 3) : first].sum() + (1 - line[first : first + 3]).sum()
        high = last + 1 + line[last + 1 : last + 4].sum() - (1 - line[max(0, last - 2) : last + 1]).sum()
        ends.append((low, high))
    (x1, x2), (y1, y2) = ends
    return [x1, y1, x2, y2]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GLASSNET_CACHE", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def save(root):
    """Six pictures: one as large as asked, a large one, a small one, a grey, one held sideways, a wide grey."""
    painted().save(root / "plain.png")
    painted((640, 320), box=tuple(4 * side for side in BOX)).save(root / "large.png")
    painted((80, 40), box=tuple(side // 2 for side in BOX)).save(root / "small.png")
    painted(mode="L").save(root / "grey.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    painted().transpose(Image.Transpose.ROTATE_90).save(root / "turned.jpg", exif=exif, quality=95)
    Image.fromarray(np.asarray(painted(mode="L"), np.uint16) * 257).save(root / "wide.png")
    return ["plain.png", "large.png", "small.png", "grey.png", "turned.jpg", "wide.png"]


def test_every_picture_is_kept_upright_in_colour_no_larger_than_asked(cache):
    names, told = save(cache), []
    store = finish(store_steps(data_of(cache, names), 160), told.append)
    assert [(one.done, one.total) for one in told] == [(i, 6) for i in range(7)]
    assert store.size.tolist() == [[80, 160], [80, 160], [40, 80], [80, 160], [80, 160], [80, 160]]
    assert store.scale.tolist() == [[1, 1], [0.25, 0.25], [1, 1], [1, 1], [1, 1], [1, 1]]
    assert len(store) == 6 and store.flat.dtype == np.uint8
    for i, name in enumerate(names):
        assert store[i].shape == (3, *store.size[i])
        factor = 0.5 if name == "small.png" else 1.0
        assert where_bright(store[i]) == pytest.approx([side * factor for side in BOX], abs=0.6), name
        assert int(store.digest[i]) == digest_of((cache / name).read_bytes())
    assert np.array_equal(store[0], np.asarray(painted()).transpose(2, 0, 1))
    assert abs(int(store[5].max()) - int(store[3].max())) <= 12, "16 bits are brought to 8"
    assert len(set(store.digest.tolist())) == 6


@pytest.mark.parametrize("size", [(1000, 333), (333, 1000), (611, 407), (903, 77), (4001, 3001)])
def test_boxes_stay_where_they_are_on_pictures_of_any_aspect(size, tmp_path):
    box = (size[0] // 4, size[1] // 4, size[0] * 3 // 4, size[1] * 3 // 4)
    painted(size, box=box).save(tmp_path / "a.png")
    one = sized((tmp_path / "a.png").read_bytes(), 250)
    assert one.size == size and 240 <= max(one.x.shape) <= 250
    assert where_bright(one.x) == pytest.approx(np.array(box) * np.tile(one.scale, 2), abs=0.6)
    assert one.scale[0] == one.x.shape[2] / size[0] and one.scale[1] == one.x.shape[1] / size[1]


def test_a_whole_picture_is_as_large_as_its_file(tmp_path):
    painted((70, 30)).save(tmp_path / "a.png")
    assert np.array_equal(whole((tmp_path / "a.png").read_bytes()), np.asarray(painted((70, 30))).transpose(2, 0, 1))
    with pytest.raises(Unreadable):
        sized(b"nothing", 100)


def test_what_is_decoded_is_kept_until_a_file_or_the_size_changes(cache, monkeypatch):
    names = save(cache)
    data = data_of(cache, names)
    first = finish(store_steps(data, 160))
    with monkeypatch.context() as patch:
        patch.setattr("glassnet.data.boxes.store.sized", lambda *_: pytest.fail("it is decoded already"))
        second = finish(store_steps(data, 160))
    assert np.array_equal(first.flat, second.flat) and np.array_equal(first.digest, second.digest)
    assert isinstance(second.flat, np.memmap)
    painted(box=(0, 0, 9, 9)).save(cache / "plain.png")
    third = finish(store_steps(data, 160))
    assert not np.array_equal(third[0], first[0]) and np.array_equal(third[1], first[1])
    assert finish(store_steps(data, 80)).size[0].tolist() == [40, 80]


def test_what_is_kept_and_damaged_is_decoded_anew(cache, tmp_path):
    data = data_of(cache, save(cache))
    first = finish(store_steps(data, 160))
    pixels = np.array(first.flat)
    (kept,) = (tmp_path / "cache").rglob("pixels.bin")
    kept.write_bytes(b"x" * kept.stat().st_size)
    assert np.array_equal(finish(store_steps(data, 160)).flat, pixels)


@pytest.mark.parametrize("damage", [b"", b"no picture", None])
def test_a_picture_that_cannot_be_read_is_named_in_one_line(cache, damage):
    names = save(cache)
    if damage is None:
        (cache / "grey.png").unlink()
    else:
        (cache / "grey.png").write_bytes(damage)
    with pytest.raises(GlassnetError) as refused:
        finish(store_steps(data_of(cache, names), 160))
    assert "grey.png" in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize(
    "size", [(4000, 13), (13, 4000), (997, 13), (5000, 1), (1, 5000), (1999, 3), (700, 2), (37, 31)]
)
def test_boxes_stay_where_they_are_on_the_narrowest_picture(size, kind):
    """A bright piece, and what the scale says of its ends, at three places along the picture."""
    for low, high in ((0.0, 0.1), (0.45, 0.6), (0.9, 1.0)):
        longer, along = max(size), int(size[1] > size[0])
        first, last = int(low * longer), int(high * longer)
        box = (0, first, size[0], last) if along else (first, 0, last, size[1])
        raw = io.BytesIO()
        painted(size, box=box).save(raw, kind, **({"quality": 95} if kind == "JPEG" else {}))
        for side in (256, 640):
            one = sized(raw.getvalue(), side)
            line = one.x.mean((0, 1 if not along else 2))
            share = (line - 20) / (230 - 20)
            middle, length = (share * (np.arange(len(line)) + 0.5)).sum() / share.sum(), share.sum()
            expected = np.array([first, last]) * one.scale[along]
            assert length == pytest.approx(expected[1] - expected[0], abs=0.6)
            assert middle == pytest.approx(expected.mean(), abs=0.6)
            assert one.scale == pytest.approx(np.array(one.x.shape[:0:-1]) / size)


def sides(splits, digest=None, seed=0, labels=None):
    count = len(splits)
    digest = np.arange(count, dtype=np.uint64) if digest is None else np.array(digest, np.uint64)
    labels = labels or [(0, 1)] * count
    return sides_of(data_of(None, [str(i) for i in range(count)], labels, splits), digest, seed)


def test_given_sides_are_taken_as_they_are():
    splits = [0, 1, 2, 0, 0, 2]
    one = sides(splits)
    assert one.side.tolist() == splits and one.notes == () and one.counts() == (3, 1, 2)
    assert one.rows(2).tolist() == [2, 5]


@pytest.mark.parametrize("seed", range(4))
def test_where_none_are_given_70_15_and_15_in_a_hundred_are_drawn_by_the_seed(seed):
    one = sides([-1] * 100, seed=seed)
    assert one.counts() == (70, 15, 15) and one.notes == ()
    assert np.array_equal(one.side, sides([-1] * 100, seed=seed).side)
    assert not np.array_equal(one.side, sides([-1] * 100, seed=seed + 1).side)


@pytest.mark.parametrize("seed", range(6))
def test_a_rare_class_is_on_every_side_and_always_among_those_that_train(seed):
    labels = [(0,)] * 90 + [(0, 1)] * 5 + [(0, 2)] * 3 + [(3,)] * 2
    random = np.random.default_rng(seed)
    labels = [labels[i] for i in random.permutation(100)]
    data = data_of(None, [str(i) for i in range(100)], labels, classes=("often", "five", "three", "two"))
    one = sides_of(data, np.arange(100, dtype=np.uint64), seed)
    counts = np.array([(data.counts[one.side == i] > 0).sum(0) for i in range(3)])
    assert counts[:, 1].tolist() == [3, 1, 1] and counts[:, 2].tolist() == [1, 1, 1]
    assert counts[0, 3] == 1 and counts[:, 3].sum() == 2
    assert abs(np.array(one.counts()) - (70, 15, 15)).max() <= 1 and abs(counts[:, 0] - (68.6, 14.7, 14.7)).max() < 2


@given(
    st.integers(0, 99), st.integers(3, 60), st.lists(st.floats(0.02, 0.9), min_size=1, max_size=6)
)  # how often each class is on a picture
def test_each_side_gets_its_share_of_each_class(seed, count, often):
    random = np.random.default_rng(seed)
    there = random.random((count, len(often))) < often
    held = max(1, round(0.15 * count))
    sizes = np.array([count - 2 * held, held, held])
    part = stratified(there, sizes, random)
    got = np.array([there[part == j].sum(0) for j in range(3)])
    number = there.sum(0)
    rarest = np.where(number, number, 99).argmin()
    assert (part >= 0).all() and (got[0] > 0)[number > 0].all(), "every class trains"
    if number[rarest] >= 3:
        assert (got[:, rarest] > 0).all(), "the rarest class, which is dealt out first"
        assert abs(got[1:, rarest] - np.maximum(number[rarest] * held / count, 1)).max() < 1.01


def test_copies_are_drawn_to_one_side():
    digest = np.repeat(np.arange(40), 3)
    one = sides([-1] * 120, digest)
    assert all(len(set(one.side[digest == kind])) == 1 for kind in range(40))
    assert one.counts() == (84, 18, 18)


def test_copies_on_two_given_sides_are_left_out_of_the_one_that_learns():
    """0 stands in train and test, 1 in train and val, 2 in val and test, 3 twice in train."""
    one = sides([0, 2, 0, 1, 1, 2, 0, 0, 0, 1, 2], [0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 6])
    assert one.side.tolist() == [-1, 2, -1, 1, -1, 2, 0, 0, 0, 1, 2]
    assert one.notes == ("left out 3 pictures of train and val: the same stands in val or test",)


def test_a_side_that_is_not_given_is_drawn_from_train():
    one = sides([0] * 40 + [1] * 10)
    assert one.counts() == (34, 10, 6) and (one.side[40:] == 1).all()
    assert one.notes == ("test drawn from train: none was given",)
    both = sides([0] * 40)
    assert both.counts() == (28, 6, 6) and len(both.notes) == 2


def test_pictures_that_no_list_names_train_only_where_no_list_says_which_do():
    one = sides([0] * 10 + [1] * 3 + [2] * 3 + [-1] * 4)
    assert (one.side[16:] == -1).all() and one.notes == ("4 pictures that no list names are left out",)
    rest = sides([2] * 4 + [-1] * 20)
    assert rest.counts() == (17, 3, 4) and (rest.side[:4] == 2).all()


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_pictures_are_refused_in_one_line(count):
    with pytest.raises(GlassnetError, match="expected pictures to train on, to choose by and to test on") as refused:
        sides([-1] * count)
    assert "\n" not in str(refused.value)
    assert sides([-1] * 3).counts() == (1, 1, 1)


def test_a_class_without_boxes_to_train_on_is_refused_in_one_line():
    with pytest.raises(GlassnetError) as refused:
        sides([0, 0, 1, 2], labels=[(0,), (0,), (1,), (0, 1)])
    assert "found none of b" in str(refused.value) and "\n" not in str(refused.value)
