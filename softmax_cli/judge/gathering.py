"""From a stream of logits and targets to samples that can be gone through again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import FloatArray, LogitBatch
from softmax_cli.confidence.calibration import logarithms
from softmax_cli.errors import FaultHandler, InputError, Location, fail_on_fault
from softmax_cli.judge.samples import IndexArray, Samples, keep_samples
from softmax_cli.judge.truth import Truth

_SUM_TOLERANCE = 1e-3


@dataclass
class Gathering:
    """Takes the rows that can be judged, and looks at them on their way.

    name: of the input. takes: what the values are said to be, logits or probabilities. as_logits: turn probabilities
    into logits, and refuse rows whose true class is impossible. on_fault takes their errors. advance: told the rows of
    each batch.
    """

    name: str
    takes: str = "logits"
    as_logits: bool = True
    on_fault: FaultHandler = fail_on_fault
    advance: Callable[[int], None] = lambda rows: None
    left_out: int = 0
    zeros: int = 0
    _seem_shares: bool = field(default=True, init=False)

    def samples(self, pairs: Iterable[tuple[LogitBatch, Truth]]) -> Samples:
        """Keep all rows.

        Raises InputError where they are probabilities and said to be logits, or the other way round; for targets of
        several classes a row; and as `keep_samples` does.
        """
        samples = keep_samples(self.name, self._values(pairs))
        if self.takes == "logits" and self._seem_shares:
            samples.close()
            message = "these are probabilities: every row's values are from 0 to 1 and sum to 1"
            hint = "give the logits, or say --from probabilities"
            raise InputError("not-logits", message, at=Location(self.name), hint=hint)
        return samples

    def notes(self) -> list[str]:
        """What to say of the rows."""
        notes = []
        if self.left_out:
            notes.append(f"{_count(self.left_out, 'row')} without a softmax left out")
        if self.zeros:
            notes.append(f"{_count(self.zeros, 'probability', 'probabilities')} of 0 stay 0 whatever is fitted")
        return notes

    def _values(self, pairs: Iterable[tuple[LogitBatch, Truth]]) -> Iterator[tuple[FloatArray, IndexArray]]:
        for batch, truth in pairs:
            if truth.indices is None:
                message = "the targets give several classes a row, or shares of them; calibrate needs one class a row"
                raise InputError("calibration-data", message, at=Location(self.name))
            values, targets = batch.logits, truth.indices
            keep = np.isfinite(values.max(axis=1)) if values.shape[1] else np.ones(len(values), bool)
            # Under --nan propagate such rows are no errors, but nothing can be fitted on them.
            self.left_out += int(np.count_nonzero(~keep))
            if values.shape[1] and self.as_logits:
                keep &= self._possible(batch, targets, keep)
            self.advance(len(batch))
            whole = bool(keep.all())
            yield self._looked_at(values if whole else values[keep]), targets if whole else targets[keep]

    def _possible(self, batch: LogitBatch, targets: IndexArray, among: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which rows' true class has a probability above 0; the others are errors."""
        of_truth = np.take_along_axis(batch.logits, targets[:, None], axis=1)[:, 0]
        never = -np.inf if self.takes == "logits" else 0.0
        for place in np.flatnonzero((of_truth == never) & among):
            what = "has probability 0" if self.takes == "probabilities" else "is masked (a logit of -inf)"
            message = f"the true class, {targets[place]}, {what}: no calibration can change that"
            at = Location(batch.source_of(int(place)), row=int(batch.rows[place]))
            self.on_fault(InputError("calibration-data", message, at=at, hint="--on-error skip drops such rows"))
        return np.asarray(of_truth != never)

    def _looked_at(self, values: FloatArray) -> FloatArray:
        if self.takes == "logits":
            if self._seem_shares and len(values):
                self._seem_shares = seem_shares(values)
            return values
        try:
            logits = logarithms(values)
        except ValueError as error:
            raise InputError("not-probabilities", str(error), at=Location(self.name)) from error
        self.zeros += int(np.count_nonzero(values == 0))
        return logits if self.as_logits else values


def seem_shares(values: FloatArray) -> bool:
    """Whether every row holds numbers from 0 to 1 that sum to 1."""
    sums = values.sum(axis=1, dtype=np.float64)
    return bool((np.abs(sums - 1) <= _SUM_TOLERANCE).all() and values.min() >= 0 and values.max() <= 1)


def _count(number: int, what: str, several: str | None = None) -> str:
    return f"{number:,} {what if number == 1 else several or what + 's'}"
