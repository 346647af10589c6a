"""What the metadata inside an ONNX file says: class names and the size of its images."""

from __future__ import annotations

import ast
import csv
import json
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

from softmax_cli.errors import InputError, Location, ModelError
from softmax_cli.labels import Names, names_from_ids, names_from_lines, names_from_list
from softmax_cli.strict_json import describe, parse_json
from softmax_cli.text import visible

BLANK = "<blank>"
_LONGEST = 4 * 2**20  # characters; 22,000 names of ImageNet-21k take 0.6 million
_LARGEST_SIDE = 65_536
_T = TypeVar("_T")

# Python's literals as far as names need them: texts and numbers in one flat list or dict. Reading them item by item
# has no depth to exhaust, and takes no memory beyond the names, unlike a syntax tree of the whole.
_TEXT = r"""u?(?:'[^'\\\n]*(?:\\.[^'\\\n]*)*'|"[^"\\\n]*(?:\\.[^"\\\n]*)*")"""
_NUMBER = r"[-+]?\d{1,18}(?:\.\d{0,40})?(?:e[-+]?\d{1,3})?"
_SCALAR = rf"({_TEXT}|{_NUMBER})\s*"
_ITEM = re.compile(rf"{_SCALAR}(?::\s*{_SCALAR})?(?:,\s*|\Z)", re.DOTALL | re.ASCII)
_CLOSING = {"[": "]", "(": ")", "{": "}"}


def parse_literal(text: str) -> list[Any]:
    """Parse a flat Python list, tuple or set of texts and numbers, or a dict of them as the list of its pairs.

    Nothing is evaluated. Raises ValueError for everything else: deeper nesting, names, calls, operators.

    >>> parse_literal("{0: 'cat', 1: \\"dog's\\"}")
    [(0, 'cat'), (1, "dog's")]
    """
    text = text.strip()
    if len(text) < 2 or _CLOSING.get(text[0]) != text[-1]:
        raise ValueError("no list and no dict")
    body = text[1:-1].strip()
    items: list[Any] = []
    place, paired = 0, None
    while place < len(body):
        match = _ITEM.match(body, place)
        if match is None:
            raise ValueError(f"can't understand {visible(body[place : place + 30], 25)!r}")
        key, value = match.groups()
        if paired is None:
            paired = value is not None
        if paired != (value is not None) or (paired and text[0] != "{"):
            raise ValueError(f"keys where there should be none, or missing, at {visible(key, 25)}")
        items.append((_value(key), _value(value)) if paired else _value(key))
        place = match.end()
    return items


def _value(token: str) -> Any:
    if "\\" not in token and token[0] in "'\"":
        return token[1:-1]
    if token.isdecimal() and (token[0] != "0" or token == "0"):
        return int(token)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an unknown escape such as \d is kept, as Python does
        try:
            value = ast.literal_eval(token)
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError) as error:
            raise ValueError(f"{visible(token, 30)} is no text and no number") from error
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ValueError("half a character (a lone surrogate) in a text") from error
    return value


def _structure(text: str, at: Location) -> Names:
    """Names from a JSON list or object, or from a Python list or dict."""
    try:
        value = parse_json(text, at)
    except InputError as error:
        if error.slug == "duplicate-key":
            raise
        try:
            pairs = parse_literal(text)
        except ValueError as reason:
            raise InputError("bad-labels", f"neither JSON nor a Python literal: {reason}", at=at) from reason
        value = pairs
        if pairs and isinstance(pairs[0], tuple):
            return names_from_ids(pairs, at)
    if isinstance(value, dict):
        return names_from_ids(value.items(), at)
    return names_from_list(value, at)


def _separated(text: str, at: Location) -> Names:
    """Names from one a line, or from one line with commas."""
    if "\n" in text:
        return names_from_lines(text)
    try:
        number = json.loads(text, parse_int=lambda digits: 0)
    except (ValueError, RecursionError):
        number = None
    if isinstance(number, int | float):
        raise InputError("bad-labels", f"{visible(text, 30)}, expected names", at=at)
    try:
        row = next(csv.reader([text], skipinitialspace=True, strict=True), [])
    except csv.Error as error:
        raise InputError("bad-labels", f"not a line of names with commas ({error})", at=at) from error
    return tuple(name.strip() for name in row)


def _names(text: str, at: Location) -> Names:
    return (_structure if text.lstrip()[:1] in _CLOSING else _separated)(text, at)


def _characters(text: str, at: Location) -> Names:
    """One class a line, a list, or a text each of whose characters is a class; a bracket is a class as well."""
    if text.lstrip()[:1] in _CLOSING and text.rstrip()[-1:] in _CLOSING.values():
        try:
            return _structure(text, at)
        except InputError:
            if "\n" not in text:
                raise
    return names_from_lines(text) if "\n" in text else tuple(text)


# The keys that may hold names, the most telling first, and how their values are read.
_KEYS: Mapping[str, Callable[[str, Location], Names]] = MappingProxyType(
    {"names": _names, "labels": _names, "classes": _names, "character": _characters}
)


def labels_from_metadata(metadata: Mapping[str, str], at: Location) -> tuple[Names, str] | None:
    """Take class names from a model's metadata, and the key that holds them; None where no key does.

    A value may be a list or an object (id → name) of JSON, the same as Python's literal, one name a line, or names
    with commas between. `character` is that of text recognition: one class a line, or each character a class;
    `with_blank` adds what such lists leave out. Empty values are passed over.
    Raises ModelError("bad-config") that names the key for a value that can't be understood.

    >>> labels_from_metadata({"task": "classify", "names": "{0: 'cat', 1: 'dog'}"}, Location("yolo.onnx"))
    (('cat', 'dog'), 'names')
    """
    for key, read in _KEYS.items():
        text = metadata.get(key, "")
        if text.strip() and (names := _understood(key, text, at, read)):
            return names, key
    return None


def _understood(key: str, text: str, at: Location, read: Callable[[str, Location], _T]) -> _T:
    try:
        if len(text) > _LONGEST:
            raise InputError("bad-value", f"{len(text):,} characters, expected {_LONGEST:,} at most", at=at)
        return read(text, at)
    except InputError as error:
        hint = "--labels FILE gives the names" if key in _KEYS else None
        raise ModelError("bad-config", f"metadata {key}: {error.message}", at=at, hint=hint) from error


def with_blank(names: Sequence[str], classes: int) -> Names:
    """Complete the characters of a text recogniser with what PaddleOCR's lists leave out.

    Its models put the blank of connectionist temporal classification at class 0, and mostly a space at the end.
    Both, or the blank alone, are added only if the names then are as many as the classes; otherwise the names come
    back as they are. Meant for the key `character` alone.

    >>> with_blank(["a", "b"], classes=4)
    ('<blank>', 'a', 'b', ' ')
    """
    added: Mapping[int, Names] = {1: (BLANK, *names), 2: (BLANK, *names, " ")}
    return added.get(classes - len(names), tuple(names))


def image_size_from_metadata(metadata: Mapping[str, str], at: Location) -> tuple[int, int] | None:
    """Take the (height, width) of a classifier's images from Ultralytics' `imgsz`; None where it says nothing.

    Models whose `task` is another than to classify are passed over.
    Raises ModelError("bad-config") for sides that aren't numbers of pixels.

    >>> image_size_from_metadata({"task": "classify", "imgsz": "[224, 224]"}, Location("yolo.onnx"))
    (224, 224)
    """
    text = metadata.get("imgsz", "")
    if metadata.get("task", "classify").strip() != "classify" or not text.strip():
        return None
    return _understood("imgsz", text, at, _sides)


def _sides(text: str, at: Location) -> tuple[int, int]:
    try:
        sides = parse_literal(text if text.lstrip()[:1] in _CLOSING else f"[{text}]")
    except ValueError as error:
        raise InputError("bad-value", f"{error}, expected height and width", at=at) from error
    if len(sides) not in (1, 2):
        raise InputError("bad-value", f"{len(sides)} numbers, expected height and width", at=at)
    for side in sides:
        if type(side) is not int or not 1 <= side <= _LARGEST_SIDE:
            found = describe(side) if isinstance(side, str) else visible(str(side), 30)
            raise InputError("bad-value", f"{found}, expected 1 to {_LARGEST_SIDE:,} pixels", at=at)
    return sides[0], sides[-1]
