"""What one block of rows says beside its targets: the hot kernel of evaluation.

Everything comes from one set of exponentials: the sum gives the log-likelihood, the squares the Brier score, and
only the few probabilities above the first bin are looked at one by one. The target's place is counted, not sorted for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli import compiled
from softmax_cli.activation import BLOCK_ELEMENTS, exponentials, origin_for, scaled
from softmax_cli.batch import FloatArray
from softmax_cli.judge.binning import bin_of

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

_SQUARES = 0.5  # of the safe exponents: those of squares are twice as large
_SHORT_ROW = 10_000
_MARGIN = 1e-5  # more than single precision rounds
_NARROW = 48  # classes, up to which sums over rows of a transposed block are quicker


@dataclass(frozen=True, slots=True)
class Rows:
    """What is known of each of some rows.

    predicted, target: class indices. place: how many classes stand before the target, in the order of ranking.
    confidence: the probability of the predicted class. nll, brier: the row's terms of the two scores.
    mass: (classes,) sums of each class's probabilities over the rows. peaks: of the probabilities above the first
    bin, their class, bin, value, and whether the class is the row's target.
    """

    predicted: Indices
    target: Indices
    place: Indices
    confidence: Floats
    nll: Floats
    brier: Floats
    mass: Floats
    peak_class: Indices
    peak_bin: Indices
    peak_value: Floats
    peak_right: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Kernel:
    """How rows are judged: "softmax" or "none" (the values are probabilities), a temperature, the edges of the bins.

    most: the largest k of top-k accuracies: places from it on aren't told apart.
    """

    activation: str
    temperature: float
    edges: Floats
    most: int = 1 << 30

    def judge(self, logits: FloatArray, target: Indices, weights: Floats | None = None) -> list[Rows]:
        """Judge rows in blocks that fit the cache.

        logits: (rows, classes). target: (rows,). weights: (rows, classes), soft targets for the two scores.
        """
        if weights is None and (at_once := self.judge_at_once(logits, target)) is not None:
            return [at_once]
        rows, classes = logits.shape
        step = max(1, BLOCK_ELEMENTS // max(1, classes))
        axis = 0 if classes <= _NARROW else 1
        shape = (classes, min(step, rows)) if axis == 0 else (min(step, rows), classes)
        scratch = np.empty(shape, np.float64)
        blocks = []
        with np.errstate(all="ignore"):
            for first in range(0, rows, step):
                cut = slice(first, first + step)
                part = logits[cut]
                block = np.ascontiguousarray(part.T if axis == 0 else part)
                out = scratch if scratch.shape == block.shape else np.empty(block.shape)
                soft = None if weights is None else (weights[cut].T if axis == 0 else weights[cut])
                blocks.append(self._block(block, target[cut], soft, axis, out))
        return blocks

    def judge_at_once(self, logits: FloatArray, target: Indices) -> Rows | None:
        """Judge rows in C; None where that can't be, or where one of them has no softmax."""
        is_wide = logits.shape[1] > _NARROW
        if not is_wide or self.activation != "softmax" or not compiled.is_for(logits.dtype, self.temperature):
            return None
        found = compiled.judge(logits, target, temperature=self.temperature, edge=float(self.edges[1]))
        if found is None:
            return None
        classes, rows = found.peaks.T
        confidence, nll, brier = found.scores.T
        bins = bin_of(found.peak_values, self.edges)
        right = target[rows] == classes
        scores = (found.predicted, target, found.place, confidence, nll, brier)
        return Rows(*scores, found.mass, classes, bins, found.peak_values, right)

    def _block(self, block: FloatArray, target: Indices, soft: Floats | None, axis: int, out: Floats) -> Rows:
        """Judge a block whose class axis is `axis`; out: scratch of its shape."""
        predicted = block.argmax(axis=axis)
        aim, top = _flat(target, block.shape, axis), _flat(predicted, block.shape, axis)
        if self.activation == "none":
            values, total, nll, low = self._given(block, aim, soft, axis, out)
        else:
            values, total, nll, low = self._softmax(block, aim, top, soft, axis, out)
        scale = 1.0 / total
        at_target = values.reshape(-1).take(aim) / total
        brier = _squares(values, axis) * scale * scale - 2.0 * at_target + 1.0
        if soft is not None:
            brier = ((values / np.expand_dims(total, axis) - soft) ** 2).sum(axis=axis)
        place = _places(block, target, predicted == target, self.most, axis)
        return Rows(
            predicted,
            target,
            place,
            values.reshape(-1).take(top) / total,
            nll,
            brier,
            np.einsum("j,ij->i" if axis == 0 else "i,ij->j", scale, values),
            *self._peaks(block > low, values, total, target, axis),
        )

    def _given(
        self, block: FloatArray, aim: Indices, soft: Floats | None, axis: int, out: Floats
    ) -> tuple[Floats, Floats, Floats, FloatArray]:
        """Values that are probabilities already, a total of 1, each row's cross-entropy, and the first bin's end."""
        np.copyto(out, block)
        if soft is None:
            nll = -np.log(out.reshape(-1).take(aim))
        else:
            nll = -np.where(soft > 0, soft * np.log(out), 0.0).sum(axis=axis)
        return out, np.ones(len(nll)), nll, np.full((1, 1), self.edges[1] * (1 - _MARGIN), block.dtype)

    def _softmax(
        self, block: FloatArray, aim: Indices, top: Indices, soft: Floats | None, axis: int, out: Floats
    ) -> tuple[Floats, Floats, Floats, FloatArray]:
        """Exponentials, their sum, each row's cross-entropy, and a logit just below the first bin's end."""
        largest = np.expand_dims(block.reshape(-1).take(top), axis)
        origin = origin_for(largest, self.temperature * _SQUARES)
        shifted, correction = scaled(block, origin, self.temperature, out)
        if soft is None:
            exponent = shifted.reshape(-1).take(aim)
            if correction is not None and correction.shape == shifted.shape:
                exponent += correction.reshape(-1).take(aim)
        else:
            exponent = np.where(soft > 0, soft * shifted, 0.0).sum(axis=axis)
        values = exponentials(shifted, correction)
        total = values.sum(axis=axis, keepdims=True)
        logarithm = np.log(total.squeeze(axis))
        nll = np.asarray((logarithm if soft is None else soft.sum(axis=axis) * logarithm) - exponent)
        low = self.temperature * np.log(total * self.edges[1])
        if origin is not None:
            low += origin
        low -= _MARGIN * (1.0 + np.abs(low))
        return values, total.squeeze(axis), nll, low.astype(block.dtype)

    def _peaks(
        self, likely: NDArray[np.bool_], values: Floats, total: Floats, target: Indices, axis: int
    ) -> tuple[Any, ...]:
        """The probabilities above the first bin: at most as many a row as there are bins; likely: where to look."""
        first, second = np.divmod(np.flatnonzero(likely), likely.shape[1])
        classes, rows = (first, second) if axis == 0 else (second, first)
        peaks = np.minimum(values[first, second] / total[rows], 1.0)
        sure = peaks > self.edges[1]
        classes, rows, peaks = classes[sure], rows[sure], peaks[sure]
        return classes, bin_of(peaks, self.edges), peaks, target[rows] == classes


def _flat(classes: Indices, shape: tuple[int, ...], axis: int) -> Indices:
    """Where the element of each row's class lies in a block of that shape, counted through."""
    rows = np.arange(len(classes))
    return classes * shape[1] + rows if axis == 0 else rows * shape[1] + classes


def _squares(values: Floats, axis: int) -> Floats:
    """The sum of squares along an axis; the library's products of long rows would start threads of their own."""
    if axis == 1 and values.shape[1] <= _SHORT_ROW:
        return np.asarray(np.vecdot(values, values))
    return np.asarray(np.einsum("ij,ij->j" if axis == 0 else "ij,ij->i", values, values))


def _places(block: FloatArray, target: Indices, right: NDArray[np.bool_], most: int, axis: int) -> Indices:
    """How many classes stand before the target: those with larger logits, and of equal ones those of lower index.

    From `most` on, the number is only a lower bound.
    """
    place = (~right).astype(np.int64)
    wrong = np.flatnonzero(~right)
    if not len(wrong) or most < 2:
        return place
    part = block.take(wrong, axis=1 - axis)
    aim = np.expand_dims(target[wrong], axis)
    at_target = np.expand_dims(part.reshape(-1).take(_flat(target[wrong], part.shape, axis)), axis)
    before = _count(part > at_target, axis)
    near = np.flatnonzero(before < most)
    if len(near):
        equal = part.take(near, axis=1 - axis) == at_target.take(near, axis=1 - axis)
        order = np.expand_dims(np.arange(block.shape[axis]), 1 - axis)
        equal &= order < aim.take(near, axis=1 - axis)
        before[near] += _count(equal, axis)
    place[wrong] = before
    return place


def _count(mask: NDArray[np.bool_], axis: int) -> Indices:
    """How many are true along an axis; packed, which is quicker than adding them up one by one."""
    if axis == 0:
        return np.asarray(mask.sum(axis=0))
    return np.asarray(np.bitwise_count(np.packbits(mask, axis=1)).sum(axis=1, dtype=np.int64))
