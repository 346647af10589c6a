"""How good probabilities are, in four numbers: negative log-likelihood, calibration error, Brier score, accuracy."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from softmax_cli.activation import log_softmax
from softmax_cli.confidence.calibration import Calibration
from softmax_cli.judge.binning import Bin, bin_edges, make_bins
from softmax_cli.judge.samples import IndexArray, Mask, Samples

Float64Array = NDArray[np.float64]

BINS = 15


@dataclass(frozen=True, slots=True)
class Scores:
    """Means over rows; nll is infinite where some true class has probability 0, as in `impossible` rows.

    bins: of confidence, those of the ece.
    """

    rows: int
    nll: float
    ece: float
    brier: float
    accuracy: float
    impossible: int = 0
    bins: tuple[Bin, ...] = ()

    def as_record(self) -> dict[str, float | int | None]:
        """The scores as JSON holds them: null for what is infinite."""
        nll = self.nll if math.isfinite(self.nll) else None
        return {"nll": nll, "ece": self.ece, "brier": self.brier, "accuracy": self.accuracy}


class Scorer:
    """Adds up the scores of rows: sums alone are kept."""

    def __init__(self) -> None:
        self._edges = bin_edges(BINS)
        self._bins = np.zeros((3, BINS))  # rows, confidence, right
        self._sums = np.zeros(4)  # nll, brier, right, impossible
        self._rows = 0

    def add(self, logits: Float64Array, targets: IndexArray) -> None:
        """Add rows by their calibrated logits, (rows, classes)."""
        logs = log_softmax(logits)
        shares = np.exp(logs)
        every = np.arange(len(targets))
        of_truth = logs[every, targets]
        predicted = logits.argmax(axis=1)
        confidence = shares[every, predicted]
        right = predicted == targets
        # Σ (p - y)² = Σ p² - 2 p_true + 1
        brier = np.square(shares).sum(axis=1) - 2 * shares[every, targets] + 1
        impossible = int(np.isneginf(of_truth).sum())
        finite = np.where(np.isneginf(of_truth), 0.0, of_truth)
        self._sums += (-finite.sum(), brier.sum(), right.sum(), impossible)
        bins = np.searchsorted(self._edges[1:-1], confidence)  # (lo, hi], 1 in the last
        self._bins += [np.bincount(bins, weights, minlength=BINS) for weights in (None, confidence, right)]
        self._rows += len(targets)

    def scores(self) -> Scores:
        """The means so far."""
        rows = max(1, self._rows)
        nll, brier, right, impossible = self._sums.tolist()
        _, confidence, hits = self._bins
        ece = float(np.abs(confidence - hits).sum()) / rows
        bins = make_bins(self._edges[:-1], self._edges[1:], *self._bins)
        mean = math.inf if impossible else nll / rows
        return Scores(self._rows, mean, ece, brier / rows, right / rows, int(impossible), bins)


def score(parts: Iterable[tuple[Samples, Mask | None, Calibration]]) -> Scores:
    """The scores of samples, or of those where the mask is true, each part with its own calibration."""
    scorer = Scorer()
    for samples, keep, calibration in parts:
        for logits, targets, _ in samples.blocks(keep):
            scorer.add(calibration.apply(logits), targets)
    return scorer.scores()
