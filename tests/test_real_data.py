"""Real data sets, as their users have them. Not part of the project: skipped where they are not."""

import json

import pytest

pytestmark = [pytest.mark.data, pytest.mark.slow]


def test_cifar10_small_trains_as_it_lies(real_data, glassnet):
    folder = real_data("cifar10-small")
    answer = glassnet("train", folder, "--epochs", 6, "--out", "model", "--json")
    assert answer.code == 0, answer.err
    said = json.loads(answer.out)
    assert said["examples"] == {"train": 1350, "val": 150, "test": 500, "skipped": 0}
    assert said["test"]["accuracy"] >= 0.4
    assert "mirrored left-right" in answer.err
    cat = next((folder / "test" / "cat").iterdir())
    (answer,) = [json.loads(line) for line in glassnet("predict", "model", cat, "--json").out.splitlines()]
    assert set(answer["votes"]) == set(said["classes"])


def test_faces_and_cars_are_told_apart(real_data, glassnet):
    answer = glassnet("train", real_data("faces-and-cars-64"), "--epochs", 2, "--json")
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["classes"] == ["cars", "faces"]
    assert json.loads(answer.out)["test"]["accuracy"] >= 0.9
