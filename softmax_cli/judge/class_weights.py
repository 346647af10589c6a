"""Weights of classes from a file: one a line, or with the names or indices of the classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from softmax_cli.errors import InputError, Location
from softmax_cli.sources.cells import Dialect, is_number
from softmax_cli.sources.delimited import sniff_delimiter
from softmax_cli.sources.stream import Input
from softmax_cli.strict_json import decode_utf8, parse_json
from softmax_cli.text import visible


def read_class_weights(path: str, names: Sequence[str] | None) -> tuple[float, ...]:
    """Read a weight for each class: a number a line, in order, or lines of class and weight; or the same as JSON.

    names: of the classes, if known; a class may be given by its index as well. Raises InputError for what isn't a
    number from 0 on, for classes that aren't known, and for those that are missing.
    """
    source = Input(path)
    at = Location(path)
    with source.open() as stream:
        text = decode_utf8(stream.read(), at)
    keys, values = _from_json(text, at) if source.suffix == ".json" else _from_lines(text, at)
    numbers = [_number(value, at) for value in values]
    if not numbers:
        raise InputError("empty-input", "there is nothing in it", at=at)
    return tuple(numbers) if keys is None else _in_order(keys, numbers, names, at)


def _from_json(text: str, at: Location) -> tuple[list[str] | None, list[Any]]:
    value = parse_json(text, at)
    if isinstance(value, dict):
        return list(value), list(value.values())
    if isinstance(value, list):
        return None, value
    raise InputError("bad-weights", "expected a list of numbers, or an object of class and number", at=at)


def _from_lines(text: str, at: Location) -> tuple[list[str] | None, list[Any]]:
    lines = [line for line in text.removeprefix("\ufeff").split("\n") if line.strip()]
    records = [cells for _, cells in Dialect(sniff_delimiter(lines[-1:])).records(text, 1, at)]
    if records and len(records[0]) == 2 and not is_number(records[0][1]):
        records = records[1:]  # a header
    widths = {len(cells) for cells in records}
    if widths - {1} and widths - {2}:
        raise InputError("bad-weights", "expected a number a line, or a class and a number", at=at)
    keys = [cells[0].strip() for cells in records] if widths == {2} else None
    return keys, [cells[-1].strip() for cells in records]


def _in_order(keys: list[str], values: list[float], names: Sequence[str] | None, at: Location) -> tuple[float, ...]:
    known = {name: index for index, name in enumerate(names or ())}
    weights: dict[int, float] = {}
    for name, value in zip(keys, values, strict=True):
        index = known.get(name, int(name) if name.isascii() and name.isdecimal() else -1)
        if index < 0 or index in weights:
            what = "stands twice" if index in weights else "isn't a class"
            raise InputError("bad-weights", f"{visible(name, 60)!r} {what}", at=at)
        weights[index] = value
    missing = next((index for index in range(len(known) or len(weights)) if index not in weights), None)
    if missing is not None:
        label = visible(names[missing], 60) if names else str(missing)
        raise InputError("bad-weights", f"no weight for class {label!r}", at=at)
    return tuple(weights[index] for index in sorted(weights))


def _number(value: Any, at: Location) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise InputError("bad-weights", f"{visible(str(value), 40)!r} isn't a weight, expected a number from 0", at=at)
    return number
