"""The lab's checks over HTTP: the command line's own result, followed, stopped, refused, and ended with the server."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from lab import running
from short_check import shorten

from glassnet.config import Reading
from glassnet.doors.commands.check import check
from glassnet.doors.lab import checks

SHORT = str(Path(__file__).parent / "short_check.py")
OVER = ("known", "found", "stopped", "failed")


def made(path, count=24):
    """A table of two classes that one column tells apart."""
    random = np.random.default_rng(0)
    x = random.normal(0, 1, (count, 5))
    x[1::2, 0] += 2
    rows = [",".join([*(f"{v:.4f}" for v in row), f"c{i % 2}"]) for i, row in enumerate(x)]
    path.write_text("\n".join(["a,b,c,d,e,label", *rows]))
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return made(tmp_path_factory.mktemp("data") / "t.csv")


@pytest.fixture(scope="module")
def running_lab(tmp_path_factory):
    with running(tmp_path_factory.mktemp("lab")) as one:
        yield one


@pytest.fixture
def lab(running_lab, monkeypatch):
    """A lab whose checks take a second."""
    monkeypatch.setattr(checks, "WORKER", (sys.executable, SHORT, "4"))
    return running_lab


@pytest.fixture
def slow(running_lab, monkeypatch):
    """The same, with checks that take longer than any test."""
    monkeypatch.setattr(checks, "WORKER", (sys.executable, SHORT, "100000"))
    yield running_lab
    for one in running_lab.get("/api/checks")[1]["checks"]:
        running_lab.post(f"/api/checks/{one['id']}/stop", {})


def followed(lab, key):
    """What the events of a check say, one after the other, to their end."""
    connection = http.client.HTTPConnection("127.0.0.1", lab.port, timeout=60)
    connection.request("GET", f"/api/checks/{key}/events")
    reply = connection.getresponse()
    assert reply.status == 200 and reply.getheader("content-type").startswith("text/event-stream")
    text = reply.read().decode()
    connection.close()
    return [json.loads(part.removeprefix("data: ")) for part in text.split("\n\n") if part.startswith("data: ")]


def begun(lab, asked):
    """The key of what was begun."""
    status, answer = lab.post("/api/checks", asked)
    assert status == 200, answer
    return answer["id"]


def until(lab, key, *states):
    """What is known of a check once it is in one of these states."""
    for _ in range(3000):
        status, facts = lab.get(f"/api/checks/{key}")
        assert status == 200
        if facts["state"] in states:
            return facts
        time.sleep(0.02)
    raise AssertionError(facts["state"])


def processes():
    """Ids of the processes of checks that were begun from this one."""
    listed = subprocess.run(["ps", "-wweo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    fields = [line.split(maxsplit=2) for line in listed.splitlines()[1:]]
    return [int(pid) for pid, parent, words in fields if int(parent) == os.getpid() and SHORT in words]


def test_a_look_tells_what_is_there_and_shows_examples_of_every_class(running_lab, table):
    (*_, last) = followed(running_lab, begun(running_lab, {"data": str(table)}))
    facts = last["data"]
    assert facts["words"] == "24 rows in 2 classes, 5 columns" and facts["kind"] == "tables"
    assert facts["classes"] == [{"name": "c0", "count": 12}, {"name": "c1", "count": 12}]
    assert {one["class"] for one in facts["shown"]} == {"c0", "c1"}
    assert all(one["picture"].startswith("data:image/") for one in facts["shown"])
    assert "found" not in last, "looking checks nothing"


def test_data_is_looked_at_once_and_anew_when_asked(running_lab, tmp_path):
    asked = {"data": str(made(tmp_path / "t.csv"))}
    key = begun(running_lab, asked)
    assert until(running_lab, key, "known")["data"]["examples"] == 24
    made(tmp_path / "t.csv", 30)
    assert begun(running_lab, asked) == key and until(running_lab, key, *OVER)["data"]["examples"] == 24
    assert begun(running_lab, {**asked, "anew": True}) == key
    assert until(running_lab, key, *OVER)["data"]["examples"] == 30


@pytest.fixture(scope="module")
def checked(running_lab, table):
    """The key of a check with seed 3, and all that was told of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "WORKER", (sys.executable, SHORT, "4"))
        key = begun(running_lab, {"data": str(table), "seed": 3, "check": True})
        return key, followed(running_lab, key)


def test_a_check_finds_what_the_command_line_prints_with_the_same_seed(checked, table, monkeypatch, capsys):
    found = checked[1][-1]["found"]
    shorten(monkeypatch.setattr)
    check(str(table), Reading(), 3, json=True)
    printed = json.loads(capsys.readouterr().out)
    assert {**printed, "seconds": 0} == {**found, "seconds": 0}


def test_a_check_tells_its_figures_while_it_runs_and_all_of_them_to_who_comes_later(lab, checked, table):
    key, events = checked
    lengths = [sum(map(len, one["runs"])) for one in events if "runs" in one]
    assert lengths == sorted(lengths) and lengths[-1] == 3 * 20, "three splits of the given and 19 random orders"
    assert begun(lab, {"data": f' "{table}" ', "seed": 3}) == key, "a quoted path is the same, and nothing is done anew"
    (again,) = followed(lab, key)
    assert again["state"] == "found" and again == until(lab, key, "found")
    runs = np.array(again["runs"])
    assert runs.mean(0)[0] == pytest.approx(again["found"]["as_given"])
    assert runs.mean(0)[1:].tolist() == pytest.approx(again["found"]["shuffled"])
    for name, (value, low, high) in again["spread"].items():
        assert value == again["found"]["scores"][name] and [low, high] == again["found"]["intervals"][name]
    assert again["pair"][0]["picture"] != again["pair"][1]["picture"]
    verdicts = {one["id"]: one["verdict"] for one in lab.get("/api/checks")[1]["checks"]}
    assert verdicts[key] == again["found"]["verdict"]


def test_a_check_is_stopped_leaves_no_process_and_can_be_begun_again(slow, table):
    asked = {"data": str(table), "seed": 5, "check": True}
    key = begun(slow, asked)
    until(slow, key, "checking")
    assert len(processes()) == 1
    assert slow.post(f"/api/checks/{key}/stop", {})[1]["state"] == "stopped"
    assert processes() == []
    facts = until(slow, key, *OVER)
    assert facts["state"] == "stopped" and facts["data"]["examples"] == 24 and "found" not in facts
    assert begun(slow, asked) == key
    until(slow, key, "checking")


def test_the_lab_answers_while_checks_run_and_the_third_waits_for_its_turn(slow, table):
    one, two, three, four = (begun(slow, {"data": str(table), "seed": seed, "check": True}) for seed in range(10, 14))
    until(slow, one, "checking")
    until(slow, two, "checking")
    assert until(slow, three, "waiting")["state"] == "waiting"
    assert slow.get("/api/nets/slides")[0] == 200
    slow.post(f"/api/checks/{three}/stop", {})
    slow.post(f"/api/checks/{one}/stop", {})
    until(slow, four, "checking")
    assert until(slow, two, *OVER, "checking")["state"] == "checking", "another's end is none of its business"
    assert len(processes()) == 2


def test_what_cannot_be_checked_is_refused_in_one_line(lab, tmp_path):
    (tmp_path / "empty").mkdir()
    before = lab.get("/api/checks")[1]
    for data, words in {
        str(tmp_path / "nowhere"): "found nothing there",
        str(tmp_path / "empty"): "expected",
        "''": "expected a folder, a table or an .npz",
        "a\0b": "expected a folder",
    }.items():
        status, answer = lab.post("/api/checks", {"data": data})
        assert status == 400 and words in answer["error"] and "\n" not in answer["error"], answer
    assert lab.post("/api/checks", {"data": ""})[0] == 422
    assert lab.post("/api/checks", {"data": "digits", "kind": "stones"})[0] == 400
    assert lab.get("/api/checks/none")[0] == 404
    assert lab.get("/api/checks")[1] == before, "nothing was begun"


def test_too_few_examples_are_refused_by_the_check_in_one_line(lab, tmp_path):
    key = begun(lab, {"data": str(made(tmp_path / "few.csv", 12)), "check": True})
    facts = until(lab, key, *OVER)
    assert facts["state"] == "failed" and "at least two classes of 10 different examples each" in facts["error"]


def test_a_process_that_breaks_is_told_of_and_not_waited_for(lab, table, monkeypatch):
    monkeypatch.setattr(checks, "WORKER", (sys.executable, "-c", "print('{\"data\"'); raise SystemExit(1)"))
    facts = until(lab, begun(lab, {"data": str(table), "seed": 6, "check": True}), *OVER)
    assert facts["state"] == "failed" and "broke off" in facts["error"]


def test_the_oldest_is_forgotten_where_there_are_too_many(running_lab, table, monkeypatch):
    monkeypatch.setattr(checks, "KEPT", 2)
    keys = []
    for seed in range(20, 23):
        keys.append(begun(running_lab, {"data": str(table), "seed": seed}))
        until(running_lab, keys[-1], "known")
    assert running_lab.get(f"/api/checks/{keys[0]}")[0] == 404
    assert [one["id"] for one in running_lab.get("/api/checks")[1]["checks"]] == [keys[2], keys[1]]


def test_the_server_ends_while_it_checks_and_is_followed_and_no_process_is_left(tmp_path, table, monkeypatch, capfd):
    monkeypatch.setattr(checks, "WORKER", (sys.executable, SHORT, "100000"))
    with running(tmp_path) as lab:
        key = begun(lab, {"data": str(table), "check": True})
        until(lab, key, "checking")
        connection = http.client.HTTPConnection("127.0.0.1", lab.port, timeout=60)
        connection.request("GET", f"/api/checks/{key}/events")
        reply = connection.getresponse()
        assert reply.readline().startswith(b"data: ")
    assert processes() == []
    assert reply.read().endswith(b"\n"), "the events end whole"
    connection.close()
    assert "Cancel" not in capfd.readouterr().err


def test_a_check_ends_when_nobody_gives_it_orders_any_more_as_when_the_server_is_killed(table):
    command = [sys.executable, SHORT, "50"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    process.stdin.write(json.dumps({"data": {"data": str(table)}, "seed": 0, "check": True}).encode() + b"\n")
    process.stdin.flush()
    assert any("step" in json.loads(line) for line in process.stdout), "it works"
    process.stdin.close()
    assert process.wait(20) == -signal.SIGTERM
    process.stdout.close()
