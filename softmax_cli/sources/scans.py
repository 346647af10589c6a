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
from softmax_cli.sources.stream import Input

if TYPE_CHECKING:
    import polars as pl

BATCH_ROWS = 512


def _scan_parquet(path: str) -> pl.LazyFrame:
    import polars as pl

    return pl.scan_parquet(path, glob=False, hive_partitioning=False)


def _scan_arrow(path: str) -> pl.LazyFrame:
    """An Arrow file, of the random-access or the streaming kind."""
    import polars as pl

    with Path(path).open("rb") as file:
        if file.read(6) == b"ARROW1":
            return pl.scan_ipc(path, glob=False, hive_partitioning=False)
    return pl.read_ipc_stream(path).lazy()


SCANS: Mapping[str, Callable[[str], pl.LazyFrame]] = MappingProxyType({"Parquet": _scan_parquet, "Arrow": _scan_arrow})


@dataclass(frozen=True)
class Scan:
    """A table on disk: its columns' types, its rows, and what reads it; spooled: a copy of a pipe lives as long."""

    table: pl.LazyFrame
    what: str
    at: Location
    schema: Mapping[str, pl.DataType]
    rows: int
    spooled: contextlib.ExitStack

    def frames(self, selected: Sequence[pl.Expr], batch_rows: int = BATCH_ROWS) -> Iterator[pl.DataFrame]:
        """Read some columns from the start, in tables of at most `batch_rows` rows.

        Raises InputError for a damaged file, also for one whose scan ends early.
        """
        found = 0
        with polars_errors(self.at, self.what):
            batches = self.table.select(selected).collect_batches(chunk_size=batch_rows, maintain_order=True)
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
    with polars_errors(source.at, what):
        table = SCANS[what](path)
        schema = table.collect_schema()
        total = int(table.select(pl.len()).collect().item())
    return Scan(table, what, source.at, schema, total, spooled)
