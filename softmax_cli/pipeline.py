"""Source → ranking → sink: in order, in bounded memory, with reading, ranking and writing at the same time."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from softmax_cli.batch import LogitBatch, Ranked, Source
from softmax_cli.errors import FaultHandler, InputError, Location, fail_on_fault
from softmax_cli.labels import check_count
from softmax_cli.ranking import rank_batch
from softmax_cli.sinks.base import Sink

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class RankOptions:
    """How logits become ranked classes. The fields are named as the command's options are.

    labels: names that override those of the input; labels_from: their file, for messages.
    """

    top: int = 5
    activation: str = "softmax"
    temperature: float = 1.0
    min_probability: float | None = None
    labels: tuple[str, ...] | None = None
    labels_from: str = ""
    nan: str = "error"
    jobs: int = 1
    on_fault: FaultHandler = field(default=fail_on_fault)


def usable_cores() -> int:
    """The processor cores that this process may use: its affinity, and a container's quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        with open("/sys/fs/cgroup/cpu.max", encoding="ascii") as file:  # noqa: PTH123 - one line of a pseudo-file
            quota, period = file.read().split()
        cores = min(cores, max(1, -(-int(quota) // int(period))))
    return cores


def overlap(items: Iterable[T], work: Callable[[T], R], jobs: int) -> Iterator[R]:
    """Apply `work` on `jobs` threads and yield the results in order, while a thread goes on reading.

    At most `2 * jobs + 1` items are under way. An exception of the reader or of `work` is raised at its place.
    """
    results: queue.Queue[Future[R] | BaseException | None] = queue.Queue(2 * jobs)
    stop = threading.Event()

    def hand_on(item: Future[R] | BaseException | None) -> None:
        while not stop.is_set():
            with contextlib.suppress(queue.Full):
                results.put(item, timeout=0.1)
                return

    def read() -> None:
        try:
            for item in items:
                if stop.is_set():
                    return
                hand_on(pool.submit(work, item))
            hand_on(None)
        except BaseException as error:  # raised again where the results are taken
            hand_on(error)

    with ThreadPoolExecutor(jobs, thread_name_prefix="softmax-rank") as pool:
        threading.Thread(target=read, name="softmax-read", daemon=True).start()
        try:
            while (result := _take(results)) is not None:
                if isinstance(result, BaseException):
                    raise result
                yield result.result()
        finally:
            stop.set()


def _take(results: queue.Queue[T]) -> T:
    """Wait for the next result, awake often enough to see a signal.

    A native library's handler can make the system restart an endless wait, and Ctrl-C is then never answered.
    """
    while True:
        with contextlib.suppress(queue.Empty):
            return results.get(timeout=0.2)


def split_finite(batch: LogitBatch, names: Sequence[str] | None) -> tuple[LogitBatch, list[InputError]]:
    """Find rows that have no softmax: with NaN, with +inf, or with nothing but -inf.

    Returns the batch without them, and an error for each.
    """
    logits = batch.logits
    if not len(batch) or not logits.shape[1]:
        return batch, []
    top = logits.max(axis=1)
    bad = ~np.isfinite(top)
    if not bad.any():  # a NaN anywhere makes the maximum NaN
        return batch, []
    return batch.select(~bad), [_explain(batch, int(place), names) for place in np.nonzero(bad)[0]]


def _explain(batch: LogitBatch, place: int, names: Sequence[str] | None) -> InputError:
    logits = batch.logits[place]
    at = Location(batch.source, row=int(batch.rows[place]))
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


def rank_source(source: Source, options: RankOptions) -> Iterator[Ranked]:
    """Rank a source's batches, in order; at least one batch comes, if an empty one."""
    names = names_for(source, options)
    activation = source.activation or options.activation

    def batches() -> Iterator[LogitBatch]:
        empty = True
        for batch in source:
            empty = False
            yield batch
        if empty:
            yield LogitBatch(source.name, np.empty((0, source.classes or 0)), np.empty(0, np.int64))

    def rank(batch: LogitBatch) -> tuple[Ranked, list[InputError]]:
        faults: list[InputError] = []
        if options.nan == "error":
            batch, faults = split_finite(batch, names)
        ranked = rank_batch(
            batch,
            names,
            top=options.top,
            activation=activation,
            temperature=options.temperature,
            min_probability=options.min_probability,
        )
        return ranked, faults

    for ranked, faults in overlap(batches(), rank, options.jobs):
        for fault in faults:
            options.on_fault(fault)
        yield ranked


def run(source: Source, options: RankOptions, sink: Sink, progress: Callable[[int], None] | None = None) -> int:
    """Rank a whole source into a sink; `progress` is told the rows of each batch. Returns the rows written."""
    rows = 0
    for ranked in rank_source(source, options):
        sink.write(ranked)
        rows += len(ranked)
        if progress is not None:
            progress(len(ranked))
    return rows
