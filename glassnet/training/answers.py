"""What a net says of every example of a loader. Knows logits, not what they mean."""

from __future__ import annotations

from collections.abc import Generator

import torch
from torch import Tensor, nn

from glassnet.data.loader import Batches
from glassnet.nets.network import ask
from glassnet.steps import finish
from glassnet.training.cluster import APART, Cluster


def answers(
    net: nn.Module, loader: Batches, precision: str = "float32", cluster: Cluster = APART
) -> tuple[Tensor, Tensor]:
    """Logits (N, K) float32 and classes (N,) of every example of a loader, in order, on the CPU. net: evaluating.

    The processes of a cluster are each asked about a part of them.
    """
    sharing = cluster.among(loader.pieces)
    logits, y = finish(answering(net, shard(loader, sharing), precision))
    return sharing.gathered(logits), sharing.gathered(y)


def shard(loader: Batches, cluster: Cluster) -> Batches:
    """The examples of a loader that this process is asked about."""
    return loader if cluster.is_alone else loader.shard(cluster.world)


def answering(
    net: nn.Module, loader: Batches, precision: str = "float32"
) -> Generator[int, None, tuple[Tensor, Tensor]]:
    """The same, yielding how many it has answered. Keeps nothing a batch: that would lie in the next one's room."""
    assert not net.training, "batch norm must use what it learnt"
    done, logits, y = 0, torch.empty(0), torch.empty(len(loader.rows), dtype=torch.int64)
    for batch in loader.in_order():
        with torch.no_grad(), autocast(loader.device, precision):
            some = ask(net, batch)
        if not done:
            logits = torch.empty(len(y), some.shape[1])
        span = slice(done, done + len(some))
        logits[span], y[span] = some, batch.y
        done = span.stop
        yield done
    return logits, y


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Where bfloat16 is chosen, products are computed in it and sums and weights kept in float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")
