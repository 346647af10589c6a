"""From the sums of a stream to the figures of a report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.judge.binning import Bin, equal_mass, expected_error, largest_error, make_bins
from softmax_cli.judge.pairs import MOST_DENSE
from softmax_cli.judge.ranks import CurvePoint, OperatingPoint, Ranked
from softmax_cli.judge.report import ClassFigures, Confused
from softmax_cli.judge.tally import Tally

Floats = NDArray[np.float64]

MOST_CONFUSED = 50
MOST_LISTED = 10_000  # classes, whether they occur or not
_LARGEST_MATRIX = 1000  # classes


@dataclass(frozen=True, slots=True)
class Classes:
    """Counts of each class, (classes,): right, rows of it, and how often it was predicted."""

    hits: Floats
    support: Floats
    predicted: Floats

    def rates(self) -> dict[str, Floats]:
        """Precision, recall, F1 and IoU of each class; NaN where a figure has no meaning."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return {
                "precision": self.hits / self.predicted,
                "recall": self.hits / self.support,
                "f1": 2 * self.hits / (self.support + self.predicted),
                "iou": self.hits / (self.support + self.predicted - self.hits),
            }

    def averages(self, share: Floats | None = None) -> dict[str, dict[str, float]]:
        """Macro averages over the classes that occur, and averages weighted by support.

        A rate that has no meaning for a class that occurs counts as 0, as in scikit-learn.
        """
        occurs = (self.support + self.predicted) > 0
        rates = {name: np.nan_to_num(values) for name, values in self.rates().items()}
        total = self.support.sum()
        return {
            "macro": {name: float(values[occurs].mean()) for name, values in rates.items()},
            "weighted": {name: float((values * self.support).sum() / total) for name, values in rates.items()},
        }

    def figures(self, names: Sequence[str] | None) -> tuple[ClassFigures, ...]:
        """A record of each class; of more than `MOST_LISTED`, only of those that occur."""
        listed = np.arange(len(self.support))
        if len(listed) > MOST_LISTED:
            listed = np.flatnonzero(self.support + self.predicted)
        rates = self.rates()
        columns = [rates[name][listed].tolist() for name in ("precision", "recall", "f1", "iou")]
        rows = zip(
            listed.tolist(),
            self.support[listed].astype(np.int64).tolist(),
            self.predicted[listed].astype(np.int64).tolist(),
            *columns,
            strict=True,
        )
        return tuple(
            ClassFigures(
                index,
                label_of(names, index),
                support,
                predicted,
                *(None if math.isnan(rate) else rate for rate in four),
            )
            for index, support, predicted, *four in rows
        )


def label_of(names: Sequence[str] | None, index: int) -> str:
    """The name of a class: its index as text where no names are known."""
    return str(index) if names is None else names[index]


def class_weights(given: str | Sequence[float] | None, support: Floats) -> Floats:
    """The weight of each class: 1, as given, or "balanced": rows / (classes that occur * rows of the class)."""
    if given is None:
        return np.ones(len(support))
    if given == "balanced":
        occurs = support > 0
        weights = np.zeros(len(support))
        weights[occurs] = support.sum() / (occurs.sum() * support[occurs])
        return weights
    return np.asarray(given, np.float64)


@dataclass(frozen=True)
class Summary:
    """The figures of single-label rows, worked out of a tally that has at least one row."""

    tally: Tally
    tops: Sequence[int]
    weights: Floats

    def classes(self) -> Classes:
        """The counts by class."""
        sums = self.tally.sums
        return Classes(sums["top_1"], sums["support"], sums["predicted"])

    def top_k(self) -> dict[int, float]:
        """The share of rows whose class is among the first k, weighted by class."""
        sums, weights = self.tally.sums, self.weights
        total = (weights * sums["support"]).sum()
        return {k: float((weights * sums[f"top_{k}"]).sum() / total) for k in self.tops}

    def scores(self) -> dict[str, float | None]:
        """Accuracy, balanced accuracy, log-loss and Brier score."""
        sums, weights = self.tally.sums, self.weights
        occurs = sums["support"] > 0
        judged = (weights * sums["judged"]).sum()
        figures: dict[str, float | None] = {
            "accuracy": self.top_k()[1],
            "balanced_accuracy": float((sums["top_1"][occurs] / sums["support"][occurs]).mean()),
        }
        defined = not self.tally.undefined and judged > 0
        counted = weights > 0  # what weighs nothing may be infinite
        nll = float((weights * sums["nll"])[counted].sum() / judged) if defined else None
        figures["nll"] = nll
        figures["nll_bits"] = None if nll is None else nll / math.log(2)
        figures["brier"] = float((weights * sums["brier"]).sum() / judged) if defined else None
        return figures

    def bins(self) -> tuple[Bin, ...]:
        """The equal-width bins of confidence."""
        sums, edges = self.tally.sums, self.tally.edges
        return make_bins(edges[:-1], edges[1:], sums["bin_rows"], sums["bin_confidence"], sums["bin_right"])

    def class_wise_error(self) -> float:
        """The mean over classes of the gaps of each class's probabilities, in bins weighted by their rows.

        What isn't above the first bin is what the others leave of a class's probabilities.
        """
        sums, classes = self.tally.sums, self.tally.classes
        mass = sums["peak_mass"].reshape(classes, -1).copy()
        right = sums["peak_right"].reshape(classes, -1).copy()
        mass[:, 0] += self.tally.mass - mass.sum(axis=1)
        right[:, 0] += sums["judged"] - right.sum(axis=1)
        return float(np.abs(right - mass).sum() / self.tally.rows / classes)

    def calibration(self, ranked: Ranked | None, count: int) -> tuple[dict[str, float | None], tuple[Bin, ...]]:
        """The calibration errors, and the bins of equal mass."""
        names = ("ece", "ece_equal_mass", "ece_class_wise", "mce")
        if self.tally.undefined:
            return dict.fromkeys(names), ()
        bins = self.bins()
        mass = () if ranked is None else equal_mass(ranked.confidence[::-1], ranked.shared[::-1], count)
        values = (
            expected_error(bins),
            expected_error(mass) if mass else None,
            self.class_wise_error(),
            largest_error(bins),
        )
        return dict(zip(names, values, strict=True)), mass

    def confused(self, names: Sequence[str] | None) -> tuple[Confused, ...]:
        """The most confused pairs first."""
        support = self.tally.sums["support"]
        return tuple(
            Confused(
                target, other, label_of(names, target), label_of(names, other), count, float(count / support[target])
            )
            for target, other, count in self.tally.pairs.most(MOST_CONFUSED)
        )

    def confusion(self) -> NDArray[np.int64] | None:
        """The whole matrix of at most 1,000 classes, target by row; rows without probabilities aren't in it."""
        classes = self.tally.classes
        if classes > min(_LARGEST_MATRIX, MOST_DENSE):
            return None
        matrix = np.zeros((classes, classes), np.int64)
        targets, predicted, counts = self.pair_counts().T
        matrix[targets, predicted] = counts
        return matrix

    def pair_counts(self) -> NDArray[np.int64]:
        """Target, predicted class and count of the pairs that occur, right ones too; in order."""
        right = self.tally.sums["top_1"].astype(np.int64)
        same = np.flatnonzero(right)
        targets, predicted, counts = self.tally.pairs.items()
        pairs = np.stack([np.append(targets, same), np.append(predicted, same), np.append(counts, right[same])], axis=1)
        return np.asarray(pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))])

    def notes(self) -> list[str]:
        """What to know to read the figures: empty classes, a single class, infinite loss."""
        sums, classes = self.tally.sums, self.tally.classes
        empty = int((sums["support"] == 0).sum())
        notes = []
        if classes - empty == 1 and classes > 1:
            notes.append("all targets are of one class: balanced accuracy and averages say little")
        elif empty:
            notes.append(
                f"{empty:,} of {classes:,} classes have no rows: they have no recall, and aren't in balanced accuracy"
            )
        if self.tally.undefined:
            notes.append(
                f"{self.tally.undefined:,} of {self.tally.rows:,} rows have no probability (NaN): they count as wrong, "
                "and log-loss, Brier score and calibration have no value"
            )
        if np.isinf(sums["nll"]).any():
            notes.append("some targets have probability 0: the log-loss is infinite")
        return notes


def rank_figures(ranked: Ranked | None) -> tuple[dict[str, float | None], tuple[CurvePoint, ...]]:
    """AUROC and AURC, and the curve."""
    if ranked is None:
        return {"confidence_auroc": None, "aurc": None}, ()
    return {"confidence_auroc": ranked.auroc(), "aurc": ranked.aurc()}, ranked.curve()


def operating_point(ranked: Ranked | None, goal: tuple[str, float] | None) -> OperatingPoint | None:
    """The threshold for a goal, where one was asked for."""
    return None if ranked is None or goal is None else ranked.at(*goal)


def plain(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Figures without what can't be written: None for NaN and infinities."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in figures.items()
    }
