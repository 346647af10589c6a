"""Which row is explained: numbers as arguments, or one row of anything that can be read; its labels and target."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from softmax_cli.batch import FloatArray, LogitBatch
from softmax_cli.errors import InputError, Location, UsageError
from softmax_cli.labels import LABEL_FORMATS, check_count, read_labels
from softmax_cli.pipeline import split_finite
from softmax_cli.sources import open_source
from softmax_cli.sources.base import ReadOptions
from softmax_cli.text import visible

_ARGUMENTS = "arguments"
_EXAMPLE = "for example: softmax explain 3.2 1.3 0.2 0.8"


@dataclass(frozen=True, slots=True)
class Row:
    """The logits of one row, (classes,), the names of their classes, and where it is from, if not the arguments.

    notes: what was decided for the user.
    """

    logits: FloatArray
    names: tuple[str, ...] | None
    origin: str | None
    notes: tuple[str, ...] = ()


def find_row(arguments: Sequence[str], row: int | None, labels: str | None, options: ReadOptions) -> Row:
    """Take the numbers, or the row of the file, that the arguments say.

    Raises UsageError for anything else, InputError for what can't be read or has no softmax.
    """
    if not arguments:
        raise UsageError("no numbers given", hint=_EXAMPLE)
    names = None if labels is None else read_names(labels)
    said = f"--labels {visible(labels or '', 60)}"
    values = [_value(part) for argument in arguments for part in _parts(argument)]
    numbers = [value for value in values if value is not None]
    if row is None and len(numbers) == len(values):
        return _checked(LogitBatch(_ARGUMENTS, np.array([numbers]), np.zeros(1, np.int64)), names, said, None)
    if len(arguments) > 1:
        wrong = next((part for part in (p for a in arguments for p in _parts(a)) if _value(part) is None), arguments[0])
        if row is not None:
            raise UsageError(f"--row {row} is for one file, but there are {len(arguments)} arguments")
        raise UsageError(f"{visible(wrong, 60)!r} isn't a number", hint=_EXAMPLE)
    if not arguments[0].strip():
        raise UsageError(f"{arguments[0]!r} is neither a number nor a file", hint=_EXAMPLE)
    return _row_of_file(arguments[0], row, names, said, options)


def _parts(argument: str) -> list[str]:
    """The numbers of an argument: between commas or white space."""
    return argument.replace(",", " ").split() or [argument]


def _value(text: str) -> float | None:
    try:
        return float(text) if "_" not in text else None
    except ValueError:
        return None


def read_names(labels: str) -> tuple[str, ...]:
    """Take class names as they are, `dog,cat`, or of a file.

    >>> read_names('dog,cat,"horse, white"')
    ('dog', 'cat', 'horse, white')
    """
    if not labels.strip():
        raise UsageError("--labels: no names in it", hint="--labels dog,cat, or a file")
    path = Path(labels)
    try:
        is_file = path.exists()
    except (OSError, ValueError):
        is_file = False
    if is_file or ("," not in labels and path.suffix.lower() in LABEL_FORMATS):
        return read_labels(labels)
    try:
        rows = list(csv.reader(io.StringIO(labels, newline=""), skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise UsageError(f"--labels {visible(labels, 60)}: neither a file nor names ({error})") from error
    return tuple(name for row in rows for name in row)


def _row_of_file(name: str, row: int | None, names: tuple[str, ...] | None, said: str, options: ReadOptions) -> Row:
    try:
        source = open_source(name, options)
    except InputError as error:
        if error.slug in ("not-found", "empty-input") and error.hint is None:
            error.hint = f"{'neither a file nor a number; ' if error.slug == 'not-found' else ''}{_EXAMPLE}"
        raise
    wanted = row or 0
    rows = 0
    found: LogitBatch | None = None
    for batch in source:
        at = np.flatnonzero(batch.rows == wanted)
        rows = max(rows, int(batch.rows.max(initial=-1)) + 1)
        if found is None and len(at):
            found = batch.select(batch.rows == wanted)
        if found is not None and (row is not None or rows > 1 or source.total_rows is not None):
            break
    if found is None:
        if not rows:
            raise InputError("empty-input", "there are no rows in it", at=Location(name))
        raise UsageError(f"--row {wanted}: {visible(name)} has {rows:,} row{'s' if rows > 1 else ''}, counted from 0")
    notes = list(source.notes)
    if row is None and max(rows, source.total_rows or 0) > 1:
        notes.append("the first row is explained; --row N takes another")
    if found.logits.shape[1] == 1 and rows > 1:
        notes.append("a row has but one class; --axis 0 takes a column of numbers as the classes of one row")
    if source.activation not in (None, "softmax"):
        notes.append(f"these values are made for the activation {source.activation}, not for softmax")
    own = None if source.class_names is None else tuple(source.class_names)
    return _checked(found, names or own, said, _origin(found), tuple(f"{name}: {note}" for note in notes))


def _origin(batch: LogitBatch) -> str:
    name = batch.source_of(0)
    text = f"row {int(batch.rows[0])} of {'stdin' if name == '-' else name}"
    if batch.ids is not None:
        text += f" ({batch.ids[0]})"
    places = batch.places()
    if places is not None:
        text += f", at [{', '.join(str(int(place)) for place in places[0])}]"
    return text


def _checked(
    batch: LogitBatch,
    names: tuple[str, ...] | None,
    labels: str,
    origin: str | None,
    notes: tuple[str, ...] = (),
) -> Row:
    """See that the names fit, and that the row has a softmax."""
    classes = batch.logits.shape[1]
    if not classes:
        raise InputError("no-classes", "the class axis has length 0", at=Location(batch.source))
    if names is not None:
        check_count(names, classes, batch.source, labels)
    _, faults = split_finite(batch, names)
    if faults:
        error = faults[0].error
        error.hint = "a softmax needs finite logits; only -inf, a masked class, is allowed"
        if isinstance(error, InputError) and origin is None:
            error.at = Location(_ARGUMENTS, column=error.at.column if error.at else None)
        raise error
    return Row(batch.logits[0], names, origin, notes)


def find_class(target: str, names: Sequence[str] | None, classes: int) -> int:
    """The index of a class given by its name, or by its index.

    Raises UsageError where there is none, or more than one.
    """
    places = [index for index, name in enumerate(names or ()) if name == target]
    if len(places) == 1:
        return places[0]
    if len(places) > 1:
        raise UsageError(f"--target {visible(target, 60)}: {len(places)} classes have that name", hint="give its index")
    if target.isascii() and target.isdigit():
        if int(target) < classes:
            return int(target)
        raise UsageError(f"--target {target}: there are {classes:,} classes, counted from 0")
    close = get_close_matches(target, names or (), 1)
    hint = f"did you mean {visible(close[0])!r}?" if close else "a class is given by its name or its index, from 0"
    raise UsageError(f"--target {visible(target, 60)}: no class has that name", hint=hint)
