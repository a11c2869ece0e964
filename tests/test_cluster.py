"""Several processes: the same training as one, to rounding; killed ones are begun again; machines across a cable."""

import csv
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from glassnet.config import Reading, Training
from glassnet.data import kinds
from glassnet.doors.cli import run as main
from glassnet.doors.run import Stop, run
from glassnet.errors import Interrupted
from glassnet.nets import belief
from glassnet.training import checkpoints
from glassnet.world import World, world

TORCHRUN = Path(sys.executable).with_name("torchrun")
NET = "conv 8 3, batchnorm, relu, pool 2, dropout 0.2, fc"
WORDS = ("digits", "--net", NET, "--epochs", "2", "--precision", "float32", "--threads", "1", "--batch", "128")
SETTINGS = Training(net=NET, epochs=2, precision="float32", threads=1, batch=128)
OFTEN = """
from glassnet.training import checkpoints
checkpoints.SOONEST_S, checkpoints.COST = 0.0, 1.0
from glassnet.doors.cli import main
if __name__ == "__main__":
    main()
"""  # the same program, saving as often as it can
SHORTLY = """
from glassnet.nets import belief
belief.STEPS = 100, 50
from glassnet.doors.cli import main
if __name__ == "__main__":
    main()
"""  # the same, taking few steps without labels


def environment(**more):
    return {**os.environ, "OMP_NUM_THREADS": "1", **more}


def torchrun(home, *words, **more):
    """Two processes, as a person starts them."""
    return subprocess.Popen(
        [str(TORCHRUN), "--nproc-per-node", "2", *map(str, words)],
        cwd=home,
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The training in one process: its model folder, and one that it left in its midst."""
    home = tmp_path_factory.mktemp("alone")
    for _ in run(kinds.read("digits"), SETTINGS, home / "whole" / "model", "digits", Reading()):
        pass
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "SOONEST_S", 0.0)
        events = run(kinds.read("digits"), SETTINGS, home / "left" / "model", "digits", Reading())
        for taken, _ in enumerate(events):
            if taken == 15:  # of 12 steps an epoch
                break
        with pytest.raises(Interrupted):
            events.throw(Stop(signal.SIGTERM))
    return home


@pytest.fixture(scope="module")
def found(alone):
    """What two processes worked out: see cluster_worker.py."""
    home = alone / "left"
    worker = Path(__file__).with_name("cluster_worker.py")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = torchrun(home, worker, home, port)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    return torch.load(home / "found.pt", weights_only=True)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """The same training in two processes, from its beginning: its folder, and what was printed."""
    home = tmp_path_factory.mktemp("pair")
    process = torchrun(home, "-m", "glassnet", "train", *WORDS)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    return home, said


def losses(model):
    with open(model / "history.csv", newline="") as file:
        return [[float(row[name]) for name in ("loss", "accuracy", "held_loss")] for row in csv.DictReader(file)]


def gap(one, other):
    """Of each tensor the largest difference, of its largest value; of all the largest."""
    a, b = load_file(one / "model.safetensors"), load_file(other / "model.safetensors")
    assert a.keys() == b.keys()
    return max(
        float((a[k].double() - b[k].double()).abs().max() / a[k].double().abs().max().clamp(min=1e-9)) for k in a
    )


def test_two_processes_learn_what_one_does_to_rounding(alone, pair):
    """After 24 steps in float32, whose own rounding is 6e-8."""
    home, _ = pair
    one, two = losses(alone / "whole" / "model"), losses(home / "models" / "digits-1")
    assert len(one) == 2
    for mine, other in zip(one, two, strict=True):
        assert other == pytest.approx(mine, rel=1e-4)
    assert gap(alone / "whole" / "model", home / "models" / "digits-1") < 2e-4


def test_one_folder_is_written_and_each_line_printed_once(pair):
    home, said = pair
    assert [path.name for path in (home / "models").iterdir()] == ["digits-1"]
    assert said.count("2 processes, each with a part of every batch") == 1
    assert said.count("right on 179 test pictures") == 1
    assert "Traceback" not in said


def test_a_training_that_one_process_left_is_finished_by_two_to_the_same_weights(alone, found):
    assert found["code"] == 0
    assert losses(alone / "left" / "model") == [
        pytest.approx(row, rel=1e-4) for row in losses(alone / "whole" / "model")
    ]
    assert gap(alone / "whole" / "model", alone / "left" / "model") < 2e-4


@pytest.mark.parametrize("kind", ["pictures", "series", "volumes"])
def test_a_step_of_two_processes_is_that_of_one_in_float64(found, kind):
    """Losses, gradients, running statistics: batch norms over all, dropout drawn for all, classes weighed over all."""
    one, two = found["steps"][kind]["alone"], found["steps"][kind]["together"]
    assert two[0] == pytest.approx(one[0], rel=1e-12)
    assert one[1].keys() == two[1].keys()
    for name, tensor in one[1].items():
        assert torch.allclose(tensor, two[1][name], rtol=1e-10, atol=1e-13), name
    assert float(one[1]["grad.conv1.weight"].abs().max()) > 1e-3
    assert found["steps"][kind]["plain"], "afterwards the net has its plain layers back"


def test_processes_vary_their_parts_as_one_varies_the_whole_and_read_no_more(found):
    parts, whole = found["batches"]["parts"], found["batches"]["whole"]
    assert len(parts) == len(whole) == 5
    assert all(torch.equal(one, other) for one, other in zip(parts, whole, strict=True))
    assert found["batches"]["read"] == 75


def test_what_fails_in_one_ends_all_and_that_one_says_why(found):
    assert found["failures"] == [2, -1]
    assert found["told"] == {"a": [1, 2.5]}
    assert found["gathered"] == [[4, 4]]


def test_weights_that_differ_by_rounding_become_the_first_ones_and_others_end_the_training(found):
    """The second process began with weights 1e-6 larger, as by another processor's rounding; then with a tenth more."""
    assert found["drifts"]["rounding"] == (True, False)
    codes, said = found["drifts"]["fault"]
    assert codes == [2, 2]
    assert "processes' weights differ by" in said and "train in one process" in said


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_to_one_process_stops_both_and_one_alone_goes_on_from_there(tmp_path, alone, number, code):
    """The second process gets it; the first saves and says how to go on, and both end with the signal's status."""
    (tmp_path / "often.py").write_text(OFTEN)
    process = torchrun(tmp_path, "often.py", "train", *WORDS)
    folder = tmp_path / "models" / "digits-1"
    while not list((folder / "checkpoints").glob("epoch-*")) and process.poll() is None:
        time.sleep(0.005)
    os.kill(max(children(process.pid)), number)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 1, "torchrun's own"
    assert said.count("--resume") == 1 and "nothing is lost" in said
    assert re.search(rf"exitcode *: {code}\b", said), said
    assert main(["train", str(folder), "--resume"]) == 0
    assert gap(alone / "whole" / "model", folder) < 2e-4


def test_minutes_are_measured_by_both_and_end_with_the_epochs_that_fit(tmp_path):
    words = ("digits", "--net", "conv 4 3, relu, pool 2, fc", "--minutes", "0.03", "--threads", "1")
    process = torchrun(tmp_path, "-m", "glassnet", "train", *words, "--json")
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    model = tmp_path / "models" / "digits-1"
    metrics = (model / "metrics.json").read_text()
    assert len(losses(model)) == json.loads(metrics)["training"]["epochs"] >= 1
    assert "fit into 0.03 minutes" in metrics


def test_a_net_that_learns_without_labels_learns_in_two_processes_what_it_does_in_one(tmp_path, monkeypatch):
    monkeypatch.setattr(belief, "STEPS", (100, 50))
    (tmp_path / "shortly.py").write_text(SHORTLY)
    words = ["--net", "rbm 6 3, pool 2, fc", "--epochs", "1", "--precision", "float32", "--threads", "1"]
    process = torchrun(tmp_path, "shortly.py", "train", "digits", *words, "--out", tmp_path / "two")
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert main(["train", "digits", *words, "--out", str(tmp_path / "one")]) == 0
    assert gap(tmp_path / "one", tmp_path / "two") < 2e-4


def test_a_killed_process_is_begun_again_and_the_weights_are_those_of_an_undisturbed_training(tmp_path, pair):
    (tmp_path / "often.py").write_text(OFTEN)
    restarted = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    process = torchrun(tmp_path, "--max-restarts", 3, "often.py", "train", *WORDS, **restarted)
    folder = tmp_path / "models" / "digits-1" / "checkpoints"
    while not list(folder.glob("epoch-1*")) and process.poll() is None:
        time.sleep(0.005)
    os.kill(max(children(process.pid)), signal.SIGKILL)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert "going on in epoch 2" in said
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["digits-1"]
    assert gap(pair[0] / "models" / "digits-1", tmp_path / "models" / "digits-1") == 0


def children(pid):
    """The processes that one started."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_parts_are_in_a_row_and_differ_by_one_at_most():
    for count in (1, 7, 8, 100):
        for size in (1, 2, 3, 7):
            parts = [World(rank, size).part(count) for rank in range(size)]
            assert [i for part in parts for i in range(count)[part]] == list(range(count))
            lengths = [part.stop - part.start for part in parts]
            assert max(lengths) - min(lengths) <= 1


def test_without_torchrun_a_process_is_a_cluster_of_one(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "8")  # a stray one says nothing
    assert world() == World(0, 1, 0, 1) and world().is_alone and world().is_first


@pytest.mark.slow
def test_two_machines_across_a_cable_train_as_one(tmp_path, pair):
    from benchmarks import namespaces

    if sys.platform != "linux" or not namespaces.permitted():
        pytest.skip("needs the right to make network namespaces (root)")
    said = namespaces.train(tmp_path, "model", ["train", *WORDS], limit_s=120)
    assert "2 processes" in said
    assert gap(pair[0] / "models" / "digits-1", tmp_path / "model") == 0
