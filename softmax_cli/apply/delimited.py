"""CSV and other delimited text: header, ids and other columns kept, numbers replaced."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import numpy as np

from softmax_cli.apply.work import Work
from softmax_cli.batch import FloatArray
from softmax_cli.concurrency import overlap
from softmax_cli.errors import InputError
from softmax_cli.geometry import Geometry
from softmax_cli.heap import check_address_space
from softmax_cli.sinks.target import Target
from softmax_cli.sources.base import ReadOptions
from softmax_cli.sources.cells import WHITESPACE, CellBlock
from softmax_cli.sources.delimited import Layout, cell_blocks, sniff_layout
from softmax_cli.sources.stream import Input

Result = tuple[CellBlock, FloatArray]


def apply_delimited(source: Input, options: ReadOptions, work: Work, target: Target) -> tuple[str, ...]:
    """Write the same text with the class columns replaced."""
    layout = sniff_layout(source, options)
    if layout is None:
        raise InputError("empty-input", "there is nothing in it but blank lines", at=source.at)
    if layout.header is not None:
        target.write(_header(layout))
    texts = [place for place in range(len(layout.columns)) if place not in layout.roles.classes]
    blocks = cell_blocks(source, layout, options, texts)
    by_rows = options.axis in (1, -1)
    results = _by_rows(source, blocks, work) if by_rows else _by_columns(source, blocks, layout, options, work)
    for block, values in results:
        target.write(_lines(layout, block, values))
        target.flush()
    return layout.notes


def _by_rows(source: Input, blocks: Iterator[CellBlock], work: Work) -> Iterator[Result]:
    def numbered() -> Iterator[tuple[int, CellBlock]]:
        row = 0
        for block in blocks:
            yield row, block
            row += block.records

    def apply(item: tuple[int, CellBlock]) -> Result:
        row, block = item
        return block, work.on_rows(source.name, block.values, row)

    return overlap(numbered(), apply, work.jobs)


def _by_columns(
    source: Input, blocks: Iterator[CellBlock], layout: Layout, options: ReadOptions, work: Work
) -> Iterator[Result]:
    """Take the rows for classes: needs all of them."""
    held = list(blocks)
    whole = np.concatenate([np.empty((0, len(layout.roles.classes))), *(block.values for block in held)])
    result = work.on_array(source.name, whole, Geometry.of(whole.shape, options.axis, source.at))
    first = 0
    for block in held:
        yield block, result[first : first + len(block.values)]
        first += len(block.values)


def _separator(layout: Layout) -> str:
    return " " if layout.dialect.delimiter == WHITESPACE else layout.dialect.delimiter


def _header(layout: Layout) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=_separator(layout), lineterminator="\n").writerow(layout.header or ())
    return buffer.getvalue().encode()


def _lines(layout: Layout, block: CellBlock, values: FloatArray) -> bytes:
    check_address_space()
    import polars as pl

    columns = {}
    place_of = {position: place for place, position in enumerate(layout.roles.classes)}
    columns = {
        str(position): pl.Series(np.ascontiguousarray(values[:, place_of[position]]))
        if position in place_of
        else pl.Series(block.texts[position], dtype=pl.String)
        for position in range(len(layout.columns))
    }
    buffer = io.BytesIO()
    pl.DataFrame(columns).write_csv(buffer, include_header=False, separator=_separator(layout))
    return buffer.getvalue()
