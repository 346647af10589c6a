"""The headers of an Arrow file: whether each batch and its buffers can be what they say.

The table library believes them: a buffer that claims to lie far behind the file's end makes it take all memory. So they
are checked before the library reads what is behind them.

https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc
https://flatbuffers.dev/internals/
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from softmax_cli.sources.layers import check_expansion

MAGIC = b"ARROW1"
_TAIL = 4 + len(MAGIC)  # the footer's length, and the magic
_CONTINUATION = b"\xff\xff\xff\xff"
_SCHEMA, _DICTIONARY, _BATCH = 1, 2, 3  # what a message holds
_BITS = 8
_ROWS_WITHOUT_BUFFERS = 1 << 24  # of columns of type null, which take no bytes


class DamagedError(ValueError):
    """The headers contradict each other or the file's size."""


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of a flatbuffer: its fields by number; one that isn't there is None, or a default."""

    data: bytes
    place: int

    @classmethod
    def root(cls, data: bytes) -> _Table:
        """The outermost table."""
        return cls(data, _unpack("<I", data, 0))

    def _field(self, number: int) -> int | None:
        """Where a field's value stands."""
        directory = self.place - int(_unpack("<i", self.data, self.place))
        entry = 4 + 2 * number
        if entry + 2 > _unpack("<H", self.data, directory):
            return None
        offset = _unpack("<H", self.data, directory + entry)
        return self.place + offset if offset else None

    def number(self, number: int, kind: str, default: int = 0) -> int:
        """A number; kind: as `struct` spells it."""
        place = self._field(number)
        return default if place is None else _unpack(f"<{kind}", self.data, place)

    def table(self, number: int) -> _Table | None:
        """A table within."""
        place = self._field(number)
        return None if place is None else _Table(self.data, place + _unpack("<I", self.data, place))

    def records(self, number: int, columns: int) -> NDArray[np.int64]:
        """A vector of records of so many 64-bit numbers each, (records, columns)."""
        place = self._field(number)
        if place is None:
            return np.empty((0, columns), np.int64)
        place += _unpack("<I", self.data, place)
        count = _unpack("<I", self.data, place) * columns
        if place + 4 + 8 * count > len(self.data):
            raise DamagedError("a header is cut short")
        return np.frombuffer(self.data, "<i8", count, place + 4).reshape(-1, columns)


def _unpack(kind: str, data: bytes, place: int) -> int:
    if place < 0:
        raise DamagedError("a header points outside itself")
    try:
        return int(struct.unpack_from(kind, data, place)[0])
    except struct.error as error:
        raise DamagedError("a header is cut short") from error


def check_file(file: BinaryIO, name: str) -> None:
    """See that a file's batches can be what they say; it's one of the random-access kind, or a stream.

    Raises DamagedError; InputError for a few bytes that expand to very many.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    is_stream = file.read(len(MAGIC)) != MAGIC
    blocks = _stream_blocks(file, size) if is_stream else _footer_blocks(file, size)
    expanded = sum(_check_message(file, *block) for block in blocks)
    check_expansion(expanded, size, name)


def _footer_blocks(file: BinaryIO, size: int) -> Iterator[tuple[int, int, int]]:
    """Where each message begins, its body begins, and its body ends, as the footer says."""
    file.seek(max(0, size - _TAIL))
    tail = file.read(_TAIL)
    length = int.from_bytes(tail[:4], "little")
    end = size - _TAIL - length
    if tail[4:] != MAGIC or end < len(MAGIC):
        raise DamagedError("it doesn't end as it should")
    file.seek(end)
    footer = _Table.root(file.read(length))
    for field in (_DICTIONARY, _BATCH):
        # The length of the header is 32 bits, before as many that are padding.
        for start, header, body in footer.records(field, 3).tolist():
            header &= 0xFFFFFFFF
            if start < len(MAGIC) or body < 0 or start + header + body > end:
                raise DamagedError("a batch lies outside of it")
            yield start, start + header, start + header + body


def _stream_blocks(file: BinaryIO, size: int) -> Iterator[tuple[int, int, int]]:
    """The same, message after message."""
    start = 0
    while start < size:
        header, length = _read_header(file, start, size)
        if header is None:
            return
        body = start + length
        end = body + header.number(3, "q")
        if end < body or end > size:
            raise DamagedError("a batch lies outside of it")
        yield start, body, end
        start = end


def _read_header(file: BinaryIO, start: int, end: int) -> tuple[_Table | None, int]:
    """A message's header, None where the stream ends, and the bytes to its body."""
    file.seek(start)
    prefix = file.read(8)
    before = 8 if prefix[:4] == _CONTINUATION else 4
    length = int.from_bytes(prefix[before - 4 : before], "little")
    if not length:
        return None, before
    if start + before + length > end:
        raise DamagedError("a header lies outside of it")
    file.seek(start + before)
    return _Table.root(file.read(length)), before + length


def _check_message(file: BinaryIO, start: int, body: int, end: int) -> int:
    """See that a batch's buffers lie in its body, and hold what its columns claim; the bytes that they expand to."""
    message, _ = _read_header(file, start, end)
    kind = None if message is None else message.number(1, "B")
    batch = None if message is None else message.table(2)
    if batch is not None and kind == _DICTIONARY:
        batch = batch.table(1)
    elif kind != _BATCH:
        if kind == _SCHEMA:
            return 0
        raise DamagedError("a header is of no known kind")
    if batch is None:
        raise DamagedError("a batch is empty")
    buffers = batch.records(2, 2)
    offsets, lengths = buffers.T
    room = end - body
    if ((offsets < 0) | (lengths < 0) | (offsets > room) | (lengths > room - offsets)).any():
        raise DamagedError("a buffer lies outside of its batch")
    compressed = batch.table(3) is not None
    expanded = _expanded(file, body, buffers) if compressed else int(lengths.sum())
    rows, nodes = batch.number(0, "q"), batch.records(1, 2)
    most = max(_BITS * expanded, _ROWS_WITHOUT_BUFFERS)
    if not 0 <= rows <= most or ((nodes < 0) | (nodes > most)).any():
        raise DamagedError("a batch claims more rows than it holds")
    return expanded


def _expanded(file: BinaryIO, body: int, buffers: NDArray[np.int64]) -> int:
    """The bytes of compressed buffers, each of which begins with their number; -1: it isn't compressed."""
    total = 0
    for offset, length in buffers.tolist():
        if length < 8:
            continue
        file.seek(body + offset)
        size = _unpack("<q", file.read(8), 0)
        if size < -1:
            raise DamagedError("a buffer has a negative length")
        total += length if size == -1 else size
    return total
