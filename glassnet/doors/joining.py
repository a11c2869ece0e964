"""How a process that torchrun started joins the others, and how all of them end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch

from glassnet.config import Training
from glassnet.errors import Elsewhere, GlassnetError
from glassnet.training.cluster import Cluster
from glassnet.words import counted
from glassnet.world import World, world


@contextmanager
def joined(settings: Training) -> Iterator[tuple[Cluster, Training]]:
    """The cluster of this process, and the settings with a device of its own. All end together.

    The first one may go on by itself for as long as it takes. Raises GlassnetError, in all.
    """
    place = world()
    torch.set_num_threads(place.cores())  # torchrun says 1, as it knows nothing of what runs
    has_gpu = settings.device.split(":")[0] in ("auto", "cuda") and torch.cuda.is_available()
    cluster = Cluster(place)
    cluster.join(has_gpu)
    try:
        settings = cluster.together(lambda: _own_device(settings, place, has_gpu))
        yield cluster, settings
    except Elsewhere:
        cluster.linger()
        raise
    except BaseException:
        cluster.leave_behind()
        raise
    cluster.leave()


def _own_device(settings: Training, place: World, has_gpu: bool) -> Training:
    """Settings with which each process of a machine has a GPU of its own, or all compute on its CPU."""
    kind, _, number = settings.device.partition(":")
    fix = "Leave it out: each process takes its own, or the CPU"
    if kind == "mps" or number:
        found = f"{settings.device} for {counted(place.local_size, 'process', 'processes')}"
        raise GlassnetError("--device", expected="a device for each process", found=found, fix=fix)
    if not has_gpu:
        is_apple = kind == "auto" and torch.backends.mps.is_available()
        return replace(settings, device="cpu") if is_apple else settings
    there = torch.cuda.device_count()
    if place.local_size > there:
        found = f"{counted(place.local_size, 'process', 'processes')} on a machine with {counted(there, 'GPU')}"
        fix = f"torchrun --nproc-per-node {there}, or --device cpu"
        raise GlassnetError("torchrun", expected="a GPU for each process", found=found, fix=fix)
    torch.cuda.set_device(place.local_rank)
    return settings
