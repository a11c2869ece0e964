"""The product in one sitting: X's and O's in, a trained net out, votes for a new picture, and why."""

import json

import numpy as np
import pytest

import glassnet as gn
from glassnet.data import xo


def test_from_pictures_to_votes_and_reasons(tmp_path):
    dataset = gn.xo(count=1200, seed=3)
    assert (dataset.kind, dataset.classes, dataset.shape, len(dataset)) == ("pictures", ("X", "O"), (1, 9, 9), 1200)

    model = gn.train(dataset, epochs=15, out=tmp_path / "model")
    measured = json.loads((tmp_path / "model" / "metrics.json").read_text())["test"]
    assert measured["accuracy"] >= 0.97
    assert measured["low"] <= measured["accuracy"] <= measured["high"]

    again = gn.load(tmp_path / "model")
    letters = np.stack([xo.draw("X"), xo.draw("O")])
    assert [one.label for one in again.predict(letters)] == ["X", "O"]
    assert again.predict(letters) == model.predict(letters)

    why = gn.explain(again, letters[0])
    total = why.votes.contribution.sum(1) + why.votes.bias
    assert total == pytest.approx(why.votes.logit)
    assert why.votes.logit == pytest.approx(again.logits(why.raw[None])[0], rel=1e-5)

    first = why.arithmetic("conv1", (0, 4, 4))
    assert first.total == pytest.approx(float(why.steps[0].output[0, 0, 4, 4]), rel=1e-5, abs=1e-6)
    assert set(first.values.tolist()) <= {-1.0, 1.0}, "the net sees exactly the slides' values"

    page = why.save(tmp_path / "why.html").read_text()
    assert "The votes say <b>X</b>" in page
    assert "http" not in page.replace("http-equiv", ""), "the page asks nothing of a network"
