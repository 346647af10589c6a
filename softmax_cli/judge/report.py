"""What an evaluation found: the record that tables, JSON, markdown and pictures are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.judge.binning import Bin
from softmax_cli.judge.ranks import CurvePoint, OperatingPoint

_DIGITS = 12  # of what is written: the last ones depend on how the input was cut into batches


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """One class: its rows and how often it was predicted; None where a figure has no meaning.

    precision: None where it was never predicted; recall: None where it has no rows; average_precision: of labels.
    """

    index: int
    label: str
    support: int
    predicted: int
    precision: float | None
    recall: float | None
    f1: float | None
    iou: float | None = None
    average_precision: float | None = None


@dataclass(frozen=True, slots=True)
class Confused:
    """How often one class was taken for another; share: of the rows of the target class."""

    target: int
    predicted: int
    target_label: str
    predicted_label: str
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % bootstrap interval."""

    low: float
    high: float


@dataclass(frozen=True)
class Report:
    """An evaluation.

    kind: "classes" (one right class a row), "labels" (any number, by a sigmoid) or "soft" (a distribution).
    rows: that were judged. ignored: rows left out for their target; dropped: for an error; undefined: kept without
    probabilities. classes: how many there are. figures: by name; None where a figure has no meaning. intervals: of
    some figures. per_class: every class, of more than 10,000 only those that occur. averages: of the classes' figures,
    "macro" and "weighted" (and "micro" of labels). bins: of equal width; mass_bins: of as many rows each. confusion:
    (classes, classes) counts, target by row, of at most 1,000 classes; pair_counts: (pairs, 3), target, predicted class
    and count of all pairs that occur, for any number. is_picture: whether rows are counted over several axes. top_k:
    top-k accuracy by k. notes: what to know to read the figures.
    """

    source: str
    kind: str
    activation: str
    temperature: float
    rows: int
    ignored: int
    dropped: int
    undefined: int
    classes: int
    top_k: Mapping[int, float]
    figures: Mapping[str, float | None]
    averages: Mapping[str, Mapping[str, float]]
    per_class: Sequence[ClassFigures]
    labels: Sequence[str] | None = None
    intervals: Mapping[str, Interval] | None = None
    bins: Sequence[Bin] = ()
    mass_bins: Sequence[Bin] = ()
    confused: Sequence[Confused] = ()
    confusion: NDArray[np.int64] | None = None
    pair_counts: NDArray[np.int64] | None = None
    curve: Sequence[CurvePoint] = ()
    operating: OperatingPoint | None = None
    threshold: float | None = None
    is_picture: bool = False
    notes: Sequence[str] = ()

    def as_record(self) -> dict[str, Any]:
        """The report as plain objects: None instead of NaN and infinities, floats of 12 digits."""
        record: dict[str, Any] = {
            "source": self.source,
            "kind": self.kind,
            "activation": self.activation,
            "temperature": self.temperature,
            "rows": self.rows,
            "ignored": self.ignored,
            "dropped": self.dropped,
            "undefined": self.undefined,
            "classes": self.classes,
            "top_k_accuracy": {str(k): value for k, value in self.top_k.items()},
            **self.figures,
            "averages": self.averages,
        }
        if self.intervals is not None:
            record["intervals"] = {name: asdict(interval) for name, interval in self.intervals.items()}
        if self.operating is not None:
            record["operating_point"] = asdict(self.operating)
        if self.threshold is not None:
            record["threshold"] = self.threshold
        if self.bins:
            record["bins"] = [{**asdict(part), "gap": part.gap} for part in self.bins]
            record["equal_mass_bins"] = [{**asdict(part), "gap": part.gap} for part in self.mass_bins]
        if self.curve:
            record["risk_coverage"] = [asdict(point) for point in self.curve]
        record["per_class"] = [asdict(figures) for figures in self.per_class]
        if self.kind != "labels":
            record["confused"] = [asdict(pair) for pair in self.confused]
        if self.confusion is not None and self.classes <= 100:
            record["confusion"] = self.confusion.tolist()
        record["notes"] = list(self.notes)
        plain: dict[str, Any] = _plain(record)
        return plain


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None
    return value
