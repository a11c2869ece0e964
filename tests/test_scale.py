"""The cost model of docs/costs.md: its formulas beside numbers worked out by hand."""

import dataclasses

import pytest

from benchmarks import costs, growth, scale
from benchmarks.costs import Machine, Work

NET = Work("a net", parameters=1_000_000, multiply_adds=500_000, exchanges=3, example_bytes=1_000, batch=100)
MACHINE = Machine("a host", 1e12, 0.5, 1e9, 1e8, 1e-5, 1e-4, gpus=4, disk=1e9)


def test_a_step_costs_six_operations_a_multiply_add():
    """100 examples of half a million multiply-adds: 3 passes x 2 x 5e7 = 3e8 operations at 5e11 a second."""
    assert costs.compute_s(NET, 100, MACHINE) == pytest.approx(6e-4)


def test_a_ring_sends_all_but_one_part_twice():
    """4 MB among 4 at 1 GB/s: 6 messages of 1 MB, 1 ms each, and 6 times 10 us."""
    assert costs.ring_s(4e6, 4, 1e-5, 1e9) == pytest.approx(6e-3 + 6e-5)
    assert costs.ring_s(4e6, 1, 1e-5, 1e9) == 0
    assert costs.ring_s(4e6, 1000, 0, 1e9) == pytest.approx(2 * 4e-3, rel=2e-3), "twice the bytes, however many"


def test_a_sum_over_hosts_is_a_ring_in_each_and_one_between_them():
    """8 GPUs in 2 hosts: 6.06 ms inside, then 1 MB between two: 2 messages of half a MB at 100 MB/s, and 0.2 ms."""
    assert costs.sum_s(4e6, 4, MACHINE) == pytest.approx(6.06e-3)
    assert costs.sum_s(4e6, 8, MACHINE) == pytest.approx(6.06e-3 + 1e-2 + 2e-4)
    assert costs.sum_s(4e6, 1, MACHINE) == 0


def test_small_sums_go_up_a_tree_and_down_again():
    """16 GPUs in 4 hosts: two levels inside, two between: 2 x (2 x 10 us + 2 x 100 us)."""
    assert costs.exchange_s(16, MACHINE) == pytest.approx(4.4e-4)


def test_gradients_cost_what_backpropagation_does_not_cover():
    """4 GPUs: 0.6 ms of compute, two thirds of which cover 0.4 of the 6.06 ms; three exchanges of 2 x 2 x 10 us."""
    one = costs.step(NET, 4, MACHINE)
    assert one.batch == 400 and one.sum_s == pytest.approx(6.06e-3)
    assert one.exposed_s == pytest.approx(5.66e-3) and one.exchanges_s == pytest.approx(1.2e-4)
    assert one.seconds == pytest.approx(6e-4 + 5.66e-3 + 1.2e-4) and one.limit == "gradients"
    assert costs.efficiency(NET, 4, MACHINE) == pytest.approx(6e-4 / 6.38e-3)


def test_a_host_reads_for_all_its_gpus_and_the_slower_counts():
    """400 examples of 1,000 bytes at 10 MB/s are 40 ms, whatever the GPUs do."""
    slow = dataclasses.replace(MACHINE, disk=1e7)
    one = costs.step(NET, 4, slow)
    assert one.read_s == pytest.approx(0.04) == one.seconds and one.limit == "reading"
    assert costs.step(NET, 8, slow).read_s == pytest.approx(0.04), "two hosts, each its own"


def test_a_step_holds_no_more_examples_than_learn_well():
    assert costs.batch_of(NET, 8) == 800 and costs.batch_of(NET, 100) == costs.MOST_BATCH
    assert costs.batch_of(NET, 20_000) == 20_000, "one for each at least"


def test_an_epoch_is_its_steps_and_its_judging():
    """10,000 pictures on one GPU: 80 steps of 0.6 ms; a tenth forward alone is 1,000 / 100 x 0.2 ms."""
    assert costs.epoch_s(NET, 1, MACHINE, 10_000) == pytest.approx(80 * 6e-4 + 2e-3)


def test_one_process_waits_for_nobody():
    one = costs.step(NET, 1, MACHINE)
    assert one.seconds == one.compute_s and one.limit == "compute" and costs.efficiency(NET, 1, MACHINE) == 1


def test_several_gpus_wait_for_the_slowest():
    """A fifth of a step waiting is a quarter of its compute: 0.15 ms of 0.6."""
    slow = dataclasses.replace(MACHINE, waits=0.2)
    assert costs.step(NET, 4, slow).waits_s == pytest.approx(1.5e-4)
    assert costs.step(NET, 4, slow).seconds == pytest.approx(costs.step(NET, 4, MACHINE).seconds + 1.5e-4)
    assert costs.step(NET, 1, slow).seconds == costs.step(NET, 1, MACHINE).seconds


def test_the_waiting_of_eight_a100_predicts_that_of_eight_v100_to_five_percent():
    """One share for all; NVIDIA's README has 8,322 and 8,056 pictures a second of two sorts of V100."""
    a100, *v100 = [line.split()[-2:] for line in scale.published() if line.startswith("8")]
    assert abs(int(a100[0])) <= 1, "it is taken from these"
    assert all(abs(int(percent)) <= 5 for percent, _ in v100) and len(v100) == 2


def test_disk_and_checkpoints_are_counted_in_bytes():
    assert costs.cache_bytes(NET, 10**6) == 10**9
    assert costs.checkpoint_bytes(NET) == 5 * 4 * 10**6


def test_a_named_net_is_counted_by_its_text():
    """ResNet-50: 25.557 million weights and 4.09 thousand million multiply-adds, as torchvision's page has it."""
    found = costs.resnet("resnet50", 224, 256)
    assert found.parameters == 25_557_032 and found.multiply_adds == pytest.approx(4.09e9, rel=0.005)
    assert found.exchanges == 2 * 53 + 1 and found.example_bytes == 150_528


def test_growth_makes_the_same_pictures_in_both_layouts(tmp_path):
    import numpy as np

    import glassnet as gn

    one, other = gn.read(growth.npz(tmp_path, 300)), gn.read(growth.shards(tmp_path, 300))
    assert (one.samples.digest == other.samples.digest).all() and (one.samples.y == other.samples.y).all()
    assert np.array_equal(one.samples.x, other.samples.x) and len(one.classes) == growth.CLASSES
