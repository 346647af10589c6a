"""Which classes are meant: by name, index, range or pattern."""

from __future__ import annotations

import csv
import fnmatch
import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from softmax_cli.errors import InputError, Location
from softmax_cli.labels import read_labels
from softmax_cli.text import visible

_INDEX = re.compile(r"\d{1,9}", re.ASCII)
_RANGE = re.compile(r"(\d{1,9})-(\d{1,9})", re.ASCII)


def read_choice(values: Sequence[str]) -> tuple[str, ...]:
    """The classes that an option names: each value is a file of names, else names with commas between them.

    A name that holds a comma stands in quotes, or alone in a value. Raises InputError for a file that can't be read.

    >>> read_choice(["cat,dog", '"tench, Tinca tinca"', "10-19"])
    ('cat', 'dog', 'tench, Tinca tinca', '10-19')
    """
    names: list[str] = []
    for value in values:
        if _is_file(value):
            names += read_labels(value)
        else:
            names += _parts(value)
    return tuple(names)


def _is_file(value: str) -> bool:
    try:
        return Path(value).is_file()
    except (OSError, ValueError):
        return False


def _parts(value: str) -> list[str]:
    try:
        rows = list(csv.reader([value], skipinitialspace=True, strict=True))
    except csv.Error:
        return [value]
    return [part.strip() for row in rows for part in row if part.strip()]


class Namer:
    """Finds classes by what they're called.

    names: of all classes, or None where none are known.
    """

    def __init__(self, names: Sequence[str] | None, classes: int, source: str):
        self._names = names
        self._classes = classes
        self._source = source
        self._places: dict[str, list[int]] = {}
        for place, name in enumerate(names or ()):
            self._places.setdefault(name, []).append(place)

    def find(self, text: str) -> list[int] | None:
        """The classes of a name, or the one of an index; None where there is none."""
        if text in self._places:
            return self._places[text]
        if _INDEX.fullmatch(text) and int(text) < self._classes:
            return [int(text)]
        return None

    def select(self, texts: Sequence[str]) -> set[int]:
        """The classes that any of the texts means: a name, an index, a range of them, or a pattern with * or ?.

        Raises InputError for a text that means no class.

        >>> sorted(Namer(["cat", "cow", "dog"], 3, "a.csv").select(["c*"]))
        [0, 1]
        """
        chosen: set[int] = set()
        for text in texts:
            found = self.find(text) or self._range(text) or self._pattern(text)
            if not found:
                raise self.unknown(text)
            chosen.update(found)
        return chosen

    def _range(self, text: str) -> list[int] | None:
        match = _RANGE.fullmatch(text)
        if match is None:
            return None
        first, last = map(int, match.groups())
        return list(range(first, last + 1)) if first <= last < self._classes else None

    def _pattern(self, text: str) -> list[int]:
        if not {"*", "?", "["} & set(text):
            return []
        return [place for place, name in enumerate(self._names or ()) if fnmatch.fnmatchcase(name, text)]

    def unknown(self, text: str, at: Location | None = None, also: Sequence[str] = ()) -> InputError:
        """The error for what means no class; the hint names the nearest, or says what there is."""
        near = get_close_matches(text, [*self._places, *also], 1, 0.6) or get_close_matches(
            text.lower(), [name.lower() for name in self._places], 1, 0.6
        )
        exact = next((name for name in self._places if near and name.lower() == near[0].lower()), None)
        if near:
            hint = f"did you mean {visible(exact or near[0], 60)!r}?"
        elif self._names is None:
            hint = f"the classes have no names: --labels FILE gives them; indices are 0 to {self._classes - 1:,}"
        else:
            hint = f"names, indices from 0 to {self._classes - 1:,}, ranges as 0-9 and patterns as cat* are known"
        message = f"no class {visible(text, 60)!r}"
        return InputError("unknown-class", message, at=at or Location(self._source), hint=hint)
