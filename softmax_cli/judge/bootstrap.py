"""Intervals by resampling rows: the percentile bootstrap of Efron (1979).

Each resample is drawn from a generator of its own, so that the intervals are the same whatever the threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from softmax_cli.concurrency import overlap
from softmax_cli.judge.binning import bin_of
from softmax_cli.judge.report import Interval
from softmax_cli.judge.tally import RowFigures, Tally

Floats = NDArray[np.float64]


class Resampling(Protocol):
    """The options of resampling."""

    @property
    def bootstrap(self) -> int:
        """How many resamples."""
        ...

    @property
    def seed(self) -> int:
        """The seed of the generator."""
        ...

    @property
    def jobs(self) -> int:
        """Worker threads."""
        ...


class Resampler:
    """The figures of resamples of rows.

    rows: what is known of them. weights: of each class. edges: of the bins.
    """

    def __init__(self, rows: RowFigures, weights: Floats, edges: Floats, tops: Sequence[int]):
        self._rows = rows
        self._classes = len(weights)
        self._weight = weights[rows.target]
        self._right = (rows.place == 0).astype(np.float64)
        self._bins = bin_of(rows.confidence, edges)
        self._bin_count = len(edges) - 1
        columns = {"nll": rows.nll, "brier": rows.brier}
        columns |= {f"top_{k}_accuracy": (rows.place < k).astype(np.float64) for k in tops if k > 1}
        self._columns = {"accuracy": self._right, **columns}
        self._weighted = {name: values * self._weight for name, values in self._columns.items()}

    def draw(self, seed: np.random.SeedSequence) -> dict[str, float]:
        """The figures of one resample."""
        count = len(self._rows.target)
        picks = np.random.default_rng(seed).integers(0, count, count)
        times = np.bincount(picks, minlength=count).astype(np.float64)
        total = float(times @ self._weight)
        figures = {name: float(times @ values) / total for name, values in self._weighted.items()}
        gaps = np.bincount(self._bins, times * (self._right - self._rows.confidence), self._bin_count)
        figures["ece"] = float(np.abs(gaps).sum() / count)
        hits = np.bincount(self._rows.target, times * self._right, self._classes)
        support = np.bincount(self._rows.target, times, self._classes)
        predicted = np.bincount(self._rows.predicted, times, self._classes)
        there, occurs = support > 0, support + predicted > 0
        figures["balanced_accuracy"] = float((hits[there] / support[there]).mean())
        figures["macro_f1"] = float((2 * hits[occurs] / (support + predicted)[occurs]).mean())
        return figures


def joined_rows(parts: Sequence[RowFigures]) -> RowFigures:
    """The rows of all parts."""
    names = ("target", "predicted", "place", "confidence", "nll", "brier")
    return RowFigures(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def bootstrap(tally: Tally, weights: Floats, options: Resampling) -> dict[str, Interval] | None:
    """95 % intervals of the figures that rows add up to; None where rows have no probabilities, or weigh nothing."""
    if tally.undefined or not tally.figures:
        return None
    tops = [int(name.removeprefix("top_")) for name in tally.sums if name.startswith("top_")]
    sampler = Resampler(joined_rows(tally.figures), weights, tally.edges, tops)
    seeds = np.random.SeedSequence(options.seed).spawn(options.bootstrap)
    draws = list(overlap(seeds, sampler.draw, options.jobs))
    found = {}
    for name in draws[0]:
        low, high = np.percentile([draw[name] for draw in draws], (2.5, 97.5))
        if np.isfinite(low) and np.isfinite(high):
            found[name] = Interval(float(low), float(high))
    return found
