"""Class names: every kind of label file, and the check of their number."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from softmax_cli.errors import InputError, Location
from softmax_cli.strict_json import decode_utf8, describe, parse_json
from softmax_cli.text import visible

Names = tuple[str, ...]

_INDEX = re.compile(r"\d{1,9}", re.ASCII)


def names_from_lines(text: str) -> Names:
    r"""Read one name a line; a line that is only white space, or empty, is a name as well.

    >>> names_from_lines("cat\n\ndog\n")
    ('cat', '', 'dog')
    """
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return tuple(line.removesuffix("\r") for line in lines)


def names_from_list(values: Iterable[Any], at: Location) -> Names:
    """Take names from a parsed list of texts or numbers.

    Raises InputError for anything else among them.
    """
    return tuple(_name(value, at) for value in values)


def names_from_ids(pairs: Iterable[tuple[str | int, Any]], at: Location) -> Names:
    """Take names from parsed pairs of class index and name, in any order.

    Raises InputError for what isn't an index or a name, and for an index that is missing or stands twice.

    >>> names_from_ids({"1": "cat", "0": "dog"}.items(), Location("config.json"))
    ('dog', 'cat')
    """
    found = []
    for key, value in pairs:
        text = str(key).strip()
        if not _INDEX.fullmatch(text):
            raise InputError("bad-labels", f"the key {visible(str(key), 40)!r} isn't a class index", at=at)
        found.append((int(text), _name(value, at)))
    return _in_order(found, at)


def _from_json(text: str, at: Location) -> Names:
    """A list of names, id → name, name → id, or an object with `id2label` or `label2id` in it."""
    value = parse_json(text, at)
    if isinstance(value, dict):
        for key in ("id2label", "label2id"):
            if isinstance(value.get(key), dict):
                value = value[key]
                break
    if isinstance(value, list):
        return names_from_list(value, at)
    if not isinstance(value, dict):
        raise InputError("bad-labels", f"{describe(value)}, expected a list or an object of names", at=at)
    if value and all(type(item) is int for item in value.values()):
        return _in_order([(number, name) for name, number in value.items()], at)
    return names_from_ids(value.items(), at)


def _name(value: Any, at: Location) -> str:
    if isinstance(value, str):
        return value
    if type(value) is int or type(value) is float:
        return repr(value)
    raise InputError("bad-labels", f"{describe(value)} among the names, expected text", at=at)


def _from_table(delimiter: str) -> Callable[[str, Location], Names]:
    def parse(text: str, at: Location) -> Names:
        try:
            rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True) if row]
        except csv.Error as error:
            raise InputError("bad-labels", f"not a table of index and name ({error})", at=at) from error
        if rows and not rows[0][0].strip()[:1].isdecimal():
            rows = rows[1:]
        pairs = []
        for row in rows:
            index = row[0].strip()  # more than int() takes away itself
            if len(row) < 2 or not _INDEX.fullmatch(index):
                message = f"{visible(delimiter.join(row), 40)!r} isn't an index and a name"
                raise InputError("bad-labels", message, at=at, hint="a list of names alone belongs into a .txt file")
            pairs.append((int(index), row[1]))
        return _in_order(pairs, at)

    return parse


def _in_order(pairs: Sequence[tuple[int, str]], at: Location) -> Names:
    """Sort names by class index; every index from 0 on must be there once."""
    names = dict(pairs)
    if len(names) < len(pairs):
        seen: set[int] = set()
        twice = next(index for index, _ in pairs if index in seen or seen.add(index))  # type: ignore[func-returns-value]
        raise InputError("bad-labels", f"class index {twice} stands twice", at=at)
    missing = next((index for index in range(len(names)) if index not in names), None)
    if missing is not None:
        raise InputError("bad-labels", f"class index {missing} is missing of {len(names)} (they count from 0)", at=at)
    return tuple(names[index] for index in range(len(names)))


# Each kind of label file, by suffix; anything else is read as one name a line.
LABEL_FORMATS: Mapping[str, Callable[[str, Location], Names]] = MappingProxyType(
    {
        ".txt": lambda text, at: names_from_lines(text),
        ".json": _from_json,
        ".csv": _from_table(","),
        ".tsv": _from_table("\t"),
    }
)


def read_labels(path: str) -> Names:
    """Read class names from a file: `.txt` one a line; `.json` list, id → name, or with `id2label`; `.csv` index,name.

    Names are kept as they are, duplicates and white space too. Raises InputError for a file that can't be read
    or understood.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "names.json")
    >>> _ = file.write_text('{"1": "cat", "0": "dog"}')
    >>> read_labels(str(file))
    ('dog', 'cat')
    """
    at = Location(path)
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise InputError("not-found", "no such label file", at=at) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError("unreadable", f"can't be read: {reason.lower()}", at=at) from error
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError("bad-encoding", "UTF-16 text, expected UTF-8", at=at)
    names = LABEL_FORMATS.get(Path(path).suffix.lower(), LABEL_FORMATS[".txt"])(decode_utf8(data, at), at)
    if not names:
        raise InputError("bad-labels", "no names in it", at=at)
    return names


def check_count(names: Sequence[str], classes: int, source: str, labels: str) -> None:
    """Check that there is a name for each class.

    Raises InputError with both counts, and with what it usually means if they differ by one.
    """
    if len(names) == classes:
        return
    hint = "the labels must be those of the model that made the logits, in its order"
    if len(names) == classes + 1:
        hint = "one label too many: often a trailing blank line or a header, or a background class that the model lacks"
        if not names[-1].strip():
            hint = "the last label is blank: remove the trailing blank line"
    elif len(names) == classes - 1:
        hint = "one label too few: often the model has a background class, mostly at index 0, that the labels lack"
    message = f"{len(names):,} labels in {visible(labels)}, but {classes:,} classes"
    raise InputError("label-count", message, at=Location(source), hint=hint)
