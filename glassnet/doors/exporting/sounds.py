"""Sounds of any length to the loudness of each band at each moment, as a module: data/sounds.py once more."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from glassnet.data.dataset import Preparation
from glassnet.data.sounds import RANGE_DB, WINDOW_S, mel_filters
from glassnet.doors.exporting.sizes import larger

FAINTEST = 1e-30  # power that counts as silence


class Spectrograms(nn.Module):
    """(B, n) float32 samples at the model's rate to (B * windows, 1, bands, moments) bytes.

    A sound that is longer than an example gives windows, half overlapping, as `predict` looks at it.
    """

    def __init__(self, preparation: Preparation) -> None:
        super().__init__()
        _, self.bands, self.moments = preparation.shape
        rate, self.hop = int(preparation.settings["rate_hz"]), int(preparation.settings["hop"])
        self.length = round(rate * WINDOW_S)
        size = 1 << math.ceil(math.log2(2 * self.length))
        at = np.arange(self.length)
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * at / self.length)
        turn = 2 * np.pi * np.outer(np.arange(size // 2 + 1), at) / size
        waves = np.concatenate([np.cos(turn) * hann, np.sin(turn) * hann])
        self.register_buffer("waves", torch.from_numpy(waves).float()[:, None])  # (2 (size / 2 + 1), 1, length)
        self.register_buffer("filters", torch.from_numpy(mel_filters(rate, size, self.bands)).float())

    def forward(self, x: Tensor) -> Tensor:
        whole = self.loudness(x)  # (B, bands, all moments)
        whole = functional.pad(whole, (0, self.moments))  # silence where a sound is over
        every = whole.shape[2] - self.moments
        over = larger(every - self.moments, 0)
        count = (2 * over + self.moments - 1) // self.moments + 1
        first = torch.arange(count, dtype=torch.float64) * (over / larger(count - 1, 1))
        places = first.round().long()[:, None] + torch.arange(self.moments)  # (windows, moments)
        parts = whole[:, :, places]  # (B, bands, windows, moments)
        return parts.transpose(1, 2).flatten(0, 1)[:, None]

    def loudness(self, x: Tensor) -> Tensor:
        """(B, bands, all moments) bytes, 255 at a sound's loudest, RANGE_DB below that 0; the highest band first."""
        beside = self.length // 2
        padded = functional.pad(x[:, None], (beside, self.length + self.hop))
        parts = functional.conv1d(padded, self.get_buffer("waves"), stride=self.hop)
        moments = (x.shape[1] + self.hop - 1) // self.hop
        real, imaginary = parts[:, :, :moments].chunk(2, 1)
        power = self.get_buffer("filters") @ (real * real + imaginary * imaginary)  # (B, bands, moments)
        decibels = 10 * power.clamp(min=FAINTEST).log10()
        loudest = decibels.amax((1, 2), keepdim=True)
        is_silent = power.amax((1, 2), keepdim=True) <= FAINTEST
        share = torch.where(is_silent, 0.0, (1 + (decibels - loudest) / RANGE_DB).clamp(0, 1))
        return (255 * share).round().flip(1)
