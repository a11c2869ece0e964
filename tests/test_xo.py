"""The X's and O's: at rest the slides' own, with the knobs within their ranges, the same for the same seed."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import glassnet as gn
from glassnet.data import xo
from glassnet.data.xo import Knobs

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text())
O_AT_REST = [
    ".........",
    "...###...",
    "..#...#..",
    ".#.....#.",
    ".#.....#.",
    ".#.....#.",
    "..#...#..",
    "...###...",
    ".........",
]


def made(knobs, count=40, seed=0):
    return np.concatenate(list(xo.generate(knobs, count, seed)))


def ink(picture):
    """Rows and columns of the ink."""
    return np.nonzero(picture > 0)


def test_at_rest_they_are_the_slides_x_and_a_ring_of_its_size():
    x = np.array(GOLDEN["image_x"])
    o = np.array([[1 if cell == "#" else -1 for cell in row] for row in O_AT_REST])
    assert (xo.draw("X") == x).all() and (xo.draw("O") == o).all()
    pictures = made(Knobs(), 6)
    assert (pictures[0::2] == np.where(x > 0, 255, 0)).all()
    assert (pictures[1::2] == np.where(o > 0, 255, 0)).all()


@settings(max_examples=30, deadline=None)
@given(
    st.integers(5, 40),
    st.floats(-3, 3),
    st.floats(0.5, 2),
    st.floats(-180, 180),
    st.floats(0.5, 3),
    st.sampled_from("XO"),
)
def test_every_value_is_ink_or_paper(size, translate, scale, rotate, weight, letter):
    knobs = Knobs(size, (translate, translate), (scale, scale), (rotate, rotate), (weight, weight))
    picture = xo.draw(letter, knobs)
    assert picture.shape == (size, size)
    assert set(np.unique(picture)) <= {-1.0, 1.0}


@pytest.mark.parametrize("letter", "XO")
def test_translate_moves_by_whole_pixels(letter):
    rest = xo.draw(letter, Knobs(15, scale=(0.5, 0.5)))
    moved = xo.draw(letter, Knobs(15, (2, 2), (0.5, 0.5)))
    assert (moved == np.roll(rest, (2, 2), (0, 1))).all()


@pytest.mark.parametrize("letter", "XO")
@pytest.mark.parametrize("size", [9, 10, 27, 64])
def test_they_fill_the_picture_but_for_a_pixel_and_look_alike_from_all_sides(letter, size):
    picture = xo.draw(letter, Knobs(size))
    rows, columns = ink(picture)
    assert {rows.min(), columns.min()} == {1} and {rows.max(), columns.max()} == {size - 2}
    assert (picture == picture[::-1]).all() and (picture == picture[:, ::-1]).all() and (picture == picture.T).all()


def test_half_the_scale_is_half_the_extent():
    rows, _ = ink(xo.draw("X", Knobs(43, scale=(0.5, 0.5))))
    assert rows.max() - rows.min() == 20  # of 40 at scale 1


def test_an_x_turned_by_45_degrees_is_a_plus():
    rows, columns = ink(xo.draw("X", Knobs(21, rotate=(45, 45), scale=(0.5, 0.5))))
    assert ((rows == 10) | (columns == 10)).all()
    assert (xo.draw("X", Knobs(21, rotate=(90, 90))) == xo.draw("X", Knobs(21))).all()


def test_weight_is_the_width_of_the_stroke():
    for weight in (1, 3, 5):
        row = xo.draw("O", Knobs(63, scale=(0.5, 0.5), weight=(weight, weight)))[31]
        assert (row > 0).sum() == 2 * weight


def test_each_example_draws_its_own_values_from_the_whole_range():
    knobs = Knobs(31, scale=(0.2, 0.2), translate=(-8, 8))
    centres = np.array([(r.mean() - 15, c.mean() - 15) for r, c in map(ink, made(knobs, 400))])
    assert np.abs(centres).max() <= 8.5
    assert centres.min(0).max() < -7 and centres.max(0).min() > 7
    assert abs(np.corrcoef(centres.T)[0, 1]) < 0.2


def test_a_seed_gives_the_same_pictures_and_a_longer_run_begins_with_the_shorter():
    knobs = xo.trickier()
    assert (made(knobs, 50, 1) == made(knobs, 50, 1)).all()
    assert (made(knobs, 50, 1) != made(knobs, 50, 2)).any()
    assert (made(knobs, 5000, 1)[:50] == made(knobs, 50, 1)).all()
    assert len(made(knobs, 5000)) == 5000 and set(np.unique(made(knobs, 5000))) == {0, 255}


def test_the_data_set_holds_as_many_x_as_o():
    dataset = gn.xo(count=101, size=12)
    assert dataset.classes == ("X", "O") and dataset.counts.tolist() == [51, 50]
    assert dataset.shape == (1, 12, 12)
    assert (dataset.samples.x[:, 0] == made(xo.trickier(12), 101)).all()
    assert list(dataset.samples.names)[:3] == ["X 0", "O 1", "X 2"]
    assert gn.read("xo").describe() == "4,000 pictures in 2 classes, 9x9, grey"


def test_a_folder_of_them_is_white_on_black_and_reads_back(tmp_path):
    for _ in (steps := xo.make_folder(tmp_path / "xo", Knobs(), 11, 0)):
        pass
    assert not list(steps)
    names = sorted(path.relative_to(tmp_path / "xo").as_posix() for path in tmp_path.rglob("*.png"))
    assert names == sorted(f"{'XO'[i % 2]}/{i:02}.png" for i in range(11))
    with Image.open(tmp_path / "xo" / "X" / "00.png") as image:
        assert image.mode == "L"
        assert (np.asarray(image) == np.where(np.array(GOLDEN["image_x"]) > 0, 255, 0)).all()
    dataset = gn.read(tmp_path / "xo")
    assert dataset.counts.tolist() == [5, 6] and dataset.classes == ("O", "X")


def test_a_folder_that_holds_something_is_not_written_into(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(gn.GlassnetError, match="expected a new or empty folder, found something there"):
        next(xo.make_folder(tmp_path, Knobs(), 10, 0))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    (tmp_path / "empty").mkdir()
    assert list(xo.make_folder(tmp_path / "empty", Knobs(), 10, 0))
    assert len(list(tmp_path.rglob("*.png"))) == 10


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({"size": 4}, "--size: expected a whole number of pixels from 5 to 512, found 4:4"),
        ({"size": 513}, "--size"),
        ({"translate": (-10, 0)}, "--translate: expected pixels from -9 to 9, found -10:0"),
        ({"scale": (0, 1)}, "--scale: expected factors from 0.1 to 4, found 0:1"),
        ({"scale": (2, 1)}, "--scale: expected factors from 0.1 to 4, found 2:1"),
        ({"rotate": (0, 361)}, "--rotate: expected degrees from -360 to 360"),
        ({"weight": (0.1, 1)}, "--weight: expected pixels from 0.5 to 9"),
        ({"weight": (float("nan"), 1)}, "--weight"),
    ],
)
def test_a_knob_that_can_not_be_is_refused(knobs, words):
    with pytest.raises(gn.GlassnetError, match=words):
        Knobs(**knobs)


@pytest.mark.parametrize("count", [-1, 0, 9, 100_000_001])
def test_a_count_that_can_not_be_is_refused(count):
    with pytest.raises(gn.GlassnetError, match="--count: expected 10 to 100,000,000 pictures"):
        gn.xo(count=count)
