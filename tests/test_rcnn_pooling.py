"""RoIAlign and warping against plain loops, against OpenCV, by hand, and their slopes against differences."""

import math

import numpy as np
import pytest
import torch

from glassnet.nets.rcnn.pooling import roi_align
from glassnet.nets.rcnn.warping import CONTEXT, around, warp


def at(plane, y, x):
    """One point between places of a map: 0 beyond them by over one place, else clamped. As torchvision has it."""
    height, width = plane.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return 0.0
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = min(int(y), height - 1), min(int(x), width - 1)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    down, across = y - top, x - left
    upper = plane[top, left] * (1 - across) + plane[top, right] * across
    lower = plane[bottom, left] * (1 - across) + plane[bottom, right] * across
    return upper * (1 - down) + lower * down


def slowly(maps, regions, picture, cells, stride):
    """RoIAlign a point at a time, two points along each axis of a cell."""
    out = np.zeros((len(regions), maps.shape[1], cells, cells))
    for r, (x1, y1, x2, y2) in enumerate(regions):
        left, top = x1 / stride - 0.5, y1 / stride - 0.5
        across, down = (x2 - x1) / stride / cells, (y2 - y1) / stride / cells
        for c in range(maps.shape[1]):
            plane = maps[picture[r], c]
            for i in range(cells):
                for j in range(cells):
                    points = [
                        at(plane, top + (i + v) * down, left + (j + u) * across)
                        for v in (0.25, 0.75)
                        for u in (0.25, 0.75)
                    ]
                    out[r, c, i, j] = sum(points) / 4
    return out


def some_maps(seed=0, shape=(3, 2, 7, 9), dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def some_regions(count, width, height, seed=0):
    """Inside, over the edge, wholly outside, and tiny ones."""
    random = np.random.default_rng(seed)
    middle = random.uniform(-0.3, 1.3, (count, 2)) * [width, height]
    half = random.uniform(0, 0.6, (count, 2)) ** 2 * [width, height] + 0.01
    return torch.from_numpy(np.concatenate([middle - half, middle + half], 1))


@pytest.mark.parametrize(("stride", "cells"), [(1, 1), (4, 3), (8, 7), (16, 2)])
def test_pooling_is_that_of_a_plain_loop(stride, cells):
    maps = some_maps(stride)
    regions = some_regions(24, 9 * stride, 7 * stride, cells)
    picture = torch.tensor(np.random.default_rng(1).integers(0, 3, 24))  # in any order
    found = roi_align(maps, regions, picture, cells, stride)
    wanted = slowly(maps.numpy(), regions.tolist(), picture.tolist(), cells, stride)
    assert found.shape == (24, 2, cells, cells)
    assert np.abs(wanted).max() > 0.5 and (wanted == 0).any(), "some lie on the map and some off it"
    assert np.allclose(found.numpy(), wanted, atol=1e-10)


def test_a_ramp_is_pooled_to_the_middles_of_the_cells():
    """Bilinear is exact on a plane: a cell's value is its own middle's."""
    y, x = torch.meshgrid(torch.arange(10.0), torch.arange(12.0), indexing="ij")
    maps = torch.stack([x, y])[None]
    grid = roi_align(maps, torch.tensor([[8.0, 12.0, 32.0, 28.0]]), torch.tensor([0]), 2, 4.0)[0]
    assert torch.allclose(grid[0], torch.tensor([[3.0, 6.0]] * 2) + 0.0)  # x: pixels 14 and 26, / 4 - 1/2
    assert torch.allclose(grid[1], torch.tensor([[3.5, 3.5], [5.5, 5.5]]))  # y: pixels 16 and 24


def test_no_regions_and_pictures_without_any():
    maps = some_maps()
    assert roi_align(maps, torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), 7, 4).shape == (0, 2, 7, 7)
    regions = some_regions(4, 36, 28)
    last = roi_align(maps, regions, torch.full((4,), 2), 3, 4)
    assert torch.equal(last, roi_align(maps[2:], regions, torch.zeros(4, dtype=torch.int64), 3, 4))


def test_more_regions_than_are_done_at_a_time_come_back_in_order():
    maps, regions = some_maps(shape=(2, 1, 4, 4)), some_regions(600, 16, 16)
    picture = torch.arange(600) % 2
    found = roi_align(maps, regions, picture, 2, 4)
    for i in (0, 1, 255, 256, 511, 512, 599):
        assert torch.allclose(found[i], roi_align(maps, regions[i : i + 1], picture[i : i + 1], 2, 4)[0])


def test_the_slope_of_pooling_is_that_of_differences():
    maps = some_maps(shape=(2, 2, 4, 5)).requires_grad_()
    regions, picture = some_regions(5, 20, 16), torch.tensor([1, 0, 1, 1, 0])
    assert torch.autograd.gradcheck(lambda m: roi_align(m, regions, picture, 2, 4), (maps,))


def test_pooling_in_bfloat16_is_near_that_in_float32():
    maps, regions = some_maps(dtype=torch.float32), some_regions(20, 36, 28).float()
    picture = torch.arange(20) % 3
    exact = roi_align(maps, regions, picture, 3, 4)
    rough = roi_align(maps.bfloat16(), regions, picture, 3, 4)
    assert rough.dtype == torch.bfloat16
    assert (rough.float() - exact).abs().max() < 4 * 2**-8 * maps.abs().max()  # four roundings to 8 bits


def test_227_pixels_with_16_of_context_are_cut_from_the_region_widened_by_227_of_195():
    """A region of 195 x 390 about (300, 400): the crop sees 227 x 454 of the picture, 16 of its pixels each side."""
    region = torch.tensor([[202.5, 205.0, 397.5, 595.0]])
    assert torch.allclose(around(region, 16 / 227), torch.tensor([[186.5, 173.0, 413.5, 627.0]]), atol=1e-3)
    assert CONTEXT == 16 / 227
    square = around(region, 16 / 227, square=True)
    assert torch.allclose(square, torch.tensor([[73.0, 173.0, 527.0, 627.0]]), atol=1e-3)
    assert torch.equal(around(region, 0.0), region)


def test_a_crop_of_a_regions_own_size_is_that_part_of_the_picture():
    picture = some_maps(shape=(1, 3, 20, 30), dtype=torch.float32)
    crop = warp(picture, torch.tensor([[4.0, 6.0, 12.0, 14.0]]), torch.tensor([0]), 8, context=0.0)
    assert torch.allclose(crop[0], picture[0, :, 6:14, 4:12], atol=1e-5)
    wider = warp(picture, torch.tensor([[6.0, 8.0, 10.0, 12.0]]), torch.tensor([0]), 8, context=0.25)
    assert torch.allclose(wider, crop, atol=1e-5)
    tall = warp(picture, torch.tensor([[7.0, 6.0, 9.0, 14.0]]), torch.tensor([0]), 8, context=0.0, square=True)
    assert torch.allclose(tall, crop, atol=1e-5)


def test_what_lies_off_the_picture_is_0():
    picture = torch.ones(1, 3, 8, 8)
    crop = warp(picture, torch.tensor([[-8.0, 0.0, 8.0, 16.0]]), torch.tensor([0]), 16, context=0.0)[0]
    assert torch.allclose(crop[:, :8, 8:], torch.ones(3, 8, 8), atol=1e-5)
    assert not crop[:, :, :7].any() and not crop[:, 9:].any()
    off = warp(picture, torch.tensor([[50.0, 50.0, 60.0, 60.0]]), torch.tensor([0]), 4)
    assert not off.any()


def test_crops_of_several_pictures_come_in_the_order_they_were_asked_for():
    pictures = torch.arange(3.0)[:, None, None, None].expand(3, 3, 10, 10) + 1
    crops = warp(pictures, torch.tensor([[2.0, 2.0, 6.0, 6.0]] * 4), torch.tensor([2, 0, 2, 1]), 5, context=0.0)
    assert crops.shape == (4, 3, 5, 5)
    assert crops.mean((1, 2, 3)).tolist() == pytest.approx([3, 1, 3, 2])
    assert warp(pictures, torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), 5).shape == (0, 3, 5, 5)


@pytest.mark.parametrize("square", [False, True])
def test_warping_is_that_of_opencv_a_region_at_a_time(square):
    """Its map is in middles of pixels; INTER_LINEAR, 0 beyond the edge, nothing against aliasing."""
    cv2 = pytest.importorskip("cv2", reason="needs OpenCV, the second implementation")
    cv2.setNumThreads(1)
    shape, side = (40, 60), 23
    y, x = np.meshgrid(np.arange(shape[0]), np.arange(shape[1]), indexing="ij")
    smooth = [np.sin(y / 5 + k) + np.cos(x / 7 - k) for k in range(3)]  # OpenCV looks up places in 32nds of a pixel
    pictures = torch.from_numpy(np.stack([smooth, [-s for s in smooth]])).float()
    regions = some_regions(20, 60, 40, 3).float()
    which = torch.arange(20) % 2
    crops = warp(pictures, regions, which, side, square=square)
    for r, (x1, y1, x2, y2) in enumerate(regions.tolist()):
        middle, half = ((x1 + x2) / 2, (y1 + y2) / 2), [(x2 - x1) / 2, (y2 - y1) / 2]
        half = [h * 227 / (227 - 2 * 16) for h in ([max(half)] * 2 if square else half)]
        steps = (np.arange(side) + 0.5) / side * 2 - 1
        columns, rows = middle[0] + half[0] * steps - 0.5, middle[1] + half[1] * steps - 0.5
        across, down = np.meshgrid(columns.astype(np.float32), rows.astype(np.float32))
        picture = np.ascontiguousarray(pictures[which[r]].permute(1, 2, 0).numpy())
        wanted = cv2.remap(picture, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
        assert np.abs(crops[r].permute(1, 2, 0).numpy() - wanted).max() < 2 * math.sqrt(2) / 32 + 0.01
        assert np.abs(crops[r].permute(1, 2, 0).numpy() - wanted).mean() < 0.01
