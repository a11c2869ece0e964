"""What a trained net is worth, asked about the test examples once: with labels, or without any. Prints nothing."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from glassnet.data.dataset import Dataset
from glassnet.data.kinds import KINDS
from glassnet.data.loader import Loader
from glassnet.data.split import Split
from glassnet.doors.plan import Plan
from glassnet.doors.starting import classes_of
from glassnet.nets import text
from glassnet.nets.convnet import ConvNet
from glassnet.nets.network import BothWays
from glassnet.steps import finish
from glassnet.training.answers import answering, answers, shard
from glassnet.training.calibration import scale_votes, temperature
from glassnet.training.cluster import APART, Cluster
from glassnet.training.completion import MOST, rebuilding
from glassnet.training.evaluate import Report, report
from glassnet.training.familiarity import View, alarms, learn, remember
from glassnet.training.machine import Machine
from glassnet.training.outcome import Outcome, Trained, Unlabelled
from glassnet.training.seeing import Noted, Views, gathered
from glassnet.training.trainer import Trainer


@dataclass(frozen=True)
class Judging:
    """How far the test is, in examples."""

    done: int
    total: int


@dataclass(frozen=True)
class Settled:
    """What held-out examples say of a trained net. logits: calibrated. heat: what its votes were divided by. far: how
    far they are from what it learnt from, in each view.
    """

    logits: Tensor
    y: Tensor
    heat: float
    far: Views


def settle(
    net: ConvNet, held: Loader, both_ways: bool, is_words: bool, known: Mapping[str, View], cluster: Cluster = APART
) -> Settled:
    """Asks a trained net about the held-out examples, a cluster in parts, and calibrates its votes by them."""
    asked, sharing = BothWays(net) if both_ways else net, cluster.among(len(held.rows))
    with Noted(net, len(shard(held, sharing).rows), both_ways, is_words, known) as noted:
        logits, y = answers(asked, held, cluster=cluster)
    heat = float(str(cluster.told(temperature(logits, y))))
    scale_votes(net.votes, heat)
    return Settled(logits.div_(heat), y, heat, gathered(noted.views, sharing))


def judge(
    trainer: Trainer[Loader], test: Loader, plan: Plan, dataset: Dataset, sides: Split, machine: Machine
) -> Generator[Judging, None, Outcome | Unlabelled]:
    """Asks about the test examples, once, and tells how far that is."""
    net = trainer.net
    assert isinstance(net, ConvNet), "the plan builds ConvNets"
    classes = classes_of(plan.net, dataset)
    story = Trained(
        net=net,
        rows=text.measure(net.spec, dataset.shape, len(classes)),
        classes=classes,
        dataset=dataset,
        source=plan.source,
        command=plan.command(),
        fingerprint=plan.fingerprint,
        split=sides,
        normalisation=plan.normalisation,
        recipe=plan.recipe,
        machine=machine,
        history=tuple(trainer.history),
        best_epoch=trainer.best_epoch,
        seconds=trainer.seconds,
        notes=plan.notes,
    )
    return (yield from (_answer if dataset.has_labels else _rebuild)(net, trainer, test, story))


def _answer(
    net: ConvNet, trainer: Trainer[Loader], test: Loader, story: Trained
) -> Generator[Judging, None, Outcome | Unlabelled]:
    """Calibrates the net on the held-out examples, then counts its right answers. A cluster asks in parts."""
    both, is_words = story.recipe.both_ways, KINDS[story.dataset.kind].looked_up
    cluster = trainer.together.cluster
    known = remember(net, trainer.train, story.recipe.seed, is_words)
    held = settle(net, trainer.held, both, is_words, known, cluster)

    sharing, asked = cluster.among(len(test.rows)), 0
    mine = shard(test, sharing)
    asking = answering(BothWays(net) if both else net, mine)
    with Noted(net, len(mine.rows), both, is_words, known) as tested:
        while asked < len(mine.rows):
            asked = next(asking)
            yield Judging(asked, len(mine.rows))
    said, right = (sharing.gathered(part) for part in finish(asking))
    seen = gathered(tested.views, sharing)
    cluster.look_up()
    yield Judging(asked, len(mine.rows))

    def judged(logits: torch.Tensor, y: torch.Tensor, loader: Loader) -> Report:
        return report(story.classes, logits.numpy(), y.numpy(), loader.rows)

    return Outcome(
        **vars(_with_familiar(story, known, held.far, seen)),
        temperature=held.heat,
        test=judged(said, right, test),
        held=judged(held.logits, held.y, trainer.held),
    )


def _rebuild(
    net: ConvNet, trainer: Trainer[Loader], test: Loader, story: Trained
) -> Generator[Judging, None, Outcome | Unlabelled]:
    """Where there are no right answers: how well the machines say again what they see, and fill in hidden halves."""
    known = remember(net, trainer.train, story.recipe.seed, KINDS[story.dataset.kind].looked_up)
    with Noted(net, len(trainer.held.rows), known=known) as held:
        answers(net, trainer.held)
    with Noted(net, len(test.rows), known=known) as tested:
        answers(net, test)
    asking, total = rebuilding(net, test), min(len(test.rows), MOST)
    done = 0
    while done < total:
        done = next(asking)
        yield Judging(done, total)
    return Unlabelled(
        **vars(_with_familiar(story, known, held.views, tested.views)),
        test=finish(asking),
        asked=test.rows[np.unique(np.linspace(0, len(test.rows) - 1, total).astype(int))],
        learnt={name: tuple(epochs) for name, epochs in trainer.learnt.items()}
        | {trainer.phase.name: tuple(trainer.history)},
    )


def _with_familiar(story: Trained, known: Mapping[str, View], held: Views, tested: Views) -> Trained:
    familiar = learn(known, held)
    return replace(story, familiar=familiar, alarms=alarms(familiar, tested) if familiar else None)
