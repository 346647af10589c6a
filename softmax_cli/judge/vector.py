"""Vector scaling: a weight and a bias for each class, so that the log-likelihood of the scaled logits is largest.

The objective is convex; L-BFGS finds its minimum. A weak pull towards plain temperature scaling keeps classes finite
that have no rows, and rows that could be told apart entirely. Sources: Guo, Pleiss, Sun and Weinberger, "On Calibration
of Modern Neural Networks" (2017); Nocedal and Wright, "Numerical Optimization" (2006), algorithm 7.4.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import FloatArray
from softmax_cli.concurrency import overlap
from softmax_cli.errors import InputError, Location
from softmax_cli.judge.samples import IndexArray, Mask, Samples

Float64Array = NDArray[np.float64]
Objective = Callable[[Float64Array], tuple[float, Float64Array]]

PULL = 1e-6  # towards temperature scaling, beside the mean negative log-likelihood of a row

_TOLERANCE = 1e-7  # of the gradient's largest part
_MOST_STEPS = 300
_MEMORY = 12
_ENOUGH_LESS = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class VectorFit:
    """Fitted weights and biases, (classes,) each; whether the minimum was reached; passes over the rows."""

    weights: Float64Array
    biases: Float64Array
    converged: bool
    passes: int


@dataclass(frozen=True, slots=True, eq=False)
class _Scale:
    """The mean and spread of each class's logits, with which all parameters are of about the same size."""

    mean: Float64Array
    spread: Float64Array


def fit_vector(samples: Samples, temperature: float, keep: Mask | None = None, jobs: int = 1) -> VectorFit:
    """Fit a weight and a bias a class on all rows, or those where `keep`; temperature: where to begin.

    Raises InputError where the logits are too large to be added up.
    """
    scale = _scale_of(samples, keep)
    if not (np.isfinite(scale.mean).all() and np.isfinite(scale.spread).all()):
        raise InputError("calibration-data", "logits too large to be added up", at=Location(samples.name))
    weights = np.full(samples.classes, 1.0 / temperature)
    # In terms of standardized logits: weight × spread, and bias + weight × mean.
    start = np.concatenate([weights * scale.spread, weights * scale.mean])

    def objective(place: Float64Array) -> tuple[float, Float64Array]:
        loss, slope = _mean_loss(samples, scale, place, keep, jobs)
        away = place - start
        return loss + 0.5 * PULL * float(away @ away), slope + PULL * away

    place, converged, passes = minimize(objective, start)
    weights = place[: samples.classes] / scale.spread
    biases = place[samples.classes :] - weights * scale.mean
    biases -= biases.mean()  # what all classes have in common changes nothing
    return VectorFit(weights, biases, converged, passes)


def _scale_of(samples: Samples, keep: Mask | None) -> _Scale:
    """The mean and spread of what isn't masked."""
    count, total, square = (np.zeros(samples.classes) for _ in range(3))
    origin: Float64Array | None = None
    with np.errstate(all="ignore"):
        for logits, _, _ in samples.blocks(keep):
            finite = np.isfinite(logits)
            origin = np.where(finite[0], logits[0], 0.0).astype(np.float64) if origin is None else origin
            moved = np.where(finite, logits - origin, 0.0)
            count += finite.sum(axis=0)
            total += moved.sum(axis=0)
            square += (moved * moved).sum(axis=0)
        count = np.maximum(count, 1)
        mean = total / count
        spread = np.sqrt(np.maximum(square / count - mean * mean, 0.0))
    spread[spread == 0] = 1.0
    return _Scale(mean + (0.0 if origin is None else origin), spread)


def _mean_loss(
    samples: Samples, scale: _Scale, place: Float64Array, keep: Mask | None, jobs: int
) -> tuple[float, Float64Array]:
    """The mean negative log-likelihood of a row, and its gradient by the standardized weights and biases."""
    classes = samples.classes
    weights, biases = place[:classes], place[classes:]

    def of_block(block: tuple[FloatArray, IndexArray, IndexArray]) -> tuple[int, float, Float64Array]:
        with np.errstate(all="ignore"):
            return loss_of(block)

    def loss_of(block: tuple[FloatArray, IndexArray, IndexArray]) -> tuple[int, float, Float64Array]:
        logits, targets, _ = block
        standard = (logits - scale.mean) / scale.spread
        masked = np.isneginf(standard)
        standard[masked] = 0.0
        scores = standard * weights + biases
        scores[masked] = -np.inf
        scores -= scores.max(axis=1, keepdims=True)
        of_truth = np.take_along_axis(scores, targets[:, None], axis=1)[:, 0]
        shares = np.exp(scores, out=scores)
        sums = shares.sum(axis=1, keepdims=True)
        shares /= sums
        loss = float((np.log(sums[:, 0]) - of_truth).sum())
        shares[np.arange(len(targets)), targets] -= 1.0
        slope = np.concatenate([(shares * standard).sum(axis=0), shares.sum(axis=0)])
        return len(targets), loss, slope

    rows, loss, slope = 0, 0.0, np.zeros(2 * classes)
    for count, part, slope_part in overlap(samples.blocks(keep), of_block, jobs):
        rows, loss, slope = rows + count, loss + part, slope + slope_part
    return loss / rows, slope / rows


def minimize(objective: Objective, start: Float64Array) -> tuple[Float64Array, bool, int]:
    """Minimize a smooth convex function from `start` by L-BFGS; returns the place, whether it converged, and the calls.

    >>> place, converged, _ = minimize(lambda x: (float((x - 3) @ (x - 3)), 2 * (x - 3)), np.zeros(2))
    >>> place.round(6), converged
    (array([3., 3.]), True)
    """
    place = start
    value, slope = objective(place)
    calls = 1
    memory: deque[tuple[Float64Array, Float64Array]] = deque(maxlen=_MEMORY)
    for _ in range(_MOST_STEPS):
        if np.abs(slope).max() <= _TOLERANCE:
            return place, True, calls
        direction = -_against(slope, memory)
        if direction @ slope >= 0:
            memory.clear()
            direction = -slope
        length = 1.0 if memory else min(1.0, 1.0 / float(np.abs(slope).max()))
        while True:
            following = place + length * direction
            new_value, new_slope = objective(following)
            calls += 1
            if new_value <= value + _ENOUGH_LESS * length * float(direction @ slope):
                break
            length /= 2
            if length < 1e-12:  # rounding leaves nothing to gain
                return place, bool(np.abs(slope).max() <= 100 * _TOLERANCE), calls
        step, change = following - place, new_slope - slope
        if step @ change > 1e-12 * float(change @ change):
            memory.append((step, change))
        place, value, slope = following, new_value, new_slope
    return place, False, calls


def _against(slope: Float64Array, memory: deque[tuple[Float64Array, Float64Array]]) -> Float64Array:
    """The inverse Hessian, as far as the last steps tell it, times the slope (two-loop recursion)."""
    result = slope.copy()
    shares = []
    for step, change in reversed(memory):
        share = float(step @ result) / float(step @ change)
        shares.append(share)
        result -= share * change
    if memory:
        step, change = memory[-1]
        result *= float(step @ change) / float(change @ change)
    for (step, change), share in zip(memory, reversed(shares), strict=True):
        result += step * (share - float(change @ result) / float(step @ change))
    return result
