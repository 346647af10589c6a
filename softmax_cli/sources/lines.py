"""Text streams cut into blocks of whole records: at line ends, outside quotes, each line counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from softmax_cli import compiled
from softmax_cli.errors import InputError, Location

BLOCK_BYTES = 1 << 22 if compiled.kernel is None else 1 << 20  # the table library has more to do for each block
_LONGEST_QUOTE = 1 << 22  # a quoted cell with line ends in it, before the quote is taken for one that never closes
BOM = b"\xef\xbb\xbf"
_WIDE_BOMS = (b"\xff\xfe", b"\xfe\xff")


def check_text(head: bytes, at: Location) -> None:
    """Refuse UTF-16 and UTF-32 by their marks, and an input without anything in it."""
    if head.startswith(_WIDE_BOMS) or head.startswith(b"\x00\x00\xfe\xff"):
        raise InputError("bad-encoding", "UTF-16 or UTF-32 text, expected UTF-8", at=at, hint="convert it with iconv")


def strip_bom(data: bytes) -> bytes:
    """Drop the mark that some programs put before UTF-8 text."""
    return data.removeprefix(BOM)


def text_blocks(
    stream: BinaryIO, at: Location, *, eager: bool, quotes: bool, max_row_bytes: int
) -> Iterator[tuple[int, bytes]]:
    """Yield (number of its first line, block) until the stream ends; lines count from 1.

    eager: hand on what has arrived instead of filling a block, for pipes. quotes: a line end between double
    quotes doesn't end a record. Raises InputError for NUL bytes and for a record longer than `max_row_bytes`.
    """
    line = 1
    parts: list[bytes] = []  # the begin of a record that goes on
    size = 0
    first = True
    read = stream.read1 if eager else stream.read  # type: ignore[attr-defined]
    while part := read(BLOCK_BYTES):
        if b"\n" not in part and size + len(part) <= max_row_bytes:
            parts.append(part)
            size += len(part)
            continue
        held = b"".join(parts)
        if first:
            held, part, first = b"", strip_bom(held + part), False
        block, held = _cut(held, part, quotes)
        parts, size = [held], len(held)
        if len(held) > max_row_bytes or (len(held) > _LONGEST_QUOTE and b"\n" in held):
            raise _too_long(at, line + block.count(b"\n"), held, quotes, max_row_bytes)
        if block:
            _check_nul(block, at, line)
            yield line, block
            line += _line_ends(block)
    rest = b"".join(parts)
    rest = strip_bom(rest) if first else rest
    if rest:
        _check_nul(rest, at, line)
        yield line, rest


def _cut(held: bytes, part: bytes, quotes: bool) -> tuple[bytes, bytes]:
    """The whole records of what was read, and the begin of the next; what is long is copied but once."""
    if quotes and (b'"' in part or b'"' in held):
        part, held = held + part, b""
        cut = _record_end(part)
    else:
        cut = part.rfind(b"\n") + 1
    rest = part[cut:] if cut else held + part
    return b"".join((held, memoryview(part)[:cut])) if cut else b"", rest


def _line_ends(block: bytes) -> int:
    """How many there are; bytes.count takes five times as long."""
    return int(np.count_nonzero(np.frombuffer(block, np.uint8) == ord("\n")))


def _check_nul(block: bytes, at: Location, line: int) -> None:
    place = block.find(b"\0")
    if place >= 0:
        at = Location(at.source, line=line + block.count(b"\n", 0, place))
        raise InputError("bad-encoding", "a NUL byte, expected text", at=at)


def _too_long(at: Location, line: int, block: bytes, quotes: bool, limit: int) -> InputError:
    at = Location(at.source, line=line)
    if quotes and block.count(b'"') % 2:
        hint = "a quote within a cell is written twice, and the cell between quotes"
        return InputError("unclosed-quote", "a quote opens in this line and isn't closed", at=at, hint=hint)
    message = f"a row of more than {limit:,} bytes"
    return InputError("row-too-long", message, at=at, hint="--max-row-bytes raises the limit")


def _record_end(block: bytes) -> int:
    """The position behind the last line end that isn't between quotes; 0 where there is none."""
    cut = block.rfind(b"\n") + 1
    if not cut:
        return 0
    inside = block.count(b'"', 0, cut) % 2
    while cut and inside:
        earlier = block.rfind(b"\n", 0, cut - 1) + 1
        inside ^= block.count(b'"', earlier, cut) % 2
        cut = earlier
    return cut
