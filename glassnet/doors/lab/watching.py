"""What a page shows of a training that runs: curves, features, the held-out examples it gets wrong. Plain values."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from glassnet import files
from glassnet.data.dataset import SPLITS
from glassnet.data.kinds import KINDS
from glassnet.data.loader import Loader
from glassnet.doors.run import Prepared
from glassnet.explaining import images
from glassnet.nets.text import total
from glassnet.training.answers import answers
from glassnet.training.calibration import calibrated_loss
from glassnet.training.evaluate import softmax
from glassnet.training.progress import Epoch, Progress

POINTS = 300  # of the training's curve
MOMENTS = 60  # that a person can go back to, beside the beginning
KEPT = 200_000  # logits of held-out examples that are kept of each moment
FEATURES = 16  # that are drawn
LARGEST = 16  # places a side of a feature that is drawn
WRONG = 8  # examples that are named
SIDE = 96  # pixels of an example's picture
DAMAGED = 20  # files that are named
COMPARED = 64  # training examples that a nudge is measured on

Facts = dict[str, Any]


@dataclass
class Sums:
    """Loss and hits of an epoch so far, as the trainer counts them."""

    loss: float = 0.0
    right: float = 0.0
    seen: int = 0


class Watch:
    """Looks at a training between two steps. folder: where the logits of each moment are kept."""

    def __init__(self, event: Prepared, folder: Path) -> None:
        self.event, self.trainer, self.folder = event, event.trainer, folder
        self.dataset = event.dataset
        self.kind = KINDS[self.dataset.kind]
        rows = self.trainer.held.rows
        most = max(1, KEPT // len(self.dataset.classes))
        self.kept = np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int))  # places in `rows`
        self.rows = rows[self.kept]
        self.right = self.dataset.samples.y[self.rows]
        self._told: set[int] = set()
        self._point, self._last = Sums(), -1

    def prepared(self) -> Facts:
        """All that is known before the first step."""
        event, recipe, dataset = self.event, self.event.plan.recipe, self.dataset
        cost = total(event.rows)
        return {
            "type": "prepared",
            "kind": dataset.kind, "one": dataset.one, "many": dataset.counted(2).split()[-1],
            "classes": list(dataset.classes), "shape": list(dataset.shape), "data": dataset.describe(" × "),
            "counts": dict(zip(SPLITS, event.split.counts.sum(1).tolist(), strict=True)),
            "net": event.plan.net, "parameters": cost.parameters, "multiply_adds": cost.multiply_adds,
            "epochs": recipe.epochs, "steps": self.trainer.train.steps, "batch": recipe.batch,
            "learning_rate": recipe.learning_rate, "smoothing": recipe.smoothing, "seed": recipe.seed,
            "weight": list(recipe.class_weight or ()),
            "device": event.machine.device, "cores": event.machine.cores, "precision": recipe.precision,
            "notes": list(event.notes), "resumed": event.resumed, "epoch": event.epoch, "kept": len(self.rows),
            "damaged": [{"file": one.name, "reason": one.reason} for one in dataset.skipped[:DAMAGED]],
            "skipped": len(dataset.skipped),
            "features": self._features(),
        }  # fmt: skip

    def point(self, progress: Progress) -> Facts | None:
        """A point of the training's curve, if one is due: loss and accuracy since the one before."""
        step = (progress.epoch - 1) * progress.steps + progress.step
        every = max(1, progress.epochs * progress.steps // POINTS)
        if step // every == self._last and not progress.finished:
            return None
        at = self.trainer.at
        seen = self.trainer.train.examples if progress.finished else at.seen
        now = Sums(progress.loss * seen, progress.accuracy * seen, seen)
        count = now.seen - self._point.seen
        if count <= 0:  # the epoch began before the one that is watched
            self._point, count = Sums(), now.seen
        loss, right = (now.loss - self._point.loss) / count, (now.right - self._point.right) / count
        self._point, self._last = (Sums() if progress.finished else now), step // every
        return {"type": "point", "at": step / progress.steps, "loss": loss, "accuracy": right}

    def is_moment(self, epoch: int) -> bool:
        """Whether a person can go back to the end of this epoch."""
        epochs = self.event.plan.recipe.epochs
        every = -(-epochs // MOMENTS)
        return epoch % every == 0 or epoch == epochs

    def moment(self, epoch: Epoch | None = None, name: str = "") -> Iterator[Facts]:
        """The training as it stands: examples not yet shown, then the moment. epoch: the one just judged, if any.

        name: of the file with the logits, where it isn't the epoch's number.
        """
        at = self.trainer.at
        if epoch is None:
            precision = self.event.plan.recipe.precision
            logits, _ = answers(self.trainer.average, self.trainer.held, precision)
        else:
            logits = self.trainer.judged
        place = float(epoch.epoch) if epoch else at.epoch + at.step / self.trainer.train.steps
        self._keep(logits, name or f"{place:g}")
        y = torch.from_numpy(self.dataset.samples.y[self.trainer.held.rows])
        said = logits.argmax(1)
        wrong = np.flatnonzero((said != y)[self.kept].numpy())
        shares = softmax(logits[self.kept][wrong].double().numpy()) if len(wrong) else np.zeros((0, 1))
        order = wrong[np.argsort(-shares.max(1), kind="stable")][:WRONG] if len(wrong) else wrong
        yield from self._examples(order if len(order) else np.arange(1))
        yield {
            "type": "moment", "epoch": place, "file": name or f"{place:g}",
            "held_loss": epoch.held_loss if epoch else calibrated_loss(logits, y),
            "held_accuracy": float((said == y).float().mean()), "held": len(y), "wrong": int((said != y).sum()),
            "rows": [{"row": int(self.rows[i]), "said": int(said[self.kept[i]])} for i in order],
            "most": self._most(said, y),
            "features": self.features(),
            **({"loss": epoch.loss, "accuracy": epoch.accuracy, "speed": epoch.examples_per_second,
                "seconds": self.trainer.seconds} if epoch else {}),
        }  # fmt: skip

    def features(self) -> Facts | None:
        """The first layer's features as they are now. values: base64 of int8, shares of scale, one row a feature."""
        found = self._first
        if found is None:
            return None
        shown = _flat(found[1].weight.detach().float().cpu())[:FEATURES]
        scale = float(torch.quantile(shown.abs().flatten(), 0.99)) or 1.0
        values = (shown / scale * 100).round().clamp(-127, 127).to(torch.int8)
        return {"scale": scale, "values": base64.b64encode(values.numpy().tobytes()).decode()}

    def compared(self) -> tuple[Tensor, Tensor]:
        """Training examples that a nudge is measured on, x (64, C, *S) and y."""
        train = self.trainer.train
        places = np.unique(np.linspace(0, len(train.rows) - 1, min(COMPARED, len(train.rows))).astype(int))
        loader = Loader(self.dataset, train.rows[places], train.normalisation, COMPARED, train.device)
        batch = next(loader.in_order())
        return batch.x, batch.y

    def weight(self, feature: int, place: list[int]) -> tuple[str, tuple[int, ...]] | None:
        """The key and the index of the weight at a place of a drawn feature: of several channels, the strongest."""
        found = self._first
        if found is None:
            return None
        name, layer = found
        weight: Tensor = layer.weight.detach()  # (F, C, *S)
        middle = tuple(size // 2 for size in weight.shape[2:-2])  # of a volume's feature, its middle slice
        at = (*middle, *place[-min(2, weight.dim() - 2) :])
        if not 0 <= feature < len(weight) or any(not 0 <= i < n for i, n in zip(at, weight.shape[2:], strict=True)):
            return None
        channel = int(weight[feature].flatten(1)[:, int(np.ravel_multi_index(at, weight.shape[2:]))].abs().argmax())
        return f"{name}.weight", (feature, channel, *at)

    @cached_property
    def _first(self) -> tuple[str, nn.Conv2d] | None:
        """The name and the layer of the first features, if they can be drawn. The net that is judged and kept."""
        for name, module in self.trainer.average.named_modules():
            if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
                return (name, module) if max(module.kernel_size) <= LARGEST else None  # type: ignore[return-value]
        return None

    def _features(self) -> Facts | None:
        found = self._first
        if found is None:
            return None
        count, channels, *size = found[1].weight.shape
        shape = list(_flat(found[1].weight[:1].detach()).shape[1:])
        return {
            "name": found[0], "count": count, "shown": min(count, FEATURES),
            "channels": channels, "size": size, "shape": shape,
        }  # fmt: skip

    def _keep(self, logits: Tensor, name: str) -> None:
        part = self.folder / f".{name}.part.npy"
        try:
            np.save(part, logits[self.kept].numpy().astype(np.float16))
            part.replace(self.folder / f"{name}.npy")
        except OSError as error:
            raise files.cannot_write(self.folder, error) from error

    def _examples(self, places: NDArray[np.int64]) -> Iterator[Facts]:
        """Each example once. places: among the kept ones."""
        for i in places:
            row = int(self.rows[i])
            if row in self._told:
                continue
            self._told.add(row)
            sample = self.dataset.samples[row]
            shown: Facts = {"type": "example", "row": row, "place": int(i), "right": sample.y, "name": sample.name}
            if self.kind.looked_up:
                (words,) = self.kind.axes(self.dataset.preparation, sample.x)
                shown["words"] = " ".join(word for word in words.at if word)[:200]
            else:
                seen = self.kind.thumbnail(sample.x, self.dataset.preparation)
                shown["picture"] = images.picture(seen, bool(self.dataset.preparation.settings.get("ink")), SIDE)
                shown["small"] = images.is_small(seen.shape)
            yield shown

    def _most(self, said: Tensor, y: Tensor) -> list[int] | None:
        """The most frequent mistake: right class, class that was said, how often."""
        wrong = said != y
        if not bool(wrong.any()):
            return None
        pairs, counts = torch.unique(torch.stack([y[wrong], said[wrong]]), dim=1, return_counts=True)
        i = int(counts.argmax())
        return [int(pairs[0, i]), int(pairs[1, i]), int(counts[i])]


def _flat(weight: Tensor) -> Tensor:
    """Features as small pictures (F, rows, columns): the mean over channels, of a volume the middle slice."""
    mean = weight.mean(1)  # (F, *S)
    if mean.dim() == 4:
        mean = mean[:, mean.shape[1] // 2]
    return mean if mean.dim() == 3 else mean[:, None]  # (F, rows, columns)
