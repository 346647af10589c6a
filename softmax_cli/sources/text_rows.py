"""What every reader of texts shares: the source, its batches, and the choice of columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from softmax_cli.batch import Fault, TextBatch
from softmax_cli.errors import InputError, Location
from softmax_cli.sources.columns import ID_NAMES, TARGET_NAMES, Column, Kind, find_column
from softmax_cli.text import visible

BATCH_TEXTS = 512
BATCH_CHARACTERS = 1 << 20
TEXT_NAMES = (
    "text|texts|sentence|sentences|content|input|inputs|review|reviews|comment|comments|document|body|message|"
    "utterance|query|question|tweet|title|headline|abstract|summary|description|prompt"
).split("|")
COLUMN_OPTION = "--text-column"
SKIP_HINT = "pass --on-error skip to drop such rows"

Row: TypeAlias = tuple[int, str, str]
"""A row's number, its text, and its id (empty where there are none)."""


@dataclass
class TextSource:
    """Texts of one input; iterate it for batches, as often as `one_pass` allows.

    read: the rows from the start, in blocks of what was read at once. has_ids: whether the rows' ids mean anything.
    share: how much was read so far. faults: the errors of rows, where the reader's handler puts them; each goes with
    the batch, and at the place, where it arises.
    """

    name: str
    one_pass: bool
    facts: Mapping[str, Any]
    read: Callable[[], Iterator[Iterable[Row]]]
    notes: Sequence[str] = ()
    has_ids: bool = False
    total_rows: int | None = None
    share: Callable[[], float | None] = field(default=lambda: None)
    faults: list[InputError] = field(default_factory=list)

    def share_read(self) -> float | None:
        """How much of the input was read so far, from 0 to 1; None where rows tell better, or nothing does."""
        return self.share()

    def __iter__(self) -> Iterator[TextBatch]:
        for block in self.read():  # the end of a block ends a batch: there may be nothing more yet
            rows: list[Row] = []
            faults: list[Fault] = []
            characters = 0
            for row in block:
                faults += self._arisen(len(rows))
                rows.append(row)
                characters += len(row[1])
                if len(rows) == BATCH_TEXTS or characters > BATCH_CHARACTERS:
                    yield self._batch(rows, faults)
                    rows, faults, characters = [], [], 0
            faults += self._arisen(len(rows))
            if rows or faults:
                yield self._batch(rows, faults)

    def _arisen(self, place: int) -> list[Fault]:
        """The faults since the last row, which lie before the next one."""
        faults = [Fault(place, error) for error in self.faults]
        self.faults.clear()
        return faults

    def _batch(self, rows: Sequence[Row], faults: Sequence[Fault]) -> TextBatch:
        ids = [row[2] for row in rows] if self.has_ids else None
        numbers = np.array([row[0] for row in rows], np.int64)
        return TextBatch(self.name, [row[1] for row in rows], numbers, ids, faults)


@dataclass(frozen=True, slots=True)
class TextRoles:
    """Which column holds the texts and which the ids, as positions; `notes` says what was decided for the user."""

    text: int
    id: int | None
    notes: tuple[str, ...] = ()


def choose_text(columns: Sequence[Column], wanted: str | None, at: Location, taken: int | None = None) -> int:
    """Choose the column of texts: the one asked for, the one called text, else the only one that can be meant.

    taken: the column of ids, where the user named it. Raises InputError that lists the columns there are.
    """
    if wanted is not None:
        return find_column(wanted, columns, COLUMN_OPTION, at)
    texts = [place for place, column in enumerate(columns) if column.kind is Kind.TEXT and place != taken]
    names = {place: columns[place].name.strip().lower() for place in texts}
    known = [place for place in texts if names[place] in TEXT_NAMES]
    others = [place for place in texts if names[place] not in ID_NAMES and names[place] not in TARGET_NAMES]
    exact = [place for place in known if names[place] == TEXT_NAMES[0]]
    found = exact or known or others or texts
    if len(found) == 1:
        return found[0]
    listed = ", ".join(visible(column.name, 30) for column in columns[:20]) + (", …" if len(columns) > 20 else "")
    if not found:
        raise InputError("unknown-column", "no column holds text", at=at, hint=f"the columns are {listed}")
    which = ", ".join(visible(columns[place].name, 30) for place in found[:10])
    hint = f"{COLUMN_OPTION} NAME chooses one"
    raise InputError("ambiguous-array", f"which of {len(found)} columns holds the texts: {which}?", at=at, hint=hint)


def assign_text_roles(
    columns: Sequence[Column], column: str | None, id_column: str | None, at: Location, ids: frozenset[str] = ID_NAMES
) -> TextRoles:
    """Choose the columns of texts and ids, the options first, then by name.

    ids: the names (in lower case) by which a column is taken for the ids. Raises InputError as `choose_text` does.
    """
    place_id = None if id_column is None else find_column(id_column, columns, "--id-column", at)
    text = choose_text(columns, column, at, place_id)
    if id_column is None:
        named = (place for place, found in enumerate(columns) if found.name.strip().lower() in ids and place != text)
        place_id = next(named, None)
    notes: tuple[str, ...] = ()
    if column is None and len(columns) > 1:
        name = visible(columns[text].name, 40)
        notes = (f"column {name!r} was taken for the texts ({COLUMN_OPTION} chooses another)",)
    return TextRoles(text, place_id, notes)
