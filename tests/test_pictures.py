"""Pictures: every common format and colour mode comes out as a person sees it; what is no whole picture says why."""

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from glassnet.data import pictures
from glassnet.data.dataset import Preparation
from glassnet.data.kind import Look, Looks, Unreadable

GREY = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10
RGB = np.stack([GREY, GREY // 2, 255 - GREY], -1)
LOSSLESS = {"PNG": {}, "WEBP": {"lossless": True}, "GIF": {}, "TIFF": {}, "BMP": {}}
FORMATS = [*LOSSLESS, "JPEG"]


def encoded(pixels, kind="PNG", **options):
    """The bytes of a picture file."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.asarray(pixels))
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def decoded(data, channels=3, height=4, width=6, full_scale=65535):
    """The pixels as (H, W, C)."""
    x, _ = pictures.decode(data, Preparation((channels, height, width), {"full_scale": full_scale}))
    assert x.dtype == np.uint8
    return x.transpose(1, 2, 0)


def png(width, height, color=2, depth=8, data=b""):
    """A PNG written by hand: its header may declare what it doesn't hold. PNG specification, 11.2."""

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_formats_come_out_pixel_for_pixel(kind):
    data = encoded(RGB, kind, **LOSSLESS[kind])
    assert (decoded(data) == RGB).all()
    assert pictures.look(data) == Look((4, 6), 3)


def test_a_jpeg_comes_out_in_its_colour():
    data = encoded(np.full((16, 16, 3), (200, 100, 50), np.uint8), "JPEG", quality=95)
    assert np.abs(decoded(data, height=16, width=16).astype(int) - (200, 100, 50)).max() <= 3


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_frames_the_first_is_read(kind):
    later = [Image.fromarray(255 - RGB)]
    data = encoded(RGB, kind, save_all=True, append_images=later, **LOSSLESS[kind])
    assert (decoded(data) == RGB).all()


UPRIGHT = {  # where row 0 and column 0 of the stored picture belong: EXIF 2.3, tag 274
    1: lambda s: s,
    2: lambda s: s[:, ::-1],
    3: lambda s: s[::-1, ::-1],
    4: lambda s: s[::-1],
    5: lambda s: s.transpose(1, 0, 2),
    6: lambda s: np.rot90(s, -1),
    7: lambda s: s[::-1, ::-1].transpose(1, 0, 2),
    8: lambda s: np.rot90(s),
}


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_a_turned_camera_gives_an_upright_picture(orientation, kind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(RGB, kind, exif=exif, **LOSSLESS[kind])
    upright = UPRIGHT[orientation](RGB)
    height, width = upright.shape[:2]
    assert (decoded(data, 3, height, width) == upright).all()
    assert pictures.look(data).size == (height, width)


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_orientation_that_does_not_exist_leaves_the_picture_as_it_is(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert (decoded(encoded(RGB, exif=exif)) == RGB).all()
    assert pictures.look(encoded(RGB, exif=exif)).size == (4, 6)


def test_damaged_camera_notes_do_not_cost_the_picture():
    word = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x04\0\0\0abc\0"  # an orientation of "abc"
    for notes in (b"Exif\0\0garbage!!", word):
        assert (decoded(encoded(RGB, exif=notes)) == RGB).all()


def test_a_palette_gives_its_colours_and_what_is_transparent_in_it_shows_white():
    image = Image.new("P", (6, 4))
    image.putpalette([10, 20, 30, 200, 100, 50, 0, 0, 0])
    image.putpixel((1, 0), 1)
    image.putpixel((2, 0), 2)
    for kind in ("PNG", "GIF"):
        assert decoded(encoded(image, kind))[0, :3].tolist() == [[10, 20, 30], [200, 100, 50], [0, 0, 0]]
        seen = decoded(encoded(image, kind, transparency=1))
        assert seen[0, :3].tolist() == [[10, 20, 30], [255, 255, 255], [0, 0, 0]]


@pytest.mark.parametrize("kind", ["TIFF", "JPEG"])
def test_printing_inks_become_the_colours_they_print(kind):
    inks = {(0, 255, 255, 0): (255, 0, 0), (255, 0, 255, 0): (0, 255, 0), (0, 0, 0, 255): (0, 0, 0)}
    for ink, colour in inks.items():
        data = encoded(Image.new("CMYK", (6, 4), ink), kind)
        assert np.abs(decoded(data).astype(int) - colour).max() <= 2


def test_sixteen_bit_greys_are_scaled_and_not_white():
    values = np.array([[0, 32768, 65535, 257]], np.uint16)
    assert decoded(encoded(values), 1, 1, 4)[0, :, 0].tolist() == [0, 128, 255, 1]
    assert pictures.look(encoded(values)) == Look((1, 4), 1, 65535)


@pytest.mark.parametrize(
    ("values", "full_scale"),
    [
        (np.array([[0, 2048, 4095]], np.uint16), 4095),
        (np.array([[0, 512, 1023]], np.uint16), 1023),
        (np.array([[0, 50_000, 100_000]], np.int32), 100_000),
        (np.array([[-1.0, 0.5, 1.0]], np.float32), 1),
        (np.array([[np.nan, 127.6, 255.0]], np.float32), 255),
    ],
)
def test_the_full_scale_of_wide_greys_is_that_of_their_bits(values, full_scale):
    data = encoded(values, "TIFF")
    preparation = pictures.prepare(Looks.of([pictures.look(data)]))
    assert preparation == Preparation((1, 1, 3), {"full_scale": full_scale})
    assert decoded(data, 1, 1, 3, full_scale)[0, :, 0].tolist() == [0, 128, 255]


def test_one_bit_is_black_and_white():
    assert (decoded(encoded(GREY > 100), 1)[..., 0] == np.where(GREY > 100, 255, 0)).all()


def test_what_is_transparent_shows_white_in_proportion():
    half = np.dstack([RGB, np.full((4, 6), 128, np.uint8)])
    seen = decoded(encoded(half)).astype(float)
    assert np.abs(seen - (RGB * 128.0 + 255 * 127) / 255).max() <= 1
    clear = np.stack([GREY, np.where(GREY > 100, 255, 0).astype(np.uint8)], -1)
    assert (decoded(encoded(clear), 1)[..., 0] == np.where(GREY > 100, GREY, 255)).all()
    assert (decoded(encoded(GREY, transparency=50), 1)[..., 0] == np.where(GREY == 50, 255, GREY)).all()


def test_colour_and_grey_turn_into_each_other_where_a_set_is_mixed():
    assert (decoded(encoded(GREY), 3) == GREY[..., None]).all()
    luma = (RGB @ (0.299, 0.587, 0.114)).round()  # ITU-R 601
    assert np.abs(decoded(encoded(RGB), 1)[..., 0] - luma).max() <= 1


def test_colour_files_that_hold_only_greys_count_as_grey():
    _, look = pictures.decode(encoded(np.stack([GREY] * 3, -1)), Preparation((3, 4, 6), {"full_scale": 65535}))
    assert look.channels == 1


def test_a_picture_of_another_aspect_keeps_it_and_the_rest_is_its_mean_colour():
    wide = np.zeros((10, 20, 3), np.uint8)
    wide[:, 5:] = (200, 100, 40)  # three quarters: the mean is 150, 75, 30
    seen = decoded(encoded(wide), 3, 20, 20)
    assert (seen[5:15] == wide).all()
    assert (seen[:5] == (150, 75, 30)).all() and (seen[15:] == (150, 75, 30)).all()


@pytest.mark.parametrize("size", [(1, 5000), (5000, 1), (1, 1)])
def test_the_thinnest_picture_fits(size):
    assert (decoded(encoded(Image.new("RGB", size, (9, 8, 7)))) == (9, 8, 7)).all()


def test_a_large_picture_shrinks_to_its_averages_without_a_seam():
    rows = np.linspace(0, 255, 2400)[:, None] * np.ones((1, 900))
    for dtype, full_scale in ((np.uint8, 65535), (np.uint16, 255)):
        seen = decoded(encoded(rows.round().astype(dtype)), 1, 48, 18, full_scale)[..., 0]
        assert np.abs(seen - rows.reshape(48, 50, 18, 50).mean((1, 3))).max() <= 3


def looks(*sizes, channels=1):
    return Looks.of([Look(size, channels) for size in sizes])


@pytest.mark.parametrize(
    ("sizes", "longest", "shape"),
    [
        ([(28, 28)] * 3, None, (28, 28)),
        ([(96, 40)] * 3, None, (96, 40)),
        ([(97, 97)] * 3, None, (64, 64)),
        ([(300, 200)] * 3, None, (128, 85)),
        ([(1000, 1000)] * 3, None, (224, 224)),
        ([(20, 30), (30, 20), (40, 40)], None, (30, 30)),
        ([(300, 200)] * 3, 32, (32, 21)),
        ([(9, 9)] * 3, 18, (18, 18)),
        ([(1, 1)], 4, (4, 4)),
    ],
)
def test_one_shape_is_chosen_for_all(sizes, longest, shape):
    assert pictures.prepare(looks(*sizes), longest).shape == (1, *shape)


def test_one_colour_picture_makes_the_set_colour():
    mixed = Looks.of([Look((9, 9), 1), Look((9, 9), 3)])
    assert pictures.prepare(mixed).shape == (3, 9, 9)


WEBP = encoded(Image.new("RGB", (4300, 4300)), "WEBP", lossless=True, method=0)  # needs four times the memory
NO_PICTURES = {
    "nothing": (b"", "is empty"),
    "text": (b"hello there\n", "is text, not a picture"),
    "a web page": (b"<!DOCTYPE html><p>404", "is a web page, not a picture"),
    "drawing": (b"<svg xmlns='...'/>", "is XML or SVG, not a picture in pixels"),
    "a document": (b"%PDF-1.4\x80", "is a PDF, not a picture"),
    "an archive": (b"PK\x03\x04\0\0", "is an archive, not a picture"),
    "a phone's": (b"\0\0\0\x18ftypheic\0\0\0\0", "is HEIC or AVIF: save it as JPEG or PNG"),
    "zeros": (bytes(100), "is in no picture format that glassnet reads, or damaged"),
    "a bomb": (png(50_000, 50_000), "declares over 64 million pixels, the limit"),
    "too large": (png(9000, 9000), "declares 9,000 x 9,000 pixels, over 64 million, the limit"),
    "a line too long": (png(1, 64_000_001), "declares 1 x 64,000,001 pixels, over 64 million, the limit"),
    "a large webp": (WEBP, "declares 4,300 x 4,300 pixels, over 18 million, the limit"),
    "a header alone": (png(8000, 8000), "is cut short: the picture ends before its last row"),
}


@pytest.mark.parametrize("name", NO_PICTURES)
def test_what_is_no_picture_says_what_it_is(name):
    data, reason = NO_PICTURES[name]
    with pytest.raises(Unreadable) as caught:
        decoded(data)
    assert str(caught.value) == reason


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("kept", [0.9, 0.5, 0.2])
def test_a_picture_cut_short_is_refused_in_every_format(kind, kept):
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)
    data = encoded(noise, kind)
    with pytest.raises(Unreadable, match=r"is cut short|is damaged|or damaged"):
        decoded(data[: int(len(data) * kept)])


def test_damaged_compression_is_refused():
    rows = zlib.compress(b"".join(b"\0" + bytes(range(120)) for _ in range(40)))
    wrong = rows[:10] + bytes(20) + rows[30:]
    with pytest.raises(Unreadable, match="is damaged"):
        decoded(png(40, 40, data=wrong))


def test_a_model_of_other_channels_says_what_it_wants():
    with pytest.raises(Unreadable, match="learnt from arrays of 4 channels"):
        decoded(encoded(RGB), 4)


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(FORMATS), st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=9)), max_size=4))
def test_whatever_is_done_to_a_file_it_is_a_picture_or_says_why_not(kind, changes):
    data = bytearray(encoded(RGB, kind))
    for place, wrong in changes:
        start = int(place * (len(data) - 1))
        data[start : start + len(wrong)] = wrong
    try:
        assert decoded(bytes(data)).shape == (4, 6, 3)
    except Unreadable as error:
        why = str(error)
    else:
        why = "is read"
    assert why.startswith(("is ", "declares "))


LARGEST = """
import resource, sys, zlib
sys.path.insert(0, {tests!r})
from test_pictures import png, pictures, Preparation, encoded, Image
Image.init()
for color, depth, channels in ((6, 8, 4), (0, 16, 1)):
    packer = zlib.compressobj(1)
    row = bytes(1 + 8000 * channels * depth // 8)
    data = png(8000, 8000, color, depth, b"".join(packer.compress(row) for _ in range(8000)) + packer.flush())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pictures.look(data)
    pictures.decode(data, Preparation((3, 64, 64), {{"full_scale": 65535}}))
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1000)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in other units elsewhere")
def test_the_largest_picture_needs_under_300_megabytes():
    code = LARGEST.format(tests=str(Path(__file__).parent))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    needed = [float(line) for line in done.stdout.split()]
    assert len(needed) == 2
    assert max(needed) < 300
