"""The numbers of a JSON value as an array, and the fields of its objects."""

from __future__ import annotations

import json
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from softmax_cli.errors import InputError, Location
from softmax_cli.sources.choice import PREFERRED
from softmax_cli.strict_json import describe
from softmax_cli.text import visible


def to_array(value: Any, at: Location) -> NDArray[np.float64]:
    """Turn nested lists of numbers into an array.

    Raises InputError for lists of different lengths, and for anything but numbers; `at.row` is where it is.
    """
    shape: list[int] = []
    first = value
    while isinstance(first, list):
        shape.append(len(first))
        first = first[0] if first else None
    if len(shape) > 32:
        raise InputError("too-deep", f"lists within lists, {len(shape)} deep, expected at most 32", at=at)
    leaves: list[list[Any]] = []
    _collect(value, tuple(shape), 0, leaves, at)
    try:
        return np.array(leaves, np.float64).reshape(shape)
    except OverflowError as error:
        raise InputError("bad-value", "an integer is beyond the range of float64", at=at) from error


def _collect(value: Any, shape: tuple[int, ...], depth: int, leaves: list[list[Any]], at: Location) -> None:
    if not isinstance(value, list):
        raise InputError("bad-value", f"{describe(value)}, expected a list of numbers", at=at)
    if len(value) != shape[depth]:
        raise InputError("ragged-row", f"{len(value)} values, expected {shape[depth]}", at=at)
    if depth + 1 < len(shape):
        for row, item in enumerate(value):
            place = Location(at.source, row=row) if depth == 0 and at.line is None else at
            _collect(item, shape, depth + 1, leaves, place)
        return
    if not set(map(type, value)) <= {int, float}:
        wrong = next(item for item in value if type(item) not in (int, float))
        raise InputError("bad-value", f"{describe(wrong)} among the logits, expected a number", at=at)
    leaves.append(value)


def id_text(value: Any) -> str:
    """A row's id as text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def field_of(value: dict[str, Any], wanted: str | None, at: Location) -> str:
    """The key of an object that holds the logits.

    Raises InputError where there is none, or several and no way to choose.
    """
    keys = ", ".join(visible(key, 30) for key in list(value)[:10])
    hint = f"--array NAME names the field; there are: {keys}"
    if wanted is not None:
        if wanted in value:
            return wanted
        raise InputError("unknown-array", f"--array: there is no field {visible(wanted)!r}", at=at, hint=hint)
    for name in PREFERRED:
        if name in value:
            return name
    raise InputError("unknown-array", "no field called logits or scores", at=at, hint=hint)


def as_rows(value: Any) -> list[dict[str, Any]] | None:
    """The value as a list of objects, if that is what it is."""
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return cast(list[dict[str, Any]], value)
    return None
