"""Nothing is lost: killed, interrupted and crowded trainings go on to the same weights; damaged files are named."""

import json
import os
import random
import resource
import shlex
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

QUICK = ("train", "digits", "--net", "conv 8 3, batchnorm, relu, pool 2, dropout 0.2, fc", "--epochs", "14")
OFTEN = """
import sys
from glassnet.training import checkpoints
checkpoints.SOONEST_S, checkpoints.COST = 0.0, 1.0
from glassnet.doors.cli import run
sys.exit(run(sys.argv[1:]))
"""  # the same program, saving as often as it can: a checkpoint is being written at most moments


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What a training that nobody disturbs comes to."""
    home = tmp_path_factory.mktemp("whole")
    subprocess.run([sys.executable, "-m", "glassnet", *QUICK, "--out", "model"], cwd=home, check=True)
    return results(home / "model")


def results(model):
    """All that must be the same however often a training was stopped."""
    history = [line.split(",")[:4] for line in (model / "history.csv").read_text().splitlines()]
    return (model / "model.safetensors").read_bytes(), (model / "seen.npy").read_bytes(), history


def start(home, *words):
    return subprocess.Popen(
        [sys.executable, "-c", OFTEN, *map(str, words)],
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    )


def wait_for(home, process, pattern):
    """Waits until there is such a file, or the process has ended."""
    deadline = time.monotonic() + 60
    while process.poll() is None and not list(home.glob(pattern)):
        assert time.monotonic() < deadline, f"no {pattern}"
        time.sleep(0.005)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_random_moments_it_goes_on_to_the_same_weights(tmp_path, whole, seed):
    chance = random.Random(seed)
    killed, again = 0, ()
    for _ in range(4):
        with start(tmp_path, *QUICK, "--out", "model", *again) as process:
            wait_for(tmp_path, process, "model/checkpoints/run.json")
            time.sleep(chance.uniform(0, 1.2))
            process.kill()
            process.communicate()
        killed += process.returncode == -signal.SIGKILL
        again = ("--resume",)
        if (tmp_path / "model" / "config.json").exists():
            break
        assert (tmp_path / "model" / "checkpoints" / "run.json").exists()
    assert killed >= 1
    with start(tmp_path, *QUICK, "--out", "model", "--resume") as process:
        _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert results(tmp_path / "model") == whole
    left = [path.name for path in tmp_path.iterdir() if path.name not in ("model", ".glassnet")]
    assert left == []
    assert not (tmp_path / "model" / "checkpoints").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_says_how_to_go_on_and_that_command_does(tmp_path, whole, number, code):
    with start(tmp_path, *QUICK, "--out", "model") as process:
        wait_for(tmp_path, process, "model/checkpoints/epoch-*")
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    assert process.returncode == code, said
    *_, stopped, saved, following = said.splitlines()
    assert "nothing is lost" in stopped
    assert saved.split()[0] == "saved"
    assert (tmp_path / saved.split()[1] / "state.safetensors").exists()
    assert "Traceback" not in said
    words = shlex.split(following.removeprefix("next"))
    assert words[0] == "glassnet"
    done = subprocess.run([sys.executable, "-m", *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert results(tmp_path / "model") == whole


def test_a_second_interrupt_ends_at_once_and_the_checkpoint_stays(tmp_path, whole):
    with start(tmp_path, *QUICK, "--out", "model") as process:
        wait_for(tmp_path, process, "model/checkpoints/epoch-*")
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in said
    with start(tmp_path, "train", "model", "--resume") as process:
        _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert results(tmp_path / "model") == whole


def test_a_second_training_into_the_same_folder_is_refused_naming_the_holder(tmp_path, glassnet):
    with start(tmp_path, *QUICK[:-1], "2000", "--out", "model") as process:
        wait_for(tmp_path, process, "model/checkpoints/epoch-*")
        refused = glassnet("train", "digits", "--out", "model", "--resume")
        process.kill()
        process.communicate()
    assert (refused.code, refused.out) == (2, "")
    assert f"process {process.pid} on " in refused.err
    assert "writing" in refused.err
    assert len(refused.err.splitlines()) == 1


def test_a_dead_holders_folder_is_taken_over(tmp_path, glassnet):
    with start(tmp_path, *QUICK[:-1], "6", "--out", "model") as process:
        wait_for(tmp_path, process, "model/checkpoints/run.json")
        process.kill()
        process.communicate()
    assert glassnet("train", "digits", "--out", "model", "--resume").code == 0


def test_resuming_with_other_settings_or_other_data_is_refused(tmp_path, glassnet):
    glassnet("make", "xo", "letters", "--count", 60)
    with start(tmp_path, "train", "letters", "--epochs", "500", "--out", "model") as process:
        wait_for(tmp_path, process, "model/checkpoints/epoch-*")
        process.send_signal(signal.SIGTERM)
        process.communicate()
    other = glassnet("train", "letters", "--epochs", 7, "--out", "model", "--resume")
    assert other.code == 2
    assert "--epochs 7: this training goes on with 500" in other.err
    unfinished = glassnet("predict", "model", "letters")
    assert unfinished.code == 2
    assert "its training has not ended. Go on with it: glassnet train model --resume" in unfinished.err
    (tmp_path / "letters" / "X" / "00.png").unlink()
    changed = glassnet("train", "letters", "--out", "model", "--resume")
    assert changed.code == 2
    assert "the data is not what this training began with" in changed.err


def test_no_room_for_a_checkpoint_is_one_line_and_the_last_one_stays(tmp_path):
    large = ("train", "digits", "--net", "conv 64 3, relu, conv 64 3, relu, fc", "--epochs", "400", "--out", "model")
    with start(tmp_path, *large) as process:
        wait_for(tmp_path, process, "model/checkpoints/epoch-*")
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (100_000, 100_000))
        _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said.splitlines()[-1].startswith("model/checkpoints/")
    assert "can't be written: " in said.splitlines()[-1]
    assert "Traceback" not in said
    assert list(tmp_path.glob("model/checkpoints/epoch-*/state.json"))


def test_a_folder_with_damaged_files_trains_and_skips_exactly_those(tmp_path, glassnet):
    noise = np.random.default_rng(0)
    for name, level in (("dark", 60), ("light", 190)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(40):
            pixels = noise.normal(level, 20, (24, 30, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{i:02}.png")
    dark = tmp_path / "data" / "dark"
    data = (dark / "00.png").read_bytes()
    (dark / "truncated.png").write_bytes(data[: len(data) // 2])
    (dark / "empty.png").write_bytes(b"")
    (dark / "text.png").write_text("not a picture at all")
    pixels = noise.normal(60, 20, (24, 30, 3)).clip(0, 255).astype(np.uint8)
    Image.fromarray(pixels).convert("CMYK").save(dark / "cmyk.jpg")
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(dark / "sixteen.png")
    turned = Image.fromarray(pixels)
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(dark / "turned.jpg", exif=exif)
    (tmp_path / "data" / "README.md").write_text("# my data")
    (dark / ".hidden.png").write_bytes(data)

    answer = glassnet("train", "data", "--epochs", 6, "--out", "model", "--json")
    assert answer.code == 0, answer.err
    said = json.loads(answer.out)
    damaged = {"dark/truncated.png", "dark/empty.png", "dark/text.png"}
    assert said["examples"] == {"train": 67, "val": 8, "test": 8, "skipped": 3}
    assert said["test"]["accuracy"] == 1
    metrics = json.loads((tmp_path / "model" / "metrics.json").read_text())
    assert {one["file"] for one in metrics["skipped"]} == damaged
    assert all(one["reason"] for one in metrics["skipped"])
    assert "Skipped 3 damaged files: " in answer.err
    assert all(name in answer.err for name in damaged)
