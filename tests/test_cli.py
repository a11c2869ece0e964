"""The command line as other programs use it: exit codes, JSON keys, next commands that can be typed."""

import json
import os
import shlex
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

COMMANDS = ("train", "tune", "predict", "evaluate", "explain", "show", "make")


@pytest.fixture(scope="module")
def trained(pets, tmp_path_factory):
    """A model of the striped pets, by the command a person types, and all it printed."""
    home = tmp_path_factory.mktemp("home")
    words = [sys.executable, "-m", "glassnet", "train", str(pets), "--epochs", "8", "--json"]
    done = subprocess.run(words, cwd=home, capture_output=True, text=True, check=True, timeout=120)
    return home / "models" / "pets-1", json.loads(done.stdout), done.stderr


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_every_option_and_fits_a_screen(glassnet, command):
    answer = glassnet(command, "--help")
    assert answer.code == 0
    assert "--help" in answer.out
    assert len(answer.out.splitlines()) < 40
    assert max(map(len, answer.out.splitlines())) <= 80


@pytest.mark.parametrize("command", ["train", "predict", "evaluate", "explain", "features", "show", "serve"])
def test_help_says_what_a_command_does_with_boxes(glassnet, command):
    told, _, _ = glassnet(command, "--help").out.partition("Options:")
    assert "detector" in told or "boxes" in told.lower()


def test_train_prints_one_json_object_with_the_promised_keys(trained):
    model, summary, _ = trained
    assert summary["model"] == "models/pets-1"
    assert (summary["kind"], summary["classes"]) == ("pictures", ["across", "down"])
    assert summary["examples"] == {"train": 96, "val": 12, "test": 12, "skipped": 0}
    assert summary["test"].keys() >= {"accuracy", "low", "high", "loss"}
    assert summary["test"]["accuracy"] == 1
    assert summary["epochs"] == 8
    assert summary["seconds"] > 0
    assert summary["examples_per_second"] > 0
    assert isinstance(summary["parameters"], int)
    assert json.loads((model / "config.json").read_text())["net"] == summary["net"]


def test_without_a_terminal_each_epoch_is_one_plain_line(trained):
    _, _, said = trained
    assert "\x1b" not in said
    assert "\r" not in said
    rows = [line.split() for line in said.splitlines() if line[:5].strip().isdecimal() and "kept" not in line]
    assert [int(row[0]) for row in rows] == list(range(1, 9))


def test_the_next_command_that_is_printed_can_be_typed(trained, tmp_path):
    model, _, said = trained
    words = shlex.split(next(line for line in said.splitlines() if line.startswith("next")).removeprefix("next"))
    assert words[:2] == ["glassnet", "explain"]
    home = model.parent.parent
    answer = subprocess.run(
        [sys.executable, "-m", *words, "--out", str(tmp_path / "why.html"), "--json"],
        cwd=home,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert answer.returncode == 0
    assert "<html" in (tmp_path / "why.html").read_text()


def test_explained_votes_add_up_to_the_logit(trained, pets, glassnet, tmp_path):
    model, _, _ = trained
    answer = glassnet("explain", model, pets / "down" / "000.png", "--out", tmp_path / "w.html", "--json")
    (said,) = lines(answer.out)
    assert said["class"] == "down"
    assert said["votes"].keys() == {"across", "down"}
    for vote in said["votes"].values():
        total = vote["bias"] + sum(one["vote"] for one in vote["values"])
        assert total == pytest.approx(vote["logit"], abs=1e-4)
        for one in vote["values"]:
            assert one["value"] * one["weight"] == pytest.approx(one["vote"], rel=1e-5, abs=1e-9)


def test_predict_answers_files_folders_and_tables_in_order(trained, pets, glassnet):
    model, _, _ = trained
    table = pets.parent / "asked.csv"
    table.write_text("path\npets/down/001.png\npets/across/001.png\n")
    answer = glassnet("predict", model, pets / "down" / "000.png", pets / "across", table, "--json")
    said = lines(answer.out)
    assert answer.code == 0
    assert len(said) == 1 + 60 + 2
    assert said[0].keys() >= {"input", "class", "score", "votes"}
    assert said[0]["input"] == str(pets / "down" / "000.png")
    assert [one["class"] for one in said] == ["down", *["across"] * 60, "down", "across"]
    assert sum(said[0]["votes"].values()) == pytest.approx(1)
    assert said[0]["score"] == max(said[0]["votes"].values())
    few = lines(glassnet("predict", model, pets / "down" / "000.png", "--json", "--top", 1).out)
    assert few[0]["votes"] == {"down": said[0]["score"]}


def test_predict_takes_a_picture_or_paths_from_standard_input(trained, pets, glassnet):
    model, _, _ = trained
    picture = pets / "down" / "000.png"
    (bytes_in,) = lines(glassnet("predict", model, "-", "--json", stdin=picture.read_bytes()).out)
    paths = lines(glassnet("predict", model, "-", "--json", stdin=f"{picture}\n\n{picture}\n".encode()).out)
    assert (bytes_in["input"], bytes_in["class"]) == ("-", "down")
    assert [one["input"] for one in paths] == [str(picture)] * 2
    assert paths[0]["votes"] == pytest.approx(bytes_in["votes"], abs=1e-6)


def test_predict_goes_on_after_bad_inputs_and_ends_with_2(trained, pets, glassnet, tmp_path):
    model, _, _ = trained
    (tmp_path / "text.png").write_text("no picture")
    asked = [tmp_path / "text.png", pets / "down" / "000.png", tmp_path / "gone.png", pets / "across" / "000.png"]
    answer = glassnet("predict", model, *asked, "--json")
    said = lines(answer.out)
    assert answer.code == 2
    assert [one["input"] for one in said] == [str(path) for path in asked]
    assert [one.get("class") for one in said] == [None, "down", None, "across"]
    assert all(one.keys() == {"input", "error"} for one in said[::2])
    plain = glassnet("predict", model, *asked)
    assert plain.code == 2
    assert len(plain.out.splitlines()) == 2
    assert "gone.png is not there" in plain.err


def test_evaluate_asks_only_about_what_the_model_has_not_seen(trained, pets, glassnet, tmp_path):
    model, _, _ = trained
    answer = glassnet("evaluate", model, pets, "--out", tmp_path / "page.html", "--json")
    (said,) = lines(answer.out)
    assert answer.code == 0
    assert said["examples"] == 12
    assert np.sum(said["confusion"]) == 12
    assert said.keys() >= {"accuracy", "low", "high", "loss", "calibration_error", "calibration", "classes", "mistakes"}
    assert "learnt from the other 108" in said["asked"]
    assert "<html" in (tmp_path / "page.html").read_text()


def test_evaluate_counts_the_mistakes_of_wrongly_labelled_data(trained, glassnet, tmp_path):
    model, _, _ = trained
    random = np.random.default_rng(1)
    for name, across in (("across", 7), ("down", 0)):
        (tmp_path / "new" / name).mkdir(parents=True)
        for i in range(10):
            wave = np.sin(np.arange(24)[:, None] * 1.3 + random.uniform(0, 6)) * np.ones(24) * 80 + 128
            wave = wave if i < across else wave.T
            Image.fromarray(wave.astype(np.uint8)).convert("RGB").save(tmp_path / "new" / name / f"{i}.png")
    (said,) = lines(glassnet("evaluate", model, tmp_path / "new", "--json").out)
    assert said["confusion"] == [[7, 3], [0, 10]]
    assert said["accuracy"] == 17 / 20
    assert sorted(one["input"] for one in said["mistakes"]) == [
        str(tmp_path / "new" / "across" / f"{i}.png") for i in (7, 8, 9)
    ]
    assert {(one["label"], one["class"]) for one in said["mistakes"]} == {("across", "down")}


def test_show_tells_what_is_in_a_data_set(pets, glassnet, tmp_path):
    answer = glassnet("show", pets, "--out", tmp_path / "sheet.png", "--json")
    (said,) = lines(answer.out)
    assert (said["kind"], said["classes"], said["examples"]) == ("pictures", ["across", "down"], 120)
    assert said["counts"] == {"across": {"not split": 60}, "down": {"not split": 60}}
    assert said["duplicates"] == []
    assert sum(one["count"] for one in said["sizes"]) == 120
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert min(sheet.size) > 100


def test_make_xo_leaves_class_folders_that_train(glassnet, tmp_path):
    answer = glassnet("make", "xo", "letters", "--count", 60, "--rotate", 0, "--json")
    (said,) = lines(answer.out)
    assert (said["path"], said["counts"]) == ("letters", {"X": 30, "O": 30})
    assert said["knobs"]["rotate"] == [0, 0]
    assert len(list((tmp_path / "letters" / "X").glob("*.png"))) == 30
    answer = glassnet("train", "letters", "--epochs", 2, "--json")
    assert answer.code == 0
    assert lines(answer.out)[0]["examples"] == {"train": 48, "val": 6, "test": 6, "skipped": 0}


def test_flags_go_over_the_file_of_settings(glassnet, tmp_path):
    (tmp_path / "settings.toml").write_text('net = "conv 4 3, relu, pool 2, fc"\nepochs = 5\naugment = false\n')
    answer = glassnet("train", "digits", "--config", "settings.toml", "--epochs", 1, "--out", "model", "--json")
    (said,) = lines(answer.out)
    assert (said["net"], said["epochs"]) == ("conv 4 3, relu, pool 2, fc", 1)
    settings = json.loads((tmp_path / "model" / "config.json").read_text())["training"]["settings"]
    assert settings["augment"] is False


def test_models_are_numbered_and_never_overwritten_unasked(glassnet, tmp_path):
    quick = ("train", "digits", "--net", "conv 4 3, fc", "--epochs", 1, "--json")
    assert lines(glassnet(*quick).out)[0]["model"] == "models/digits-1"
    assert lines(glassnet(*quick).out)[0]["model"] == "models/digits-2"
    before = (tmp_path / "models" / "digits-1" / "SHA256SUMS").read_text()
    refused = glassnet(*quick, "--out", "models/digits-1")
    assert (refused.code, refused.out) == (2, "")
    assert "a model is there" in refused.err
    assert (tmp_path / "models" / "digits-1" / "SHA256SUMS").read_text() == before
    replaced = glassnet(*quick, "--out", "models/digits-1", "--overwrite", "--seed", 5)
    assert replaced.code == 0
    assert (tmp_path / "models" / "digits-1" / "SHA256SUMS").read_text() != before


def test_trainings_that_begin_at_once_each_get_a_folder_of_their_own(tmp_path):
    command = [sys.executable, "-m", "glassnet", "train", "xo", "--epochs", "1", "--threads", "1", "--json"]
    running = [subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in "123"]
    said = [one.communicate(timeout=120) for one in running]
    assert [one.returncode for one in running] == [0, 0, 0], said
    assert sorted(json.loads(out)["model"] for out, _ in said) == ["models/xo-1", "models/xo-2", "models/xo-3"]


def test_a_training_that_comes_to_nothing_leaves_no_folder(glassnet, tmp_path):
    for name in "ab":
        (tmp_path / "broken" / name).mkdir(parents=True)
        for i in range(9):
            (tmp_path / "broken" / name / f"{i}.png").write_bytes(b"no picture at all")
    answer = glassnet("train", "broken", "--json")
    assert (answer.code, answer.out) == (2, "")
    assert not (tmp_path / "models").exists()


def test_a_model_named_like_built_in_data_does_not_hide_it(glassnet):
    quick = ("train", "digits", "--net", "conv 4 3, fc", "--epochs", 1, "--out", "digits", "--json")
    assert glassnet(*quick).code == 0
    assert glassnet(*quick, "--overwrite").code == 0


def test_a_reader_that_goes_away_ends_it_quietly(xo_model):
    command = [sys.executable, "-m", "glassnet", "predict", str(xo_model), str(xo_model / "examples"), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 1
