"""One softmax step by step: every number between a row of logits and its probabilities.

Sources: Goodfellow, Bengio and Courville, "Deep Learning" (2016), sections 4.1 (overflow and underflow) and 6.2.2
(cross-entropy and its gradient); Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network" (2015) for
the temperature.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softmax_cli.activation import exact_sum, exponentials, log_softmax, scaled, sigmoid, softmax

Float64Array = NDArray[np.float64]

_FLOATS = (("float32", np.float32), ("float64", np.float64))


@dataclass(frozen=True, slots=True)
class Steps:
    """The softmax of one row at one temperature; arrays are (classes,) float64.

    scaled: the logits over the temperature. maximum: the largest of them. shifted: scaled - maximum. exponentials:
    those of `shifted`; total: their sum. entropy and cross_entropy: in nats. gradient: of the cross-entropy with
    respect to the logits, (p - y) / T. jacobian: of the probabilities of the shown classes with respect to their
    logits, (diag(p) - p pᵀ) / T, (shown, shown).
    """

    temperature: float
    scaled: Float64Array
    maximum: float
    shifted: Float64Array
    exponentials: Float64Array
    total: float
    probabilities: Float64Array
    log_probabilities: Float64Array
    entropy: float
    cross_entropy: float | None = None
    gradient: Float64Array | None = None
    jacobian: Float64Array | None = None


@dataclass(frozen=True, slots=True)
class Naive:
    """What exp(x) / Σ exp(x) without the shift gives in one kind of floats.

    largest: the largest exponent whose exponential is finite; least: the smallest one that gives more than 0.
    exponentials, probabilities: (classes,), as they come out. total: the sum as it comes out.
    overflows, vanishes: how many exponentials of finite logits become infinite, or 0.
    """

    dtype: str
    largest: float
    least: float
    exponentials: Float64Array
    total: float
    probabilities: Float64Array
    overflows: int
    vanishes: int

    @property
    def fails(self) -> bool:
        """Whether no probabilities come out."""
        return self.overflows > 0 or self.total == 0


@dataclass(frozen=True, slots=True)
class Explanation:
    """A row of logits and everything that its softmax goes through.

    logits: (classes,) float64. names: of the classes, where known. origin: where the row comes from, where it isn't
    from the arguments. shown: the classes to show, in that order; all are in every sum. argmax: the class with the
    largest logit, the first of equals. ties: how many share the largest. target: the true class. plain: the steps at
    T = 1; tempered: at another temperature. sigmoids: (classes,), the logistic function of each logit.
    """

    logits: Float64Array
    shown: tuple[int, ...]
    argmax: int
    ties: int
    plain: Steps
    naive: tuple[Naive, ...]
    names: tuple[str, ...] | None = None
    origin: str | None = None
    target: int | None = None
    tempered: Steps | None = None
    sigmoids: Float64Array | None = None

    def __len__(self) -> int:
        return len(self.logits)

    def label(self, index: int) -> str:
        """The name of a class: its index as text where no names are known."""
        return str(index) if self.names is None else self.names[index]


def explain(
    logits: ArrayLike,
    names: Sequence[str] | None = None,
    *,
    temperature: float = 1.0,
    target: int | None = None,
    jacobian: bool = False,
    sigmoids: bool = False,
    top: int = 10,
    origin: str | None = None,
) -> Explanation:
    """Take a row of logits through the softmax and keep every number on the way.

    logits: (classes,) real numbers, worked in float64; -inf is a masked class. names: one a class. temperature: any
    but 1 adds the steps at that temperature. target: the index of the true class; adds cross-entropy and gradient.
    top: the classes to show, those with the largest logits and the target; 0 shows all.
    Raises ValueError for anything but one axis with at least one class, NaN, +inf, no class but masked ones, a
    temperature that isn't positive, names that aren't as many; IndexError for a target that isn't there.

    >>> explanation = explain([3.2, 1.3, 0.2, 0.8], target=0)
    >>> explanation.plain.probabilities.round(6)
    array([0.77515 , 0.115938, 0.038592, 0.07032 ])
    >>> round(explanation.plain.cross_entropy, 6)
    0.254699
    """
    row = np.array(logits, np.float64)
    if row.ndim != 1 or not len(row):
        raise ValueError(f"logits of shape {row.shape}, expected one row with at least one class")
    if not np.isfinite(row.max()):
        raise ValueError("logits with NaN or +inf, or without any class that isn't masked")
    if names is not None and len(names) != len(row):
        raise ValueError(f"{len(names)} names for {len(row)} classes")
    if target is not None and not 0 <= target < len(row):
        raise IndexError(f"target {target} of {len(row)} classes")
    shown = _shown(row, top, target)
    picked = np.array(shown) if jacobian else None
    return Explanation(
        row,
        shown,
        argmax=int(row.argmax()),
        ties=int(np.count_nonzero(row == row.max())),
        plain=_steps(row, 1.0, target, picked),
        naive=tuple(_naive(row, name, dtype) for name, dtype in _FLOATS),
        names=None if names is None else tuple(names),
        origin=origin,
        target=target,
        tempered=None if temperature == 1.0 else _steps(row, temperature, target, picked),
        sigmoids=np.asarray(sigmoid(row), np.float64) if sigmoids else None,
    )


def _shown(row: Float64Array, top: int, target: int | None) -> tuple[int, ...]:
    """The classes to show: in their order where all are, else the largest first, the target behind them."""
    if not top or len(row) <= top:
        return tuple(range(len(row)))
    order = [int(index) for index in np.argsort(-row, kind="stable")[:top]]
    return tuple(order if target is None or target in order else [*order, target])


def _steps(row: Float64Array, temperature: float, target: int | None, picked: NDArray[np.int64] | None) -> Steps:
    probabilities = np.asarray(softmax(row, temperature=temperature), np.float64)
    logs = np.asarray(log_softmax(row, temperature=temperature), np.float64)
    with np.errstate(all="ignore"):  # beside -inf
        whole, _ = scaled(row, None, temperature)
        shifted, correction = scaled(row, row.max(), temperature)
        terms = exponentials(shifted.copy(), correction)
    likely = probabilities > 0
    gradient = None if target is None else _less_one(probabilities, logs, target) / temperature
    return Steps(
        temperature,
        whole,
        float(whole.max()),
        shifted,
        terms,
        float(exact_sum(terms, -1, row.dtype)[0]),
        probabilities,
        logs,
        entropy=-math.fsum(probabilities[likely] * logs[likely]) + 0.0,
        cross_entropy=None if target is None else -float(logs[target]) + 0.0,
        gradient=gradient,
        jacobian=None if picked is None else _jacobian(probabilities[picked], logs[picked]) / temperature,
    )


def _less_one(probabilities: Float64Array, logs: Float64Array, target: int) -> Float64Array:
    """Return p - y; where p is near 1, `expm1` of its logarithm keeps the digits that the difference loses."""
    result = probabilities.copy()
    result[target] = np.expm1(logs[target])
    return result


def _jacobian(probabilities: Float64Array, logs: Float64Array) -> Float64Array:
    result = -np.outer(probabilities, probabilities)
    np.fill_diagonal(result, -probabilities * np.expm1(logs))
    return np.asarray(result + 0.0)  # no negative zeros


def _naive(row: Float64Array, name: str, dtype: type[Any]) -> Naive:
    """Compute exp(x) / Σ exp(x) as a first try would, in one kind of floats."""
    info = np.finfo(dtype)
    with np.errstate(all="ignore"):
        terms = np.exp(row.astype(dtype))
        total = terms.sum(dtype=dtype)
        probabilities = terms / total
    finite = np.isfinite(row)
    return Naive(
        name,
        largest=math.log(float(info.max)),
        least=math.log(float(info.smallest_subnormal)) - math.log(2),  # half of it is rounded up
        exponentials=terms.astype(np.float64),
        total=float(total),
        probabilities=probabilities.astype(np.float64),
        overflows=int(np.count_nonzero(np.isposinf(terms))),
        vanishes=int(np.count_nonzero((terms == 0) & finite)),
    )
