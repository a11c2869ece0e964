"""One weight of a running training moved by hand: its measured error curve, its slope, and what moving it does."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from glassnet.doors.lab.watching import Watch
from glassnet.errors import GlassnetError
from glassnet.explaining.nudge import nudge

VALUES = 21  # that the error is measured at
Facts = dict[str, Any]


class Hand:
    """Moves weights of the net that is judged, and of the one that learns by as much."""

    def __init__(self, watch: Watch) -> None:
        self.watch, self.trainer = watch, watch.trainer
        self._moved: set[tuple[str, tuple[int, ...]]] = set()

    def measure(self, order: Facts) -> Facts:
        """The error curve of the weight at a place of a drawn feature. Raises GlassnetError where there is none."""
        found = self.watch.weight(order["feature"], order["place"])
        if found is None:
            fix = "Choose a pixel of a feature"
            raise GlassnetError("place", expected="a weight of the first layer", found=str(order["place"]), fix=fix)
        key, index = found
        weight = self._weight(self.trainer.average, key).detach()
        value, spread = float(weight[index]), float(weight.std()) or 1.0
        reach = max(1.0, 4 * spread, 1.5 * abs(value))
        values = torch.linspace(-reach, reach, VALUES).tolist()
        x, y = self.watch.compared()
        told = nudge(self.trainer.average, x, y, key, index, values)
        return {
            "key": key, "index": list(index), "value": value, "values": values, "errors": told.errors.tolist(),
            "error": told.error, "slope": told.slope, "examples": len(y),
        }  # fmt: skip

    def set(self, order: Facts) -> Facts:
        """Gives a weight another value."""
        key, index, value = order["key"], tuple(order["index"]), float(order["value"])
        found, learning = self._weight(self.trainer.average, key), self._weight(self.trainer.net, key)
        if len(index) != found.dim() or any(not 0 <= i < n for i, n in zip(index, found.shape, strict=True)):
            raise GlassnetError(key, expected="a place in it", found=str(list(index)), fix="Choose one inside")
        if not math.isfinite(value):
            raise GlassnetError(key, expected="a number", found=str(value), fix="Choose another")
        before = float(found.detach()[index])
        with torch.no_grad():
            found[index] += value - before
            learning[index] += value - before
        self._moved.add((key, index))
        told = [one for one in self.trainer.by_hand if "moved by hand" not in one]
        count = len(self._moved)
        self.trainer.by_hand[:] = [*told, f"{count} weight{'s' * (count > 1)} moved by hand"]
        at = self.trainer.at
        place = at.epoch + at.step / self.trainer.train.steps
        nudged = {"type": "nudged", "epoch": place, "key": key, "index": list(index), "from": before, "to": value}
        return {"value": float(found.detach()[index]), "nudged": nudged}

    @staticmethod
    def _weight(net: nn.Module, key: str) -> Tensor:
        weight = dict(net.named_parameters()).get(key)
        if weight is None:
            raise GlassnetError("key", expected="a weight of the net", found=key, fix="Choose a pixel of a feature")
        return weight
