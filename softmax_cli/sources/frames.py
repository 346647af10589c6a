"""Parquet and Arrow tables: numeric columns, or one column of lists, read in batches."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import FloatArray, LogitBatch, Source
from softmax_cli.errors import InputError, Location
from softmax_cli.heap import check_address_space
from softmax_cli.sources.arrow import DamagedError
from softmax_cli.sources.base import BATCH_BYTES, ReadOptions, rows_or_columns
from softmax_cli.sources.choice import choose_array
from softmax_cli.sources.columns import Column, Kind, Roles, assign_roles, find_column
from softmax_cli.sources.layers import check_expansion
from softmax_cli.sources.lazy import lazy_arrow, lazy_parquet
from softmax_cli.sources.parquet import Span, checked_spans
from softmax_cli.sources.stream import Input
from softmax_cli.text import visible

T = TypeVar("T")
SPAN_BYTES = 1 << 26  # of values that the table library may read at once

if TYPE_CHECKING:
    import polars as pl

    Scan = Callable[[str, Location], pl.LazyFrame]
    # Yields the spans of at most about a number of rows to read the named columns in.
    Spans = Callable[[Sequence[str], int], Iterator[Span]]


@contextlib.contextmanager
def local_path(source: Input) -> Iterator[str]:
    """A path to the input's plain bytes that any library can open; pipes and compressed files are spooled to disk."""
    check_address_space()
    path = source.plain_path
    if path is not None and _is_utf8(os.fspath(path)):
        yield str(path.absolute())
        return
    with tempfile.TemporaryDirectory(prefix="softmax-") as folder:
        copy = Path(folder, "input")
        with source.open() as stream, copy.open("wb") as file:
            shutil.copyfileobj(stream, file, 1 << 20)
        yield str(copy)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@contextlib.contextmanager
def polars_errors(at: Location, what: str) -> Iterator[None]:
    """Turn the table library's errors, and its panics on damaged files, into ours."""
    import polars as pl

    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, DamagedError) as error:
        reason = visible(str(error).strip().split("\n")[0], 200)
        raise InputError("bad-columnar", f"not a whole {what} file ({reason})", at=at) from error


def exactly(*names: str) -> pl.Expr:
    """The columns of these names; the library takes `*` and `^…$` for patterns elsewhere."""
    import polars as pl

    return pl.selectors.by_name(*names).as_expr()


def _kind(dtype: pl.DataType) -> Kind:
    if dtype.is_integer():
        return Kind.INTEGER
    if dtype.is_numeric():
        return Kind.NUMBER
    inner = getattr(dtype, "inner", None)
    if inner is not None and inner.is_numeric():
        return Kind.LIST
    return Kind.TEXT if str(dtype).startswith(("String", "Categorical", "Enum")) else Kind.OTHER


@dataclass(frozen=True, slots=True)
class FrameLayout:
    """Which columns of a table hold what: either `list_column` or `roles.classes` holds the logits."""

    columns: tuple[Column, ...]
    roles: Roles
    list_column: str | None
    dtype: type[np.floating[Any]]

    @property
    def class_names(self) -> list[str] | None:
        """The names of the class columns."""
        return None if self.list_column is not None else [self.columns[place].name for place in self.roles.classes]

    @property
    def id_name(self) -> str | None:
        """The name of the id column."""
        return None if self.roles.id is None else self.columns[self.roles.id].name


def _choose_list(columns: Sequence[Column], options: ReadOptions, at: Location) -> int | None:
    """The position of the column of lists that holds the logits, if one does."""
    if options.array is not None:
        place = find_column(options.array, columns, "--array", at)
        if columns[place].kind is not Kind.LIST:
            message = f"--array: column {visible(options.array)!r} doesn't hold lists of numbers"
            raise InputError("unknown-array", message, at=at, hint="--columns GLOB names columns of numbers")
        return place
    if options.columns is not None:
        return None
    lists = [place for place, column in enumerate(columns) if column.kind is Kind.LIST]
    if len(lists) <= 1:
        return lists[0] if lists else None
    name = choose_array([columns[place].name for place in lists], None, at)
    return next(place for place in lists if columns[place].name == name)


def plan(schema: Mapping[str, pl.DataType], options: ReadOptions, at: Location) -> FrameLayout:
    """Decide what each column of a table is."""
    columns = tuple(Column(name, _kind(dtype), str(dtype)) for name, dtype in schema.items())
    place = _choose_list(columns, options, at)
    dtypes = list(schema.values())
    if place is None:
        roles = assign_roles(columns, True, options, at)
        used = [dtypes[position] for position in roles.classes]
    else:
        # Beside a column of lists no column of numbers is a class.
        others = [Column(c.name, Kind.OTHER) if c.kind is Kind.NUMBER else c for c in columns]
        others[place] = Column(columns[place].name, Kind.NUMBER)
        found = assign_roles(others, True, options, at)
        roles = Roles((place,), found.id, found.target, found.notes)
        used = [dtypes[place].inner]  # type: ignore[attr-defined]
    narrow = all(dtype.is_float() and str(dtype) != "Float64" for dtype in used)
    name = None if place is None else columns[place].name
    return FrameLayout(columns, roles, name, np.float32 if narrow else np.float64)


class FrameSource:
    """Logits from a table on disk, scanned in batches."""

    def __init__(
        self,
        source: Input,
        path: contextlib.ExitStack,
        scan: pl.LazyFrame,
        what: str,
        options: ReadOptions,
        file: str,
        spans: Spans | None = None,
    ):
        import polars as pl

        with polars_errors(source.at, what):
            schema = scan.collect_schema()
            self.total_rows = int(scan.select(pl.len()).collect().item())
        self.layout = plan(schema, options, source.at)
        self.name = source.name
        self.one_pass = False
        self.file = file  # its plain bytes, or a copy of them
        self.activation: str | None = None
        self.class_names: Sequence[str] | None = self.layout.class_names
        self.notes = self.layout.roles.notes
        self._scan, self._what, self.at, self._path = scan, what, source.at, path
        whole = Span(0, self.total_rows)
        self._spans = spans or (lambda *_: iter((whole,)))
        self._on_fault = options.on_fault
        target = self.layout.roles.target if options.targets else None
        self._target_name = None if target is None else self.layout.columns[target].name
        self.classes: int | None = len(self.layout.roles.classes)
        if self.layout.list_column is not None:
            self.classes = self._list_length(self.layout.list_column)
        cells = self.total_rows * (self.classes or 1)
        check_expansion(cells * np.dtype(self.layout.dtype).itemsize, Path(file).stat().st_size, source.name)
        self.facts = {
            "format": what.lower(),
            "shape": [self.total_rows, self.classes],
            "dtype": np.dtype(self.layout.dtype).name,
            "columns": [
                {"name": column.name, "kind": column.described, "role": self.layout.roles.role_of(place)}
                for place, column in enumerate(self.layout.columns)
            ],
        }

    def share_read(self) -> float | None:
        """Nothing: the rows are known."""
        return None

    def _list_length(self, name: str) -> int | None:
        next(self._spans([name], 1), None)  # only for its checks
        with polars_errors(self.at, self._what):
            first = self._scan.select(exactly(name)).head(1).collect()
        lists = [values for values in first[name].to_list() if values is not None]
        if lists and not lists[0]:
            raise InputError("no-classes", f"column {visible(name)!r} begins with an empty list", at=self.at)
        if len(first) and not lists:
            raise InputError("no-classes", f"column {visible(name)!r} begins with a null, expected a list", at=self.at)
        return len(lists[0]) if lists else None

    def frames(self, names: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """Scan the table from its start, all columns or those named."""
        rows = max(1, BATCH_BYTES // (8 * (self.classes or 1)))
        scan = self._scan if names is None else self._scan.select(exactly(*names))
        most = max(1, SPAN_BYTES // (np.dtype(self.layout.dtype).itemsize * (self.classes or 1)))
        spans = self._spans(names or [column.name for column in self.layout.columns], most)
        empty = True
        for begun in _one_ahead(spans, lambda span: self._begin(scan, span, rows)):
            for frame in begun:
                empty = False
                yield from frame.iter_slices(rows)
                del frame  # its memory is needed for the next one
        if empty:
            yield scan.head(0).collect()

    def _begin(self, scan: pl.LazyFrame, span: Span, rows: int) -> Iterator[pl.DataFrame]:
        """Let the library begin to read a span; its tables are yielded."""
        with polars_errors(self.at, self._what):
            batches = scan.slice(span.first, span.rows).collect_batches(chunk_size=rows, maintain_order=True)
        return self._received(batches, span)

    def _received(self, batches: Iterator[pl.DataFrame], span: Span) -> Iterator[pl.DataFrame]:
        found = 0
        while True:
            with polars_errors(self.at, self._what):
                frame = next(batches, None)
            if frame is None:
                break
            found += len(frame)
            yield frame
            del frame
        if found != span.rows:  # a damaged part can end the scan without an error
            message = (
                f"not a whole {self._what} file ({span.first + found:,} of {self.total_rows:,} rows could be read)"
            )
            raise InputError("bad-columnar", message, at=self.at)

    def __iter__(self) -> Iterator[LogitBatch]:
        return (read() for read in self.parts())

    def parts(self) -> Iterator[Callable[[], LogitBatch]]:
        """Read the table from its start; what makes a batch of its columns may be called on any thread."""
        row = 0
        names = [self.layout.columns[place].name for place in self.layout.roles.classes]
        wanted = [*names, *(name for name in (self.layout.id_name, self._target_name) if name is not None)]
        for frame in self.frames(wanted):
            numbers = np.arange(row, row + len(frame), dtype=np.int64)
            keep = self.sound_rows(frame, row)
            row += len(frame)
            if not keep.all():
                frame, numbers = frame.filter(keep), numbers[keep]
            read = functools.partial(self._batch, frame, numbers)
            del frame  # a view would keep all that was read with it
            yield read

    def _batch(self, frame: pl.DataFrame, numbers: NDArray[np.int64]) -> LogitBatch:
        return LogitBatch(self.name, self.values(frame), numbers, self._ids(frame), targets=self._targets(frame))

    def _targets(self, frame: pl.DataFrame) -> NDArray[Any] | list[str] | None:
        return None if self._target_name is None else column_values(frame[self._target_name])

    def _ids(self, frame: pl.DataFrame) -> list[str] | None:
        import polars as pl

        if self.layout.id_name is None:
            return None
        return frame[self.layout.id_name].cast(pl.String).fill_null("").to_list()

    def sound_rows(self, frame: pl.DataFrame, first: int) -> NDArray[np.bool_]:
        """Report the rows that lack values; a mask of the others."""
        import polars as pl

        name = self.layout.list_column
        if name is None:
            numbers = self._numbers(frame)
            counts = zip(numbers.columns, numbers.null_count().row(0), strict=True)
            faulty = [numbers[column] for column, count in counts if count]
            keep = np.ones(len(frame), bool)
            for column in faulty:
                keep &= column.is_not_null().to_numpy()
            for row in np.nonzero(~keep)[0]:
                column = next(column for column in faulty if column[int(row)] is None)
                self._fault(
                    "bad-value", first + int(row), f"column {visible(column.name)!r} is null, expected a number"
                )
            return keep
        lists = frame[name]
        lists = lists.arr.to_list() if isinstance(lists.dtype, pl.Array) else lists
        lengths = lists.list.len().fill_null(-1).to_numpy()
        nulls = lists.list.eval(pl.element().is_null()).list.any().fill_null(False).to_numpy()
        keep = (lengths == self.classes) & ~nulls
        for row in np.nonzero(~keep)[0]:
            if lengths[row] == self.classes:
                self._fault("bad-value", first + int(row), f"a null in column {visible(name)!r}, expected a number")
            else:
                self._fault("ragged-row", first + int(row), f"{max(lengths[row], 0)} values, expected {self.classes}")
        return np.asarray(keep)

    def _fault(self, slug: str, row: int, message: str) -> None:
        hint = "pass --on-error skip to drop such rows"
        self._on_fault(InputError(slug, message, at=Location(self.name, row=row), hint=hint))

    def _numbers(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The columns of the classes; without the library's selection, which takes milliseconds for 1,000."""
        import polars as pl

        names = list(self.class_names or ())
        if frame.columns == names:
            return frame
        columns = {column.name: column for column in frame.get_columns()}
        return pl.DataFrame([columns[name] for name in names])

    def values(self, frame: pl.DataFrame) -> FloatArray:
        """The logits of a frame whose rows are sound: (rows, classes)."""
        name = self.layout.list_column
        if name is None:
            return self._numbers(frame).to_numpy(order="c").astype(self.layout.dtype, copy=False)
        flat = frame[name].explode(empty_as_null=False).to_numpy()
        return flat.reshape(len(frame), self.classes or 1).astype(self.layout.dtype, copy=False)


def column_values(column: pl.Series) -> NDArray[Any] | list[str]:
    """A column's values: whole numbers as they are, anything else as text; a null is an empty text."""
    import polars as pl

    if column.dtype.is_integer() and not column.null_count():
        return column.to_numpy()
    return column.cast(pl.String).fill_null("").to_list()


def _one_ahead(spans: Iterable[Span], begin: Callable[[Span], T]) -> Iterator[T]:
    """Begin with each span before the one in front of it is used, so that reading and ranking overlap."""
    waiting: list[T] = []
    for span in spans:
        if span.apart:
            yield from waiting
            yield begin(span)
            waiting.clear()
            continue
        waiting.append(begin(span))
        if len(waiting) > 1:
            yield waiting.pop(0)
    yield from waiting


def _open_table(
    source: Input, scan: Scan, what: str, options: ReadOptions, check: Callable[[str], Spans] | None = None
) -> FrameSource:
    stack = contextlib.ExitStack()
    path = stack.enter_context(local_path(source))
    if not Path(path).stat().st_size:
        raise InputError("empty-input", "the file is empty", at=source.at)
    spans = None if check is None else check(path)
    with polars_errors(source.at, what):
        frame = scan(path, source.at)
    return FrameSource(source, stack, frame, what, options, path, spans)


def scan_parquet(source: Input, options: ReadOptions) -> FrameSource:
    """Open a Parquet file as a table."""
    return _open_table(source, lazy_parquet, "Parquet", options, lambda path: checked_spans(path, source.at))


def scan_arrow(source: Input, options: ReadOptions) -> FrameSource:
    """Open an Arrow file, of the random-access or the streaming kind, as a table."""
    return _open_table(source, lazy_arrow, "Arrow", options)


def open_arrow(source: Input, options: ReadOptions) -> Source:
    """Open an Arrow file as logits."""
    return rows_or_columns(lambda chosen: scan_arrow(source, chosen), options)
