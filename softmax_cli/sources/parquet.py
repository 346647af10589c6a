"""The headers of a Parquet file: which rows lie together, and whether each page can be what it says.

The table library believes a page's header: one that claims 2⁶¹ values makes it allocate for them, and a failed
allocation ends the process. So headers are checked before the library reads the pages behind them.

https://parquet.apache.org/docs/file-format/metadata/
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from softmax_cli.errors import InputError, Location
from softmax_cli.sources.layers import check_expansion, unreadable
from softmax_cli.sources.thrift import CutShortError, ThriftError, Wanted, read_struct
from softmax_cli.text import visible

_MAGIC = b"PAR1"
_TAIL = 8  # the footer's length, and the magic
_HEADER_BYTES = 256  # enough for most page headers
_VALUE_BYTES = 8

# The fields of FileMetaData, RowGroup, ColumnChunk and ColumnMetaData that are needed.
_CHUNK: Wanted = {3: {3: None, 5: None, 6: None, 7: None, 9: None, 11: None}}
_FOOTER: Wanted = {3: None, 4: {1: _CHUNK, 3: None}}
# PageHeader: type, sizes, and the headers of the kinds of pages.
_PAGE: Wanted = {
    1: None,
    2: None,
    3: None,
    5: {1: None},
    7: {1: None},
    8: {1: None, 2: None, 3: None, 5: None, 6: None},
}
_DATA, _INDEX, _DICTIONARY, _DATA_V2 = range(4)
_HEADER_OF = {_DATA: 5, _DICTIONARY: 7, _DATA_V2: 8}


class DamagedError(ValueError):
    """The headers contradict each other or the file's size."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """One column's values in a row group: `values` of them in the bytes from `start` to `end`."""

    name: str
    values: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Rows that lie together, column by column."""

    first: int
    rows: int
    chunks: tuple[Chunk, ...]


def read_row_groups(file: BinaryIO) -> list[RowGroup]:
    """Read a file's footer.

    Raises DamagedError where it isn't whole.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TAIL))
    tail = file.read(_TAIL)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != _MAGIC or length > size - _TAIL - len(_MAGIC):
        raise DamagedError("it doesn't end as it should")
    file.seek(size - _TAIL - length)
    try:
        footer, _ = read_struct(file.read(length), 0, _FOOTER)
    except ThriftError as error:
        raise DamagedError(f"in the footer, {error}") from error
    groups, first = [], 0
    for found in _structs(footer, 4):
        rows = _count(found, 3, "rows")
        groups.append(RowGroup(first, rows, tuple(_chunk(chunk, size) for chunk in _structs(found, 1))))
        first += rows
    if first != _count(footer, 3, "rows"):
        raise DamagedError("the footer's numbers of rows contradict each other")
    return groups


def _structs(found: dict[int, Any], field: int) -> list[dict[int, Any]]:
    values = found.get(field)
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise DamagedError("the footer lacks a part")
    return values


def _count(found: dict[int, Any], field: int, what: str) -> int:
    value = found.get(field)
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise DamagedError(f"a number of {what} is missing or can't be")
    return value


def _chunk(found: dict[int, Any], size: int) -> Chunk:
    inner = found.get(3)
    path = inner.get(3) if isinstance(inner, dict) else None
    if not isinstance(inner, dict) or not isinstance(path, list) or not path or not isinstance(path[0], bytes):
        raise DamagedError("the footer lacks a part")
    start = _count(inner, 11 if inner.get(11) else 9, "bytes")  # a dictionary comes first; some write 0 for none
    end = start + _count(inner, 7, "bytes")
    if end > size:
        raise DamagedError("a column lies outside the file")
    return Chunk(path[0].decode(errors="replace"), _count(inner, 5, "values"), start, end)


@dataclass(frozen=True, slots=True)
class Span:
    """Rows to read at once; `apart`: a piece of a long row group, to be read after the piece in front of it.

    The table library may hold all bytes of a row group for a piece of it.
    """

    first: int
    rows: int
    apart: bool = False


class PageCheck:
    """Checks the pages of a file, group by group; what they claim to expand to is added up.

    Methods raise DamagedError, or InputError where the file is a compression bomb.
    """

    def __init__(self, file: BinaryIO, name: str):
        self._file = file
        self._size = file.seek(0, os.SEEK_END)
        self._name = name
        self._expanded = 0

    def check(self, group: RowGroup, names: Collection[str]) -> int:
        """Check the pages of the columns of those names; the number of data pages in the column with most."""
        return max((self._check_chunk(chunk) for chunk in group.chunks if chunk.name in names), default=0)

    def _check_chunk(self, chunk: Chunk) -> int:
        self._grow(chunk.values * _VALUE_BYTES)
        left, pages = chunk.values, 0
        for header in self._headers(chunk):
            kind = header.get(1)
            self._grow(_count(header, 2, "bytes"))
            if kind == _INDEX:
                continue
            inner = header.get(_HEADER_OF.get(kind or 0, 0)) if isinstance(kind, int | None) else None
            if not isinstance(inner, dict):
                raise DamagedError(f"column {chunk.name!r} holds a page of no known kind")
            values = _count(inner, 1, "values")
            if kind == _DICTIONARY:
                self._grow(values * _VALUE_BYTES)
                continue
            if values > left:
                raise DamagedError(f"column {chunk.name!r} holds more values than the footer says")
            if kind == _DATA_V2:
                _check_levels(inner, header)
            left -= values
            pages += 1
            if not left:
                break
        if left:
            raise DamagedError(f"column {chunk.name!r} holds fewer values than the footer says")
        return pages

    def _grow(self, count: int) -> None:
        self._expanded += count
        check_expansion(self._expanded // 2, self._size, self._name)  # each value is counted twice: by number and size

    def _headers(self, chunk: Chunk) -> Iterator[dict[int, Any]]:
        at = chunk.start
        while at < chunk.end:
            header, at = self._header(at, chunk)
            at += _count(header, 3, "bytes")
            if at > chunk.end:
                raise DamagedError(f"a page of column {chunk.name!r} reaches beyond its end")
            yield header

    def _header(self, at: int, chunk: Chunk) -> tuple[dict[int, Any], int]:
        length = _HEADER_BYTES
        while True:
            length = min(length, chunk.end - at)
            self._file.seek(at)
            try:
                header, size = read_struct(self._file.read(length), 0, _PAGE)
                return header, at + size
            except CutShortError:
                if at + length == chunk.end:
                    raise DamagedError(f"column {chunk.name!r} ends within a page's header") from None
                length *= 16
            except ThriftError as error:
                raise DamagedError(f"in a page's header of column {chunk.name!r}, {error}") from error


def _check_levels(inner: dict[int, Any], header: dict[int, Any]) -> None:
    levels = _count(inner, 5, "bytes") + _count(inner, 6, "bytes")
    if levels > _count(header, 3, "bytes") or levels > _count(header, 2, "bytes"):
        raise DamagedError("the levels of a page are longer than the page")
    if max(_count(inner, 2, "nulls"), _count(inner, 3, "rows")) > _count(inner, 1, "values"):
        raise DamagedError("a page holds more nulls or rows than values")


def checked_spans(path: str, at: Location) -> Callable[[Collection[str], int], Iterator[Span]]:
    """Read a file's footer; the result yields spans of rows whose pages were checked.

    It takes the names of the columns to read and the most rows of a span. Small row groups are put together, and long
    ones cut as far as their pages allow. Raises InputError, also while it yields.
    """
    with _as_input_error(at), open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a path of the library's
        groups = read_row_groups(file)

    def spans(names: Collection[str], most: int) -> Iterator[Span]:
        wanted = frozenset(names)
        with _as_input_error(at), open(path, "rb", buffering=0) as file:  # noqa: PTH123
            check = PageCheck(file, at.source)
            for span in _joined(groups, most // 4):
                pages = max(check.check(group, wanted) for group in span)
                first, rows = span[0].first, sum(group.rows for group in span)
                # A page that two pieces share is decompressed twice.
                pieces = max(1, min(-(-rows // most), pages))
                step = max(1, -(-rows // pieces))
                for start in range(first, first + rows, step):
                    yield Span(start, min(step, first + rows - start), pieces > 1)

    return spans


@contextlib.contextmanager
def _as_input_error(at: Location) -> Iterator[None]:
    try:
        yield
    except DamagedError as error:
        raise InputError("bad-columnar", f"not a whole Parquet file ({visible(str(error))})", at=at) from error
    except OSError as error:
        raise unreadable(at.source, error) from error


def _joined(groups: list[RowGroup], most: int) -> Iterator[list[RowGroup]]:
    """Put row groups together to spans of at most `most` rows, where they aren't longer themselves."""
    span: list[RowGroup] = []
    rows = 0
    for group in groups:
        if span and rows + group.rows > most:
            yield span
            span, rows = [], 0
        span.append(group)
        rows += group.rows
    if span:
        yield span
