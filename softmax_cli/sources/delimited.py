"""CSV, TSV, semicolon- and whitespace-separated text, from files and pipes, in constant memory."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from softmax_cli.batch import LogitBatch, Source
from softmax_cli.errors import InputError, Location, UsageError
from softmax_cli.sources.ahead import Block, parse_ahead
from softmax_cli.sources.base import ReadOptions, rows_or_columns
from softmax_cli.sources.cells import WHITESPACE, CellBlock, CellReader, Dialect, is_number
from softmax_cli.sources.columns import ID_NAMES, TARGET_NAMES, Column, Kind, Roles, assign_roles
from softmax_cli.sources.layers import check_expansion
from softmax_cli.sources.lines import check_text, strip_bom, text_blocks
from softmax_cli.sources.stream import Input
from softmax_cli.strict_json import decode_utf8
from softmax_cli.text import visible

_LONG_HEAD = 1 << 18  # bytes of a first line
_NAMED_DELIMITERS = {
    "tab": "\t",
    "\\t": "\t",
    "comma": ",",
    "semicolon": ";",
    "space": WHITESPACE,
    WHITESPACE: WHITESPACE,
    " ": WHITESPACE,
}
_CANDIDATES = ("\t", ";", ",", WHITESPACE)
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+", re.ASCII)
_MISSING = frozenset(("na", "n/a", "#n/a", "null", "none", "nil", "-", "?", "."))


@dataclass(frozen=True, slots=True)
class Layout:
    """How one text is laid out: its dialect, header line, columns and their roles."""

    dialect: Dialect
    header: tuple[str, ...] | None
    columns: tuple[Column, ...]
    roles: Roles
    notes: tuple[str, ...]

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The names that the header gives the classes."""
        return None if self.header is None else tuple(self.header[place] for place in self.roles.classes)

    def reader(self, at: Location, options: ReadOptions, texts: Sequence[int]) -> CellReader:
        """Make a parser for this layout that reads the columns at `texts` as text."""
        wordy = [
            place
            for place, column in enumerate(self.columns)
            if place == self.roles.id
            and column.kind is Kind.TEXT
            and options.id_column is None
            and self.header is not None
            and column.name.lower() not in ID_NAMES
        ]
        names = [column.name for column in self.columns]
        return CellReader(self.dialect, names, self.roles.classes, texts, wordy, at, options.on_fault)


def complete_records(data: bytes) -> int:
    """How many whole records of text have arrived: line ends outside quotes, blank lines left out."""
    count = 0
    inside = 0
    for line in data.split(b"\n")[:-1]:
        inside ^= line.count(b'"') % 2
        count += not inside and bool(line.strip())
    return count


def first_records(source: Input, options: ReadOptions) -> tuple[Dialect, list[tuple[int, list[str]]]]:
    """The first record, and the second where the first isn't all numbers and so may be a header.

    A pipe is waited for no longer than that takes; what is decided doesn't depend on its timing.
    """
    head = source.head(options.max_row_bytes, lambda data: complete_records(data) >= 1)
    _check_head(head, source)
    check_text(head, source.at)
    dialect, records = _split(head, source, options, 1)
    if records and options.header is not False and not all(map(is_number, records[0][1])):
        head = source.head(options.max_row_bytes, lambda data: complete_records(data) >= 2)
        _check_head(head, source)
        dialect, records = _split(head, source, options, 2)
    return dialect, records


def _check_head(head: bytes, source: Input) -> None:
    """Refuse a few packed bytes that make a line of millions of cells: each costs time and memory of its own."""
    if source.compression is not None:
        check_expansion(len(head), source.size or source.tally.count, source.name, _LONG_HEAD)


def _split(head: bytes, source: Input, options: ReadOptions, count: int) -> tuple[Dialect, list[tuple[int, list[str]]]]:
    if b"\r" in head and b"\n" not in head:
        hint = "convert the line ends, as with tr '\\r' '\\n'"
        raise InputError("bad-encoding", "lines end in carriage returns alone", at=source.at, hint=hint)
    if b"\0" in head:
        at = Location(source.name, line=1 + head.count(b"\n", 0, head.index(b"\0")))
        raise InputError("bad-encoding", "a NUL byte, expected text", at=at)
    text = _decode_head(strip_bom(head), source.at)
    lines = [line for line in text.split("\n") if line.strip()][:count]
    given = given_delimiter(options)
    if given is None and (options.input_format or source.suffix[1:]) in ("tsv", "tab"):
        given = "\t"
    dialect = Dialect(sniff_delimiter(lines[-1:]) if given is None else given)
    records = []
    for record in dialect.records(text, 1, source.at):
        records.append(record)
        if len(records) == count:
            break
    return dialect, records


def given_delimiter(options: ReadOptions) -> str | None:
    """The delimiter that the user names.

    Raises UsageError for what can't be one.
    """
    given = options.delimiter
    if given is None:
        return None
    given = _NAMED_DELIMITERS.get(given, given)
    if given != WHITESPACE and (len(given) != 1 or given in '"\r\n' or given.isalnum() or ord(given) > 127):
        names = ", ".join(name for name in _NAMED_DELIMITERS if name.isalpha())
        raise UsageError(f"--delimiter {visible(given, 20)!r}: expected one character, or {names}")
    return given


def _decode_head(head: bytes, at: Location) -> str:
    """Decode the whole lines of a head: what follows them may be half a character."""
    cut = head.rfind(b"\n") + 1 or len(head)
    return decode_utf8(head[:cut], Location(at.source, line=1)) + head[cut:].decode("utf-8", "replace")


def sniff_delimiter(lines: Sequence[str]) -> str:
    """Choose the delimiter under which most cells are numbers (decimal commas count), else the first that splits.

    >>> sniff_delimiter(["1,5;2,5"])
    ';'
    """

    def score(delimiter: str) -> tuple[int, bool]:
        cells = [cell for line in lines for cell in _cells(line, delimiter)]
        if delimiter != ",":
            cells = [cell.replace(",", ".", 1) for cell in cells]
        return sum(map(is_number, cells)), len(cells) > len(lines)

    best = max(_CANDIDATES, key=score)
    return best if score(best)[1] else ","


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next((cells for _, cells in Dialect(delimiter).records(line, 1, Location("-"))), [])
    except InputError:  # a quote that closes in a later line
        return line.split(delimiter)


def has_header(first: Sequence[str], second: Sequence[str] | None, at: Location) -> bool:
    """Tell whether the first line names the columns.

    It does if it holds text and no numbers. A line of both is a header if its numbers count 0, 1, 2 … above a
    second line, and data if its only text is its first or last cell and the second line has text there too.
    Raises InputError where that doesn't tell.
    """
    texts = [place for place, cell in enumerate(first) if cell.strip() and not is_number(cell)]
    numbers = [cell.strip() for cell in first if is_number(cell)]
    counting = len(numbers) > 1 and numbers == [str(place) for place in range(len(numbers))]
    if counting and second is not None and (texts or not first[0].strip()):
        return True  # as pandas writes an array: the column of its index has no name
    if not texts or not numbers:
        return bool(texts)
    place = texts[0]
    at_edge = len(texts) == 1 and place in (0, len(first) - 1) and first[place].strip().lower() not in _MISSING
    if at_edge and (second is None or (place < len(second) and not is_number(second[place]))):
        return False
    raise InputError(
        "ambiguous-header",
        f"the first line holds numbers and text ({visible(first[place], 30)!r})",
        at=Location(at.source, line=1),
        hint="every value of a class must be a number; pass --header if the line names the columns, else --no-header",
    )


def _kind(cell: str) -> Kind:
    cell = cell.strip()
    if is_number(cell):
        return Kind.INTEGER if cell.lstrip("+-").isdecimal() else Kind.NUMBER
    # What stands for a missing number doesn't make a column of text: the reader says where it is.
    return Kind.NUMBER if not cell or cell.lower() in _MISSING else Kind.TEXT


def _columns(header: Sequence[str] | None, data: Sequence[str] | None) -> tuple[Column, ...]:
    if header is None:
        return tuple(Column(str(place), _kind(cell)) for place, cell in enumerate(data or ()))
    if data is None:
        return tuple(Column(name, Kind.NUMBER) for name in header)
    kinds = [_kind(cell) for cell in data] + [Kind.NUMBER] * len(header)  # the reader says where a row is ragged
    return tuple(Column(name, kind) for name, kind in zip(header, kinds, strict=False))


def _doubtful_text(columns: Sequence[Column], options: ReadOptions) -> int | None:
    """The position of a column of text amidst numbers that nothing explains: rather a bad value than an id."""
    if options.columns is not None:
        return None
    known = ID_NAMES | TARGET_NAMES | {options.id_column, options.target_column}
    numeric = [place for place, column in enumerate(columns) if column.kind is not Kind.TEXT]
    for place, column in enumerate(columns):
        inside = bool(numeric) and numeric[0] < place < numeric[-1]
        if column.kind is Kind.TEXT and inside and column.name.lower() not in known and column.name not in known:
            return place
    return None


def sniff_layout(source: Input, options: ReadOptions) -> Layout | None:
    """Look at the first lines of a text; None where there is nothing but blank lines."""
    dialect, records = first_records(source, options)
    if not records:
        return None
    first = records[0][1]
    second = records[1] if len(records) > 1 else None
    _check_notation(dialect, records, options, source.at)
    named = options.header if options.header is not None else has_header(first, second and second[1], source.at)
    header = tuple(cell.strip() for cell in first) if named else None
    line, data = (second or (0, None)) if named else records[0]
    columns = _columns(header, data)
    place = _doubtful_text(columns, options)
    if place is not None and data is not None:
        name = visible(columns[place].name)
        raise InputError(
            "bad-value",
            f"column {name!r}: {visible(data[place], 30)!r} isn't a number",
            at=Location(source.name, line=line, column=columns[place].name),
            hint=f"--id-column {name} if the column isn't a class",
        )
    roles = assign_roles(columns, named, options, source.at)
    notes = list(roles.notes)
    if header is not None and data is None:
        notes.append("the only line is a header, so there are no rows (--no-header if it is data)")
    if header is None and len(first) > 1 and first == [str(place) for place in range(len(first))]:
        notes.append("the first line counts 0, 1, 2 … and was read as logits (--header if it names the classes)")
    return Layout(dialect, header, columns, roles, tuple(notes))


def _check_notation(
    dialect: Dialect, records: Sequence[tuple[int, list[str]]], options: ReadOptions, at: Location
) -> None:
    """Name two habits of other programs that would be taken for something else: comments, and decimal commas."""
    line, first = records[0]
    if first[0].startswith("#") and options.header is None and len(records) > 1 and len(records[1][1]) != len(first):
        raise InputError(
            "ambiguous-header",
            "the first line is a comment (#)",
            at=Location(at.source, line=line),
            hint="drop it, as with grep -v '^#' FILE | softmax",
        )
    for line, cells in records:
        for cell in cells:
            if dialect.delimiter != "," and _DECIMAL_COMMA.fullmatch(cell.strip()):
                message = f"{visible(cell, 30)!r} isn't a number"
                hint = "decimal commas aren't read: write a point"
                raise InputError("bad-value", message, at=Location(at.source, line=line), hint=hint)


def cell_blocks(source: Input, layout: Layout, options: ReadOptions, texts: Sequence[int]) -> Iterator[CellBlock]:
    """Read a text from its start, without its header, block by block."""
    return parsed_blocks(source, layout.reader(source.at, options, texts), layout.header is not None, options)


def parsed_blocks(source: Input, reader: CellReader, has_header: bool, options: ReadOptions) -> Iterator[CellBlock]:
    """Read a text from its start with a parser, block by block."""
    with contextlib.closing(source.open()) as stream:
        blocks = text_blocks(
            stream,
            source.at,
            eager=source.one_pass,
            quotes=reader.dialect.quotes,
            max_row_bytes=options.max_row_bytes,
        )
        bodies = _without_header(blocks, reader.dialect) if has_header else blocks
        full = (item for item in bodies if item[1].strip())
        yield from parse_ahead(
            full, reader.parse_fast, reader.parse_reference, jobs=options.jobs, waits=source.one_pass
        )


def _without_header(blocks: Iterator[Block], dialect: Dialect) -> Iterator[Block]:
    for line, block in blocks:
        yield _skip_header(line, block, dialect)
        break
    yield from blocks


def _skip_header(line: int, block: bytes, dialect: Dialect) -> tuple[int, bytes]:
    """Cut the first record that isn't blank off a block; it may span lines."""
    place = len(block) - len(block.lstrip())
    while True:
        end = block.find(b"\n", place) + 1
        if not end:
            return line + block.count(b"\n"), b""
        if not dialect.quotes or block.count(b'"', 0, end) % 2 == 0:
            return line + block.count(b"\n", 0, end), block[end:]
        place = end


class DelimitedSource:
    """Logits from delimited text: a row a record, a class a column."""

    def __init__(self, source: Input, layout: Layout, options: ReadOptions):
        self.name = source.name
        self.one_pass = source.one_pass
        self.layout = layout
        self.classes: int | None = len(layout.roles.classes)
        self.class_names: Sequence[str] | None = layout.class_names
        self.total_rows: int | None = None
        self.activation: str | None = None
        self.notes = layout.notes
        self._source = source
        self._options = options

    @property
    def facts(self) -> Mapping[str, Any]:
        """What `inspect` shows; not made before, as there may be a million columns."""
        return _facts(self.layout)

    def share_read(self) -> float | None:
        """How much of the file was read so far, from 0 to 1."""
        return self._source.share_read()

    def __iter__(self) -> Iterator[LogitBatch]:
        place = self.layout.roles.id
        target = self.layout.roles.target if self._options.targets else None
        row = 0
        texts = [column for column in (place, target) if column is not None]
        for block in cell_blocks(self._source, self.layout, self._options, texts):
            ids = None if place is None else block.texts[place]
            targets = None if target is None else block.texts[target]
            yield LogitBatch(self.name, block.values, row + block.offsets, ids, targets=targets)
            row += block.records


def _facts(layout: Layout) -> Mapping[str, Any]:
    names = {"\t": "tab", ",": "comma", ";": "semicolon", WHITESPACE: "white space"}
    return {
        "format": "delimited text",
        "delimiter": names.get(layout.dialect.delimiter, layout.dialect.delimiter),
        "header": layout.header is not None,
        "columns": [
            {"name": column.name, "kind": str(column.kind), "role": layout.roles.role_of(place)}
            for place, column in enumerate(layout.columns)
        ],
    }


def open_source(source: Input, options: ReadOptions) -> Source:
    """Open delimited text as logits; `options.axis` 0 takes the rows for classes, and so reads the whole."""
    layout = sniff_layout(source, options)
    if layout is None:
        raise InputError("empty-input", "there is nothing in it but blank lines", at=source.at)
    return rows_or_columns(lambda chosen: DelimitedSource(source, layout, chosen), options)
