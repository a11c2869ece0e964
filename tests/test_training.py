"""Training: seeded, resumable bit for bit, right in bfloat16, honest about what it chose."""

import dataclasses
import math

import numpy as np
import pytest
import torch

import glassnet as gn
from glassnet.config import Reading, Training
from glassnet.data import kinds
from glassnet.data.dataset import TEST, TRAIN
from glassnet.data.split import split
from glassnet.doors import choosing, starting
from glassnet.doors import plan as plans
from glassnet.training import recipe as recipes
from glassnet.training.answers import answers, autocast
from glassnet.training.trainer import Trainer

NET = "conv 8 3, batchnorm, relu, pool 2, dropout 0.2, conv 8 3, relu, fc 16, relu, fc"


def trainer_of(name="digits", **settings):
    dataset = kinds.read(name)
    chosen = {"net": NET, "epochs": 2, "batch": 128, **settings}
    plan, sides, _ = choosing.make(dataset, name, Reading(), Training(**chosen))
    train, held, test = starting.loaders(plan, dataset, sides, torch.device("cpu"))
    return Trainer(starting.build(plan, dataset), train, held, plan.recipe), test


def weights(net):
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_seed_gives_the_same_weights_twice_and_another_seed_others():
    def run(seed):
        trainer, _ = trainer_of(seed=seed)
        list(trainer.run())
        return weights(trainer.net)

    first = run(1)
    assert same(first, run(1))
    assert not same(first, run(2))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_training_taken_up_at_any_step_ends_in_the_same_bits(precision):
    whole, _ = trainer_of(precision=precision)
    snapshots = []
    for progress in whole.run():
        if progress.step % 5 == 1 or progress.finished:
            snapshots += [whole.snapshot()]
    assert len(snapshots) >= 6
    for snapshot in snapshots:
        again, _ = trainer_of(precision=precision)
        again.restore(snapshot)
        list(again.run())
        assert same(weights(whole.net), weights(again.net))
        assert again.best_epoch == whole.best_epoch
        losses = [(e.loss, e.accuracy, e.held_loss, e.held_accuracy) for e in whole.history]
        assert [(e.loss, e.accuracy, e.held_loss, e.held_accuracy) for e in again.history] == losses


def test_the_kept_epoch_is_the_one_with_the_least_held_out_loss():
    trainer, _ = trainer_of(epochs=4)
    kept = {}
    for progress in trainer.run():
        if progress.finished:
            kept[progress.epoch] = weights(trainer.average)
    best = min(trainer.history, key=lambda epoch: epoch.held_loss).epoch
    assert trainer.best_epoch == best
    assert same(weights(trainer.net), kept[best])


def test_the_judged_weights_are_a_running_average_of_the_trained_ones():
    trainer, _ = trainer_of(epochs=1)
    name, steps, average = "conv2.weight", trainer.train.steps, None
    for done, _progress in enumerate(trainer.run(), 1):
        if done == 1:
            average = weights(trainer.average)[name].double()
            continue
        kept = min(1 - 1 / (2 * steps), done / (done + 10))
        if done < steps:  # at the epoch's end the trained weights have moved on for nobody
            average = average * kept + weights(trainer.net)[name].double() * (1 - kept)
            assert torch.allclose(weights(trainer.average)[name].double(), average, atol=1e-6)


def test_the_optimizer_moves_weights_as_adamw_does():
    """The fused optimizer on channels-last weights, against the paper's formula in float64 (Loshchilov and Hutter)."""
    trainer, _ = trainer_of(epochs=1, net="conv 8 3, relu, conv 8 3, relu, fc", precision="float32")
    name = "conv2.weight"
    parameter = dict(trainer.net.named_parameters())[name]
    assert parameter.is_contiguous(memory_format=torch.channels_last)
    value, first, second = parameter.detach().double().clone(), 0.0, 0.0
    for step, _progress in enumerate(trainer.run(), 1):
        (optimizer,) = trainer.optimizers
        group = next(g for g in optimizer.param_groups if any(p is parameter for p in g["params"]))
        rate, gradient = group["lr"], parameter.grad.double()
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        value = value * (1 - rate * group["weight_decay"])
        value = value - rate * (first / (1 - 0.9**step)) / ((second / (1 - 0.999**step)).sqrt() + 1e-8)
        if step < trainer.train.steps:
            assert torch.allclose(parameter.detach().double(), value, atol=2e-5), f"step {step}"


def test_bfloat16_gradients_point_where_float64_gradients_do():
    trainer, _ = trainer_of(net="conv 16 3, batchnorm, relu, conv 32 3, pool 2, batchnorm, relu, fc", epochs=1)
    batch = next(trainer.train.shuffled(0))
    objective = trainer.net.phases()[0].loss

    def gradients(net, x):
        loss, _ = net.phases()[0].loss(dataclasses.replace(batch, x=x), trainer.criterion)
        loss.backward()
        return torch.cat([p.grad.double().flatten() for p in net.parameters()])

    import copy

    exact = gradients(copy.deepcopy(trainer.net).double(), batch.x.double())
    with autocast(torch.device("cpu"), "bfloat16"):
        loss, _ = objective(batch, trainer.criterion)
    loss.backward()
    fast = torch.cat([p.grad.double().flatten() for p in trainer.net.parameters()])
    cosine = torch.nn.functional.cosine_similarity(exact, fast, dim=0)
    assert cosine > 0.999
    assert fast.norm() == pytest.approx(float(exact.norm()), rel=0.03)


def test_bfloat16_training_reaches_what_float32_reaches():
    accuracies = {}
    for precision in ("float32", "bfloat16"):
        trainer, test = trainer_of(
            precision=precision, net="conv 16 3, batchnorm, relu, pool 2, fc", epochs=8, batch=64
        )
        list(trainer.run())
        logits, y = answers(trainer.net, test)
        accuracies[precision] = float((logits.argmax(1) == y).float().mean())
    assert min(accuracies.values()) > 0.93
    assert abs(accuracies["float32"] - accuracies["bfloat16"]) <= 0.03


def test_a_loss_that_is_no_number_stops_the_training_and_names_the_step():
    trainer, _ = trainer_of()
    steps = trainer.run()
    next(steps)
    with torch.no_grad():
        trainer.net.votes.bias.fill_(math.nan)
    with pytest.raises(gn.GlassnetError, match=r"^epoch 1, step 2: the loss is not a number any more\. Lower"):
        next(steps)


def test_the_learning_rate_warms_up_in_a_line_and_ends_at_nothing():
    trainer, _ = trainer_of(learning_rate=0.02)
    recipe = trainer.recipe
    assert recipe.share(0) == pytest.approx(0.04)
    assert recipe.share(recipe.warm / 2) == pytest.approx(0.52)
    assert recipe.share(recipe.warm) == pytest.approx(1)
    assert recipe.share((1 + recipe.warm) / 2) == pytest.approx(0.5)
    assert recipe.share(1) == pytest.approx(0)
    next(trainer.run())
    adamw, muon = trainer.optimizers
    assert adamw.param_groups[0]["lr"] == pytest.approx(0.02 * 0.04)
    assert muon.param_groups[0]["lr"] == pytest.approx(0.24 * 0.04)


def uneven(counts):
    """A data set of noise with so many examples a class."""
    random = np.random.default_rng(0)
    dataset = gn.xo(count=sum(counts))
    y = np.repeat(np.arange(2), counts)
    x = random.integers(0, 256, (sum(counts), 1, 9, 9), dtype=np.uint8)
    digest = np.arange(sum(counts), dtype=np.uint64)
    samples = dataclasses.replace(dataset.samples, x=x, y=y, digest=digest)
    return dataclasses.replace(dataset, samples=samples, augment=True, normalisation=None)


def test_uneven_classes_weigh_by_one_over_the_root_of_their_number_and_it_is_said():
    plan, sides, _ = choosing.make(uneven([400, 100]), "uneven", Reading(), Training(net="fc", epochs=1))
    counts, weight = sides.counts[TRAIN], plan.recipe.class_weight
    assert weight is not None
    assert weight[1] / weight[0] == pytest.approx(math.sqrt(counts[0] / counts[1]))
    assert (np.array(weight) * counts).sum() == pytest.approx(counts.sum())
    assert any("uneven classes" in note for note in plan.notes)
    assert choosing.make(uneven([260, 240]), "even", Reading(), Training(net="fc"))[0].recipe.class_weight is None


def test_digits_are_not_mirrored_and_the_reason_is_measured():
    plan, *_ = choosing.make(kinds.read("digits"), "digits", Reading(), Training())
    assert not plan.recipe.augmentation.mirror_x
    assert not plan.recipe.augmentation.mirror_y
    assert any("mirrored" in note for note in plan.notes)


def test_augmentation_can_be_switched_off():
    plan, *_ = choosing.make(kinds.read("digits"), "digits", Reading(), Training(augment=False))
    assert plan.recipe.augmentation.is_still


@pytest.mark.parametrize(("examples", "epochs"), [(100, 60), (2500, 60), (4999, 42), (10_000, 15), (1_000_000, 8)])
def test_many_examples_are_seen_fewer_times(examples, epochs):
    assert recipes.default_epochs(examples) == epochs


def test_minutes_choose_the_epochs_that_fit_and_say_so():
    dataset = kinds.read("digits")
    tiny, sides, _ = choosing.make(dataset, "digits", Reading(), Training(net=NET, minutes=0.0005))
    assert tiny.recipe.epochs == 1
    assert 0 < tiny.recipe.examples < sides.counts[TRAIN].sum()
    train, *_ = starting.loaders(tiny, dataset, sides, torch.device("cpu"))
    assert sum(len(batch.rows) for batch in train.shuffled(0)) == tiny.recipe.examples
    ample, *_ = choosing.make(dataset, "digits", Reading(), Training(net=NET, minutes=500, epochs=3))
    assert ample.recipe.epochs == 3
    assert "fit into 500 minutes" in ample.notes[-1]


def test_a_plan_survives_its_file(tmp_path):
    dataset = kinds.read("digits")
    (tmp_path / "checkpoints").mkdir()
    plan, *_ = choosing.make(dataset, "digits", Reading(size=8), Training(net=NET, epochs=2, seed=5))
    plan.write(tmp_path)
    assert plans.read_plan(tmp_path) == plan


def test_a_plan_does_not_go_on_with_other_data():
    dataset = kinds.read("digits")
    plan, *_ = choosing.make(dataset, "digits", Reading(), Training(net=NET))
    samples = dataclasses.replace(dataset.samples, digest=dataset.samples.digest + np.uint64(1))
    with pytest.raises(gn.GlassnetError, match="not what this training began with"):
        plans.take_up(plan, dataclasses.replace(dataset, samples=samples))


def test_test_examples_are_never_trained_or_chosen_on():
    trainer, test = trainer_of()
    used = {int(row) for batch in trainer.train.shuffled(0) for row in batch.rows}
    used |= {int(row) for row in trainer.held.rows}
    assert not used & {int(row) for row in test.rows}
    dataset = test.dataset
    digests = dataset.samples.digest
    assert not set(digests[list(used)].tolist()) & set(digests[test.rows].tolist())
    assert len(test.rows) == (plans.split(dataset, 0).side == TEST).sum()


def test_a_batch_of_ones_own_brings_its_learning_rate():
    dataset = gn.xo(count=600)
    sides = split(dataset, 0)
    usual = recipes.choose(dataset, sides, Training(), "float32").recipe
    larger = recipes.choose(dataset, sides, Training(batch=4 * usual.batch), "float32").recipe
    assert larger.learning_rate == pytest.approx(2 * usual.learning_rate)
    given = recipes.choose(dataset, sides, Training(batch=4 * usual.batch, learning_rate=0.003), "float32").recipe
    assert given.learning_rate == 0.003
