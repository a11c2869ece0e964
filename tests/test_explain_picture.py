"""An explanation as one picture: the input, the heats, the maps and the votes, for every kind of input."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

import glassnet as gn
from glassnet.explaining.explain_picture import AGAINST, FOR
from glassnet.explaining.explanation import explain
from glassnet.nets.convnet import ConvNet
from glassnet.nets.text import parse

NETS = {
    "picture": ("conv 4 3, relu, pool 2, fc", (1, 9, 9)),
    "colour": ("conv 4 3, batchnorm, relu, residual 4/2, residual 4, mean, fc", (3, 60, 20)),
    "volume": ("conv 3 3, relu, pool 2, mean, fc", (1, 6, 7, 8)),
    "votes alone": ("fc", (1, 5, 5)),
}


def why_of(text, shape):
    net = ConvNet(parse(text), shape, 3, seed=1).eval()
    raw = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    return explain(net, ("a", "b", "c"), raw, torch.tensor(raw[None] / 127.5 - 1, dtype=torch.float32), "one")


@pytest.mark.parametrize("name", NETS)
def test_it_is_a_png_of_one_width_with_bars_by_the_size_of_the_votes(name):
    why = why_of(*NETS[name])
    image = Image.open(io.BytesIO(why.png()))
    assert (image.format, image.width) == ("PNG", 2000)
    pixels = np.asarray(image.convert("RGB"))
    order = why.votes.strongest(why.answer)[:7]
    votes = why.votes.contribution[why.answer][order]
    bars = [(pixels[:, 1056:1600] == colour).all(2).sum(1) for colour in (FOR, AGAINST)]
    lengths = [int(n) for a, b in zip(*bars, strict=True) if (n := max(a, b)) > 0]
    found = lengths[:: len(lengths) // len(order)]
    expected = np.abs(votes) / np.abs(votes).max() * 500 + 1
    assert found == pytest.approx(expected.tolist(), abs=1.5)


def test_the_command_line_leaves_it_where_out_ends_in_png(xo_model, glassnet, tmp_path):
    example = next((xo_model / "examples").glob("X*"))
    answer = glassnet("explain", xo_model, example, "--out", "why.png")
    assert answer.code == 0
    assert (tmp_path / "why.png").read_bytes() == gn.explain(gn.load(xo_model), example).png()
