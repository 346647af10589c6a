"""Temperature scaling: the one number that logits are divided by so that their log-likelihood is largest.

The negative log-likelihood is convex in β = 1 / T. Newton's method on β finds its minimum, kept between bounds and
within what earlier steps have ruled out. Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural
Networks" (2017); the bounds on log T are those that scikit-learn searches.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from softmax_cli.batch import FloatArray
from softmax_cli.concurrency import overlap
from softmax_cli.errors import InputError, Location
from softmax_cli.judge.samples import IndexArray, Mask, Samples

LOG_BOUND = 10.0

_TOLERANCE = 1e-10  # of β, relative
_MOST_PASSES = 60
_LARGEST_STEP = math.log(16.0)
_NORMAL_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Slope:
    """The summed negative log-likelihood of rows at one β, and its first two derivatives by β.

    all_right: whether no class has a larger logit than the true one in any row. all_alike: whether the logits of each
    row that aren't masked are all the same.
    """

    rows: int = 0
    loss: float = 0.0
    first: float = 0.0
    second: float = 0.0
    all_right: bool = True
    all_alike: bool = True

    def __add__(self, other: Slope) -> Slope:
        return Slope(
            self.rows + other.rows,
            self.loss + other.loss,
            self.first + other.first,
            self.second + other.second,
            self.all_right and other.all_right,
            self.all_alike and other.all_alike,
        )


@dataclass(frozen=True, slots=True)
class TemperatureFit:
    """A fitted temperature, and how it was come by.

    outcome: "converged", or why the temperature isn't a minimum: "separable", "constant", "lower bound", "upper
    bound". interval: where T lies with 95 %, from the curvature; None where it isn't a minimum. passes: over the rows.
    """

    temperature: float
    outcome: str
    passes: int
    interval: tuple[float, float] | None = None

    @property
    def converged(self) -> bool:
        """Whether the temperature is a minimum."""
        return self.outcome == "converged"

    @property
    def reason(self) -> str:
        """Why it isn't a minimum; empty where it is."""
        return _REASONS.get(self.outcome, "").format(temperature=self.temperature)


_REASONS = {
    "separable": "every row is right, so the smaller T, the better: no T is best, and it stays at 1",
    "constant": "the logits of each row are all the same, so T changes nothing, and stays at 1",
    "upper bound": "the logits say no more about the targets than chance, or the contrary: T ends at its upper bound,"
    " {temperature:.6g}, where every class is about as likely; are the targets in the order of the rows?",
    "lower bound": "T ends at its lower bound, {temperature:.6g}: are these logits, not probabilities or scaled ones?",
}


def slope_of_block(logits: FloatArray, targets: IndexArray, beta: float) -> Slope:
    """The slope over rows without NaN or +inf whose true class isn't masked; logits: (rows, classes)."""
    with np.errstate(all="ignore"):  # what overflows is found out by the caller
        top = logits.max(axis=1, keepdims=True)
        distance = np.subtract(logits, top, dtype=np.float64)
        of_truth = np.take_along_axis(distance, targets[:, None], axis=1)[:, 0]
        terms = np.exp(beta * distance)
        distance[np.isneginf(distance)] = 0.0  # masked classes: their terms are 0
        total = terms.sum(axis=1)
        terms *= distance
        mean = terms.sum(axis=1) / total
        terms *= distance
        second = terms.sum(axis=1) / total - mean * mean
    return Slope(
        len(targets),
        float((np.log(total) - beta * of_truth).sum()),
        float((mean - of_truth).sum()),
        float(np.maximum(second, 0.0).sum()),
        bool((of_truth == 0).all()),
        not distance.any(),
    )


def slope_of(samples: Samples, beta: float, keep: Mask | None = None, jobs: int = 1) -> Slope:
    """The slope over all rows, or those where `keep`; the same to the last digit for any number of threads."""
    blocks = samples.blocks(keep)
    total = Slope()
    for part in overlap(blocks, lambda block: slope_of_block(block[0], block[1], beta), jobs):
        total += part
    return total


def fit_temperature(slope: Callable[[float], Slope], name: str, start: float = 1.0) -> TemperatureFit:
    """Find the T with the least negative log-likelihood, between e⁻¹⁰ and e¹⁰.

    slope: the slope at a β, mostly one pass over the data. start: the T to begin with.
    Raises InputError where the logits are too large to be added up.

    >>> logits = np.array([[2.0, 0.0], [2.0, 0.0], [2.0, 0.0]])
    >>> fit = fit_temperature(lambda beta: slope_of_block(logits, np.array([0, 0, 1]), beta), "logits")
    >>> round(2.0 / fit.temperature, 6)  # the log-odds of two out of three
    0.693147
    """
    low, high = -LOG_BOUND, LOG_BOUND  # of log β, as far as the minimum can lie
    place = min(max(-math.log(start), low), high)
    for passes in range(1, _MOST_PASSES + 1):
        at = slope(math.exp(place))
        if not (math.isfinite(at.first) and math.isfinite(at.second)):
            raise InputError("calibration-data", "logits too large to be added up", at=Location(name))
        if at.all_alike:
            return TemperatureFit(1.0, "constant", passes)
        if at.all_right:
            return TemperatureFit(1.0, "separable", passes)
        if at.first > 0:
            high = place
        else:
            low = place
        if high == -LOG_BOUND:
            return TemperatureFit(math.exp(LOG_BOUND), "upper bound", passes)
        if low == LOG_BOUND:
            return TemperatureFit(math.exp(-LOG_BOUND), "lower bound", passes)
        following = _following(place, at, low, high)
        if abs(following - place) <= _TOLERANCE or high - low <= _TOLERANCE:
            return _converged(following, at, passes)
        place = following
    return _converged(place, at, passes)


def _following(place: float, at: Slope, low: float, high: float) -> float:
    """The next log β: Newton's, if it lies between the bounds and isn't too far, else a safe one."""
    beta = math.exp(place)
    step = -math.copysign(_LARGEST_STEP, at.first)
    if at.second > 0:
        newton = beta - at.first / at.second
        if newton > 0:
            step = min(max(math.log(newton) - place, -_LARGEST_STEP), _LARGEST_STEP)
    following = place + step
    if low < following < high:
        return following
    # The bounds themselves are worth a look only where nothing has been ruled out on their side.
    if following >= high:
        return high if high == LOG_BOUND else (place + high) / 2
    return low if low == -LOG_BOUND else (place + low) / 2


def _converged(place: float, at: Slope, passes: int) -> TemperatureFit:
    temperature = math.exp(-place)
    if at.second <= 0:
        return TemperatureFit(temperature, "converged", passes)
    error = _NORMAL_95 / (math.exp(place) * math.sqrt(at.second))  # of log T
    factor = math.exp(min(error, 2 * LOG_BOUND))
    return TemperatureFit(temperature, "converged", passes, (temperature / factor, temperature * factor))
