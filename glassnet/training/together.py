"""What makes several processes one training: gradients and figures summed over them, weights held against each other.

Each process computes its part of every batch; the sum over the parts is what one process computes of the whole, to
rounding. Knows no data.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from glassnet.data.loader import Batch
from glassnet.errors import GlassnetError
from glassnet.nets.network import Criterion, Network
from glassnet.training.checkpoints import Snapshot
from glassnet.training.cluster import Cluster
from glassnet.training.spread import Now, put_together, take_apart

APART_MOST = 1e-3  # of the largest weight, that processes may differ by after an epoch
BUCKET = 1 << 20  # values that are summed at a time, while backpropagation goes on to earlier layers


class Gradients:
    """Sums the gradients of parameters over all processes, in buckets, from the last layers to the first.

    A bucket is on its way while backpropagation goes on. All processes fill them in the same order.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], cluster: Cluster) -> None:
        self.cluster = cluster
        self._buckets = [_Bucket(some) for some in _in_buckets(parameters[::-1])]
        self._waits: list[Callable[[], None]] = []
        self._hooks: list[RemovableHandle] = []
        for bucket in self._buckets:
            for i, parameter in enumerate(bucket.parameters):
                hook = parameter.register_post_accumulate_grad_hook(self._hook(bucket, i))  # type: ignore[no-untyped-call]
                self._hooks.append(hook)

    def close(self) -> None:
        """Removes what was hung onto the parameters."""
        for hook in self._hooks:
            hook.remove()

    @property
    def nbytes(self) -> int:
        """What a process hands over in a step."""
        return sum(bucket.values.nbytes for bucket in self._buckets)

    def finish(self) -> None:
        """Waits for the sums and gives them to the parameters; those that no loss depends on keep no gradient."""
        self._send(all_of_them=True)
        for bucket, wait in zip(self._buckets, self._waits, strict=True):
            wait()
            bucket.give_back()
        self._waits = []

    def _hook(self, bucket: _Bucket, i: int) -> Callable[[Tensor], None]:
        def take(parameter: Tensor) -> None:
            bucket.take(i, parameter)
            self._send()

        return take

    def _send(self, all_of_them: bool = False) -> None:
        """Sends the buckets that are full, in order."""
        while len(self._waits) < len(self._buckets):
            bucket = self._buckets[len(self._waits)]
            if not (bucket.is_full or all_of_them):
                break
            self._waits.append(self.cluster.begin_adding(bucket.values))


class _Bucket:
    """The gradients of some parameters, one after the other in one tensor."""

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self.parameters = parameters
        sizes = [parameter.numel() for parameter in parameters]
        self.values = torch.zeros(sum(sizes), dtype=parameters[0].dtype, device=parameters[0].device)
        self._views = torch.split(self.values, sizes)
        self._taken: set[int] = set()

    @property
    def is_full(self) -> bool:
        return len(self._taken) == len(self.parameters)

    def take(self, i: int, parameter: Tensor) -> None:
        """Takes the gradient that a parameter has just got."""
        assert parameter.grad is not None, "it has just got one"
        self._views[i].view(parameter.shape).copy_(parameter.grad)
        self._taken.add(i)

    def give_back(self) -> None:
        for i in self._taken:
            grad = self.parameters[i].grad
            assert grad is not None, "it was taken"
            grad.copy_(self._views[i].view(grad.shape))
        self._taken.clear()
        self.values.zero_()


def _in_buckets(parameters: Sequence[nn.Parameter]) -> list[list[nn.Parameter]]:
    buckets: list[list[nn.Parameter]] = []
    size = BUCKET
    for parameter in parameters:
        if size + parameter.numel() > BUCKET or buckets[-1][0].dtype != parameter.dtype:
            buckets.append([])
            size = 0
        buckets[-1].append(parameter)
        size += parameter.numel()
    return buckets


class Together:
    """The steps of a training that the processes of a cluster take together; in a cluster of one each does nothing."""

    def __init__(self, net: Network, cluster: Cluster) -> None:
        self.net, self.cluster = net, cluster
        first = net.over_pictures()  # if any: the others see regions of the pictures
        self._pictures = Now() if cluster.is_alone or first is None else put_together(first, cluster)
        self._now = Now() if cluster.is_alone else put_together(net, cluster)
        self._gradients: Gradients | None = None

    def begin(self, moved: Sequence[nn.Parameter], is_shared: bool) -> None:
        """A phase begins that moves these. is_shared: whether its batches are parts; else all processes do the same."""
        self._release()
        if is_shared and not self.cluster.is_alone:
            self._gradients = Gradients(moved, self.cluster)

    def end(self) -> None:
        """The net is as it was, but for what it learnt."""
        self._release()
        if not self.cluster.is_alone:
            take_apart(self.net)

    def look_at(self, batch: Batch) -> None:
        """The step that comes is on this batch."""
        part = batch.part
        self._now.first, self._now.whole = (part.first, len(part.y)) if part else (0, 0)
        self._pictures.first, self._pictures.whole = part.pictures if part else (0, 0)

    def share(self, loss: Tensor, batch: Batch, criterion: Criterion) -> Tensor:
        """What the mean loss over this process's part adds to that over the whole step."""
        if batch.part is None:
            return loss
        if criterion.weight is None:
            return loss * (len(batch.y) / len(batch.part.y))
        weight = criterion.weight.double()
        return loss * float(weight[batch.y].sum() / weight[batch.part.y].sum())

    def add_up(self, loss: Tensor, value: float, right: int, batch: Batch) -> tuple[float, float, int]:
        """Sums gradients over the processes, and the step's figures: its loss, plain mean loss and right answers.

        Lets all know of a signal that came to one.
        """
        descended = float(loss.detach())
        if self.cluster.is_alone:
            return descended, value, right
        if self._gradients is None or batch.part is None:  # each did the whole step
            self.cluster.look_up()
            return descended, value, right
        self._gradients.finish()
        share = len(batch.rows) / batch.count
        figures = torch.tensor([descended, value * share, float(right), self.cluster.said()], dtype=torch.float64)
        descended, value, found, heard = self.cluster.add_up(figures).tolist()
        self.cluster.hear(heard)
        return descended, value, int(found)

    def first_of_unlike(
        self, tensors: Sequence[Tensor], snapshot: Callable[[], Snapshot], place: str
    ) -> Snapshot | None:
        """The first process's state, where any process's tensors differ from another's; else None.

        snapshot: gives this one's state. place: where the training stands, in words. Raises GlassnetError where the
        net's weights have gone apart.
        """
        cluster = self.cluster
        if cluster.is_alone or not cluster.differs(mark(tensors)):
            return None
        first = cluster.shared(snapshot())
        assert first is not None, "the first process has one"
        gap = farthest(self.net.state_dict(), first.tensors, "net.")
        apart = float(cluster.gathered(torch.tensor([gap])).max())
        if not apart < APART_MOST:
            raise cluster.fails(_gone_apart(place, apart))
        return first

    def _release(self) -> None:
        if self._gradients is not None:
            self._gradients.close()
            self._gradients = None


def mark(tensors: Sequence[Tensor]) -> int:
    """A whole number that changes when a bit of the tensors does, as good as always."""
    total = 0
    for i, tensor in enumerate(tensors, 1):
        bits = tensor.detach().to("cpu").contiguous().reshape(-1).view(torch.uint8)
        short = bits[: len(bits) // 4 * 4].view(torch.int32).to(torch.int64)
        places = torch.arange(1, len(short) + 1, dtype=torch.int64)
        total += i * int((short * (places % 8191 + 1)).sum()) + int(bits[len(short) * 4 :].to(torch.int64).sum())
    return total % (1 << 62)


def farthest(own: Mapping[str, Tensor], first: Mapping[str, Tensor], prefix: str) -> float:
    """How far tensors are from the first process's, at most, as a share of the largest value of each."""
    shares = [0.0]
    for name, mine in own.items():
        other = first[prefix + name].double()
        if mine.numel():
            gap = (mine.detach().cpu().double() - other).abs().max()
            shares.append(float(gap / other.abs().max().clamp(min=1e-12)))
    return math.inf if any(map(math.isnan, shares)) else max(shares)


def _gone_apart(place: str, gap: float) -> GlassnetError:
    found = f"the processes' weights differ by {gap:.1g} of the largest: a machine computes otherwise than the first"
    return GlassnetError(place, found=found, fix="Leave it out, or train in one process")
