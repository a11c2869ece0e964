"""Files and folders: whole or absent whatever happens in between, one writer at a time, every refusal one line."""

import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys

import pytest

from glassnet import GlassnetError, files

ROOT = os.geteuid() == 0 if hasattr(os, "geteuid") else False


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def run(code, *words):
    """Runs a small program in a process of its own."""
    return subprocess.run([sys.executable, "-c", code, *map(str, words)], check=False, timeout=60, capture_output=True)


def test_a_file_is_written_with_nothing_beside_it(tmp_path):
    files.write_file(tmp_path / "a.txt", "grün")
    files.write_file(tmp_path / "b.bin", b"\0\xff")
    files.write_json(tmp_path / "c.json", {"name": "grün", "of": [1, 2.5, None]})
    assert (tmp_path / "a.txt").read_bytes() == "grün".encode()
    assert (tmp_path / "b.bin").read_bytes() == b"\0\xff"
    assert "grün" in (tmp_path / "c.json").read_text("utf-8")
    assert json.loads((tmp_path / "c.json").read_text("utf-8")) == {"name": "grün", "of": [1, 2.5, None]}
    assert names(tmp_path) == ["a.txt", "b.bin", "c.json"]


@pytest.mark.skipif(os.name != "posix", reason="rights are others elsewhere")
def test_a_written_file_can_be_read_by_whom_the_system_lets(tmp_path):
    old = os.umask(0o022)
    try:
        files.write_file(tmp_path / "a", "x")
    finally:
        os.umask(old)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


@pytest.mark.skipif(os.name != "posix", reason="no limits there")
def test_a_write_that_fails_in_the_middle_leaves_the_old_file(tmp_path):
    import resource

    (tmp_path / "a").write_text("old")
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, usual[1]))
    try:
        with pytest.raises(GlassnetError, match="/a: can't be written: File too large"):
            files.write_file(tmp_path / "a", b"n" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert (tmp_path / "a").read_text() == "old"
    assert names(tmp_path) == ["a"]


@pytest.mark.skipif(os.name != "posix", reason="folders are synced there only")
def test_contents_reach_the_disk_before_the_name_and_the_name_before_the_return(tmp_path, monkeypatch):
    """The calls still do what they do; only their order is kept."""
    order = []
    fsync, replace = os.fsync, os.replace

    def synced(handle):
        order.append("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file")
        fsync(handle)

    def renamed(source, target):
        order.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    files.write_file(tmp_path / "a", "x")
    assert order == ["file", "rename", "folder"]
    order.clear()
    with files.new_folder(tmp_path / "new") as new:
        files.write_file(new / "b", "x")
    assert order == ["file", "rename", "folder", "folder", "rename", "folder"]


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("missing/a", "its folder is missing. Make the folder, or choose another"),
        ("file/a", "a part of its path is a file. Choose another folder"),
        ("n" * 300, "the name is too long. Choose a shorter one"),
        ("folder", "Is a directory"),
    ],
)
def test_what_can_not_be_written_is_one_line_that_names_the_path(tmp_path, place, words):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    with pytest.raises(GlassnetError) as caught:
        files.write_file(tmp_path / place, "x")
    assert str(caught.value).startswith(f"{tmp_path / place}: can't be written: ")
    assert words in str(caught.value)
    assert names(tmp_path) == ["file", "folder"]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full. Free some room and run it again."),
        (errno.EDQUOT, "your share of the disk is used up. Free some room and run it again."),
        (errno.EROFS, "it lies on a read-only disk. Choose another folder."),
        (errno.EACCES, "you may not write there. Choose another folder, or ask its owner."),
        (errno.EIO, "Input/output error. Choose another folder."),
    ],
)
def test_each_refusal_of_the_system_has_its_line(tmp_path, number, words):
    error = files.cannot_write(tmp_path, OSError(number, os.strerror(number)))
    assert str(error) == f"{tmp_path}: can't be written: {words}"


@pytest.mark.skipif(ROOT, reason="root may write anywhere")
def test_a_folder_without_rights_is_one_line(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    for try_it in (lambda p: files.write_file(p / "a", "x"), lambda p: files.check_room(p, 1)):
        with pytest.raises(GlassnetError, match="you may not write there"):
            try_it(tmp_path / "closed")


def filled(folder, content):
    with files.new_folder(folder) as new:
        (new / "a").write_text(content)
        (new / "b").write_text(content)


def contents(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_a_new_folder_appears_only_when_it_is_whole(tmp_path):
    target = tmp_path / "deep" / "model"
    with files.new_folder(target) as new:
        (new / "a").write_text("x")
        assert not target.exists()
    assert contents(target) == {"a": "x"}
    assert names(target.parent) == ["model"]


@pytest.mark.parametrize("fault", [ValueError("x"), KeyboardInterrupt(), OSError(errno.ENOSPC, "full")])
@pytest.mark.parametrize("before", [True, False])
def test_a_filling_that_fails_leaves_what_was_there_before(tmp_path, fault, before):
    if before:
        filled(tmp_path / "model", "old")

    def fail():
        with files.new_folder(tmp_path / "model") as new:
            (new / "a").write_text("half")
            raise fault

    with pytest.raises(GlassnetError if isinstance(fault, OSError) else type(fault)):
        fail()
    assert names(tmp_path) == (["model"] if before else [])
    assert not before or contents(tmp_path / "model") == {"a": "old", "b": "old"}


KILLED = """
import os, signal, sys
from pathlib import Path
from glassnet import files
at, replace = int(sys.argv[2]), os.replace
def counted(source, target):
    global at
    if at == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    at -= 1
    replace(source, target)
os.replace = counted
with files.new_folder(Path(sys.argv[1])) as new:
    (new / "a").write_text("new")
    (new / "b").write_text("new")
"""


@pytest.mark.skipif(os.name != "posix", reason="no such signal there")
@pytest.mark.parametrize(("renames", "left"), [(0, "old"), (1, "old"), (9, "new")])
def test_killed_at_any_rename_the_folder_is_the_whole_old_or_the_whole_new_one(tmp_path, renames, left):
    filled(tmp_path / "model", "old")
    done = run(KILLED, tmp_path / "model", renames)
    assert done.returncode == (-signal.SIGKILL if renames < 9 else 0)
    files.recover_folder(tmp_path / "model")
    files.sweep(tmp_path)
    assert contents(tmp_path / "model") == {"a": left, "b": left}
    assert names(tmp_path) == ["model"]


def test_recovering_a_whole_folder_changes_nothing(tmp_path):
    filled(tmp_path / "model", "new")
    shutil.copytree(tmp_path / "model", tmp_path / ".model.old")
    (tmp_path / ".model.old" / "a").write_text("older")
    files.recover_folder(tmp_path / "model")
    assert contents(tmp_path / "model") == {"a": "new", "b": "new"}
    assert names(tmp_path) == ["model"]
    files.recover_folder(tmp_path / "never was")
    assert names(tmp_path) == ["model"]


MANY = """
import sys
from pathlib import Path
from glassnet import files
for i in range(60):
    with files.new_folder(Path(sys.argv[1])) as new:
        for name in "ab":
            (new / name).write_text(f"{sys.argv[2]} {i}")
"""


def test_two_processes_that_put_the_same_folder_in_place_both_succeed(tmp_path):
    both = [subprocess.Popen([sys.executable, "-c", MANY, tmp_path / "cache", str(i)]) for i in range(2)]
    assert [one.wait(60) for one in both] == [0, 0]
    found = contents(tmp_path / "cache")
    assert sorted(found) == ["a", "b"] and found["a"] == found["b"]


def dead():
    """The number of a process that is no more."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def test_what_killed_processes_left_is_swept_and_what_living_ones_work_on_is_not(tmp_path):
    here, parent = socket.gethostname(), os.getppid()
    for name in (f".a.part-{dead()}@{here}", f".living.part-{parent}@{here}", f".mine.part-{os.getpid()}@{here}"):
        (tmp_path / name).mkdir()
    (tmp_path / f".b.part-{dead()}@{here}").write_text("x")
    (tmp_path / ".far.part-1@elsewhere").mkdir()
    (tmp_path / ".long-ago.part-1@elsewhere").mkdir()
    os.utime(tmp_path / ".long-ago.part-1@elsewhere", (0, 0))
    (tmp_path / "kept").write_text("x")
    files.sweep(tmp_path)
    assert names(tmp_path) == [".far.part-1@elsewhere", f".living.part-{parent}@{here}", "kept"]
    files.sweep(tmp_path / "missing")


HOLDER = """
import os, signal, sys, time
from pathlib import Path
from glassnet import files
with files.only_writer(Path(sys.argv[1])):
    print(os.getpid(), flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(os.name != "posix", reason="no such signal there")
def test_a_second_writer_is_refused_by_the_first_ones_name_and_a_dead_ones_place_is_taken(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE) as holder:
        number = int(holder.stdout.readline())
        with pytest.raises(GlassnetError) as caught, files.only_writer(tmp_path):
            pass
        holder.kill()
    assert str(caught.value) == (
        f"{tmp_path}: process {number} on {socket.gethostname()} is writing here. Wait for it, or choose another --out."
    )
    assert ".holder" in names(tmp_path)
    with files.only_writer(tmp_path):
        assert (tmp_path / ".holder").read_text() == f"process {os.getpid()} on {socket.gethostname()}"
    assert names(tmp_path) == []


def test_a_writer_that_fails_lets_go(tmp_path):
    with pytest.raises(ValueError, match="mine"), files.only_writer(tmp_path):
        raise ValueError("mine")
    with files.only_writer(tmp_path):
        pass
    assert names(tmp_path) == []


def test_a_place_that_can_not_be_locked_is_one_line(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(GlassnetError, match=r"file: can't be written: "), files.only_writer(tmp_path / "file"):
        pass


def test_too_little_room_is_said_before_anything_is_written(tmp_path):
    files.check_room(tmp_path / "new" / "model", 1)
    assert names(tmp_path) == []
    with pytest.raises(GlassnetError, match=r"model: expected 1,000,000,000 MB of room, found [\d,]+ MB free on that"):
        files.check_room(tmp_path / "new" / "model", 10**15)
    (tmp_path / "file").write_text("x")
    with pytest.raises(GlassnetError, match=r"expected a folder, found the file .*/file\. Choose another --out"):
        files.check_room(tmp_path / "file" / "model", 1)


@pytest.mark.skipif(os.name != "posix", reason="disks have names there")
@pytest.mark.parametrize(("place", "words"), [(".", "the current folder"), ("/", "a disk of its own")])
def test_a_folder_that_no_other_can_take_the_place_of_is_refused_at_once(tmp_path, monkeypatch, place, words):
    monkeypatch.chdir(tmp_path)
    line = rf"^{place}: expected a folder of its own, found {words}\. Name a new folder inside it\.$"
    with pytest.raises(GlassnetError, match=line.replace("^.", r"^\.")):
        files.check_room(files.Path(place), 1)
    with pytest.raises(GlassnetError, match=words), files.new_folder(files.Path(place)):
        pass
    assert names(tmp_path) == []


def test_a_sum_is_that_of_the_standard(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")  # FIPS 180-2, appendix B.1
    assert files.sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_what_can_be_made_again_lies_in_the_current_folder_and_git_overlooks_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GLASSNET_CACHE")
    assert files.workspace().resolve() == tmp_path / ".glassnet"
    assert "*\n" in (tmp_path / ".glassnet" / ".gitignore").read_text()
    monkeypatch.setenv("GLASSNET_CACHE", str(tmp_path / "mine" / "deep"))
    assert files.workspace() == tmp_path / "mine" / "deep"


def test_a_workspace_that_can_not_be_made_is_one_line_or_the_temporary_folder(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("GLASSNET_CACHE", str(tmp_path / "file"))
    with pytest.raises(GlassnetError, match=r"file: expected a folder that can be written to.* Set GLASSNET_CACHE"):
        files.workspace()
    monkeypatch.delenv("GLASSNET_CACHE")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / ".glassnet").write_text("a file in the way")
    monkeypatch.chdir(tmp_path)
    assert files.workspace().parent == tmp_path
