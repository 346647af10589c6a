"""Parquet and Arrow files, written in constant memory.

The table library pulls its input, while a sink is pushed: a thread runs its writer on a queue between them.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO

from softmax_cli.batch import Ranked
from softmax_cli.errors import Location, OutputError
from softmax_cli.sinks.base import EncodingSink, SinkOptions
from softmax_cli.sinks.frames import FrameBuilder
from softmax_cli.sinks.target import STDOUT, Target

if TYPE_CHECKING:
    import polars as pl

_GROUP_ROWS = 1 << 16
_GROUP_CELLS = 1 << 21
_WAIT_SECONDS = 0.2


class _AbortedError(Exception):
    pass


class FrameWriter:
    """Writes tables that are pushed into it as one file.

    write_all: pulls a lazy table into a stream, in groups of a number of rows, with one of the library's writers.
    width: the numbers in a row, where they are many: wide rows make groups of fewer rows.
    """

    def __init__(self, target: Target, write_all: Callable[[pl.LazyFrame, BinaryIO, int], object], width: int = 1):
        self._group_rows = max(1, min(_GROUP_ROWS, _GROUP_CELLS // max(1, width)))
        self._target = target
        self._write_all = write_all
        self._queue: queue.Queue[pl.DataFrame | BaseException | None] = queue.Queue(2)
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._schema: pl.Schema | None = None

    def write(self, frame: pl.DataFrame) -> None:
        """Hand a table to the writer; the first one decides the schema."""
        if self._schema is None:
            self._schema = frame.schema
            self._thread = threading.Thread(target=self._run, args=(self._schema,), daemon=True)
            self._thread.start()
        if frame.schema != self._schema:
            frame = frame.cast(self._schema)
        # In parts: the library reads several tables ahead, and those of a batch of narrow rows are long.
        for part in frame.iter_slices(self._group_rows):
            self._put(part)

    def _put(self, item: pl.DataFrame | BaseException | None) -> None:
        while True:
            try:
                self._queue.put(item, timeout=_WAIT_SECONDS)
                return
            except queue.Full:
                if self._thread is None or not self._thread.is_alive():
                    self._raise()
                    return

    def _run(self, schema: pl.Schema) -> None:
        from polars.io.plugins import register_io_source

        def frames(*_: object) -> Iterator[pl.DataFrame]:
            while (item := self._queue.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item

        try:
            self._write_all(register_io_source(frames, schema=schema), self._target.stream, self._group_rows)
        except BaseException as error:  # handed to the thread that writes
            self._error = error

    def _raise(self) -> None:
        if self._error is None:
            return
        name = self._target.name
        text = str(self._error).strip()
        if name == STDOUT:
            self._target.check()  # the library's words for a reader that is gone aren't always clear
        at = Location("stdout" if name == STDOUT else name)
        reason = text.split("\n")[0].rpartition("error: ")[2].lower()
        raise OutputError("unwritable", f"can't be written: {reason}", at=at) from self._error

    def close(self) -> None:
        """Complete the file."""
        if self._thread is None:
            return
        self._put(None)
        while self._thread.is_alive():  # awake often enough to see a signal
            self._thread.join(_WAIT_SECONDS)
        self._raise()
        self._target.flush()

    def abort(self) -> None:
        """Stop the writer's thread."""
        if self._thread is not None:
            self._put(_AbortedError())
            self._thread.join()


def write_parquet(frame: pl.LazyFrame, stream: BinaryIO, group_rows: int) -> None:
    """Write a lazy table as Parquet, in row groups of a fixed number of rows."""
    frame.sink_parquet(stream, row_group_size=group_rows)


def write_arrow(frame: pl.LazyFrame, stream: BinaryIO, group_rows: int) -> None:
    """Write a lazy table as an Arrow IPC file, in record batches of a fixed number of rows."""
    frame.sink_ipc(stream, compression="zstd", record_batch_size=group_rows, lazy=False)


class ParquetSink(EncodingSink):
    """Writes results to a Parquet file; of several inputs of any type all numbers are float64."""

    write_all = staticmethod(write_parquet)

    def __init__(self, target: Target, options: SinkOptions):
        self._mixed = options.mixed
        self._builder = FrameBuilder(options)
        self._writer = FrameWriter(target, self.write_all)

    def write(self, ranked: Ranked) -> None:
        """Hand a batch to the writer."""
        self.put(self.encode(ranked))

    def encode(self, ranked: Ranked) -> pl.DataFrame:
        """Turn a batch into a table."""
        import polars as pl

        frame = self._builder.build(ranked)
        return frame.with_columns(pl.selectors.float().cast(pl.Float64)) if self._mixed else frame

    def put(self, encoded: pl.DataFrame) -> None:
        """Hand a table to the writer."""
        self._writer.write(encoded)

    def close(self) -> None:
        """Complete the file."""
        self._writer.close()

    def abort(self) -> None:
        """Give the file up."""
        self._writer.abort()


class ArrowSink(ParquetSink):
    """The same as an Arrow IPC file."""

    write_all = staticmethod(write_arrow)
