"""What a machine can do, the cores that a training gets, and where its steps' time goes."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import glassnet as gn
from glassnet.config import Reading, Training
from glassnet.doors import choosing, starting
from glassnet.training import machine, profile
from glassnet.training.machine import choose_threads, using
from glassnet.training.profile import profile_steps
from glassnet.training.trainer import Trainer


@pytest.mark.parametrize(
    ("busy", "cores", "chosen"), [(0.0, 8, 8), (0.4, 2, 2), (1.0, 2, 1), (2.0, 2, 1), (3.2, 8, 5), (16.0, 8, 1)]
)
def test_cores_that_other_programs_keep_busy_are_left_to_them(busy, cores, chosen, monkeypatch):
    monkeypatch.setattr(machine, "_busy_elsewhere", lambda: busy)
    threads, why = choose_threads(cores, 10**9)
    assert threads == chosen
    assert (why == "") == (chosen == cores)
    if why:
        assert why == f"other programs keep {busy:.1f} of {cores} cores busy: {chosen} used (--threads)"


def test_a_step_of_little_work_gets_one_core_on_any_machine(monkeypatch):
    monkeypatch.setattr(machine, "_busy_elsewhere", lambda: pytest.fail("the machine's load must not matter"))
    assert choose_threads(8, machine.LIGHT) == (1, "")


@pytest.mark.skipif(not os.path.exists("/proc/stat"), reason="needs Linux's /proc/stat")
def test_another_programs_work_is_seen_and_ones_own_is_not():
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        time.sleep(0.3)
        with_other = max(machine._busy_elsewhere() for _ in range(3))
        other.kill()
    assert with_other > 0.4, "a program that spins keeps about a core busy"


def test_ones_own_work_and_other_cores_are_no_other_programs(monkeypatch):
    stat = "cpu 900 0 0 0 0 0 0 0 0 0\ncpu0 100 10 20 5000 7 1 2 3 0 0\ncpu1 800 0 0 0 0 0 0 0 0 0\nintr 5\n"
    monkeypatch.setattr(Path, "read_text", lambda *_: stat)
    monkeypatch.setattr(os, "times", lambda: SimpleNamespace(user=0.4, system=0.1))
    assert machine._ticks({0}) == 136 - 50, "of core 0: 100 + 10 + 20 + 1 + 2 + 3 ticks, half a second of them our own"


def test_threads_are_used_meanwhile_and_given_back():
    before = torch.get_num_threads()
    with using(1):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
    with using(0):
        assert torch.get_num_threads() == before


def test_fewer_cores_are_said_in_the_plan_and_in_its_command(monkeypatch):
    monkeypatch.setattr(machine, "_busy_elsewhere", lambda: 1.0)
    monkeypatch.setattr(choosing, "choose_threads", choose_threads)
    monkeypatch.setattr(choosing, "look_at_machine", lambda _: machine.Machine("cpu", "it", 2, FAST))
    plan, *_ = choosing.make(gn.read("digits"), "digits", Reading(), Training())
    assert plan.recipe.threads == 1
    assert any("other programs keep 1.0 of 2 cores busy" in note for note in plan.notes)
    assert plan.command() == "glassnet train digits --seed 0 --threads 1"
    plan, *_ = choosing.make(gn.read("digits"), "digits", Reading(), Training(threads=2))
    assert (plan.recipe.threads, plan.notes[:1]) == (2, plan.notes[:1])
    assert not any("busy" in note for note in plan.notes)


FAST = {"float32": 100.0, "bfloat16": 200.0, "int8": 300.0}


class Clock:
    """A clock that stands still but for the seconds that each piece of work is told to take."""

    def __init__(self, *seconds):
        self.now, self.seconds = 0.0, list(seconds)

    def perf_counter(self):
        return self.now

    def work(self, *_, **__):
        self.now += self.seconds.pop(0) if self.seconds else 1.0


def test_a_peak_is_the_work_by_the_seconds_of_the_fastest_run(monkeypatch):
    clock = Clock(0.1, 0.02, 0.05)
    monkeypatch.setattr(machine, "time", clock)
    monkeypatch.setattr(torch.nn.functional, "conv2d", clock.work)
    each = 128 * 3 * 3 * 128 * 16 * 16 * 64  # features x kernel x channels x places x pictures
    assert machine._peak(torch.device("cpu"), torch.float32) == pytest.approx(2 * each / 0.02 / 1e9)
    monkeypatch.setattr(torch, "_int_mm", clock.work)
    clock.seconds = [0.5]
    assert machine._peak_int8(torch.device("cpu")) == pytest.approx(2 * 512**3 / 0.5 / 1e9), "it took its time: once"


def test_peaks_are_measured_once_and_again_when_asked(tmp_path, monkeypatch):
    monkeypatch.setenv("GLASSNET_CACHE", str(tmp_path))
    assert set(machine.look_at_machine(torch.device("cpu")).gflops) == {"float32", "bfloat16"}
    found = machine.look_at_machine(torch.device("cpu"), whole=True)
    assert set(found.gflops) == {"float32", "bfloat16", "int8"}
    assert found.memory > 0
    kept = json.loads((tmp_path / "machine.json").read_text())
    assert kept["machine"]["memory"] == found.memory
    assert machine.look_at_machine(torch.device("cpu"), whole=True) == found, "measured once"
    (tmp_path / "machine.json").write_text(json.dumps(kept | {"machine": kept["machine"] | {"memory": 7.0}}))
    assert machine.look_at_machine(torch.device("cpu")).memory == 7.0
    assert machine.look_at_machine(torch.device("cpu"), whole=True, again=True).memory != 7.0


def test_a_profiled_step_is_shared_out_among_what_it_does():
    net = "conv 8 3, batchnorm, relu, pool 2, conv 8 3, batchnorm, relu, fc"
    dataset = gn.read("digits")
    plan, sides, _ = choosing.make(dataset, "digits", Reading(), Training(net=net, epochs=500))
    train, val, _ = starting.loaders(plan, dataset, sides, torch.device("cpu"))
    step = profile_steps(Trainer(starting.build(plan, dataset), train, val, plan.recipe))
    assert step.examples == -(-len(train.rows) // train.steps)
    assert step.seconds > 0
    assert sum(step.parts.values()) == pytest.approx(1)
    layers = ("convolution", "pooling", "batch norm", "relu", "fully connected")
    for part in (*[f"{layer}, {way}" for layer in layers for way in ("forward", "backward")], "optimizer"):
        assert 0 < step.parts[part] < 1, part
    assert step.parts["loading and varying"] > 0
    assert list(step.parts.values()) == sorted(step.parts.values(), reverse=True)


def test_bench_prints_the_peaks_and_the_parts_of_a_step(glassnet, monkeypatch):
    for name in ("WARM_UP", "MEASURED", "TIMED"):
        monkeypatch.setattr(profile, name, (3, 0.1))
    said = glassnet("bench", "xo", "--net", "conv 4 3, relu, pool 2, fc")
    assert said.code == 0, said.err
    assert said.err == ""
    assert "GF/s, int8" in said.out and "of the peak" in said.out and "convolution, backward" in said.out
    answer = glassnet("bench", "xo", "--batch", 40, "--json")
    facts = json.loads(answer.out)
    assert set(facts) == {"machine", "torch", "peak", "steps"}
    assert all(value > 1e6 for value in facts["peak"].values())
    (step,) = facts["steps"]
    assert step["batch"] == 40
    assert step["examples_per_second"] == pytest.approx(40 / step["seconds_per_step"])
    multiply_adds = 8 * 49 * 9 + 2 * 8 * 16
    assert step["gflops"] == pytest.approx(step["examples_per_second"] * multiply_adds * 6 / 1e9, rel=1e-6)
    assert np.isclose(sum(step["parts"].values()), 1)
