"""Inputs as byte streams: a path, a pipe or stdin, decompressed on the way, never a format."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, cast

from softmax_cli.errors import InputError, Location
from softmax_cli.sources.layers import ByteStream, Checked, Counting, Peekable, Tally, open_pipe, unreadable

STDIN = "-"
HEAD_BYTES = 1 << 16  # enough of an input to tell its format and its columns

_BUFFER_BYTES = 1 << 20


def _open_zstd(stream: BinaryIO) -> BinaryIO:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return cast(BinaryIO, zstd.ZstdFile(stream))


# Compression: the first bytes, the suffixes, and how to open.
COMPRESSIONS: Mapping[str, tuple[bytes, tuple[str, ...], Callable[[BinaryIO], BinaryIO]]] = MappingProxyType(
    {
        "gz": (b"\x1f\x8b", (".gz",), lambda stream: cast(BinaryIO, gzip.GzipFile(fileobj=stream))),
        "zst": (b"\x28\xb5\x2f\xfd", (".zst", ".zstd"), _open_zstd),
        "bz2": (b"BZh", (".bz2",), lambda stream: cast(BinaryIO, bz2.BZ2File(stream))),
        "xz": (b"\xfd7zXZ\x00", (".xz",), lambda stream: cast(BinaryIO, lzma.LZMAFile(stream))),  # noqa: SIM115 - closed with its source
    }
)
COMPRESSION_SUFFIXES = tuple(suffix for _, suffixes, _ in COMPRESSIONS.values() for suffix in suffixes)


class Input:
    """One input of the command: a file, a pipe (also a named one), or stdin as `-`.

    A regular file can be opened as often as needed; a pipe has one pass. Raises InputError where there is no
    such file or the system refuses to open it.
    """

    def __init__(self, name: str):
        self.name = name
        self.path = None if name == STDIN else Path(name)
        self.tally = Tally()
        self._pipe: Peekable | None = None
        try:
            status = self.path.stat() if self.path is not None else None
        except OSError as error:
            raise unreadable(name, error) from error
        except ValueError as error:  # a NUL byte in the name
            raise InputError("not-found", str(error), at=self.at) from error
        self.one_pass = status is None or not stat.S_ISREG(status.st_mode)
        self.size = status.st_size if status is not None and not self.one_pass else None
        raw = Peekable(self._open_raw(), name)
        magic = raw.head(6, lambda data: b"\n" in data)
        self.compression = next((key for key, row in COMPRESSIONS.items() if magic.startswith(row[0])), None)
        if self.one_pass:
            self._pipe = Peekable(self._decode(raw), name)
        else:
            raw.close()

    @classmethod
    def of(cls, name: str | Input) -> Input:
        """An input by its name, or as it is: a pipe's bytes that were looked at aren't lost."""
        return name if isinstance(name, Input) else cls(name)

    @property
    def at(self) -> Location:
        """The input's place in an error message."""
        return Location(self.name)

    @property
    def plain_path(self) -> Path | None:
        """The path, if the file can be read and searched as it lies there."""
        return self.path if not self.one_pass and self.compression is None else None

    @property
    def plain_size(self) -> int | None:
        """The bytes of data, where the file's size tells them."""
        return self.size if self.compression is None else None

    @property
    def suffix(self) -> str:
        """The lower-case suffix without that of a compression."""
        if self.path is None:
            return ""
        inner = self.path.with_suffix("") if self.path.suffix.lower() in COMPRESSION_SUFFIXES else self.path
        return inner.suffix.lower()

    def share_read(self) -> float | None:
        """How much of a file was read so far, from 0 to 1; None for a pipe."""
        return min(1.0, self.tally.count / self.size) if self.size else None

    def _open_raw(self) -> io.RawIOBase:
        """The bytes as they lie there, counted."""
        try:
            if self.path is not None:
                stream: ByteStream = self.path.open("rb", buffering=0)
            elif sys.stdin is not None:
                # Not the buffered stream: a thread that waits in it would hold its lock when the program ends.
                stream = getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)
            else:
                raise InputError("unreadable", "stdin is closed", at=self.at)
        except OSError as error:
            raise unreadable(self.name, error) from error
        return Counting(open_pipe(stream, self.path is not None) if self.one_pass else stream, self.tally)

    def _decode(self, raw: io.RawIOBase) -> io.RawIOBase:
        if self.compression is None:
            return Checked(raw, self.name)
        buffered = cast(BinaryIO, io.BufferedReader(raw, _BUFFER_BYTES))
        return Checked(COMPRESSIONS[self.compression][2](buffered), self.name, self.tally, buffered)

    def head(self, size: int = HEAD_BYTES, enough: Callable[[bytes], bool] | None = None) -> bytes:
        """Look at the first `size` bytes of the data, or at fewer once they are `enough`."""
        if self._pipe is not None:
            return self._pipe.head(size, enough)
        with self._open_peekable() as stream:
            return stream.head(size, enough)

    def _open_peekable(self) -> Peekable:
        return Peekable(self._decode(self._open_raw()), self.name)

    def open(self) -> BinaryIO:
        """Open the data, decompressed, from its start.

        Raises InputError where the system refuses, or where a pipe was read before.
        """
        if not self.one_pass:
            raw = self._decode(self._open_raw())
        elif self._pipe is not None:
            raw, self._pipe = self._pipe, None
        else:
            raise InputError("unreadable", "a pipe can be read only once", at=self.at)
        return cast(BinaryIO, io.BufferedReader(raw, _BUFFER_BYTES))
