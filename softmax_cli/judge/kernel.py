"""What one block of rows says beside its targets: the hot kernel of evaluation.

Everything comes from one set of exponentials: the sum gives the log-likelihood, the squares the Brier score, and
only the few probabilities above the first bin are looked at one by one. The target's place is counted, not sorted for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.activation import BLOCK_ELEMENTS, exponentials, origin_for, scaled
from softmax_cli.batch import FloatArray
from softmax_cli.judge.binning import bin_of

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

_SQUARES = 0.5  # of the safe exponents: those of squares are twice as large
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

    places: whether the target's place matters beyond the first.
    """

    activation: str
    temperature: float
    edges: Floats
    places: bool = True

    def judge(self, logits: FloatArray, target: Indices, weights: Floats | None = None) -> list[Rows]:
        """Judge rows in blocks that fit the cache.

        logits: (rows, classes). target: (rows,). weights: (rows, classes), soft targets for the two scores.
        """
        rows, classes = logits.shape
        step = max(1, BLOCK_ELEMENTS // max(1, classes))
        axis = 0 if classes <= _NARROW else 1
        shape = (classes, min(step, rows)) if axis == 0 else (min(step, rows), classes)
        scratch = np.empty(shape, np.float64)
        found = []
        with np.errstate(all="ignore"):
            for first in range(0, rows, step):
                cut = slice(first, first + step)
                part = logits[cut]
                block = np.ascontiguousarray(part.T if axis == 0 else part)
                out = scratch[:, : len(part)] if axis == 0 else scratch[: len(part)]
                soft = None if weights is None else (weights[cut].T if axis == 0 else weights[cut])
                found.append(self._block(block, target[cut], soft, axis, out))
        return found

    def _block(self, block: FloatArray, target: Indices, soft: Floats | None, axis: int, out: Floats) -> Rows:
        """Judge a block whose class axis is `axis`; out: scratch of its shape."""
        aim = np.expand_dims(target, axis)
        predicted = block.argmax(axis=axis)
        top = np.expand_dims(predicted, axis)
        if self.activation == "none":
            values, total, nll = self._given(block, aim, soft, axis, out)
        else:
            values, total, nll = self._softmax(block, aim, top, soft, axis, out)
        scale = 1.0 / total
        at_target = np.take_along_axis(values, aim, axis).squeeze(axis) / total
        squares = np.einsum("ij,ij->j" if axis == 0 else "ij,ij->i", values, values) * scale * scale
        brier = squares - 2.0 * at_target + 1.0
        if soft is not None:
            brier = ((values / np.expand_dims(total, axis) - soft) ** 2).sum(axis=axis)
        place = (
            _places(block, aim, predicted == target, axis) if self.places else (predicted != target).astype(np.int64)
        )
        return Rows(
            predicted,
            target,
            place,
            np.take_along_axis(values, top, axis).squeeze(axis) / total,
            nll,
            brier,
            np.einsum("j,ij->i" if axis == 0 else "i,ij->j", scale, values),
            *self._peaks(values, total, target, axis),
        )

    def _given(
        self, block: FloatArray, aim: Indices, soft: Floats | None, axis: int, out: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Values that are probabilities already, a total of 1, and each row's cross-entropy."""
        np.copyto(out, block)
        if soft is None:
            nll = -np.log(np.take_along_axis(out, aim, axis)).squeeze(axis)
        else:
            nll = -np.where(soft > 0, soft * np.log(out), 0.0).sum(axis=axis)
        return out, np.ones(len(nll)), nll

    def _softmax(
        self, block: FloatArray, aim: Indices, top: Indices, soft: Floats | None, axis: int, out: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Exponentials, their sum, and each row's cross-entropy."""
        largest = np.take_along_axis(block, top, axis)
        origin = origin_for(largest, self.temperature * _SQUARES)
        shifted, correction = scaled(block, origin, self.temperature, out)
        if soft is None:
            exponent = np.take_along_axis(shifted, aim, axis)
            if correction is not None and correction.shape == shifted.shape:
                exponent = exponent + np.take_along_axis(correction, aim, axis)
        else:
            exponent = np.where(soft > 0, soft * shifted, 0.0).sum(axis=axis, keepdims=True)
        values = exponentials(shifted, correction)
        total = values.sum(axis=axis, keepdims=True)
        share = 1.0 if soft is None else soft.sum(axis=axis, keepdims=True)
        nll = np.asarray(share * np.log(total) - exponent).squeeze(axis)
        return values, total.squeeze(axis), nll

    def _peaks(self, values: Floats, total: Floats, target: Indices, axis: int) -> tuple[Any, ...]:
        """The probabilities above the first bin: at most as many a row as there are bins."""
        least = np.expand_dims(total * self.edges[1], axis)
        places = np.flatnonzero(values > least)
        first, second = np.divmod(places, values.shape[1])
        classes, rows = (first, second) if axis == 0 else (second, first)
        peaks = np.minimum(values[first, second] / total[rows], 1.0)
        return classes, bin_of(peaks, self.edges), peaks, target[rows] == classes


def _places(block: FloatArray, aim: Indices, right: NDArray[np.bool_], axis: int) -> Indices:
    """How many classes stand before the target: those with larger logits, and of equal ones those of lower index."""
    place = np.zeros(len(right), np.int64)
    wrong = np.flatnonzero(~right)
    if not len(wrong):
        return place
    part = block.take(wrong, axis=1 - axis)
    aim = aim.take(wrong, axis=1 - axis)
    at_target = np.take_along_axis(part, aim, axis)
    before = _count(part > at_target, axis)
    ties = _count(part == at_target, axis) > 1
    if ties.any():
        some = np.flatnonzero(ties)
        equal = part.take(some, axis=1 - axis) == at_target.take(some, axis=1 - axis)
        order = np.expand_dims(np.arange(block.shape[axis]), 1 - axis)
        before[some] += (equal & (order < aim.take(some, axis=1 - axis))).sum(axis=axis)
    place[wrong] = before
    return place


def _count(mask: NDArray[np.bool_], axis: int) -> Indices:
    """How many are true along an axis; packed, which is quicker than adding them up one by one."""
    if axis == 0:
        return np.asarray(mask.sum(axis=0))
    return np.asarray(np.bitwise_count(np.packbits(mask, axis=1)).sum(axis=1, dtype=np.int64))
