"""The cells of delimited text as numbers: a fast way for whole blocks, and the reference that explains failures."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from softmax_cli.errors import FaultHandler, InputError, Location
from softmax_cli.heap import check_address_space
from softmax_cli.sources.lines import BOM
from softmax_cli.sources.plain_numbers import PlainNumbers
from softmax_cli.sources.plain_text import PlainTable
from softmax_cli.text import visible

if TYPE_CHECKING:
    import polars as pl

WHITESPACE = "whitespace"
_BLANKS = " \t\r\n\v\f"  # what polars and float() agree on

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_OF_NUMBERS = frozenset("+-.eE")  # which can be delimiters, if somebody wants them to
_SPECIAL = re.compile(r"[+-]?(?:inf(?:inity)?|nan)", re.ASCII | re.IGNORECASE)
_BLANK_LINES = re.compile(rb"\n(?:\r?\n)+")
_RUNS_OF_BLANKS = re.compile("[ \t\r\v\f]+")
_LONGEST_CELL = (1 << 31) - 1
MANY_COLUMNS = 500  # from here on, one long column is read faster
_TOO_MANY_COLUMNS = 100_000  # each costs the table library more than its few cells in a block
SMALL_BYTES = 1 << 16  # below, loading the fast parser takes longer than parsing


def is_number(cell: str) -> bool:
    """Tell whether a cell is a decimal number, an infinity or NaN; white space around it doesn't matter.

    >>> [is_number(cell) for cell in ("1.5", " -2e3", "inf", "1_000", "0x10", "NA", "")]
    [True, True, True, False, False, False, False]
    """
    cell = cell.strip(_BLANKS)
    if not cell:
        return False
    return bool(_NUMBER.fullmatch(cell) or _SPECIAL.fullmatch(cell))


def parse_number(cell: str) -> float | None:
    """Read a cell as float64, correctly rounded; None where it isn't a number or lies beyond float64."""
    cell = cell.strip(_BLANKS)
    if _NUMBER.fullmatch(cell):
        value = float(cell)
        return None if value in (np.inf, -np.inf) else value
    return float(cell) if _SPECIAL.fullmatch(cell) else None


@dataclass(frozen=True, slots=True)
class Dialect:
    """A delimiter, and the quoting that goes with it: none between runs of white space."""

    delimiter: str

    @property
    def separator(self) -> str:
        """The character between cells, once runs of white space are one."""
        return self.delimiter if self.quotes else " "

    @property
    def quotes(self) -> bool:
        """Whether cells can be quoted."""
        return self.delimiter != WHITESPACE

    def records(self, text: str, line: int, at: Location) -> Iterator[tuple[int, list[str]]]:
        """Yield (number of its first line, cells) of every record that isn't blank.

        Raises InputError for a quote that never ends.
        """
        if not self.quotes:
            for number, content in enumerate(text.split("\n"), line):
                if cells := [cell for cell in _RUNS_OF_BLANKS.split(content) if cell]:
                    yield number, cells
            return
        # A limit of the whole process, and too low for a long cell; the length of rows has its own.
        csv.field_size_limit(_LONGEST_CELL)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=self.delimiter, strict=True)
        while True:
            number = line + reader.line_num
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                at = Location(at.source, line=number)
                if "end of data" in str(error):
                    raise InputError("unclosed-quote", "a quote opens here and is never closed", at=at) from error
                raise InputError("bad-value", f"malformed quoting ({error})", at=at) from error
            if cells and not (len(cells) == 1 and not cells[0].strip()):
                yield number, cells


@dataclass(frozen=True, slots=True)
class CellBlock:
    """The parsed rows of a block.

    values: (rows, classes) float64. texts: the cells of each text column, by position. offsets: each row's place
    among the block's records, of which there are `records`; they differ where bad rows were left out.
    """

    values: NDArray[np.float64]
    texts: dict[int, list[str]]
    offsets: NDArray[np.int64]
    records: int


@dataclass(frozen=True)
class CellReader:
    """Parses blocks of records with a known layout.

    names: every column's name. classes, texts: the positions to read as numbers and as text. wordy: positions
    that were taken for text by their first cell alone, and so mustn't turn out to hold numbers.
    """

    dialect: Dialect
    names: Sequence[str]
    classes: Sequence[int]
    texts: Sequence[int]
    wordy: Sequence[int]
    at: Location
    on_fault: FaultHandler
    _labels: list[str] = field(init=False, repr=False)
    _table: PlainTable | None = field(default=None, init=False, repr=False)  # of classes in their order
    _plain: PlainNumbers | None = field(default=None, init=False, repr=False)  # of many classes and nothing else

    def __post_init__(self) -> None:
        object.__setattr__(self, "_labels", [f"column_{place + 1}" for place in range(len(self.names))])
        if list(self.classes) == sorted(self.classes) and self.dialect.separator not in _OF_NUMBERS:
            table = PlainTable(self.dialect.separator, len(self.names), self.classes, self.texts)
            object.__setattr__(self, "_table", table)
        if len(self.names) >= MANY_COLUMNS and list(self.classes) == list(range(len(self.names))):
            object.__setattr__(self, "_plain", PlainNumbers(len(self.names), self.dialect.separator.encode()))

    def parse_reference(self, line: int, block: bytes) -> CellBlock:
        """Parse a block that begins at `line`; a bad row goes to `on_fault` and is left out."""
        rows: list[list[float]] = []
        offsets: list[int] = []
        texts: dict[int, list[str]] = {place: [] for place in self.texts}
        count = 0
        for count, (number, cells) in enumerate(self.dialect.records(self._decode(line, block), line, self.at), 1):
            fault = self._check(cells, number)
            if fault is not None:
                self.on_fault(fault)
                continue
            rows.append([float(cells[place]) for place in self.classes])
            offsets.append(count - 1)
            for place, column in texts.items():
                column.append(cells[place])
        values = np.array(rows, np.float64).reshape(len(rows), len(self.classes))
        return CellBlock(values, texts, np.array(offsets, np.int64), count)

    def _decode(self, line: int, block: bytes) -> str:
        try:
            return block.decode("utf-8")
        except UnicodeDecodeError as error:
            at = Location(self.at.source, line=line + block.count(b"\n", 0, error.start))
            message = f"byte 0x{block[error.start]:02x} isn't UTF-8"
            raise InputError("bad-encoding", message, at=at, hint="convert the file to UTF-8, as with iconv") from error

    def _check(self, cells: list[str], line: int) -> InputError | None:
        """Say what is wrong with a record, if anything."""
        at = Location(self.at.source, line=line)
        if len(cells) != len(self.names):
            hint = "pass --on-error skip to drop such rows"
            return InputError("ragged-row", f"{len(cells)} values, expected {len(self.names)}", at=at, hint=hint)
        for place in self.classes:
            if parse_number(cells[place]) is None:
                at = Location(self.at.source, line=line, column=self.names[place])
                return InputError("bad-value", self._explain(cells[place], place), at=at, hint=_hint(cells[place]))
        for place in self.wordy:
            if is_number(cells[place]):
                message = (
                    f"column {visible(self.names[place])!r} began with text, but holds {visible(cells[place], 30)}"
                )
                hint = "--id-column names the column of ids, --columns GLOB the class columns"
                return InputError("bad-value", message, at=at, hint=hint)
        return None

    def _explain(self, cell: str, place: int) -> str:
        column = f"column {visible(self.names[place], 40)!r}"
        if not cell.strip():
            return f"{column} is empty, expected a number"
        if is_number(cell):
            return f"{column}: {visible(cell, 30)} is beyond the range of float64"
        return f"{column}: {visible(cell, 30)!r} isn't a number"

    def parse_fast(self, block: bytes) -> CellBlock | None:
        """Parse a block at once, on any thread; None where anything at all is unusual, for the reference to look at."""
        if block.startswith(BOM):  # which the table library would skip
            return None
        if b"\r" in block and block.count(b"\r") != block.count(b"\r\n"):
            return None
        if not self.dialect.quotes:
            block = b"\n".join(b" ".join(cells) for line in block.split(b"\n") if (cells := line.split()))
        return self._parse_compiled(block) or self._parse_with_tables(block)

    def _parse_compiled(self, block: bytes) -> CellBlock | None:
        found = None if self._table is None else self._table.read(block)
        if found is None:
            return None
        values, texts = found
        if any(is_number(cell) for place in self.wordy for cell in texts[place]):
            return None
        return CellBlock(values, texts, np.arange(len(values), dtype=np.int64), len(values))

    def _parse_with_tables(self, block: bytes) -> CellBlock | None:
        if len(block) <= SMALL_BYTES:
            return None
        check_address_space()
        if self._plain is not None and (values := self._plain.parse(block)) is not None:
            return CellBlock(values, {}, np.arange(len(values), dtype=np.int64), len(values))
        if len(self.names) > _TOO_MANY_COLUMNS:
            return None
        body = block.strip(b"\r\n")
        if body.endswith(self.dialect.separator.encode()):  # one cell too many at the very end isn't seen as one
            return None
        parsed = self._parse_plain(body)
        if parsed is None and self.dialect.quotes and b'"' not in body:
            without_blank = _BLANK_LINES.sub(b"\n", body)
            parsed = self._parse_plain(without_blank) if len(without_blank) < len(body) else None
        return parsed

    def _parse_plain(self, body: bytes) -> CellBlock | None:
        frame = self._read(body, self.classes)
        if frame is None:
            return None
        values = self._numbers(frame).to_numpy(order="c")
        if self._is_doubtful(values, frame, body):
            return None
        texts = {place: frame[self._labels[place]].to_list() for place in self.texts}
        return CellBlock(values, texts, np.arange(len(values), dtype=np.int64), len(values))

    def _numbers(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The columns of the classes; without the library's selection, which takes milliseconds for 1,000."""
        import polars as pl

        if list(self.classes) == list(range(len(self.names))):
            return frame
        columns = frame.get_columns()
        return pl.DataFrame([columns[place] for place in self.classes])

    def _read(self, body: bytes, numbers: Sequence[int]) -> pl.DataFrame | None:
        """Read all columns, those at `numbers` as float64 and the others as text; None where that fails."""
        import polars as pl

        schema: dict[str, type[pl.DataType]] = dict.fromkeys(self._labels, pl.String)
        schema.update((self._labels[place], pl.Float64) for place in numbers)
        try:
            return pl.read_csv(
                body,
                has_header=False,
                separator=self.dialect.separator,
                quote_char='"' if self.dialect.quotes else None,
                schema=schema,
            )
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            return None

    def _is_doubtful(self, values: NDArray[np.float64], frame: pl.DataFrame, body: bytes) -> bool:
        """Whether a block holds what looks like numbers, but may not be: the reference then tells."""
        import polars as pl

        # A row that is too short ends in nulls, and an empty cell is one: as a number it comes as NaN.
        if any(frame[self._labels[place]].null_count() for place in {*self.texts, len(self.names) - 1}):
            return True
        if not np.isfinite(values).all():
            if any(frame[self._labels[place]].null_count() for place in self.classes):
                return True
            if np.isinf(values).any() and not self._infinities_were_written(values, body):
                return True
        words = [frame[self._labels[place]].str.strip_chars(_BLANKS) for place in self.wordy]
        return any(column.cast(pl.Float64, strict=False).count() for column in words)

    def _infinities_were_written(self, values: NDArray[np.float64], body: bytes) -> bool:
        """Whether each infinity stands there as one: a number beyond float64 becomes one, too."""
        cells = self._read(body, ())
        if cells is None:
            return False
        for column, place in enumerate(self.classes):
            infinite = np.isinf(values[:, column])
            if infinite.any():
                written = cells[self._labels[place]].filter(infinite).unique().to_list()
                if not all(text is not None and _SPECIAL.fullmatch(text.strip(_BLANKS)) for text in written):
                    return False
        return True


def _hint(cell: str) -> str | None:
    if re.fullmatch(r"\s*[+-]?\d+,\d+\s*", cell) or ";" in cell:
        return "decimal commas aren't read: write a point"
    return "pass --on-error skip to drop such rows"
