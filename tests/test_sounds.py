"""Sounds: every common format and rate becomes the same picture of loudness; what is no whole sound says why."""

import io
import math
import struct

import numpy as np
import pytest
import soundfile
import torch

from glassnet.data import sounds
from glassnet.data.dataset import Preparation
from glassnet.data.kind import Look, Looks, Unreadable

PREPARATION = Preparation((1, 40, 50), {"rate_hz": 8000, "hop": 80})


def tone(hz=1000.0, seconds=0.5, rate=8000, channels=1):
    """(n, channels) of one pitch."""
    wave = 0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)
    return np.repeat(wave[:, None], channels, 1)


def encoded(samples, rate=8000, subtype="PCM_16", form="WAV"):
    """The bytes of a sound file."""
    data = io.BytesIO()
    soundfile.write(data, samples, rate, subtype, format=form)
    return data.getvalue()


def loudest_band(data, preparation=PREPARATION):
    """The row of the middle moment's loudest band, counted from the lowest pitch."""
    x, _ = sounds.decode(data, preparation)
    assert x.dtype == np.uint8 and x.shape == preparation.shape
    return preparation.shape[1] - 1 - int(x[0, :, 20].argmax())


def test_log_mel_equals_torch_stft_and_triangles_made_one_by_one():
    random = np.random.default_rng(0)
    samples = random.normal(size=1600).astype(np.float32)
    found = sounds.log_mel(samples, 8000, 80, 20)

    # A window of 25 ms is 200 samples, its middle at t * hop; torch lays it into the middle of 512.
    signal = torch.from_numpy(np.pad(samples, (256, 512)))
    spectrum = torch.stft(signal, 512, 80, 200, torch.hann_window(200), center=False, return_complex=True)
    power = (spectrum.abs() ** 2).double().numpy()[:, :20]
    edges = [700 * (10 ** (m / 2595) - 1) for m in np.linspace(0, 2595 * math.log10(1 + 4000 / 700), 22)]
    expected = np.zeros((20, 20))
    for band in range(20):
        low, middle, high = edges[band : band + 3]
        for k in range(257):
            hz = k * 8000 / 512
            weight = max(0, min((hz - low) / (middle - low), (high - hz) / (high - middle)))
            expected[band] += weight * power[k]
    assert np.abs(found - 10 * np.log10(expected)).max() < 1e-3


@pytest.mark.parametrize(
    ("form", "subtype"),
    [
        ("WAV", "PCM_U8"), ("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "PCM_32"), ("WAV", "FLOAT"), ("WAV", "DOUBLE"),
        ("WAV", "ULAW"), ("FLAC", "PCM_16"), ("FLAC", "PCM_24"), ("OGG", "VORBIS"), ("AIFF", "PCM_16"),
        ("AU", "PCM_16"), ("MP3", "MPEG_LAYER_III"),
    ],
)  # fmt: skip
def test_every_format_shows_the_same_pitch(form, subtype):
    rate = 16_000  # MP3 has no rate of 8 kHz in every build
    data = encoded(tone(rate=rate), rate, subtype, form)
    assert loudest_band(data) == loudest_band(encoded(tone()))
    assert sounds.look(data).highest == rate


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_every_rate_and_stereo_show_the_same_pitch(rate, channels):
    assert loudest_band(encoded(tone(rate=rate, channels=channels), rate)) == loudest_band(encoded(tone()))


def test_the_band_of_a_tone_is_the_one_whose_middle_is_nearest():
    axis, _ = sounds.axes(PREPARATION)
    for hz in (300, 1000, 2500):
        row = 39 - loudest_band(encoded(tone(hz)))
        middles = [float(words.removesuffix(" Hz").replace(",", "")) for words in axis.at]
        assert row == int(np.abs(np.array(middles) - hz).argmin())


def test_loudness_does_not_count():
    quiet, loud = (
        sounds.decode(encoded(tone() * 0.01, subtype="FLOAT"), PREPARATION),
        sounds.decode(encoded(tone(), subtype="FLOAT"), PREPARATION),
    )
    assert (quiet[0] == loud[0]).all()


def test_silence_is_black_and_short_sounds_end_in_it():
    assert not sounds.decode(encoded(np.zeros(4000)), PREPARATION)[0].any()
    x, found = sounds.decode(encoded(tone(seconds=0.2)), PREPARATION)
    assert found == Look((200,), 1, 8000)
    assert x[0, :, :19].any(0).all() and not x[0, :, 23:].any()


def test_of_a_long_sound_the_loudest_part_is_learnt_and_all_of_it_asked_about():
    samples = np.concatenate([np.zeros(8000), tone(2000, 0.4)[:, 0], np.zeros(8000)])
    data = encoded(samples)
    x, _ = sounds.decode(data, PREPARATION)
    assert x[0].any(0).sum() >= 40  # its 0.4 s are 40 of the 50 moments
    parts = sounds.windows(data, PREPARATION)
    assert parts.shape == (9, 1, 40, 50)  # 240 moments, 50 at a time, every 24
    assert sounds.windows(encoded(tone()), PREPARATION) is None


def test_one_rate_one_length_and_enough_bands_are_chosen():
    size = np.array([[400]] * 97 + [[2000]] * 3, np.int32)
    rates = np.array([8000] * 60 + [44_100] * 40, np.int64)
    chosen = sounds.prepare(Looks(size, np.ones(100, np.int32), rates))
    assert chosen == Preparation((1, 40, 50), {"rate_hz": 8000, "hop": 64})  # 0.4 s of 8 ms moments
    music = sounds.prepare(Looks(np.full((9, 1), 30_000, np.int32), np.ones(9, np.int32), np.full(9, 44_100)))
    assert music.shape[1] == 64 and music.settings["rate_hz"] == 22_050
    assert music.shape[2] <= 256 and music.shape[2] * music.settings["hop"] / 22_050 == pytest.approx(10, rel=0.01)


def test_words_of_sounds():
    sizes = np.array([[140], [2280]], np.int32)
    assert sounds.describe(sizes, PREPARATION) == "0.14 to 2.28 s, 8 kHz"
    assert sounds.notes(sizes, PREPARATION) == (
        "longer than 0.5 s: 1 sound, of which the loudest part counts; predict hears all",
    )
    _, moments = sounds.axes(PREPARATION)
    assert moments.words(range(3, 12)) == "0.03 s to 0.11 s"


def test_what_is_played_is_mono_and_loud_enough():
    data = sounds.playable(encoded(tone(channels=2) * 0.01, subtype="FLOAT"))
    samples, rate = soundfile.read(io.BytesIO(data))
    assert samples.ndim == 1 and rate == 8000 and np.abs(samples).max() == pytest.approx(0.9, abs=0.01)


def wav_with(data_size, held):
    """A WAV header that declares data_size bytes over `held` of them. RIFF/WAVE, 16 bits, mono, 8 kHz."""
    form = struct.pack("<HHIIHH", 1, 1, 8000, 16_000, 2, 16)
    body = b"fmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", data_size) + b"\1\1" * (held // 2)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is empty"),
        (b"a,b\n1,2\n", "is text, not a sound"),
        (b"<!DOCTYPE html><html>", "is a web page, not a sound"),
        (b"\0\0\0\x20ftypM4A " + bytes(64), "is MP4 or M4A: save it as WAV, FLAC, OGG or MP3"),
        (b"RIFF\x10\0\0\0WAVEjunk", "is damaged"),
        (wav_with(8000, 400), "is cut short"),
        (wav_with(0, 0), "holds no sound: 0 samples"),
        (encoded(tone())[:60], "is cut short"),
        (encoded(tone(), form="FLAC")[:900], "is "),
        (encoded(tone(rate=1000), 1000), "has 1,000 samples a second, not 4,000 to 192,000"),
        (encoded(np.full(4000, np.nan), subtype="FLOAT"), "holds values that are not numbers"),
        (encoded(np.zeros(4000 * 601), 4000, "PCM_U8"), "is 10 minutes long, over the limit of 10"),
    ],
)
def test_what_is_no_whole_sound_says_why(data, why):
    with pytest.raises(Unreadable) as caught:
        sounds.decode(data, PREPARATION)
    assert str(caught.value).startswith(why)


def test_any_damage_is_either_refused_or_harmless():
    whole = encoded(tone(), form="FLAC")
    random = np.random.default_rng(1)
    for _ in range(60):
        data = bytearray(whole)
        for at in random.integers(0, len(data), 4):
            data[at] = random.integers(0, 256)
        try:
            x, _ = sounds.decode(bytes(data), PREPARATION)
        except Unreadable:
            continue
        assert x.shape == PREPARATION.shape
