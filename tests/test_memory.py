"""Kept memory: changes how fast a training goes, and nothing of what comes out; can be switched off."""

import platform
import sys

import pytest

from glassnet.training.memory import keep_memory


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_it_is_done_on_linux_unless_it_is_switched_off(monkeypatch):
    assert keep_memory() is True
    monkeypatch.setenv("GLASSNET_KEEP_MEMORY", "0")
    assert keep_memory() is False


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert keep_memory() is False


def test_the_same_net_comes_out_with_it_and_without(apart, tmp_path):
    quick = ("train", "digits", "--net", "conv 8 3, batchnorm, relu, pool 2, fc", "--epochs", 2, "--out")
    assert apart(*quick, "with").code == 0
    assert apart(*quick, "without", env={"GLASSNET_KEEP_MEMORY": "0"}).code == 0
    one, other = (tmp_path / name / "model.safetensors" for name in ("with", "without"))
    assert one.read_bytes() == other.read_bytes()
