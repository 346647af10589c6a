"""Source → ranking → sink: in order, in bounded memory, with reading, ranking and writing at the same time."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias, TypeVar

import numpy as np

from softmax_cli.batch import Fault, LogitBatch, Ranked, Source, SourceInParts
from softmax_cli.classes.stage import ClassChoice
from softmax_cli.concurrency import overlap
from softmax_cli.confidence.ranking import Confidence
from softmax_cli.errors import FaultHandler, InputError, Location, fail_on_fault
from softmax_cli.labels import check_count
from softmax_cli.ranking import rank_batch
from softmax_cli.sinks.base import Sink

T = TypeVar("T")
Part: TypeAlias = Callable[[], LogitBatch]
# With NaN, +inf, or nothing but -inf among the logits, every probability is NaN: no need to look at all logits first.
_NAN_WHERE_BAD = ("softmax", "log-softmax")


@dataclass(frozen=True, slots=True)
class RankOptions:
    """How logits become ranked classes. The fields are named as the command's options are.

    activation: None leaves it to the input, which mostly is logits: softmax.
    labels: names that override those of the input; labels_from: their file, for messages. on_fault takes the errors
    of rows, on_input_fault those of inputs that failed among others. keep_faults: hand them on to the sink as well.
    confidence: a calibration, conformal sets, or when to abstain. classes: some of them, or groups; None: all.
    """

    top: int = 5
    activation: str | None = None
    temperature: float = 1.0
    min_probability: float | None = None
    labels: tuple[str, ...] | None = None
    labels_from: str = ""
    nan: str = "error"
    jobs: int = 1
    on_fault: FaultHandler = field(default=fail_on_fault)
    on_input_fault: FaultHandler = field(default=fail_on_fault)
    keep_faults: bool = False
    confidence: Confidence | None = None
    classes: ClassChoice | None = None


def usable_cores() -> int:
    """The processor cores that this process may use: its affinity, and a container's quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        with open("/sys/fs/cgroup/cpu.max", encoding="ascii") as file:  # noqa: PTH123 - one line of a pseudo-file
            quota, period = file.read().split()
        cores = min(cores, max(1, -(-int(quota) // int(period))))
    return cores


def split_finite(batch: LogitBatch, names: Sequence[str] | None) -> tuple[LogitBatch, list[Fault]]:
    """Find rows that have no softmax: with NaN, with +inf, or with nothing but -inf.

    Returns the batch without them, and a fault for each, at its place among the rows that are left.
    """
    logits = batch.logits
    if not len(batch) or not logits.shape[1]:
        return batch, []
    top = logits.max(axis=1)
    bad = ~np.isfinite(top)
    if not bad.any():  # a NaN anywhere makes the maximum NaN
        return batch, []
    before = np.cumsum(~bad)
    return batch.select(~bad), [
        Fault(int(before[place]), _explain(batch, int(place), names)) for place in np.nonzero(bad)[0]
    ]


def _explain(batch: LogitBatch, place: int, names: Sequence[str] | None) -> InputError:
    logits = batch.logits[place]
    at = Location(batch.source_of(place), row=int(batch.rows[place]))
    if np.isneginf(logits).all():
        return InputError("masked-row", "every logit is -inf, so no class is left", at=at)
    is_nan = bool(np.isnan(logits).any())
    index = int(np.argmax(np.isnan(logits) if is_nan else np.isposinf(logits)))
    name = f" ({names[index]!r})" if names is not None else ""
    at = Location(at.source, row=at.row, column=str(index))
    hint = "--nan propagate keeps such rows as NaN, --on-error skip drops them"
    slug, what = ("nan-logit", "NaN") if is_nan else ("inf-logit", "+inf")
    return InputError(slug, f"the logit of class {index}{name} is {what}", at=at, hint=hint)


def names_for(source: Source, options: RankOptions) -> tuple[str, ...] | None:
    """The class names of a source: those of the options, else its own.

    Raises InputError where their number isn't that of the classes.
    """
    if options.labels is None:
        return None if source.class_names is None else tuple(source.class_names)
    if source.classes is not None:
        check_count(options.labels, source.classes, source.name, options.labels_from)
    return options.labels


def activation_for(source: Source, options: RankOptions) -> str:
    """What turns a source's values into probabilities: the user's word, else the source's own, else softmax."""
    return options.activation or source.activation or "softmax"


def rank_source(source: Source, options: RankOptions, idle: Callable[[], None] | None = None) -> Iterator[Ranked]:
    """Rank a source's batches, in order; at least one batch comes, if an empty one.

    idle: called where the next batch is long in coming.
    """
    names = names_for(source, options)
    rank = _ranker(source, options, names)
    for ranked, faults in _ranked(_parts(source), rank, source, options.jobs, idle):
        for fault in ranked.faults:
            options.on_input_fault(fault.error)
        for fault in faults:
            options.on_fault(fault.error)
        together = sorted([*ranked.faults, *faults], key=lambda fault: fault.place) if options.keep_faults else ()
        yield replace(ranked, faults=together) if together or ranked.faults else ranked


def _parts(source: Source) -> Iterator[Part]:
    """What reads the batches of a source; an empty one if there are none."""
    empty = True
    for part in source.parts() if isinstance(source, SourceInParts) else map(_read_already, source):
        empty = False
        yield part
    if empty:
        yield _read_already(LogitBatch(source.name, np.empty((0, source.classes or 0)), np.empty(0, np.int64)))


def _read_already(batch: LogitBatch) -> Part:
    return lambda: batch


def _ranker(
    source: Source, options: RankOptions, names: tuple[str, ...] | None
) -> Callable[[LogitBatch], tuple[Ranked, list[Fault]]]:
    """What ranks a batch, and finds the rows that have no softmax."""
    activation = activation_for(source, options)
    choice = options.classes
    rank_rows = _rank_rows(source, options, names, activation)
    shows_bad = rank_rows is rank_batch and activation in _NAN_WHERE_BAD
    ranked_batch = functools.partial(
        rank_rows,
        names=names,
        top=options.top,
        activation=activation,
        temperature=options.temperature,
        min_probability=options.min_probability,
    )

    def rank(batch: LogitBatch) -> tuple[Ranked, list[Fault]]:
        faults: list[Fault] = []
        if options.nan == "error" and not shows_bad:
            batch, faults = split_finite(batch, names)
            if choice is not None:
                batch, faults = choice.split_masked(batch, faults, names, activation)
        ranked = ranked_batch(batch)
        if options.nan == "error" and shows_bad and np.isnan(ranked.probabilities).any():
            batch, faults = split_finite(batch, names)
            ranked = ranked_batch(batch)
        return ranked, faults

    return rank


def _rank_rows(
    source: Source, options: RankOptions, names: tuple[str, ...] | None, activation: str
) -> Callable[..., Ranked]:
    """What ranks rows as the options want it: all classes, some of them, with a calibration, sets or abstention.

    Raises InputError where they don't fit the source.
    """
    choice, confidence = options.classes, options.confidence
    rank_rows = rank_batch if choice is None else choice.rank_batch
    if choice is not None and source.classes:
        choice.view(names, source.classes, activation, source.name)
    if confidence is not None:
        confidence.check(source.classes, names, activation, source.name)
        if not (confidence.is_plain and source.classes is not None):
            rank_rows = replace(confidence, rank=rank_rows).rank_batch
    return rank_rows


def _ranked(
    parts: Iterator[Part],
    rank: Callable[[LogitBatch], T],
    source: Source,
    jobs: int,
    idle: Callable[[], None] | None,
) -> Iterator[T]:
    """Read and rank on threads; an input that comes in one batch, at once: threads cost more than they save."""

    def work(part: Part) -> T:
        return rank(part())

    first = next(parts)()
    head = [_read_already(first)]
    is_whole = source.total_rows is not None and len(first) >= source.total_rows
    del first
    if not is_whole and not source.one_pass:  # a pipe may keep us waiting
        head += itertools.islice(parts, 1)
        is_whole = len(head) == 1
    if is_whole:
        yield work(head[0])
        yield from map(work, parts)  # there are none, but the reader's last checks
    else:
        yield from overlap(_emptying(head, parts), work, jobs, idle)


def _emptying(head: list[Part], parts: Iterator[Part]) -> Iterator[Part]:
    """Chain both, and let go of what was handed on."""
    while head:
        yield head.pop(0)
    yield from parts


def run(source: Source, options: RankOptions, sink: Sink, progress: Callable[[int], None] | None = None) -> int:
    """Rank a whole source into a sink; `progress` is told the rows of each batch. Returns the rows written."""
    rows = 0
    for ranked in rank_source(source, options, sink.flush):
        sink.write(ranked)
        rows += len(ranked)
        if progress is not None:
            progress(len(ranked))
    return rows
