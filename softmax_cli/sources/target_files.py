"""Files of targets: one a row as index or name, or a row of numbers over the classes, with or without ids."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from softmax_cli.errors import InputError, Location
from softmax_cli.heap import check_address_space
from softmax_cli.labels import names_from_lines
from softmax_cli.sources import open_source, sniff_format
from softmax_cli.sources.base import ReadOptions, check_texts
from softmax_cli.sources.cells import SMALL_BYTES, Dialect, is_number
from softmax_cli.sources.choice import choose_array
from softmax_cli.sources.columns import ID_NAMES, TARGET_NAMES, Column, Kind, find_column
from softmax_cli.sources.delimited import given_delimiter, sniff_delimiter
from softmax_cli.sources.frames import column_values, exactly
from softmax_cli.sources.json_values import id_text
from softmax_cli.sources.lines import strip_bom
from softmax_cli.sources.npy_header import read_header
from softmax_cli.sources.npz import Archive
from softmax_cli.sources.scans import open_scan
from softmax_cli.sources.stream import Input
from softmax_cli.strict_json import decode_utf8, parse_json
from softmax_cli.text import visible

Values: TypeAlias = NDArray[Any] | list[str]

_NAME_AND_INDEX = re.compile(r"(\S.*)[\s,]+(-?\d{1,9})\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class TargetFile:
    """What a file of targets holds.

    values: texts, one a row; or an array: of one dimension for class indices, of more for a picture of them or for
    numbers over the classes (which of the two, its shape beside that of the logits tells). ids: of the rows, where
    there are some. line: the number of the first row's line, where rows are lines.
    """

    name: str
    values: Values
    ids: list[str] | None = None
    line: int | None = None

    def at(self, place: int) -> Location:
        """Where the target of a row stands."""
        return Location(self.name, line=self.line + place) if self.line is not None else Location(self.name, row=place)


def read_target_file(name: str, options: ReadOptions, class_names: Sequence[str] | None = None) -> TargetFile:
    """Read targets; options: `target_column` and `id_column` name columns, the rest says how the file is laid out.

    class_names tell a header from a first row. Arrays of .npy files are mapped, not read. Raises InputError.
    """
    source = Input.of(name)
    kind = "lines" if source.suffix in ("", ".txt", ".lst") and _is_text(source, options) else ""
    kind = kind or sniff_format(source, options)
    return _READERS.get(kind, _from_source)(source, options, class_names)


def _is_text(source: Input, options: ReadOptions) -> bool:
    return options.input_format is None and sniff_format(source, options) in ("text", "csv")


def _text(source: Input) -> str:
    with source.open() as stream:
        text = decode_utf8(strip_bom(stream.read()), source.at)
    if not text.strip():
        raise InputError("empty-input", "there is nothing in it", at=source.at)
    return text


def _from_lines(source: Input, options: ReadOptions, class_names: Sequence[str] | None) -> TargetFile:
    """One target a line; or a file's name and its class index, as lists of images have it."""
    lines = [line.strip() for line in names_from_lines(_text(source))]
    known = frozenset(class_names or ())
    pairs = [_NAME_AND_INDEX.fullmatch(line) for line in lines]
    if all(pairs) and not any(line in known for line in lines[:100]):
        found = [pair.groups() for pair in pairs if pair is not None]
        return TargetFile(source.name, [index for _, index in found], [name.rstrip(" ,\t") for name, _ in found], 1)
    return TargetFile(source.name, lines, line=1)


def _from_table(source: Input, options: ReadOptions, class_names: Sequence[str] | None) -> TargetFile:
    text = _text(source)
    head = [line for line in text[: 1 << 16].split("\n") if line.strip()][:2]
    delimiter = given_delimiter(options) or ("\t" if source.suffix in (".tsv", ".tab") else sniff_delimiter(head[-1:]))
    if given_delimiter(options) is None and source.suffix == ".csv" and delimiter not in ",;\t":
        delimiter = ","
    simple = len(text) > SMALL_BYTES and '"' not in text
    found = _cells_fast(text, delimiter) if simple else None
    columns, lines = _cells(text, delimiter, source) if found is None else found
    top = [[column[place] for column in columns] for place in range(min(2, len(columns[0])))]
    named = options.header if options.header is not None else _has_header(top, options, class_names)
    header = top[0] if named else [str(place) for place in range(len(columns))]
    if named:
        columns, lines = [column[1:] for column in columns], lines[1:]
    one_line_each = bool(lines) and lines[-1] - lines[0] + 1 == len(lines)
    return _chosen(source, header, columns, options, lines[0] if one_line_each else None, named)


def _cells(text: str, delimiter: str, source: Input) -> tuple[list[list[str]], Sequence[int]]:
    """The columns of a text, and the number of each record's line."""
    records = list(Dialect(delimiter).records(text, 1, source.at))
    wanted = len(records[0][1])
    for line, cells in records:
        if len(cells) != wanted:
            at = Location(source.name, line=line)
            raise InputError("ragged-row", f"{len(cells)} values, expected {wanted}", at=at)
    columns = zip(*([cell.strip() for cell in cells] for _, cells in records), strict=True)
    return [list(column) for column in columns], [line for line, _ in records]


def _cells_fast(text: str, delimiter: str) -> tuple[list[list[str]], Sequence[int]] | None:
    """The same by the table library; None where anything is unusual: ragged rows, a delimiter of several characters."""
    if text.rstrip("\r\n").endswith(delimiter):  # one cell too many at the very end isn't seen as one
        return None
    check_address_space()
    import polars as pl

    try:
        frame = pl.read_csv(text.encode(), has_header=False, separator=delimiter, quote_char=None, infer_schema=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, TypeError, ValueError):
        return None
    if sum(frame.null_count().row(0)) or len(frame) != text.rstrip("\n").count("\n") + 1:
        return None
    return [column.str.strip_chars().to_list() for column in frame], range(1, len(frame) + 1)


def _has_header(rows: list[list[str]], options: ReadOptions, class_names: Sequence[str] | None) -> bool:
    first = rows[0]
    known = frozenset(class_names or ())
    if any(cell in known for cell in first):
        return len(rows) > 1 and len(first) > 2 and not any(map(is_number, first)) and all(map(is_number, rows[1][1:]))
    if any(cell in (options.target_column, options.id_column) for cell in first if not is_number(cell)):
        return True
    if any(cell.lower() in ID_NAMES | TARGET_NAMES for cell in first if cell) or len(rows) == 1:
        return any(cell.lower() in ID_NAMES | TARGET_NAMES for cell in first if cell)
    pairs = zip(first, rows[1], strict=True)
    return any(not is_number(above) and is_number(below) for above, below in pairs) or any(
        cell in known for cell in rows[1]
    )


def _chosen(
    source: Input, names: Sequence[str], columns: Sequence[Values], options: ReadOptions, line: int | None, named: bool
) -> TargetFile:
    """Choose the columns of targets and ids: as the options say, else by their names, else by what is left."""
    kinds = [Kind.INTEGER if _is_numeric(values) else Kind.TEXT for values in columns]
    described = [Column(name, kind) for name, kind in zip(names, kinds, strict=True)]
    places = range(len(names))
    lower = [name.lower() for name in names]
    target = None
    if options.target_column is not None:
        target = find_column(options.target_column, described, "--target-column", source.at)
    elif named:
        target = next((place for place in places if lower[place] in TARGET_NAMES), None)
    ids = next((place for place in places if named and lower[place] in ID_NAMES and place != target), None)
    if options.id_column in names:
        ids = list(names).index(str(options.id_column))
    left = [place for place in places if place not in (target, ids)]
    if target is None and len(left) == 2 and ids is None and kinds[left[0]] is Kind.TEXT:
        ids, left = left[0], left[1:]
    if target is None and len(left) > 1 and all(kinds[place] is Kind.INTEGER for place in left):
        numbers = np.array([np.asarray(columns[place], np.float64) for place in left]).T
        return TargetFile(source.name, numbers, None if ids is None else _texts(columns[ids]), line)
    if target is None and len(left) != 1:
        shown = ", ".join(visible(name, 30) for name in names[:10])
        message = "no column is plainly that of the targets"
        hint = f"--target-column NAME names it; the columns are {shown}"
        raise InputError("unknown-column", message, at=source.at, hint=hint)
    values = columns[left[0] if target is None else target]
    return TargetFile(source.name, values, None if ids is None else _texts(columns[ids]), line)


def _is_numeric(values: Values) -> bool:
    return isinstance(values, np.ndarray) or all(map(is_number, values))


def _texts(values: Values) -> list[str]:
    return list(map(str, values.tolist())) if isinstance(values, np.ndarray) else values


def _from_npy(source: Input, options: ReadOptions, class_names: Sequence[str] | None) -> TargetFile:
    """Map the array where the file lies there plainly, else read it."""
    with source.open() as stream:
        magic = stream.read(8)
    if source.plain_path is None or magic[6:7] not in (b"\x01", b"\x02", b"\x03"):
        return _from_source(source, options, class_names)
    try:
        values = np.load(source.plain_path, mmap_mode="r", allow_pickle=False)
        if values.dtype.kind == "U":
            check_texts(values, source.at)
        if values.dtype.kind in "US":
            return TargetFile(source.name, [str(item) for item in values.reshape(-1).tolist()])
    except (ValueError, OSError, EOFError, SyntaxError, MemoryError):
        values = None
    if values is None or values.dtype.kind not in "b":
        with source.open() as stream:
            read_header(stream, source.at)  # says what is wrong, if anything is
    if values is None or not values.ndim:
        raise InputError("bad-shape", "not an array of targets", at=source.at)
    return TargetFile(source.name, values)


def _from_npz(source: Input, options: ReadOptions, class_names: Sequence[str] | None) -> TargetFile:
    archive = Archive(source)
    members = list(archive.members)
    named = [name for name in members if name.lower() in TARGET_NAMES]
    name = choose_array(named[:1] or members, options.target_column or options.array, source.at, archive.described())
    values = archive.read(name)
    if values.dtype.kind == "U":
        return TargetFile(source.name, values.reshape(-1).tolist())
    return TargetFile(source.name, values)


def _table(what: str) -> Callable[[Input, ReadOptions, Sequence[str] | None], TargetFile]:
    def read(source: Input, options: ReadOptions, class_names: Sequence[str] | None) -> TargetFile:
        import polars as pl

        scan = open_scan(source, what)
        names = list(scan.schema)
        frames = list(scan.frames([exactly(*names)], names))
        frame = pl.concat(frames) if frames else pl.DataFrame(schema=dict(scan.schema))
        lists = [name for name in names if isinstance(frame[name].dtype, pl.List | pl.Array)]
        if lists and not any(name.lower() in TARGET_NAMES and name not in lists for name in names):
            return _from_source(source, replace(options, array=options.target_column or lists[0]), class_names)
        columns = [_plain(frame[name]) for name in names]
        return _chosen(source, names, columns, options, None, True)

    return read


def _plain(column: Any) -> Values:
    """A column's values: numbers as they are, anything else as text."""
    if column.dtype.is_float() and not column.null_count():
        return np.asarray(column.to_numpy())
    return column_values(column)


def _from_json(source: Input, options: ReadOptions, class_names: Sequence[str] | None) -> TargetFile:
    value = parse_json(_text(source), source.at)
    if isinstance(value, dict) and all(not isinstance(item, dict | list) for item in value.values()):
        return TargetFile(source.name, [id_text(item) for item in value.values()], list(value))
    if isinstance(value, list) and value and not any(isinstance(item, dict | list) for item in value):
        return TargetFile(source.name, [id_text(item) for item in value])
    return _from_source(source, options, class_names)


def _from_source(source: Input, options: ReadOptions, class_names: Sequence[str] | None) -> TargetFile:
    """Numbers over the classes, from any format that logits can be read from."""
    table = open_source(source, replace(options, target_column=None, axis=-1))
    batches = list(table)
    values = np.concatenate([batch.logits for batch in batches]) if batches else np.empty((0, table.classes or 0))
    shape = batches[0].shape if batches else ()
    if len(shape) != 1:
        values = values.reshape(*shape, values.shape[1])
    ids = [text for batch in batches for text in batch.ids or ()]
    return TargetFile(table.name, values, ids or None)


_READERS: Mapping[str, Callable[[Input, ReadOptions, Sequence[str] | None], TargetFile]] = MappingProxyType(
    {
        "lines": _from_lines,
        "csv": _from_table,
        "tsv": _from_table,
        "text": _from_table,
        "npy": _from_npy,
        "npz": _from_npz,
        "parquet": _table("Parquet"),
        "arrow": _table("Arrow"),
        "json": _from_json,
    }
)
