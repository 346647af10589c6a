"""Texts from CSV and TSV, streamed through Python's csv module."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from softmax_cli.errors import InputError, Location
from softmax_cli.sources.base import ReadOptions
from softmax_cli.sources.cells import Dialect, is_number
from softmax_cli.sources.columns import ID_NAMES, TARGET_NAMES, Column, Kind
from softmax_cli.sources.delimited import complete_records, given_delimiter
from softmax_cli.sources.lines import check_text, strip_bom, text_blocks
from softmax_cli.sources.stream import Input
from softmax_cli.sources.text_rows import TEXT_NAMES, Row, TextRoles, TextSource, assign_text_roles
from softmax_cli.strict_json import decode_utf8
from softmax_cli.text import visible

_CANDIDATES = ("\t", ",", ";")
_KNOWN_NAMES = frozenset(TEXT_NAMES) | ID_NAMES | TARGET_NAMES
_IDENTIFIER = re.compile(r"[^\W\d][\w.-]{0,59}")

Record: TypeAlias = tuple[int, list[str]]


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a delimited text is laid out."""

    dialect: Dialect
    named: bool
    columns: tuple[Column, ...]
    roles: TextRoles
    notes: tuple[str, ...]


def open_delimited(source: Input, options: ReadOptions, column: str | None) -> TextSource:
    """Open CSV or TSV: a row a record, line breaks between quotes kept."""
    layout = _sniff_layout(source, options, column)

    def read() -> Iterator[Iterable[Row]]:
        row = 0
        skip = layout.named
        for records in _record_blocks(source, layout.dialect, options):
            block = _Records(records, layout, source.at, options, row, skip)
            yield block
            row += block.count
            skip = skip and not block.skipped

    facts = {
        "format": "delimited text",
        "delimiter": layout.dialect.delimiter,
        "header": layout.named,
        "column": layout.columns[layout.roles.text].name,
        "id": None if layout.roles.id is None else layout.columns[layout.roles.id].name,
    }
    has_ids = layout.roles.id is not None
    return TextSource(source.name, source.one_pass, facts, read, layout.notes, has_ids, share=source.share_read)


class _Records:
    """The rows of a block of records; `count` says afterwards how many there were, bad ones too."""

    def __init__(
        self, records: Iterable[Record], layout: _Layout, at: Location, options: ReadOptions, first: int, skip: bool
    ):
        self._records, self._layout, self._at, self._options, self._first = records, layout, at, options, first
        self._skip = skip
        self.skipped = False
        self.count = 0

    def __iter__(self) -> Iterator[Row]:
        roles, wanted = self._layout.roles, len(self._layout.columns)
        for line, cells in self._records:
            if self._skip and not self.skipped:
                self.skipped = True
                continue
            row = self._first + self.count
            self.count += 1
            if len(cells) != wanted:
                hint = "a text that holds the delimiter stands between quotes; --on-error skip drops such rows"
                at = Location(self._at.source, line=line)
                self._options.on_fault(
                    InputError("ragged-row", f"{len(cells)} values, expected {wanted}", at=at, hint=hint)
                )
                continue
            yield row, cells[roles.text], "" if roles.id is None else cells[roles.id]


def _record_blocks(source: Input, dialect: Dialect, options: ReadOptions) -> Iterator[Iterator[Record]]:
    with contextlib.closing(source.open()) as stream:
        for line, block in text_blocks(
            stream,
            source.at,
            eager=source.one_pass,
            quotes=dialect.quotes,
            max_row_bytes=options.max_row_bytes,
        ):
            at = Location(source.name, line=line)
            yield dialect.records(decode_utf8(block, at), line, source.at)


def _sniff_layout(source: Input, options: ReadOptions, column: str | None) -> _Layout:
    """Decide on the first two records, whatever more of a pipe has arrived."""
    head = source.head(options.max_row_bytes, lambda data: complete_records(data) >= 2)
    check_text(head, source.at)
    text = _whole_lines(strip_bom(head), source.at)
    dialect = Dialect(_delimiter(text, source, options))
    records = _records(text, dialect, source.at)
    if not records:
        raise InputError("empty-input", "there is nothing in it but blank lines", at=source.at)
    first = records[0][1]
    second = records[1][1] if len(records) > 1 else None
    named, note = _is_header(first, second, options, column)
    cells = second if named else first
    names = [cell.strip() for cell in first] if named else [str(place) for place in range(len(first))]
    columns = tuple(
        Column(name, Kind.NUMBER if cells is not None and place < len(cells) and is_number(cells[place]) else Kind.TEXT)
        for place, name in enumerate(names)
    )
    ids = ID_NAMES if named else frozenset[str]()
    roles = assign_text_roles(columns, column, options.id_column, source.at, ids)
    return _Layout(dialect, named, columns, roles, (*note, *roles.notes))


def _whole_lines(head: bytes, at: Location) -> str:
    """The head as text; what follows its last line end may be half a character."""
    if b"\0" in head:
        at = Location(at.source, line=1 + head.count(b"\n", 0, head.index(b"\0")))
        raise InputError("bad-encoding", "a NUL byte, expected text", at=at)
    cut = head.rfind(b"\n") + 1 or len(head)
    return decode_utf8(head[:cut], at) + head[cut:].decode("utf-8", "replace")


def _records(text: str, dialect: Dialect, at: Location) -> list[Record]:
    return [record for record, _ in zip(dialect.records(text, 1, at), range(2), strict=False)]


def _delimiter(text: str, source: Input, options: ReadOptions) -> str:
    """As the options or the suffix say, else the one that cuts both first records into as many cells."""
    given = given_delimiter(options)
    if given is not None:
        return given
    if (options.input_format or source.suffix[1:]) in ("tsv", "tab"):
        return "\t"

    def score(delimiter: str) -> tuple[bool, int]:
        try:
            counts = [len(cells) for _, cells in _records(text, Dialect(delimiter), source.at)]
        except InputError:
            return False, 0
        return len(set(counts)) == 1 and counts[0] > 1, counts[0] if counts else 0

    best = max(_CANDIDATES, key=score)
    return best if score(best)[0] else ","


def _is_header(
    first: Sequence[str], second: Sequence[str] | None, options: ReadOptions, column: str | None
) -> tuple[bool, tuple[str, ...]]:
    """Whether the first record names the columns, and the note that says so where nothing but its look tells."""
    names = [cell.strip() for cell in first]
    if options.header is not None:
        return options.header, ()
    if any(name in (column, options.id_column) or name.lower() in _KNOWN_NAMES for name in names if name):
        return True, ()
    if any(map(is_number, names)):
        return False, ()
    shown = visible(", ".join(names), 60)
    if second is not None and all(_IDENTIFIER.fullmatch(name) for name in names):
        return True, (f"the first line ({shown}) was taken for the columns' names (--no-header if it is data)",)
    return False, (f"the first line ({shown}) was taken for data (--header if it names the columns)",)
