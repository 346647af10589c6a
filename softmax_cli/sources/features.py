"""Tables of features for models with an input for each column: the columns are found by name."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import FeatureBatch
from softmax_cli.errors import InputError, Location
from softmax_cli.sources import sniff_format
from softmax_cli.sources.base import BATCH_BYTES, ReadOptions
from softmax_cli.sources.cells import CellReader
from softmax_cli.sources.columns import ID_NAMES, Column, Kind, find_column
from softmax_cli.sources.delimited import first_records, parsed_blocks
from softmax_cli.sources.frames import exactly
from softmax_cli.sources.npy import npy_source
from softmax_cli.sources.npy_header import read_header
from softmax_cli.sources.npz import Archive
from softmax_cli.sources.scans import open_scan
from softmax_cli.sources.stream import Input
from softmax_cli.text import visible

if TYPE_CHECKING:
    import polars as pl

_BATCH_ROWS = 1 << 13


@dataclass
class FeatureSource:
    """Named columns of one input; iterate it for batches."""

    name: str
    facts: Mapping[str, Any]
    read: Callable[[], Iterator[FeatureBatch]]
    total_rows: int | None = None
    share: Callable[[], float | None] = lambda: None

    def share_read(self) -> float | None:
        """How much of the input was read so far, from 0 to 1; None where rows tell better, or nothing does."""
        return self.share()

    def __iter__(self) -> Iterator[FeatureBatch]:
        return self.read()


def open_features(name: str | Input, wanted: Mapping[str, str], options: ReadOptions) -> FeatureSource:
    """Open a table, or an archive of arrays, for its columns of the names `wanted`, each "number", "integer" or "text".

    Raises InputError for a format without named columns, and where a column is missing.
    """
    source = Input.of(name)
    kind = sniff_format(source, options)
    if kind not in FEATURE_FORMATS:
        message = f"{kind} has no named columns, and the model has {len(wanted)} inputs: {_listed(list(wanted))}"
        hint = f"give a table with a column for each, as {', '.join(FEATURE_FORMATS)}"
        raise InputError("model-input", message, at=source.at, hint=hint)
    return FEATURE_FORMATS[kind](source, wanted, options)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(visible(name, 30) for name in names[:20]) + (", …" if len(names) > 20 else "")


def _places(names: Sequence[str], wanted: Mapping[str, str], at: Location) -> dict[str, int]:
    """Where each wanted column lies.

    Raises InputError that lists the columns there are.
    """
    missing = [name for name in wanted if name not in names]
    if missing:
        message = f"no column for the model's input {_listed(missing)}"
        raise InputError("model-input", message, at=at, hint=f"the columns are {_listed(names)}")
    return {name: names.index(name) for name in wanted}


def _id_place(names: Sequence[str], wanted: Mapping[str, str], options: ReadOptions, at: Location) -> int | None:
    if options.id_column is not None:
        return find_column(options.id_column, [Column(name, Kind.OTHER) for name in names], "--id-column", at)
    return next((place for place, name in enumerate(names) if name.lower() in ID_NAMES and name not in wanted), None)


def _open_delimited(source: Input, wanted: Mapping[str, str], options: ReadOptions) -> FeatureSource:
    dialect, records = first_records(source, options)
    header = [cell.strip() for cell in records[0][1]] if records else []
    places = _places(header, wanted, source.at)
    row_id = _id_place(header, wanted, options, source.at)
    numbers = [name for name, kind in wanted.items() if kind != "text"]
    texts = [place for name, place in places.items() if wanted[name] == "text"]
    texts += [] if row_id is None or row_id in texts else [row_id]
    reader = CellReader(dialect, header, [places[name] for name in numbers], texts, (), source.at, options.on_fault)

    def read() -> Iterator[FeatureBatch]:
        row = 0
        for block in parsed_blocks(source, reader, True, options):
            columns: dict[str, Any] = {name: block.values[:, place] for place, name in enumerate(numbers)}
            columns |= {name: block.texts[places[name]] for name, kind in wanted.items() if kind == "text"}
            ids = None if row_id is None else block.texts[row_id]
            yield FeatureBatch(source.name, columns, row + block.offsets, ids)
            row += block.records

    facts = {"format": "delimited text", "columns": header}
    return FeatureSource(source.name, facts, read, share=source.share_read)


def _open_frame(what: str) -> Callable[[Input, Mapping[str, str], ReadOptions], FeatureSource]:
    def open_frame(source: Input, wanted: Mapping[str, str], options: ReadOptions) -> FeatureSource:
        import polars as pl

        scan = open_scan(source, what)
        names = list(scan.schema)
        _places(names, wanted, source.at)
        row_id = _id_place(names, wanted, options, source.at)
        for name, kind in wanted.items():
            is_text = scan.schema[name] in (pl.String, pl.Categorical, pl.Enum)
            if (kind == "text") != is_text:
                message = f"column {visible(name)!r} holds {scan.schema[name]}, expected {kind}"
                raise InputError("model-input", message, at=source.at)
        selected = [exactly(name).cast(pl.String) if kind == "text" else exactly(name) for name, kind in wanted.items()]

        def read() -> Iterator[FeatureBatch]:
            row = 0
            ids = [] if row_id is None else [exactly(names[row_id]).cast(pl.String, strict=False).alias("\0id")]
            used = [*wanted, *([] if row_id is None else [names[row_id]])]
            for frame in scan.frames([*selected, *ids], used, _BATCH_ROWS):
                rows = np.arange(row, row + len(frame), dtype=np.int64)
                row += len(frame)
                keep = _whole_rows(frame, wanted, rows, source.at, options)
                frame, rows = frame.filter(keep), rows[keep]
                columns: dict[str, Any] = {
                    name: frame[name].to_list() if kind == "text" else frame[name].to_numpy()
                    for name, kind in wanted.items()
                }
                yield FeatureBatch(source.name, columns, rows, frame["\0id"].fill_null("").to_list() if ids else None)

        return FeatureSource(source.name, {"format": what.lower(), "columns": names}, read, scan.rows)

    return open_frame


def _whole_rows(
    frame: pl.DataFrame, names: Iterable[str], rows: NDArray[np.int64], at: Location, options: ReadOptions
) -> NDArray[np.bool_]:
    """Report the rows that lack a value; a mask of the others."""
    keep = np.ones(len(frame), bool)
    for name in names:
        for place in np.flatnonzero(frame[name].is_null().to_numpy() & keep):
            message = f"column {visible(name)!r} is null, expected a value"
            here = Location(at.source, row=int(rows[place]), column=name)
            hint = "pass --on-error skip to drop such rows"
            options.on_fault(InputError("bad-value", message, at=here, hint=hint))
            keep[place] = False
    return keep


def _member(archive: Archive, name: str, source: Input, options: ReadOptions) -> NDArray[Any]:
    """One array of an archive, whole."""
    with contextlib.closing(archive.open(name)) as stream:
        header = read_header(stream, source.at)
    rows = npy_source(source, header, replace(options, axis=None), {}, lambda: archive.open(name))
    batches = [batch.logits for batch in rows]
    return np.concatenate(batches).reshape(header.shape) if batches else np.empty(header.shape)


def _open_archive(source: Input, wanted: Mapping[str, str], options: ReadOptions) -> FeatureSource:
    archive = Archive(source)
    names = list(archive.members)
    _places(names, wanted, source.at)
    arrays = {name: _member(archive, name, source, options) for name in wanted}
    lengths = {len(array) if array.ndim else 0 for array in arrays.values()}
    if len(lengths) > 1:
        raise InputError("bad-shape", f"the arrays have different numbers of rows: {sorted(lengths)}", at=source.at)
    total = lengths.pop()
    width = sum(array[:1].nbytes for array in arrays.values())
    step = max(1, min(_BATCH_ROWS, BATCH_BYTES // max(1, width)))

    def read() -> Iterator[FeatureBatch]:
        for first in range(0, total, step):
            columns: dict[str, Any] = {name: array[first : first + step] for name, array in arrays.items()}
            rows = np.arange(first, min(first + step, total), dtype=np.int64)
            yield FeatureBatch(source.name, columns, rows)

    return FeatureSource(source.name, {"format": "npz", "arrays": archive.described()}, read, total)


FEATURE_FORMATS: Mapping[str, Callable[[Input, Mapping[str, str], ReadOptions], FeatureSource]] = MappingProxyType(
    {
        "csv": _open_delimited,
        "tsv": _open_delimited,
        "text": _open_delimited,
        "parquet": _open_frame("Parquet"),
        "arrow": _open_frame("Arrow"),
        "npz": _open_archive,
    }
)
