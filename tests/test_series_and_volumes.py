"""Series and volumes: files of numbers become arrays of one shape; what is none says why."""

import io

import numpy as np
import pytest

from glassnet.data import series, volumes
from glassnet.data.dataset import Preparation
from glassnet.data.kind import Look, Looks, Unreadable

ROWS = Preparation((2, 8), {"every": 1, "floats": 1})


def npy(values):
    """The bytes of a .npy file."""
    data = io.BytesIO()
    np.save(data, values)
    return data.getvalue()


def csv(text):
    return text.encode()


EIGHT = "\n".join(f"{i},{i * 10}" for i in range(8))


@pytest.mark.parametrize(
    "data",
    [
        npy(np.stack([np.arange(8), np.arange(8) * 10])),
        npy(np.stack([np.arange(8), np.arange(8) * 10], 1)),  # (T, C)
        npy(np.asfortranarray(np.stack([np.arange(8.0), np.arange(8.0) * 10]))),
        csv(EIGHT),
        csv("a,b\n" + EIGHT),
        csv("\ufeffa,b\r\n" + EIGHT.replace("\n", "\r\n") + "\r\n"),
        csv("a;b\n" + EIGHT.replace(",", ";")),
        csv("a\tb\n" + EIGHT.replace(",", "\t")),
        csv("time,a,b\n" + "\n".join(f"{i / 100},{i},{i * 10}" for i in range(8))),
    ],
)
def test_a_series_reads_the_same_from_every_layout(data):
    x, found = series.decode(data, ROWS)
    assert x.dtype == np.float32 and x.tolist() == [list(range(8)), [i * 10 for i in range(8)]]
    assert found == series.look(data) == Look((8,), 2, 1)


def test_a_series_of_one_channel():
    assert series.decode(npy(np.arange(8.0)), Preparation((1, 8), {}))[0].tolist() == [list(range(8))]
    assert series.decode(csv("\n".join(map(str, range(8)))), Preparation((1, 8), {}))[0].tolist() == [list(range(8))]


def test_series_are_cut_continued_or_averaged_to_one_length():
    short = Preparation((1, 4), {"every": 1})
    assert series.decode(npy(np.arange(8.0)), short)[0].tolist() == [[0, 1, 2, 3]]
    assert series.decode(npy(np.arange(3.0)), short)[0].tolist() == [[0, 1, 2, 2]]
    assert series.decode(npy(np.arange(7.0)), Preparation((1, 4), {"every": 2}))[0].tolist() == [[0.5, 2.5, 4.5, 6]]


def test_the_length_of_series_is_what_nearly_all_fit_into():
    def chosen(lengths):
        size = np.array(lengths, np.int32)[:, None]
        return series.prepare(Looks(size, np.ones(len(size), np.int32), np.ones(len(size), np.int64)))

    assert chosen([100] * 10).shape == (1, 100)
    assert chosen([90] * 24 + [500]).shape == (1, 90)
    assert chosen([5000] * 3) == Preparation((1, 1000), {"every": 5, "floats": 1})


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is empty"),
        (csv("a,b\n"), "holds no rows of numbers"),
        (csv("a,b\n1,2\n3\n"), "has 1 columns in row 2, 2 in the first"),
        (csv("a,b\n1,2\n3,x\n"), "has 'x' in row 2, which is no number"),
        (csv("1,nan\n2,3\n"), "holds values that are not numbers or infinite"),
        (npy(np.zeros((2, 3, 20))), "is an array of 2x3x20, not a series"),
        (npy(np.array([[1.0, np.inf] * 9])), "holds values that are not numbers or infinite"),
        (npy(np.arange(8.0))[:-8], "is cut short"),
        (b"\x93NUMPY\x01\0", "is no .npy file, or damaged"),
        (npy(np.zeros((3, 20))), "has 3 channels, others have 2"),
    ],
)
def test_what_is_no_series_says_why(data, why):
    with pytest.raises(Unreadable) as caught:
        series.decode(data, ROWS)
    assert str(caught.value).startswith(why)


def test_python_objects_are_never_unpickled():
    data = io.BytesIO()
    np.save(data, np.array([print], object), allow_pickle=True)
    for kind in (series, volumes):
        with pytest.raises(Unreadable, match="holds Python objects"):
            kind.look(data.getvalue())


def test_a_declared_size_is_not_believed():
    whole = npy(np.zeros((4, 4, 4), np.uint8))
    lying = whole.replace(b"(4, 4, 4)", b"(4,4,999)")
    with pytest.raises(Unreadable, match="is cut short: 4x4x999"):
        volumes.look(lying)


def test_volumes_of_one_size_stay_as_they_are():
    raw = np.random.default_rng(0).integers(0, 256, (6, 7, 8), np.uint8)
    data = npy(raw)
    chosen = volumes.prepare(Looks.of([volumes.look(data)] * 3))
    assert chosen == Preparation((1, 6, 7, 8), {"floats": 0})
    x, found = volumes.decode(data, chosen)
    assert x.dtype == np.uint8 and (x[0] == raw).all() and found == Look((6, 7, 8), 1, 0)


def test_volumes_of_other_values_are_floats():
    raw = np.random.default_rng(0).normal(size=(2, 6, 7, 8))
    data = npy(raw)
    chosen = volumes.prepare(Looks.of([volumes.look(data)]))
    assert chosen == Preparation((2, 6, 7, 8), {"floats": 1})
    assert np.allclose(volumes.decode(data, chosen)[0], raw.astype(np.float32))


def test_volumes_of_other_sizes_are_scaled_with_their_aspect_kept():
    block = np.zeros((20, 40, 40), np.uint8)
    block[:, 10:30, 10:30] = 200
    x, _ = volumes.decode(npy(block), Preparation((1, 20, 20, 20), {"floats": 0}))
    inside = x[0] > 100
    assert np.argwhere(inside).min(0).tolist() == [5, 5, 5] and np.argwhere(inside).max(0).tolist() == [14, 14, 14]


def test_a_nifti_file_is_read_slice_by_slice(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    raw = np.random.default_rng(0).normal(size=(5, 6, 7)).astype(np.float32)  # x, y, z
    for name in ("one.nii", "one.nii.gz"):
        nibabel.save(nibabel.Nifti1Image(raw, np.eye(4)), tmp_path / name)
        data = (tmp_path / name).read_bytes()
        assert volumes.look(data) == Look((7, 6, 5), 1, 1)
        x, _ = volumes.decode(data, Preparation((1, 7, 6, 5), {"floats": 1}))
        assert np.allclose(x[0], raw.transpose(2, 1, 0))
        with pytest.raises(Unreadable):
            volumes.look(data[: len(data) // 2])


def test_pictures_of_series_and_volumes_hold_what_is_there():
    drawn = series.picture(np.stack([np.arange(50.0), np.arange(50.0) ** 2]).astype(np.float32), ROWS)
    assert drawn.shape == (1, 72, 192) and drawn.min() < 60 and drawn.max() == 255
    assert drawn[0, :20, :60].min() == 255 and drawn[0, :20, -30:].min() < 60  # it rises from left to right
    x = np.zeros((1, 5, 2, 3), np.uint8)
    x[0, 4, 1, 2] = 255
    sheet = volumes.picture(x, Preparation((1, 5, 2, 3)))
    assert sheet.shape == (1, 4, 9) and np.argwhere(sheet[0]).tolist() == [
        [3, 5]
    ]  # three across: slice 5 is row 2, place 2
    small = volumes.small(x, Preparation((1, 5, 2, 3)))  # from above 2 x 3, from the front 5 x 3, from the side 5 x 2
    assert small.shape == (1, 5, 10) and np.argwhere(small[0]).tolist() == [[0, 6], [0, 9], [1, 2]]
