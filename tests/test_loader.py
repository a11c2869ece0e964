"""Batches: every example once an epoch, in an order that follows from the seed alone, varied within bounds."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import glassnet as gn
from glassnet.data.augment import augment
from glassnet.data.dataset import Normalisation
from glassnet.data.kind import Augmentation, Axis
from glassnet.data.loader import Loader, learn_normalisation, on_device, to_tensor

CPU = torch.device("cpu")
PLAIN = Normalisation((0.0,), (1.0,))


@pytest.fixture(scope="module")
def digits():
    return gn.read("digits")


def loader(dataset, rows, batch=32, **options):
    return Loader(dataset, np.asarray(rows), PLAIN, batch, CPU, **options)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 300), st.integers(1, 100), st.integers(0, 5), st.integers(0, 3))
def test_every_example_comes_once_an_epoch_in_batches_of_even_size(digits, count, batch, seed, epoch):
    rows = np.arange(7, 7 + count)
    found = [b.rows for b in loader(digits, rows, batch, seed=seed).shuffled(epoch)]
    assert sorted(np.concatenate(found).tolist()) == rows.tolist()
    sizes = {len(one) for one in found}
    assert max(sizes) <= batch and max(sizes) - min(sizes) <= 1
    assert len(found) == loader(digits, rows, batch).steps == -(-count // batch)


def test_a_batch_holds_the_examples_of_its_rows(digits):
    batch = next(loader(digits, range(50, 90), 16).shuffled(0))
    assert batch.x.shape == (14, 1, 8, 8) and batch.x.dtype == torch.float32 and batch.y.dtype == torch.int64
    assert np.allclose(batch.x.numpy(), digits.samples.x[batch.rows] / 255)
    assert batch.y.tolist() == digits.samples.y[batch.rows].tolist()


def test_examples_kept_on_a_device_come_in_the_same_batches(digits):
    one, two = (
        loader(digits, np.arange(30, 1700, 3), 16, augmentation=Augmentation(shift_x=1, shift_y=1)) for _ in range(2)
    )
    assert one.kept is None, "a CPU needs no copy of what lies in its memory"
    two.kept = on_device(digits.samples.x, two.rows, CPU)
    for batches in (("shuffled", 1), ("in_order", None)):
        name, argument = batches
        for a, b in zip(getattr(one, name)(argument), getattr(two, name)(argument), strict=True):
            assert torch.equal(a.x, b.x) and torch.equal(a.y, b.y) and np.array_equal(a.rows, b.rows)


def test_the_order_follows_from_the_seed_and_the_epoch(digits):
    def order(seed, epoch):
        return [row for batch in loader(digits, range(100), seed=seed).shuffled(epoch) for row in batch.rows.tolist()]

    assert order(0, 0) == order(0, 0)
    assert len({tuple(order(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4


def test_a_later_step_brings_the_same_varied_copies_as_the_whole_epoch(digits):
    how = Augmentation(mirror_x=True, shift_x=2, shift_y=2, turn=20, scale=0.2)
    whole = list(loader(digits, range(100), 16, augmentation=how, seed=3).shuffled(2))
    rest = list(loader(digits, range(100), 16, augmentation=how, seed=3).shuffled(2, first=4))
    assert len(rest) == len(whole) - 4 == 3
    for one, other in zip(whole[4:], rest, strict=True):
        assert torch.equal(one.x, other.x) and torch.equal(one.y, other.y)
        assert (one.rows == other.rows).all()


def test_copies_vary_from_epoch_to_epoch_and_asking_never_varies_them(digits):
    varied = loader(digits, range(40), 40, augmentation=Augmentation(shift_x=3, shift_y=3), seed=0)
    by_row = [{int(r): x for r, x in zip(b.rows, b.x, strict=True)} for b in (*varied.shuffled(0), *varied.shuffled(1))]
    assert any(not torch.equal(by_row[0][row], by_row[1][row]) for row in range(40))
    asked = next(varied.in_order())
    assert np.allclose(asked.x.numpy(), digits.samples.x[:40] / 255)


def test_a_copy_is_mirrored_in_every_other_epoch(digits):
    varied = loader(digits, range(90), 16, augmentation=Augmentation(mirror_x=True), seed=4)
    plain = digits.samples.x / np.float32(255)
    seen = []
    for epoch in range(4):
        mirrored = {}
        for batch in varied.shuffled(epoch):
            for row, x in zip(batch.rows.tolist(), batch.x.numpy(), strict=True):
                as_it_is, turned = (
                    np.allclose(x, plain[row], atol=1e-5),
                    np.allclose(x, plain[row, :, :, ::-1], atol=1e-5),
                )
                assert as_it_is or turned
                mirrored[row] = turned and not as_it_is
        seen.append([mirrored[row] for row in range(90)])
    assert seen[0] == seen[2] != seen[1] == seen[3]
    assert all(a != b for a, b in zip(seen[0], seen[1], strict=True)), "no digit is its own mirror image"
    assert 25 < sum(seen[0]) < 65


def test_in_order_brings_every_example_once_and_a_smaller_last_batch(digits):
    batches = list(loader(digits, range(5, 75), 32).in_order())
    assert [len(batch.rows) for batch in batches] == [32, 32, 6]
    assert np.concatenate([batch.rows for batch in batches]).tolist() == list(range(5, 75))
    assert [len(batch.rows) for batch in loader(digits, range(5, 75), 32).in_order(50)] == [50, 20]


def test_a_shorter_epoch_draws_so_many_and_others_each_time(digits):
    short = loader(digits, range(200), 16, examples=50)
    epochs = [np.concatenate([batch.rows for batch in short.shuffled(epoch)]) for epoch in (0, 1)]
    assert short.steps == 4
    assert [len(set(rows.tolist())) for rows in epochs] == [50, 50]
    assert set(epochs[0].tolist()) != set(epochs[1].tolist())


def test_the_normalisation_is_mean_and_spread_of_the_training_examples_alone(digits):
    rows = np.arange(0, 1797, 3)
    found = learn_normalisation(digits, rows)
    values = digits.samples.x[rows].astype(np.float64) / 255
    assert found.mean == pytest.approx((values.mean(),))
    assert found.std == pytest.approx((values.std(),))
    seen = to_tensor(digits.samples.x[rows], found, 255, CPU)
    assert float(seen.mean()) == pytest.approx(0, abs=1e-5) and float(seen.std(correction=0)) == pytest.approx(
        1, abs=1e-5
    )


def test_a_channel_that_never_changes_is_not_divided_by_nothing(digits):
    flat = dataclasses.replace(
        digits, samples=dataclasses.replace(digits.samples, x=np.full_like(digits.samples.x, 51))
    )
    found = learn_normalisation(flat, np.arange(100))
    assert found.std == (1.0,) and found.mean == pytest.approx((0.2,))


def test_channels_are_normalised_each_by_its_own():
    x = np.array([[[[0]], [[100]], [[255]]]], np.uint8)  # (1, 3, 1, 1)
    seen = to_tensor(x, Normalisation((0.0, 0.5, 1.0), (1.0, 0.5, 0.25)), 255, CPU)
    assert seen.flatten().tolist() == pytest.approx([0, (100 / 255 - 0.5) / 0.5, 0])


def test_the_slides_letters_are_exactly_one_and_minus_one():
    dataset = gn.xo(count=40)
    batch = next(Loader(dataset, np.arange(40), learn_normalisation(dataset, np.arange(40)), 40, CPU).in_order())
    assert set(batch.x.unique().tolist()) == {-1.0, 1.0}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(count, height=12, width=12, channels=1):
    return torch.rand(count, channels, height, width, generator=seeded(1)) - 0.5


FLAT = (Axis("row"), Axis("column"))


def test_augmentation_at_rest_changes_nothing():
    x = pictures(4)
    assert augment(x, Augmentation(), seeded()) is x
    assert Augmentation().is_still and Augmentation().describe(FLAT) == "as they are"


@pytest.mark.parametrize(("most", "whole"), [(0.5, 0), (1, 1), (1.5, 1), (3, 3)])
def test_shifts_are_whole_pixels_up_to_the_bound_each_as_often_and_mirror_the_edge(most, whole):
    x = pictures(1, 9, 11, 2)
    copies = augment(x.expand(4000, -1, -1, -1), Augmentation(shift_x=most, shift_y=most), seeded())
    wide = np.pad(x[0].numpy(), ((0, 0), (4, 4), (4, 4)), mode="symmetric")  # (2, 17, 19)
    moves = range(-whole, whole + 1)
    found = torch.zeros(len(moves), len(moves))
    for i, down in enumerate(moves):
        for j, right in enumerate(moves):
            moved = torch.from_numpy(wide[:, 4 + down : 13 + down, 4 + right : 15 + right].copy())
            found[i, j] = (copies - moved).abs().amax((1, 2, 3)).lt(1e-4).sum()
    assert found.sum() == 4000
    even = 4000 / found.numel()
    assert (found - even).abs().max() <= 5 * even**0.5


@pytest.mark.parametrize(("how", "axis"), [(Augmentation(mirror_x=True), 3), (Augmentation(mirror_y=True), 2)])
def test_half_of_the_copies_are_mirrored(how, axis):
    x = pictures(1000, 6, 7)
    copies = augment(x, how, seeded())
    mirrored = (copies - x.flip(axis)).abs().amax((1, 2, 3)) < 1e-5
    same = (copies - x).abs().amax((1, 2, 3)) < 1e-5
    assert (mirrored ^ same).all()
    assert 420 <= int(mirrored.sum()) <= 580


@pytest.mark.parametrize(("turn", "scale"), [(30.0, 0.0), (0.0, 0.25), (20.0, 0.1)])
@pytest.mark.parametrize(("height", "width"), [(41, 41), (31, 61)])
def test_turns_and_scalings_stay_within_their_bounds_and_keep_the_aspect(turn, scale, height, width):
    """Of ramps along x and y the slopes in the middle of a copy are the matrix that moved it."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    ramps = torch.stack([columns, rows]).float().expand(300, -1, -1, -1)
    copies = augment(ramps, Augmentation(turn=turn, scale=scale), seeded())
    y, x = height // 2, width // 2
    by_x = (copies[:, :, y, x + 2] - copies[:, :, y, x - 2]) / 4  # (300, 2)
    by_y = (copies[:, :, y + 2, x] - copies[:, :, y - 2, x]) / 4
    size = by_x.norm(dim=1)
    angle = torch.rad2deg(torch.atan2(by_x[:, 1], by_x[:, 0]))
    assert torch.allclose(by_y, torch.stack([-by_x[:, 1], by_x[:, 0]], 1), atol=1e-3)
    assert float(angle.abs().max()) <= turn + 0.1 and float((size - 1).abs().max()) <= scale + 1e-3
    assert float(angle.abs().max()) >= 0.9 * turn and float((size - 1).abs().max()) >= 0.9 * scale


@settings(max_examples=25, deadline=None)
@given(st.booleans(), st.booleans(), st.floats(0, 4), st.floats(0, 180), st.floats(0, 0.5), st.integers(0, 99))
def test_copies_hold_nothing_that_was_not_in_the_picture(mirror_x, mirror_y, shift, turn, scale, seed):
    x = pictures(5, 8, 11, 3)
    copies = augment(x, Augmentation(mirror_x, mirror_y, shift, shift, turn, scale), seeded(seed))
    assert copies.shape == x.shape
    assert (copies.amax((1, 2, 3)) <= x.amax((1, 2, 3)) + 1e-5).all()
    assert (copies.amin((1, 2, 3)) >= x.amin((1, 2, 3)) - 1e-5).all()


def test_an_augmentation_says_what_it_does():
    how = Augmentation(mirror_x=True, shift_x=4, shift_y=4, turn=10, scale=0.1)
    assert how.describe(FLAT) == "mirrored left-right, shifted up to 4 px, turned up to 10 degrees, scaled up to 10 %"

    sound = Augmentation(shift_x=5, blank_x=8, blank_y=6, edge="border")
    words = sound.describe((Axis("band"), Axis("moment")))
    assert words == "shifted up to 5 moments, up to 8 moments and 6 bands blanked"
    assert Augmentation(shift_x=5, edge="border").describe((Axis("moment"),)) == "shifted up to 5 moments"


def test_series_are_shifted_along_their_only_axis_with_the_end_repeated():
    x = torch.rand(1, 3, 20, generator=seeded()).expand(200, -1, -1)
    copies = augment(x, Augmentation(shift_x=4, edge="border"), seeded())
    wide = torch.cat([x[0, :, :1].expand(-1, 4), x[0], x[0, :, -1:].expand(-1, 4)], 1)
    moves = [min(range(-4, 5), key=lambda m: float((copy - wide[:, 4 + m : 24 + m]).abs().max())) for copy in copies]
    assert set(moves) == set(range(-4, 5))
    assert all(torch.allclose(copy, wide[:, 4 + m : 24 + m], atol=1e-5) for copy, m in zip(copies, moves, strict=True))


def test_all_slices_of_a_volume_move_alike():
    x = torch.rand(6, 2, 5, 8, 8, generator=seeded())
    how = Augmentation(mirror_x=True, shift_x=2, shift_y=2, turn=20, scale=0.2)
    copies = augment(x, how, seeded(3))
    for d in range(5):
        assert torch.allclose(copies[:, :, d], augment(x[:, :, d], how, seeded(3)), atol=1e-6)


def test_blanks_are_one_stretch_of_rows_and_one_of_columns():
    x = torch.ones(2000, 1, 12, 20)
    hidden = augment(x, Augmentation(blank_x=5, blank_y=3), seeded())[:, 0] < 0.5
    rows, columns = hidden.all(2), hidden.all(1)  # (2000, 12), (2000, 20)
    assert torch.equal(hidden, rows[:, :, None] | columns[:, None, :])
    for found, most in ((rows, 3), (columns, 5)):
        edges = (found[:, 1:] != found[:, :-1]).sum(1)
        assert int(edges.max()) <= 2  # one stretch
        assert sorted(set(found.sum(1).tolist())) == list(range(most + 1))
        assert found.any(0).all()  # anywhere


@pytest.mark.parametrize("edge", ["reflection", "border"])
def test_picked_copies_equal_resampled_ones(edge):
    """The same moves by torch's own resampling, in float64."""
    x = torch.rand(300, 2, 9, 13, generator=seeded(5), dtype=torch.float64)
    how = Augmentation(mirror_x=True, mirror_y=True, shift_x=3, shift_y=2, edge=edge)
    picked = augment(x, how, seeded(7))
    left = torch.ones(300, dtype=torch.bool)
    for flip_x, flip_y in itertools.product((1, -1), repeat=2):
        for down, right in itertools.product(range(-2, 3), range(-3, 4)):
            matrix = torch.tensor([[flip_x, 0, right * 2 / 13], [0, flip_y, down * 2 / 9]], dtype=torch.float64)
            places = torch.nn.functional.affine_grid(matrix.expand(300, 2, 3), list(x.shape), align_corners=False)
            moved = torch.nn.functional.grid_sample(x, places, padding_mode=edge, align_corners=False)
            left &= (picked - moved).abs().amax((1, 2, 3)) > 1e-9
    assert not left.any(), "each copy is one of the moves"


def test_copies_mirrored_in_one_epoch_are_not_in_the_next_however_many_came_before(digits):
    mirrored = Augmentation(mirror_x=True)
    batches = loader(digits, np.arange(40), 40, augmentation=mirrored, seed=1)
    plain = digits.samples.x[:40].astype(np.float32) / digits.full_scale
    turned = []
    for epoch in (126, 127, 128, 129, 400):
        (batch,) = batches.shuffled(epoch)
        seen = batch.x.numpy()
        back = np.argsort(batch.rows)
        turned.append(np.array([not np.allclose(one, plain[i], atol=1e-6) for i, one in enumerate(seen[back])]))
    symmetric = np.array([np.allclose(one, one[..., ::-1], atol=1e-6) for one in plain])
    for one, other in itertools.pairwise(turned[:4]):
        assert (one != other)[~symmetric].all()
    assert (turned[4] == turned[0]).all()
