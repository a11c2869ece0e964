"""Pictures: from the bytes of a file to (C, H, W) uint8. Knows colours and sizes, not classes."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from glassnet.data.dataset import Array, Preparation
from glassnet.data.kind import Augmentation, Axis, Look, Looks, Unreadable

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".tif", ".tiff", ".bmp"})
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP")
MAX_PIXELS = 64_000_000
MAX_PIXELS_WEBP = 18_000_000  # its decoder takes 16 bytes a pixel, four times what others do

FULL_SCALES = (1, 255, 1023, 4095, 16383, 65535)  # of shares, and of 8, 10, 12, 14 and 16 bits
WIDE_MODES = frozenset({"I;16", "I;16B", "I;16L", "I;16N", "I", "F"})
PLAIN_MODES = frozenset({"L", "RGB"})
GREY_MODES = WIDE_MODES | {"1", "L", "LA", "La"}
TURNED_SIDE = 24  # pictures below this are turned and scaled; on larger ones the blur costs more than that brings
KEPT_SIDE = 96  # pictures of one size up to this stay as they are
STRIP_PIXELS = 1_000_000  # a large picture is converted in strips of this size, to need little memory

ORIENTATION = 0x0112
UPRIGHT = {  # EXIF 2.3, tag 274
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def look(data: bytes) -> Look:
    """A look at a picture's header; the pixels of a wide grey are read too. Raises Unreadable."""
    with warnings.catch_warnings(), _open(data) as image:
        try:
            wide = image.mode in WIDE_MODES
            highest = max(_highest(np.asarray(strip)) for _, strip in _strips(image, 1)) if wide else 0
            return Look(_size(image, _orientation(image)), 1 if image.mode in GREY_MODES else 3, highest)
        except Exception as error:
            raise Unreadable(_why(error)) from error


def prepare(looks: Looks, longest: int | None = None) -> Preparation:
    """Chooses one shape for all: small pictures keep their size, large ones become 64, 128 or 224 on the longer side.

    A picture that doesn't fit the common aspect is padded. longest: overrules the choice of the longer side.
    """
    first = looks.size[0]
    if longest is None and (looks.size == first).all() and first.max() <= KEPT_SIDE:
        height, width = first.tolist()
    else:
        longer = longest or _longer_side(float(np.median(looks.size.max(1))))
        height, width = _with_aspect(longer, looks.size[:, 0] / looks.size[:, 1])
    highest = int(looks.highest.max())
    scale = next((s for s in FULL_SCALES if highest <= s), highest) if highest else FULL_SCALES[-1]
    return Preparation((int(looks.channels.max()), height, width), {"full_scale": scale})


def decode(data: bytes, preparation: Preparation) -> tuple[Array, Look]:
    """One picture as (C, H, W) uint8, first frame, upright, on white, with what was seen of it. Raises Unreadable."""
    channels, height, width = preparation.shape
    if channels not in (1, 3):
        raise Unreadable(f"is a picture, but this model learnt from arrays of {channels} channels: ask with an .npz")
    with warnings.catch_warnings(), _open(data) as image:
        try:
            declared = image.size
            longest = 2 * max(height, width)
            image.draft(None, (longest, longest))  # a large JPEG is decoded smaller, twice the size that is needed
            image.load()
            orientation = _orientation(image)
            small, highest = _shrink(image, longest, int(preparation.settings["full_scale"]))
            if orientation in UPRIGHT:
                small = small.transpose(UPRIGHT[orientation])
            size = declared[::-1] if orientation < 5 else declared
        except Exception as error:  # decoders fail in many ways on damaged files; each is named and counted
            raise Unreadable(_why(error)) from error
    fitted = _fit(small, size, width, height)
    pixels = np.asarray(fitted).reshape(height, width, -1).transpose(2, 0, 1)  # (1 or 3, H, W)
    grey = len(pixels) == 1 or bool((pixels[0] == pixels[1]).all() and (pixels[1] == pixels[2]).all())
    if channels == 1 and len(pixels) == 3:
        pixels = np.asarray(fitted.convert("L"))[None]
    if pixels.shape != preparation.shape:
        pixels = np.broadcast_to(pixels, preparation.shape)
    return np.ascontiguousarray(pixels), Look(size, 1 if grey else 3, highest)


def raw(data: bytes, preparation: Preparation) -> Array:
    """(H, W, 3) uint8 all pixels of a picture, upright, in colour, on white. Raises Unreadable."""
    x, _ = decode(data, Preparation((3, *look(data).size), preparation.settings))
    return np.ascontiguousarray(x.transpose(1, 2, 0), np.uint8)


def vary(shape: tuple[int, ...]) -> Augmentation:
    """Shifted copies of pictures; small ones also turned and scaled."""
    side = min(shape[1:])
    if side < TURNED_SIDE:
        shift = round(0.08 * side, 2)
        return Augmentation(shift_x=shift, shift_y=shift, turn=10.0, scale=0.1)
    return Augmentation(shift_x=round(0.1 * side), shift_y=round(0.1 * side))


def axes(preparation: Preparation, x: Array | None = None) -> tuple[Axis, ...]:
    """Rows and columns by their number."""
    return Axis("row"), Axis("column")


def picture(x: Array, preparation: Preparation) -> NDArray[np.uint8]:
    """(1 or 3, H, W) bytes; numbers of any range are stretched from the lowest to the highest. x: (C, H, W)."""
    shown = x[:3] if len(x) >= 3 else x[:1]
    if shown.dtype == np.uint8:
        return np.asarray(shown, np.uint8)
    low, high = float(shown.min()), float(shown.max())
    return np.asarray((shown - low) * (255 / (high - low or 1)), np.uint8)


def _open(data: bytes) -> Image.Image:
    if not data:
        raise Unreadable("is empty")
    warnings.simplefilter("ignore")  # Pillow's remarks on odd files: what matters of them is a reason to skip
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise Unreadable(f"declares over {MAX_PIXELS / 1e6:.0f} million pixels, the limit") from error
    except UnidentifiedImageError as error:
        raise Unreadable(_what_instead(data)) from error
    except Exception as error:
        raise Unreadable(_why(error)) from error
    most = MAX_PIXELS_WEBP if image.format == "WEBP" else MAX_PIXELS
    if image.width * image.height > most:
        raise Unreadable(
            f"declares {image.width:,} x {image.height:,} pixels, over {most / 1e6:.0f} million, the limit"
        )
    return image


def _orientation(image: Image.Image) -> int:
    """How the camera was held, 1 for upright. Only what stands in the header is asked: no pixels are decoded."""
    if "exif" not in image.info or image.format == "TIFF":  # Pillow turns a TIFF upright itself
        return 1
    try:
        held = int(image.getexif().get(ORIENTATION, 1))
    except (SyntaxError, ValueError, TypeError, KeyError, IndexError, OverflowError, struct.error):
        return 1  # the camera's notes are damaged; the pixels need not be
    return held if held in UPRIGHT else 1


def _size(image: Image.Image, orientation: int) -> tuple[int, int]:
    return (image.height, image.width) if orientation < 5 else (image.width, image.height)


def _shrink(image: Image.Image, longest: int, full_scale: int) -> tuple[Image.Image, int]:
    """The picture as L or RGB on white, averaged down by a whole factor to at least `longest`; its highest value."""
    factor = max(1, max(image.size) // longest)
    if factor == 1 and image.mode in PLAIN_MODES and "transparency" not in image.info:
        return image, 0
    small: Image.Image | None = None
    highest = 0
    for top, strip in _strips(image, factor):
        if strip.mode in WIDE_MODES:
            values = np.asarray(strip)
            highest = max(highest, _highest(values))
            strip = _narrow(values, full_scale)
        flat = _flatten(strip)
        if factor > 1:
            flat = flat.reduce(factor)
        if small is None:
            small = flat if strip is image else Image.new(flat.mode, (flat.width, -(-image.height // factor)))
        if small is not flat:
            small.paste(flat, (0, top // factor))
    assert small is not None, "a picture has at least one row"
    return small, highest


def _strips(image: Image.Image, factor: int) -> Iterator[tuple[int, Image.Image]]:
    """(first row, strip) down the picture: whole if it is small, else strips of a multiple of `factor` rows."""
    rows = max(factor, STRIP_PIXELS // image.width // factor * factor)
    if rows >= image.height:
        yield 0, image
        return
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _narrow(values: NDArray[np.generic], full_scale: int) -> Image.Image:
    """A wide grey as 8 bits: full_scale becomes 255."""
    scaled = np.nan_to_num(values.astype(np.float32)) * (255.0 / full_scale)
    return Image.fromarray(scaled.round().clip(0, 255).astype(np.uint8))


def _highest(values: NDArray[np.generic]) -> int:
    finite = np.nan_to_num(values.astype(np.float32), posinf=0.0)
    return max(0, int(np.ceil(finite.max())))


def _flatten(image: Image.Image) -> Image.Image:
    """Any mode as L or RGB; what is transparent shows white."""
    if image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, image).convert("RGB")
    if image.mode in ("1", "L"):
        return image.convert("L")
    return image.convert("RGB")


def _fit(image: Image.Image, size: tuple[int, int], width: int, height: int) -> Image.Image:
    """Scaled to fit with its aspect kept, the rest filled with the picture's own mean colour.

    size: (height, width) of its file: of a narrow picture that was shrunk already the aspect is another.
    """
    if image.size == (width, height):
        return image
    scale = min(width / size[1], height / size[0])
    inner = max(1, round(size[1] * scale)), max(1, round(size[0] * scale))
    scaled = image.resize(inner, Image.Resampling.BICUBIC)
    if inner == (width, height):
        return scaled
    mean = np.asarray(scaled).reshape(inner[0] * inner[1], -1).mean(0).round().astype(int)
    canvas = Image.new(image.mode, (width, height), tuple(mean.tolist()) if mean.size > 1 else int(mean[0]))
    canvas.paste(scaled, ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return canvas


def _longer_side(middle: float) -> int:
    if middle <= 64:
        return max(4, round(middle))
    return 64 if middle < 128 else 128 if middle < 448 else 224


def _with_aspect(longer: int, ratios: NDArray[np.float64]) -> tuple[int, int]:
    """Height and width: the common aspect where nine in ten pictures share it, a square otherwise."""
    middle = float(np.median(ratios))
    if (np.abs(ratios / middle - 1) <= 0.05).mean() < 0.9:
        return longer, longer
    other = max(4, round(longer * min(middle, 1 / middle)))
    return (longer, other) if middle > 1 else (other, longer)


def _why(error: Exception) -> str:
    if isinstance(error, Unreadable):
        return str(error)
    text = " ".join(str(error).split()).rstrip(".")
    if "truncated" in text.lower() or isinstance(error, EOFError):
        return "is cut short: the picture ends before its last row"
    return f"is damaged ({text or type(error).__name__})"


def _what_instead(data: bytes) -> str:
    """What a file is that carries a picture's name."""
    start = data[:512].lstrip().lower()
    for signs, what in (
        ((b"<!doctype html", b"<html"), "is a web page, not a picture"),
        ((b"<svg", b"<?xml"), "is XML or SVG, not a picture in pixels"),
        ((b"%pdf",), "is a PDF, not a picture"),
        ((b"pk\x03\x04",), "is an archive, not a picture"),
    ):
        if start.startswith(signs):
            return what
    if data[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypavif"):
        return "is HEIC or AVIF: save it as JPEG or PNG"
    text = all(byte >= 32 or byte in b"\t\n\r\f" for byte in data[:512])
    return "is text, not a picture" if text else "is in no picture format that glassnet reads, or damaged"
