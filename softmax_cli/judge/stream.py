"""Logits with their targets, as a stream: what evaluation and calibration read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from softmax_cli.batch import Fault, LogitBatch, Source
from softmax_cli.errors import FaultHandler, fail_on_fault
from softmax_cli.judge.naming import IGNORED
from softmax_cli.judge.truth import Targets, Truth
from softmax_cli.pipeline import split_finite


@dataclass(frozen=True, slots=True)
class JudgeOptions:
    """What becomes of rows that can't be judged; the fields are named as the options are.

    nan: "error" takes rows without a softmax for errors, "propagate" hands them on. on_fault takes the errors of
    rows, on_input_fault those of inputs among the rows. names: of the classes, for messages. lost: how many rows the
    reader has dropped so far.
    """

    nan: str = "error"
    names: Sequence[str] | None = None
    on_fault: FaultHandler = field(default=fail_on_fault)
    on_input_fault: FaultHandler = field(default=fail_on_fault)
    lost: Callable[[], int] = lambda: 0


def paired(source: Source, targets: Targets) -> Iterator[tuple[LogitBatch, Truth]]:
    """Each batch with its targets, as they come: to be looked through by `sound`."""
    targets.restart()
    for batch in source:
        yield batch, targets.of(batch)


@dataclass(frozen=True, slots=True)
class Sound:
    """The rows of a batch that can be judged, with their targets; the errors of others; how many were ignored."""

    batch: LogitBatch
    truth: Truth
    faults: Sequence[Fault]
    ignored: int


def heeded(batch: LogitBatch, truth: Truth) -> Sound:
    """Leave out the rows whose target is to be ignored."""
    if truth.indices is None:
        return Sound(batch, truth, (), 0)
    keep = truth.indices != IGNORED
    ignored = len(batch) - int(np.count_nonzero(keep))
    return Sound(batch.select(keep), truth.select(keep), (), ignored) if ignored else Sound(batch, truth, (), 0)


def sound(batch: LogitBatch, truth: Truth, nan: str = "error", names: Sequence[str] | None = None) -> Sound:
    """Leave out the rows whose target is to be ignored, and those that have no softmax unless `nan` is "propagate"."""
    found = heeded(batch, truth)
    if nan != "error":
        return found
    batch, truth = found.batch, found.truth
    numbered = replace(batch, positions=None, order=np.arange(len(batch), dtype=np.int64))
    kept, faults = split_finite(numbered, names)
    if not faults:
        return found
    keep = np.zeros(len(batch), bool)
    keep[kept.order] = True
    return Sound(batch.select(keep), truth.select(keep), faults, found.ignored)


@dataclass
class Judged:
    """Iterates the rows of a source that can be judged, with their targets; counts those it left out.

    rows, ignored, dropped: of the last pass: the rows that came, those with an ignored target, those with an error.
    """

    source: Source
    targets: Targets
    options: JudgeOptions
    rows: int = 0
    ignored: int = 0
    dropped: int = 0

    def __iter__(self) -> Iterator[tuple[LogitBatch, Truth]]:
        self.rows = self.ignored = self.dropped = 0
        for batch, truth in paired(self.source, self.targets):
            found = sound(batch, truth, self.options.nan, self.options.names)
            for fault in batch.faults:
                self.options.on_input_fault(fault.error)
            for fault in found.faults:
                self.options.on_fault(fault.error)
            self.rows += len(found.batch)
            self.ignored += found.ignored
            self.dropped += len(found.faults)
            yield found.batch, found.truth
        self.targets.finish(self.options.lost())


def judged(source: Source, targets: Targets, options: JudgeOptions | None = None) -> Judged:
    """Pair a source's batches with their targets, in constant memory; iterate as often as the source allows.

    Rows whose target is ignored are left out and counted, and so are bad rows, whose errors go to the handlers of
    the options. Batches may come out empty. Raises InputError as the source and the targets do.
    """
    return Judged(source, targets, options or JudgeOptions())
