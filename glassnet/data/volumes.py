"""Volumes: from the bytes of a .npy or NIfTI to (C, D, H, W), slice by slice from below. Knows voxels, not classes."""

from __future__ import annotations

import io
import math

import numpy as np
from numpy.typing import NDArray

from glassnet.data.dataset import Array, Preparation
from glassnet.data.kind import Augmentation, Axis, Look, Looks, Unreadable
from glassnet.data.numbers import npy_header, npy_values
from glassnet.words import by

SUFFIXES = frozenset({".npy", ".nii", ".gz"})
MOST_UNPACKED = 512_000_000  # bytes
KEPT_SIDE = 64  # volumes of one size up to this stay as they are
MAX_CHANNELS = 4


def look(data: bytes) -> Look:
    """Size and channels; highest is 1 where the values are no bytes. Raises Unreadable."""
    if data.startswith(b"\x93NUMPY"):
        shape, dtype = npy_header(data)
        channels, *size = _layout(shape)
        return Look(tuple(size), channels, int(dtype != np.uint8))
    return Look(_nifti(data).shape, 1, 1)


def prepare(looks: Looks, longest: int | None = None) -> Preparation:
    """One shape: the common one where it is small, else scaled so that the longest side is at most KEPT_SIDE."""
    middle = np.median(looks.size, axis=0)
    same = bool((looks.size == looks.size[0]).all())
    longer = longest or min(KEPT_SIDE, int(middle.max()))
    size = looks.size[0] if same and longest is None and middle.max() <= KEPT_SIDE else middle * longer / middle.max()
    return Preparation(
        (int(looks.channels.max()), *(max(4, round(float(side))) for side in size)),
        {"floats": int(looks.highest.max() > 0)},
    )


def decode(data: bytes, preparation: Preparation) -> tuple[Array, Look]:
    """One volume as (C, D, H, W), scaled to fit with its aspect kept. Raises Unreadable."""
    values = _whole(data, preparation)
    channels, *size = preparation.shape
    found = Look(values.shape[1:], channels, int(values.dtype != np.uint8))
    fitted = np.asarray(values, np.float32)
    if values.shape[1:] != tuple(size):
        fitted = _fit(fitted, tuple(size))
    if preparation.settings["floats"]:
        return np.ascontiguousarray(fitted, np.float32), found
    if values.dtype != np.uint8:
        raise Unreadable(f"holds {values.dtype}, others hold bytes")
    return np.ascontiguousarray(np.round(fitted), np.uint8), found


def raw(data: bytes, preparation: Preparation) -> NDArray[np.float32]:
    """(C, d, h, w) all voxels of a volume. Raises Unreadable."""
    return np.asarray(_whole(data, preparation), np.float32)


def vary(shape: tuple[int, ...]) -> Augmentation:
    """Shifted, turned about the upright axis and scaled a little; mirrored where that is found to be natural."""
    return Augmentation(shift_x=round(shape[3] * 0.06), shift_y=round(shape[2] * 0.06), turn=10.0, scale=0.1)


def axes(preparation: Preparation, x: Array | None = None) -> tuple[Axis, ...]:
    """Slices, rows and columns by their number."""
    return Axis("slice"), Axis("row"), Axis("column")


def describe(sizes: NDArray[np.int32], preparation: Preparation) -> str:
    """In words: "32x32x32"."""
    channels = preparation.shape[0]
    low, high = sizes.min(0).tolist(), sizes.max(0).tolist()
    size = by(low) if low == high else f"{by(low)} to {by(high)}"
    return size + (f", {channels} channels" if channels > 1 else "")


def picture(x: Array, preparation: Preparation) -> NDArray[np.uint8]:
    """The slices side by side, row by row, the lowest first. x: (C, D, H, W). Returns (1 or 3, rows H, columns W)."""
    values = np.asarray(x[:3] if len(x) >= 3 else x[:1], np.float32)
    low, high = float(values.min()), float(values.max())
    channels, depth, height, width = values.shape
    columns = math.ceil(math.sqrt(depth))
    rows = math.ceil(depth / columns)
    sheet = np.full((channels, rows * columns, height, width), low, np.float32)
    sheet[:, :depth] = values
    sheet = sheet.reshape(channels, rows, columns, height, width).transpose(0, 1, 3, 2, 4)
    sheet = sheet.reshape(channels, rows * height, columns * width)
    return np.asarray((sheet - low) * (255 / (high - low or 1)), np.uint8)


def small(x: Array, _preparation: Preparation) -> NDArray[np.uint8]:
    """Seen through from above, from the front and from the side, the largest value on each line of sight.

    x: (C, D, H, W), the lowest slice first. Returns (1 or 3, height, width), the three side by side.
    """
    values = np.asarray(x[:3] if len(x) >= 3 else x[:1], np.float32)
    low, high = float(values.min()), float(values.max())
    views = [values.max(1), values.max(2)[:, ::-1], values.max(3)[:, ::-1]]
    tall = max(view.shape[1] for view in views)
    parts = [
        np.pad(view, ((0, 0), (0, tall - view.shape[1]), (0, 1 if i < 2 else 0)), constant_values=low)
        for i, view in enumerate(views)
    ]
    return np.asarray((np.concatenate(parts, 2) - low) * (255 / (high - low or 1)), np.uint8)


def _whole(data: bytes, preparation: Preparation) -> NDArray[np.generic]:
    """(C, d, h, w) as the file holds them. Raises Unreadable."""
    given = npy_values(data) if data.startswith(b"\x93NUMPY") else _nifti(data)
    values = given.reshape(_layout(given.shape))
    if len(values) != preparation.shape[0]:
        raise Unreadable(f"has {len(values)} channels, others have {preparation.shape[0]}")
    return values


def _layout(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """(C, D, H, W). Raises Unreadable."""
    if len(shape) == 3:
        return 1, shape[0], shape[1], shape[2]
    if len(shape) == 4 and shape[0] <= MAX_CHANNELS:
        return shape[0], shape[1], shape[2], shape[3]
    raise Unreadable(f"is an array of {by(shape)}, not a volume of (slices, rows, columns)")


def _fit(values: NDArray[np.float32], size: tuple[int, ...]) -> NDArray[np.float32]:
    """Scaled to fit with its aspect kept, in the middle; the rest is its lowest value."""
    from scipy.ndimage import uniform_filter, zoom

    scale = min(new / old for new, old in zip(size, values.shape[1:], strict=True))
    if scale < 0.7:  # or fine detail would turn into false patterns
        values = uniform_filter(values, (0, *[round(1 / scale)] * 3))
    inner = [max(1, min(round(old * scale), new)) for new, old in zip(size, values.shape[1:], strict=True)]
    factors = (1.0, *(new / old for new, old in zip(inner, values.shape[1:], strict=True)))
    scaled = zoom(values, factors, order=1, grid_mode=True, mode="nearest")
    gaps = [new - old for new, old in zip(size, scaled.shape[1:], strict=True)]
    pads = [(0, 0), *((gap // 2, gap - gap // 2) for gap in gaps)]
    return np.asarray(np.pad(scaled, pads, constant_values=float(values.min())), np.float32)


def _nifti(data: bytes) -> NDArray[np.float32]:
    """(D, H, W) of a NIfTI file, if nibabel is installed."""
    try:
        import nibabel
    except ImportError as error:
        raise Unreadable("is NIfTI, which needs nibabel: pip install 'glassnet[nifti]'") from error
    import gzip
    import logging

    logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)  # what is wrong with a file is said by us
    try:
        plain = data
        if data[:2] == b"\x1f\x8b":
            with gzip.open(io.BytesIO(data)) as packed:
                plain = packed.read(MOST_UNPACKED + 1)
        if len(plain) > MOST_UNPACKED:
            raise Unreadable(f"unpacks to over {MOST_UNPACKED / 1e6:.0f} MB, the limit")
        values = np.asarray(nibabel.Nifti1Image.from_bytes(plain).get_fdata(dtype=np.float32))
    except Unreadable:
        raise
    except Exception as error:  # nibabel fails in many ways on damaged files
        raise Unreadable(f"is no whole NIfTI file ({type(error).__name__})") from error
    if values.ndim != 3 or not np.isfinite(values).all():
        raise Unreadable(f"is an array of {by(values.shape)} or has values that are not finite, not one volume")
    return np.asarray(values.transpose(2, 1, 0), np.float32)
