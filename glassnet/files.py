"""Files that are whole or absent: atomic writes, checksums, locks, folder swaps. Knows nothing of what they hold."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from glassnet.errors import GlassnetError

FOREIGN_S = 86_400  # after this, what another machine left unfinished is taken for left behind
SWAPS = 20  # tries, when two processes put the same folder in place at once


def write_file(path: Path, data: bytes | str) -> None:
    """Puts `data` at `path` in one step: a crash or a full disk leaves the old file, or none, never a part.

    Raises GlassnetError naming the path when it can't be written.
    """
    blob = data.encode() if isinstance(data, str) else data
    part = _part(path)
    try:
        with open(part, "wb") as file:
            file.write(blob)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
        sync_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def write_json(path: Path, value: object) -> None:
    """Writes a JSON file that a person can read, whole or not at all."""
    write_file(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def sync_folder(folder: Path) -> None:
    """Makes renames inside `folder` last through a power cut (where the system can)."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder to fill that takes `target`'s place at the end: `target` is the whole old one or the whole new one.

    When the filling fails, what was there before stays.
    """
    _refuse_unmovable(target)
    new = _part(target)
    shutil.rmtree(new, ignore_errors=True)
    try:
        new.mkdir(parents=True)
        yield new
        sync_folder(new)
        _swap(new, target)
    except OSError as error:
        raise cannot_write(target, error) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)


def recover_folder(target: Path) -> None:
    """Undoes a swap that was cut off between its two renames: the old folder gets its name back."""
    old = _old(target)
    if old.is_dir() and not target.exists():
        os.replace(old, target)
    shutil.rmtree(old, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Removes the unfinished parts that killed processes left in `folder`; those of living ones stay.

    Where that can't be known, of another machine on a shared disk, or on Windows, where asking would stop the process,
    they stay for a day.
    """
    for part in folder.glob(".*.part-*"):
        number, _, host = part.name.rpartition(".part-")[2].partition("@")
        if host not in ("", socket.gethostname()) or os.name != "posix":
            with suppress(OSError):
                if time.time() - part.stat().st_mtime < FOREIGN_S:
                    continue
        elif number.isdecimal() and _is_alive(int(number)) and int(number) != os.getpid():
            continue
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # it lives, but belongs to somebody else
    return True


def workspace() -> Path:
    """Where things that can be made again are kept: $GLASSNET_CACHE, or `.glassnet` in the current folder.

    Never the home folder. Where the current folder can't be written to, a folder of this user under the system's
    temporary one.
    """
    chosen = os.environ.get("GLASSNET_CACHE")
    for folder in [Path(chosen)] if chosen else [Path(".glassnet"), _temporary()]:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not (folder / ".gitignore").exists():
                write_file(folder / ".gitignore", "# made by glassnet; everything here can be made again\n*\n")
            if os.access(folder, os.W_OK):
                return folder
        except (OSError, GlassnetError):
            continue
    raise GlassnetError(
        chosen or "the current folder",
        expected="a folder that can be written to",
        found="none here or in the temporary folder",
        fix="Set GLASSNET_CACHE to one",
    )


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Holds `folder` for this process. The lock goes with the process, so a dead holder's is free.

    Raises GlassnetError naming the holder while another process has it.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / ".lock", timeout=0)
    note = folder / ".holder"
    try:
        lock.acquire()
    except Timeout as error:
        holder = note.read_text() if note.exists() else "another process"
        raise GlassnetError(
            str(folder), found=f"{holder} is writing here", fix="Wait for it, or choose another --out"
        ) from error
    except OSError as error:
        raise cannot_write(folder, error) from error
    try:
        write_file(note, f"process {os.getpid()} on {socket.gethostname()}")
        yield
    finally:
        note.unlink(missing_ok=True)
        (folder / ".lock").unlink(missing_ok=True)
        lock.release()


def check_room(folder: Path, needed_bytes: int) -> None:
    """Raises GlassnetError unless a new folder of this size can take `folder`'s place, made where it is missing."""
    _refuse_unmovable(folder)
    there = folder
    while not there.exists():
        there = there.parent
    if not there.is_dir():
        raise GlassnetError(str(folder), expected="a folder", found=f"the file {there}", fix="Choose another --out")
    for place in {there, folder.parent} if there == folder else {there}:
        if not os.access(place, os.W_OK | os.X_OK):
            raise cannot_write(place, OSError(errno.EACCES, os.strerror(errno.EACCES)))
    free = shutil.disk_usage(there).free
    if free < needed_bytes:
        raise GlassnetError(
            str(folder),
            expected=f"{needed_bytes / 1e6:,.0f} MB of room",
            found=f"{free / 1e6:,.0f} MB free on that disk",
            fix="Free some, or choose another --out",
        )


def cannot_write(path: Path, error: OSError) -> GlassnetError:
    """The line for a path that the system refuses to write: a full disk, a read-only or missing folder."""
    why = {
        errno.ENOSPC: ("the disk is full", "Free some room and run it again"),
        errno.EDQUOT: ("your share of the disk is used up", "Free some room and run it again"),
        errno.EROFS: ("it lies on a read-only disk", "Choose another folder"),
        errno.EACCES: ("you may not write there", "Choose another folder, or ask its owner"),
        errno.EPERM: ("you may not write there", "Choose another folder, or ask its owner"),
        errno.ENOENT: ("its folder is missing", "Make the folder, or choose another"),
        errno.ENOTDIR: ("a part of its path is a file", "Choose another folder"),
        errno.ENAMETOOLONG: ("the name is too long", "Choose a shorter one"),
    }.get(error.errno or 0, (error.strerror or str(error), "Choose another folder"))
    return GlassnetError(str(path), found=f"can't be written: {why[0]}", fix=why[1])


def _refuse_unmovable(folder: Path) -> None:
    """Raises for a folder that no other can take the place of."""
    try:
        is_current = os.path.samefile(folder, os.curdir)
    except OSError:
        return  # there is none yet
    if is_current or os.path.ismount(folder):
        raise GlassnetError(
            str(folder),
            expected="a folder of its own",
            found="the current folder" if is_current else "a disk of its own",
            fix="Name a new folder inside it",
        )


def _swap(new: Path, target: Path) -> None:
    old = _old(target)
    for tries_left in reversed(range(SWAPS)):
        shutil.rmtree(old, ignore_errors=True)
        try:
            if target.exists():
                os.replace(target, old)
            os.replace(new, target)
            break
        except OSError as error:  # another process may have swapped its own in between
            if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST) or not tries_left:
                raise
    sync_folder(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.part-{os.getpid()}@{socket.gethostname()}")


def _old(target: Path) -> Path:
    return target.with_name(f".{target.name}.old")


def _temporary() -> Path:
    user = getattr(os, "getuid", lambda: "user")()
    return Path(tempfile.gettempdir()) / f"glassnet-{user}"
