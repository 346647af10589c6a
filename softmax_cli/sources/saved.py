"""Logits that `run --save-logits` kept: each row with its input, number, id and position, as if the model ran again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import LogitBatch, Source
from softmax_cli.errors import InputError, Location
from softmax_cli.sources.base import ReadOptions


@dataclass(frozen=True, slots=True)
class About:
    """What a file says of the logits in it."""

    labels: tuple[str, ...] | None
    activation: str | None
    per_row: bool

    @classmethod
    def of(cls, values: Mapping[str, Any], at: Location) -> About:
        """Check what was read.

        Raises InputError for what `--save-logits` didn't write.
        """
        labels, activation = values.get("labels"), values.get("activation")
        if activation not in (None, "none", "softmax", "sigmoid", "log-softmax"):
            raise InputError("bad-header", "damaged notes on the saved logits: no such activation", at=at)
        if labels is not None and not (isinstance(labels, list) and all(isinstance(text, str) for text in labels)):
            raise InputError("bad-header", "damaged notes on the saved logits: the labels aren't texts", at=at)
        return cls(None if labels is None else tuple(labels), activation, bool(values.get("source_per_row")))


def applies(options: ReadOptions) -> bool:
    """Whether rows can be brought back as they were: not where the user chooses columns, arrays or the axis."""
    chosen = (options.array, options.columns, options.id_column, options.target_column)
    return options.axis == -1 and all(option is None for option in chosen)


@dataclass
class SavedSource:
    """A source of saved logits, whose rows are those of the inputs that the model had.

    base: the file as it is. about: what it says of itself. pieces: each of its batches, with the columns beside it.
    """

    base: Source
    about: About
    pieces: Callable[[], Iterator[tuple[LogitBatch, Mapping[str, Any]]]]

    def __post_init__(self) -> None:
        self.name = self.base.name
        self.one_pass = self.base.one_pass
        self.classes = self.base.classes
        self.total_rows = self.base.total_rows
        self.facts = self.base.facts
        self.activation = self.about.activation
        self.class_names: Sequence[str] | None = self.about.labels
        if self.class_names is not None and self.classes is not None and len(self.class_names) != self.classes:
            self.class_names = None
        self.notes = (*self.base.notes, *self._activation_note())

    def _activation_note(self) -> tuple[str, ...]:
        if self.activation in (None, "softmax"):
            return ()
        return (f"activation {self.activation}, as was decided when the logits were saved",)

    def share_read(self) -> float | None:
        """How much was read so far."""
        return self.base.share_read()

    def __iter__(self) -> Iterator[LogitBatch]:
        for batch, columns in self.pieces():
            yield from restored(batch, columns, self.about.per_row)


def numbers(values: Any, name: str, dimensions: int, at: Location) -> NDArray[np.int64]:
    """The numbers of a column beside saved logits.

    Raises InputError for anything but integers of so many dimensions.
    """
    array = np.asarray(values)
    if array.ndim != dimensions or array.dtype.kind not in "iu":
        raise not_saved(name, f"{array.dtype} in {array.ndim} dimensions", at)
    whole: NDArray[np.int64] = array.astype(np.int64, copy=False)
    if array.dtype.kind == "u" and (whole < 0).any():
        raise not_saved(name, f"{array.dtype} beyond {np.iinfo(np.int64).max}", at)
    return whole


def not_saved(name: str, what: str, at: Location) -> InputError:
    """The error that a column beside saved logits isn't what `--save-logits` writes."""
    message = f"{name!r} beside the logits is {what}"
    return InputError("bad-shape", message, at=at, hint="--array logits takes the logits alone")


def restored(batch: LogitBatch, columns: Mapping[str, Any], per_row: bool) -> Iterator[LogitBatch]:
    """Give the rows of a batch their inputs back; where an input has many rows, a batch for each input."""
    sources: Sequence[str] = columns["source"]
    positions: NDArray[np.int64] | None = columns.get("position")
    whole = replace(batch, order=batch.rows, rows=columns["row"], ids=columns.get("id"), positions=positions)
    if per_row:
        yield replace(whole, sources=sources)
        return
    names = np.array(sources, object)
    ends = [*(np.flatnonzero(names[1:] != names[:-1]) + 1).tolist(), len(batch)]
    first = 0
    for end in ends:
        if first == end:
            continue
        cut = slice(first, end)
        yield LogitBatch(
            sources[first],
            whole.logits[cut],
            whole.rows[cut],
            None if whole.ids is None else whole.ids[cut],
            positions=None if positions is None else positions[cut],
            order=batch.rows[cut],
        )
        first = end
