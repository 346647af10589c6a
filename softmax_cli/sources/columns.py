"""What each column of a table is taken for: a class, the row's id, its target, or nothing."""

from __future__ import annotations

import bisect
import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from softmax_cli.errors import InputError, Location
from softmax_cli.sources.base import ReadOptions
from softmax_cli.text import visible

_POSITION = re.compile(r"-?\d{1,9}", re.ASCII)
ID_NAMES = frozenset(
    "id|ids|idx|index|row|row_id|rowid|sample|sample_id|name|key|image|image_id|file|filename|file_name|path|url|source|"
    "uid|uuid|unnamed: 0|".split("|")  # pandas leaves its index without a name
)
TARGET_NAMES = frozenset(
    "label|labels|target|targets|class|class_id|classid|category|y|y_true|truth|true_label|ground_truth".split("|")
)


class Kind(StrEnum):
    """What a column's values look like."""

    INTEGER = "integer"
    NUMBER = "number"
    TEXT = "text"
    LIST = "list"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Column:
    """A column as it is found: its name, or its position as text where there is no header, and its kind."""

    name: str
    kind: Kind
    described: str = ""


@dataclass(frozen=True, slots=True)
class Roles:
    """Which columns are what, as positions; `notes` says what was decided for the user, and how to override it."""

    classes: tuple[int, ...]
    id: int | None
    target: int | None
    notes: tuple[str, ...]

    def role_of(self, position: int) -> str:
        """The role of one column, for `inspect`."""
        if position == self.id:
            return "id"
        if position == self.target:
            return "target"
        place = bisect.bisect_left(self.classes, position)  # there may be a million, in order
        return "class" if self.classes[place : place + 1] == (position,) else "ignored"


def find_column(name: str, columns: Sequence[Column], option: str, at: Location) -> int:
    """Find a column by name, or by position counted from 0.

    Raises InputError that lists the columns there are.
    """
    names = [column.name for column in columns]
    if name in names:
        return names.index(name)
    if _POSITION.fullmatch(name) and -len(columns) <= int(name) < len(columns):
        return int(name) % len(columns)
    shown = ", ".join(visible(text, 30) for text in names[:10]) + (", …" if len(names) > 10 else "")
    raise InputError("unknown-column", f"{option}: no column {visible(name)!r}", at=at, hint=f"the columns are {shown}")


def assign_roles(columns: Sequence[Column], named: bool, options: ReadOptions, at: Location) -> Roles:
    """Decide what each column is.

    The user's options come first. Then an integer column named like an id or a target is one; text columns are
    never classes: one named like a target is the target, the first of the others the id. Without names only a
    leading or trailing text column can be the id. Raises InputError where no class is left.
    """
    notes: list[str] = []
    chosen_id = options.id_column
    chosen_target = options.target_column
    id_position = find_column(chosen_id, columns, "--id-column", at) if chosen_id is not None else None
    target = find_column(chosen_target, columns, "--target-column", at) if chosen_target is not None else None
    pattern = options.columns
    matched = None
    if pattern is not None:
        matched = {place for place, column in enumerate(columns) if _matches(column.name, pattern)}
        if not matched:
            raise InputError("unknown-column", f"--columns: no column matches {visible(pattern)!r}", at=at)
    for position, column in enumerate(columns):
        if position in (id_position, target) or (matched is not None and position in matched):
            continue
        role = _guess_role(column, named)
        if role == "target" and target is None and chosen_target is None:
            target = position
            notes.append(_taken(column, "the target", "--target-column"))
        elif role == "id" and id_position is None and chosen_id is None:
            id_position = position
            if column.kind is Kind.INTEGER or not named or column.name.strip().lower() not in ID_NAMES:
                notes.append(_taken(column, "the row's id", "--id-column"))
    taken = {id_position, target}
    numeric = (Kind.INTEGER, Kind.NUMBER)
    classes = tuple(
        position
        for position, column in enumerate(columns)
        if position not in taken and (position in matched if matched is not None else column.kind in numeric)
    )
    for position in classes:
        if columns[position].kind not in numeric:
            message = f"column {visible(columns[position].name)!r} holds {columns[position].kind}, expected numbers"
            raise InputError("bad-value", message, at=at)
    if not classes:
        hint = "--columns GLOB names the class columns; --delimiter and --header say how the text is laid out"
        raise InputError("no-classes", "no column of numbers is left for the classes", at=at, hint=hint)
    return Roles(classes, id_position, target, tuple(notes))


def _matches(name: str, pattern: str) -> bool:
    return any(fnmatch.fnmatchcase(name, part) for part in pattern.split(",")) or name == pattern


def _guess_role(column: Column, named: bool) -> str | None:
    name = column.name.strip().lower()
    if column.kind is Kind.TEXT:
        return "target" if named and name in TARGET_NAMES else "id"
    if column.kind is Kind.INTEGER and named:
        if name in ID_NAMES:
            return "id"
        if name in TARGET_NAMES:
            return "target"
    return None


def _taken(column: Column, role: str, option: str) -> str:
    return (
        f"column {visible(column.name)!r} was taken as {role} and not as a class "
        f"(--columns GLOB names the class columns, {option} another column)"
    )
