"""What the order of confidence is worth: AUROC of being right, risk against coverage, and where to draw the line.

AURC: Geifman and El-Yaniv, "Selective classification for deep neural networks" (2017): the mean, over all coverages,
of the error rate among the rows that are kept. Rows of equal confidence are kept or left out together in the curve,
and share their errors in the mean, so that the order of the rows plays no part.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MOST_POINTS = 200
_Z95 = 1.959963984540054  # of the normal distribution, for 95 %


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Keeping the rows of at least this confidence: the share of rows kept, and the share of these that is wrong."""

    coverage: float
    risk: float
    confidence: float


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A threshold on the confidence: what it was chosen for, the rows it keeps, and how many of them are right.

    low, high: the 95 % interval (Wilson) of the precision. threshold: None where nothing reaches the goal; the other
    fields then are those of the best there is.
    """

    goal: str
    value: float
    threshold: float | None
    coverage: float
    kept: int
    precision: float
    low: float
    high: float


class Ranked:
    """Rows by confidence, the most confident first.

    confidence: (rows,), right: (rows,) booleans. Needs at least one row.
    """

    def __init__(self, confidence: Floats, right: NDArray[np.bool_]):
        order = np.argsort(-confidence)  # in no order among equals, which stay together
        self.confidence = confidence[order]
        hits = right[order]
        del order  # what isn't needed any more makes room: rows may be many
        is_last = np.append(self.confidence[1:] != self.confidence[:-1], True)
        self.ends = np.flatnonzero(is_last) + 1  # of each group of equal confidence
        self.hits = np.cumsum(hits)[is_last].astype(np.float64)  # rows that were right, down to each group's end
        lengths = np.diff(self.ends, prepend=0)
        shares = np.diff(self.hits, prepend=0.0)
        shares /= lengths
        self.shared = np.repeat(shares, lengths)  # each row's share of what was right in its group

    def auroc(self) -> float | None:
        """The probability that a right row is more confident than a wrong one; None if all are one or the other."""
        total = len(self.confidence)
        right = float(self.hits[-1])
        wrong = total - right
        if not right or not wrong:
            return None
        in_group = np.diff(self.hits, prepend=0.0)
        misses = np.diff(self.ends, prepend=0) - in_group
        below = wrong - np.cumsum(misses)
        return float((in_group * (below + misses / 2)).sum() / (right * wrong))

    def aurc(self) -> float:
        """The mean risk over all coverages."""
        risk = 1.0 - self.shared
        np.cumsum(risk, out=risk)
        risk /= np.arange(1, len(risk) + 1)
        return float(np.mean(risk))

    def curve(self) -> tuple[CurvePoint, ...]:
        """Risk at up to `MOST_POINTS` coverages, from the most confident rows to all."""
        last = len(self.ends) - 1
        places = np.unique(np.linspace(0, last, min(MOST_POINTS, last + 1)).round().astype(int))
        if last + 1 > MOST_POINTS:  # even steps of coverage
            wanted = np.linspace(0, self.ends[-1], MOST_POINTS + 1)[1:]
            places = np.unique(np.searchsorted(self.ends, wanted).clip(0, last))
        total = len(self.confidence)
        return tuple(
            CurvePoint(
                float(self.ends[place] / total),
                float(1.0 - self.hits[place] / self.ends[place]),
                float(self.confidence[self.ends[place] - 1]),
            )
            for place in places
        )

    def at(self, goal: str, value: float) -> OperatingPoint:
        """Find the threshold that keeps most rows at a "precision" or "risk", or fewest at a "coverage"."""
        total = len(self.confidence)
        precision = self.hits / self.ends
        if goal == "coverage":
            good = self.ends >= value * total - 1e-9
            place: int | None = int(np.argmax(good))
        else:
            least = value if goal == "precision" else 1.0 - value
            fine = np.flatnonzero(precision >= least - 1e-12)
            place = int(fine[-1]) if len(fine) else None
        shown = int(np.argmax(precision)) if place is None else place
        kept, hits = int(self.ends[shown]), float(self.hits[shown])
        low, high = wilson(hits, kept)
        threshold = None if place is None else _floor32(float(self.confidence[kept - 1]))
        return OperatingPoint(goal, value, threshold, kept / total, kept, hits / kept, low, high)


def _floor32(value: float) -> float:
    """The largest float32 that isn't above a value: float32 probabilities reach it, too."""
    near = np.float32(value)
    return float(near if float(near) <= value else np.nextafter(near, np.float32(0)))


def wilson(hits: float, count: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson, 1927).

    >>> [round(bound, 6) for bound in wilson(8, 10)]
    [0.490162, 0.943318]
    """
    share, spread = hits / count, _Z95**2 / count
    middle = (share + spread / 2) / (1 + spread)
    half = _Z95 / (1 + spread) * math.sqrt(share * (1 - share) / count + spread / (4 * count))
    return max(0.0, middle - half), min(1.0, middle + half)
