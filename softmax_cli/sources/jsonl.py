"""JSON lines: an array or an object with logits a line, from files and pipes, in constant memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np

from softmax_cli.batch import LogitBatch, Source
from softmax_cli.errors import InputError, Location
from softmax_cli.heap import check_address_space
from softmax_cli.sources.ahead import parse_ahead
from softmax_cli.sources.base import ReadOptions, rows_or_columns
from softmax_cli.sources.cells import SMALL_BYTES
from softmax_cli.sources.columns import TARGET_NAMES
from softmax_cli.sources.json_values import field_of, id_text, to_array
from softmax_cli.sources.lines import check_text, strip_bom, text_blocks
from softmax_cli.sources.plain_text import read_arrays
from softmax_cli.sources.stream import Input
from softmax_cli.strict_json import decode_utf8, describe, parse_json
from softmax_cli.text import visible

_MANY_CLASSES = 100  # from here on, parsing what stands around the logits costs little beside them


@dataclass(frozen=True, slots=True)
class RecordShape:
    """What the first line says of all: the field with the logits (None: plain arrays), the id's key, the classes."""

    field: str | None
    id_key: str | None
    classes: int
    example: bytes

    def written_keys(self) -> list[bytes]:
        """The keys that matter, as they stand in the text."""
        return [f'"{key}":'.encode() for key in (self.field, self.id_key) if key is not None]


def has_line(data: bytes) -> bool:
    """Whether a whole line that isn't blank has arrived."""
    return b"\n" in data.lstrip()


def first_line(source: Input, limit: int) -> tuple[int, bytes]:
    """The first line that isn't blank and its number, as soon as it has arrived."""
    head = strip_bom(source.head(limit, has_line))
    blank = len(head) - len(head.lstrip())
    return 1 + head.count(b"\n", 0, blank), head.strip().split(b"\n", 1)[0]


def sniff_record(source: Input, options: ReadOptions) -> RecordShape:
    """Look at the first line.

    Raises InputError for an empty input or a line without logits.
    """
    check_text(source.head(4), source.at)
    number, line = first_line(source, options.max_row_bytes)
    if not line:
        raise InputError("empty-input", "there is nothing in it", at=source.at)
    at = Location(source.name, line=number)
    value = parse_json(decode_utf8(line, at), at)
    if isinstance(value, list):
        return RecordShape(None, None, len(_flat_list(value, at)), line)
    if not isinstance(value, dict):
        raise InputError("bad-value", f"{describe(value)}, expected a list or an object", at=at)
    field = field_of(value, options.array, at)
    key = options.id_column or "id"
    if options.id_column is not None and key not in value:
        raise InputError("unknown-column", f"--id-column: no field {visible(key)!r}", at=at)
    return RecordShape(field, key if key in value else None, len(_flat_list(value[field], at)), line)


def _flat_list(value: Any, at: Location) -> list[Any]:
    if not isinstance(value, list):
        raise InputError("bad-value", f"the logits are {describe(value)}, expected a list of numbers", at=at)
    if not value:
        raise InputError("no-classes", "the list of logits is empty", at=at)
    if isinstance(value[0], list):
        hint = "--input-format json if the whole input is one document"
        raise InputError("bad-shape", "nested lists in a line, expected a list of numbers", at=at, hint=hint)
    return value


@dataclass(frozen=True, slots=True)
class Record:
    """One parsed line: the value as it stands there, its logits, and its id."""

    value: Any
    logits: list[float]
    id: str


def parse_record(text: bytes, shape: RecordShape, at: Location) -> Record:
    """Parse one line.

    Raises InputError where it isn't like the first line.
    """
    whole = value = parse_json(decode_utf8(text, at), at)
    row_id = ""
    if shape.field is not None:
        if not isinstance(value, dict):
            raise InputError("bad-value", f"{describe(value)}, expected an object as in the first line", at=at)
        if shape.field not in value:
            raise InputError("bad-value", f"no field {visible(shape.field)!r}", at=at)
        row_id = id_text(value.get(shape.id_key, "")) if shape.id_key is not None else ""
        value = value[shape.field]
    logits = to_array(_flat_list(value, at), at)
    if len(logits) != shape.classes:
        hint = "pass --on-error skip to drop such rows"
        raise InputError("ragged-row", f"{len(logits)} values, expected {shape.classes}", at=at, hint=hint)
    return Record(whole, logits.tolist(), row_id)


def _blocks(stream: BinaryIO, source: Input, options: ReadOptions) -> Iterator[tuple[int, bytes]]:
    return text_blocks(stream, source.at, eager=source.one_pass, quotes=False, max_row_bytes=options.max_row_bytes)


def numbered_lines(line: int, block: bytes) -> Iterator[tuple[int, bytes]]:
    """The lines of a block that aren't blank, each with its number."""
    return ((number, text) for number, text in enumerate(block.split(b"\n"), line) if text.strip())


def record_lines(stream: BinaryIO, source: Input, options: ReadOptions) -> Iterator[list[tuple[int, bytes]]]:
    """Read a stream as lists of numbered lines, a block each."""
    return (list(numbered_lines(line, block)) for line, block in _blocks(stream, source, options))


class JsonLinesSource:
    """Logits from JSON lines: a row a line."""

    def __init__(self, source: Input, options: ReadOptions):
        self.record = sniff_record(source, options)
        self.name = source.name
        self.one_pass = source.one_pass
        self.classes: int | None = self.record.classes
        self.class_names: Sequence[str] | None = None
        self.total_rows: int | None = None
        self.activation: str | None = None
        self.notes: Sequence[str] = ()
        self.facts = {"format": "jsonl", "field": self.record.field, "id": self.record.id_key}
        self._source, self._options = source, options
        self._target_key = target_key(self.record.example, source, options) if options.targets else None

    def share_read(self) -> float | None:
        """How much of the file was read so far, from 0 to 1."""
        return self._source.share_read()

    def __iter__(self) -> Iterator[LogitBatch]:
        row = 0
        with contextlib.closing(self._source.open()) as stream:
            blocks = _blocks(stream, self._source, self._options)
            for batch, count in parse_ahead(
                blocks, self._parse_fast, self._parse_reference, jobs=self._options.jobs, waits=self.one_pass
            ):
                yield replace(batch, rows=row + batch.rows)
                row += count

    def _parse_reference(self, line: int, block: bytes) -> tuple[LogitBatch, int]:
        """The rows of a block, counted from its begin, and how many there are with the bad ones."""
        good: list[Record] = []
        rows: list[int] = []
        count = 0
        for count, (number, text) in enumerate(numbered_lines(line, block), 1):
            try:
                good.append(parse_record(text, self.record, Location(self.name, line=number)))
            except InputError as error:
                self._options.on_fault(error)
                continue
            rows.append(count - 1)
        values = np.array([item.logits for item in good], np.float64).reshape(len(good), self.record.classes)
        batch = self._batch(values, np.array(rows, np.int64), [item.id for item in good])
        if self._target_key is not None:
            batch = replace(batch, targets=[id_text(item.value.get(self._target_key, "")) for item in good])
        return batch, count

    def _batch(self, values: Any, rows: Any, ids: list[str]) -> LogitBatch:
        return LogitBatch(self.name, values, rows, ids if self.record.id_key is not None else None)

    def _parse_fast(self, block: bytes) -> tuple[LogitBatch, int] | None:
        """Parse a block at once; None where it isn't plainly like the first line, for the reference to look at."""
        if self._target_key is not None:
            return None
        if (found := self._parse_compiled(block)) is not None:
            return found
        if len(block) <= SMALL_BYTES:
            return None
        check_address_space()
        ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n"))
        count = len(ends) + (not block.endswith(b"\n"))
        if (np.diff(ends, prepend=-1) <= len("\r\n")).any():  # a blank line
            return None
        is_list = self.record.field is None
        parsed = self._fast_lists(block.strip(), count) if is_list else self._fast_objects(block, count)
        if parsed is None or len(parsed[0]) != count or not np.isfinite(parsed[0]).all():
            return None
        return self._batch(parsed[0], np.arange(count, dtype=np.int64), parsed[1]), count

    def _parse_compiled(self, block: bytes) -> tuple[LogitBatch, int] | None:
        """Parse a block of one array a line; what stands around it is parsed as the reference does."""
        found = read_arrays(block, self.record.classes)
        if found is None:
            return None
        values, places = found
        ids: list[str] = []
        known: tuple[bytes, str] | None = None
        start = 0
        for begin, end in places:
            stop = block.find(b"\n", end)
            around = block[start:begin] + b"[]" + block[end : len(block) if stop < 0 else stop]
            if known is None or known[0] != around:
                if known is not None and self.record.classes < _MANY_CLASSES:
                    return None
                row_id = self._id_around(around)
                if row_id is None:
                    return None
                known = around, row_id
            ids.append(known[1])
            start = stop + 1
        return self._batch(values, np.arange(len(values), dtype=np.int64), ids), len(values)

    def _id_around(self, text: bytes) -> str | None:
        """The id of a record whose logits were taken out; None where they weren't the logits, or something is wrong."""
        record = self.record
        at = Location(self.name)
        try:
            value = parse_json(decode_utf8(text, at), at)
            if record.field is None:
                return "" if value == [] else None
            if not isinstance(value, dict) or value.get(record.field) != []:
                return None
            return id_text(value.get(record.id_key, "")) if record.id_key is not None else ""
        except InputError:
            return None

    def _fast_lists(self, body: bytes, count: int) -> tuple[Any, list[str]] | None:
        """Lists alone are no records for the fast parser: make each the only field of one."""
        if body.count(b"[") != count or body.count(b"]") != count or b"\r" in body or b'"' in body:
            return None
        lines = b'{"l":' + body.replace(b"\n", b'}\n{"l":') + b"}"
        return self._fast_records(lines, "l", None)

    def _fast_objects(self, body: bytes, count: int) -> tuple[Any, list[str]] | None:
        record, example = self.record, self.record.example
        if b"\\" in body and b"\\u" in body:
            return None
        # The keys of all lines together must be those of the first: a key that stands twice somewhere, or is
        # spelled with escapes, shows in a count.
        quoted = Quoted(body)
        if quoted.count(b'":') != example.count(b'":') * count:
            return None
        if any(quoted.count(key) != count or example.count(key) != 1 for key in record.written_keys()):
            return None
        if record.id_key is not None:
            key = f'"{record.id_key}":'.encode()
            if quoted.count(key + b' "') + quoted.count(key + b'"') != count:  # ids that aren't text
                return None
        return self._fast_records(body, str(record.field), record.id_key)

    def _fast_records(self, body: bytes, field: str, id_key: str | None) -> tuple[Any, list[str]] | None:
        import polars as pl

        schema: dict[str, Any] = {field: pl.List(pl.Float64)}
        if id_key is not None:
            schema[id_key] = pl.String
        try:
            frame = pl.read_ndjson(body, schema=schema)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            return None
        lists = frame[field]
        if sum(frame.null_count().row(0)) or not (lists.list.len() == self.record.classes).all():
            return None
        flat = lists.explode(empty_as_null=False)
        if flat.null_count():
            return None
        ids = frame[id_key].to_list() if id_key is not None else []
        return flat.to_numpy().reshape(-1, self.record.classes), ids


def target_key(example: bytes, source: Input, options: ReadOptions) -> str | None:
    """The key of the first line whose values are the targets, if there is one.

    Raises InputError where the one that was asked for isn't there.
    """
    value = parse_json(decode_utf8(example, source.at), source.at)
    keys = list(value) if isinstance(value, dict) else []
    wanted = options.target_column
    if wanted is not None and wanted not in keys:
        raise InputError("unknown-column", f"--target-column: no field {visible(wanted)!r}", at=source.at)
    return wanted or next((key for key in keys if key.lower() in TARGET_NAMES), None)


class Quoted:
    """Counts what begins with a quote: of the few quotes in a text of numbers, as `bytes.count` looks at every byte."""

    def __init__(self, text: bytes):
        self._bytes = np.frombuffer(text, np.uint8)
        self._places = np.flatnonzero(self._bytes == ord('"'))

    def count(self, wanted: bytes) -> int:
        """How often `wanted`, whose first byte is a quote, stands in the text."""
        places = self._places[self._places <= len(self._bytes) - len(wanted)]
        for offset, byte in enumerate(wanted[1:], 1):
            places = places[self._bytes[places + offset] == byte]
        return len(places)


def open_source(source: Input, options: ReadOptions) -> Source:
    """Open JSON lines as logits; `options.axis` 0 takes the lines for classes, and so reads the whole."""
    return rows_or_columns(lambda chosen: JsonLinesSource(source, chosen), options)
