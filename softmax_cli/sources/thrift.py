"""Just enough of Thrift's compact protocol to look into the headers of a Parquet file.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

# The fields of a struct that are wanted, by number; for a struct, or a list of structs, those within it.
Wanted: TypeAlias = Mapping[int, "Wanted | None"]

_DEEPEST = 32  # Parquet needs 6
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)


class ThriftError(ValueError):
    """The bytes aren't what the protocol says."""


class CutShortError(ThriftError):
    """The bytes end before the struct does."""


def read_struct(data: bytes, at: int, wanted: Wanted) -> tuple[dict[int, Any], int]:
    """Read a struct that begins at `at`: its wanted fields by number, and where it ends.

    Raises ThriftError where the bytes aren't a struct, CutShortError where they are only its beginning.

    >>> read_struct(bytes([0x15, 0x06, 0x18, 0x02, 0x68, 0x69, 0x00]), 0, {1: None, 2: None})
    ({1: 3, 2: b'hi'}, 7)
    """
    try:
        return _struct(data, at, wanted, 0)
    except IndexError as error:
        raise CutShortError("the bytes end within a struct") from error


def _varint(data: bytes, at: int) -> tuple[int, int]:
    byte = data[at]
    if byte < 0x80:
        return byte, at + 1
    value, shift = byte & 0x7F, 7
    while True:
        at += 1
        byte = data[at]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at + 1
        shift += 7
        if shift > 63:
            raise ThriftError("a number of more than 64 bits")


def _struct(data: bytes, at: int, wanted: Wanted, depth: int) -> tuple[dict[int, Any], int]:
    found: dict[int, Any] = {}
    field = 0
    while byte := data[at]:
        at += 1
        kind = byte & 0x0F
        if step := byte >> 4:
            field += step
        else:
            number, at = _varint(data, at)
            field = (number >> 1) ^ -(number & 1)
        if _I16 <= kind <= _I64:  # by far the most
            number, at = _varint(data, at)
            if field in wanted:
                found[field] = (number >> 1) ^ -(number & 1)
        elif kind == _BINARY:
            size, start = _varint(data, at)
            at = start + size
            if field in wanted:
                found[field] = data[start:at]
        elif kind <= _FALSE:
            found[field] = kind == _TRUE
        elif field in wanted:
            found[field], at = _value(data, at, kind, wanted[field] or {}, depth)
        else:
            _, at = _value(data, at, kind, {}, depth)
        if at >= len(data):
            raise CutShortError("the bytes end within a struct")
    return found, at + 1


def _value(data: bytes, at: int, kind: int, wanted: Wanted, depth: int) -> tuple[Any, int]:
    """Read a value as it stands in a list, or outside one if it isn't a boolean."""
    if depth > _DEEPEST:
        raise ThriftError("nested too deeply")
    if kind == _STRUCT:
        return _struct(data, at, wanted, depth + 1)
    if kind in (_LIST, _SET):
        return _list(data, at, wanted, depth + 1)
    if _I16 <= kind <= _I64:
        number, at = _varint(data, at)
        return (number >> 1) ^ -(number & 1), at
    if kind == _BINARY:
        size, start = _varint(data, at)
        return data[start : start + size], start + size
    if kind == _DOUBLE:
        return None, at + 8
    if kind in (_TRUE, _FALSE, _BYTE):
        return data[at], at + 1
    if kind == _MAP:
        return _map(data, at, depth + 1)
    raise ThriftError(f"no type has the number {kind}")


def _list(data: bytes, at: int, wanted: Wanted, depth: int) -> tuple[list[Any], int]:
    byte = data[at]
    at += 1
    kind, count = byte & 0x0F, byte >> 4
    if count == 15:
        count, at = _varint(data, at)
    if count > len(data) - at:  # an element takes a byte at least
        raise CutShortError("the bytes end within a list")
    values = []
    for _ in range(count):
        value, at = _value(data, at, kind, wanted, depth)
        values.append(value)
    return values, at


def _map(data: bytes, at: int, depth: int) -> tuple[None, int]:
    count, at = _varint(data, at)
    if not count:
        return None, at
    if count > len(data) - at:
        raise CutShortError("the bytes end within a map")
    kinds = data[at]
    at += 1
    for _ in range(count):
        _, at = _value(data, at, kinds >> 4, {}, depth)
        _, at = _value(data, at, kinds & 0x0F, {}, depth)
    return None, at
