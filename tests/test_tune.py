"""A search goes on where it was left, never sees a test example, and ends with a model that its settings make again."""

import contextlib
import csv
import json
import shlex
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from box_data import make_voc

import glassnet as gn
from glassnet.config import Reading, Training, read_toml
from glassnet.data.dataset import TEST
from glassnet.data.split import split
from glassnet.doors import choosing, cli
from glassnet.doors.run import Stop
from glassnet.doors.trials import Ground
from glassnet.doors.tuning import Tried, Trying, Wanted
from glassnet.doors.tuning import tune as tuning
from glassnet.errors import Interrupted
from glassnet.training.database import shown
from glassnet.training.knobs import Knob
from glassnet.training.sampling import CHANGED, near
from glassnet.training.tune import Asked, Search, Trial

QUICK = {"epochs": 1, "threads": 1}
KNOBS = (Knob("features", "features", (8, 16, 32)), Knob("rate", "rate", (), 0.001, 0.1))


@pytest.fixture(scope="module")
def letters():
    """X's and O's whose sides are given."""
    dataset = gn.xo(160)
    return replace(dataset, samples=replace(dataset.samples, split=split(dataset, 0).side))


def told(found):
    """All of a search's trials that must be the same again."""
    return [(one.net, one.state, one.held_loss, one.curve, dict(one.settings)) for one in found.trials]


@pytest.fixture
def typed(tmp_path, monkeypatch, capsys):
    """Runs the command line in this process, in a folder of its own. Returns what it printed as JSON."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        capsys.readouterr()
        assert cli.run([str(word) for word in (*words, "--json")]) == 0
        said = capsys.readouterr()
        assert "\x1b" not in said.err
        return json.loads(said.out)

    return run


def least_held_loss(model):
    lines = (model / "history.csv").read_text().splitlines()
    return min(float(epoch["held_loss"]) for epoch in csv.DictReader(lines))


def test_a_command_leaves_a_model_that_its_settings_train_again(typed, tmp_path):
    typed("make", "xo", "letters", "--count", 100)
    command = ("tune", "letters", "--trials", 4, "--epochs", 1, "--threads", 1)
    said = typed(*command)
    assert [one["number"] for one in said["trials"]] == [0, 1, 2, 3]
    assert said["trials"][0].keys() >= {"number", "state", "net", "settings", "held_loss", "held_accuracy", "seconds"}
    assert said.keys() >= {"best", "default", "better", "model", "test", "importance", "config", "page", "next"}
    whole = [one for one in said["trials"] if one["state"] == "complete"]
    assert said["best"]["held_loss"] == min(one["held_loss"] for one in whole)
    assert said["default"]["number"] == 0
    model = tmp_path / said["model"]
    assert least_held_loss(model) == said["best"]["held_loss"], "it is the trial again"
    test = json.loads((model / "metrics.json").read_text())["test"]
    assert said["test"] == {name: test[name] for name in ("examples", "accuracy", "low", "high", "loss")}
    typed("train", "letters", "--config", said["config"], "--out", "again")
    weights = [(folder / "model.safetensors").read_bytes() for folder in (model, tmp_path / "again")]
    assert weights[0] == weights[1]
    assert "<html" in (tmp_path / said["page"]).read_text()
    assert all(shlex.split(line)[0] == "glassnet" for line in said["next"])
    before = (model / "metrics.json").stat().st_mtime_ns
    assert typed(*command)["trials"] == said["trials"], "the same command finds all of it done"
    assert (model / "metrics.json").stat().st_mtime_ns == before, "and tests nothing again"


def test_trials_are_the_same_whatever_the_test_examples_are(letters, tmp_path):
    x = letters.samples.x.copy()
    x[letters.samples.split == TEST] = np.random.default_rng(1).normal(size=x.shape[1:]) * 50
    others = replace(letters, samples=replace(letters.samples, x=x))
    first = gn.tune(letters, out=tmp_path / "a", trials=4, **QUICK)
    second = gn.tune(others, out=tmp_path / "b", trials=4, **QUICK)
    assert told(first) == told(second)
    assert first.as_json()["test"] != second.as_json()["test"]


def test_a_search_that_goes_on_finds_what_it_would_have_found_at_once(letters, tmp_path):
    at_once = gn.tune(letters, out=tmp_path / "a", trials=9, seed=3, **QUICK)
    parts = [gn.tune(letters, out=tmp_path / "b", trials=trials, seed=3, **QUICK) for trials in (2, 9)]
    assert told(parts[-1]) == told(at_once)
    assert parts[1].trials[:2] == parts[0].trials, "what is there is not done again"
    assert len({one.net + str(one.settings) for one in at_once.trials}) > 6
    homes = [one.model.name for one in parts]
    assert all((tmp_path / "b" / name / "model.safetensors").exists() for name in homes), "no model is overwritten"


def test_a_stopped_search_does_its_trial_again_and_comes_to_the_same(letters, tmp_path):
    whole = gn.tune(letters, out=tmp_path / "a", trials=6, **QUICK)
    wanted = Wanted(tmp_path / "b", trials=6)
    events = tuning(letters, Training(**QUICK), wanted, "letters")
    for event in events:
        if isinstance(event, Trying) and event.number == 4:
            break
    with pytest.raises(Interrupted, match="stopped in trial 4; the 4 before it are kept") as stopped:
        events.throw(Stop(signal.SIGINT))
    assert stopped.value.exit_code == 130
    assert shlex.split(stopped.value.command)[:3] == ["glassnet", "tune", "letters"]
    assert told(gn.tune(letters, out=tmp_path / "b", trials=6, **QUICK)) == told(whole)


def test_stopped_while_the_best_net_is_trained_it_goes_on_with_that(letters, tmp_path):
    events = tuning(letters, Training(net="conv 4 3, batchnorm, relu, fc", epochs=3, threads=1), Wanted(tmp_path, 1))
    tried = False
    for event in events:
        if isinstance(event, Tried):
            tried = True
        elif tried and type(event).__name__ == "Progress":
            break
    with pytest.raises(Interrupted):
        events.throw(Stop(signal.SIGINT))
    assert (tmp_path / "model" / "checkpoints" / "run.json").exists()
    found = gn.tune(letters, out=tmp_path, trials=1, net="conv 4 3, batchnorm, relu, fc", epochs=3, threads=1)
    assert found.model == tmp_path / "model"
    assert len(found.trials) == 1
    assert least_held_loss(found.model) == found.best.held_loss


def start(home, *words):
    return subprocess.Popen(
        [sys.executable, "-m", "glassnet", *map(str, words)], cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_two_processes_at_once_come_to_one_search_and_one_model(typed, tmp_path):
    typed("make", "xo", "letters", "--count", 100)
    words = ("tune", "letters", "--trials", 5, "--epochs", 2, "--threads", 1, "--json")
    both = [start(tmp_path, *words) for _ in range(2)]
    said = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    found = [json.loads(out) for out, _ in said]
    last = max(found, key=lambda one: sum(trial["state"] != "running" for trial in one["trials"]))
    assert len(last["trials"]) == 5
    assert {one["state"] for one in last["trials"]} <= {"complete", "pruned"}
    folder = tmp_path / "models" / "letters-tuned"
    assert {one["model"] for one in found} <= {"models/letters-tuned/model", None}
    assert [path.name for path in folder.glob("model*")] == ["model"]
    with contextlib.closing(sqlite3.connect(folder / "trials.db")) as database:
        rows = database.execute("select value_json from trial_user_attributes where key = 'process'").fetchall()
    assert {json.loads(row[0]).partition("@")[0] for row in rows} <= {str(process.pid) for process in both}


def test_searches_on_one_storage_share_the_trials(tmp_path, monkeypatch):
    monkeypatch.setattr("glassnet.training.tune._process", lambda: "7@elsewhere")  # else they were one process
    here, there = search_in(tmp_path / "t.db", seed=1), search_in(tmp_path / "t.db", seed=1)
    mine = here.ask(4)
    theirs = there.ask(4)
    assert (mine.begun, theirs.begun) == ("default", "")
    finish(here, mine, [3.0])
    second = here.ask(4)
    assert len({mine.number, theirs.number, second.number}) == 3
    assert second.values != theirs.values
    finish(here, second, [2.0])
    finish(there, theirs, [1.0])
    finish(here, here.ask(4), [4.0])
    assert (here.ask(4), there.ask(4)) == (None, None), "four were wanted in all"
    assert [one.held_loss for one in here.trials()] == [one.held_loss for one in there.trials()]
    assert sorted(one.held_loss for one in here.trials()) == [1.0, 2.0, 3.0, 4.0]


ASKING = """
import json, os, sys, time
from pathlib import Path
from glassnet.training import tune
from glassnet.training.knobs import Knob
tune._process = lambda: f"{os.getpid()}@elsewhere"  # else it would take its own trials, left unfinished, for lost
home, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
first = [(f"net {i}", {"features": 8, "rate": 0.01}) for i in range(30)]
(home / f"ready-{name}").touch()
while len(list(home.glob("ready-*"))) < count:
    time.sleep(0.001)
knobs = Knob("features", "features", (8, 16, 32)), Knob("rate", "rate", (), 0.001, 0.1)
search = tune.Search(f"sqlite:///{home}/t.db", "a", 0, knobs, first)
print(json.dumps([search.ask().begun for _ in range(15)]))
"""


def test_no_trial_is_taken_by_two_processes_that_begin_at_once(tmp_path):
    """Three make the database, put thirty nets there and take fifteen trials each."""
    words = [[sys.executable, "-c", ASKING, str(tmp_path), str(i), "3"] for i in range(3)]
    processes = [subprocess.Popen(one, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for one in words]
    said = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], said
    taken = [begun for out, _ in said for begun in json.loads(out)]
    assert sorted(filter(None, taken)) == sorted(f"net {i}" for i in range(30))
    assert taken.count("") == 15, "then each chose its own"


def test_what_two_processes_put_first_at_once_is_tried_once(tmp_path, monkeypatch):
    first = [("default", {"features": 8, "rate": 0.01}), ("wide", {"features": 32, "rate": 0.01})]
    here = search_in(tmp_path / "t.db", first)
    with monkeypatch.context() as both:
        both.setattr("optuna.study.Study.get_trials", lambda *_, **__: [])  # as it was when the other looked too
        there = search_in(tmp_path / "t.db", first)
    tried = [here.ask(3)]
    finish(here, tried[0], [1.0])
    for _ in range(2):
        tried.append(there.ask(3))
        finish(there, tried[-1], [1.0])
    assert [one.begun for one in tried] == ["default", "wide", ""]
    assert (here.ask(3), there.ask(3)) == (None, None)


def test_what_a_process_died_over_putting_first_is_put_there_by_the_next(tmp_path):
    first = [("default", {"features": 8, "rate": 0.01}), ("wide", {"features": 32, "rate": 0.01})]
    search_in(tmp_path / "t.db", first[:1])
    search = search_in(tmp_path / "t.db", first)
    begun = []
    for _ in range(3):
        asked = search.ask()
        finish(search, asked, [1.0])
        begun.append(asked.begun)
    assert begun == ["default", "wide", ""]


def test_ctrl_c_keeps_what_was_found_and_says_how_to_go_on(typed, tmp_path):
    typed("make", "xo", "letters", "--count", 100)
    words = ("tune", "letters", "--epochs", 10, "--threads", 1, "--out", "found", "--trials")
    with start(tmp_path, *words, 500) as process:
        wait_for_trials(tmp_path / "found" / "trials.db", 1)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    *_, stopped, saved, following = said.decode().splitlines()
    assert process.returncode == 130, said
    assert stopped.startswith("^C stopped in trial ") and "kept" in stopped and "Traceback" not in said.decode()
    assert saved.split()[0] == "saved" and saved.endswith("trials.db")
    assert shlex.split(following.removeprefix("next"))[:3] == ["glassnet", "tune", "letters"]
    done = judged(tmp_path / "found" / "trials.db")
    trials = typed(*words, done + 1)["trials"]
    assert len(trials) == done + 1
    assert all(one["state"] in ("complete", "pruned") and one["net"] for one in trials)


def judged(path):
    """Trials in a database that are over."""
    with contextlib.closing(sqlite3.connect(path, timeout=30)) as database:
        return database.execute("select count(*) from trials where state in ('COMPLETE', 'PRUNED')").fetchone()[0]


def wait_for_trials(path, count):
    deadline = time.monotonic() + 60
    while True:
        try:
            if judged(path) >= count:
                return
        except sqlite3.OperationalError:
            pass  # it is being made
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_nothing_that_is_kept_is_pickled(letters, tmp_path):
    gn.tune(letters, out=tmp_path, trials=3, **QUICK)
    with contextlib.closing(sqlite3.connect(tmp_path / "trials.db")) as database:
        tables = [row[0] for row in database.execute("select name from sqlite_master where type = 'table'")]
        cells = [cell for table in tables for row in database.execute(f"select * from {table}") for cell in row]
        kept = [row[0] for row in database.execute("select value_json from trial_user_attributes")]
    assert not any(isinstance(cell, bytes) for cell in cells)
    assert kept and all(json.loads(one) is not ... for one in kept)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"trials.db", "best.toml", "tune.html", "model", ".tuning"}


@pytest.mark.parametrize("kind", ["series", "volumes", "sentences"])
def test_every_kind_with_places_is_searched(kind, tmp_path):
    random = np.random.default_rng(0)
    if kind == "sentences":
        words = [("bad", 0), ("good", 1)] * 30
        data = tmp_path / "said.csv"
        data.write_text(
            "text,label\n" + "".join(f"number {i} is {word},{label}\n" for i, (word, label) in enumerate(words))
        )
    else:
        y = np.arange(60) % 2
        shape = (60, 2, 40) if kind == "series" else (60, 1, 8, 8, 8)
        data = tmp_path / "made.npz"
        np.savez(data, x=(random.normal(size=shape) + y.reshape(-1, *[1] * (len(shape) - 1))).astype(np.float32), y=y)
    found = gn.tune(data, out=tmp_path / "found", trials=5, **QUICK)
    assert found.trials[0].net == gn.load(found.model).card.net or found.is_better
    assert len({one.net for one in found.trials}) >= 3
    assert all(one.is_over for one in found.trials)
    assert read_toml(found.config)["net"] == found.best.net


def test_what_is_set_is_not_searched(letters, tmp_path):
    net = "conv 4 3, relu, pool 2, fc"
    found = gn.tune(letters, out=tmp_path, trials=3, net=net, batch=16, augment=False, **QUICK)
    assert [knob.name for knob in found.knobs] == ["learning_rate"]
    assert {(one.net, one.settings["batch"], one.settings["augment"]) for one in found.trials} == {(net, 16, False)}
    assert len({one.settings["learning_rate"] for one in found.trials}) == 3


def test_a_trial_s_plan_is_the_one_that_train_makes_of_its_settings(letters):
    plan, sides, machine = choosing.make(letters, "", Reading(), Training(threads=1))
    ground = Ground(letters, sides, machine, plan)
    values = {**ground.first()[1][1], "epochs": 7, "batch": 64, "learning_rate": 0.03, "augment": False}
    for augment in (True, False):
        tried, _ = ground.planned(Asked(1, values | {"augment": augment}, "", None), np.inf)
        made, _, _ = choosing.make(letters, "", Reading(), tried.settings)
        assert replace(made, notes=()) == tried


def test_the_default_is_what_train_would_choose(letters, tmp_path):
    found = gn.tune(letters, out=tmp_path / "a", trials=1, threads=1)
    model = gn.train(letters, out=tmp_path / "b", threads=1)
    assert not found.is_better
    weights = [(folder / "model.safetensors").read_bytes() for folder in (found.model, tmp_path / "b")]
    assert weights[0] == weights[1]
    assert model.card.net == found.best.net
    assert "The default stayed the best" in found.page.read_text()


def test_a_search_with_little_time_still_ends_with_a_model(letters, tmp_path):
    found = gn.tune(letters, out=tmp_path, minutes=0.03, threads=1)
    assert found.trials[0].begun == "default" and found.trials[0].state == "complete"
    assert (found.model / "model.safetensors").exists()


def search_in(path, first=(("default", {}),), seed=0):
    return Search(f"sqlite:///{path}", "a", seed, KNOBS, first)


def run(search, losses):
    """A trial with these held-out losses, one a tenth. Returns the part it was given up after, if any."""
    return finish(search, search.ask(), losses)


def finish(search, asked, losses):
    search.describe(asked, "fc", asked.values, {})
    curve = tuple((part / 10, loss) for part, loss in enumerate(losses, 1))
    for done, loss in curve:
        if search.report(asked, done, loss):
            search.finish(asked, Trial(asked.number, "pruned", "fc", asked.values, {}, loss, 0.5, 1.0, curve))
            return round(10 * done)
    search.finish(asked, Trial(asked.number, "complete", "fc", asked.values, {}, min(losses), 0.5, 1.0, curve))
    return None


def test_a_trial_is_given_up_where_it_is_worse_than_the_median_of_those_before(tmp_path):
    search = search_in(tmp_path / "t.db")
    steady = [[level] * 10 for level in (1.0, 2.0, 3.0, 4.0)]  # the median is 2.5 everywhere
    assert [run(search, losses) for losses in steady] == [None] * 4
    assert run(search, [9.0, 9.0, 9.0, 2.6] + [0.1] * 6) == 4, "the first three tenths tell too little"
    assert run(search, [9.0] * 3 + [2.4] * 7) is None
    states = [one.state for one in search.trials()]
    assert states == ["complete"] * 4 + ["pruned", "complete"]


def test_a_trial_whose_process_died_is_tried_again_by_the_next(tmp_path):
    search = search_in(tmp_path / "t.db", [("default", {"features": 8, "rate": 0.01})])
    asked = search.ask()
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    asked.trial.set_user_attr("process", f"{process.pid}@{socket.gethostname()}")
    again = search_in(tmp_path / "t.db")
    assert again.trials() == (), "it counts for nothing any more"
    retried = again.ask()
    assert (retried.values, retried.begun) == (asked.values, "default")


def test_a_trial_that_was_taken_for_lost_ends_quietly_where_it_still_runs(tmp_path, monkeypatch):
    """Its machine slept, say, for an hour: another has it tried again, and that result counts."""
    slow = search_in(tmp_path / "t.db", [("default", {"features": 8, "rate": 0.01})])
    monkeypatch.setattr("glassnet.training.tune._process", lambda: "7@elsewhere")
    asked = slow.ask()
    assert not slow.report(asked, 0.1, 2.0)
    asked.trial.set_user_attr("seen", time.time() - 3600)
    quick = search_in(tmp_path / "t.db")
    assert finish(quick, quick.ask(), [0.5] * 10) is None
    slow.alive(asked, at_once=True)
    assert slow.report(asked, 0.2, 1.0), "it is told to give up"
    slow.finish(asked, Trial(asked.number, "complete", "fc", asked.values, {}, 0.1, 0.9, 1.0))
    slow.leave(asked)
    found = [(one.begun, one.state, one.held_loss) for one in slow.trials()]
    assert found == [("default", "complete", 0.5)] == [(one.begun, one.state, one.held_loss) for one in quick.trials()]
    assert slow.ask().begun == "", "it waits nowhere any more"


def test_a_trial_of_another_machine_is_left_alone_while_it_shows_life(tmp_path):
    search = search_in(tmp_path / "t.db")
    asked = search.ask()
    asked.trial.set_user_attr("process", "1@elsewhere")
    asked.trial.set_user_attr("seen", time.time() - 500)
    assert [one.state for one in search_in(tmp_path / "t.db").trials()] == ["running"]
    asked.trial.set_user_attr("seen", time.time() - 700)
    assert search_in(tmp_path / "t.db").trials() == ()


def test_importances_point_at_the_knob_that_matters(tmp_path):
    """The loss is the knob `features` alone, so all that trials differ by is its doing."""
    search = search_in(
        tmp_path / "t.db", [("", {"features": (8, 16, 32)[i % 3], "rate": 0.002 + 0.003 * i}) for i in range(12)]
    )
    assert search.importances() == {}
    for _ in range(12):
        asked = search.ask()
        trial = Trial(asked.number, "complete", "fc", asked.values, {}, float(asked.values["features"]), 0.5, 1.0)
        search.finish(asked, trial)
    found = search.importances()
    assert found["features"] > 0.95
    assert sum(found.values()) == pytest.approx(1)


def test_values_near_others_differ_in_a_few_knobs_by_one_step():
    knobs = [Knob(f"k{i}", "", (1, 2, 3, 4)) for i in range(8)] + [Knob("rate", "", (), 0.01, 0.1)]
    centre = {knob.name: 2 for knob in knobs[:8]} | {"rate": 0.09}
    for seed in range(200):
        found = near(centre, knobs, np.random.default_rng(seed))
        changed = [name for name in centre if found[name] != centre[name]]
        assert 1 <= len(changed) <= CHANGED
        assert all(found[name] in (1, 3) for name in changed if name != "rate")
        assert 0.045 <= found["rate"] <= 0.1


def test_a_mistake_is_answered_in_one_line(tmp_path, monkeypatch, capsys):
    def refused(*words):
        assert cli.run(["tune", *map(str, words)]) == 2
        said = capsys.readouterr()
        assert said.out == "" and len(said.err.splitlines()) == 1, said.err
        return said.err

    monkeypatch.chdir(tmp_path)
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "thesis.txt").write_text("mine")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "trials.db").write_bytes(b"no database at all" * 100)
    (tmp_path / "rows.csv").write_text("a,b,label\n" + "".join(f"{i},{i % 7},{i % 2}\n" for i in range(60)))
    assert "nothing there" in refused("nowhere")
    assert "--trials: expected a whole number from 1" in refused("xo", "--trials", 0)
    assert "pool 2" in refused("xo", "--net", "conv 4 3, relu, pool 9/9, pool 2, pool 2, fc")
    few = ("xo", "--trials", 1, "--epochs", 1)
    assert "something else" in refused(*few, "--out", "kept")
    assert "trials.db: can't be used to keep trials" in refused(*few, "--out", "bad")
    assert "no-such://x: can't be used to keep trials" in refused(*few, "--storage", "no-such://x")
    assert "trials.db: can't be used to keep trials" in refused(*few, "--storage", "trials.db")
    assert "whose columns have no order" in refused("rows.csv", "--trials", 1)
    assert "learns with labels" in refused(*few, "--net", "rbm 8 3, probpool 2, fc")
    monkeypatch.setattr("glassnet.doors.optional.find_spec", lambda _: None)
    assert refused("xo") == 'tune: expected the package optuna, found none. pip install "glassnet[tune]".\n'


def test_boxes_are_refused_with_what_to_do(tmp_path, capsys):
    make_voc(tmp_path / "cells", 2)
    assert cli.run(["tune", str(tmp_path / "cells")]) == 2
    assert f"To find such objects: glassnet train {tmp_path / 'cells'}." in capsys.readouterr().err


def test_a_password_is_never_shown():
    assert shown("postgresql://ann:secret@host/trials") == "postgresql://ann:***@host/trials"
    assert shown("trials.db") == "trials.db"
