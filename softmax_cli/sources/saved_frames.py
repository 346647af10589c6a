"""Parquet files of logits: any, and those of `run --save-logits`, whose rows are those that the model had."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_cli.batch import SAVED_KEY, LogitBatch, Source
from softmax_cli.errors import InputError, Location
from softmax_cli.sources import saved
from softmax_cli.sources.base import ReadOptions, rows_or_columns
from softmax_cli.sources.frames import FrameSource, polars_errors, scan_parquet
from softmax_cli.sources.stream import Input

if TYPE_CHECKING:
    import polars as pl

_BESIDE = ("source", "row", "id", "position")


def open_parquet(source: Input, options: ReadOptions) -> Source:
    """Open a Parquet file as logits."""
    if not saved.applies(options):
        return rows_or_columns(lambda chosen: scan_parquet(source, chosen), options)
    table = scan_parquet(source, options)
    about = _about(table)
    return table if about is None else saved.SavedSource(table, about, lambda: _pieces(table))


def _about(table: FrameSource) -> saved.About | None:
    """What the file's metadata say of saved logits; None where it's an ordinary table.

    Raises InputError where they are damaged.
    """
    import polars as pl

    names = {column.name for column in table.layout.columns}
    if table.layout.list_column != "logits" or not {"source", "row"} <= names:
        return None
    with polars_errors(table.at, "Parquet"):
        text = pl.read_parquet_metadata(table.file).get(SAVED_KEY)
    if text is None:
        return None
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise InputError("bad-header", "damaged notes on the saved logits: no JSON object", at=table.at)
    return saved.About.of(values, table.at)


def _pieces(table: FrameSource) -> Iterator[tuple[LogitBatch, Mapping[str, Any]]]:
    row = 0
    beside = [column.name for column in table.layout.columns if column.name in _BESIDE]
    for frame in table.frames(["logits", *beside]):
        rows = np.arange(row, row + len(frame), dtype=np.int64)
        keep = table.sound_rows(frame, row)
        row += len(frame)
        frame = frame if keep.all() else frame.filter(keep)
        columns: dict[str, Any] = {name: _column(frame[name], table.at) for name in beside}
        yield LogitBatch(table.name, table.values(frame), rows[keep]), columns


def _column(column: pl.Series, at: Location) -> Any:
    """A column beside the logits: texts, or numbers.

    Raises InputError for one that isn't what `--save-logits` writes.
    """
    import polars as pl

    if column.name in ("row", "position"):
        return saved.numbers(column.to_numpy(), column.name, 1 if column.name == "row" else 2, at)
    if column.dtype != pl.String or (column.name == "source" and column.null_count()):
        raise saved.not_saved(column.name, f"{column.dtype} with {column.null_count()} nulls", at)
    return column.to_list()
