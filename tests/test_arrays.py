"""Arrays: values come out of an .npz as they went in; one that can't be learnt from is refused before it unpacks."""

import io
import zipfile

import numpy as np
import pytest

import glassnet as gn
from glassnet.config import Reading
from glassnet.data import kinds
from glassnet.data.dataset import NOT_GIVEN, TEST, TRAIN, VAL

BYTES = np.random.default_rng(0).integers(0, 256, (20, 6, 5), np.uint8)
Y = np.arange(20) % 2


@pytest.fixture
def read(tmp_path):
    """Saves arrays and reads them back."""

    def saved(**arrays):
        np.savez_compressed(tmp_path / "a.npz", **arrays)
        return gn.read(tmp_path / "a.npz")

    return saved


@pytest.fixture
def refused(tmp_path, read):
    """The line for arrays that are refused."""

    def line(**arrays):
        with pytest.raises(gn.GlassnetError) as caught:
            read(**arrays)
        assert str(caught.value).startswith(str(tmp_path / "a.npz"))
        return str(caught.value)

    return line


def test_bytes_stay_as_they_are(read):
    dataset = read(x=BYTES, y=Y)
    assert dataset.samples.x.dtype == np.uint8
    assert (dataset.samples.x == BYTES[:, None]).all()
    assert dataset.samples.y.tolist() == Y.tolist()
    assert dataset.classes == ("0", "1")
    assert list(dataset.samples.names) == [f"a.npz[{i}]" for i in range(20)]
    assert set(dataset.samples.split) == {NOT_GIVEN}


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_channels_may_stand_first_or_last(read, channels):
    x = np.random.default_rng(1).integers(0, 256, (20, channels, 6, 5), np.uint8)
    assert (read(x=x, y=Y).samples.x == x).all()
    last = read(x=x.transpose(0, 2, 3, 1).copy(), y=Y)
    assert last.shape == (channels, 6, 5)
    assert (last.samples.x == x).all()


@pytest.mark.parametrize("dtype", ["<i8", ">i2", "f4", ">f8", "f2", "u4"])
def test_whole_numbers_of_any_type_from_0_to_255_are_bytes(read, dtype):
    dataset = read(x=BYTES.astype(dtype), y=Y)
    assert dataset.samples.x.dtype == np.uint8
    assert (dataset.samples.x == BYTES[:, None]).all()


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_shares_of_255_are_bytes_again(read, dtype):
    dataset = read(x=(BYTES / 255).astype(dtype), y=Y)
    assert dataset.samples.x.dtype == np.uint8
    assert (dataset.samples.x == BYTES[:, None]).all()


def test_yes_and_no_are_white_and_black(read):
    assert (read(x=BYTES > 99, y=Y).samples.x == np.where(BYTES > 99, 255, 0)[:, None]).all()


@pytest.mark.parametrize(
    "x", [BYTES - 128.0, BYTES.astype(np.int16) - 1, BYTES * 2.0, BYTES / 256 + 0.001, BYTES.astype(np.float64) + 0.5]
)
def test_other_numbers_stay_numbers(read, x):
    dataset = read(x=x, y=Y)
    assert dataset.samples.x.dtype == np.float32
    assert (dataset.samples.x == x.astype(np.float32)[:, None]).all()


def test_many_values_come_through_in_chunks(read):
    x = (np.arange(300 * 100 * 100) % 251).astype(np.uint8).reshape(300, 100, 100)
    assert (read(x=x, y=np.arange(300) % 2).samples.x == x[:, None]).all()
    assert (read(x=x - 0.5, y=np.arange(300) % 2).samples.x == (x - np.float32(0.5))[:, None]).all()


def test_given_splits_are_kept(read):
    dataset = read(
        x_train=BYTES[:10], y_train=Y[:10], x_val=BYTES[10:14], y_val=Y[10:14], x_test=BYTES[14:], y_test=Y[14:]
    )
    assert dataset.samples.split.tolist() == [TRAIN] * 10 + [VAL] * 4 + [TEST] * 6
    assert (dataset.samples.x == BYTES[:, None]).all()


def test_classes_of_splits_are_one_list(read):
    dataset = read(x_train=BYTES[:4], y_train=[5, 7, 10, 7], x_test=BYTES[4:6], y_test=[10, 5])
    assert dataset.classes == ("5", "7", "10")
    assert dataset.samples.y.tolist() == [0, 1, 2, 1, 2, 0]


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (np.array(["dog", "cat"] * 10), ("cat", "dog")),
        (np.array([b"dog", b"c\xc3\xa4t"] * 10), ("cät", "dog")),
        (Y.astype(float), ("0", "1")),
        (Y + 0.5, ("0.5", "1.5")),
        (Y[:, None], ("0", "1")),
        (Y == 1, ("False", "True")),
        (np.int8(Y) - 1, ("-1", "0")),
    ],
)
def test_classes_may_be_numbers_or_words(read, y, classes):
    dataset = read(x=BYTES, y=y)
    assert sorted(dataset.classes) == sorted(classes)
    first = dataset.classes[dataset.samples.y[0]]
    assert [dataset.classes[k] == first for k in dataset.samples.y] == (y.ravel() == y.ravel()[0]).tolist()


NUMBERS = BYTES.astype(float)
NOT_A_NUMBER, INFINITE, TOO_LARGE = NUMBERS.copy(), NUMBERS.copy(), NUMBERS.copy()
NOT_A_NUMBER[7, 2, 2], INFINITE[7, 2, 2], TOO_LARGE[7, 2, 2] = np.nan, np.inf, 1e300
NO_NUMBERS = "expected numbers that float32 holds, found a value that is not a number, infinite or too large"

REFUSED = {
    "not a number": ({"x": NOT_A_NUMBER, "y": Y}, f"example 7: {NO_NUMBERS}"),
    "infinite": ({"x": INFINITE, "y": Y}, f"example 7: {NO_NUMBERS}"),
    "too large": ({"x": TOO_LARGE, "y": Y}, f"example 7: {NO_NUMBERS}"),
    "objects in x": ({"x": np.array([[[print]]] * 2), "y": Y[:2]}, "x: expected numbers, found Python objects"),
    "objects in y": (
        {"x": BYTES[:2], "y": np.array(["a", None])},
        "y: expected 2 classes, one an example, found Python",
    ),
    "complex": ({"x": BYTES * 1j, "y": Y}, "x: expected numbers, found dtype complex128"),
    "dates": ({"x": BYTES.astype("M8[s]"), "y": Y}, "x: expected numbers, found dtype datetime64"),
    "no labels": ({"x": BYTES}, "expected arrays x and y, or x_train, y_train, x_test, y_test, found x"),
    "other names": ({"images": BYTES, "labels": Y}, "found images, labels"),
    "fewer labels": ({"x": BYTES, "y": Y[:5]}, "y: expected 20 classes, one an example, found 5 of dtype int64"),
    "one-hot": ({"x": BYTES, "y": np.eye(2)[Y]}, "found 20x2 of dtype float64"),
    "an unknown class": (
        {"x": BYTES, "y": np.where(Y, 1, np.nan)},
        "expected a class for each example, found none for",
    ),
    "an empty class": ({"x": BYTES, "y": np.array(["a", ""] * 10)}, "found none for example 1"),
    "measurements": (
        {"x": np.zeros((4000, 2, 2)), "y": np.arange(4000) + 0.5},
        "expected classes, found 4,000 different",
    ),
    "numbers": ({"x": np.arange(20), "y": Y}, "found x without axes"),
    "one number": ({"x": np.uint8(3), "y": np.uint8(1)}, "found x without axes"),
    "five axes": ({"x": np.zeros((20, 5, 5, 5, 5)), "y": Y}, "found x of N x 5x5x5x5"),
    "nothing": ({"x": BYTES[:0], "y": Y[:0]}, "expected examples, found none: x is empty"),
    "no width": ({"x": BYTES[:, :, :0], "y": Y}, "expected examples of 1 to 8,000,000 values, found 6x0"),
    "two shapes": ({"x_train": BYTES, "y_train": Y, "x_test": BYTES[:, :3], "y_test": Y}, "different shapes: 3x5, 6x5"),
    "columns": (
        {"x": np.asfortranarray(BYTES), "y": Y},
        "x: it is stored column by column. Save np.ascontiguousarray(x)",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_arrays_that_can_not_be_learnt_from_are_refused(refused, name):
    arrays, words = REFUSED[name]
    assert words in refused(**arrays)


def member(shape, values, dtype="|u1"):
    """The bytes of an .npy whose header may declare what it doesn't hold."""
    data = io.BytesIO()
    np.lib.format.write_array_header_1_0(data, {"descr": dtype, "fortran_order": False, "shape": shape})
    return data.getvalue() + values


@pytest.mark.parametrize(
    ("shape", "values"),
    [
        ((10, 10**6, 10**6), b""),
        ((10**12, 8, 8), b""),
        ((-20, 8, 8), b""),
        ((20, 6, 5), bytes(599)),
        ((20, 6, 5), bytes(601)),
    ],
)
def test_an_archive_that_declares_what_it_does_not_hold_is_refused(tmp_path, shape, values):
    np.savez(tmp_path / "a.npz", y=Y)
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("x.npy", member(shape, values))
    with pytest.raises(gn.GlassnetError, match=r"npz, x: expected .* values in .* bytes, found [\d,]+ bytes"):
        gn.read(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["x", "y"])
def test_a_compressed_bomb_is_refused_before_it_unpacks(tmp_path, name):
    count = 5_000_000
    members = {
        "x": member((count, 8, 8), b"") if name == "x" else member((1, 8, 8), bytes(64)),
        "y": member((1,), b"0"),
    }
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for one, content in members.items():
            with archive.open(f"{one}.npy", "w", force_zip64=True) as file:
                if one == name:
                    file.write(member((count, 8, 8), b""))
                    for _ in range(count // 50_000):
                        file.write(bytes(50_000 * 64))
                else:
                    file.write(content)
    assert (tmp_path / "a.npz").stat().st_size < 400_000
    with pytest.raises(gn.GlassnetError, match=f"npz, {name}: .* kB would unpack to 320 MB of one value"):
        gn.read(tmp_path / "a.npz")


def damaged(path, kind):
    """Damages an archive on disk in one of the ways that archives are damaged."""
    data = bytearray(path.read_bytes())
    entry = data.find(b"PK\x01\x02")
    if kind == "cut":
        del data[-60:]
    elif kind == "flipped":
        data[300] ^= 255
    elif kind == "encrypted":
        data[6] |= 1
        data[entry + 8] |= 1
    elif kind == "of another method":
        data[8] = data[entry + 10] = 99
    else:
        data = bytearray({"empty": b"", "text": b"hello"}[kind])
    path.write_bytes(data)


@pytest.mark.parametrize("kind", ["cut", "flipped", "encrypted", "of another method", "empty", "text"])
def test_a_damaged_archive_is_one_line(tmp_path, kind):
    np.savez_compressed(tmp_path / "a.npz", x=BYTES, y=Y)
    damaged(tmp_path / "a.npz", kind)
    with pytest.raises(gn.GlassnetError, match=r"a\.npz: expected a whole \.npz file, found .*\. Save it again\.$"):
        gn.read(tmp_path / "a.npz")


def test_an_archive_that_changed_is_read_anew(read):
    assert (read(x=BYTES, y=Y).samples.x == BYTES[:, None]).all()
    assert (read(x=255 - BYTES, y=Y).samples.x == 255 - BYTES[:, None]).all()


def test_digits_are_scikit_learns():
    from sklearn.datasets import load_digits

    images, targets = load_digits(return_X_y=True)
    dataset = gn.read("digits")
    assert np.abs(dataset.samples.x.reshape(1797, 64) / 255 * 16 - images).max() <= 0.5 / 255 * 16
    assert (dataset.samples.y == targets).all()


KINDS = {
    "series (N, T)": ((20, 30), "series", (1, 30)),
    "series (N, C, T)": ((20, 3, 30), "series", (3, 30)),
    "series (N, T, C)": ((20, 64, 9), "series", (9, 64)),
    "pictures (N, H, W)": ((20, 6, 5), "pictures", (1, 6, 5)),
    "pictures (N, H, W, C)": ((20, 6, 5, 3), "pictures", (3, 6, 5)),
    "pictures (N, C, H, W)": ((20, 3, 6, 5), "pictures", (3, 6, 5)),
    "volumes (N, D, H, W)": ((20, 5, 9, 8), "volumes", (1, 5, 9, 8)),
    "volumes (N, D, H, W, C)": ((20, 6, 7, 8, 2), "volumes", (2, 6, 7, 8)),
    "volumes (N, C, D, H, W)": ((20, 2, 6, 7, 8), "volumes", (2, 6, 7, 8)),
}


@pytest.mark.parametrize("name", KINDS)
def test_the_number_of_axes_says_what_arrays_are(tmp_path, name):
    size, kind, shape = KINDS[name]
    x = np.random.default_rng(0).normal(size=size).astype(np.float32)
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(20) % 2)
    dataset = gn.read(tmp_path / "a.npz")
    assert (dataset.kind, dataset.shape) == (kind, shape)
    same = np.moveaxis(x, -1, 1) if size[-1] == shape[0] != 1 else x
    assert (dataset.samples.x.reshape(20, -1) == same.reshape(20, -1)).all()


def test_a_person_may_say_that_wide_pictures_are_pictures(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((20, 8, 40), np.uint8), y=np.arange(20) % 2)
    assert kinds.read(tmp_path / "a.npz").shape == (8, 40)
    assert kinds.read(tmp_path / "a.npz", Reading(kind="pictures")).shape == (1, 8, 40)
