"""What an exported graph does with raw examples, beside what the readers do with the files that hold them."""

import io

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from glassnet.data import pictures, series, sounds, volumes
from glassnet.data.boxes.geometry import brought
from glassnet.data.boxes.proposals.grid import grid
from glassnet.data.dataset import Preparation
from glassnet.data.numbers import npy_values
from glassnet.doors.exporting.detector import Grid, small_size
from glassnet.doors.exporting.numbers import FitSeries, FitVolumes, FitWords
from glassnet.doors.exporting.pictures import FitPictures
from glassnet.doors.exporting.sounds import Spectrograms
from glassnet.training.seeing import pooled


def npy(values):
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def photo(height, width, seed=0):
    """Smooth colours with a little noise, (H, W, 3) bytes."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (5, 7, 3), np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), int)
    return (smooth + random.integers(-10, 11, smooth.shape)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (3, 64, 48), (3, 96, 128)])
@pytest.mark.parametrize("size", [(9, 9), (100, 60), (333, 500), (1000, 37), (700, 901)])
def test_pictures_come_to_the_levels_that_pillow_gives(shape, size):
    preparation = Preparation(shape, {"full_scale": 255})
    raw = photo(*size)
    file = io.BytesIO()
    Image.fromarray(raw).save(file, "PNG")
    wanted, _ = pictures.decode(file.getvalue(), preparation)
    assert (pictures.raw(file.getvalue(), preparation) == raw).all()
    found = FitPictures(preparation)(torch.from_numpy(raw)[None])[0].numpy()
    difference = np.abs(found - wanted)
    assert difference.max() <= 1 and difference.mean() < 0.35  # the mean of many pixels is rounded once less


def test_a_picture_of_the_right_size_stays_as_it_is():
    raw = photo(32, 48)
    found = FitPictures(Preparation((3, 32, 48), {"full_scale": 255}))(torch.from_numpy(raw)[None])[0]
    assert (found.numpy() == raw.transpose(2, 0, 1)).all()


@pytest.mark.parametrize("moments", [3, 20, 64, 119, 120, 121, 500])
@pytest.mark.parametrize(("every", "kept"), [(1, 64), (3, 40)])
def test_series_are_averaged_cut_and_continued(every, kept, moments):
    values = np.random.default_rng(moments).normal(size=(2, moments)).astype(np.float32)
    found = FitSeries(Preparation((2, kept), {"every": every}))(torch.from_numpy(values)[None])[0].numpy()
    assert np.abs(found - series.fitted(values, every, kept)).max() < 1e-6


@pytest.mark.parametrize("floats", [0, 1])
@pytest.mark.parametrize("wanted", [(16, 16, 16), (8, 20, 12)])
@pytest.mark.parametrize("size", [(16, 16, 16), (30, 20, 10), (10, 50, 40), (5, 7, 9)])
def test_volumes_are_smoothed_scaled_and_filled_as_scipy_does(size, wanted, floats):
    values = np.random.default_rng(0).integers(0, 256, size).astype(np.float32 if floats else np.uint8)
    preparation = Preparation((1, *wanted), {"floats": floats})
    expected, _ = volumes.decode(npy(values), preparation)
    given = torch.from_numpy(volumes.raw(npy(values), preparation).copy())
    difference = np.abs(FitVolumes(preparation)(given[None])[0].numpy() - expected)
    assert (difference > 1e-3).mean() < 0.001 and difference.max() <= 1  # bytes: what lies at a half may be rounded up


@pytest.mark.parametrize("rate", [8000, 22_050])
@pytest.mark.parametrize("lasts_s", [0.3, 1.0, 2.5, 4.1])
def test_sounds_come_to_the_loudness_that_a_fourier_transform_in_double_precision_gives(rate, lasts_s):
    preparation = Preparation((1, 40, 100), {"rate_hz": rate, "hop": rate // 100})
    at = np.arange(int(rate * lasts_s)) / rate
    noise = np.random.default_rng(0).normal(size=len(at))
    samples = (0.5 * np.sin(2 * np.pi * 440 * at * (1 + at / 10)) * np.exp(-at) + 0.005 * noise).astype(np.float32)
    file = io.BytesIO()
    soundfile.write(file, samples, rate, "FLOAT", format="WAV")
    parts = sounds.windows(file.getvalue(), preparation)
    wanted = parts if parts is not None else sounds.decode(file.getvalue(), preparation)[0][None]
    found = Spectrograms(preparation)(torch.from_numpy(samples)[None]).numpy()
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= 1 and (found != wanted).mean() < 0.001


def test_silence_is_silent():
    found = Spectrograms(Preparation((1, 40, 100), {"rate_hz": 8000, "hop": 80}))(torch.zeros(1, 3000))
    assert (found == 0).all()


def test_words_are_cut_and_filled_with_nothing():
    fit = FitWords(Preparation((9, 4)))
    assert fit(torch.tensor([[5, 6]])).tolist() == [[[5, 6, 0, 0]]]
    assert fit(torch.tensor([[5, 6, 7, 8, 2]])).tolist() == [[[5, 6, 7, 8]]]


@pytest.mark.parametrize("count", [1, 50, 400, 2000])
@pytest.mark.parametrize("size", [(640, 480), (100, 300), (333, 334), (40, 40)])
def test_a_graph_lays_the_same_grid_of_regions(size, count):
    shapes = np.array([(0.06, 0.05), (0.15, 0.3), (0.5, 0.4), (0.9, 0.9)])
    regions, is_there = Grid(shapes, count)(*(torch.tensor(float(side), dtype=torch.float64) for side in size))
    found = np.unique(regions[is_there].numpy(), axis=0)
    wanted = grid(shapes, size, max(count, len(shapes)))
    if count >= len(shapes):
        assert found.shape == wanted.shape and np.abs(found - wanted).max() < 1e-9


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (1, 5000), (5000, 1), (333, 335), (7, 7), (321, 320)])
def test_a_graph_works_out_the_size_that_a_detector_looks_at(size):
    width, height = size
    down, across = small_size(height, width, 320)
    assert (across, down) == brought(size, min(320, max(size)))


@pytest.mark.parametrize(
    ("shape", "size"), [((2, 3, 9, 13), (8, 8)), ((1, 2, 300), (256,)), ((1, 1, 5, 6, 7), (4, 4, 4))]
)
def test_means_over_stretches_are_torchs_adaptive_ones(shape, size):
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    axes = len(size)
    pool = getattr(torch.nn.functional, f"adaptive_avg_pool{axes}d")
    assert torch.allclose(pooled(x, size), pool(x, size), atol=1e-12)


def test_numbers_stay_as_their_file_holds_them():
    values = np.arange(24, dtype=np.float32).reshape(2, 12)
    assert (series.raw(npy(values), Preparation((2, 8), {"every": 1})) == npy_values(npy(values))).all()
