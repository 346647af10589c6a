"""Confidence in bins: what share was right in each, and how far that is from what was said.

Equal-width bins are (lo, hi], and the first holds 0 as well: as in Guo, Pleiss, Sun and Weinberger, "On calibration
of modern neural networks" (2017). Class-wise: Kull and others, "Beyond temperature scaling" (2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bin:
    """A bin of confidence: its bounds, its rows, their mean confidence, and the share of them that was right.

    confidence and accuracy are None in an empty bin.
    """

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None

    @property
    def gap(self) -> float:
        """How far the share that was right is from the mean confidence; 0 in an empty bin."""
        return 0.0 if self.confidence is None or self.accuracy is None else abs(self.accuracy - self.confidence)


def bin_edges(bins: int) -> Floats:
    """The edges of equal-width bins from 0 to 1, (bins + 1,)."""
    return np.linspace(0.0, 1.0, bins + 1)


def bin_of(confidence: Floats, edges: Floats) -> NDArray[np.int64]:
    """The bin of each confidence: (lo, hi], 0 in the first, 1 in the last.

    >>> bin_of(np.array([0.0, 0.5, 0.50001, 1.0]), bin_edges(2)).tolist()
    [0, 0, 1, 1]
    """
    last = len(edges) - 2
    places = np.clip(np.ceil(confidence * (last + 1)).astype(np.int64) - 1, 0, last)
    places += (confidence > edges[places + 1]) & (places < last)  # where the product was rounded across an edge
    places -= (confidence <= edges[places]) & (places > 0)
    return places


def make_bins(low: Floats, high: Floats, counts: Floats, confidence: Floats, right: Floats) -> tuple[Bin, ...]:
    """Bins from the sums of their rows: of confidence, and of those that were right."""
    return tuple(
        Bin(float(a), float(b), int(n), float(c / n) if n else None, float(r / n) if n else None)
        for a, b, n, c, r in zip(low, high, counts, confidence, right, strict=True)
    )


def expected_error(bins: tuple[Bin, ...]) -> float:
    """The gap of the bins, weighted by their rows: the expected calibration error."""
    total = sum(part.count for part in bins)
    return sum(part.count * part.gap for part in bins) / total


def largest_error(bins: tuple[Bin, ...]) -> float:
    """The largest gap of a bin: the maximum calibration error."""
    return max(part.gap for part in bins)


def equal_width(confidence: Floats, right: Floats, bins: int = 15) -> tuple[Bin, ...]:
    """Put rows into equal-width bins.

    confidence, right: (rows,), the latter 0 or 1.

    >>> round(expected_error(equal_width(np.array([0.9, 0.8]), np.array([1.0, 0.0]), 10)), 6)
    0.45
    """
    edges = bin_edges(bins)
    places = bin_of(confidence, edges)
    counts = np.bincount(places, minlength=bins).astype(np.float64)
    sums = [np.asarray(np.bincount(places, weights, bins), np.float64) for weights in (confidence, right)]
    return make_bins(edges[:-1], edges[1:], counts, *sums)


def equal_mass(confidence: Floats, right: Floats, bins: int = 15) -> tuple[Bin, ...]:
    """Put rows, sorted by confidence, into bins of as many rows each, as far as that goes.

    confidence: (rows,), ascending; right: of the same rows, each the share of its ties that were right, so that the
    order of the rows plays no part.
    """
    parts = [part for part in np.array_split(np.arange(len(confidence)), bins) if len(part)]
    found = []
    for part in parts:
        inside = confidence[part[0] : part[-1] + 1]
        rate = float(right[part[0] : part[-1] + 1].mean())
        found.append(Bin(float(inside[0]), float(inside[-1]), len(part), float(inside.mean()), rate))
    return tuple(found)
