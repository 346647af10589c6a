"""Figures over any number of rows that don't depend on how the rows came in batches."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

_HALF = 26
_LEAST = -1074  # the exponent of the smallest float64
_KEPT_BITS = 12
_SHIFT = 52 - _KEPT_BITS


@dataclass
class ExactSum:
    """A sum of float64 numbers without any rounding: the same for every order and grouping.

    Mantissas are added as integers, apart for each exponent (a superaccumulator).

    >>> total = ExactSum()
    >>> total.add(np.array([1e300, 1.0, -1e300]))
    >>> total.value()
    1.0
    """

    units: int = 0  # of 2⁻¹⁰⁷⁴
    infinite: float = 0.0

    def add(self, values: NDArray[np.float64]) -> None:
        """Add numbers, fewer than 2²⁶; infinities make the sum infinite."""
        finite = np.isfinite(values)
        if not finite.all():
            self.infinite += float(values[~finite].sum())
            values = values[finite]
        mantissas, exponents = np.frexp(values)
        whole = np.ldexp(mantissas, 53).astype(np.int64)
        self._add(whole, exponents.astype(np.int64) - 53)

    def _add(self, whole: NDArray[np.int64], exponents: NDArray[np.int64]) -> None:
        if not len(whole):
            return
        least = int(exponents.min())
        high = np.bincount(exponents - least, whole >> _HALF)
        low = np.bincount(exponents - least, whole & ((1 << _HALF) - 1))
        for place in np.flatnonzero((high != 0) | (low != 0)).tolist():
            units = (int(high[place]) << _HALF) + int(low[place])
            shift = least + place - _LEAST
            self.units += units << shift if shift >= 0 else units >> -shift  # what is shifted out is zeros

    def merge(self, other: ExactSum) -> None:
        """Add another sum."""
        self.units += other.units
        self.infinite += other.infinite

    def value(self) -> float:
        """The sum, rounded once."""
        return self.mean(1)

    def mean(self, count: int) -> float:
        """The sum over a count, rounded once; NaN for none."""
        if self.infinite or math.isnan(self.infinite):
            return self.infinite
        return float(Fraction(self.units, count << -_LEAST)) if count else math.nan


@dataclass
class Spread:
    """How numbers from 0 on are spread: the greatest, and quantiles to within one part in 8,192.

    Numbers are counted by their first 13 significant bits: constant memory, and the same for every order.

    >>> spread = Spread()
    >>> spread.add(np.array([0.0, 1.0, 2.0, 3.0]))
    >>> spread.quantile(0.5), spread.greatest
    (1.0, 3.0)
    """

    greatest: float = -math.inf
    counts: dict[int, int] = field(default_factory=dict)

    def add(self, values: NDArray[np.float64]) -> None:
        """Count numbers, none of them negative or NaN."""
        if not len(values):
            return
        self.greatest = max(self.greatest, float(values.max()))
        bits = np.abs(values).view(np.uint64)
        keys, counts = np.unique((bits + np.uint64(1 << (_SHIFT - 1))) >> np.uint64(_SHIFT), return_counts=True)
        for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
            self.counts[key] = self.counts.get(key, 0) + count

    def merge(self, other: Spread) -> None:
        """Count what another one has counted."""
        self.greatest = max(self.greatest, other.greatest)
        for key, count in other.counts.items():
            self.counts[key] = self.counts.get(key, 0) + count

    def quantile(self, share: float) -> float:
        """The least number that so many reach at the most: no interpolation; NaN where there are none."""
        wanted = max(1, math.ceil(share * sum(self.counts.values())))
        for key in sorted(self.counts):
            wanted -= self.counts[key]
            if wanted <= 0:
                value = float(np.array(key << _SHIFT, np.uint64).view(np.float64))
                return min(value, self.greatest)
        return math.nan
