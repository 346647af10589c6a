"""Texts from Parquet and Arrow tables: one column of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from softmax_cli.errors import InputError, Location
from softmax_cli.sources.base import ReadOptions
from softmax_cli.sources.columns import Column, Kind
from softmax_cli.sources.frames import exactly
from softmax_cli.sources.scans import open_scan
from softmax_cli.sources.stream import Input
from softmax_cli.sources.text_rows import BATCH_TEXTS, SKIP_HINT, Row, TextSource, assign_text_roles
from softmax_cli.text import visible

if TYPE_CHECKING:
    import polars as pl


def _opener(what: str) -> Callable[[Input, ReadOptions, str | None], TextSource]:
    def open_table(source: Input, options: ReadOptions, column: str | None) -> TextSource:
        return _open_table(source, what, options, column)

    open_table.__doc__ = f"Open the column of texts of a table in {what} format."
    return open_table


open_parquet = _opener("Parquet")
open_arrow = _opener("Arrow")


def _is_text(dtype: pl.DataType) -> bool:
    return str(dtype).startswith(("String", "Categorical", "Enum"))


def _open_table(source: Input, what: str, options: ReadOptions, column: str | None) -> TextSource:
    import polars as pl

    scan = open_scan(source, what)
    columns = [
        Column(name, Kind.TEXT if _is_text(dtype) else Kind.OTHER, str(dtype)) for name, dtype in scan.schema.items()
    ]
    roles = assign_text_roles(columns, column, options.id_column, source.at)
    chosen = columns[roles.text]
    if chosen.kind is not Kind.TEXT:
        message = f"column {visible(chosen.name)!r} holds {chosen.described}, expected text"
        raise InputError("bad-value", message, at=source.at)
    id_name = None if roles.id is None else columns[roles.id].name
    wanted = [exactly(chosen.name).cast(pl.String).alias("text")]
    if id_name is not None:
        wanted.append(exactly(id_name).cast(pl.String, strict=False).fill_null("").alias("id"))

    def read() -> Iterator[Iterable[Row]]:
        row = 0
        for frame in scan.frames(wanted, [chosen.name, *([] if id_name is None else [id_name])], BATCH_TEXTS):
            yield _rows(frame, row, chosen.name, source.at, options)
            row += len(frame)

    facts = {"format": what.lower(), "rows": scan.rows, "column": chosen.name, "id": id_name}
    return TextSource(source.name, False, facts, read, roles.notes, id_name is not None, scan.rows)


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
