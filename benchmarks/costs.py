"""What a training costs as machines and data grow, as plain formulas: see docs/scale.md.

Compute from multiply-adds and a share of the peak, sums of gradients by the model of a ring, reading from bytes.
"""

import math
from dataclasses import dataclass

PASSES = 3  # forward, and twice that backward: for the inputs and for the weights
BACKWARD = 2 / 3  # of a step's compute, during which gradients of later layers are summed already
JUDGED = 0.1  # of the examples, once an epoch, forward alone
SPLITS = 0.8  # of the examples train
MOST_BATCH = 8192  # examples a step up to which Goyal et al. 2017 lose nothing on ImageNet
OWN_BYTES = 25  # of memory for each example in every process, while the split is drawn; see docs/scale.md
CHECKPOINT_COPIES = 5  # weights, their average, the best, and what two moments of an optimizer take


@dataclass(frozen=True)
class Work:
    """A net on examples of one size. multiply_adds: of one example forward. exchanges: of a step, beside gradients:
    two for each batch norm and one for the figures. example_bytes: as they lie in the cache.
    """

    name: str
    parameters: int
    multiply_adds: int
    exchanges: int
    example_bytes: int
    batch: int = 256  # of a GPU
    gradient_bytes: int = 4


@dataclass(frozen=True)
class Machine:
    """GPUs in hosts. peak: FLOP/s of one. share: of it that a step reaches. inside, between: bytes/s that a GPU sends
    to its neighbour in a ring, in a host and to the next. latency_*: seconds of one message. disk: bytes/s of a host.
    waits: the share of a step of several GPUs in which one waits for the slowest. source: where these are from.
    """

    name: str
    peak: float
    share: float
    inside: float
    between: float
    latency_inside_s: float
    latency_between_s: float
    gpus: int
    disk: float
    waits: float = 0.0
    source: str = ""


@dataclass(frozen=True)
class Step:
    """One step of all GPUs. batch: examples in it. sum_s: of the gradients, of which exposed_s nothing else covers."""

    gpus: int
    batch: int
    compute_s: float
    sum_s: float
    exposed_s: float
    exchanges_s: float
    read_s: float
    waits_s: float = 0.0

    @property
    def working_s(self) -> float:
        """Of all but reading."""
        return self.compute_s + self.waits_s + self.exposed_s + self.exchanges_s

    @property
    def seconds(self) -> float:
        """Reading goes on beside the rest; the slower of them counts."""
        return max(self.working_s, self.read_s)

    @property
    def rate(self) -> float:
        """Examples a second."""
        return self.batch / self.seconds

    @property
    def limit(self) -> str:
        """What takes longest beside compute."""
        waits = {"gradients": self.exposed_s, "exchanges": self.exchanges_s, "waiting": self.waits_s}
        if self.read_s >= self.working_s:
            return "reading"
        name = max(waits, key=lambda one: waits[one])
        return name if waits[name] > 0.05 * self.compute_s else "compute"


def compute_s(work: Work, examples: float, machine: Machine) -> float:
    """Seconds of one GPU for so many examples, forward and backward."""
    return PASSES * 2 * work.multiply_adds * examples / (machine.peak * machine.share)


def ring_s(size: float, members: int, latency_s: float, bandwidth: float) -> float:
    """Seconds to sum `size` bytes over a ring: 2(n-1) messages of size/n each. Patarasuk and Yuan 2009."""
    return 2 * (members - 1) * (latency_s + size / members / bandwidth) if members > 1 else 0.0


def sum_s(size: float, gpus: int, machine: Machine) -> float:
    """Seconds to sum `size` bytes over GPUs: a ring in each host, and rings between hosts, a part of the bytes each."""
    near = min(gpus, machine.gpus)
    inside = ring_s(size, near, machine.latency_inside_s, machine.inside)
    return inside + ring_s(size / near, -(-gpus // near), machine.latency_between_s, machine.between)


def exchange_s(gpus: int, machine: Machine) -> float:
    """Seconds of a sum of few bytes: up a tree of all and down again."""
    near = min(gpus, machine.gpus)
    inside, between = math.ceil(math.log2(near)), math.ceil(math.log2(-(-gpus // near)))
    return 2 * (inside * machine.latency_inside_s + between * machine.latency_between_s)


def batch_of(work: Work, gpus: int, most: int = MOST_BATCH) -> int:
    """Examples of a step: what each GPU likes best, and all together no more than learns well."""
    return max(gpus, min(work.batch * gpus, most))


def step(work: Work, gpus: int, machine: Machine, batch: int | None = None) -> Step:
    """What one step costs. batch: its examples, chosen unless given."""
    batch = batch or batch_of(work, gpus)
    compute = compute_s(work, batch / gpus, machine)
    whole = sum_s(work.parameters * work.gradient_bytes, gpus, machine)
    near = min(gpus, machine.gpus)
    return Step(
        gpus,
        batch,
        compute,
        whole,
        max(0.0, whole - BACKWARD * compute),
        work.exchanges * exchange_s(gpus, machine) if gpus > 1 else 0.0,
        batch / gpus * near * work.example_bytes / machine.disk,
        compute * machine.waits / (1 - machine.waits) if gpus > 1 else 0.0,
    )


def efficiency(work: Work, gpus: int, machine: Machine) -> float:
    """Throughput of so many GPUs, of as many times that of one."""
    return step(work, gpus, machine).rate / (gpus * step(work, 1, machine).rate)


def epoch_s(work: Work, gpus: int, machine: Machine, pictures: int) -> float:
    """Seconds of an epoch over the training share of so many pictures, with its judging."""
    one = step(work, gpus, machine)
    steps = math.ceil(SPLITS * pictures / one.batch)
    judged = max(
        compute_s(work, JUDGED * pictures / gpus, machine) / PASSES,
        JUDGED * pictures * work.example_bytes / machine.disk / -(-gpus // machine.gpus),
    )
    return steps * one.seconds + judged


def cache_bytes(work: Work, pictures: int) -> int:
    """Of disk, on every host."""
    return work.example_bytes * pictures


def checkpoint_bytes(work: Work) -> int:
    """Of a checkpoint, which the first process writes."""
    return CHECKPOINT_COPIES * 4 * work.parameters


def resnet(name: str, side: int, batch: int) -> Work:
    """A residual net on colour pictures, counted by its text."""
    from glassnet.nets import text, zoo

    spec = zoo.find(name)
    rows = text.measure(spec, (3, side, side), 1000)
    whole = text.total(rows)
    return Work(
        f"{name} at {side}", whole.parameters, whole.multiply_adds, 2 * norms_in(name) + 1, 3 * side * side, batch
    )


def norms_in(name: str) -> int:
    """Batch norms inside the blocks of a net, counted in the built one."""
    from torch import nn

    from glassnet.nets import zoo
    from glassnet.nets.convnet import ConvNet

    net = ConvNet(zoo.find(name), (3, 64, 64), 10)
    return sum(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in net.modules())
