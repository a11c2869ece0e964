"""glassnet features, as a person types it: every kind of data, the model's own or others, and what can go wrong."""

import json

import numpy as np
import pytest
from PIL import Image

import glassnet as gn


@pytest.mark.parametrize("kind", ["tones", "waves", "balls", "reviews", "flowers"])
def test_every_kind_runs_through(kind, every_kind, tmp_path):
    data = every_kind / "data" / kind
    table = next(iter(data.glob("*.csv")), data) if kind in ("reviews", "flowers") else data
    found = gn.features(gn.load(every_kind / "models" / kind), table)
    told = found.as_json()
    assert found.save(tmp_path / "f.html").stat().st_size < 5_000_000
    assert told["layers"][0]["features"][0]["patches"]
    for layer in told["layers"]:
        for one in layer["features"]:
            put = sum(feed["contribution"] for feed in one["feeds"])
            assert put + one["weaker"]["contribution"] + one["bias"] == pytest.approx(one["value"], abs=1e-4)
    if kind == "reviews":
        patch = max((p for one in told["layers"][0]["features"] for p in one["patches"]), key=lambda p: p["value"])
        assert patch["where"][0].strip("“”") in patch["file"]
        words = {feed["word"] for one in told["layers"][0]["features"] for feed in one["feeds"]}
        assert {"bad", "good"} <= words


def test_the_model_s_own_data_are_looked_at_unless_others_are_named(glassnet, xo_model, tmp_path):
    done = glassnet("features", xo_model, "--json")
    told = json.loads(done.out)
    assert (told["data"], told["examples"], told["page"]) == ("xo", 2000, "features-xo.html")
    assert [layer["name"] for layer in told["layers"]] == ["conv1"]
    assert set(told["layers"][0]["features"][0]) >= {"index", "dead", "share", "class", "patches", "feeds"}
    assert set(told["layers"][0]["features"][0]["patches"][0]) == {"file", "class", "value", "place", "window", "where"}
    assert [one["class"] for one in told["classes"]] == ["X", "O"]
    assert (tmp_path / told["page"]).exists()
    done = glassnet("features", xo_model, "--out", "f.html")
    assert done.code == 0, done.err
    assert done.out.startswith("Looked at 2,000 pictures drawn from all 4,000 pictures of xo")
    assert "page    f.html\nnext    glassnet explain" in done.out
    assert (tmp_path / "f.html").exists()
    others = gn.features(gn.load(xo_model), gn.xo(600, seed=5, rotate=(40, 50)))
    assert others.about.endswith("of xo that it did not learn from.")
    assert len(others.rows) == (~np.isin(others.dataset.samples.digest, gn.load(xo_model).seen)).sum() > 500


@pytest.fixture(scope="module")
def place(tmp_path_factory, xo_model, every_kind):
    """A folder where mistakes can be made."""
    root = tmp_path_factory.mktemp("mistakes")
    (root / "model").symlink_to(xo_model)
    (root / "waves").symlink_to(every_kind / "data" / "waves")
    for i, label in enumerate("XXOO"):
        (root / "few" / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((9, 9), 40 * i, np.uint8)).save(root / "few" / label / f"{i}.png")
    gn.train(gn.xo(100), epochs=1, out=root / "orphan")
    return root


MISTAKES = {
    "waves": "waves: expected pictures, as the model learnt from, found series. Name others.",
    "few": "few: expected 9 pictures or more, found 4. Name more with --data.",
    "": "the model's data: it learnt from data that lay in no file. Name what to look at: --data DATA.",
}


@pytest.mark.parametrize("data", MISTAKES)
def test_a_mistake_is_answered_in_one_line(data, place, glassnet):
    words = ["features", "model", "--data", data] if data else ["features", "orphan"]
    done = glassnet(*words, cwd=place)
    assert (done.code, done.out, done.err.splitlines()) == (2, "", [MISTAKES[data]])
    assert not list(place.glob("*.html"))
