"""The slides' error table of an answer, beside the loss that its training pressed down."""

import json
import math
import re
import shutil

import numpy as np
import pytest
import torch

import glassnet as gn
from glassnet.data import xo
from glassnet.explaining.explanation import explain
from glassnet.nets.convnet import ConvNet
from glassnet.nets.network import Criterion
from glassnet.nets.text import parse


def with_logits(logits, **facts):
    """Why a net answers with these logits."""
    net = ConvNet(parse("fc"), (1, 4, 4), len(logits)).eval()
    with torch.no_grad():
        net.votes.weight.zero_()
        net.votes.bias.copy_(torch.tensor(logits))
    raw = np.zeros((1, 4, 4), np.uint8)
    names = tuple(f"class {k}" for k in range(len(logits)))
    return explain(net, names, raw, torch.zeros(1, 1, 4, 4), "one", **facts)


def test_the_table_and_the_loss_are_those_worked_out_by_hand():
    """Shares 0.9 and 0.1: errors 0.1 and 0.1; -ln 0.9; smoothed by 0.2, 0.9 of it and 0.1 of -ln 0.1."""
    logits = [math.log(9), 0.0]
    why = with_logits(logits, right=0)
    assert why.error.error.tolist() == pytest.approx([0.1, 0.1])
    assert why.error.total == pytest.approx(0.2)
    assert why.loss == pytest.approx(-math.log(0.9), rel=1e-5)
    smooth = with_logits(logits, right=0, criterion=Criterion(0.2))
    assert smooth.loss == pytest.approx(-0.9 * math.log(0.9) - 0.1 * math.log(0.1), rel=1e-5)
    calibrated = with_logits([math.log(9) / 2, 0.0], right=0, temperature=2.0)
    assert calibrated.loss == pytest.approx(why.loss, rel=1e-5), "training saw the votes before they were divided"
    wrong = with_logits(logits, right=1)
    assert wrong.error.error.tolist() == pytest.approx([0.9, 0.9])
    assert wrong.loss == pytest.approx(-math.log(0.1), rel=1e-5)
    said = smooth.as_json()
    assert (said["right"], said["loss"]) == ("class 0", smooth.loss)
    rows = said["error"]["classes"]
    assert [(row["class"], row["right"]) for row in rows] == [("class 0", 1.0), ("class 1", 0.0)]
    assert sum(row["error"] for row in rows) == pytest.approx(said["error"]["total"]) == pytest.approx(0.2)


def test_without_a_right_answer_there_is_no_error():
    why = with_logits([1.0, 0.0])
    assert why.error is None and why.loss is None
    assert not {"right", "error", "loss"} & why.as_json().keys()
    assert 'aria-label="Error"' not in why.html()


def test_the_page_shows_the_right_class_and_the_largest_errors_and_sums_up_the_rest():
    why = with_logits([3.0, *np.linspace(2, 0, 11).tolist()], right=4, criterion=Criterion(0.1))
    text = " ".join(re.sub(r"<[^>]*>", " ", why.html().split('aria-label="Error"')[1].split("</section>")[0]).split())
    share = why.probability
    assert f"class 4 1 {share[4]:.2f} {1 - share[4]:.2f} class 0 0 {share[0]:.2f} {share[0]:.2f} class 1 0" in text
    assert "6 other classes" in text
    assert f"total {2 * (1 - share[4]):.2f}" in text, "what is missing here is too much there"
    assert f"{-math.log(share[4]):.3f}; {why.loss:.3f} as it was trained, with 0.9 right and 0.1 shared by all" in text


@pytest.fixture
def filed(xo_model, tmp_path):
    """An X that lies in a folder of its class, and one that doesn't."""
    (tmp_path / "X").mkdir()
    example = next((xo_model / "examples").glob("X*"))
    shutil.copy(example, tmp_path / "X" / "a.png")
    shutil.copy(example, tmp_path / "a.png")
    return tmp_path


def test_the_right_class_is_the_files_folder_unless_it_is_told(xo_model, filed):
    model = gn.load(xo_model)
    assert gn.explain(model, filed / "X" / "a.png").right == 0
    assert gn.explain(model, filed / "a.png").right is None
    assert gn.explain(model, filed / "X" / "a.png", right="O").right == 1
    assert gn.explain(model, xo.draw("X"), right="X").right == 0
    facts = json.loads((xo_model / "config.json").read_text())["training"]
    why = gn.explain(model, xo.draw("X"))
    assert why.criterion.smoothing == facts["recipe"]["smoothing"] == 0.1
    assert why.temperature == facts["temperature"]


def test_the_command_line_tells_the_error_and_what_each_map_is_worth(xo_model, filed, glassnet):
    said = json.loads(glassnet("explain", xo_model, filed / "a.png", "--right", "O", "--json").out)
    assert said["right"] == "O"
    assert said["error"]["total"] == pytest.approx(2 * (1 - said["votes"]["O"]["probability"]))
    assert [one["method"] for one in said["saliency"]] == ["occlusion", "integrated gradients", "Grad-CAM"]
    assert all(len(one["random_weights"]["rank_correlations"]) == 3 for one in said["saliency"])
    refused = glassnet("explain", xo_model, filed / "a.png", "--right", "Q")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.strip() == "--right: expected one of X, O, found Q. Name one of them."
