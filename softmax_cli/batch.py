"""The frozen records that flow through the tool: a block of logits, and the same block ranked."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from softmax_cli.errors import InputError

SAVED_KEY = "softmax"  # of the notes on saved logits, in the metadata of a Parquet file

FloatArray: TypeAlias = NDArray[np.floating[Any]]  # float32 or float64


@dataclass(frozen=True, slots=True)
class Fault:
    """An error that stands for an input: it lies before row `place` of its batch (at the end: as many as rows)."""

    place: int
    error: InputError


@dataclass(frozen=True, slots=True)
class LogitBatch:
    """Consecutive rows of one input, class axis last.

    logits: (rows, classes), float32 or float64; any strides. rows: (rows,) int64, each row's number over the
    input's non-class axes in C order. ids: one text a row, where the input has them. shape: the lengths of the
    non-class axes, where they're known (it turns a row number into a position). sources: the input of each row,
    where one batch holds rows of several (images); `source` then names them all. positions: (rows, axes), where
    they don't follow from `shape`. faults: inputs that failed among these rows, in order. targets: what a column of the
    input says of each row's truth, where it was asked for, as it stands there. order: each row's place in the file,
    where `rows` are those of the inputs that it was made of.
    """

    source: str
    logits: FloatArray
    rows: NDArray[np.int64]
    ids: Sequence[str] | None = None
    shape: tuple[int, ...] = ()
    sources: Sequence[str] | None = None
    positions: NDArray[np.int64] | None = None
    faults: Sequence[Fault] = ()
    targets: NDArray[Any] | Sequence[str] | None = None
    order: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return int(self.logits.shape[0])

    def source_of(self, place: int) -> str:
        """The input that a row of the batch comes from."""
        return self.source if self.sources is None else self.sources[place]

    def places(self) -> NDArray[np.int64] | None:
        """Each row's position over the non-class axes, (rows, axes); None where there is but one axis."""
        return _places(self.rows, self.shape, self.positions)

    def select(self, keep: NDArray[np.bool_]) -> "LogitBatch":
        """The batch with only the rows where `keep`, a (rows,) mask, is true."""
        return replace(
            self,
            logits=self.logits[keep],
            rows=self.rows[keep],
            ids=_selected(self.ids, keep),
            sources=_selected(self.sources, keep),
            positions=None if self.positions is None else self.positions[keep],
            targets=self.targets[keep] if isinstance(self.targets, np.ndarray) else _selected(self.targets, keep),
            order=None if self.order is None else self.order[keep],
            faults=[Fault(int(np.count_nonzero(keep[: fault.place])), fault.error) for fault in self.faults],
        )


def joined(batches: Sequence[LogitBatch]) -> LogitBatch:
    """Join batches of one input, or of one set of inputs, that have the same classes and the same kinds of fields."""
    first = batches[0]
    if len(batches) == 1:
        return first
    before = np.cumsum([0, *map(len, batches)]).tolist()
    return LogitBatch(
        first.source,
        np.concatenate([batch.logits for batch in batches]),
        np.concatenate([batch.rows for batch in batches]),
        None if first.ids is None else [text for batch in batches for text in batch.ids or ()],
        first.shape,
        None if first.sources is None else [text for batch in batches for text in batch.sources or ()],
        None if first.positions is None else np.concatenate([np.asarray(batch.positions) for batch in batches]),
        [
            Fault(start + fault.place, fault.error)
            for start, batch in zip(before, batches, strict=False)
            for fault in batch.faults
        ],
    )


def _selected(texts: Sequence[str] | None, keep: NDArray[np.bool_]) -> Sequence[str] | None:
    return None if texts is None else [text for text, kept in zip(texts, keep, strict=True) if kept]


def _places(
    rows: NDArray[np.int64], shape: tuple[int, ...], positions: NDArray[np.int64] | None
) -> NDArray[np.int64] | None:
    if positions is not None or len(shape) < 2:
        return positions
    return np.stack(np.unravel_index(rows, shape), axis=1)


_OF_ROWS = ("rows", "indices", "logits", "probabilities", "counts", "ids", "sources", "positions", "abstained")


@dataclass(frozen=True, slots=True)
class Ranked:
    """The top classes of each row of a batch, best first.

    indices, logits, probabilities: (rows, k). counts: (rows,), how many of the k stand after
    `--min-probability`, or in the row's set, or None where all do. names: the class names, or None where none are
    known. abstained: a (rows,) mask of the rows to abstain on, or None where that wasn't asked for. are_sets: whether
    the classes that stand are those of a conformal set. The other fields are those of the batch.
    """

    source: str
    rows: NDArray[np.int64]
    indices: NDArray[np.int64]
    logits: FloatArray
    probabilities: FloatArray
    counts: NDArray[np.int64] | None = None
    ids: Sequence[str] | None = None
    shape: tuple[int, ...] = ()
    names: Sequence[str] | None = None
    sources: Sequence[str] | None = None
    positions: NDArray[np.int64] | None = None
    faults: Sequence[Fault] = ()
    abstained: NDArray[np.bool_] | None = None
    are_sets: bool = False

    def __len__(self) -> int:
        return int(self.rows.shape[0])

    def source_of(self, place: int) -> str:
        """The input that a row of the batch comes from."""
        return self.source if self.sources is None else self.sources[place]

    def places(self) -> NDArray[np.int64] | None:
        """Each row's position over the non-class axes, (rows, axes); None where there is but one axis."""
        return _places(self.rows, self.shape, self.positions)

    def part(self, start: int, end: int, faults: Sequence[Fault]) -> "Ranked":
        """Some consecutive rows, with the faults that lie among them."""
        of_rows = {name: value[start:end] for name in _OF_ROWS if (value := getattr(self, name)) is not None}
        moved = [Fault(fault.place - start, fault.error) for fault in faults]
        return replace(self, **of_rows, faults=moved)

    @property
    def k(self) -> int:
        """How many classes a row holds at the most."""
        return int(self.indices.shape[1])

    def label(self, index: int) -> str:
        """The name of a class: its index as text where no names are known."""
        return str(index) if self.names is None else self.names[index]

    @property
    def if_none(self) -> str:
        """What it means that none of a row's classes stands."""
        return "the set is empty" if self.are_sets else "no class reaches the least probability"

    def vacant(self) -> NDArray[np.bool_] | None:
        """A (rows,) mask of rows that are results without any class that stands; None where there are none."""
        if self.counts is None or not (self.are_sets or self.abstained is not None) or not self.k:
            return None
        mask = self.counts == 0
        return mask if mask.any() else None

    def kept(self) -> NDArray[np.bool_]:
        """A (rows, k) mask of the predictions that stand."""
        if self.counts is None:
            return np.ones(self.indices.shape, bool)
        return np.asarray(np.arange(self.k) < self.counts[:, None])


@dataclass(frozen=True, slots=True)
class TextBatch:
    """Consecutive texts of one input, numbered as rows; ids where the input has them; the rows that hold no text."""

    source: str
    texts: Sequence[str]
    rows: NDArray[np.int64]
    ids: Sequence[str] | None = None
    faults: Sequence[Fault] = ()

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, slots=True)
class FeatureBatch:
    """Consecutive rows of a table, column by column: arrays with the rows along the first axis, text as lists."""

    source: str
    columns: Mapping[str, NDArray[Any] | list[str]]
    rows: NDArray[np.int64]
    ids: Sequence[str] | None = None

    def __len__(self) -> int:
        return len(self.rows)


class Source(Protocol):
    """Somewhere logits come from: iterate it for batches, as often as `one_pass` allows."""

    @property
    def name(self) -> str:
        """The input as given."""
        ...

    @property
    def one_pass(self) -> bool:
        """Whether it can be iterated only once."""
        ...

    @property
    def classes(self) -> int | None:
        """The length of the class axis; None where only reading tells."""
        ...

    @property
    def class_names(self) -> Sequence[str] | None:
        """The names that the input itself gives its classes."""
        ...

    @property
    def total_rows(self) -> int | None:
        """How many rows there are; None where only reading tells."""
        ...

    def share_read(self) -> float | None:
        """How much of the input was read so far, from 0 to 1; None where rows tell better, or nothing does."""
        ...

    @property
    def activation(self) -> str | None:
        """What the source knows its values to need; None leaves it to the options."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """The decisions that were made for the user."""
        ...

    @property
    def facts(self) -> Mapping[str, Any]:
        """What `inspect` shows."""
        ...

    def __iter__(self) -> Iterator[LogitBatch]:
        """Read from the start."""
        ...


@runtime_checkable
class SourceInParts(Source, Protocol):
    """A source whose batches can be read on any thread, one for each call."""

    def parts(self) -> Iterator[Callable[[], LogitBatch]]:
        """Read from the start: what each function reads is a batch."""
        ...


def as_logits(values: NDArray[Any]) -> FloatArray:
    """Take numbers in the precision they are worked in: float16 and float32 as float32, the rest as float64.

    >>> as_logits(np.array([1, 2], np.uint8)).dtype
    dtype('float64')
    """
    narrow = values.dtype.kind == "f" and values.dtype.itemsize <= 4
    return values.astype(np.float32 if narrow else np.float64, copy=False)
