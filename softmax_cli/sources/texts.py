"""Where texts are read from: lines of text, JSON lines, tables, and the command line itself."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, cast

from softmax_cli.errors import InputError, Location, UsageError
from softmax_cli.sources import FORMATS
from softmax_cli.sources.base import ReadOptions
from softmax_cli.sources.columns import Column, Kind
from softmax_cli.sources.json_values import id_text
from softmax_cli.sources.jsonl import first_line, numbered_lines
from softmax_cli.sources.lines import check_text, text_blocks
from softmax_cli.sources.stream import Input
from softmax_cli.sources.text_rows import COLUMN_OPTION, SKIP_HINT, Row, TextSource, assign_text_roles
from softmax_cli.strict_json import decode_utf8, describe, parse_json
from softmax_cli.text import visible

__all__ = ["TEXT_FORMATS", "TextSource", "given_texts", "open_texts"]

GIVEN = "--text"


@dataclass(frozen=True, slots=True)
class TextFormat:
    """One row of the table: `module:function` below this package, imported when it is needed, and the suffixes."""

    opener: str
    suffixes: tuple[str, ...]

    def open(self, source: Input, options: ReadOptions, column: str | None) -> TextSource:
        """Open an input as this format."""
        module, function = self.opener.split(":")
        opener = getattr(importlib.import_module(f"softmax_cli.sources.{module}"), function)
        return cast(TextSource, opener(source, options, column))


TEXT_FORMATS: Mapping[str, TextFormat] = MappingProxyType(
    {
        "text": TextFormat("texts:open_lines", (".txt", ".text")),
        "jsonl": TextFormat("texts:open_json_lines", (".jsonl", ".ndjson", ".json")),
        "csv": TextFormat("text_tables:open_delimited", (".csv",)),
        "tsv": TextFormat("text_tables:open_delimited", (".tsv", ".tab")),
        "parquet": TextFormat("text_frames:open_parquet", FORMATS["parquet"].suffixes),
        "arrow": TextFormat("text_frames:open_arrow", FORMATS["arrow"].suffixes),
    }
)
_TEXTUAL = ("csv", "tsv", "text", "json", "jsonl")  # of the formats of logits: those whose first bytes are text


def open_texts(name: str | Input, options: ReadOptions | None = None, column: str | None = None) -> TextSource:
    r"""Open a file, a pipe, or stdin (`-`) as a source of texts.

    column: the column or field that holds them; None lets its name or its content tell. Raises InputError for
    anything that can't be read as texts; errors further in come while iterating.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "reviews.txt")
    >>> _ = path.write_text("I love it\nnever again\n")
    >>> [batch.texts for batch in open_texts(str(path))]
    [['I love it', 'never again']]
    """
    options = options or ReadOptions()
    source = Input.of(name)
    return TEXT_FORMATS[_sniff_format(source, options, column)].open(source, options, column)


def _sniff_format(source: Input, options: ReadOptions, column: str | None) -> str:
    """Tell an input's format: as the options say, else by bytes that aren't text, its suffix, or a first `{`."""
    if options.input_format is not None:
        if options.input_format in TEXT_FORMATS:
            return options.input_format
        raise UsageError(f"--input-format {options.input_format}: texts are read from {', '.join(TEXT_FORMATS)}")
    head = source.head(16, lambda data: b"\n" in data)
    if not head:
        raise InputError("empty-input", "the input is empty", at=source.at)
    for name, row in FORMATS.items():
        if name not in _TEXTUAL and row.magic is not None and row.magic(head):
            if name in TEXT_FORMATS:
                return name
            hint = f"texts are read from {', '.join(TEXT_FORMATS)}"
            raise InputError("unknown-format", f"{name} holds no texts", at=source.at, hint=hint)
    by_suffix = next((name for name, row in TEXT_FORMATS.items() if source.suffix in row.suffixes), None)
    if by_suffix is not None:
        return by_suffix
    start = source.head(1 << 12, lambda data: bool(data.removeprefix(b"\xef\xbb\xbf").strip()))
    if start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        return "jsonl"
    return "text" if column is None else "csv"  # lines have no columns


def given_texts(texts: Sequence[str]) -> TextSource:
    """Make a source of texts that are there, as `--text` on the command line gives them.

    Raises InputError for bytes of the command line that aren't UTF-8.

    >>> [batch.texts for batch in given_texts(["fine", "so so"])]
    [['fine', 'so so']]
    """
    for row, text in enumerate(texts):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError("bad-encoding", "the text isn't UTF-8", at=Location(GIVEN, row=row)) from error
    rows: list[Row] = [(row, text, "") for row, text in enumerate(texts)]
    return TextSource(GIVEN, False, {"format": "texts"}, lambda: iter([rows]), total_rows=len(rows))


def open_lines(source: Input, options: ReadOptions, column: str | None) -> TextSource:
    """Open plain text: a text a line, also an empty one."""
    if column is not None:
        message = f"{COLUMN_OPTION} {visible(column)}: plain text has no columns"
        raise UsageError(message, hint="--input-format jsonl, csv, … says that the input is something else")
    check_text(source.head(4), source.at)

    def read() -> Iterator[Iterable[Row]]:
        row = 0
        for line, block in _blocks(source, options):
            lines = block.split(b"\n")
            if not row and len(lines) == 1 and b"\r" in block.rstrip(b"\r"):
                hint = "convert the line ends, as with tr '\\r' '\\n'"
                raise InputError("bad-encoding", "lines end in carriage returns alone", at=source.at, hint=hint)
            if not lines[-1]:
                lines.pop()  # the end of the last line, and not another one
            yield _plain_rows(lines, line, row, source.at, options)
            row += len(lines)

    facts = {"format": "text"}
    return TextSource(source.name, source.one_pass, facts, read, share=source.share_read)


def _plain_rows(lines: list[bytes], line: int, row: int, at: Location, options: ReadOptions) -> Iterator[Row]:
    for place, data in enumerate(lines):
        here = Location(at.source, line=line + place)
        _check_length(data, here, options)
        try:
            text = data.removesuffix(b"\r").decode()
        except UnicodeDecodeError as error:
            message = f"byte 0x{data[error.start]:02x} isn't UTF-8"
            options.on_fault(InputError("bad-encoding", message, at=here, hint=SKIP_HINT))
            continue
        yield row + place, text, ""


def _blocks(source: Input, options: ReadOptions) -> Iterator[tuple[int, bytes]]:
    with contextlib.closing(source.open()) as stream:
        yield from text_blocks(
            stream, source.at, eager=source.one_pass, quotes=False, max_row_bytes=options.max_row_bytes
        )


def _check_length(data: bytes, at: Location, options: ReadOptions) -> None:
    # The blocks bound what is read at once; here a line within a block is held to the same limit.
    if len(data) > options.max_row_bytes:
        message = f"a row of more than {options.max_row_bytes:,} bytes"
        raise InputError("row-too-long", message, at=at, hint="--max-row-bytes raises the limit")


@dataclass(frozen=True, slots=True)
class _Fields:
    """What the first line says of all: the field of the text (None: plain strings), and that of the id."""

    text: str | None
    id: str | None = None
    notes: tuple[str, ...] = ()


def open_json_lines(source: Input, options: ReadOptions, column: str | None) -> TextSource:
    """Open JSON lines: a string, or an object with a field of text, a line; blank lines are no rows."""
    check_text(source.head(4), source.at)
    fields = _sniff_fields(source, options, column)

    def read() -> Iterator[Iterable[Row]]:
        row = 0
        for line, block in _blocks(source, options):
            lines = list(numbered_lines(line, block))
            yield _json_rows(lines, row, fields, source.at, options)
            row += len(lines)

    facts = {"format": "jsonl", "column": fields.text, "id": fields.id}
    has_ids = fields.id is not None
    return TextSource(source.name, source.one_pass, facts, read, fields.notes, has_ids, share=source.share_read)


def _sniff_fields(source: Input, options: ReadOptions, column: str | None) -> _Fields:
    number, line = first_line(source, options.max_row_bytes)
    at = Location(source.name, line=number)
    if not line:
        raise InputError("empty-input", "there is nothing in it", at=source.at)
    value = parse_json(decode_utf8(line, at), at)
    if isinstance(value, str):
        for given, option in ((column, COLUMN_OPTION), (options.id_column, "--id-column")):
            if given is not None:
                raise InputError("unknown-column", f"{option}: the lines are strings, without fields", at=at)
        return _Fields(None)
    if not isinstance(value, dict):
        raise InputError("bad-value", f"{describe(value)}, expected a string or an object", at=at)
    columns = [Column(key, Kind.TEXT if isinstance(item, str) else Kind.OTHER) for key, item in value.items()]
    roles = assign_text_roles(columns, column, options.id_column, at, frozenset({"id"}))
    return _Fields(columns[roles.text].name, None if roles.id is None else columns[roles.id].name, roles.notes)


def _json_rows(
    lines: Sequence[tuple[int, bytes]], row: int, fields: _Fields, at: Location, options: ReadOptions
) -> Iterator[Row]:
    for place, (line, data) in enumerate(lines):
        here = Location(at.source, line=line)
        _check_length(data, here, options)
        try:
            value = parse_json(decode_utf8(data, here), here)
            text = _text_of(value, fields, here)
        except InputError as error:
            options.on_fault(error)
            continue
        yield row + place, text, "" if fields.id is None else id_text(value.get(fields.id, ""))


def _text_of(value: Any, fields: _Fields, at: Location) -> str:
    if fields.text is not None:
        if not isinstance(value, dict):
            raise InputError("bad-value", f"{describe(value)}, expected an object as in the first line", at=at)
        if fields.text not in value:
            raise InputError("bad-value", f"no field {visible(fields.text)!r}", at=at)
        value = value[fields.text]
        at = Location(at.source, line=at.line, column=fields.text)
    if not isinstance(value, str):
        raise InputError("bad-value", f"{describe(value)}, expected a text", at=at)
    return value
