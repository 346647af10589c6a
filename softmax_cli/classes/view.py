"""Ranking some of the classes, or groups of them, instead of all."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from softmax_cli.activation import BLOCK_ELEMENTS, GRID, Float64Array, exponentials, scaled
from softmax_cli.batch import FloatArray, LogitBatch, Ranked
from softmax_cli.ranking import TopK, rank_batch, ranked, select

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Totals:
    """What groups are ordered by, and their share of 1: (rows, groups) each."""

    logits: FloatArray
    probabilities: FloatArray


@dataclass(frozen=True, slots=True)
class View:
    """Some classes of a source, or groups of them; what `ClassChoice` means for its number of classes and their names.

    columns: the classes in use, (m,), those of a group beside each other. starts: where each group begins among them.
    indices: the number that each group is shown with. names: what the indices are called. rest: whether the last
    group holds the classes that aren't shown, whose mass stays theirs. single: whether each group is one class.
    """

    columns: Indices
    starts: Indices
    indices: Indices
    names: tuple[str, ...] | None
    rest: bool
    single: bool

    def dead(self, logits: FloatArray) -> NDArray[np.bool_] | None:
        """The rows where nothing but -inf is left of the classes in use, though the row has others; None for none."""
        if self.rest or len(self.columns) == logits.shape[1] or not len(logits):
            return None
        mask = np.isneginf(logits[:, self.columns].max(axis=1)) & ~np.isneginf(logits.max(axis=1))
        return mask if mask.any() else None

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
        """Rank the classes in use as `ranking.rank_batch` ranks all.

        Of groups, the logit is the logarithm of the sum of its members' exponentials, its probability the sum of
        theirs; with activation `none` both are the sum of the values.
        """
        if self.single and self.rest:
            best = self._among_all(batch, top, activation, temperature)
        elif self.single and activation != "none":
            part = replace(batch, logits=np.take(batch.logits, self.columns, axis=1))
            some = rank_batch(part, None, top=top, activation=activation, temperature=temperature)
            best = TopK(self.indices[some.indices], some.logits, some.probabilities)
        else:
            best = self._top(batch.logits, top, activation, temperature)
        return ranked(batch, best, self.names, min_probability)

    def _among_all(self, batch: LogitBatch, top: int, activation: str, temperature: float) -> TopK:
        """Rank all classes and leave out some: the others' numbers are the very same."""
        every = rank_batch(batch, None, top=0, activation=activation, temperature=temperature)
        shown = np.zeros(batch.logits.shape[1], bool)
        shown[self.indices] = True
        k = min(top, len(self.indices)) or len(self.indices)
        order = np.argsort(~shown[every.indices], axis=1, kind="stable")[:, :k]
        return TopK(
            np.take_along_axis(every.indices, order, axis=1),
            np.take_along_axis(every.logits, order, axis=1),
            np.take_along_axis(every.probabilities, order, axis=1),
        )

    def _top(self, logits: FloatArray, top: int, activation: str, temperature: float) -> TopK:
        rows, classes = logits.shape
        shown = len(self.indices)
        k = min(top, shown) or shown
        result = TopK(
            np.empty((rows, k), np.int64), np.empty((rows, k), logits.dtype), np.empty((rows, k), logits.dtype)
        )
        step = max(1, BLOCK_ELEMENTS // max(1, classes))
        with np.errstate(all="ignore"):
            for first in range(0, rows, step):
                block = logits[first : first + step]
                totals = self._values(block) if activation == "none" else self._sums(block, activation, temperature)
                order = select(totals.logits[:, :shown], k)
                shares = np.take_along_axis(totals.probabilities, order, axis=1)
                cut = slice(first, first + step)
                result.indices[cut] = self.indices[order]
                result.logits[cut] = np.take_along_axis(totals.logits, order, axis=1)
                result.probabilities[cut] = np.minimum.accumulate(shares, axis=1)
        return result

    def _sums(self, block: FloatArray, activation: str, temperature: float) -> _Totals:
        """Sums of exponentials, each group's relative to its largest: none is lost, however small.

        The sum of what is up to 1 is exact on a grid of 2⁻³¹, and the rest of each term too small to matter.
        """
        members = np.take(block, self.columns, axis=1)
        largest: FloatArray = np.maximum.reduceat(members, self.starts, axis=1)
        origin = np.where(np.isneginf(largest), block.dtype.type(0), largest)
        sizes = np.diff(self.starts, append=len(self.columns))
        terms = exponentials(*scaled(members, np.repeat(origin, sizes, axis=1), temperature))
        sums = self._split_sum(terms)
        top = largest.max(axis=1, keepdims=True)
        below, correction = scaled(largest, top, temperature)
        weights = exponentials(below.copy(), correction) * sums
        total = weights.sum(axis=1, keepdims=True)
        own, _ = scaled(largest, None, temperature)
        logs = own + np.log(sums)
        if activation == "log-softmax":
            shares = below + (0.0 if correction is None else correction) + np.log(sums) - np.log(total)
        else:
            shares = weights / total
        return _Totals(logs, shares)

    def _values(self, block: FloatArray) -> _Totals:
        """Sums of what are probabilities already."""
        sums = self._split_sum(np.take(block, self.columns, axis=1).astype(np.float64))
        total = 1.0 if self.rest or len(self.columns) == block.shape[1] else sums.sum(axis=1, keepdims=True)
        return _Totals(sums, sums / total)

    def _split_sum(self, terms: Float64Array) -> Float64Array:
        if self.single:
            return terms
        high = (terms + GRID) - GRID
        total = np.add.reduceat(high, self.starts, axis=1)
        return np.asarray(total + np.add.reduceat(terms - high, self.starts, axis=1))
