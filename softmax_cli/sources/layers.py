"""The layers an input's bytes pass on their way in: pump, peek, count, check."""

from __future__ import annotations

import contextlib
import gzip
import io
import lzma
import os
import queue
import select
import sys
import threading
import time
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from softmax_cli.errors import InputError, Location

if TYPE_CHECKING:
    from typing_extensions import Buffer

_READ_BYTES = 1 << 20
_HEAD_STEP = 1 << 13
_QUEUED_READS = 12
_AWAKE_SECONDS = 0.2  # a native library's handler can make the system restart an endless wait
_MOMENT_SECONDS = 0.05
_BOMB_BYTES = 1 << 28
_BOMB_RATIO = 200  # deflate reaches 1,032 on zeros; real logits stay below 50

ByteStream: TypeAlias = BinaryIO | io.RawIOBase | io.BufferedIOBase


def unreadable(name: str, error: OSError) -> InputError:
    """Say that the system refused to open or read an input."""
    if isinstance(error, FileNotFoundError):
        return InputError("not-found", "no such file or directory", at=Location(name))
    reason = (error.strerror or str(error)).lower()
    return InputError("unreadable", f"can't be read: {reason}", at=Location(name))


class Layer(io.RawIOBase):
    """A stream over another one, that it closes with itself."""

    def __init__(self, stream: ByteStream):
        self._stream = stream

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


def widen_pipe(stream: ByteStream) -> None:
    """Let a pipe hold as much as is read at once, where the system can: 16 times fewer wakes on Linux."""
    if sys.platform != "linux":
        return
    import fcntl

    with contextlib.suppress(OSError, ValueError):  # no pipe, or more than the user may have
        fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, _READ_BYTES)


def open_pipe(stream: ByteStream, owned: bool) -> io.RawIOBase:
    """A pipe whose reads return what has arrived instead of waiting for a full buffer; owned: closed at its end."""
    widen_pipe(stream)
    if hasattr(select, "poll"):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            return Polled(stream, stream.fileno(), owned)
    return Pump(stream, owned)


class Polled(io.RawIOBase):
    """Reads a pipe where the system can say whether anything is there: straight to where the bytes are wanted."""

    def __init__(self, stream: ByteStream, handle: int, owned: bool):
        self._stream = stream  # which closes the handle when it goes
        self._handle = handle
        self._owned = owned
        self._poll = select.poll()
        self._poll.register(handle, select.POLLIN)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        target = memoryview(buffer).cast("B")
        filled = 0
        end = None  # when to hand on what is there, though there's room for more
        while filled < len(target):
            left = _AWAKE_SECONDS if end is None else end - time.monotonic()
            if left <= 0 or not self._poll.poll(left * 1000):
                if filled:
                    break
                continue
            with contextlib.suppress(BlockingIOError):
                count = os.readv(self._handle, [target[filled:]])
                if not count:
                    break
                filled += count
                end = end or time.monotonic() + _MOMENT_SECONDS
        return filled

    def close(self) -> None:
        if self._owned and not self.closed:
            self._stream.close()
        super().close()


class Pump(io.RawIOBase):
    """Reads a pipe in a thread, for systems that can't say whether anything is there."""

    def __init__(self, stream: ByteStream, owned: bool):
        self._stream = stream
        self._owned = owned  # whether to close it at its end
        self._queue: queue.Queue[bytes | OSError] = queue.Queue(_QUEUED_READS)
        self._left = memoryview(b"")
        self._ended = False
        threading.Thread(target=self._run, name="softmax-stdin", daemon=True).start()

    def _run(self) -> None:
        read = getattr(self._stream, "read1", self._stream.read)
        while True:
            try:
                data: bytes = read(_READ_BYTES)
            except OSError as error:
                self._queue.put(error)
                return
            except ValueError:  # closed by the other side of the program
                data = b""
            if not data and self._owned:
                self._stream.close()
            self._queue.put(data)
            if not data:
                return

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        target = memoryview(buffer).cast("B")
        filled = 0
        while filled < len(target):
            if not self._left:
                if self._ended or (filled and self._queue.empty()):
                    break
                item = self._queue.get()
                if isinstance(item, OSError):
                    raise item
                self._ended = not item
                self._left = memoryview(item)
                continue
            size = min(len(self._left), len(target) - filled)
            target[filled : filled + size] = self._left[:size]
            self._left = self._left[size:]
            filled += size
        return filled


class Peekable(Layer):
    """A stream whose first bytes can be looked at before it is read."""

    def __init__(self, stream: io.RawIOBase, name: str):
        super().__init__(stream)
        self._name = name
        self._head = b""
        self._ended = False

    def head(self, size: int, enough: Callable[[bytes], bool] | None = None) -> bytes:
        """Look at the first `size` bytes, or at fewer once they are `enough`: a slow pipe isn't waited for."""
        while not self._ended and len(self._head) < size and not (enough is not None and enough(self._head)):
            step = min(size - len(self._head), max(_HEAD_STEP, len(self._head)))
            buffer = bytearray(step)
            try:
                count = self._stream.readinto(buffer) or 0  # type: ignore[union-attr]
            except OSError as error:
                raise unreadable(self._name, error) from error
            self._ended = not count
            self._head += bytes(buffer[:count])
        return self._head[:size]

    def readinto(self, buffer: Buffer) -> int:
        target = memoryview(buffer).cast("B")
        if self._head:
            size = min(len(self._head), len(target))
            target[:size] = self._head[:size]
            self._head = self._head[size:]
            return size
        if self._ended:
            return 0
        return self._stream.readinto(target) or 0  # type: ignore[union-attr]


class Tally:
    """Bytes taken from the input so far, before decompression."""

    def __init__(self) -> None:
        self.count = 0


class Counting(Layer):
    """Counts the bytes that pass."""

    def __init__(self, stream: ByteStream, tally: Tally):
        super().__init__(stream)
        self._tally = tally

    def readinto(self, buffer: Buffer) -> int:
        count = self._stream.readinto(buffer) or 0  # type: ignore[union-attr]
        self._tally.count += count
        return count


def check_expansion(expanded: int, packed: int, name: str, least: int | None = None) -> None:
    """Refuse a small compressed input that expands to an enormous one, of more than `least` bytes."""
    least = _BOMB_BYTES if least is None else least
    if expanded > least and expanded > _BOMB_RATIO * max(packed, 1):
        raise InputError(
            "compression-bomb",
            f"expands to more than {_BOMB_RATIO} times its size and over {least / (1 << 20):g} MiB",
            at=Location(name),
            hint="unpack it yourself and pass the plain file, if you trust it",
        )


class Checked(Layer):
    """The decoded end of a stream: turns system and decoder errors into ours and stops bombs."""

    def __init__(self, stream: ByteStream, name: str, packed: Tally | None = None, below: ByteStream | None = None):
        super().__init__(stream)
        self._below = below  # what a decoder reads from, and doesn't close itself
        self._name = name
        self._packed = packed  # the compressed bytes taken so far, where the stream is compressed
        self._produced = 0

    def close(self) -> None:
        super().close()
        if self._below is not None:
            self._below.close()

    def readinto(self, buffer: Buffer) -> int:
        at = Location(self._name)
        try:
            count = self._stream.readinto(buffer) or 0  # type: ignore[union-attr]
        except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
            raise InputError("bad-compression", f"damaged or cut short ({error})", at=at) from error
        except OSError as error:
            if self._packed is not None and error.errno is None:  # bz2 says "Invalid data stream" so
                raise InputError("bad-compression", f"damaged ({error})", at=at) from error
            raise unreadable(self._name, error) from error
        except Exception as error:
            if type(error).__name__ == "ZstdError":
                raise InputError("bad-compression", f"damaged ({error})", at=at) from error
            raise
        self._produced += count
        if self._packed is not None:
            check_expansion(self._produced, self._packed.count, self._name)
        return count
