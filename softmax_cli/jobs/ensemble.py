"""The mean of several models' outputs for the same rows, as one more source of logits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.activation import Float64Array
from softmax_cli.batch import FloatArray, LogitBatch, Source
from softmax_cli.errors import FaultHandler, UsageError, fail_on_fault
from softmax_cli.jobs.usable_rows import unusable
from softmax_cli.judge.divergence import chances
from softmax_cli.matching.follower import Handlers
from softmax_cli.matching.keys import Match
from softmax_cli.matching.rows import Matcher, Member, SameRows
from softmax_cli.text import visible

PROBABILITIES = "probabilities"
LOGITS = "logits"


@dataclass(frozen=True, slots=True)
class EnsembleOptions:
    """How outputs become one.

    kind: whether probabilities or logits are averaged. weights: of the inputs, or None for the same. activation: None
    leaves it to the inputs. temperature: what the logits of each are divided by before they become probabilities.
    labels: names of the classes of all. nan: "error" takes rows without a softmax for errors.
    """

    kind: str = PROBABILITIES
    weights: tuple[float, ...] | None = None
    match: Match = Match.AUTO
    activation: str | None = None
    temperature: float = 1.0
    labels: tuple[str, ...] | None = None
    nan: str = "error"
    on_fault: FaultHandler = fail_on_fault


def read_weights(text: str) -> tuple[float, ...]:
    """Read weights with commas between them; they come to 1 together.

    Raises UsageError for what isn't a number from 0 on, or for nothing but 0.

    >>> read_weights("3,1")
    (0.75, 0.25)
    """
    try:
        weights = [float(part) for part in text.split(",")]
    except ValueError:
        weights = [math.nan]
    if not all(0 <= weight < math.inf for weight in weights):
        raise UsageError(f"--weights {visible(text, 60)}: expected numbers from 0 on, with commas between them")
    total = math.fsum(weights)
    if not 0 < total < math.inf:
        raise UsageError(f"--weights {visible(text, 60)}: they sum to {total:g}, so there is no mean")
    return tuple(weight / total for weight in weights)


class EnsembleSource:
    """The mean of the outputs of several sources; its rows are named as those of the first.

    The values are logits in float64. Of probabilities they're chosen so that the activation gives the mean back: the
    logarithm of the mean for softmax, its log-odds for sigmoid, the mean itself for what are probabilities already.
    Raises InputError where rows or classes can't be matched, UsageError for inputs whose outputs have no common mean.
    """

    def __init__(self, sources: Sequence[Source], options: EnsembleOptions):
        self._options = options
        self._sources = sources
        self._activations = [options.activation or source.activation or "softmax" for source in sources]
        self.activation: str | None = self._common_activation()
        count = len(sources)
        if options.weights is not None and len(options.weights) != count:
            raise UsageError(f"--weights: {len(options.weights)} of them for {count} inputs")
        self._weights = options.weights or (1 / count,) * count
        members = [Member(source, options.labels or source.class_names) for source in sources]
        self._matcher = Matcher(members, options.match, Handlers(options.on_fault))
        self.name = sources[0].name
        self.one_pass = True
        self.classes: int | None = self._matcher.classes
        self.class_names = next((member.names for member in members if member.names is not None), None)
        self.total_rows = sources[0].total_rows
        self.facts: Mapping[str, Any] = {}

    @property
    def notes(self) -> Sequence[str]:
        """What is averaged, how rows were matched, and the inputs' own notes."""
        names = ", ".join(visible(source.name, 60) for source in self._sources)
        weights = "equal weights"
        if self._options.weights is not None:
            weights = f"weights {', '.join(f'{weight:.4g}' for weight in self._weights)}"
        mean = f"mean of the {self._options.kind} of {len(self._sources)} inputs ({names}), {weights}"
        own = [
            note if source is self._sources[0] else f"{source.name}: {note}"
            for source in self._sources
            for note in source.notes
        ]
        return (*own, mean, *self._matcher.notes)

    def share_read(self) -> float | None:
        """How much of the first input was read."""
        return self._sources[0].share_read()

    def __iter__(self) -> Iterator[LogitBatch]:
        for same in self._matcher:
            if len(same.batch):
                same = self._usable(same)
            yield replace(same.batch, logits=self._mean([same.batch.logits, *same.logits]))

    def _common_activation(self) -> str:
        kinds = set(self._activations)
        if self._options.kind == LOGITS and "none" in kinds and self._options.activation is None:
            name = visible(self._sources[self._activations.index("none")].name)
            raise UsageError(f"{name} holds probabilities, not logits", hint="--ensemble probabilities takes both")
        if len(kinds) == 1:
            return self._activations[0]
        if self._options.kind == LOGITS or "sigmoid" in kinds:
            hint = "--activation takes all the same way"
            raise UsageError(f"the inputs need different activations: {', '.join(sorted(kinds))}", hint=hint)
        return "softmax"

    def _usable(self, same: SameRows) -> SameRows:
        """Leave out rows that have no softmax in one of the inputs; the error of each names the input."""
        if self._options.nan != "error":
            return same
        kept = np.ones(len(same.batch), bool)
        for member, (source, activation) in enumerate(zip(self._sources, self._activations, strict=True)):
            bad, errors = unusable(same, member, source.name, activation)
            for place, error in zip(np.flatnonzero(bad).tolist(), errors, strict=True):
                if kept[place]:  # one error a row
                    self._options.on_fault(error)
            kept &= ~bad
        if kept.all():
            return same
        keys = [key for key, usable in zip(same.keys, kept.tolist(), strict=True) if usable]
        logits = tuple(values[kept] for values in same.logits)
        return replace(same, batch=same.batch.select(kept), logits=logits, keys=keys)  # type: ignore[arg-type]

    def _mean(self, outputs: Sequence[FloatArray]) -> NDArray[np.float64]:
        """The mean of (rows, classes) outputs."""
        pairs = [(weight, values) for weight, values in zip(self._weights, outputs, strict=True) if weight]
        with np.errstate(all="ignore"):
            if self._options.kind == LOGITS or self.activation == "none":
                return weighted_mean(pairs)
            activations = [name for name, weight in zip(self._activations, self._weights, strict=True) if weight]
            logs = [
                (weight, self._logs(values, name)) for (weight, values), name in zip(pairs, activations, strict=True)
            ]
            mean = log_mean(logs)
        if self.activation != "sigmoid":
            return mean
        there, absent = np.split(mean, 2, axis=1)
        return np.asarray(there - absent)

    def _logs(self, values: FloatArray, activation: str) -> Float64Array:
        if activation == "none" or self._options.temperature == 1.0:
            return chances(values, "none" if activation == "none" else activation).logs
        return chances(values.astype(np.float64) / self._options.temperature, activation).logs


def weighted_mean(pairs: Sequence[tuple[float, FloatArray]]) -> Float64Array:
    """The mean of arrays with weights that sum to 1, in float64; -inf in one of them makes it -inf."""
    total = np.zeros(pairs[0][1].shape)
    for weight, values in pairs:
        total += weight * values.astype(np.float64)
    return total


def log_mean(pairs: Sequence[tuple[float, Float64Array]]) -> Float64Array:
    """The logarithm of the mean of probabilities that are given as logarithms: none underflows.

    >>> float(log_mean([(0.5, np.array([-1000.0])), (0.5, np.array([-1000.0]))])[0])
    -1000.0
    """
    top = np.maximum.reduce([logs for _, logs in pairs])
    origin = np.where(np.isneginf(top), 0.0, top)
    total = np.zeros(top.shape)
    for weight, logs in pairs:
        total += weight * np.exp(logs - origin)
    return np.asarray(origin + np.log(total))
