"""Texts from Parquet and Arrow tables: one column of them, scanned in batches by polars."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from softmax_cli.errors import InputError, Location
from softmax_cli.sources.base import ReadOptions
from softmax_cli.sources.columns import Column, Kind
from softmax_cli.sources.frames import local_path, polars_errors
from softmax_cli.sources.stream import Input
from softmax_cli.sources.text_rows import BATCH_TEXTS, SKIP_HINT, Row, TextSource, assign_text_roles
from softmax_cli.text import visible

if TYPE_CHECKING:
    import polars as pl

    Scan: TypeAlias = Callable[[str], pl.LazyFrame]


def open_parquet(source: Input, options: ReadOptions, column: str | None) -> TextSource:
    """Open a Parquet file's column of texts."""

    def scan(path: str) -> pl.LazyFrame:
        import polars as pl

        return pl.scan_parquet(path, glob=False, hive_partitioning=False)

    return _open_table(source, scan, "Parquet", options, column)


def open_arrow(source: Input, options: ReadOptions, column: str | None) -> TextSource:
    """Open the column of texts of an Arrow file, of the random-access or the streaming kind."""

    def scan(path: str) -> pl.LazyFrame:
        import polars as pl

        with Path(path).open("rb") as file:
            if file.read(6) == b"ARROW1":
                return pl.scan_ipc(path, glob=False, hive_partitioning=False)
        return pl.read_ipc_stream(path).lazy()

    return _open_table(source, scan, "Arrow", options, column)


def _is_text(dtype: pl.DataType) -> bool:
    return str(dtype).startswith(("String", "Categorical", "Enum"))


def _open_table(source: Input, scan: Scan, what: str, options: ReadOptions, column: str | None) -> TextSource:
    import polars as pl

    spooled = contextlib.ExitStack()
    path = spooled.enter_context(local_path(source))
    if not Path(path).stat().st_size:
        raise InputError("empty-input", "the file is empty", at=source.at)
    with polars_errors(source.at, what):
        table = scan(path)
        schema = table.collect_schema()
        total = int(table.select(pl.len()).collect().item())
    columns = [Column(name, Kind.TEXT if _is_text(dtype) else Kind.OTHER, str(dtype)) for name, dtype in schema.items()]
    roles = assign_text_roles(columns, column, options.id_column, source.at)
    chosen = columns[roles.text]
    if chosen.kind is not Kind.TEXT:
        message = f"column {visible(chosen.name)!r} holds {chosen.described}, expected text"
        raise InputError("bad-value", message, at=source.at)
    id_name = None if roles.id is None else columns[roles.id].name
    wanted = [pl.col(chosen.name).cast(pl.String).alias("text")]
    if id_name is not None:
        wanted.append(pl.col(id_name).cast(pl.String, strict=False).fill_null("").alias("id"))
    selected = table.select(wanted)

    def read() -> Iterator[Iterable[Row]]:
        _ = spooled  # a copy of a pipe lives as long as its reader
        row = 0
        for frame in _frames(selected, what, source.at):
            yield _rows(frame, row, chosen.name, source.at, options)
            row += len(frame)
        if row != total:  # a damaged part can end the scan without an error
            message = f"not a whole {what} file ({row:,} of {total:,} rows could be read)"
            raise InputError("bad-columnar", message, at=source.at)

    facts = {"format": what.lower(), "rows": total, "column": chosen.name, "id": id_name}
    return TextSource(source.name, False, facts, read, roles.notes, id_name is not None, total)


def _frames(table: pl.LazyFrame, what: str, at: Location) -> Iterator[pl.DataFrame]:
    with polars_errors(at, what):
        batches = table.collect_batches(chunk_size=BATCH_TEXTS, maintain_order=True)
    while True:
        with polars_errors(at, what):
            frame = next(batches, None)
        if frame is None:
            return
        yield from frame.iter_slices(BATCH_TEXTS)


def _rows(frame: pl.DataFrame, first: int, column: str, at: Location, options: ReadOptions) -> Iterator[Row]:
    texts = frame["text"].to_list()
    ids = frame["id"].to_list() if "id" in frame.columns else [""] * len(texts)
    for row, (text, row_id) in enumerate(zip(texts, ids, strict=True), first):
        if text is None:
            here = Location(at.source, row=row, column=column)
            message = f"column {visible(column)!r} is null, expected a text"
            options.on_fault(InputError("bad-value", message, at=here, hint=SKIP_HINT))
            continue
        yield row, text, row_id
