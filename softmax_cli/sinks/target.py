"""Where bytes go: stdout, or a file that appears at its name only when it is complete."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from softmax_cli.errors import Location, OutputError
from softmax_cli.sinks.leftovers import PREFIX, SUFFIX, claim

STDOUT = "-"


class ReaderGoneError(Exception):
    """The reader of our stdout went away: not an error, but nothing is left to do."""


class Target:
    """A stream that says in our words why it can't be written."""

    def __init__(self, stream: BinaryIO, name: str):
        self.stream = stream
        self.name = name

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Write all of `data`.

        Raises OutputError where the system refuses, ReaderGoneError where stdout's reader went away.
        """
        with writing(self.name):
            view = memoryview(data)
            while view:
                view = view[self.stream.write(view) or 0 :]
        return len(data)

    def check(self) -> None:
        """Find out whether a pipe's reader is still there.

        Raises ReaderGoneError where it isn't.
        """
        with contextlib.suppress(OSError, ValueError, AttributeError):
            poll = select.poll()
            poll.register(self.stream.fileno(), 0)
            if any(events & select.POLLERR for _, events in poll.poll(0)):
                raise ReaderGoneError

    def seekable(self) -> bool:
        """Whether `seek` works: in files, not in pipes."""
        return self.name != STDOUT and self.stream.seekable()

    def seek(self, offset: int) -> None:
        """Go on writing at `offset`."""
        with writing(self.name):
            self.stream.seek(offset)

    def forward(self) -> io.RawIOBase:
        """The same as a stream that can't be searched, for writers that would go back in it."""
        return _Forward(self)

    def flush(self) -> None:
        """Hand everything to the system."""
        with writing(self.name):
            self.stream.flush()


class _Forward(io.RawIOBase):
    def __init__(self, target: Target):
        self._target = target

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self._target.write(bytes(data))


@contextlib.contextmanager
def writing(name: str) -> Iterator[None]:
    """Turn the system's errors while writing `name` into ours."""
    try:
        yield
    except BrokenPipeError as error:
        if name == STDOUT:
            raise ReaderGoneError from error
        raise unwritable(name, error) from error
    except OSError as error:
        raise unwritable(name, error) from error
    except ValueError as error:  # write to closed file
        raise OutputError("closed-output", "stdout is closed", at=Location("stdout")) from error


def unwritable(name: str, error: OSError) -> OutputError:
    """Say that the system refused to write."""
    at = Location("stdout" if name == STDOUT else name)
    reason = (error.strerror or str(error)).lower()
    if name == STDOUT and error.errno == errno.EBADF:
        return OutputError("closed-output", "stdout is closed", at=at)
    return OutputError("unwritable", f"can't be written: {reason}", at=at)


@contextlib.contextmanager
def open_target(name: str) -> Iterator[Target]:
    """Open stdout (`-`) or a file for writing.

    A file is written beside its name, flushed to disk, and renamed when the block ends well; else it is removed,
    and what stood at the name before is untouched. Devices and pipes are written directly.
    """
    if name == STDOUT:
        if sys.stdout is None or sys.stdout.closed:
            raise OutputError("closed-output", "stdout is closed", at=Location("stdout"))
        target = Target(cast(BinaryIO, sys.stdout.buffer), STDOUT)
        yield target
        target.flush()
        return
    path = Path(name)
    try:
        path = Path(os.path.realpath(path))
        mode = path.stat().st_mode if path.exists() else None
    except (OSError, ValueError) as error:
        raise unwritable(name, error if isinstance(error, OSError) else OSError(str(error))) from error
    if mode is not None and stat.S_ISDIR(mode):
        raise OutputError("unwritable", "is a directory", at=Location(name), hint="--output-dir DIR writes into one")
    if mode is not None and not stat.S_ISREG(mode):
        with writing(name), path.open("wb") as stream:
            yield Target(cast(BinaryIO, stream), name)
        return
    with _replacing(path, name, mode) as target:
        yield target


@contextlib.contextmanager
def _replacing(path: Path, name: str, mode: int | None) -> Iterator[Target]:
    with writing(name):
        handle, temporary = tempfile.mkstemp(prefix=PREFIX, suffix=SUFFIX, dir=path.parent)
    try:
        claim(handle)
        with os.fdopen(handle, "wb") as stream:
            yield Target(cast(BinaryIO, stream), name)
            with writing(name):
                stream.flush()
                os.fsync(stream.fileno())
        with writing(name):
            Path(temporary).chmod(stat.S_IMODE(mode) if mode is not None else 0o666 & ~_umask())
            os.replace(temporary, path)  # noqa: PTH105 - the same, and works where the name isn't UTF-8
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
