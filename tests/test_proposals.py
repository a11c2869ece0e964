"""Where a detector looks: shapes learnt from objects, a grid of them, selective search, what is kept of it."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from glassnet import files
from glassnet.data.boxes.finding import find_boxes
from glassnet.data.boxes.geometry import area, brought, overlap
from glassnet.data.boxes.proposals import proposing
from glassnet.data.boxes.proposals.grid import STEPS, grid, learn_shapes, likeness
from glassnet.data.boxes.proposals.proposing import Proposals, learn, propose_steps, recall
from glassnet.data.dataset import TEST, TRAIN
from glassnet.errors import GlassnetError
from glassnet.steps import finish

needs_opencv = pytest.mark.skipif(
    subprocess.run([sys.executable, "-c", "import cv2; cv2.ximgproc"], capture_output=True, check=False).returncode
    != 0,
    reason="needs OpenCV with its extra modules",
)
SEARCH = Proposals("selective", 2000)
GRID = Proposals("grid", 500, ((0.1, 0.1), (0.3, 0.2)))


def at_origin(sides):
    """Boxes of these sizes, each on a picture of 100 x 80."""
    sides = np.array(sides, float).reshape(-1, 2)
    return [np.concatenate([np.zeros((1, 2)), one[None]], 1) for one in sides], [(100, 80)] * len(sides)


def how_like(sides, shapes):
    """The mean overlap of boxes with the shape nearest to each, on one corner: written out slowly."""
    total = 0.0
    for w, h in sides:
        total += max(min(w, a) * min(h, b) / (w * h + a * b - min(w, a) * min(h, b)) for a, b in shapes)
    return total / len(sides)


@pytest.mark.parametrize("seed", range(5))
def test_learnt_shapes_are_as_near_as_any_drawn_at_random(seed):
    random = np.random.default_rng(seed)
    middles = random.uniform(8, 60, (4, 2))
    sides = np.concatenate([m * random.lognormal(0, 0.15, (50, 2)) for m in middles])
    learnt = learn_shapes(*at_origin(sides), 6, seed)
    best = how_like(sides / 100, learnt)
    assert 4 <= len(learnt) <= 6
    for _ in range(50):
        assert best >= how_like(sides / 100, sides[random.permutation(200)[:6]] / 100)


def test_likeness_is_the_overlap_on_one_centre():
    one, other = np.array([[4.0, 2.0], [1.0, 1.0]]), np.array([[2.0, 4.0], [4.0, 2.0], [8.0, 8.0]])
    expected = [[4 / 12, 1, 8 / 64], [1 / 8, 1 / 8, 1 / 64]]
    assert np.allclose(likeness(one, other), expected)


def test_shapes_where_there_is_little_to_learn_from():
    assert learn_shapes(*at_origin([(20, 10)] * 30), 9, 0).tolist() == [[0.2, 0.1]]
    fewer = learn_shapes(*at_origin([(20, 10), (50, 50), (10, 70)]), 9, 0)
    assert sorted(map(tuple, fewer.tolist())) == [(0.1, 0.7), (0.2, 0.1), (0.5, 0.5)]
    none = learn_shapes([np.zeros((0, 4))], [(100, 80)], 9, 0)
    assert none.tolist() == learn_shapes([], [], 9, 0).tolist() == [[0.1, 0.1], [0.3, 0.3], [0.9, 0.9]]


@given(
    st.lists(st.tuples(st.floats(0.03, 1), st.floats(0.03, 1)), min_size=1, max_size=9, unique=True),
    st.tuples(st.integers(20, 700), st.integers(20, 700)),
    st.integers(300, 2500),
)
@settings(max_examples=60, deadline=None)
def test_a_grid_stays_within_its_count_and_its_picture(shapes, size, count):
    boxes = grid(np.array(shapes), size, count)
    assert 0 < len(boxes) <= count and (boxes >= 0).all() and (boxes[:, 2:] <= size).all() and (area(boxes) > 0).all()
    assert len(np.unique(boxes, axis=0)) == len(boxes)


def test_a_grid_has_nearly_as_many_regions_as_it_may_and_leaves_no_gap():
    shapes, size = np.array([[0.1, 0.08], [0.15, 0.2], [0.4, 0.3]]), (640, 480)
    boxes = grid(shapes, size, 2000)
    assert 1900 <= len(boxes) <= 2000
    middles, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    whole = [np.abs(sides - shape * 640).max(1) < 1e-6 for shape in shapes]
    gaps = []
    for shape, mine in zip(shapes * 640, whole, strict=True):
        for axis in range(2):
            places = np.unique(middles[mine][:, axis].round(6))
            gaps.append(np.diff(places).max() / shape[axis])
            assert np.ptp(np.diff(places)) < 1e-5
            assert places[0] - shape[axis] / 2 < shape[axis] * gaps[-1] and places[0] >= shape[axis] / 2 - 1e-6
    assert max(gaps) / min(gaps) < 1.4 and max(gaps) < 0.5, "the same share of each side apart"


@pytest.mark.parametrize("shape", [(0.1, 0.1), (0.08, 0.2)])
def test_no_object_of_a_grids_shape_is_as_far_from_a_region_as_with_rows_beneath_each_other(shape):
    size, sides = np.array([640, 480]), np.array(shape) * 640
    boxes = grid(np.array([shape]), (640, 480), 300)
    for step in np.arange(0.6, 0.1, -0.005):  # the first square lattice that has at least as many regions
        first, last = sides / 4, size - sides / 4
        counts = np.ceil((last - first) / (sides * step)).astype(int)
        if counts.prod() >= len(boxes):
            break
    middles = [np.linspace(*ends) for ends in zip(first, last, counts, strict=True)]
    square = np.stack([values.ravel() for values in np.meshgrid(*middles)], 1)
    square = np.concatenate([square - sides / 2, square + sides / 2], 1)
    corner = np.random.default_rng(0).uniform(0, size - sides, (4000, 2))
    objects = np.concatenate([corner, corner + sides], 1)
    assert len(square) >= len(boxes) > 280
    best, other = (overlap(objects, some).max(1) for some in (boxes, square))
    assert best.min() > other.min() + 0.05


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (20, 5), (4000, 10)])
def test_a_grid_lies_on_any_picture(size):
    boxes = grid(np.array([[0.1, 0.1], [0.9, 0.9]]), size, 200)
    assert 0 < len(boxes) <= 200 and (boxes[:, 2:] <= size).all() and (area(boxes) > 0).all()
    assert len(grid(np.array([[0.1, 0.1]] * 9), size, 3)) <= 3 and STEPS[0] > 0


def test_a_grid_of_learnt_shapes_covers_the_cells_of_the_test_pictures(real_data):
    data = finish(find_boxes(real_data("blood-cells")).steps())
    train, test = ([one for one in data.pictures if one.split == side] for side in (TRAIN, TEST))
    plan = learn("grid", [one.boxes for one in train], [one.size for one in train], 2000, 0)
    laid = {size: grid(np.array(plan.shapes), size, plan.count) for size in {one.size for one in test}}
    assert all(len(boxes) <= 2000 for boxes in laid.values())
    assert recall([one.boxes for one in test], [laid[one.size] for one in test], 0.5) >= 0.99


def encoded(image, kind="PNG", **more):
    raw = io.BytesIO()
    image.save(raw, kind, **more)
    return raw.getvalue()


DISCS = [(40, 50, 120, 130), (200, 60, 300, 160), (330, 180, 400, 250), (90, 190, 190, 260)]


def discs(width=450, height=300):
    """Discs of four colours on grey."""
    image = Image.new("RGB", (width, height), (190, 185, 180))
    pen = ImageDraw.Draw(image)
    for box, colour in zip(DISCS, ((200, 40, 40), (40, 60, 200), (30, 150, 60), (60, 20, 90)), strict=True):
        pen.ellipse(box, fill=colour)
    return image


@needs_opencv
def test_a_search_finds_clear_discs_in_boxes_that_are_all_different():
    boxes = SEARCH.of(encoded(discs()))
    share = overlap(np.array(DISCS, float), boxes)
    assert (share.max(1) > 0.7).all()
    assert len(np.unique(boxes, axis=0)) == len(boxes) > 4
    assert (boxes >= 0).all() and (boxes[:, 2:] <= [450, 300]).all()
    assert ((boxes[:, 2:] - boxes[:, :2]) * 500 / 450 >= 20 - 1e-6).all()
    few = Proposals("selective", 5).of(encoded(discs()))
    assert np.array_equal(few, boxes[:5]) and not np.array_equal(boxes, boxes[np.lexsort(boxes.T)])


@needs_opencv
def test_another_process_searches_alike_and_another_seed_orders_otherwise(tmp_path):
    raw = encoded(discs())
    (tmp_path / "a.png").write_bytes(raw)
    program = (
        "import sys; from pathlib import Path; from glassnet.data.boxes.proposals.proposing import Proposals\n"
        "print(Proposals('selective', 2000).of(Path(sys.argv[1]).read_bytes()).tolist())"
    )
    words = [sys.executable, "-c", program, tmp_path / "a.png"]
    told = [json.loads(subprocess.run(words, capture_output=True, check=True).stdout) for _ in range(2)]
    here, other = SEARCH.of(raw), Proposals("selective", 2000, seed=1).of(raw)
    assert told[0] == told[1] == here.tolist() and not np.array_equal(here, other)
    assert np.array_equal(np.unique(here, axis=0), np.unique(other, axis=0))


@needs_opencv
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (20, 5), (2, 300), (450, 300)])
def test_blank_and_tiny_pictures_are_searched_too(size):
    boxes = SEARCH.of(encoded(Image.new("RGB", size, (9, 90, 200))))
    assert boxes.ndim == 2 and boxes.shape[1] == 4 and (boxes >= 0).all() and (boxes[:, 2:] <= size).all()


@needs_opencv
def test_grey_pictures_and_those_held_sideways_are_searched_upright():
    grey = SEARCH.of(encoded(discs().convert("L")))
    assert (overlap(np.array(DISCS[3:], float), grey).max(1) > 0.7).all()
    exif = Image.Exif()
    exif[0x0112] = 6  # held so that the file's rows are the picture's columns
    turned = discs().transpose(Image.Transpose.ROTATE_90)
    for plan in (SEARCH, Proposals("both", 2000, GRID.shapes)):
        boxes = plan.of(encoded(turned, "JPEG", exif=exif, quality=95))
        assert (overlap(np.array(DISCS, float), boxes).max(1) > 0.7).all() and (boxes[:, 2:] <= [450, 300]).all()
    assert (GRID.of(encoded(turned, "JPEG", exif=exif))[:, 2:].max(0) == [450, 300]).all()


@needs_opencv
def test_both_together_fill_the_count_and_half_of_it_lies_on_the_grid():
    raw = encoded(discs())
    searched = SEARCH.of(raw)
    for count in (60, 3000):
        boxes = Proposals("both", count, GRID.shapes).of(raw)
        taken = sum(tuple(box) in set(map(tuple, searched)) for box in boxes)
        assert 0.9 * count <= len(boxes) <= count and taken >= min(count // 2, len(searched))


def test_without_opencv_a_search_is_refused_in_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(GlassnetError) as refused:
        SEARCH.of(encoded(discs(40, 30)))
    assert "--proposals grid" in str(refused.value) and "\n" not in str(refused.value)
    assert len(GRID.of(encoded(discs(40, 30)))) > 400


def test_a_plan_comes_back_from_json():
    for plan in (GRID, SEARCH, Proposals("both", 7, ((0.5, 1.0),), 300, 4)):
        assert Proposals.from_json(json.loads(json.dumps(plan.as_json()))) == plan
    assert GRID.describe() == "500 regions on a grid of 2 shapes"


@pytest.mark.parametrize(
    "damage",
    [
        {"kind": "guess"}, {"kind": ["grid"]}, {"kind": None}, {"count": 0}, {"count": 10**6}, {"count": "many"},
        {"count": float("inf")}, {"count": None}, {"width": 0}, {"width": 10**6}, {"seed": -1}, {"seed": "x"},
        {"shapes": []}, {"shapes": [[0.1]]}, {"shapes": [[0.1, float("nan")]]}, {"shapes": [[-0.1, 0.2]]},
        {"shapes": 3}, {"shapes": [["a", "b"]]}, {"shapes": [[0, 0.1]]}, {"shapes": [[0.1, 1e9]]},
    ],
)  # fmt: skip
def test_a_damaged_plan_is_refused(damage):
    facts = GRID.as_json() | damage
    with pytest.raises((ValueError, KeyError, TypeError)):
        Proposals.from_json(json.loads(json.dumps(facts)))
    for name in facts:
        with pytest.raises((ValueError, KeyError, TypeError)):
            Proposals.from_json({key: value for key, value in facts.items() if key != name})
    with pytest.raises(ValueError, match="x"):
        Proposals.from_json("x")


def test_what_was_found_is_kept_by_picture_and_plan(tmp_path, monkeypatch):
    monkeypatch.setenv("GLASSNET_CACHE", str(tmp_path / "cache"))
    asked = []

    def found(_, __, size):
        asked.append(size)
        return np.array([[0.0, 0, len(asked), 9]])

    monkeypatch.setitem(proposing.PROPOSERS, "selective", found)
    (tmp_path / "a.png").write_bytes(encoded(discs()))
    (tmp_path / "b.png").write_bytes(encoded(discs()))
    (tmp_path / "c.png").write_bytes(encoded(discs(60, 40)))
    paths = [tmp_path / name for name in ("a.png", "b.png", "c.png")]
    first = finish(propose_steps(SEARCH, paths))
    assert asked == [(450, 300), (60, 40)], "a copy is known by its bytes"
    assert all(np.array_equal(a, b) for a, b in zip(first, finish(propose_steps(SEARCH, paths)), strict=True))
    assert len(asked) == 2
    finish(propose_steps(Proposals("selective", 1999), paths[:1]))
    assert len(asked) == 3, "other settings are another entry"
    kept = sorted((files.workspace() / "cache" / "regions").iterdir())
    for damaged in (b"", b"nonsense", b"\x93NUMPY", kept[0].read_bytes()[:-5], encoded(discs())):
        for one in kept:
            one.write_bytes(damaged)
        again = finish(propose_steps(SEARCH, paths[:1]))
        assert again[0][0, 2] == len(asked) > 3


def test_recall_by_hand():
    objects = [np.array([(0, 0, 10, 10), (50, 50, 60, 60)], float), np.zeros((0, 4)), np.array([(0, 0, 4, 4)], float)]
    proposals = [np.array([(0, 0, 10, 5), (50, 50, 60, 54)], float), np.zeros((3, 4)), np.zeros((0, 4))]
    assert recall(objects, proposals, 0.5) == pytest.approx(1 / 3)
    assert recall(objects, proposals, 0.4) == pytest.approx(2 / 3)
    assert np.isnan(recall([np.zeros((0, 4))], [np.zeros((0, 4))], 0.5))


@given(st.tuples(st.integers(1, 5000), st.integers(1, 5000)), st.integers(1, 700))
@settings(max_examples=200, deadline=None)
def test_a_picture_that_is_brought_to_a_size_keeps_its_aspect_to_half_a_pixel(size, side):
    width, height = brought(size, side)
    assert min(width, height) >= 1 and max(width, height) <= side
    scale = min(width / size[0], height / size[1])
    inner = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    assert abs(inner[0] - width) + abs(inner[1] - height) <= 1, "at most a line is left to be filled beside or below it"
