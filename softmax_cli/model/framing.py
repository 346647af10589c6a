"""Messages between processes: a line of JSON and the raw bytes of arrays behind it; nothing in them can run code."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

NO_MEMORY = 86  # the exit code of a process that couldn't take a message for lack of memory

_LENGTH = struct.Struct("<Q")
_LONGEST_HEAD = 1 << 32
_KINDS = "fiub"  # numbers and truth values; texts go into the head

Arrays = Sequence[NDArray[Any]]


class ClosedError(Exception):
    """The other side went away, or sent what is no message."""


def send(stream: BinaryIO, message: Mapping[str, Any], arrays: Arrays = ()) -> None:
    """Write a message: its JSON, then each array's bytes in C order; arrays of objects are texts."""
    texts = [array.dtype == object for array in arrays]
    about = [
        {"shape": array.shape, **({"texts": array.reshape(-1).tolist()} if is_text else {"dtype": array.dtype.str})}
        for array, is_text in zip(arrays, texts, strict=True)
    ]
    head = json.dumps({**message, "arrays": about}).encode()
    stream.write(_LENGTH.pack(len(head)) + head)
    for array, is_text in zip(arrays, texts, strict=True):
        if not is_text and array.size:
            stream.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    stream.flush()


def receive(stream: BinaryIO) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    """Read a message.

    Raises ClosedError where the other side went away before its end.
    """
    (length,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    if length > _LONGEST_HEAD:
        raise ClosedError
    message = json.loads(bytes(_exactly(stream, length)))
    return message, [_array(stream, about) for about in message.pop("arrays")]


def _array(stream: BinaryIO, about: Mapping[str, Any]) -> NDArray[Any]:
    if "texts" in about:
        return np.array(about["texts"], object).reshape(about["shape"])
    dtype = np.dtype(about["dtype"])
    if dtype.kind not in _KINDS:
        raise ClosedError
    array = np.empty(about["shape"], dtype)
    if array.size:
        _fill(stream, array.reshape(-1).view(np.uint8).data)
    return array


def _exactly(stream: BinaryIO, size: int) -> bytearray:
    data = bytearray(size)
    _fill(stream, memoryview(data))
    return data


def _fill(stream: BinaryIO, view: memoryview) -> None:
    filled = 0
    while filled < len(view):
        count = stream.readinto(view[filled:])  # type: ignore[attr-defined]
        if not count:
            raise ClosedError
        filled += count
