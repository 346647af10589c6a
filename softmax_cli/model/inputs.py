"""From rows of numbers to a model's input: shape, type, and the batch that the model wants."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import LogitBatch
from softmax_cli.errors import InputError, Location
from softmax_cli.geometry import shape_text
from softmax_cli.model.session import Port

DEFAULT_BATCH = 64


@dataclass(frozen=True, slots=True)
class SampleShape:
    """How samples fit a model's input: the shape of one, and the batch size (fixed: the model allows no other)."""

    sample: tuple[int, ...]
    batch: int
    fixed: bool


def fit_shape(port: Port, data: tuple[int, ...] | None, width: int, at: Location) -> SampleShape:
    """Fit rows of `width` numbers, of an array of shape `data` where there is one, to a model's input.

    Raises InputError that says both shapes where they don't fit.
    """
    wanted = port.shape[1:]
    given = data[1:] if data is not None and len(data) > 1 else (width,)
    for sample in (given, _reshaped(wanted, given, width)):
        fits = len(sample) == len(wanted) and all(w in (None, g) for w, g in zip(wanted, sample, strict=True))
        if fits and sample and math.prod(sample) == width:
            break
    else:
        shape = shape_text(data) if data is not None else f"rows of {width:,} numbers"
        raise InputError("model-input", f"{shape} doesn't fit the model's input {port}", at=at)
    fixed = port.shape[0] if port.shape else None
    return SampleShape(tuple(sample), fixed or DEFAULT_BATCH, fixed is not None)


def _reshaped(wanted: tuple[int | None, ...], given: tuple[int, ...], width: int) -> tuple[int, ...]:
    """The model's own shape, if that only lays rows out, flattens them, or differs in dimensions of length 1."""
    known = tuple(length for length in wanted if length is not None)
    is_plain = len(given) == 1 or len(wanted) == 1 or _squeezed(given) == _squeezed(known)
    return known if is_plain and len(known) == len(wanted) and math.prod(known) == width else ()


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(length for length in shape if length != 1)


def cast(values: NDArray[Any], dtype: type[np.generic], at: Location, first_row: int) -> NDArray[Any]:
    """Convert values to a model's type where that is lossless, or a rounding of real numbers.

    Raises InputError where numbers would change: fractions for an integer input, numbers beyond its range.
    """
    with np.errstate(all="ignore"):
        result = values.astype(dtype)
    if np.issubdtype(dtype, np.floating):
        bad = np.isinf(result) & np.isfinite(values)
        what = "is beyond the range of"
    else:
        bad = result.astype(np.float64) != values
        what = "can't be a value of"
    if bad.any():
        row = int(np.argwhere(bad)[0][0])
        value = values.reshape(len(values), -1)[row][bad.reshape(len(values), -1)[row]][0]
        message = f"{value:g} {what} the model's input type {np.dtype(dtype).name}"
        raise InputError("model-input", message, at=Location(at.source, row=first_row + row))
    return result


@dataclass(frozen=True, slots=True)
class Chunk:
    """One run's samples; `count` of them are real, the rest fills a fixed batch."""

    samples: NDArray[Any]
    count: int
    rows: NDArray[np.int64]
    ids: list[str] | None


def chunks(batches: Iterable[LogitBatch], fit: SampleShape, port: Port, at: Location) -> Iterator[Chunk]:
    """Cut a stream of rows into the model's batches, whatever pieces it comes in."""
    waiting: list[LogitBatch] = []
    count = 0
    for batch in batches:
        waiting.append(batch)
        count += len(batch)
        while count >= fit.batch:
            values, rows, ids = _joined(waiting)
            yield _chunk(values[: fit.batch], rows[: fit.batch], ids and ids[: fit.batch], fit, port, at)
            rest_ids = ids and ids[fit.batch :]
            waiting = [LogitBatch(batch.source, values[fit.batch :], rows[fit.batch :], rest_ids)]
            count -= fit.batch
    if count:
        yield _chunk(*_joined(waiting), fit, port, at)


def _joined(batches: list[LogitBatch]) -> tuple[NDArray[Any], NDArray[np.int64], list[str] | None]:
    if len(batches) == 1:
        return batches[0].logits, batches[0].rows, None if batches[0].ids is None else list(batches[0].ids)
    ids = None if batches[0].ids is None else [text for batch in batches for text in batch.ids or ()]
    return np.concatenate([b.logits for b in batches]), np.concatenate([b.rows for b in batches]), ids


def _chunk(
    values: NDArray[Any], rows: NDArray[np.int64], ids: list[str] | None, fit: SampleShape, port: Port, at: Location
) -> Chunk:
    assert port.dtype is not None
    samples = cast(values, port.dtype, at, int(rows[0])).reshape(len(values), *fit.sample)
    if fit.fixed and len(samples) < fit.batch:
        filling = np.repeat(samples[-1:], fit.batch - len(samples), axis=0)
        samples = np.concatenate([samples, filling])
    return Chunk(np.ascontiguousarray(samples), len(values), rows, ids)
