"""How far two probability distributions are from each other, row by row, from their logits.

With p and q of a class, b the larger and s = b·e⁻ˣ the smaller of them, x = |log p - log q|, each summand of
KL(P‖Q) + Σq - Σp is b·(x + expm1(-x)) where p is the larger, else -b·expm1(-x) - s·x; those of JS are
(p + q)/4 · (x·u - x - 2·log1p(expm1(-x)/2)), u = tanh(x/2). None of them is negative, so nothing cancels in the sums,
and what is near 0 keeps its digits. As Σp = Σq = 1, the sums are KL and JS themselves.

Sources: Kullback and Leibler, "On information and sufficiency" (1951); Lin, "Divergence measures based on the
Shannon entropy" (1991).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from softmax_cli.activation import Float64Array, exact_sum
from softmax_cli.batch import FloatArray

_FAR = 2000.0  # stands for an infinite x: e⁻²⁰⁰⁰ is 0


class Chances(NamedTuple):
    """Probabilities and their logarithms, (rows, columns) in float64."""

    logs: Float64Array
    values: Float64Array


class Divergence(NamedTuple):
    """Figures of each row, (rows,) in float64; divergences in nats."""

    kl: Float64Array
    kl_reverse: Float64Array
    js: Float64Array
    total_variation: Float64Array
    max_probability: Float64Array
    sum_probability: Float64Array


def chances(logits: FloatArray, activation: str) -> Chances:
    """Turn logits into probabilities and their logarithms.

    Softmax gives a distribution over the classes; so do values that are probabilities already (`none`), as they are.
    Sigmoid gives one for each class, whether it is there or not: twice as many columns.
    """
    wide = np.ascontiguousarray(logits, np.float64)
    if activation == "none":
        return Chances(np.log(wide), wide)
    if activation == "sigmoid":
        both = np.concatenate([wide, -wide], axis=1)
        logs = -np.logaddexp(0.0, -both)
        return Chances(logs, np.exp(logs))
    top = wide.argmax(axis=1)[:, None]
    shifted = wide - np.take_along_axis(wide, top, axis=1)
    terms = np.exp(shifted)
    np.put_along_axis(terms, top, 0.0, axis=1)
    rest = exact_sum(terms, 1, terms.dtype)  # what is left of 1 beside the first: log1p takes it whole
    np.put_along_axis(terms, top, 1.0, axis=1)
    terms /= 1.0 + rest
    shifted -= np.log1p(rest)
    return Chances(shifted, terms)


def divergence(a: Chances, b: Chances) -> Divergence:
    """Compare two distributions in every row; KL is infinite where one gives no chance to what the other does.

    >>> same = chances(np.array([[1.0, 2.0]]), "softmax")
    >>> divergence(same, same).kl
    array([0.])
    """
    larger, smaller = np.maximum(a.values, b.values), np.minimum(a.values, b.values)
    x = np.abs(a.logs - b.logs)
    endless = None
    if not np.isfinite(x).all():
        x[np.isneginf(a.logs) & np.isneginf(b.logs)] = 0.0
        endless = np.isposinf(x)
        x[endless] = _FAR
    decay = np.expm1(-x)
    down = larger * (x + decay)  # the share of classes that lose, from the one who gives them more
    up = -larger * decay - smaller * x
    if endless is not None:
        down[endless] = np.inf
    falls = a.values >= b.values
    middle = x * (-decay / (2.0 + decay)) - x - 2.0 * np.log1p(decay / 2.0)
    apart = larger - smaller
    sums = apart.sum(axis=1)
    return Divergence(
        kl=_sum(np.where(falls, down, up)),
        kl_reverse=_sum(np.where(falls, up, down)),
        js=_sum((larger + smaller) * middle) / 4.0,
        total_variation=sums / 2.0,
        max_probability=apart.max(axis=1),
        sum_probability=sums,
    )


def _sum(terms: Float64Array) -> Float64Array:
    """Row sums of what is 0 or more, but for the last rounding."""
    return np.asarray(np.maximum(terms, 0.0).sum(axis=1))


def apart(a: FloatArray, b: FloatArray) -> NDArray[np.float64]:
    """How far logits are from each other, (rows, classes); the same infinities not at all."""
    difference = np.abs(np.subtract(a, b, dtype=np.float64))
    difference[np.isnan(difference)] = 0.0  # -inf less -inf: rows hold no NaN
    return difference
