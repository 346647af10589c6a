"""A model's raw outputs kept for later: with their inputs, ids, positions, labels and what they need."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import numpy as np

from softmax_cli.batch import SAVED_KEY, LogitBatch
from softmax_cli.errors import InputError, Location, UsageError
from softmax_cli.sinks.columnar import FrameWriter
from softmax_cli.sinks.npz import source_runs
from softmax_cli.sinks.spools import ArraySpools
from softmax_cli.sinks.target import Target, open_target
from softmax_cli.text import valid

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class Meaning:
    """What saved logits are: the names of their classes, and the activation that they still need."""

    labels: Sequence[str] | None
    activation: str


class LogitsSink(Protocol):
    """Takes batches of logits in order; `close` completes the file, `abort` gives it up."""

    def write(self, batch: LogitBatch, meaning: Meaning) -> None:
        """Keep a batch."""
        ...

    def close(self) -> None:
        """Complete the file."""
        ...

    def abort(self) -> None:
        """Release what is held."""
        ...


class NpyLogits:
    """The logits alone, as an array of (rows, classes)."""

    def __init__(self, target: Target):
        self._spools = ArraySpools(target)

    def write(self, batch: LogitBatch, meaning: Meaning) -> None:
        """Spool a batch."""
        _check_classes(self._spools, batch)
        self._spools.append("logits", batch.logits)

    def close(self) -> None:
        """Write the array."""
        if not self._spools.kinds:
            self._spools.append("logits", np.empty((0, 0), np.float32))
        self._spools.write_array("logits")

    def abort(self) -> None:
        """Drop the temporary files."""
        self._spools.close()


class NpzLogits:
    """An archive of `logits`, `row`, `source`, and where there are any `id`, `position`, `labels`; `activation`."""

    def __init__(self, target: Target):
        self._spools = ArraySpools(target)
        self._sources: list[tuple[str, int]] = []
        self._ids: list[tuple[str, int]] = []
        self._meaning: Meaning | None = None
        self._per_row = False

    def write(self, batch: LogitBatch, meaning: Meaning) -> None:
        """Spool a batch."""
        _check_classes(self._spools, batch)
        self._per_row |= batch.sources is not None
        self._meaning = meaning
        self._spools.append("logits", batch.logits)
        self._spools.append("row", batch.rows)
        if (positions := batch.places()) is not None:
            self._spools.append("position", positions)
        self._sources += source_runs(batch.source, batch.sources, len(batch))
        self._ids += [("", len(batch))] if batch.ids is None else [(valid(text), 1) for text in batch.ids]

    def close(self) -> None:
        """Write the archive."""
        texts = {"source": self._sources}
        if any(text for text, _ in self._ids):
            texts["id"] = self._ids
        if self._meaning is not None and self._meaning.labels is not None:
            texts["labels"] = [(text, 1) for text in self._meaning.labels]
        activation = np.array("softmax" if self._meaning is None else self._meaning.activation)
        scalars = {"activation": activation, "source_per_row": np.array(self._per_row)}
        self._spools.write_archive(texts, scalars)

    def abort(self) -> None:
        """Drop the temporary files."""
        self._spools.close()


class ParquetLogits:
    """Columns source, row, id, position and logits, a list a row; the rest is in the file's metadata."""

    def __init__(self, target: Target):
        self._target = target
        self._writer: FrameWriter | None = None
        self._classes: int | None = None
        self._has_ids = False

    def write(self, batch: LogitBatch, meaning: Meaning) -> None:
        """Hand a batch to the writer; the first one decides the columns."""
        if self._writer is None:
            self._classes = batch.logits.shape[1]
            self._has_ids = batch.ids is not None
            self._writer = FrameWriter(self._target, _parquet_writer(batch, meaning), self._classes)
        if batch.logits.shape[1] != self._classes:
            raise _other_classes(batch, self._classes)
        self._writer.write(self._frame(batch))

    def _frame(self, batch: LogitBatch) -> pl.DataFrame:
        import polars as pl

        sources = [valid(text) for text in batch.sources or [batch.source] * len(batch)]
        columns: dict[str, Any] = {"source": pl.Series(sources, dtype=pl.String), "row": batch.rows}
        if self._has_ids:
            columns["id"] = pl.Series([valid(text) for text in batch.ids or [""] * len(batch)], dtype=pl.String)
        if (positions := batch.places()) is not None:
            columns["position"] = pl.Series(positions, dtype=pl.Array(pl.Int64, positions.shape[1]))
        dtype = pl.Float32 if batch.logits.dtype == np.float32 else pl.Float64
        logits = np.ascontiguousarray(batch.logits)
        columns["logits"] = pl.Series(logits, dtype=pl.Array(dtype, logits.shape[1]))
        return pl.DataFrame(columns)

    def close(self) -> None:
        """Complete the file."""
        if self._writer is not None:
            self._writer.close()

    def abort(self) -> None:
        """Give the file up."""
        if self._writer is not None:
            self._writer.abort()


def _parquet_writer(batch: LogitBatch, meaning: Meaning) -> Callable[[pl.LazyFrame, BinaryIO, int], object]:
    labels = None if meaning.labels is None else [valid(text) for text in meaning.labels]
    about = {"labels": labels, "activation": meaning.activation, "source_per_row": batch.sources is not None}
    metadata = {SAVED_KEY: json.dumps(about)}

    def write(frame: pl.LazyFrame, stream: BinaryIO, group_rows: int) -> None:
        frame.sink_parquet(stream, row_group_size=group_rows, metadata=metadata)

    return write


def _check_classes(spools: ArraySpools, batch: LogitBatch) -> None:
    known = spools.kinds.get("logits")
    if known is not None and known[1] != batch.logits.shape[1:]:
        raise _other_classes(batch, known[1][0])


def _other_classes(batch: LogitBatch, classes: int | None) -> InputError:
    message = f"{batch.logits.shape[1]} classes a row, but those before have {classes}"
    return InputError("class-count", message, at=Location(batch.source), hint="save their logits into another file")


LOGIT_FORMATS: Mapping[str, Callable[[Target], LogitsSink]] = MappingProxyType(
    {".npz": NpzLogits, ".parquet": ParquetLogits, ".npy": NpyLogits}
)


@contextlib.contextmanager
def open_logits(path: str) -> Iterator[LogitsSink]:
    """Open a file for raw outputs, its format by the suffix; it is complete, or not there, when the block ends.

    Raises UsageError for another suffix.
    """
    kind = LOGIT_FORMATS.get(Path(path).suffix.lower())
    if kind is None:
        raise UsageError(
            f"--save-logits {path}: the suffix tells no format", hint=f"use one of {', '.join(LOGIT_FORMATS)}"
        )
    with open_target(path) as target:
        sink = kind(target)
        try:
            yield sink
            sink.close()
        except BaseException:
            sink.abort()
            raise
