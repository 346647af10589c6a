"""From rows of numbers to a model's input: shape, type, and the batch that the model wants."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import LogitBatch, Source, joined
from softmax_cli.errors import InputError, Location
from softmax_cli.geometry import shape_text
from softmax_cli.model.feeding import Feed, InOrder, Window
from softmax_cli.model.session import Port

DEFAULT_BATCH = 64


@dataclass(frozen=True, slots=True)
class SampleShape:
    """How samples fit a model's input: the shape of one, and the batch size (fixed: the model allows no other)."""

    sample: tuple[int, ...]
    batch: int
    fixed: bool


def fit_shape(port: Port, data: tuple[int, ...] | None, width: int, at: Location, batch: int) -> SampleShape:
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
    return SampleShape(tuple(sample), fixed or batch, fixed is not None)


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


class ArrayFeeder(InOrder):
    """Feeds the rows of an array or a table to a model's one input, in the batches that it wants."""

    def __init__(self, samples: Source, port: Port, batch_size: int | None = None):
        self._samples = samples
        self._port = port
        self._at = Location(samples.name)
        self.name = samples.name
        self.late_notes: Sequence[str] = ()
        self.notes = samples.notes
        self.facts: Mapping[str, Any] = samples.facts
        self.total_rows = samples.total_rows
        known = samples.facts.get("shape")
        shape = None if known is None else tuple(known)
        self._fit = fit_shape(port, shape, samples.classes or 0, self._at, batch_size or DEFAULT_BATCH)

    def share_read(self) -> float | None:
        """How much of the samples was read so far."""
        return self._samples.share_read()

    def __iter__(self) -> Iterator[Window]:
        """Cut the stream of rows into windows, and these into the model's batches, whatever pieces it comes in.

        What is decided by the first values mustn't depend on the batch size: a window holds as many rows for any.
        """
        size = self._fit.batch * -(-DEFAULT_BATCH // self._fit.batch)
        for batch in rebatched(self._samples, size):
            yield self._window(batch)

    def _window(self, batch: LogitBatch) -> Window:
        assert self._port.dtype is not None
        samples = cast(batch.logits, self._port.dtype, self._at, int(batch.rows[0]))
        samples = samples.reshape(len(batch), *self._fit.sample)
        feeds = [self._feed(samples, first) for first in range(0, len(batch), self._fit.batch)]
        return Window(self.name, batch.rows, feeds, batch.ids)

    def _feed(self, samples: NDArray[Any], first: int) -> Feed:
        part = samples[first : first + self._fit.batch]
        places = np.arange(first, first + len(part))
        part = filled(part, self._fit.batch) if self._fit.fixed else part
        return Feed({self._port.name: np.ascontiguousarray(part)}, places)


def filled(samples: NDArray[Any], size: int) -> NDArray[Any]:
    """Fill a fixed batch up with its last sample; the results beyond the real ones are dropped later."""
    missing = size - len(samples)
    return np.concatenate([samples, np.repeat(samples[-1:], missing, axis=0)]) if missing > 0 else samples


def rebatched(batches: Iterable[LogitBatch], size: int) -> Iterator[LogitBatch]:
    """Cut batches into ones of `size` rows; the last may be shorter."""
    waiting: list[LogitBatch] = []
    count = 0
    for batch in batches:
        waiting.append(batch)
        count += len(batch)
        if count < size:
            continue
        whole = joined(waiting)
        for first in range(0, count - size + 1, size):
            yield _part(whole, first, first + size)
        waiting = [_part(whole, count - count % size, count)]
        count %= size
    if count:
        yield joined(waiting)


def _part(batch: LogitBatch, first: int, end: int) -> LogitBatch:
    ids = None if batch.ids is None else batch.ids[first:end]
    return LogitBatch(batch.source, batch.logits[first:end], batch.rows[first:end], ids)
