"""Parquet and Arrow: the class columns or the column of lists replaced, all other columns kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from softmax_cli.apply.work import Work
from softmax_cli.batch import FloatArray
from softmax_cli.concurrency import overlap
from softmax_cli.geometry import Geometry
from softmax_cli.sinks.columnar import FrameWriter, write_arrow, write_parquet
from softmax_cli.sinks.target import Target
from softmax_cli.sources.base import ReadOptions
from softmax_cli.sources.frames import FrameSource, scan_arrow, scan_parquet
from softmax_cli.sources.stream import Input

if TYPE_CHECKING:
    import polars as pl

    WriteAll = Callable[[pl.LazyFrame, BinaryIO, int], object]


def apply_parquet(source: Input, options: ReadOptions, work: Work, target: Target) -> tuple[str, ...]:
    """Write the same table as Parquet."""
    return _apply(scan_parquet(source, options), options, work, target, write_parquet)


def apply_arrow(source: Input, options: ReadOptions, work: Work, target: Target) -> tuple[str, ...]:
    """Write the same table as an Arrow IPC file."""
    return _apply(scan_arrow(source, options), options, work, target, write_arrow)


def _apply(
    table: FrameSource, options: ReadOptions, work: Work, target: Target, write_all: WriteAll
) -> tuple[str, ...]:
    writer = FrameWriter(target, write_all, table.classes or 1)
    try:
        by_rows = options.axis in (1, -1)
        for frame in _by_rows(table, work) if by_rows else _by_columns(table, options, work):
            writer.write(frame)
        writer.close()
    except BaseException:
        writer.abort()
        raise
    return tuple(table.notes)


def _by_rows(table: FrameSource, work: Work) -> Iterator[pl.DataFrame]:
    def numbered() -> Iterator[tuple[int, pl.DataFrame]]:
        row = 0
        for frame in table.frames():
            table.sound_rows(frame, row)
            yield row, frame
            row += len(frame)

    def apply(item: tuple[int, pl.DataFrame]) -> pl.DataFrame:
        row, frame = item
        return _replaced(table, frame, work.on_rows(table.name, table.values(frame), row))

    return overlap(numbered(), apply, work.jobs)


def _by_columns(table: FrameSource, options: ReadOptions, work: Work) -> Iterator[pl.DataFrame]:
    """Take the rows for classes: needs all of them."""
    import polars as pl

    frame = pl.concat(list(table.frames()))
    table.sound_rows(frame, 0)
    values = table.values(frame)
    yield _replaced(table, frame, work.on_array(table.name, values, Geometry.of(values.shape, options.axis, table.at)))


def _replaced(table: FrameSource, frame: pl.DataFrame, values: FloatArray) -> pl.DataFrame:
    import polars as pl

    name = table.layout.list_column
    if name is not None:
        lists = pl.Series(name, values, dtype=pl.Array(pl.Series(values[:0, 0]).dtype, values.shape[1]))
        is_array = isinstance(frame.schema[name], pl.Array)
        return frame.with_columns(lists if is_array else lists.arr.to_list())
    names = table.layout.class_names or []
    columns = [pl.Series(column, np.ascontiguousarray(values[:, place])) for place, column in enumerate(names)]
    return frame.with_columns(columns)
