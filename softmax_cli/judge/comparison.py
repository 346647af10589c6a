"""Two sets of logits side by side: how often they agree, and how far their probabilities are from each other.

Rows come in pairs of batches, in any sizes: every figure is the same for all of them, as sums over rows are exact and
quantiles are counted. Memory is constant.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import FloatArray, LogitBatch
from softmax_cli.concurrency import overlap
from softmax_cli.judge.agreement import Agreement, TopPair, top_pair
from softmax_cli.judge.divergence import Chances, Divergence, apart, chances, divergence
from softmax_cli.judge.exact import ExactSum, Spread

_BLOCK_ELEMENTS = 1 << 15  # of which a dozen temporary arrays fit a core's cache
QUANTILES = (0.5, 0.9, 0.99)


@dataclass(frozen=True, slots=True)
class Pair:
    """The same rows twice: a batch of the first input, and the logits of the second, (rows, classes)."""

    a: LogitBatch
    b: FloatArray


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """What is compared: the activations of both, the k of top-k agreement, how many of the worst rows are kept."""

    activations: tuple[str, str] = ("softmax", "softmax")
    top: tuple[int, ...] = (1, 5)
    worst: int = 5
    jobs: int = 1


@dataclass
class Figure:
    """One figure of every row: its mean, greatest and quantiles."""

    total: ExactSum = field(default_factory=ExactSum)
    spread: Spread = field(default_factory=Spread)

    def add(self, values: NDArray[np.float64]) -> None:
        """Take the figure of some rows."""
        self.total.add(values)
        self.spread.add(values)

    def merge(self, other: Figure) -> None:
        """Take what another has taken."""
        self.total.merge(other.total)
        self.spread.merge(other.spread)

    def summary(self, rows: int) -> dict[str, float]:
        """Mean, quantiles and maximum."""
        quantiles = {f"p{round(share * 100)}": self.spread.quantile(share) for share in QUANTILES}
        return {"mean": self.total.mean(rows), **quantiles, "max": self.spread.greatest if rows else math.nan}


@dataclass(frozen=True, slots=True)
class Winner:
    """A row's most probable class: its index and probability."""

    index: int
    probability: float


@dataclass(frozen=True, slots=True)
class WorstRow:
    """One of the rows that differ most; `order` is its place among all."""

    kl: float
    js: float
    max_probability: float
    order: int
    source: str
    row: int
    id: str | None
    a: Winner
    b: Winner

    @property
    def rank(self) -> tuple[float, float, int]:
        """What the worst row has most of."""
        return (self.kl, self.js, -self.order)


ROW_FIGURES = ("kl", "kl_reverse", "js", "total_variation", "max_probability")


@dataclass
class Tally:
    """What was counted over some rows."""

    options: CompareOptions
    rows: int = 0
    values: int = 0
    figures: Mapping[str, Figure] = field(
        default_factory=lambda: MappingProxyType({name: Figure() for name in ROW_FIGURES})
    )
    probability: ExactSum = field(default_factory=ExactSum)
    logit: ExactSum = field(default_factory=ExactSum)
    max_logit: float = 0.0
    infinite: int = 0
    agreement: Agreement = field(default_factory=Agreement)
    worst: list[WorstRow] = field(default_factory=list)

    def merge(self, other: Tally) -> None:
        """Add what was counted over the rows that follow."""
        for name, figure in self.figures.items():
            figure.merge(other.figures[name])
        self.probability.merge(other.probability)
        self.logit.merge(other.logit)
        self.max_logit = max(self.max_logit, other.max_logit)
        self.infinite += other.infinite
        self.agreement.merge(other.agreement)
        shifted = [_moved(row, self.rows) for row in other.worst]
        self.worst = heapq.nlargest(self.options.worst, [*self.worst, *shifted], key=lambda row: row.rank)
        self.rows += other.rows
        self.values += other.values


def _moved(row: WorstRow, before: int) -> WorstRow:
    return replace(row, order=row.order + before) if before else row


def tally(pair: Pair, options: CompareOptions) -> Tally:
    """Count over the rows of a pair of batches, block by block.

    Rows must have a softmax: no NaN, no +inf, not only -inf.
    """
    result = Tally(options)
    classes = pair.b.shape[1]
    step = max(1, _BLOCK_ELEMENTS // max(1, classes))
    with np.errstate(all="ignore"):
        for first in range(0, len(pair.a) if classes else 0, step):
            result.merge(_block(pair, slice(first, first + step), options))
    return result


def _block(pair: Pair, cut: slice, options: CompareOptions) -> Tally:
    a, b = pair.a.logits[cut], pair.b[cut]
    p, q = (chances(logits, name) for logits, name in zip((a, b), options.activations, strict=True))
    found = divergence(p, q)
    block = Tally(options, rows=len(a), values=a.size)
    for name, figure in block.figures.items():
        figure.add(getattr(found, name))
    block.probability.add(found.sum_probability)
    block.infinite = int(np.count_nonzero(np.isinf(found.kl) | np.isinf(found.kl_reverse)))
    distance = apart(a, b)
    block.logit.add(distance.sum(axis=1))
    block.max_logit = float(distance.max(initial=0.0))
    best = top_pair(np.ascontiguousarray(a), np.ascontiguousarray(b), min(max(options.top), a.shape[1]))
    block.agreement.add(best, b, options.top)
    block.worst = _worst(pair.a, cut.start, found, best, (p, q), options.worst)
    return block


def _worst(
    batch: LogitBatch, start: int, found: Divergence, best: TopPair, both: tuple[Chances, Chances], count: int
) -> list[WorstRow]:
    """The rows of a block that differ most, first by KL, then by JS; none that doesn't differ at all."""
    order = np.lexsort((-found.js, -found.kl))[:count]
    rows = []
    for place in order[(found.kl[order] > 0) | (found.js[order] > 0)].tolist():
        at = start + place
        first, second = (
            Winner(int(top[place, 0]), float(of.values[place, top[place, 0]]))
            for top, of in zip((best.a, best.b), both, strict=True)
        )
        rows.append(
            WorstRow(
                kl=float(found.kl[place]),
                js=float(found.js[place]),
                max_probability=float(found.max_probability[place]),
                order=place,
                source=batch.source_of(at),
                row=int(batch.rows[at]),
                id=None if batch.ids is None else batch.ids[at],
                a=first,
                b=second,
            )
        )
    return rows


def compare(pairs: Iterable[Pair], options: CompareOptions, progress: Callable[[int], None] | None = None) -> Tally:
    """Compare pairs of batches on threads; the figures are the same for any number of them.

    >>> batch = LogitBatch("a", np.array([[2.0, 1.0]]), np.array([0]))
    >>> round(compare([Pair(batch, np.array([[1.0, 2.0]]))], CompareOptions()).figures["kl"].total.mean(1), 4)
    0.4621
    """
    whole = Tally(options)
    for part in overlap(pairs, lambda pair: tally(pair, options), options.jobs):
        whole.merge(part)
        if progress is not None:
            progress(part.rows)
    return whole
