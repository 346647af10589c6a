"""Conformal sets: of each row the classes that hold the truth with the coverage that was asked for.

Scores are of sorted probabilities; a class is in the set where its score is at most the threshold, which is the
finite-sample quantile of the true classes' scores on rows that the model wasn't fitted on.

Sources: Sadinle, Lei and Wasserman, "Least ambiguous set-valued classifiers" (2019) for LAC; Romano, Sesia and Candès,
"Classification with valid and adaptive coverage" (2020) for APS; Angelopoulos, Bates, Malik and Jordan, "Uncertainty
sets for image classifiers using conformal prediction" (2021) for RAPS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import FloatArray, Ranked
from softmax_cli.confidence.calibration import Calibration

Float64Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SetRule:
    """How classes are scored: one of `SET_METHODS`, RAPS's penalty, and whether a set may be empty.

    penalty: added for each class behind the first `free` ones. allow_empty: else the most likely class scores 0, and
    so is in every set; the coverage stays as exact as the scores' ties let it be.
    """

    method: str = "lac"
    penalty: float = 0.0
    free: int = 0
    allow_empty: bool = True

    def scores(self, probabilities: FloatArray) -> Float64Array:
        """The scores of ranked classes, (rows, k), which never fall along a row.

        probabilities: (rows, k) in descending order.
        """
        scores: Float64Array = SET_METHODS[self.method](probabilities.astype(np.float64), self)
        if not self.allow_empty and scores.shape[1]:
            scores[:, 0] = 0.0
        return scores


def _lac(probabilities: Float64Array, rule: SetRule) -> Float64Array:
    """What lacks to certainty."""
    return np.asarray(1.0 - probabilities)


def _aps(probabilities: Float64Array, rule: SetRule) -> Float64Array:
    """The probability of the class and of all that are likelier."""
    return np.cumsum(probabilities, axis=1)


def _raps(probabilities: Float64Array, rule: SetRule) -> Float64Array:
    """The same, and a penalty for each rank behind the free ones."""
    ranks = np.arange(1, probabilities.shape[1] + 1)
    return np.asarray(np.cumsum(probabilities, axis=1) + rule.penalty * np.maximum(0, ranks - rule.free))


SET_METHODS: Mapping[str, Callable[[Float64Array, SetRule], Float64Array]] = MappingProxyType(
    {"lac": _lac, "aps": _aps, "raps": _raps}
)


@dataclass(frozen=True, slots=True)
class ConformalSets:
    """A fitted rule: classes whose score is at most `threshold` make the set; infinite: all of them do.

    coverage: how often, at least, sets hold the truth. calibration: what the probabilities were calibrated with
    before; it goes along, as the threshold is worth nothing without. The other fields are those of `Calibration`.
    """

    rule: SetRule
    threshold: float
    coverage: float
    calibration: Calibration

    def sizes(self, probabilities: FloatArray) -> NDArray[np.int64]:
        """How many of its best classes are in a row's set, (rows,).

        probabilities: (rows, classes) of all classes, in descending order.
        """
        inside = self.rule.scores(probabilities) <= self.threshold
        return np.asarray(np.count_nonzero(inside, axis=1), np.int64)

    def cut(self, ranked: Ranked) -> Ranked:
        """Leave each row the classes of its set; ranked holds all classes."""
        sizes = self.sizes(ranked.probabilities)
        counts = sizes if ranked.counts is None else np.minimum(sizes, ranked.counts)
        return replace(ranked, counts=counts, are_sets=True)
