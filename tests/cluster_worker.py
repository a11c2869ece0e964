"""What two processes work out together, as torchrun starts them; test_cluster.py holds it against one process.

    torchrun --nproc-per-node 2 tests/cluster_worker.py FOLDER PORT

In FOLDER lies a training that one process left; the two first finish it, by the command line. Their first then leaves
found.pt there. PORT: a free one.
"""

import copy
import os
import sys
from pathlib import Path

import numpy as np
import torch

from glassnet.config import Reading, Training
from glassnet.data import kinds
from glassnet.data.dataset import Normalisation
from glassnet.data.kind import Augmentation
from glassnet.data.loader import Batch, Loader, Part
from glassnet.doors import choosing, starting
from glassnet.doors.cli import run
from glassnet.errors import Elsewhere, GlassnetError
from glassnet.nets import text
from glassnet.nets.convnet import ConvNet
from glassnet.nets.network import Criterion
from glassnet.training.cluster import Cluster
from glassnet.training.together import Together, mark
from glassnet.training.trainer import Trainer
from glassnet.world import world

NETS = {
    "pictures": ("conv 6 3, batchnorm, relu, dropout 0.3, residual 6, pool 2, fc 8, batchnorm, relu, fc", (2, 6, 6)),
    "series": ("conv 6 3, batchnorm, relu, dropout 0.3, pool 2, fc", (3, 12)),
    "volumes": ("conv 4 3, batchnorm, relu, dropout 0.3, fc", (1, 4, 5, 6)),
}
COUNT, CLASSES = 11, 3  # an odd number: the parts differ
HOW = Augmentation(True, False, 1, 1, 8, 0.1)


def example(name):
    """A net and a batch in float64, the same in every process."""
    net, shape = NETS[name]
    made = ConvNet(text.parse(net), shape, CLASSES, 3).double()
    for module in made.modules():  # or the residual block passes nothing on
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5, generator=torch.Generator().manual_seed(1))
    random = torch.Generator().manual_seed(2)
    x = torch.randn((COUNT, *shape), generator=random, dtype=torch.float64)
    x = x.contiguous(
        memory_format={4: torch.channels_last, 5: torch.channels_last_3d}.get(x.dim(), torch.preserve_format)
    )
    y = torch.randint(CLASSES, (COUNT,), generator=random)
    return made.train(), x, y, Criterion(0.1, torch.tensor([0.5, 1.0, 3.0]))


def one_step(net, batch, criterion, together=None):
    """Loss and right answers; gradients and running statistics stay in the net."""
    torch.manual_seed(7)
    if together:
        together.look_at(batch)
    loss, said = net.phases()[0].loss(batch, criterion)
    if together:
        loss = together.share(loss, batch, criterion)
    loss.backward()
    value = float(torch.nn.functional.cross_entropy(said.detach(), batch.y))
    right = int((said.argmax(1) == batch.y).sum())
    return together.add_up(loss, value, right, batch) if together else (float(loss.detach()), value, right)


def state(net):
    grads = {f"grad.{name}": p.grad for name, p in net.named_parameters()}
    return {name: tensor.detach().clone() for name, tensor in {**net.state_dict(), **grads}.items()}


def steps(cluster):
    """Of each net: what one process gives of a whole batch, and what the cluster gives of its parts."""
    found = {}
    for name in NETS:
        net, x, y, criterion = example(name)
        other = copy.deepcopy(net)
        rows = np.arange(COUNT)
        alone = one_step(net, Batch(x, y, rows), criterion), state(net)
        part = cluster.world.part(COUNT)
        together = Together(other, cluster)
        together.begin(list(other.parameters()), True)
        mine = Batch(x[part], y[part], rows[part], part=Part(part.start, y))
        figures = one_step(other, mine, criterion, together)
        together.end()
        plain = {type(module) for module in other.modules()} == {type(module) for module in net.modules()}
        found[name] = {"alone": alone, "together": (figures, state(other)), "plain": plain}
    return found


def batches(cluster):
    """Each step's examples as the processes get them, one after the other; and as one process does."""
    dataset = kinds.read("digits")
    apart, whole = (
        Loader(dataset, np.arange(150), Normalisation((0.0,), (1.0,)), 32, torch.device("cpu"), HOW, 5, 0, place)
        for place in (cluster.world, Cluster().world)
    )
    parts = [cluster.gathered(batch.x) for batch in apart.shuffled(1)]
    read = sum(len(batch.rows) for batch in apart.shuffled(1))
    return {"parts": parts, "whole": [batch.x for batch in whole.shuffled(1)], "read": read}


def failures(cluster):
    """What each process raises where only the second fails: class names, in order."""

    def fail():
        if cluster.world.rank == 1:
            raise GlassnetError("here", found="a fault", fix="Mend it")

    try:
        cluster.together(fail)
        name = 0
    except Elsewhere as error:
        name = error.exit_code
    except GlassnetError:
        name = -1
    return cluster.gathered(torch.tensor([name])).tolist()


def drifts(cluster):
    """Of a training in which the second process's weights begin as so many times the first's: how it ends.

    Whether all came to the first one's weights; or the exit status of each and what the first says.
    """
    dataset = kinds.read("digits")
    settings = Training(net="conv 4 3, relu, pool 2, fc", epochs=1, batch=128, threads=1, precision="float32")
    plan, sides, _ = choosing.make(dataset, "digits", Reading(), settings)
    found = {}
    for name, factor in (("rounding", 1 + 1e-6), ("fault", 1.1)):
        train, held, _ = starting.loaders(plan, dataset, sides, torch.device("cpu"), cluster.world)
        trainer = Trainer(starting.build(plan, dataset), train, held, plan.recipe, cluster=cluster)
        if cluster.world.rank == 1:
            with torch.no_grad():
                for weight in trainer.net.parameters():
                    weight *= factor
        apart = cluster.differs(mark(list(trainer.net.parameters())))
        try:
            list(trainer.run())
            found[name] = apart, cluster.differs(mark(list(trainer.net.parameters())))
        except GlassnetError as error:
            found[name] = cluster.gathered(torch.tensor([error.exit_code])).tolist(), str(error)
        except Elsewhere as error:
            cluster.gathered(torch.tensor([error.exit_code]))
    return found


def main():
    folder = Path(sys.argv[1])
    code = run(["train", str(folder / "model"), "--resume"])
    os.environ |= {"MASTER_PORT": sys.argv[2], "TORCHELASTIC_USE_AGENT_STORE": "False"}
    cluster = Cluster(world())  # they meet anew, at a place where nothing is left of before
    cluster.join(False)
    found = {
        "code": code,
        "steps": steps(cluster),
        "batches": batches(cluster),
        "failures": failures(cluster),
        "drifts": drifts(cluster),
        "told": cluster.told({"a": [1, 2.5]} if cluster.world.is_first else None),
        "gathered": cluster.gathered(torch.full((cluster.world.rank, 2), 4)).tolist(),
    }
    if cluster.world.is_first:
        torch.save(found, folder / "found.pt")
    cluster.leave()
    sys.stdout.flush()
    os._exit(0)  # as the command line ends


if __name__ == "__main__":
    main()
