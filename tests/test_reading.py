"""Reading: every whole file becomes its own example, the others are named; what was decoded once is not again."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import glassnet as gn
from glassnet import files
from glassnet.data import decoding, kinds
from glassnet.data.kind import Unreadable
from glassnet.data.split import split


def colour(k, i):
    """The colour that tells one picture from all others."""
    return (k * 100, i % 256, 255 - i % 256)


@pytest.fixture
def data(tmp_path):
    """A folder of 2 x 40 pictures of 6x5, each of one colour."""
    return fill(tmp_path / "data", 40)


def fill(root, each):
    for k, label in enumerate(("cat", "dog")):
        (root / label).mkdir(parents=True)
        for i in range(each):
            save(root / label / f"{i}.png", colour(k, i))
    return root


def save(path, rgb, size=(5, 6)):
    Image.new("RGB", size, rgb).save(path)


def seen(dataset):
    """The colour of each example, by name."""
    return {name: tuple(x[:, 0, 0].tolist()) for name, x in zip(dataset.samples.names, dataset.samples.x, strict=True)}


def expected(each):
    return {f"{label}/{i}.png": colour(k, i) for k, label in enumerate(("cat", "dog")) for i in range(each)}


def test_every_file_becomes_the_example_of_its_name_and_class(data):
    dataset = gn.read(data)
    assert seen(dataset) == expected(40)
    assert [dataset.classes[k] for k in dataset.samples.y] == ["cat"] * 40 + ["dog"] * 40
    assert dataset.file(41) == data / "dog/1.png"
    assert dataset.samples.sizes.tolist() == [[6, 5]] * 80


def test_processes_that_help_change_nothing(data, monkeypatch):
    alone = gn.read(data)
    monkeypatch.setattr(decoding, "WORTH_WORKERS_S", 0.0)
    monkeypatch.setattr(decoding, "CHUNK", 16)
    monkeypatch.setattr(decoding, "_cores", lambda: 2)
    monkeypatch.setenv("GLASSNET_CACHE", str(data.parent / "other"))
    helped = gn.read(data)
    assert seen(helped) == seen(alone) == expected(40)
    assert (helped.samples.digest == alone.samples.digest).all()


def helpers(monkeypatch, folder):
    monkeypatch.setattr(decoding, "WORTH_WORKERS_S", 0.0)
    monkeypatch.setattr(decoding, "CHUNK", 40)
    monkeypatch.setattr(decoding, "_cores", lambda: 2)
    monkeypatch.chdir(folder)


def test_a_file_that_kills_the_decoder_is_named_and_the_others_are_read(data, monkeypatch):
    code = """
import os
from glassnet.data import pictures
def decode(data, preparation, whole=pictures.decode):
    return os._exit(3) if b"DEADLY" in data else whole(data, preparation)
pictures.decode = decode
"""
    (data.parent / "inside").mkdir()
    (data.parent / "inside" / "sitecustomize.py").write_text(code)
    (data / "cat" / "7.png").write_bytes((data / "cat" / "8.png").read_bytes() + b"DEADLY")
    monkeypatch.syspath_prepend(str(data.parent / "inside"))
    helpers(monkeypatch, data.parent)
    dataset = gn.read(data)
    assert [(one.name, one.reason) for one in dataset.skipped] == [("cat/7.png", "is damaged: it stops the decoder")]
    assert len(dataset) == 79


def test_scripts_that_lie_beside_the_data_are_never_run(data, monkeypatch):
    for name in ("signal", "json", "numpy", "PIL"):
        (data.parent / f"{name}.py").write_text("raise SystemExit('run by mistake')")
    helpers(monkeypatch, data.parent)
    assert gn.read("data").skipped == ()


def test_damaged_files_are_skipped_named_and_counted(data):
    whole = (data / "cat" / "0.png").read_bytes()
    (data / "cat" / "0.png").write_bytes(whole[:50])
    (data / "cat" / "1.png").write_bytes(b"")
    (data / "dog" / "2.png").write_text("not really")
    dataset = gn.read(data)
    assert [(one.name, one.reason) for one in dataset.skipped] == [
        ("cat/0.png", "is cut short: the picture ends before its last row"),
        ("cat/1.png", "is empty"),
        ("dog/2.png", "is text, not a picture"),
    ]
    rest = {name: rgb for name, rgb in expected(40).items() if name not in {one.name for one in dataset.skipped}}
    assert seen(dataset) == rest
    assert dataset.counts.tolist() == [38, 39]
    assert split(dataset, 0).counts.sum() == 77


def test_over_five_in_a_hundred_damaged_stop_the_training_and_just_five_do_not(data):
    for i in range(4):
        (data / "cat" / f"{i}.png").write_bytes(b"")
    assert split(gn.read(data), 0).counts.sum() == 76
    (data / "cat" / "4.png").write_bytes(b"")
    with pytest.raises(gn.GlassnetError, match=r"5 of 80 files can't be read, over 5 in 100 \(cat/0.png is empty\)"):
        split(gn.read(data), 0)


def test_a_class_whose_files_are_all_damaged_stops_the_training(data):
    (data / "bird").mkdir()
    (data / "bird" / "1.png").write_bytes(b"")
    with pytest.raises(gn.GlassnetError, match="expected examples of every class to train on, found none of bird"):
        split(gn.read(data), 0)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"text"])
def test_a_folder_of_damaged_files_says_what_is_wrong_with_the_first(data, content):
    for path in data.rglob("*.png"):
        path.write_bytes(content)
    with pytest.raises(gn.GlassnetError, match=r"readable pictures, found none among 80 files \(cat/0.png is "):
        gn.read(data)


def test_files_whose_header_alone_is_whole_are_none_too(data):
    for path in data.rglob("*.png"):
        path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(gn.GlassnetError, match=r"found none among 80 files \(cat/0.png is cut short"):
        gn.read(data)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_what_is_no_ordinary_file_is_not_waited_for(data):
    os.mkfifo(data / "cat" / "pipe.png")
    os.symlink("nowhere.png", data / "cat" / "broken.png")
    assert [(one.name, one.reason) for one in gn.read(data).skipped] == [
        ("cat/broken.png", "can't be read: No such file or directory"),
        ("cat/pipe.png", "is no ordinary file"),
    ]


def test_a_manifest_says_which_rows_have_no_file(data):
    lines = [f"{name},{name[:3]}" for name in expected(40)]
    lines += ["cat/gone.png,cat", "cat,cat", f"{data}/dog/0.png,dog", "../data/dog/1.png,dog", "cat/0.png,cat"]
    (data / "labels.csv").write_text("path,label\n" + "\n".join(lines))
    dataset = gn.read(data)
    assert [(one.name, one.reason) for one in dataset.skipped] == [
        ("cat/gone.png", "can't be read: No such file or directory"),
        ("cat", "is a folder, not a file"),
    ]
    assert seen(dataset)[f"{data}/dog/0.png"] == colour(1, 0)
    assert seen(dataset)["../data/dog/1.png"] == colour(1, 1)
    assert len(dataset) == 83


def test_metadata_with_file_name_is_a_manifest(data):
    (data / "metadata.csv").write_text("file_name,label,split\ncat/0.png,pet,train\ndog/0.png,hound,test\n")
    dataset = gn.read(data)
    assert dataset.classes == ("hound", "pet")
    assert dataset.samples.split.tolist() == [0, 2]


def test_a_sample_that_misled_is_set_right_once_every_file_was_seen(data, monkeypatch):
    from glassnet.data import reading

    monkeypatch.setattr(reading, "SAMPLED", 2)
    for path in sorted(data.rglob("*.png"))[1:-1]:
        save(path, (1, 2, 3), size=(10, 12))
    save(data / "dog" / "39.png", (1, 2, 3))
    assert kinds.find(data).shape == (3, 6, 5)
    assert gn.read(data).shape == (3, 12, 10)


def cached(dataset):
    """What tells one filling of the cache from the next."""
    return os.stat(dataset.samples.x.filename).st_ino


def test_a_second_reading_decodes_nothing(data):
    first = gn.read(data)
    progress = list(kinds.find(data).steps())
    again = gn.read(data)
    assert progress == []
    assert cached(again) == cached(first)
    assert seen(again) == seen(first)


def test_a_file_changed_added_or_removed_is_noticed(data):
    rows = expected(40)
    assert seen(gn.read(data)) == rows
    save(data / "cat" / "3.png", (9, 9, 9))
    assert seen(gn.read(data)) == rows | {"cat/3.png": (9, 9, 9)}
    save(data / "cat" / "40.png", (8, 8, 8))
    assert seen(gn.read(data)) == rows | {"cat/3.png": (9, 9, 9), "cat/40.png": (8, 8, 8)}
    (data / "cat" / "3.png").unlink()
    (data / "cat" / "40.png").unlink()
    del rows["cat/3.png"]
    assert seen(gn.read(data)) == rows


def test_another_size_is_decoded_anew(data):
    assert gn.read(data).shape == (3, 6, 5)
    assert gn.read(data, size=12).shape == (3, 12, 10)


def test_what_was_damaged_is_still_named_from_the_cache(data):
    (data / "cat" / "0.png").write_bytes(b"")
    first = gn.read(data)
    assert first.skipped == gn.read(data).skipped
    assert len(first.skipped) == 1


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("harm", [cut, flip, Path.unlink])
@pytest.mark.parametrize("name", ["x.npy", "digest.npy", "facts.json"])
def test_a_damaged_cache_is_noticed_and_made_anew(data, name, harm):
    folder = Path(gn.read(data).samples.x.filename).parent
    harm(folder / name)
    assert seen(gn.read(data)) == expected(40)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"version": 1}', "null"])
def test_a_cache_of_another_version_is_made_anew(data, content):
    folder = Path(gn.read(data).samples.x.filename).parent
    (folder / "facts.json").write_text(content)
    assert seen(gn.read(data)) == expected(40)


KILLED = """
import os, signal, sys
from glassnet.data import kinds
for progress in kinds.find(sys.argv[1]).steps():
    if progress.done:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_reading_that_was_killed_leaves_nothing_behind(data, monkeypatch):
    monkeypatch.setenv("GLASSNET_CACHE", str(data.parent / "cache"))
    killed = subprocess.run([sys.executable, "-c", KILLED, data], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    kept = data.parent / "cache" / "cache"
    assert [path.name.split(".part-")[0][:6] for path in kept.iterdir()] == [".data-"]
    assert seen(gn.read(data)) == expected(40)
    assert [path.name[:5] for path in kept.iterdir()] == ["data-"]


def test_a_full_disk_is_one_line_before_anything_is_decoded(data, monkeypatch):
    """The disk is only said to be full; that the room is asked for is what counts."""

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(gn.GlassnetError, match=r"can't be written: the disk is full\. Free some room"):
        gn.read(data)
    np.savez(data.parent / "a.npz", x=np.zeros((4, 5, 5)), y=np.arange(4) % 2)
    with pytest.raises(gn.GlassnetError, match=r"can't be written: the disk is full\. Free some room"):
        gn.read(data.parent / "a.npz")
    monkeypatch.undo()
    assert not [path for path in (files.workspace() / "cache").iterdir() if path.name.startswith(".data-")]


def test_the_examples_do_not_lie_in_memory(data):
    assert isinstance(gn.read(data).samples.x, np.memmap)


def test_a_file_over_the_limit_is_not_even_read(tmp_path):
    with open(tmp_path / "huge.png", "wb") as file:
        file.truncate(257_000_000)
    with pytest.raises(Unreadable, match="is 257 MB long, over the limit of 256 MB"):
        decoding.read_bytes(tmp_path / "huge.png")
