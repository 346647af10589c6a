"""Whether two rankings of the same classes agree: their winners, their top k, how far the first one's winner falls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import FloatArray
from softmax_cli.judge.exact import ExactSum, Spread
from softmax_cli.ranking import select


class TopPair(NamedTuple):
    """The best classes of each row in both, (rows, k) each, and the place of the first one's winner in the second."""

    a: NDArray[np.int64]
    b: NDArray[np.int64]
    fall: NDArray[np.int64]


def top_pair(a: FloatArray, b: FloatArray, k: int) -> TopPair:
    """Rank the rows of both by logit, equal ones by class index."""
    best, other = select(a, k), select(b, k)
    winner = best[:, :1]
    value = np.take_along_axis(b, winner, axis=1)
    before = (b == value) & (np.arange(b.shape[1]) < winner)
    return TopPair(best, other, np.count_nonzero((b > value) | before, axis=1))


def common(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many indices of each row stand in the same row of the other: (rows,)."""
    both = np.sort(np.concatenate([a, b], axis=1), axis=1)
    return np.asarray(np.count_nonzero(both[:, 1:] == both[:, :-1], axis=1))


def kendall(best: NDArray[np.int64], b: FloatArray) -> NDArray[np.float64]:
    """Kendall's τ between the order of the first one's top classes and that of the same classes in the second.

    best: (rows, k) class indices, k ≥ 2. Neither order has ties: equal logits stand by class index.
    """
    values = np.take_along_axis(b, best, axis=1)
    k = best.shape[1]
    turned = np.zeros(len(best), np.int64)  # pairs that stand the other way round
    for place in range(k - 1):
        here, later = slice(place, place + 1), slice(place + 1, k)
        above = values[:, later] > values[:, here]
        above |= (values[:, later] == values[:, here]) & (best[:, later] < best[:, here])
        turned += np.count_nonzero(above, axis=1)
    pairs = k * (k - 1) // 2
    return np.asarray((pairs - 2 * turned) / pairs)


@dataclass
class TopFigures:
    """Agreement of the top k over some rows.

    common: classes in both, summed. same: rows with the same classes. holds: rows whose first winner is in the
    second's top k.
    """

    common: int = 0
    same: int = 0
    holds: int = 0


@dataclass
class Agreement:
    """Agreement of rankings over some rows; exact, so that it doesn't matter how they came."""

    top: dict[int, TopFigures] = field(default_factory=dict)
    fall: Spread = field(default_factory=Spread)
    falls: int = 0
    kendall: ExactSum = field(default_factory=ExactSum)
    kendall_least: float = 1.0

    def add(self, pair: TopPair, b: FloatArray, tops: Sequence[int]) -> None:
        """Take some rows; b: the second's logits."""
        k = pair.a.shape[1]
        for asked in tops:
            within = min(asked, k)
            figures = self.top.setdefault(asked, TopFigures())
            shared = common(pair.a[:, :within], pair.b[:, :within])
            figures.common += int(shared.sum())
            figures.same += int(np.count_nonzero(shared == within))
            figures.holds += int(np.count_nonzero(pair.fall < within))
        self.fall.add(pair.fall.astype(np.float64))
        self.falls += int(pair.fall.sum())
        if k > 1 and len(b):
            values = kendall(pair.a, b)
            self.kendall.add(values)
            self.kendall_least = min(self.kendall_least, float(values.min()))

    def merge(self, other: Agreement) -> None:
        """Take what another has taken."""
        for asked, theirs in other.top.items():
            mine = self.top.setdefault(asked, TopFigures())
            mine.common += theirs.common
            mine.same += theirs.same
            mine.holds += theirs.holds
        self.fall.merge(other.fall)
        self.falls += other.falls
        self.kendall.merge(other.kendall)
        self.kendall_least = min(self.kendall_least, other.kendall_least)
