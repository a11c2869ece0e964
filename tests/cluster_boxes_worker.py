"""What two processes work out together with boxes, as torchrun starts them; test_cluster_boxes.py holds it against one.

    torchrun --nproc-per-node 2 tests/cluster_boxes_worker.py FOLDER PORT...

In FOLDER lie shapes, and trainings that one process left. PORT: free ones, one for each time that they meet.
"""

import copy
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from cluster_worker import one_step
from test_cluster_boxes import CROPS, NETS, PLAIN, TRAININGS, VARIED, made_up

from glassnet.config import Detecting, Training
from glassnet.data.boxes.finding import find_boxes
from glassnet.data.boxes.proposals import proposing
from glassnet.doors import cli
from glassnet.doors.detection.basis import basis_steps
from glassnet.doors.detection.events import Step
from glassnet.doors.detection.run import run
from glassnet.doors.run import Stop
from glassnet.errors import Elsewhere, Interrupted
from glassnet.nets import text
from glassnet.nets.network import Criterion
from glassnet.nets.rcnn.cropped import Cropped
from glassnet.nets.rcnn.detector import Detector
from glassnet.nets.rcnn.text import parse_regions
from glassnet.steps import finish
from glassnet.training import cluster as clusters
from glassnet.training.cluster import APART, Cluster
from glassnet.training.detection.feeding import Feed
from glassnet.training.together import Together
from glassnet.world import world


def feed(ground, engine, place):
    crops = CROPS if engine == "rcnn" else None
    pictures = np.arange(len(ground.scenes))
    return Feed(ground, pictures, PLAIN, 5, 8, torch.device("cpu"), crops, VARIED, True, 3, place)


def built(engine):
    """A net in float64, the same in every process."""
    if engine == "fast":
        net = Detector(parse_regions(NETS[engine]), (3, 40, 50), 2, 3).double()
    else:
        net = Cropped(text.parse(NETS[engine]), CROPS, 2, 3).double()
    with torch.no_grad():
        net.corrections.weight.mul_(50)  # or it hardly matters where an object lies
    return net.train()


def doubled(batch):
    regions = batch.regions and replace(
        batch.regions, boxes=batch.regions.boxes.double(), truth=batch.regions.truth.double()
    )
    return replace(batch, x=batch.x.double(), regions=regions)


def state(net):
    grads = {f"grad.{name}": p.grad for name, p in net.named_parameters() if p.grad is not None}
    return {name: tensor.detach().clone() for name, tensor in {**net.state_dict(), **grads}.items()}


def steps(cluster):
    """Of each engine and ground: what one process gives of a whole step, and what the cluster gives of its parts."""
    found = {}
    for engine in NETS:
        for objects in (5, 1):
            ground, net = made_up(objects), built(engine)
            other = copy.deepcopy(net)
            whole, mine = (next(feed(ground, engine, place).shuffled(1)) for place in (APART.world, cluster.world))
            alone = one_step(net, doubled(whole), Criterion()), state(net)
            together = Together(other, cluster)
            together.begin([one for one in other.parameters() if one.requires_grad], True)
            figures = one_step(other, doubled(mine), Criterion(), together)
            together.end()
            plain = {type(module) for module in other.modules()} == {type(module) for module in net.modules()}
            on = cluster.gathered(torch.tensor([int((mine.y < 2).sum())])).tolist()
            found[engine, objects] = {
                "alone": alone, "together": (figures, state(other)), "plain": plain, "on objects": on
            }  # fmt: skip
    return found


def batches(cluster, engine):
    """Each step's pictures, boxes and classes as the processes get them, one after the other; and as one does."""
    ground = made_up(7)
    parts, whole = [], []
    for place, kept in ((cluster.world, parts), (APART.world, whole)):
        for batch in feed(ground, engine, place).shuffled(2):
            boxes = batch.regions.boxes if batch.regions else torch.zeros(0, 4)
            tensors = batch.x.contiguous(), batch.y, boxes
            kept.append(tensors if place.is_alone else tuple(cluster.gathered(one) for one in tensors))
    held = feed(ground, engine, APART.world)
    shares = [torch.cat([batch.y for batch in held.shard(cluster.world).in_order()])]
    return {
        "parts": parts, "whole": whole, "held": [cluster.gathered(shares[0]), torch.cat([b.y for b in held.in_order()])]
    }  # fmt: skip


def searched(cluster, folder):
    """How many pictures each process searched for regions, and whether both have the same regions of all."""
    count = []

    def search(_, data, size):
        count.append(size)
        return np.array([[len(data) % 7, 0, 30, 30], [1, 2, 20, 40]], float)

    proposing.PROPOSERS["selective"] = search
    basis = finish(basis_steps(finish(find_boxes(folder).steps()), 96, "selective", 50, False, 0, cluster))
    same = cluster.gathered(torch.from_numpy(np.concatenate(basis.found))).chunk(2)
    return {"counts": cluster.gathered(torch.tensor([len(count)])).tolist(), "same": torch.equal(*same)}


def signalled(cluster, folder):
    """What each process ends with where a signal comes to the second while pictures are read."""
    cluster.caught = lambda: 15 * cluster.world.rank
    try:
        finish(basis_steps(finish(find_boxes(folder).steps()), 96, "grid", 50, False, 0, cluster))
    except (Interrupted, Elsewhere) as end:
        return cluster.gathered(torch.tensor([end.exit_code])).tolist()
    finally:
        cluster.caught = lambda: 0


def left_in_the_fit(cluster, shapes, out):
    """Leaves a training while SVMs are fitted. Returns what each process ends with."""
    settings, detecting = TRAININGS["plain"]
    found = finish(find_boxes(shapes).steps())
    events = run(found, settings, detecting, out if cluster.world.is_first else None, str(shapes), cluster=cluster)
    try:
        for event in events:
            if isinstance(event, Step) and event.stage == "fitting" and event.done == 18:
                events.throw(Stop(15))
    except (Interrupted, Elsewhere) as end:
        return cluster.gathered(torch.tensor([end.exit_code])).tolist()


def meet(port):
    """They meet anew, at a place where nothing is left of before."""
    os.environ |= {"MASTER_PORT": port, "TORCHELASTIC_USE_AGENT_STORE": "False"}


def main():
    clusters.LINGERING_S = 0.0
    folder, ports = Path(sys.argv[1]), iter(sys.argv[2:])
    shapes, codes = str(folder / "shapes"), {}
    for name, words in (
        ("fast", words_of("fast", shapes, folder)),
        ("rcnn", words_of("rcnn", shapes, folder)),
        ("left fast", ["train", str(folder / "left-fast"), "--resume"]),
        ("left plain", ["train", str(folder / "left-plain"), "--resume"]),
        ("too many", ["train", shapes, "--batch", "1", "--out", str(folder / "never")]),
        ("damaged", ["train", str(folder / "damaged"), "--out", str(folder / "never")]),
    ):
        meet(next(ports))
        codes[name] = cli.run(words)
        if dist.is_initialized():  # it failed: a process would end now
            dist.destroy_process_group()
    meet(next(ports))
    cluster = Cluster(world())
    cluster.join(False)
    found = {
        "codes": codes,
        "steps": steps(cluster),
        "batches": {engine: batches(cluster, engine) for engine in NETS},
        "searched": searched(cluster, shapes),
        "signalled": signalled(cluster, shapes),
        "left": left_in_the_fit(cluster, shapes, folder / "left-by-two"),
    }
    if cluster.world.is_first:
        torch.save(found, folder / "found.pt")
    cluster.leave()
    sys.stdout.flush()
    os._exit(0)  # as the command line ends


def words_of(name, shapes, folder):
    """What a person types for one of the trainings."""
    words = ["train", shapes, "--out", str(folder / f"two-{name}")]
    for record, plain in zip(TRAININGS[name], (Training(), Detecting()), strict=True):
        for key, value in vars(record).items():
            if value != vars(plain)[key]:
                words += [f"--{key.replace('_', '-')}", str(value)]
    return words


if __name__ == "__main__":
    main()
