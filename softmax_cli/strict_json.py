"""JSON read strictly: no duplicate keys, no endless integers, no bottomless nesting."""

from __future__ import annotations

import json
import re
from typing import Any

from softmax_cli.errors import InputError, Location
from softmax_cli.text import visible

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_MAX_DIGITS = 400  # float64 ends at 309


class _StrictError(ValueError):
    def __init__(self, slug: str, message: str):
        super().__init__(message)
        self.slug = slug


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _StrictError("duplicate-key", f"the key {visible(twice, 40)!r} stands twice in one object")
    return result


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise _StrictError("bad-value", f"an integer of {len(text):,} digits is beyond the range of float64")
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise _StrictError("bad-value", f"{text[:30]} is beyond the range of float64")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_int=_integer, parse_float=_float)


def parse_json(text: str, at: Location) -> Any:
    """Parse one JSON value; NaN, Infinity and -Infinity are taken as Python's json writes them.

    Raises InputError for anything else that isn't JSON.
    """
    try:
        value = _DECODER.decode(text)
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except UnicodeEncodeError as error:
        raise InputError("bad-encoding", "half a character (a lone surrogate) in a text", at=at) from error
    except _StrictError as error:
        raise InputError(error.slug, str(error), at=at) from error
    except RecursionError as error:
        raise InputError("too-deep", "nested too deeply", at=at) from error
    except json.JSONDecodeError as error:
        line = error.lineno if at.line is None else at.line
        message = f"not JSON: {error.msg.lower()} at column {error.colno}"
        raise InputError("bad-json", message, at=Location(at.source, line=line)) from error


def decode_utf8(data: bytes, at: Location) -> str:
    """Decode text, with or without a byte-order mark.

    Raises InputError where it isn't UTF-8.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = (at.line or 1) + data.count(b"\n", 0, error.start)
        message = f"byte 0x{data[error.start]:02x} isn't UTF-8"
        raise InputError("bad-encoding", message, at=Location(at.source, line=line)) from error


def describe(value: Any) -> str:
    """Name a JSON value in a message."""
    if isinstance(value, str):
        return f"the text {visible(value, 30)!r}"
    names = {type(None): "null", bool: str(value).lower(), dict: "an object", list: "a list"}
    return names.get(type(value), f"the number {value!r:.30}")
