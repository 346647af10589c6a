"""Tables on disk that the table library reads when it's asked to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from softmax_cli.errors import Location
from softmax_cli.sources.arrow import MAGIC, check_file

if TYPE_CHECKING:
    import polars as pl


def lazy_parquet(path: str, at: Location) -> pl.LazyFrame:
    """A Parquet file as a table that is read when it is asked for."""
    import polars as pl

    return pl.scan_parquet(path, glob=False, hive_partitioning=False)


def lazy_arrow(path: str, at: Location) -> pl.LazyFrame:
    """An Arrow file likewise; one of the streaming kind is read at once.

    Raises DamagedError where its headers lie, and InputError for a few bytes that expand to very many.
    """
    import polars as pl

    with Path(path).open("rb") as file:
        check_file(file, at.source)
        file.seek(0)
        if file.read(len(MAGIC)) == MAGIC:
            # By its URL: a path would be mapped into memory, and a file that is cut meanwhile end the process (SIGBUS).
            return pl.scan_ipc(Path(path).resolve().as_uri(), glob=False, hive_partitioning=False)
    return pl.read_ipc_stream(path).lazy()
