"""A model with an input is one more source of logits."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import LogitBatch, Source, as_logits
from softmax_cli.errors import InputError, Location, ModelError
from softmax_cli.geometry import Geometry, cube_batch, shape_text
from softmax_cli.model.activation import Decision, decide_from_graph, decide_from_values, look_like_probabilities
from softmax_cli.model.inputs import Chunk, chunks, fit_shape
from softmax_cli.model.session import OnnxModel, Port, choose_input, choose_output

_MANY_ROWS = 1 << 40  # stands for a length that only reading tells


@dataclass
class Classifier:
    """A model, the output that holds its scores, and what they are.

    axis: the class axis of the output. decision: None until the graph or the first values tell. announced:
    whether the user was told of it.
    """

    model: OnnxModel
    output: Port
    axis: int
    decision: Decision | None
    announced: bool = False

    @classmethod
    def load(cls, path: str, output_name: str | None, axis: int, activation: str, threads: int) -> Classifier:
        """Load a model and choose its output; `activation` "auto" leaves the decision to the evidence."""
        model = OnnxModel(path, threads)
        output = choose_output(model.outputs, output_name, model.at)
        decision = Decision(activation, "--activation") if activation != "auto" else None
        return cls(model, output, axis, decision or decide_from_graph(path, output.name))

    @cached_property
    def input(self) -> Port:
        """The model's one input."""
        return choose_input(self.model.inputs, self.model.at)


class ModelSource:
    """The logits that a classifier gives for the samples of an input.

    The first chunk is run when the source is made: it tells the classes, and the activation where the graph
    doesn't.
    """

    def __init__(self, classifier: Classifier, samples: Source):
        self._classifier = classifier
        self._samples = samples
        self._at = Location(samples.name)
        self.name = samples.name
        self.one_pass = True
        self.class_names: Sequence[str] | None = None
        self._inner = 1
        known = samples.facts.get("shape")
        shape = None if known is None else tuple(known)
        fit = fit_shape(classifier.input, shape, samples.classes or 0, self._at)
        self._results = (self._run(chunk) for chunk in chunks(samples, fit, classifier.input, self._at))
        self._first = next(self._results, None)
        self.classes: int | None = None if self._first is None else int(self._first.logits.shape[1])
        rows = samples.total_rows
        self.total_rows: int | None = None if rows is None else rows * self._inner
        self.notes = (*samples.notes, *self._decide())

    @property
    def activation(self) -> str | None:
        """What the outputs still need."""
        decision = self._classifier.decision
        return None if decision is None else decision.activation

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the input is."""
        return self._samples.facts

    def share_read(self) -> float | None:
        """How much of the samples was read so far."""
        return self._samples.share_read()

    def _decide(self) -> tuple[str, ...]:
        """Decide on the activation with the first values, once a run; the note that says so."""
        classifier = self._classifier
        if classifier.decision is None and self._first is not None:
            classifier.decision = decide_from_values(self._first.logits)
        if classifier.decision is None or classifier.announced or classifier.decision.reason == "--activation":
            return ()
        classifier.announced = True
        wording = {"none": "no activation was applied", "softmax": "softmax was applied"}
        return (f"{classifier.decision.reason}; {wording[classifier.decision.activation]} (--activation overrides)",)

    def __iter__(self) -> Iterator[LogitBatch]:
        if self._first is None:
            return
        for batch in itertools.chain([self._first], self._results):
            self._check(batch)
            yield batch

    def _check(self, batch: LogitBatch) -> None:
        decision = self._classifier.decision
        if decision is None or not decision.from_values or decision.activation != "none":
            return
        if not look_like_probabilities(batch.logits):
            row = int(batch.rows[0])
            message = f"rows from {row} on aren't probabilities, as those before were"
            hint = "--activation softmax or --activation none says what the outputs are"
            at = Location(self.name, row=row)
            raise ModelError("activation-contradiction", message, at=at, hint=hint)

    def _run(self, chunk: Chunk) -> LogitBatch:
        classifier = self._classifier
        result = classifier.model.run(classifier.output.name, {classifier.input.name: chunk.samples})
        values = self._zipmap(result) if classifier.output.is_zipmap else np.asarray(result)
        return self._batch(values[: chunk.count] if values.ndim else values, chunk)

    def _batch(self, values: NDArray[Any], chunk: Chunk) -> LogitBatch:
        at = self._classifier.model.at
        if values.ndim < 2 or len(values) != chunk.count:
            found = shape_text(values.shape)
            message = f"output {self._classifier.output} is {found} for {chunk.count} samples, expected a row each"
            raise ModelError("unsupported-model", message, at=at)
        try:
            geometry = Geometry.of(values.shape, self._classifier.axis, at)
        except InputError as error:
            raise ModelError(error.slug, f"the model's output: {error.message}", at=at, hint=error.hint) from error
        if geometry.axis == 0:
            message = "--axis 0 is the batch axis of the model's output"
            raise ModelError("axis-range", message, at=at)
        cube = values.reshape(geometry.outer, geometry.classes, geometry.inner)
        flat = cube_batch(self.name, geometry, cube, 0, 0)
        self._inner = len(flat.logits) // chunk.count
        rows = (chunk.rows[:, None] * self._inner + np.arange(self._inner)).reshape(-1)
        ids = None if chunk.ids is None else [text for text in chunk.ids for _ in range(self._inner)]
        shape = (self._samples.total_rows or _MANY_ROWS, *geometry.row_shape[1:])
        return LogitBatch(self.name, as_logits(flat.logits), rows, ids, shape)

    def _zipmap(self, rows: list[dict[Any, float]]) -> NDArray[np.float32]:
        """A sequence of maps from class to score: the keys are the labels, in the first row's order."""
        keys = list(rows[0]) if rows else []
        if self.class_names is None:
            self.class_names = tuple(map(str, keys))
        if any(row.keys() != rows[0].keys() for row in rows):
            raise ModelError("unsupported-model", "the output's maps have different keys", at=self._classifier.model.at)
        return np.array([[row[key] for key in keys] for row in rows], np.float32)
