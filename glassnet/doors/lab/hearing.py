"""What a net heard: a sound of which only some bands at some moments are left. Knows pieces, not votes."""

from __future__ import annotations

import io
import re

import numpy as np

from glassnet.data import sounds
from glassnet.doors.lab.questions import Question, sounds_like
from glassnet.doors.model import Model
from glassnet.errors import GlassnetError
from glassnet.words import clipped

WINDOW_S = 0.032
SOFT = 0.5  # of a window: pieces fade in and out, so that nothing clicks
PIECE = re.compile(r"(\d{1,4})-(\d{1,4}):(\d{1,4})-(\d{1,4})")
MOST = 12

Piece = tuple[int, int, int, int]


def spans(model: Model, words: str) -> list[Piece]:
    """Pieces (band from, beyond, moment from, beyond) from their words. Raises GlassnetError."""
    if model.card.kind != "sounds":
        raise GlassnetError("net", expected="one of sounds", found=f"one of {model.card.kind}", fix="Choose another")
    _, bands, moments = model.card.preparation.shape
    found = []
    for part in words.split(",")[:MOST]:
        match = PIECE.fullmatch(part.strip())
        low, high, first, last = map(int, match.groups()) if match else (0, 0, 0, 0)
        if not (low < high <= bands and first < last <= moments):
            expected = f"bands-bands:moments-moments within {bands} and {moments}"
            raise GlassnetError("pieces", expected=expected, found=clipped(part), fix="Name places as 0-13:14-28")
        found.append((low, high, first, last))
    return found


def only(model: Model, asked: Question, pieces: list[Piece]) -> bytes:
    """A WAV of the same length in which all is silent but these pieces of the part that the net was shown."""
    import soundfile
    from scipy.signal import ShortTimeFFT, windows

    samples, rate = soundfile.read(io.BytesIO(sounds_like(model, asked.data)), dtype="float64")
    size = int(2 ** np.ceil(np.log2(rate * WINDOW_S)))
    transform = ShortTimeFFT(windows.hann(size, sym=False), size // 4, rate)
    spectrum = transform.stft(samples)  # (frequencies, moments)
    mask = _mask(model, asked, pieces, transform.f, transform.t(len(samples)))
    kept = transform.istft(spectrum * mask, k1=len(samples))
    file = io.BytesIO()
    soundfile.write(file, kept.clip(-1, 1), rate, "PCM_16", format="WAV")
    return file.getvalue()


def _mask(
    model: Model,
    asked: Question,
    pieces: list[Piece],
    hz: np.ndarray[tuple[int], np.dtype[np.float64]],
    seconds: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """(frequencies, moments) from 0, silent, to 1, as it was."""
    preparation = model.card.preparation
    rate, hop = int(preparation.settings["rate_hz"]), int(preparation.settings["hop"])
    begins = sounds.loudest_s(asked.data, preparation) if asked.one.windows is not None else 0.0
    edges = sounds.edges_hz(preparation)
    mask = np.zeros((len(hz), len(seconds)))
    for low, high, first, last in pieces:
        heard = (hz >= edges[high]) & (hz < edges[low])
        start, end = (begins + moment * hop / rate for moment in (first, last))
        fade = WINDOW_S * SOFT
        gain = np.minimum((seconds - start) / fade + 0.5, (end - seconds) / fade + 0.5).clip(0, 1)
        mask = np.maximum(mask, heard[:, None] * gain)
    return mask
