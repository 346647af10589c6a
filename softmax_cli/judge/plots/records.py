"""What can be drawn: plain numbers, that know nothing of where they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatVector: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reliability:
    """Rows by their confidence: edges (bins + 1,); count, confidence and accuracy (bins,), means over the bin's rows.

    An empty bin's confidence and accuracy are NaN. ece: the expected calibration error of these bins. title: of the
    panel.
    """

    edges: FloatVector
    count: NDArray[np.int64]
    confidence: FloatVector
    accuracy: FloatVector
    ece: float
    title: str = "Reliability"

    def mean_confidence(self) -> float:
        """Over all rows."""
        return _mean(self.confidence, self.count)

    def mean_accuracy(self) -> float:
        """Over all rows."""
        return _mean(self.accuracy, self.count)


def _mean(values: FloatVector, count: NDArray[np.int64]) -> float:
    filled = count > 0
    rows = int(count.sum())
    return float((values[filled] * count[filled]).sum() / rows) if rows else float("nan")


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """The error rate among the most confident rows: coverage, ascending, and risk, (points,); area: AURC."""

    coverage: FloatVector
    risk: FloatVector
    area: float


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often which class was taken for which: matrix (true, predicted); names of the classes, where known."""

    matrix: NDArray[np.integer[Any]]
    names: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class ConfusedPairs:
    """The most confused pairs of classes, where their matrix would be too large: (true, predicted, rows)."""

    pairs: Sequence[tuple[str, str, int]]
    classes: int


@dataclass(frozen=True, slots=True)
class TemperatureCurve:
    """The NLL over the temperature: (points,) each, ascending; best: the fitted temperature and its NLL."""

    temperatures: FloatVector
    nll: FloatVector
    best: tuple[float, float]
    plain: float


@dataclass(frozen=True, slots=True)
class Bars:
    """The top classes of one row: labels and probabilities, best first. other: the same at `other_name`, if any."""

    title: str
    labels: Sequence[str]
    values: Sequence[float]
    name: str = "probability"
    other: Sequence[float] | None = None
    other_name: str = ""


Panel: TypeAlias = Reliability | RiskCoverage | Confusion | ConfusedPairs | TemperatureCurve | Bars


@dataclass(frozen=True, slots=True)
class Histogram:
    """How confident the rows are: the counts of a `Reliability`, as a panel of their own."""

    reliability: Reliability


@dataclass(frozen=True, slots=True)
class Picture:
    """One figure: its title, and its panels in reading order."""

    title: str
    panels: Sequence[Panel | Histogram]
