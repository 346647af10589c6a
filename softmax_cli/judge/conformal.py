"""Fits conformal sets, and measures how often they hold the truth."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import FloatArray, LogitBatch
from softmax_cli.confidence.calibration import Calibration
from softmax_cli.confidence.ranking import Confidence
from softmax_cli.confidence.sets import ConformalSets, SetRule
from softmax_cli.judge.samples import IndexArray, Mask, Samples
from softmax_cli.judge.splits import Splits

Float64Array = NDArray[np.float64]

_NORMAL_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Coverage:
    """What sets were like on some rows: how many held the truth, how many were empty, and how large they were."""

    rows: int
    held: int
    empty: int
    total: int
    largest: int

    def as_record(self) -> dict[str, Any]:
        """The figures, of JSON's types; the interval is Wilson's of 95 %."""
        low, high = wilson(self.held, self.rows)
        return {
            "coverage": self.held / self.rows,
            "coverage_95": [low, high],
            "mean_size": self.total / self.rows,
            "largest_size": self.largest,
            "empty": self.empty,
        }


@dataclass(frozen=True, slots=True)
class SetsReport:
    """Fitted sets with their coverage, measured as `measured` says."""

    sets: ConformalSets
    rows: int
    coverage: Coverage
    measured: str
    notes: Sequence[str] = ()

    def figures(self) -> dict[str, Any]:
        """What was measured, of JSON's types."""
        return {
            "rows": self.rows,
            "measured_on": self.measured,
            "measured_rows": self.coverage.rows,
            **self.coverage.as_record(),
            "notes": list(self.notes),
        }


def wilson(hits: int, rows: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson, 1927).

    >>> [round(end, 4) for end in wilson(90, 100)]
    [0.8256, 0.9448]
    """
    share, z2 = hits / rows, _NORMAL_95**2 / rows
    middle = share + z2 / 2
    half = math.sqrt(z2 * (share * (1 - share) + z2 / 4))
    return max(0.0, (middle - half) / (1 + z2)), min(1.0, (middle + half) / (1 + z2))


def quantile(scores: Float64Array, coverage: float) -> float:
    """The finite-sample quantile: the ⌈(n + 1) · coverage⌉-th smallest score; infinite where there are too few.

    The coverage counts as the decimal number that it is written as.

    >>> quantile(np.arange(1.0, 10.0), 0.9), quantile(np.arange(1.0, 9.0), 0.9)
    (9.0, inf)
    """
    place = math.ceil(Fraction(repr(coverage)) * (len(scores) + 1))
    return float(np.partition(scores, place - 1)[place - 1]) if place <= len(scores) else math.inf


def fewest_rows(coverage: float) -> int:
    """How many rows it takes for a finite quantile."""
    return math.ceil(1 / (1 - Fraction(repr(coverage)))) - 1


def _ranked(
    samples: Samples, calibration: Calibration, keep: Mask | None
) -> Iterator[tuple[IndexArray, FloatArray, IndexArray]]:
    """Yield the rows of samples ranked as `rank` does it: the place of the truth, all probabilities, the numbers."""
    confidence = Confidence(calibration)
    for logits, targets, rows in samples.blocks(keep):
        ranked = confidence.rank_batch(LogitBatch(samples.name, logits, rows), None, top=0)
        yield (ranked.indices == targets[:, None]).argmax(axis=1), ranked.probabilities, rows


def true_scores(samples: Samples, calibration: Calibration, rule: SetRule) -> Float64Array:
    """The score of each row's true class, (rows,)."""
    scores = np.empty(len(samples))
    for places, probabilities, rows in _ranked(samples, calibration, None):
        scores[rows] = np.take_along_axis(rule.scores(probabilities), places[:, None], axis=1)[:, 0]
    return scores


def measure(sets: ConformalSets, samples: Samples, keep: Mask | None) -> Coverage:
    """How the sets of samples, or of those where `keep`, come out."""
    held = empty = total = largest = count = 0
    for places, probabilities, rows in _ranked(samples, sets.calibration, keep):
        sizes = sets.sizes(probabilities)
        held += int((places < sizes).sum())
        empty += int((sizes == 0).sum())
        total += int(sizes.sum())
        largest = max(largest, int(sizes.max()))
        count += len(rows)
    return Coverage(count, held, empty, total, largest)


def fit_sets(samples: Samples, splits: Splits, calibration: Calibration, rule: SetRule, coverage: float) -> SetsReport:
    """Fit the threshold on samples, and measure coverage on what the splits hold out."""
    scores = true_scores(samples, calibration, rule)

    def made(keep: Mask | None) -> ConformalSets:
        return ConformalSets(rule, quantile(scores if keep is None else scores[keep], coverage), coverage, calibration)

    final = made(splits.final)
    parts = [measure(made(part.fit), part.measured, part.keep) for part in splits.parts]
    figures = Coverage(
        sum(part.rows for part in parts),
        sum(part.held for part in parts),
        sum(part.empty for part in parts),
        sum(part.total for part in parts),
        max(part.largest for part in parts),
    )
    rows = len(samples) if splits.final is None else int(splits.final.sum())
    notes = []
    if not math.isfinite(final.threshold):
        fewest = fewest_rows(coverage)
        notes.append(f"{rows:,} rows are too few for {coverage:.15g}: every set holds every class; {fewest:,} would do")
    if figures.empty:
        share = f"{figures.empty:,} of {figures.rows:,} measured rows"
        notes.append(f"the set of {share} is empty: --never-empty keeps the most likely class")
    return SetsReport(final, rows, figures, splits.how, notes)
