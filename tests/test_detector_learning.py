"""What a detector is given to learn from: marked regions, varied copies, steps that the seed alone tells."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glassnet.data.boxes.annotated import Annotated, BoxData
from glassnet.data.boxes.store import Store
from glassnet.data.dataset import Normalisation
from glassnet.data.kind import Augmentation
from glassnet.nets.rcnn.warping import Crops, around
from glassnet.training.detection.feeding import Feed, look, together
from glassnet.training.detection.ground import Ground, Scene, draw, ground_of, mark
from glassnet.training.detection.varied import LEAST, Move, any_copy, any_move, moved, moved_scene

PLAIN = Normalisation((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
CPU = torch.device("cpu")
VARIED = Augmentation(mirror_x=True, mirror_y=True, scale=0.2)


def scene(boxes=(), labels=(), proposals=(), hard=None, whole=True):
    return Scene(
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        torch.tensor(labels, dtype=torch.int64),
        torch.tensor(hard if hard is not None else [False] * len(labels), dtype=torch.bool),
        torch.tensor(proposals, dtype=torch.float32).reshape(-1, 4),
        whole,
    )


A, B = (0, 0, 10, 10), (20, 0, 30, 10)
HALF, UNDER, OFF = (0, 0, 10, 5), (0, 0, 10, 4.99), (50, 50, 60, 60)


def store_of(pictures):
    """Pictures (3, H, W) uint8 as a store keeps them."""
    flat = np.concatenate([one.ravel() for one in pictures])
    start = np.cumsum([0, *[one.size for one in pictures]])
    size = np.array([one.shape[1:] for one in pictures])
    return Store(flat, start, size, np.ones((len(pictures), 2)), np.arange(len(pictures), dtype=np.uint64))


def test_a_region_is_on_an_object_from_an_overlap_of_a_half():
    marked, share = mark(scene([A, B], [1, 0], [HALF, UNDER, OFF]), 2)
    assert marked.boxes.tolist() == [list(map(pytest.approx, one)) for one in (A, B, HALF, UNDER, OFF)]
    assert marked.y.tolist() == [1, 0, 1, 2, 2] and len(marked) == 5
    assert marked.truth[:3].tolist() == [list(A), list(B), list(A)]
    assert torch.equal(marked.truth[3:], marked.boxes[3:])
    assert share.tolist() == pytest.approx([1, 1, 0.5, 0.499, 0])


def test_regions_on_hard_objects_are_neither_objects_nor_background():
    marked, share = mark(scene([A, B], [1, 0], [HALF, UNDER, OFF], hard=[True, False]), 2)
    assert marked.y.tolist() == [0, 2, 2] and marked.boxes[0].tolist() == list(B) and len(share) == 3


def test_where_not_everything_is_marked_nothing_is_background():
    marked, share = mark(scene([A, B], [1, 0], [HALF, UNDER, OFF], hard=[False, True], whole=False), 2)
    assert marked.y.tolist() == [1, 1] and len(share) == 2
    for one in (scene([], [], [OFF, A], whole=False), scene([A], [0], [OFF], hard=[True], whole=False)):
        marked, share = mark(one, 2)
        assert len(marked) == len(share) == 0 and marked.boxes.shape == marked.truth.shape == (0, 4)


def test_without_objects_all_is_background():
    marked, share = mark(scene([], [], [OFF, A]), 2)
    assert marked.y.tolist() == [2, 2] and marked.y.dtype == torch.int64 and share.tolist() == [0, 0]
    assert len(mark(scene(), 2)[0]) == 0


@given(st.integers(0, 12), st.integers(0, 40), st.integers(1, 24), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_a_quarter_of_what_is_drawn_is_on_objects_and_the_rest_background(on, off, count, seed):
    regions = [A] * on + [OFF] * off
    marked, _ = mark(scene([A] if on else [], [0] if on else [], regions[1:] if on else regions), 1)
    drawn = draw(marked, 1, count, np.random.default_rng(seed))
    objects = min(on, round(count / 4))
    assert int((drawn.y == 0).sum()) == objects
    assert int((drawn.y == 1).sum()) == min(off, count - objects)
    again = draw(marked, 1, count, np.random.default_rng(seed))
    assert torch.equal(drawn.boxes, again.boxes) and torch.equal(drawn.y, again.y)


def test_everything_is_in_the_pixels_of_the_store():
    one = Annotated(
        "1.png", (100, 50), np.array([[10.0, 20, 30, 40]]), np.array([1]), np.array([False]), "", np.array([0])
    )
    store = Store(np.zeros(3 * 20 * 50, np.uint8), np.array([0, 3000]), np.array([[20, 50]]), np.array([[0.5, 0.4]]),
                  np.zeros(1, np.uint64))  # fmt: skip
    data = BoxData("d", None, "COCO", ("a", "b"), (one,))
    ground = ground_of(data, store, [np.array([[0.0, 0, 100, 50]])], np.array([True]))
    assert ground.classes == 2 and ground.scenes[0].boxes.tolist() == [[5, 8, 15, 16]]
    assert ground.scenes[0].proposals.tolist() == [[0, 0, 50, 20]] and not ground.scenes[0].is_whole
    assert len(store) == 1 and store[0].shape == (3, 20, 50)


def found_again(x):
    """The box of what is bright, to a fraction of a pixel by the share of the brightness at its edges."""
    bright = x.mean(0).clamp(0, 1)
    rows, columns = bright.amax(1), bright.amax(0)

    def ends(line):
        first, last = int(torch.nonzero(line > 0.5)[0]), int(torch.nonzero(line > 0.5)[-1])
        low, high = max(0, first - 3), min(len(line), last + 4)
        middle = (first + last + 1) / 2
        half = float(line[low:high].sum()) / 2
        return middle - half, middle + half

    (x1, x2), (y1, y2) = ends(columns), ends(rows)
    return [x1, y1, x2, y2]


@pytest.mark.parametrize(("mirror_x", "mirror_y"), [(1, 1), (1, -1), (-1, 1), (-1, -1)])
@pytest.mark.parametrize("scale", [0.8, 1.0, 1.25])
def test_a_move_moves_pixels_and_boxes_alike(mirror_x, mirror_y, scale):
    picture = torch.zeros(3, 60, 90)
    picture[:, 20:36, 30:60] = 1
    by = (mirror_x * scale, mirror_y * scale * 1.05)
    move = Move(by, (45 * (1 - by[0]) + 6.5, 30 * (1 - by[1]) - 3.25))
    (box,) = move.of(torch.tensor([[30.0, 20.0, 60.0, 36.0]])).tolist()
    assert box[2] - box[0] == pytest.approx(30 * scale) and box[3] - box[1] == pytest.approx(16 * scale * 1.05)
    assert (box[0] + box[2]) / 2 == pytest.approx(45 + 6.5, abs=1e-4), "the middle of the width stays but for the shift"
    assert found_again(moved(picture, move)) == pytest.approx(box, abs=0.6)


def vary(x, one, how, random, moves_proposals):
    size = x.shape[2], x.shape[1]
    copy = any_copy(size, how, random)
    return copy.of(x), moved_scene(one, copy.move, size, moves_proposals)


@pytest.mark.parametrize("seed", range(12))
def test_varied_copies_have_their_boxes_where_the_pixels_are(seed):
    picture = torch.zeros(3, 60, 90)
    picture[:, 22:36, 32:58] = 1
    box = (32, 22, 58, 36)
    random, same = np.random.default_rng(seed), np.random.default_rng(seed)
    copy, after = vary(picture, scene([box], [0], [box, (0, 0, 90, 60)]), VARIED, random, True)
    move = any_move((90, 60), VARIED, same)
    dark, bright = copy.amin((1, 2), keepdim=True), copy.amax((1, 2), keepdim=True)
    assert found_again((copy - dark) / (bright - dark)) == pytest.approx(after.boxes[0].tolist(), abs=0.7)
    assert torch.allclose(after.boxes[0], after.proposals[0])
    assert all(0.7 < abs(by) < 1.3 for by in move.by)


def test_all_at_rest_changes_nothing():
    rest, picture = Move((1.0, 1.0), (0.0, 0.0)), torch.randn(3, 12, 17)
    one = scene([(1, 2, 9, 9), A], [1, 0], [(3, 3, 9, 9), (0, 0, 17, 12)], hard=[True, False], whole=False)
    assert torch.allclose(moved(picture, rest), picture, atol=1e-4)
    same = moved_scene(one, rest, (17, 12), True)
    for name in ("boxes", "labels", "is_hard", "proposals"):
        assert torch.equal(getattr(same, name), getattr(one, name))
    assert same.is_whole is False


def test_what_leaves_the_picture_is_no_longer_marked():
    """Moved 8 to the left: of the first box 2 of 10 columns are left, of the second 5 of 10; 3 in 10 must be."""
    one = scene([A, (3, 0, 13, 10), (20, 0, 30, 10)], [0, 1, 2], [A, (5, 0, 30, 10)], hard=[False, True, False])
    after = moved_scene(one, Move((1.0, 1.0), (-8.0, 0.0)), (40, 20), True)
    assert after.boxes.tolist() == [[0, 0, 5, 10], [12, 0, 22, 10]]
    assert after.labels.tolist() == [1, 2] and after.is_hard.tolist() == [True, False]
    assert after.proposals.tolist() == [[0, 0, 22, 10]], f"what is left of the other is under {LEAST:g} pixels wide"
    still = moved_scene(one, Move((1.0, 1.0), (-8.0, 0.0)), (40, 20), False)
    assert torch.equal(still.proposals, one.proposals)


def ground(count=7, seed=0):
    """Pictures of two sizes with two objects and twenty proposals each."""
    random = np.random.default_rng(seed)
    pictures, scenes = [], []
    for i in range(count):
        height, width = ((40, 50), (32, 60))[i % 2]
        pictures.append(random.integers(0, 256, (3, height, width)).astype(np.uint8))
        corner = random.uniform(0, 20, (22, 2))
        boxes = np.concatenate([corner, corner + random.uniform(6, 12, (22, 2))], 1)
        near = boxes[:2].repeat(3, 0) + random.uniform(-1, 1, (6, 4))
        scenes.append(scene(boxes[:2], [i % 2, 1], np.concatenate([near, boxes[2:]])))
    return Ground(store_of(pictures), tuple(scenes), 2)


def feed(made, pictures=None, **more):
    rows = np.arange(len(made.scenes)) if pictures is None else np.array(pictures)
    return Feed(made, rows, PLAIN, 3, 8, CPU, **more)


def alike(one, other):
    parts = [(one.x, other.x), (one.y, other.y)]
    if one.regions is not None:
        parts += [(getattr(one.regions, n), getattr(other.regions, n)) for n in ("boxes", "picture", "truth")]
    return all(a.shape == b.shape and torch.equal(a, b) for a, b in parts) and (one.rows == other.rows).all()


@pytest.mark.parametrize("crops", [None, Crops(6)])
def test_a_step_holds_the_same_however_it_is_come_to(crops):
    made = ground()
    one, same, other = (feed(made, crops=crops, augmentation=VARIED, seed=seed) for seed in (3, 3, 4))
    whole = list(one.shuffled(2))
    assert len(whole) == one.steps == 3
    assert all(map(alike, whole, same.shuffled(2)))
    for first in range(3):
        assert all(alike(*pair) for pair in zip(whole[first:], same.shuffled(2, first), strict=True))
    assert not alike(whole[0], next(other.shuffled(2))) and not alike(whole[0], next(one.shuffled(3)))


def test_a_step_has_its_share_of_objects_and_every_picture_comes_once_an_epoch():
    made, count = ground(), 0
    for batch in feed(made).shuffled(0):
        regions = batch.regions
        count += len(batch.x)
        for b in range(len(batch.x)):
            mine = regions.picture == b
            assert int(mine.sum()) == 8 and int((batch.y[mine] < 2).sum()) == 2
        background = batch.y == 2
        assert torch.equal(regions.truth[background], regions.boxes[background])
        assert batch.x.shape[1:] in {(3, 40, 60), (3, 40, 50), (3, 32, 60)}
    assert count == 7


def test_crops_are_the_regions_cut_out_of_the_picture_a_pixel_at_a_time():
    made = ground(1)
    whole, cut = (next(feed(made, crops=crops).in_order()) for crops in (None, Crops(6, 0.1)))
    assert torch.equal(whole.y, cut.y) and cut.regions is None and cut.x.shape == (8, 3, 6, 6)
    picture = ((made.store[0] / 255 - 0.5) / 0.25).astype(np.float64)
    padded = np.pad(picture, ((0, 0), (1, 1), (1, 1)))  # 0 is the mean

    def value(c, y, x):
        y, x = np.clip(y, -1, 40), np.clip(x, -1, 50)
        top, left = min(int(np.floor(y)), 39), min(int(np.floor(x)), 49)
        part = padded[c, top + 1 : top + 3, left + 1 : left + 3]
        return np.array([1 - (y - top), y - top]) @ part @ np.array([1 - (x - left), x - left])

    for box, crop in zip(around(whole.regions.boxes, 0.1).tolist(), cut.x, strict=True):
        for i, j in itertools.product((0, 2, 5), (0, 3, 5)):
            y = box[1] + (box[3] - box[1]) * (i + 0.5) / 6 - 0.5
            x = box[0] + (box[2] - box[0]) * (j + 0.5) / 6 - 0.5
            assert float(crop[1, i, j]) == pytest.approx(value(1, y, x), abs=1e-3)


@pytest.mark.parametrize("crops", [None, Crops(6)])
def test_held_out_regions_are_the_same_every_time_and_numbered_through(crops):
    made = ground()
    one = feed(made, [5, 1, 4, 0], crops=crops, augmentation=VARIED)
    first, second = list(one.in_order()), list(one.in_order())
    assert all(map(alike, first, second)) and len(first) == 2
    assert np.concatenate([batch.rows for batch in first]).tolist() == one.rows.tolist() == list(range(32))
    assert all(map(alike, first, feed(made, [5, 1, 4, 0], crops=crops).in_order())), "what is held out is not varied"


def test_a_step_is_never_without_regions():
    """One has nothing marked, one only a hard object, one an object that varied copies may lose at the edge."""
    pictures = [np.zeros((3, 40, 40), np.uint8)] * 4
    edge = scene([(0, 0, 3, 3)], [0], [], whole=False)
    scenes = (scene([], [], [A], whole=False), scene([A], [0], [], hard=[True]), edge, scene())
    made = Ground(store_of(pictures), scenes, 1)
    one = Feed(made, np.arange(4), PLAIN, 1, 8, CPU, augmentation=VARIED)
    assert one.steps == 1
    for epoch in range(40):
        (batch,) = one.shuffled(epoch)
        assert batch.y.tolist() == [0]
    assert sum(len(batch.y) for batch in one.in_order()) == 1 == len(one.rows)


def test_smaller_pictures_of_a_batch_have_the_mean_beside_and_below_them():
    x = together([torch.ones(3, 2, 5), torch.ones(3, 4, 3)], (4, 5))
    assert x.shape == (2, 3, 4, 5) and x.sum().item() == 30 + 36
    assert not x[0, :, 2:].any() and not x[1, :, :, 3:].any()
    assert look(np.full((3, 2, 2), 255, np.uint8), PLAIN).flatten().tolist() == pytest.approx([2.0] * 12)
