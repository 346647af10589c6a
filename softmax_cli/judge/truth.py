"""What is true of each row: from a file, a column of the input, or the name of its folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import LogitBatch, Source
from softmax_cli.errors import InputError, Location, UsageError
from softmax_cli.judge.matching import Matcher, paths_of
from softmax_cli.judge.naming import Naming
from softmax_cli.judge.weights import kind_of_rows, weight_view
from softmax_cli.sources.base import ReadOptions
from softmax_cli.sources.target_files import TargetFile, read_target_file
from softmax_cli.text import visible

FOLDER = "folder"


@dataclass(frozen=True, slots=True)
class Truth:
    """The targets of a batch's rows, one of two kinds.

    indices: (rows,) int64 class indices, `IGNORED` (-1) where a row is to be left out. weights: (rows, classes)
    float64, how much each class is true: multi-hot, or a distribution.
    """

    indices: NDArray[np.int64] | None = None
    weights: NDArray[np.float64] | None = None

    def select(self, keep: NDArray[np.bool_]) -> Truth:
        """Only the rows where `keep`, a (rows,) mask, is true."""
        return Truth(
            None if self.indices is None else self.indices[keep], None if self.weights is None else self.weights[keep]
        )


class Targets(Protocol):
    """The targets of a source's rows. Call `of` with its batches in order, then `finish`."""

    kind: str
    """"indices" (one class a row), "multi-hot" (any number) or "soft" (a distribution over the classes)."""

    def restart(self) -> None:
        """Begin anew, before another pass over the source."""
        ...

    def of(self, batch: LogitBatch) -> Truth:
        """The targets of a batch; raises InputError where a row has none, or one that can't be."""
        ...

    def finish(self, lost: int = 0) -> None:
        """See that no target is left over, but for `lost` rows that were dropped; raises InputError."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What was decided for the user."""
        ...


@dataclass(frozen=True, slots=True)
class TargetOptions:
    """How targets are read. The fields are named as the options are.

    multi_label: rows with exactly one class are kept as (rows, classes), as for a sigmoid. axis: the class axis of
    targets that have one. reading: how a file of targets is laid out, its columns' names too.
    """

    ignore_index: int | None = None
    multi_label: bool = False
    axis: int = -1
    reading: ReadOptions = field(default_factory=ReadOptions)


def reading_for(targets: str | None, options: ReadOptions) -> tuple[ReadOptions, ReadOptions]:
    """How to read the logits, and how a file of targets, for a value of `--targets` (None: a column of the input).

    Raises UsageError where it names nothing that could be.
    """
    plain = replace(options, target_column=None)
    beside = ReadOptions(id_column=options.id_column, target_column=options.target_column)
    if targets is None:
        return replace(options, targets=True), beside
    if targets == FOLDER or _is_file(targets):
        # The column's name is then one of the file of targets.
        return plain, beside
    if options.target_column is not None and options.target_column != targets:
        raise UsageError(
            f"--targets {targets} is no file, and --target-column names another column",
            hint="one of them is enough",
        )
    if "/" in targets or Path(targets).suffix.lower() in _SUFFIXES:
        raise InputError("not-found", "no such file of targets", at=Location(targets))
    return replace(options, targets=True, target_column=targets), beside


_SUFFIXES = (".txt", ".csv", ".tsv", ".npy", ".npz", ".parquet", ".json", ".jsonl", ".arrow", ".gz", ".zst")


def _is_file(name: str) -> bool:
    try:
        return os.path.exists(name)  # noqa: PTH110 - also for names that no path can be
    except ValueError:
        return False


def open_targets(
    spec: str | None, source: Source, names: Sequence[str] | None, options: TargetOptions | None = None
) -> Targets:
    """Open the targets of a source's rows.

    spec: a file; `folder`, for the name of the folder that each row's input lies in; None or anything else for the
    column of the source, which `reading_for` made it hand on. names: of the classes, where they are known.
    Raises InputError where there are none, or plainly not those of these rows.
    """
    options = options or TargetOptions()
    if spec == FOLDER:
        if names is None:
            hint = "--labels FILE gives the classes their names"
            raise InputError("unknown-target", "folders name classes, but the classes have no names", hint=hint)
        return FolderTargets(source, names, options)
    if spec is not None and _is_file(spec):
        found = read_target_file(spec, options.reading, names)
        return FileTargets(found, source, names, options)
    return ColumnTargets(source, names, options, spec)


class _Named:
    """Class indices from what a batch says itself."""

    kind = "indices"

    def __init__(self, source: Source, names: Sequence[str] | None, options: TargetOptions):
        self._source = source
        self._names = names
        self._options = options
        self._naming: Naming | None = None

    def restart(self) -> None:
        """Nothing is kept between rows."""

    def finish(self, lost: int = 0) -> None:
        """Nothing can be left over."""

    @property
    def notes(self) -> Sequence[str]:
        """Nothing was decided."""
        return ()

    def naming(self, batch: LogitBatch) -> Naming:
        """How targets become indices, made for the number of classes that the first batch shows."""
        if self._naming is None:
            classes = batch.logits.shape[1]
            if classes == 1 and self._options.multi_label:
                classes = 2  # a single label, off or on
            self._naming = Naming(self._names, classes, self._options.ignore_index)
        return self._naming

    @staticmethod
    def at(batch: LogitBatch) -> Callable[[int], Location]:
        """Where a row of a batch stands."""
        return lambda place: Location(batch.source_of(place), row=int(batch.rows[place]))


class ColumnTargets(_Named):
    """The targets that a column, field or array of the input itself holds."""

    def __init__(self, source: Source, names: Sequence[str] | None, options: TargetOptions, wanted: str | None = None):
        super().__init__(source, names, options)
        self._wanted = wanted
        found = getattr(source, "targets", None)
        if isinstance(found, np.ndarray) and found.ndim > 1 and source.classes is not None:
            self.kind = kind_of_rows(found, options.multi_label, source.name)

    def of(self, batch: LogitBatch) -> Truth:
        """What the input says of the batch's rows."""
        values = batch.targets
        if values is None:
            raise no_targets(self._source.name, self._wanted)
        if not isinstance(values, np.ndarray):
            return Truth(self.naming(batch).of_texts(values, self.at(batch)))
        if values.dtype.kind in "US":
            return Truth(self.naming(batch).of_texts([str(item) for item in values.tolist()], self.at(batch)))
        if values.ndim == 1:
            return Truth(self.naming(batch).of_numbers(values, self.at(batch)))
        return _from_rows(values, self.kind, batch)


def no_targets(name: str, wanted: str | None = None) -> InputError:
    """Say that there is nothing to judge by; wanted: what was asked for."""
    if wanted is not None:
        message = f"--targets {visible(wanted, 60)}: there is no such file, and no such column in it"
        return InputError("no-targets", message, at=Location(name))
    hint = "--targets FILE, or --targets COLUMN of the input, or --targets folder"
    return InputError("no-targets", "there are no targets in it", at=Location(name), hint=hint)


class FolderTargets(_Named):
    """The name of the folder that a row's input lies in: matched by name, never by position."""

    def of(self, batch: LogitBatch) -> Truth:
        """The classes that are called as the parent folders of the batch's inputs."""
        paths = paths_of(batch, self._source.name) or batch.ids
        if paths is None:
            message = "the rows have neither sources nor ids, so no folder is known"
            hint = "softmax run --save-logits FILE.npz keeps the source of each row"
            raise InputError("no-targets", message, at=Location(self._source.name), hint=hint)
        folders = [PurePath(path.replace("\\", "/")).parent.name for path in paths]
        return Truth(self.naming(batch).of_texts(folders, self.at(batch)))


class FileTargets(_Named):
    """The targets of a file, matched by id or source where both have one, else by position."""

    def __init__(self, found: TargetFile, source: Source, names: Sequence[str] | None, options: TargetOptions):
        super().__init__(source, names, options)
        self._file = found
        self._weights: NDArray[Any] | None = None
        self._indices: NDArray[np.int64] | None = None
        values = found.values
        count = len(values)
        if isinstance(values, np.ndarray) and values.ndim > 1:
            self._weights = weight_view(values, source, options.axis, found.name)
            if self._weights is None:
                self._file = replace(found, values=values.reshape(-1))
                count = values.size
            else:
                self.kind = kind_of_rows(self._weights, options.multi_label, found.name)
                count = self._weights.size // self._weights.shape[-1]
        self._matcher = Matcher(found.ids, count, source.name, found.name)
        self._matcher.check_total(source.total_rows)

    @property
    def notes(self) -> Sequence[str]:
        """How rows were matched."""
        return self._matcher.notes

    def restart(self) -> None:
        """Forget which targets were used."""
        self._matcher.restart()

    def finish(self, lost: int = 0) -> None:
        """See that all targets were used."""
        self._matcher.finish(lost)

    def of(self, batch: LogitBatch) -> Truth:
        """The targets of a batch's rows."""
        places = self._matcher.places(batch)
        if self._weights is not None:
            return _from_rows(_taken(self._weights, places), self.kind, batch)
        values = self._file.values
        if isinstance(values, np.ndarray):
            at = self._file.at
            return Truth(self.naming(batch).of_numbers(_taken(values, places), lambda row: at(int(places[row]))))
        if self._indices is None and len(batch):
            self._indices = self.naming(batch).of_texts(values, self._file.at)
            self._file = replace(self._file, values=[])  # the texts aren't needed any more
        return Truth(np.empty(0, np.int64) if self._indices is None else self._indices[places])


def _taken(values: NDArray[Any], places: NDArray[np.int64]) -> NDArray[Any]:
    """Elements, or rows over the last axis, at places over the other axes in C order."""
    axes = values.shape[:-1] if values.ndim > 1 else values.shape
    if len(axes) > 1:
        return values[np.unravel_index(places, axes)]
    if len(places) and int(places[-1]) - int(places[0]) == len(places) - 1 and (np.diff(places) == 1).all():
        return values[int(places[0]) : int(places[-1]) + 1]
    return values[places]


def _from_rows(values: NDArray[Any], kind: str, batch: LogitBatch) -> Truth:
    """Rows of numbers over the classes as a truth of a kind."""
    if values.shape[1] != batch.logits.shape[1]:
        message = f"the targets have {values.shape[1]} classes, the logits {batch.logits.shape[1]}"
        raise InputError("bad-shape", message, at=Location(batch.source))
    if kind == "indices":
        return Truth(values.argmax(axis=1).astype(np.int64))
    return Truth(weights=values.astype(np.float64))
