"""A fitted calibration: what it does to logits, and which logits it is for.

Sources: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks" (2017) for temperature and vector
scaling; Zadrozny and Elkan, "Transforming classifier scores into accurate multiclass probability estimates" (2002) for
isotonic regression of each class against the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from softmax_cli.activation import activate
from softmax_cli.batch import FloatArray
from softmax_cli.errors import InputError, Location
from softmax_cli.text import visible

Float64Array = NDArray[np.float64]

METHODS = ("temperature", "vector", "isotonic")
INPUTS = ("logits", "probabilities")

_LARGEST = float(np.finfo(np.float64).max)
_SOFTMAX = ("softmax", "log-softmax")
_SUM_TOLERANCE = 0.01  # of a row's probabilities, some of which were rounded to a few digits


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """An isotonic curve of one class: from probability to calibrated probability, straight between its points."""

    points: Float64Array
    values: Float64Array


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """A fitted calibration of softmax probabilities.

    method: one of `METHODS`. temperature: of "temperature". weights, biases: (classes,), of "vector". curves: one a
    class, of "isotonic". takes: whether it is for logits, or for probabilities whose logarithms are the logits.
    labels: the names of the classes it was fitted on, where they were known. name: its file, for messages.
    """

    method: str
    classes: int
    temperature: float = 1.0
    weights: Float64Array = field(default_factory=lambda: np.empty(0))
    biases: Float64Array = field(default_factory=lambda: np.empty(0))
    curves: tuple[Curve, ...] = ()
    takes: str = "logits"
    labels: tuple[str, ...] | None = None
    name: str = "calibration"

    @property
    def is_plain(self) -> bool:
        """Whether dividing the logits by the temperature is all there is to do."""
        return self.method == "temperature" and self.takes == "logits"

    def check(self, classes: int | None, labels: Sequence[str] | None, source: str) -> None:
        """See that the calibration is for these classes; None stands for what isn't known.

        Raises InputError with both numbers of classes, or both labels where they differ first.
        """
        at = Location(source)
        file = visible(self.name)
        hint = "a calibration is for the model, the classes and their order that it was fitted on"
        if classes is not None and classes != self.classes:
            message = f"{classes:,} classes, but {file} was fitted on {self.classes:,}"
            raise InputError("calibration-mismatch", message, at=at, hint=hint)
        if labels is None or self.labels is None or tuple(labels) == self.labels:
            return
        pairs = zip(labels, self.labels, strict=False)
        place = next((place for place, (ours, theirs) in enumerate(pairs) if ours != theirs), None)
        if place is None:
            message = f"{len(labels):,} labels, but {file} was fitted with {len(self.labels):,}"
        else:
            ours, theirs = visible(labels[place], 40), visible(self.labels[place], 40)
            message = f"class {place} is {ours!r}, but {theirs!r} in {file}"
        raise InputError("calibration-mismatch", message, at=at, hint=hint)

    def check_activation(self, activation: str, source: str) -> None:
        """See that what turns the input into probabilities is what the calibration was fitted for.

        Raises InputError.
        """
        if activation in _SOFTMAX or (activation == "none" and self.takes == "probabilities"):
            return
        message = f"{visible(self.name)} calibrates a softmax, but the activation is {activation}"
        hint = "--activation softmax, if these are logits"
        if activation == "none":
            hint = "these are probabilities already: fit a calibration on such, with calibrate --from probabilities"
        raise InputError("calibration-mismatch", message, at=Location(source), hint=hint)

    def apply(self, values: FloatArray) -> Float64Array:
        """Turn logits into calibrated logits: those whose softmax is the calibrated probabilities.

        values: (..., classes), logits, or probabilities where `takes` says so. A masked class (-inf, or probability 0)
        stays masked; rows that aren't finite otherwise give NaN.
        Raises ValueError for another number of classes, or for values that aren't probabilities where such are taken.

        >>> Calibration("vector", 2, weights=np.array([2.0, 1.0]), biases=np.array([0.0, 0.5])).apply(
        ...     np.array([[1.0, 3.0]])
        ... )
        array([[2. , 3.5]])
        """
        if values.shape[-1] != self.classes:
            raise ValueError(f"{values.shape[-1]} classes, expected {self.classes}")
        with np.errstate(all="ignore"):
            logits = logarithms(values) if self.takes == "probabilities" else values.astype(np.float64)
            return self._of_logits(logits)

    def _of_logits(self, logits: Float64Array) -> Float64Array:
        if self.method == "temperature":
            return logits / self.temperature
        if self.method == "vector":
            return affine(logits, self.weights, self.biases)
        return np.log(isotonic_probabilities(np.asarray(activate(logits)), self.curves))


def logarithms(probabilities: FloatArray) -> Float64Array:
    """Probabilities as logits: their logarithms, -inf where they are 0.

    Raises ValueError for a row, along the last axis, that doesn't hold numbers from 0 to 1 that sum to 1.
    """
    wide = probabilities.astype(np.float64)
    is_share = (wide >= 0) & (wide <= 1 + _SUM_TOLERANCE)
    is_sum = np.abs(wide.sum(axis=-1) - 1) <= _SUM_TOLERANCE
    if not ((is_share.all(axis=-1) & is_sum) | np.isnan(wide).any(axis=-1)).all():
        raise ValueError("not probabilities: expected numbers from 0 to 1 that sum to 1")
    with np.errstate(divide="ignore"):
        return np.log(wide)


def affine(logits: Float64Array, weights: Float64Array, biases: Float64Array) -> Float64Array:
    """Scale and shift each class; what isn't finite stays what it is, and what is finite stays finite."""
    with np.errstate(all="ignore"):
        result = np.clip(logits * weights + biases, -_LARGEST, _LARGEST)
    return np.where(np.isfinite(logits), result, logits)


def isotonic_probabilities(probabilities: Float64Array, curves: Sequence[Curve]) -> Float64Array:
    """Map each class through its curve, and divide by the sum.

    probabilities: (..., classes). Where every class comes out as 0, those that weren't 0 share alike.
    """
    mapped = np.empty_like(probabilities)
    for index, curve in enumerate(curves):
        mapped[..., index] = np.interp(probabilities[..., index], curve.points, curve.values)
    mapped[probabilities == 0] = 0.0
    total = mapped.sum(axis=-1, keepdims=True)
    alike = np.where(total == 0, (probabilities > 0).astype(np.float64), mapped)
    return np.asarray(alike / alike.sum(axis=-1, keepdims=True))
