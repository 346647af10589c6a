"""Targets as they're written — numbers, names — made class indices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.errors import InputError, Location
from softmax_cli.text import visible

IGNORED = -1
_MOST_COMPARED = 20_000  # names, in the search for the nearest one


class Naming:
    """Turns targets into class indices; `IGNORED` where they are to be left out.

    names: of the classes, if known. classes: how many there are. ignore: the index that stands for no class.
    """

    def __init__(self, names: Sequence[str] | None, classes: int, ignore: int | None = None):
        self._names = names
        self._classes = classes
        self._ignore = ignore
        self._known: dict[str, int] = {}
        self._twice: set[str] = set()
        for index, name in enumerate(names or ()):
            if name in self._known:
                self._twice.add(name)
            self._known.setdefault(name, index)

    def of_texts(self, texts: Sequence[str], at: Callable[[int], Location]) -> NDArray[np.int64]:
        """Find classes by name, or by index where no class is called so.

        at: where the text at a place stands. Raises InputError for a text that is neither, and for a name that two
        classes have.
        """
        found: dict[str, int] = {}
        for text in dict.fromkeys(texts):
            index = self._index_of(text)
            if index is None:
                raise self._unknown(text, at(texts.index(text)))
            found[text] = index
        return np.array([found[text] for text in texts], np.int64)

    def _index_of(self, text: str) -> int | None:
        plain = text.strip()
        if text in self._twice or plain in self._twice:
            return None
        if plain == str(self._ignore):
            return IGNORED
        index = self._known.get(text, self._known.get(plain))
        if index is None:
            index = _whole_number(plain)
            if index is not None and not 0 <= index < self._classes:
                return None
        return index

    def _unknown(self, text: str, at: Location) -> InputError:
        plain = text.strip()
        shown = visible(plain, 60)
        number = _whole_number(plain)
        if text in self._twice or plain in self._twice:
            message = f"{shown!r} names several classes"
            return InputError("unknown-target", message, at=at, hint="give class indices instead of names")
        if number is not None:
            return out_of_range(number, self._classes, at)
        if not plain:
            return InputError("unknown-target", "the target is empty, expected a class", at=at)
        if self._names is None:
            hint = "the classes have no names here: --labels FILE gives them"
            return InputError("unknown-target", f"{shown!r} isn't a class index", at=at, hint=hint)
        return InputError("unknown-target", f"no class is called {shown!r}", at=at, hint=self._nearest(plain))

    def _nearest(self, text: str) -> str:
        names = list(self._known)[:_MOST_COMPARED]
        folded = {name.casefold(): name for name in names}
        close = get_close_matches(text.casefold(), folded, 1)
        if close:
            return f"did you mean {visible(folded[close[0]], 60)!r}?"
        listed = ", ".join(visible(name, 20) for name in names[:8]) + (", …" if len(names) > 8 else "")
        return f"the classes are {listed}"

    def of_numbers(self, values: NDArray[Any], at: Callable[[int], Location]) -> NDArray[np.int64]:
        """Check that numbers are class indices.

        values: one dimension. Raises InputError for the first that isn't.
        """
        if values.dtype.kind == "f":
            parts = np.flatnonzero(~np.isfinite(values) | (values != np.rint(values)))
            if len(parts):
                place = int(parts[0])
                raise InputError("target-range", f"the target is {values[place]}, expected a class index", at=at(place))
        wrong = (values < 0) | (values >= self._classes)
        skipped = np.zeros(len(values), bool) if self._ignore is None else values == self._ignore
        wrong &= ~skipped
        if wrong.any():
            place = int(np.argmax(wrong))
            from_one = bool(not (values == 0).any() and values.max() == self._classes)
            raise out_of_range(int(values[place]), self._classes, at(place), from_one)
        indices = values.astype(np.int64)
        indices[skipped] = IGNORED
        return indices


def _whole_number(text: str) -> int | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return int(value) if value == np.rint(value) and abs(value) < 2**53 else None


def out_of_range(value: int, classes: int, at: Location, from_one: bool | None = None) -> InputError:
    """Say that a number isn't a class index, and what it usually means."""
    hint = f"--ignore-index {value} leaves such rows out"
    if value == classes and from_one is not False:
        hint = f"classes count from 0; if the targets count from 1, subtract 1 ({hint} otherwise)"
    message = f"target {value} is out of range, expected 0 to {classes - 1}"
    return InputError("target-range", message, at=at, hint=hint)
