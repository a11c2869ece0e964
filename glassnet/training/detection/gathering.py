"""What the processes of a cluster each saw on their share of some pictures, brought together. Knows no net."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from glassnet.data.boxes.geometry import Boxes
from glassnet.training.cluster import Cluster
from glassnet.training.detection.detecting import Seen


def brought_together(mine: Sequence[Seen], proposals: Sequence[Boxes], cluster: Cluster) -> list[Seen]:
    """What was seen on all pictures, in order, in every process.

    mine: on every picture whose place, divided by the number of processes, leaves this one's rank. proposals: of all.
    """
    if cluster.is_alone:
        return list(mine)
    size = cluster.world.size
    counts = torch.tensor([[len(one.labels), len(one.kept)] for one in mine], dtype=torch.int64).reshape(-1, 2)
    rows = torch.cat([torch.zeros(0, 12, dtype=torch.float64), *map(_rows, mine)])
    kept = torch.cat([torch.zeros(0, dtype=torch.int64), *(torch.from_numpy(one.kept) for one in mine)])
    boxes, stay = cluster.gathered(counts).T.tolist()
    every = zip(
        torch.split(cluster.gathered(rows), boxes), torch.split(cluster.gathered(kept), stay), strict=True
    )  # of the first process's pictures, then of the second's
    places = np.concatenate([np.arange(rank, len(proposals), size) for rank in range(size)])
    found = {int(i): _seen(proposals[i], *parts) for i, parts in zip(places, every, strict=True)}
    return [found[i] for i in range(len(proposals))]


def _rows(one: Seen) -> Tensor:
    """(m, 12) of each box what is known of it; float64 holds whole numbers up to 2^53 exactly."""
    wide = (one.before, one.boxes)
    narrow = (one.region, one.labels, one.scores, one.stands)
    return torch.from_numpy(np.concatenate([*wide, *(column[:, None] for column in narrow)], 1, dtype=np.float64))


def _seen(proposals: Boxes, rows: Tensor, kept: Tensor) -> Seen:
    table = rows.numpy()
    whole = table.astype(np.int64)
    return Seen(
        proposals, whole[:, 8], table[:, :4], table[:, 4:8], whole[:, 9], table[:, 10], whole[:, 11], kept.numpy()
    )  # fmt: skip
