"""The whole state of a training between two steps: as a snapshot to go on from bit for bit, and back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor
from torch.optim import Optimizer

from glassnet.training.checkpoints import Facts, Snapshot
from glassnet.training.progress import Epoch, Position


@dataclass(frozen=True)
class Story:
    """What a training came to so far, but for its tensors. learnt: what the phases before this one came to.

    by_hand: what a person did to it while it ran.
    """

    at: Position
    history: list[Epoch]
    best_epoch: int
    by_hand: list[str]
    learnt: dict[str, list[Epoch]]

    @classmethod
    def of(cls, facts: Facts) -> Story:
        """The story in a snapshot's facts. Older ones have no by_hand and no learnt."""
        at, history, told, earlier = facts["at"], facts["history"], facts.get("by_hand", []), facts.get("learnt", {})
        assert isinstance(at, dict) and isinstance(history, list), "written by taken"
        assert isinstance(told, list) and isinstance(earlier, dict), "written by taken"
        return cls(
            Position(**at),
            [Epoch(**epoch) for epoch in history],
            int(str(facts["best_epoch"])),
            [str(one) for one in told],
            {name: [Epoch(**epoch) for epoch in epochs] for name, epochs in earlier.items()},
        )


def taken(nets: Mapping[str, Mapping[str, Tensor]], optimizers: Sequence[Optimizer], story: Story) -> Snapshot:
    """The snapshot of a training. nets: tensors by name, of each part by name."""
    tensors = {f"{part}.{name}": tensor for part, net in nets.items() for name, tensor in net.items()}
    for k, optimizer in enumerate(optimizers):
        for i, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer{k}.{i}.{name}": tensor for name, tensor in state.items()}
    kept = {name: t.detach().to("cpu", copy=True, memory_format=torch.contiguous_format) for name, t in tensors.items()}
    return Snapshot(kept, asdict(story))


def parts_of(snapshot: Snapshot) -> Mapping[str, dict[str, Tensor]]:
    """The tensors of a snapshot by part: each net's, and those of optimizer0, optimizer1, ..."""
    parts: defaultdict[str, dict[str, Tensor]] = defaultdict(dict)
    for name, tensor in snapshot.tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = tensor
    return parts
