"""Sounds: from the bytes of a file to (1, bands, moments) uint8, loudness by pitch and time. Knows no classes.

Columns are moments, rows are bands of pitch, the highest on top: "each column a time chunk, each row a frequency band".
"""

from __future__ import annotations

import io
import math
import struct
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from glassnet.data.dataset import Array, Preparation
from glassnet.data.kind import Augmentation, Axis, Look, Looks, Unreadable
from glassnet.words import counted

SUFFIXES = frozenset({".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au"})
MAX_SECONDS = 600
RATES_HZ = (4000, 192_000)
HIGHEST_RATE_HZ = 22_050  # what is recorded at more is brought to this
WINDOW_S = 0.025
CLOSEST_S = 0.008  # between two moments; more where a sound would have over MOST_MOMENTS of them
MOST_MOMENTS = 256
LONGEST_S = 10.0  # of a sound as the net sees it; of a longer one it sees windows
RANGE_DB = 80.0  # below a sound's loudest moment; what is fainter counts as silence
BANDS = {8000: 40}  # by the rate up to which they are enough
MOST_BANDS = 64
CHUNK = 4096  # moments worked out at a time


def look(data: bytes) -> Look:
    """Milliseconds and rate, as the header declares them. Raises Unreadable."""
    frames, rate, channels = _header(data)
    return Look((max(1, round(1000 * frames / rate)),), min(channels, 2), rate)


def prepare(looks: Looks, longest: int | None = None) -> Preparation:
    """One rate (what most files have), one length (what nineteen of twenty fit into) and enough bands for all.

    longest: moments that the net sees, where the choice is overruled.
    """
    rates, times = np.unique(looks.highest, return_counts=True)
    rate = min(int(rates[times.argmax()]), HIGHEST_RATE_HZ)
    seconds = min(float(np.quantile(looks.size[:, 0], 0.95, method="higher")) / 1000, LONGEST_S)
    hop = max(round(rate * CLOSEST_S), math.ceil(rate * seconds / (longest or MOST_MOMENTS)))
    moments = max(8, math.ceil(seconds * rate / hop))
    bands = next((count for most, count in BANDS.items() if rate <= most), MOST_BANDS)
    return Preparation((1, bands, moments), {"rate_hz": rate, "hop": hop})


def decode(data: bytes, preparation: Preparation) -> tuple[Array, Look]:
    """One sound as (1, bands, moments) uint8; of a longer one its loudest part. Raises Unreadable."""
    whole, found = _spectrogram(data, preparation)
    moments = preparation.shape[2]
    return _window(whole, _loudest(whole, moments), moments), found


def loudest_s(data: bytes, preparation: Preparation) -> float:
    """When the part of a sound that `decode` gives begins, in seconds. Raises Unreadable."""
    start = _loudest(_spectrogram(data, preparation)[0], preparation.shape[2])
    return start * int(preparation.settings["hop"]) / int(preparation.settings["rate_hz"])


def windows(data: bytes, preparation: Preparation) -> Array | None:
    """Parts of a long sound, half overlapping, (n, 1, bands, moments); None where one holds all. Raises Unreadable."""
    moments, (frames, rate, _) = preparation.shape[2], _header(data)
    if frames / rate <= _seconds(preparation):
        return None
    whole, _ = _spectrogram(data, preparation)
    if whole.shape[1] <= moments:
        return None
    count = math.ceil((whole.shape[1] - moments) / (moments / 2)) + 1
    starts = np.linspace(0, whole.shape[1] - moments, count).round().astype(int)
    return np.stack([_window(whole, int(start), moments) for start in starts])


def raw(data: bytes, preparation: Preparation) -> Array:
    """(n,) float32 samples of a sound at the model's rate, the mean over channels. Raises Unreadable."""
    samples, own = _mono(data)
    return _resampled(samples, own, int(preparation.settings["rate_hz"]))


def vary(shape: tuple[int, ...]) -> Augmentation:
    """Natural copies of a sound: a little earlier or later, with some moments and some bands missing; never backwards.

    Park et al. 2019, "SpecAugment", section 2.
    """
    _, bands, moments = shape
    return Augmentation(shift_x=round(moments * 0.1), blank_x=moments // 6, blank_y=bands // 6, edge="border")


def axes(preparation: Preparation, x: Array | None = None) -> tuple[Axis, ...]:
    """Bands by the pitch of their middle, moments by their time."""
    rate, hop = int(preparation.settings["rate_hz"]), int(preparation.settings["hop"])
    _, bands, moments = preparation.shape
    middles = _to_hz(np.linspace(0, _to_mel(rate / 2), bands + 2))[1:-1][::-1]
    return (
        Axis("band", tuple(f"{round(hz):,} Hz" for hz in middles), falling=True),
        Axis("moment", tuple(f"{t * hop / rate:.2f} s" for t in range(moments))),
    )


def edges_hz(preparation: Preparation) -> NDArray[np.float64]:
    """(bands + 1,) where bands part, halfway between the middles of two; they fall, as the rows of a spectrogram do."""
    bands = preparation.shape[1]
    return _to_hz((np.arange(bands, -1, -1) + 0.5) / (bands + 1) * _to_mel(int(preparation.settings["rate_hz"]) / 2))


def picture(x: Array, preparation: Preparation) -> NDArray[np.uint8]:
    """The spectrogram, as it is. x: (1, bands, moments)."""
    return np.asarray(x, np.uint8)


def describe(sizes: NDArray[np.int32], preparation: Preparation) -> str:
    """In words: "0.14 to 2.28 s, 8 kHz"."""
    shortest, longest = sizes.min() / 1000, sizes.max() / 1000
    return f"{shortest:.2f} to {longest:.2f} s, {int(preparation.settings['rate_hz']) / 1000:g} kHz"


def notes(sizes: NDArray[np.int32], preparation: Preparation) -> tuple[str, ...]:
    """What a person should know of how sounds of these milliseconds (N, 1) were prepared."""
    seconds = _seconds(preparation)
    long = int((sizes[:, 0] > 1000 * seconds + 20).sum())
    if not long:
        return ()
    return (
        f"longer than {seconds:.2g} s: {counted(long, 'sound')}, of which the loudest part counts; predict hears all",
    )


def _seconds(preparation: Preparation) -> float:
    """How long an example is."""
    return preparation.shape[2] * int(preparation.settings["hop"]) / int(preparation.settings["rate_hz"])


def playable(data: bytes) -> bytes:
    """A small WAV that every browser plays: mono, 16 bits, up to LONGEST_S. Raises Unreadable."""
    import soundfile

    samples, rate = _mono(data)
    loudest = float(np.abs(samples).max(initial=0)) or 1.0
    file = io.BytesIO()
    soundfile.write(file, samples[: int(LONGEST_S * rate)] * (0.9 / loudest), rate, "PCM_16", format="WAV")
    return file.getvalue()


def _spectrogram(data: bytes, preparation: Preparation) -> tuple[NDArray[np.uint8], Look]:
    """(bands, all moments) loudness, 255 at its loudest, RANGE_DB below that 0; and what was seen of the file."""
    rate, hop = int(preparation.settings["rate_hz"]), int(preparation.settings["hop"])
    samples, own = _mono(data)
    found = Look((max(1, round(1000 * len(samples) / own)),), 1, own)
    power = log_mel(_resampled(samples, own, rate), rate, hop, preparation.shape[1])  # (bands, moments)
    loud = power - power.max() if power.max() > -np.inf else np.full_like(power, -RANGE_DB)
    return (255 * (1 + loud / RANGE_DB).clip(0, 1)).round().astype(np.uint8)[::-1], found


def log_mel(samples: NDArray[np.float32], rate_hz: int, hop: int, bands: int) -> NDArray[np.float64]:
    """Decibels (bands, moments) of each band of pitch around each moment, the lowest band first; -inf for silence.

    samples: (n,), moment t at sample t * hop. A Hann window of WINDOW_S; bands as triangles of equal width on the mel
    scale: Stevens et al. 1937, in O'Shaughnessy's form.
    """
    length = round(rate_hz * WINDOW_S)
    size = 1 << math.ceil(math.log2(2 * length))
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    count = max(1, math.ceil(len(samples) / hop))
    padded = np.zeros((count - 1) * hop + length, np.float64)
    room = len(padded) - length // 2
    padded[length // 2 : length // 2 + min(len(samples), room)] = samples[:room]
    frames = np.lib.stride_tricks.sliding_window_view(padded, length)[::hop]  # (moments, length)
    filters = mel_filters(rate_hz, size, bands)
    parts = [
        np.abs(np.fft.rfft(frames[start : start + CHUNK] * hann, size)) ** 2 @ filters.T
        for start in range(0, len(frames), CHUNK)
    ]
    with np.errstate(divide="ignore"):
        return np.asarray(10 * np.log10(np.concatenate(parts).T), np.float64)


@lru_cache(maxsize=4)
def mel_filters(rate_hz: int, size: int, bands: int) -> NDArray[np.float64]:
    """(bands, size // 2 + 1) weights of the frequencies in each band, the lowest first."""
    edges = _to_hz(np.linspace(0, _to_mel(rate_hz / 2), bands + 2))
    frequencies = np.arange(size // 2 + 1) * rate_hz / size
    rising = (frequencies - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - frequencies) / (edges[2:] - edges[1:-1])[:, None]
    return np.minimum(rising, falling).clip(0)


def _to_mel(hz: float) -> float:
    return 2595 * math.log10(1 + hz / 700)


def _to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(700 * (10 ** (mel / 2595) - 1))


def _loudest(whole: NDArray[np.uint8], moments: int) -> int:
    """The moment at which the loudest part begins."""
    energy = np.concatenate([[0.0], np.cumsum(whole.mean(0, dtype=np.float64))])
    return int((energy[moments:] - energy[:-moments]).argmax()) if whole.shape[1] > moments else 0


def _window(whole: NDArray[np.uint8], start: int, moments: int) -> NDArray[np.uint8]:
    """(1, bands, moments) from moment `start` on; silence where the sound is over."""
    part = whole[:, start : start + moments]
    return np.ascontiguousarray(np.pad(part, ((0, 0), (0, moments - part.shape[1])))[None])


def _resampled(samples: NDArray[np.float32], own: int, rate: int) -> NDArray[np.float32]:
    if own == rate:
        return samples
    from scipy.signal import resample_poly  # half a second to import, and most data needs none of it

    common = math.gcd(own, rate)
    return np.asarray(resample_poly(samples, rate // common, own // common), np.float32)


def _mono(data: bytes) -> tuple[NDArray[np.float32], int]:
    """(n,) float32, the mean over channels, and the rate. Raises Unreadable."""
    import soundfile

    frames, rate, _ = _header(data)
    try:
        samples = soundfile.read(io.BytesIO(data), frames, dtype="float32", always_2d=True)[0]
    except (soundfile.SoundFileError, RuntimeError, ValueError, TypeError) as error:
        raise Unreadable(f"is damaged ({_why(error)})") from error
    if len(samples) < frames * 0.98:  # MP3 headers only guess
        raise Unreadable("is cut short: the sound ends before its declared length")
    if not len(samples):
        raise Unreadable("holds no sound: 0 samples")
    if not np.isfinite(samples).all():
        raise Unreadable("holds values that are not numbers")
    return samples.mean(1, dtype=np.float32), rate


def _header(data: bytes) -> tuple[int, int, int]:
    """Frames, rate and channels, within our limits. Raises Unreadable."""
    if not data:
        raise Unreadable("is empty")
    import soundfile

    try:
        info = soundfile.info(io.BytesIO(data))
        frames, rate, channels = int(info.frames), int(info.samplerate), int(info.channels)
    except (soundfile.SoundFileError, RuntimeError, ValueError, TypeError) as error:
        raise Unreadable(_what_instead(data) or f"is damaged ({_why(error)})") from error
    if not frames:
        raise Unreadable("holds no sound: 0 samples")
    if not RATES_HZ[0] <= rate <= RATES_HZ[1]:
        raise Unreadable(f"has {rate:,} samples a second, not {RATES_HZ[0]:,} to {RATES_HZ[1]:,}")
    if channels > 16:
        raise Unreadable(f"has {channels} channels, over the limit of 16")
    if frames / rate > MAX_SECONDS:
        raise Unreadable(f"is {frames / rate / 60:,.0f} minutes long, over the limit of {MAX_SECONDS // 60}")
    if data[:4] == b"RIFF" and _riff_lacks(data):
        raise Unreadable("is cut short: the sound ends before its declared length")
    return frames, rate, channels


def _riff_lacks(data: bytes) -> bool:
    """Whether a WAV's data chunk declares more bytes than there are; a length of 0 or all ones means: to the end."""
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], struct.unpack_from("<I", data, at + 4)[0]
        if name == b"data":
            return bool(0 < size < 0xFFFFFF00 and at + 8 + size > len(data))
        at += 8 + size + size % 2
    return False


def _what_instead(data: bytes) -> str:
    """What a file is that carries a sound's name, where that is clear."""
    start = data[:64].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html")):
        return "is a web page, not a sound"
    if data[4:8] == b"ftyp":
        return "is MP4 or M4A: save it as WAV, FLAC, OGG or MP3"
    if data[:4] == b"\x1aE\xdf\xa3":
        return "is Matroska or WebM: save it as WAV, FLAC, OGG or MP3"
    text = all(byte >= 32 or byte in b"\t\n\r\f" for byte in data[:512])
    return "is text, not a sound" if text else ""


def _why(error: Exception) -> str:
    words = " ".join(str(error).split()).rstrip(".")
    return words.rsplit(": ", 1)[-1][:80] or type(error).__name__
