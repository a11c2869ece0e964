"""Checkpoints are whole or absent, the newest three are kept, and a damaged one is passed over with a word."""

import json

import pytest
import torch

from glassnet.training import checkpoints
from glassnet.training.checkpoints import Checkpoints, Snapshot


def snapshot(value):
    return Snapshot({"net.weight": torch.full((3, 2), float(value))}, {"at": {"epoch": value}})


def test_a_snapshot_comes_back_as_it_was(tmp_path):
    saved = Checkpoints(tmp_path).save(snapshot(7), 7, 0)
    assert saved == tmp_path / "epoch-7"
    found, notes = Checkpoints(tmp_path).latest()
    assert torch.equal(found.tensors["net.weight"], torch.full((3, 2), 7.0))
    assert found.facts == {"at": {"epoch": 7}}
    assert notes == ()


def test_the_newest_three_are_kept_by_epoch_and_step(tmp_path):
    store = Checkpoints(tmp_path)
    for epoch, step in ((9, 0), (9, 40), (9, 200), (10, 0), (10, 5)):
        store.save(snapshot(epoch), epoch, step)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["epoch-10", "epoch-10-step-5", "epoch-9-step-200"]


@pytest.mark.parametrize("harm", ["flip", "cut", "no facts", "no state", "bad json"])
def test_a_damaged_newest_falls_back_to_the_one_before_and_says_so(tmp_path, harm):
    store = Checkpoints(tmp_path)
    store.save(snapshot(1), 1, 0)
    newest = store.save(snapshot(2), 2, 0)
    state = newest / "state.safetensors"
    raw = bytearray(state.read_bytes())
    if harm == "flip":
        raw[-1] ^= 1
        state.write_bytes(raw)
    elif harm == "cut":
        state.write_bytes(raw[:-5])
    elif harm == "no facts":
        (newest / "state.json").unlink()
    elif harm == "no state":
        state.unlink()
    else:
        (newest / "state.json").write_text("{")
    found, notes = Checkpoints(tmp_path).latest()
    assert found.facts == {"at": {"epoch": 1}}
    assert len(notes) == 1
    assert "epoch-2 is damaged" in notes[0]


def test_no_checkpoint_is_no_snapshot(tmp_path):
    assert Checkpoints(tmp_path / "none").latest() == (None, ())


def test_half_written_ones_are_not_seen(tmp_path):
    (tmp_path / ".epoch-3.part-999999").mkdir()
    (tmp_path / "epoch-x").mkdir()
    assert Checkpoints(tmp_path).latest() == (None, ())


def test_saving_never_takes_more_than_its_share_of_the_time(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now[0])
    store = Checkpoints(tmp_path)
    now[0] = checkpoints.SOONEST_S - 0.1
    assert not store.due
    now[0] += 0.2
    assert store.due
    real_new_folder = checkpoints.files.new_folder

    def slow(target):
        now[0] += 3.0  # a slow disk
        return real_new_folder(target)

    monkeypatch.setattr(checkpoints.files, "new_folder", slow)
    store.save(snapshot(1), 1, 0)
    now[0] += 3.0 / checkpoints.COST - 1
    assert not store.due
    now[0] += 2
    assert store.due
    assert checkpoints.COST < 0.03


def test_nothing_in_a_checkpoint_is_a_pickle(tmp_path):
    saved = Checkpoints(tmp_path).save(snapshot(1), 1, 0)
    assert sorted(p.name for p in saved.iterdir()) == ["state.json", "state.safetensors"]
    json.loads((saved / "state.json").read_text())
    header = (saved / "state.safetensors").read_bytes()
    assert header[8:9] == b"{"
