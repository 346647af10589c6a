"""Sums over the rows of a stream: a part for each batch, made on any thread, added up in order.

Memory doesn't grow with the rows but for what ranks need: the confidence of each row as float64, and whether it was
right, nine bytes together; some seventy at the end, while they are sorted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import FloatArray, LogitBatch
from softmax_cli.confidence.calibration import Calibration
from softmax_cli.confidence.ranking import calibrated
from softmax_cli.judge.binning import bin_of
from softmax_cli.judge.kernel import Kernel, Rows
from softmax_cli.judge.pairs import PairCounts
from softmax_cli.judge.truth import Truth

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


class Scatter(NamedTuple):
    """Values to be added at places of an array, or (places None) a whole array to be added."""

    places: Indices | None
    values: Floats

    @classmethod
    def of(cls, places: Indices, values: Floats | None, size: int) -> Scatter:
        """The sum of values (None: of ones) by place, added up at once where there are more values than places."""
        if size <= len(places):
            return cls(None, np.bincount(places, values, size).astype(np.float64))
        return cls(places, np.ones(len(places)) if values is None else values.astype(np.float64))

    def add_to(self, total: Floats) -> None:
        """Add it to a total."""
        if self.places is None:
            total += self.values
        else:
            np.add.at(total, self.places, self.values)


@dataclass(frozen=True, slots=True)
class RowFigures:
    """What resampling needs of each row."""

    target: Indices
    predicted: Indices
    place: Indices
    confidence: Floats
    nll: Floats
    brier: Floats


@dataclass(frozen=True, slots=True)
class Part:
    """What a batch adds: sums by class, by pair of classes and by bin; and each row's confidence."""

    rows: int
    undefined: int
    sums: Mapping[str, Scatter]
    mass: Floats
    pairs: Indices
    confidence: Floats
    right: NDArray[np.bool_]
    figures: RowFigures | None


@dataclass(frozen=True, slots=True)
class Measure:
    """Makes the part of a batch; it holds no state, so that any thread may use it.

    tops: the k of top-k accuracies. keep_rows: keep each row's figures for resampling. keep_confidence: for ranks.
    calibration: what is done to the logits first, where it is more than a temperature. may_be_undefined: look for rows
    without a softmax.
    """

    kernel: Kernel
    classes: int
    tops: Sequence[int]
    keep_rows: bool = False
    keep_confidence: bool = True
    calibration: Calibration | None = None
    may_be_undefined: bool = False

    def part(self, batch: LogitBatch, truth: Truth) -> Part:
        """Judge the rows of a batch that has a truth; rows without a softmax count as wrong."""
        target, weights = truth.indices, truth.weights
        if target is None:
            assert weights is not None
            target = weights.argmax(axis=1).astype(np.int64)
        lost = target[:0]
        if self.may_be_undefined and len(batch):
            finite = np.isfinite(batch.logits.max(axis=1))
            lost = target[~finite]
            batch, target = batch.select(finite), target[finite]
            weights = None if weights is None else weights[finite]
        logits: FloatArray = batch.logits
        if self.calibration is not None and not self.calibration.is_plain:
            logits = calibrated(self.calibration, logits, batch.source)
        blocks = self.kernel.judge(logits, target, weights)
        return self._reduced(blocks, target, lost)

    def part_at_once(self, batch: LogitBatch, truth: Truth) -> Part | None:
        """The same in C, without a look at the rows first; None where that can't be, or where one has no softmax."""
        is_plain = self.calibration is None or self.calibration.is_plain
        if truth.indices is None or self.may_be_undefined or not is_plain:
            return None
        rows = self.kernel.judge_at_once(batch.logits, truth.indices)
        return None if rows is None else self._reduced([rows], truth.indices, truth.indices[:0])

    def _reduced(self, blocks: Sequence[Rows], target: Indices, lost: Indices) -> Part:
        size = self.classes

        def whole(field: Callable[[Rows], NDArray[np.generic]]) -> NDArray[np.generic]:
            return np.concatenate([field(block) for block in blocks]) if blocks else np.empty(0)

        predicted = whole(lambda rows: rows.predicted).astype(np.int64)
        place = whole(lambda rows: rows.place).astype(np.int64)
        confidence = np.minimum(whole(lambda rows: rows.confidence).astype(np.float64), 1.0)
        nll = whole(lambda rows: rows.nll).astype(np.float64)
        brier = whole(lambda rows: rows.brier).astype(np.float64)
        right = place == 0
        bins = len(self.kernel.edges) - 1
        peaks = whole(lambda rows: rows.peak_class).astype(np.int64) * bins + whole(lambda rows: rows.peak_bin).astype(
            np.int64
        )
        in_bin = bin_of(confidence, self.kernel.edges)
        sums = {
            "support": Scatter.of(np.concatenate([target, lost]), None, size),
            "judged": Scatter.of(target, None, size),
            "predicted": Scatter.of(predicted, None, size),
            "nll": Scatter.of(target, nll, size),
            "brier": Scatter.of(target, brier, size),
            "bin_rows": Scatter.of(in_bin, None, bins),
            "bin_confidence": Scatter.of(in_bin, confidence, bins),
            "bin_right": Scatter.of(in_bin, right.astype(np.float64), bins),
            "peak_mass": Scatter.of(peaks, whole(lambda rows: rows.peak_value).astype(np.float64), size * bins),
            "peak_right": Scatter.of(peaks, whole(lambda rows: rows.peak_right).astype(np.float64), size * bins),
        }
        for k in self.tops:
            sums[f"top_{k}"] = Scatter.of(target, (place < k).astype(np.float64), size)
        wrong = ~right
        figures = RowFigures(target, predicted, place, confidence, nll, brier) if self.keep_rows else None
        return Part(
            len(target) + len(lost),
            len(lost),
            sums,
            np.sum([block.mass for block in blocks], axis=0) if blocks else np.zeros(size),
            target[wrong] * size + predicted[wrong],
            confidence if self.keep_confidence else confidence[:0],
            right if self.keep_confidence else right[:0],
            figures,
        )


class Tally:
    """The sums of all parts so far."""

    def __init__(self, measure: Measure):
        bins = len(measure.kernel.edges) - 1
        by_class = ("support", "judged", "predicted", "nll", "brier", *(f"top_{k}" for k in measure.tops))
        by_bin = ("bin_rows", "bin_confidence", "bin_right")
        self.classes = measure.classes
        self.edges = measure.kernel.edges
        self.rows = self.undefined = 0
        self.sums: dict[str, Floats] = {
            **{name: np.zeros(measure.classes) for name in by_class},
            **{name: np.zeros(bins) for name in by_bin},
            "peak_mass": np.zeros(measure.classes * bins),
            "peak_right": np.zeros(measure.classes * bins),
        }
        self.mass = np.zeros(measure.classes)
        self.pairs = PairCounts(measure.classes)
        self._confidence: list[Floats] = []
        self._right: list[NDArray[np.bool_]] = []
        self.figures: list[RowFigures] = []

    def add(self, part: Part) -> None:
        """Add a part; in the order of the batches, so that the sums are the same whatever the threads."""
        self.rows += part.rows
        self.undefined += part.undefined
        for name, scatter in part.sums.items():
            scatter.add_to(self.sums[name])
        self.mass += part.mass
        self.pairs.add(part.pairs)
        self._confidence.append(part.confidence)
        self._right.append(part.right)
        if part.figures is not None:
            self.figures.append(part.figures)

    def confidence(self) -> tuple[Floats, NDArray[np.bool_]]:
        """Hand over each row's confidence, and whether it was right."""
        parts, rights = self._confidence, self._right
        self._confidence, self._right = [], []
        if not parts:
            return np.empty(0), np.empty(0, bool)
        return np.concatenate(parts), np.concatenate(rights)
