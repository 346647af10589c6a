"""What every reader shares: the options, the non-class axes, the checks of a shape."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import LogitBatch, Source
from softmax_cli.errors import FaultHandler, InputError, Location, fail_on_fault
from softmax_cli.geometry import Geometry, cube_batch

BATCH_BYTES = 1 << 22  # of values in one batch
_FIRST_SURROGATE, _LAST_SURROGATE, _LAST_CHARACTER = 0xD800, 0xDFFF, 0x10FFFF

# Where a part of an array begins, (outer, inner), and what reads its values, (outer, classes, inner).
Part: TypeAlias = tuple[int, int, Callable[[], NDArray[Any]]]


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read an input, where the user overrides what is sniffed. The fields are named as the options are.

    axis: the class axis; None reads samples instead of logits: everything behind the first axis is one row.
    targets: whether the values of a column of targets are to be handed on. jobs: threads that parse.
    """

    axis: int | None = -1
    input_format: str | None = None
    array: str | None = None
    delimiter: str | None = None
    header: bool | None = None
    id_column: str | None = None
    target_column: str | None = None
    columns: str | None = None
    max_row_bytes: int = 1 << 28
    targets: bool = False
    jobs: int = 1
    on_fault: FaultHandler = fail_on_fault


@dataclass
class ArraySource:
    """Logits of one array, read part by part.

    array_parts: the parts of the array from its start, each of which may be read on any thread.
    """

    name: str
    geometry: Geometry
    array_parts: Callable[[], Iterator[Part]]
    one_pass: bool
    facts: Mapping[str, Any]
    notes: Sequence[str] = ()
    class_names: Sequence[str] | None = None
    ids: Sequence[str] | None = None
    activation: str | None = None
    targets: NDArray[Any] | None = None
    classes: int | None = field(init=False)
    total_rows: int | None = field(init=False)

    def __post_init__(self) -> None:
        self.classes = self.geometry.classes
        self.total_rows = self.geometry.rows

    def share_read(self) -> float | None:
        """Nothing: the rows are known."""
        return None

    def __iter__(self) -> Iterator[LogitBatch]:
        return (read() for read in self.parts())

    def parts(self) -> Iterator[Callable[[], LogitBatch]]:
        """Read from the start, each batch by a function that may be called on any thread."""
        return (functools.partial(self._batch, *part) for part in self.array_parts())

    def _batch(self, outer: int, inner: int, read: Callable[[], NDArray[Any]]) -> LogitBatch:
        batch = cube_batch(self.name, self.geometry, read(), outer, inner)
        if self.ids is None and self.targets is None:
            return batch
        ids = None if self.ids is None else [self.ids[row] for row in batch.rows]
        targets = None if self.targets is None else self.targets[batch.rows]
        return replace(batch, ids=ids, targets=targets)


def array_parts(array: NDArray[Any], geometry: Geometry) -> Iterator[Part]:
    """Cut an array in memory into parts of about `BATCH_BYTES`."""
    cube = array.reshape(geometry.outer, geometry.classes, geometry.inner)
    for outer, inner, depth, width in piece_bounds(geometry, array.dtype.itemsize):
        values = cube[outer : outer + depth, :, inner : inner + width]
        yield outer, inner, functools.partial(np.asarray, values)


def piece_bounds(geometry: Geometry, itemsize: int, split_inner: bool = True) -> Iterator[tuple[int, int, int, int]]:
    """Yield (outer, inner, depth, width) of pieces in row order, each of about `BATCH_BYTES` where that can be."""
    if not geometry.rows:
        return
    slab = geometry.classes * geometry.inner * itemsize
    width = geometry.inner
    if split_inner and slab > BATCH_BYTES:
        width = max(1, min(geometry.inner, BATCH_BYTES // (geometry.classes * itemsize)))
    depth = max(1, BATCH_BYTES // max(1, slab)) if width == geometry.inner else 1
    for outer in range(0, geometry.outer, depth):
        for inner in range(0, geometry.inner, max(1, width)):
            yield outer, inner, min(depth, geometry.outer - outer), min(width, geometry.inner - inner)


def memory_source(
    name: str,
    array: NDArray[Any],
    axis: int | None,
    facts: Mapping[str, Any],
    notes: Sequence[str] = (),
    class_names: Sequence[str] | None = None,
    ids: Sequence[str] | None = None,
) -> ArraySource:
    """Make a source of an array that is in memory, and so can be read again and again."""
    geometry = Geometry.of(array.shape, axis, Location(name))
    return ArraySource(name, geometry, lambda: array_parts(array, geometry), False, facts, notes, class_names, ids)


def rows_or_columns(open_rows: Callable[[ReadOptions], Source], options: ReadOptions) -> Source:
    """Open a table by its rows or, for `axis` 0 (or -2), load it whole and take its rows for the classes.

    The names of the columns then become the rows' ids, and the ids the names of the classes. A class can't be
    skipped, so every bad row is an error.
    """
    if options.axis in (1, -1, None):
        return open_rows(options)
    rows = open_rows(replace(options, on_fault=fail_on_fault))
    batches = list(rows)
    values = np.concatenate([batch.logits for batch in batches]) if batches else np.empty((0, rows.classes or 0))
    names = [text for batch in batches for text in batch.ids or ()]
    facts = {**rows.facts, "shape": list(values.shape)}
    return memory_source(rows.name, values, options.axis, facts, rows.notes, names or None, rows.class_names)


def check_dtype(dtype: np.dtype[Any], at: Location) -> None:
    """Accept real numbers of up to 64 bits.

    Raises InputError that says what else the elements are.
    """
    if dtype.kind in "fiu" and dtype.itemsize <= 8:
        return
    kinds = {
        "O": ("pickle-refused", "Python objects (pickled), which could run code when read"),
        "V": ("unsupported-dtype", "records of several fields"),
        "c": ("unsupported-dtype", "complex numbers"),
        "b": ("unsupported-dtype", "true or false"),
        "U": ("unsupported-dtype", "text"),
        "S": ("unsupported-dtype", "byte strings"),
        "M": ("unsupported-dtype", "dates"),
        "m": ("unsupported-dtype", "time spans"),
    }
    slug, what = kinds.get(dtype.kind, ("unsupported-dtype", f"numbers of {dtype.itemsize * 8} bits"))
    raise InputError(
        slug,
        f"the elements are {what} (dtype {dtype}), expected real numbers of at most 64 bits",
        at=at,
        hint="save them with numpy.save as float32 or float64",
    )


def check_texts(texts: NDArray[Any], at: Location, what: str = "a text") -> None:
    """Refuse fixed-width texts (dtype U) that hold what isn't a character: a lone surrogate, or beyond Unicode.

    what: begins the message. Raises InputError that names the first, by its place along the first axis.
    """
    if not texts.nbytes:
        return
    order = texts.dtype.byteorder
    codes = np.ascontiguousarray(texts).reshape(len(texts) if texts.ndim else 1, -1).view(f"{order}u4")
    wrong = (codes > _LAST_CHARACTER) | ((codes >= _FIRST_SURROGATE) & (codes <= _LAST_SURROGATE))
    if not wrong.any():
        return
    row, column = map(int, np.unravel_index(wrong.argmax(), wrong.shape))
    message = f"{what} holds U+{int(codes[row, column]):04X}, which isn't a character"
    raise InputError("bad-encoding", message, at=replace(at, row=row if texts.ndim else None))
