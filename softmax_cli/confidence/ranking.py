"""Ranking with a calibration, into conformal sets, or with rows to abstain on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from softmax_cli.activation import activate
from softmax_cli.batch import FloatArray, LogitBatch, Ranked
from softmax_cli.confidence.abstain import Abstention
from softmax_cli.confidence.calibration import Calibration
from softmax_cli.confidence.sets import ConformalSets
from softmax_cli.errors import InputError, Location
from softmax_cli.ranking import TopK, rank_batch, ranked
from softmax_cli.text import visible


@dataclass(frozen=True, slots=True)
class Confidence:
    """What is done to a ranking so that it can be acted on; each part may be missing. rank: ranks what isn't."""

    calibration: Calibration | None = None
    sets: ConformalSets | None = None
    abstention: Abstention | None = None
    rank: Callable[..., Ranked] = rank_batch

    @property
    def is_plain(self) -> bool:
        """Whether dividing the logits by the temperature is all there is to do."""
        alone = self.sets is None and self.abstention is None
        return alone and self.calibration is not None and self.calibration.is_plain

    def check(self, classes: int | None, names: Sequence[str] | None, activation: str, source: str) -> None:
        """See that a source is what the calibration is for.

        Raises InputError.
        """
        if self.calibration is not None:
            self.calibration.check(classes, names, source)
            self.calibration.check_activation(activation, source)

    def rank_batch(
        self,
        batch: LogitBatch,
        names: tuple[str, ...] | None,
        *,
        top: int = 5,
        activation: str = "softmax",
        temperature: float = 1.0,
        min_probability: float | None = None,
    ) -> Ranked:
        """Rank a batch as `ranking.rank_batch` does; sets need every class, and leave `top` aside."""
        more = 0 if self.sets is not None or not top else max(top, 2 if self.abstention is not None else top)
        calibration = self.calibration
        if calibration is not None:
            calibration.check(int(batch.logits.shape[1]), None, batch.source)
        if calibration is None or calibration.is_plain:
            by = temperature if calibration is None else calibration.temperature
            ranked = self.rank(
                batch, names, top=more, activation=activation, temperature=by, min_probability=min_probability
            )
        else:
            ranked = rank_calibrated(batch, names, calibration, more, activation, min_probability)
        if self.sets is not None:
            ranked = self.sets.cut(ranked)
        if self.abstention is not None:
            ranked = replace(ranked, abstained=self.abstention.rows(ranked, activation))
        return ranked if more == top or self.sets is not None else _first(ranked, top)


def calibrated(calibration: Calibration, values: FloatArray, source: str) -> NDArray[np.float64]:
    """Calibrated logits, (..., classes).

    Raises InputError where the values aren't what the calibration takes.
    """
    try:
        return calibration.apply(values)
    except ValueError as error:
        hint = f"{visible(calibration.name)} was fitted on {calibration.takes}"
        raise InputError("calibration-mismatch", str(error), at=Location(source), hint=hint) from error


def rank_calibrated(
    batch: LogitBatch,
    names: tuple[str, ...] | None,
    calibration: Calibration,
    top: int,
    activation: str,
    min_probability: float | None,
) -> Ranked:
    """Rank a batch by calibrated probability.

    The logits that come along are those of the input. Equal calibrated probabilities, of which isotonic curves make
    many, are ordered by the input's logit, then by class index.
    Raises InputError where the values aren't what the calibration takes.
    """
    scores = calibrated(calibration, batch.logits, batch.source)
    best = _top(scores, batch.logits, top, "softmax" if activation == "none" else activation)
    return ranked(batch, best, names, min_probability)


def _top(scores: FloatArray, logits: FloatArray, top: int, activation: str) -> TopK:
    """The top classes by calibrated logit, then by the input's, then by class index."""
    classes = scores.shape[1]
    k = min(top, classes) if top else classes
    probabilities = (activate(scores, activation) if classes else scores).astype(logits.dtype)
    order = np.lexsort((-logits, -scores), axis=1)[:, :k].astype(np.int64)
    chosen = np.take_along_axis(probabilities, order, axis=1)
    return TopK(order, np.take_along_axis(logits, order, axis=1), np.minimum.accumulate(chosen, axis=1))


def _first(ranked: Ranked, top: int) -> Ranked:
    """Only the `top` best classes of each row."""
    counts = None if ranked.counts is None else np.minimum(ranked.counts, top)
    return replace(
        ranked,
        indices=ranked.indices[:, :top],
        logits=ranked.logits[:, :top],
        probabilities=ranked.probabilities[:, :top],
        counts=counts,
    )
