"""Learn over HTTP: trainings started, followed, led by hand, taken up again; what can't be, refused with reasons."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import make_pets
from lab import running

from glassnet.nets import text

SMALL = {"data": "xo", "xo": {"size": 9, "count": 200}, "net": "conv 3 3 valid, relu, pool 2, fc", "epochs": 4}
LONG = {**SMALL, "epochs": 5000}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with running(tmp_path_factory.mktemp("learn")) as one:
        yield one


def events(lab, name, until, start=0):
    """The events of a training from number `start`, up to the first for which until(facts)."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", lab.port, timeout=60)
    connection.request("GET", f"/api/trainings/{name}/events?from={start}")
    reply, found = connection.getresponse(), []
    while line := reply.readline():
        if line.startswith(b"data: "):
            found.append(json.loads(line[6:]))
            if until(found[-1]):
                break
    connection.close()
    return found


def is_over(facts):
    return facts["type"] == "state" and facts["state"] in ("finished", "failed", "stopped")


def in_state(name):
    return lambda facts: facts["type"] == "state" and facts["state"] == name


def started(lab, **asked):
    status, facts = lab.post("/api/trainings", {**SMALL, **asked})
    assert status == 201, facts
    return facts["id"]


@pytest.fixture(scope="module")
def finished(lab):
    name = started(lab)
    return name, events(lab, name, is_over)


def test_a_training_tells_its_curve_its_features_and_ends_in_a_model(lab, finished):
    name, told = finished
    (prepared,) = [facts for facts in told if facts["type"] == "prepared"]
    assert (prepared["counts"], prepared["parameters"]) == (
        {"train": 160, "val": 20, "test": 20},
        3 * 10 + 3 * 16 * 2 + 2,
    )
    moments = [facts for facts in told if facts["type"] == "moment"]
    assert [one["epoch"] for one in moments] == [0, 1, 2, 3, 4]
    assert len({one["features"]["values"] for one in moments}) == 5, "features change as it learns"
    (end,) = [facts for facts in told if facts["type"] == "finished"]
    assert end["examples"] == 20 and end["hits"] == round(end["accuracy"] * 20)
    assert name in lab.get("/api/nets")[1]["nets"]
    metrics = json.loads((lab.folder / "models" / name / "metrics.json").read_text())
    assert metrics["test"]["accuracy"] == end["accuracy"]


def test_all_that_happened_is_told_again_and_from_any_event_on(lab, finished):
    name, told = finished
    kept = [facts for facts in events(lab, name, is_over) if facts["type"] != "state"]
    assert kept == [facts for facts in told if facts["type"] in ("prepared", "point", "moment", "example", "finished")]
    assert events(lab, name, is_over, start=len(kept) - 1)[0]["type"] == "finished"


def test_the_error_table_is_right_minus_actual(lab, finished):
    name, told = finished
    one = next(facts for facts in told if facts["type"] == "example")
    status, table = lab.get(f"/api/trainings/{name}/error?moment=4&place={one['place']}")
    assert status == 200
    for row in table["rows"]:
        assert row["right"] == int(row["class"] == one["right"])
        assert row["error"] == pytest.approx(abs(row["right"] - row["actual"]))
    assert table["total"] == pytest.approx(sum(row["error"] for row in table["rows"]))
    assert sum(row["actual"] for row in table["rows"]) == pytest.approx(1)
    if table["smoothing"] == 0:
        actual = next(row["actual"] for row in table["rows"] if row["right"])
        assert table["loss"] == pytest.approx(-np.log(actual))


def stands(lab, name):
    """The epoch at which a paused training stands; None until it is told."""
    told = [one for one in events(lab, name, in_state("paused")) if one["type"] == "moment" and one["file"] == "now"]
    return told[-1]["epoch"] if told else None


def until_told(ask, *where):
    """What is told in the end, waited for."""
    deadline = time.monotonic() + 60
    while (found := ask(*where)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def test_a_paused_training_takes_single_steps_and_a_weight_by_hand(lab):
    name = started(lab, **LONG)
    events(lab, name, in_state("running"))
    assert lab.post(f"/api/trainings/{name}/pause", {})[0] == 200
    before = until_told(stands, lab, name)
    lab.post(f"/api/trainings/{name}/step", {})
    steps = next(one["steps"] for one in events(lab, name, in_state("paused")) if one["type"] == "prepared")
    after = until_told(lambda *where: at if (at := stands(*where)) != before else None, lab, name)
    assert after - before == pytest.approx(1 / steps, abs=0.01)

    status, curve = lab.post(f"/api/trainings/{name}/measure", {"feature": 1, "place": [0, 2]})
    assert status == 200 and curve["index"] == [1, 0, 0, 2]
    gap = curve["values"][1] - curve["values"][0]
    slope = np.gradient(curve["errors"], gap)[np.searchsorted(curve["values"], curve["value"])]
    assert curve["slope"] == pytest.approx(slope, abs=0.25 * max(abs(np.diff(curve["errors"])) / gap) + 1e-3)
    moved = {"key": curve["key"], "index": curve["index"], "value": 0.5}
    assert lab.post(f"/api/trainings/{name}/weight", moved) == (200, {"type": "reply", "id": 2, "value": 0.5})
    assert lab.post(f"/api/trainings/{name}/measure", {"feature": 1, "place": [0, 2]})[1]["value"] == 0.5
    assert lab.post(f"/api/trainings/{name}/measure", {"feature": 3, "place": [0, 2]})[0] == 400
    assert lab.post(f"/api/trainings/{name}/weight", {**moved, "index": [9, 9, 9, 9]})[0] == 400
    lab.post(f"/api/trainings/{name}/go", {})
    lab.post(f"/api/trainings/{name}/stop", {})
    told = events(lab, name, is_over)
    assert told[-1]["state"] == "finished"
    plan = (lab.folder / "models" / name / "README.md").read_text()
    assert "stopped by hand" in plan and "1 weight moved by hand" in plan


def test_a_training_can_be_thrown_away(lab):
    name = started(lab, **LONG)
    events(lab, name, in_state("running"))
    assert lab.post(f"/api/trainings/{name}/discard", {})[0] == 200
    assert lab.get(f"/api/trainings/{name}")[0] == 404
    assert not (lab.folder / "models" / name).exists()


def test_a_third_training_waits_in_line(lab):
    for one in lab.get("/api/trainings")[1]["trainings"]:
        if one["state"] not in ("finished", "failed"):
            lab.post(f"/api/trainings/{one['id']}/discard", {})
    names = [started(lab, **LONG) for _ in range(3)]
    last = until_told(lambda: one if (one := lab.get(f"/api/trainings/{names[2]}")[1])["place"] == 1 else None)
    assert (last["state"], last["at_once"]) == ("waiting", 2)
    for name in reversed(names):
        assert lab.post(f"/api/trainings/{name}/discard", {})[0] == 200


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"data": "nowhere"}, "nowhere: expected a folder, a table, an .npz file or built-in data (xo, digits), found"),
        ({"data": ""}, "data"),
        ({"net": "conv 3 30 valid, fc"}, "layer 1 `conv 3 30 valid`: a feature of 30x30 does not fit its input of 9x9"),
        ({"net": "conv 3, fc"}, "it is written `conv FEATURES SIZE`"),
        ({"epochs": 0}, "epochs: expected a whole number from 1 to 100,000, found 0"),
        ({"learning_rate": -1}, "learning-rate"),
        ({"xo": {"size": 2}}, "size"),
        ({"xo": {"rotate": [90, -90]}}, "rotate"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line_before_it_begins(lab, asked, words):
    before = lab.get("/api/trainings")[1]["trainings"]
    status, reply = lab.post("/api/trainings", {**SMALL, **asked})
    assert status in (400, 422) and words in reply["error"] and "\n" not in reply["error"]
    assert lab.get("/api/trainings")[1]["trainings"] == before


def test_a_net_that_cannot_be_comes_with_the_arithmetic_and_nets_that_can(lab):
    asked = {"net": "(conv 8 5 valid, relu, pool 2) x3, fc", "shape": [1, 9, 9], "classes": 2, "resizable": True}
    refused = lab.post("/api/net", asked)[1]["refused"]
    assert "a feature of 5x5 does not fit its input of 3x3" in refused["why"]
    assert refused["sizes"] == [[9, 9], [5, 5], [3, 3]], "9 - 5 + 1 = 5, half of it rounded up 3"
    assert refused["ways"][0] == {"words": "Use 36 × 36", "side": 36}
    for way in refused["ways"][1:]:
        spec = text.parse(way["net"])
        assert text.measure(spec, (1, 9, 9), 2)


def test_data_is_told_before_anything_is_trained(lab, tmp_path):
    folder = make_pets(tmp_path / "pets", 20)
    (folder / "across" / "torn.png").write_bytes(b"\x89PNG\r\n")
    for _ in range(100):
        status, told = lab.post("/api/data", {"data": str(folder)})
        if status != 200 or told["state"] == "known":
            break
        time.sleep(0.05)
    assert (told["examples"], told["class_count"], told["skipped"]) == (40, 2, 1)
    assert told["damaged"][0]["file"] == "across/torn.png"
    assert {one["class"] for one in told["pictures"]} == {0, 1}
    assert sum(told["sides"].values()) == 40


def test_when_the_server_ends_a_training_leaves_a_checkpoint_and_goes_on_later(tmp_path):
    command = [sys.executable, "-m", "glassnet", "serve", "--port", "0", "--json"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as server:
        from lab import Asker

        port = int(json.loads(server.stdout.readline())["address"].rsplit(":", 1)[1].strip("/"))
        for _ in range(100):
            try:
                asker = Asker(port)
                name = started(asker, **LONG)
                break
            except OSError:
                time.sleep(0.1)
        events(asker, name, lambda facts: facts["type"] == "moment" and facts["epoch"] >= 2)
        server.send_signal(2)
        server.wait(60)
    assert not workers(), "no process outlives the server"
    out = tmp_path / "models" / name
    assert (out / "checkpoints").is_dir() and not (out / "model.safetensors").exists()
    with running(tmp_path) as again:
        facts = again.get(f"/api/trainings/{name}")[1]
        assert facts["can_go_on"] and facts["is_saved"] and facts["state"] == "stopped"
        assert again.post(f"/api/trainings/{name}/again", {})[0] == 200
        told = events(again, name, in_state("running"))
        assert [one["resumed"] for one in told if one["type"] == "prepared"] == [False, True]
        again.post(f"/api/trainings/{name}/stop", {})
        assert events(again, name, is_over)[-1]["state"] == "finished"


def workers():
    """Process numbers of trainings of this user that still run."""
    found = []
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0")
            parent = Path(f"/proc/{name}/stat").read_text().rsplit(")", 1)[1].split()[1]
        except OSError:
            continue
        if b"glassnet.doors.lab.worker" in words and parent == "1":
            found.append(name)
    return found
