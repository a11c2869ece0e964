"""A classifier as one module: raw examples in, shares of the classes and strangeness out."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from glassnet.data.dataset import Preparation
from glassnet.data.kinds import KINDS
from glassnet.doors.card import Card
from glassnet.doors.exporting.numbers import AsItIs, FitSeries, FitVolumes, FitWords
from glassnet.doors.exporting.pictures import FitPictures
from glassnet.doors.exporting.sounds import Spectrograms
from glassnet.doors.exporting.taken import takes_files
from glassnet.doors.model import Model
from glassnet.training.familiarity import Familiarity
from glassnet.training.seeing import views_of


class Classifier(nn.Module):
    """All that `glassnet predict` does with an example, after its file was decoded.

    Returns probabilities and logits (B, K) and, where the model can tell, strangeness (B,), over 1 for none of these.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        card = model.card
        self.prepare = preparing(card)
        self.net, self.both_ways = model.net, card.both_ways
        self.is_words, self.unlabelled = KINDS[card.kind].looked_up, card.unlabelled
        shape = card.preparation.shape
        axes = (1, -1, *[1] * (len(shape) - 1))
        rows = (1, *[-1] * (len(shape) - 1), shape[-1])  # a whole row each: what is as long as a pixel is slow
        for name, values in (("mean", card.normalisation.mean), ("std", card.normalisation.std)):
            scaled = torch.tensor(values, dtype=torch.float64) * card.full_scale
            self.register_buffer(name, scaled.float().reshape(axes).expand(rows).contiguous())
        self.familiar = Nearness(model.familiar) if model.familiar is not None else None

    def forward(self, raw: Tensor) -> tuple[Tensor, ...]:
        x = (self.prepare(raw) - self.get_buffer("mean")) / self.get_buffer("std")  # (B windows, C, *S)
        voted = self._voted(x)
        logits = self.net.votes(voted)
        if self.both_ways:
            logits = (logits + self.net.votes(self._voted(x.flip(-1)))) / 2
        windows = (raw.shape[0], -1)
        logits = logits.unflatten(0, windows).mean(1)
        shares = logits if self.unlabelled else logits.softmax(1)
        if self.familiar is None:
            return shares, logits
        strange = self.familiar(views_of(x, voted, self.is_words))
        return shares, logits, strange.unflatten(0, windows).amin(1)

    def _voted(self, x: Tensor) -> Tensor:
        """(B, F) the values that vote."""
        for layer in list(self.net.children())[:-1]:
            x = layer(x)
        return x


class Nearness(nn.Module):
    """How strange examples are, from their views: Familiarity.strangeness in steps that a graph can hold."""

    def __init__(self, familiar: Familiarity) -> None:
        super().__init__()
        self.names, self.limit = tuple(familiar.views), familiar.limit
        self.far = tuple(view.far for view in familiar.views.values())
        for name, view in familiar.views.items():
            for part, values in (("bank", view.bank), ("mean", view.mean), ("spread", view.spread)):
                self.register_buffer(f"{name}_{part}", values.float())

    def forward(self, seen: dict[str, Tensor]) -> Tensor:
        found = []
        for name, far in zip(self.names, self.far, strict=True):
            bank, mean, spread = (self.get_buffer(f"{name}_{part}") for part in ("bank", "mean", "spread"))
            scaled = (seen[name] - mean) / spread  # (B, D)
            squares = (scaled * scaled).sum(1, keepdim=True) + (bank * bank).sum(1) - 2 * scaled @ bank.T
            found.append(squares.clamp(min=0).amin(1).sqrt() / far)
        return torch.stack(found).amax(0) / self.limit


def preparing(card: Card) -> nn.Module:
    """What brings raw examples of a model's kind to the shape and the levels that it learnt from."""
    return PREPARING[card.kind](card.preparation) if takes_files(card) else AsItIs()


PREPARING: dict[str, Callable[[Preparation], nn.Module]] = {
    "pictures": FitPictures,
    "sounds": Spectrograms,
    "series": FitSeries,
    "volumes": FitVolumes,
    "sentences": FitWords,
}
