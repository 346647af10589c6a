"""One run at a time into one place: a lock that ends with its process, however that ends."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from softmax_cli.errors import Location, OutputError
from softmax_cli.sinks.target import writing
from softmax_cli.text import visible

if sys.platform == "win32":
    import msvcrt

    def _try_lock(handle: int) -> bool:
        try:
            os.lseek(handle, 1 << 30, os.SEEK_SET)  # a byte that nobody reads
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextlib.contextmanager
def locked(path: Path, place: str) -> Iterator[None]:
    """Hold the lock file `path` for the block; `place` is what it is for.

    The system lets go of a dead process' lock, so its file may lie there and is taken over. Raises OutputError where
    another process holds it.
    """
    while True:
        with writing(str(path)):
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            with writing(str(path)):
                if not _try_lock(handle):
                    raise _held(path, place)
            if not _is_at(handle, path):  # its owner removed it in between
                continue
            try:
                with writing(str(path)):
                    os.truncate(handle, 0)
                    os.lseek(handle, 0, os.SEEK_SET)
                    os.write(handle, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())
                yield
            finally:
                with contextlib.suppress(OSError):
                    path.unlink()
            return
        finally:
            os.close(handle)


def check_unlocked(path: Path, place: str) -> None:
    """Refuse a place that another run is writing into.

    Raises OutputError.
    """
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        return
    try:
        if not _try_lock(handle):
            raise _held(path, place)
    finally:
        os.close(handle)


def owner_of(path: Path) -> str | None:
    """Who holds a lock, in words; None where nobody does."""
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        return None
    try:
        return None if _try_lock(handle) else _owner(path)
    finally:
        os.close(handle)


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except OSError:
        return False


def _owner(path: Path) -> str:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(path.read_bytes())
        return f"process {int(known['pid'])} on {visible(str(known['host']), 60)}"
    return "a process that isn't known"


def _held(path: Path, place: str) -> OutputError:
    hint = "wait until it ends, or write somewhere else"
    return OutputError("locked", f"another run ({_owner(path)}) is writing there", at=Location(place), hint=hint)
