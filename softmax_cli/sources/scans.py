"""Parquet and Arrow tables of any columns, scanned in batches: for texts and features."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from softmax_cli.errors import InputError, Location
from softmax_cli.sources.frames import local_path, polars_errors
from softmax_cli.sources.lazy import lazy_arrow, lazy_parquet
from softmax_cli.sources.parquet import Span, checked_spans
from softmax_cli.sources.stream import Input

if TYPE_CHECKING:
    import polars as pl

BATCH_ROWS = 512
_SPAN_ROWS = 1 << 17


SCANS: Mapping[str, Callable[[str, Location], pl.LazyFrame]] = MappingProxyType(
    {"Parquet": lazy_parquet, "Arrow": lazy_arrow}
)


@dataclass(frozen=True)
class Scan:
    """A table on disk: its columns' types and its rows; spooled: a copy of a pipe lives as long.

    spans: the rows to read at once, for some columns; those of Parquet are checked before the library sees them.
    """

    table: pl.LazyFrame
    what: str
    at: Location
    schema: Mapping[str, pl.DataType]
    rows: int
    spooled: contextlib.ExitStack
    spans: Callable[[Sequence[str], int], Iterator[Span]]

    def frames(
        self, selected: Sequence[pl.Expr], names: Sequence[str], batch_rows: int = BATCH_ROWS
    ) -> Iterator[pl.DataFrame]:
        """Read some columns from the start, in tables of at most `batch_rows` rows; names: of those columns.

        Raises InputError for a damaged file, also for one whose scan ends early.
        """
        found = 0
        for span in self.spans(names, _SPAN_ROWS):
            with polars_errors(self.at, self.what):
                part = self.table.slice(span.first, span.rows).select(selected)
                batches = part.collect_batches(chunk_size=batch_rows, maintain_order=True)
            while True:
                with polars_errors(self.at, self.what):
                    frame = next(batches, None)
                if frame is None:
                    break
                found += len(frame)
                yield from frame.iter_slices(batch_rows)
        if found != self.rows:
            message = f"not a whole {self.what} file ({found:,} of {self.rows:,} rows could be read)"
            raise InputError("bad-columnar", message, at=self.at)


def open_scan(source: Input, what: str) -> Scan:
    """Open a "Parquet" or "Arrow" table.

    Raises InputError for one that is empty or damaged.
    """
    import polars as pl

    spooled = contextlib.ExitStack()
    path = spooled.enter_context(local_path(source))
    if not Path(path).stat().st_size:
        raise InputError("empty-input", "the file is empty", at=source.at)
    spans = checked_spans(path, source.at) if what == "Parquet" else None
    with polars_errors(source.at, what):
        table = SCANS[what](path, source.at)
        schema = table.collect_schema()
        total = int(table.select(pl.len()).collect().item())
    whole = Span(0, total)
    return Scan(table, what, source.at, schema, total, spooled, spans or (lambda *_: iter((whole,))))
