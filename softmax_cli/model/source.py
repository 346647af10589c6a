"""A model with an input is one more source of logits."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import Fault, LogitBatch, joined
from softmax_cli.errors import Location
from softmax_cli.model.activation import check_values
from softmax_cli.model.classifier import Classifier, map_values
from softmax_cli.model.feeding import Feed, Feeder, Window
from softmax_cli.model.scores import Scores, batch_of, read_scores

# What is ranked and written at once costs much more than one sample of it: windows of fewer samples are joined.
_SAMPLES = 16
_BYTES = 4 << 20  # but not the maps of many pixels

SaveInput = Callable[[Mapping[str, NDArray[Any]], int], None]


class ModelSource:
    """The logits that a classifier gives for the samples of an input, or of many.

    The first window is run when the source is made: it tells the classes, and what the outputs are. save_input:
    takes the tensors of each run, and how many samples of them are real.
    """

    def __init__(self, classifier: Classifier, feeder: Feeder, save_input: SaveInput | None = None):
        self._classifier = classifier
        self._feeder = feeder
        self._save_input = save_input
        self.name = feeder.name
        self.one_pass = True
        self.classes: int | None = None
        self._inner: int | None = None
        self._keys: tuple[str, ...] | None = None
        self._form = (1, 2)  # the class axis, and the dimensions of the output
        self._rows = 0
        self._is_read = False
        self._results = _gathered(self._run_all())
        self._start: list[LogitBatch] = []
        classifier.begin_with_graph()  # the first values are asked what they are, and meanwhile computed
        for batch in self._results:  # windows in which every input failed tell nothing
            self._start.append(batch)
            if len(batch):
                break
        first = self._start[-1] if self._start and len(self._start[-1]) else None
        self.classes = None if first is None else int(first.logits.shape[1])
        self._decision_notes = self._decide(first)

    @property
    def notes(self) -> Sequence[str]:
        """The decisions that were made for the user; what only the whole input tells comes at the end."""
        late = self._feeder.late_notes if self._is_read else ()
        return (*self._feeder.notes, *self._decision_notes, *late)

    @property
    def total_rows(self) -> int | None:
        """The rows that all samples make, where that is known."""
        total = self._feeder.total_rows
        return None if total is None or self._inner is None else total * self._inner

    @property
    def activation(self) -> str | None:
        """What the outputs still need."""
        decision = self._classifier.decision
        return None if decision is None else decision.activation

    @property
    def class_names(self) -> Sequence[str] | None:
        """The names that the model gives its classes.

        Raises InputError where there are more or fewer of them than classes.
        """
        return None if self.classes is None else self._classifier.labels(self.classes, self._keys)[0]

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the input is."""
        return self._feeder.facts

    def share_read(self) -> float | None:
        """How much of the samples was read so far."""
        return self._feeder.share_read()

    def _decide(self, first: LogitBatch | None) -> tuple[str, ...]:
        """Decide on the activation with the first values, once a run; the note that says so."""
        classifier = self._classifier
        announced = classifier.decision is not None
        if first is None:
            return ()
        decision = classifier.decide(first.logits, *self._form)
        if announced:
            return ()
        return (*self._axis_note(), *(() if decision.reason == "--activation" else (decision.note,)))

    def _axis_note(self) -> tuple[str, ...]:
        """Doubt about the class axis of an output that looks like a picture."""
        axis, dimensions = self._form
        if dimensions < 4 or axis != dimensions - 1:
            return ()
        return (f"the classes of output {self._classifier.output} lie along its last axis (--axis 1 for segmentation)",)

    def __iter__(self) -> Iterator[LogitBatch]:
        for batch in itertools.chain(self._start, self._results):
            if self._classifier.decision is not None and len(batch):
                at = Location(batch.source_of(0), row=int(batch.rows[0]))
                check_values(self._classifier.decision, batch.logits, at)
            yield batch
        self._start = []
        self._is_read = True

    def _run_all(self) -> Iterator[LogitBatch]:
        waiting: tuple[Fault, ...] = ()  # inputs that failed before the first row
        nothing = LogitBatch(self.name, np.empty((0, 0), np.float32), np.empty(0, np.int64))
        for window, scores in self._feeder.through(self._scores):
            if not scores:
                waiting += tuple(window.faults)
                continue
            batch = self._batch(window, scores)
            nothing = batch.select(np.zeros(len(batch), bool))  # like the others, also where it comes last
            if waiting:
                batch = replace(batch, faults=[*(Fault(0, fault.error) for fault in waiting), *batch.faults])
                waiting = ()
            yield batch
        if waiting:
            yield replace(nothing, faults=[Fault(0, fault.error) for fault in waiting])

    def _scores(self, window: Window) -> list[Scores]:
        """Run a window; several may be under way at once."""
        return [self._run(feed) for feed in window.feeds]

    def _batch(self, window: Window, scores: Sequence[Scores]) -> LogitBatch:
        if self._save_input is not None:
            for feed in window.feeds:
                self._save_input(feed.tensors, len(feed.places))
        self._form = (scores[0].axis, scores[0].dimensions)
        batch = batch_of(window, scores, self._feeder.total_rows, self._rows)
        self._inner = scores[0].values.shape[1] if batch.positions is None else None
        self._rows += len(batch)
        return batch

    def _run(self, feed: Feed) -> Scores:
        classifier = self._classifier
        result = classifier.model.run(classifier.output.name, feed.tensors)
        if classifier.output.is_zipmap:
            result, self._keys = map_values(result, classifier.model)
        return read_scores(np.asarray(result), feed, classifier.options.axis, classifier.model.at, classifier.output)


def _gathered(batches: Iterator[LogitBatch]) -> Iterator[LogitBatch]:
    """Join small batches, each the samples of several inputs."""
    waiting: list[LogitBatch] = []
    for batch in batches:
        if waiting and not _fit_together(waiting, batch):
            yield joined(waiting)
            waiting = []
        waiting.append(batch)
        if batch.sources is None or sum(map(_samples, waiting)) >= _SAMPLES:
            yield joined(waiting)
            waiting = []
    if waiting:
        yield joined(waiting)


def _samples(batch: LogitBatch) -> int:
    return len(batch) // math.prod(batch.shape)


def _fit_together(waiting: Sequence[LogitBatch], batch: LogitBatch) -> bool:
    first = waiting[0]
    alike = (first.shape, first.logits.shape[1]) == (batch.shape, batch.logits.shape[1])
    return alike and sum(item.logits.nbytes for item in waiting) + batch.logits.nbytes <= _BYTES
