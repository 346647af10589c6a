"""The whole confusion matrix as a file: a matrix as CSV or NPY, or the pairs that occur as Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from softmax_cli.errors import OutputError, UsageError
from softmax_cli.heap import check_address_space
from softmax_cli.judge.report import Report
from softmax_cli.judge.summary import label_of
from softmax_cli.sinks.target import Target, open_target
from softmax_cli.text import valid

_MOST_CELLS = 1 << 28  # of a matrix


def check_confusion_file(path: str | None) -> None:
    """Refuse a suffix that tells no format.

    Raises UsageError.
    """
    if path is not None and Path(path).suffix.lower() not in _WRITERS:
        hint = f"use one of {', '.join(_WRITERS)}"
        raise UsageError(f"--confusion {path}: the suffix tells no format", hint=hint)


def write_confusion(path: str, report: Report) -> None:
    """Write the counts, target by row; .parquet: columns target, predicted, count and the labels, without zeros.

    Raises UsageError where targets aren't classes, OutputError for a matrix that is too large.
    """
    if report.pair_counts is None:
        raise UsageError("--confusion is for one class a row", hint="labels don't exclude each other")
    suffix = Path(path).suffix.lower()
    if suffix != ".parquet" and report.classes**2 > _MOST_CELLS:
        message = f"a matrix of {report.classes:,} × {report.classes:,} counts is too large"
        raise OutputError("unwritable", message, hint="a .parquet file holds the pairs that occur")
    with open_target(path) as target:
        _WRITERS[suffix](target, report.pair_counts, report)


def _matrix_rows(pairs: NDArray[np.int64], classes: int) -> Iterator[NDArray[np.int64]]:
    bounds = np.searchsorted(pairs[:, 0], np.arange(classes + 1))
    for index in range(classes):
        row = np.zeros(classes, np.int64)
        part = pairs[bounds[index] : bounds[index + 1]]
        row[part[:, 1]] = part[:, 2]
        yield row


def _as_csv(target: Target, pairs: NDArray[np.int64], report: Report) -> None:
    names = [valid(label_of(report.labels, index)) for index in range(report.classes)]
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["target", *names])
    for name, row in zip(names, _matrix_rows(pairs, report.classes), strict=True):
        writer.writerow([name, *row.tolist()])
        target.write(buffer.getvalue().encode("utf-8", "backslashreplace"))
        buffer.seek(0)
        buffer.truncate()


def _as_npy(target: Target, pairs: NDArray[np.int64], report: Report) -> None:
    header = io.BytesIO()
    shape = (report.classes, report.classes)
    np.lib.format.write_array_header_1_0(header, {"descr": "<i8", "fortran_order": False, "shape": shape})
    target.write(header.getvalue())
    for row in _matrix_rows(pairs, report.classes):
        target.write(row.astype("<i8").tobytes())


def _as_parquet(target: Target, pairs: NDArray[np.int64], report: Report) -> None:
    check_address_space()
    import polars as pl

    columns = {"target": pairs[:, 0], "predicted": pairs[:, 1], "count": pairs[:, 2]}
    frame = pl.DataFrame(columns)
    if report.labels is not None:
        labels = [valid(name) for name in report.labels]
        texts = {
            f"{name}_label": [labels[index] for index in columns[name].tolist()] for name in ("target", "predicted")
        }
        frame = frame.with_columns(**{name: pl.Series(values, dtype=pl.String) for name, values in texts.items()})
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    target.write(buffer.getvalue())


_WRITERS: Mapping[str, Callable[[Target, NDArray[np.int64], Report], None]] = MappingProxyType(
    {".csv": _as_csv, ".npy": _as_npy, ".parquet": _as_parquet}
)
