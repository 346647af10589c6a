"""Temperature scaling against scikit-learn's and against what must hold whatever the data."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from softmax_cli.errors import InputError
from softmax_cli.judge.samples import from_arrays
from softmax_cli.judge.temperature import LOG_BOUND, TemperatureFit, fit_temperature, slope_of
from tests.calibrate.made import Floats, Indices, drawn, shares_of


class Known(ClassifierMixin, BaseEstimator):
    """A classifier whose inputs are its logits."""

    def __init__(self, classes: int = 2):
        self.classes = classes

    def fit(self, x: Floats, y: Indices) -> Known:
        self.classes_ = np.arange(self.classes)
        self.n_features_in_ = x.shape[1]
        return self

    def decision_function(self, x: Floats) -> Floats:
        return x

    def predict(self, x: Floats) -> Indices:
        return x.argmax(axis=1)


def fitted(logits: object, targets: object, jobs: int = 1) -> TemperatureFit:
    samples = from_arrays(np.asarray(logits, np.float64), np.asarray(targets))
    return fit_temperature(lambda beta: slope_of(samples, beta, jobs=jobs), "logits")


def sklearn_temperature(logits: Floats, targets: Indices) -> float:
    classes = logits.shape[1]
    known = Known(classes).fit(logits, targets)
    model = CalibratedClassifierCV(FrozenEstimator(known), method="temperature", cv=2, ensemble=False)
    model.fit(logits, targets)
    return float(1 / model.calibrated_classifiers_[0].calibrators[0].beta_)


@pytest.mark.parametrize("scale", [0.02, 0.5, 1.0, 3.0, 40.0, 900.0])
@pytest.mark.parametrize(("rows", "classes"), [(60, 3), (800, 10), (3000, 57)])
def test_agrees_with_scikit_learn(scale: float, rows: int, classes: int) -> None:
    logits, targets = drawn(rows, classes, scale, seed=rows)
    fit = fitted(logits, targets)
    assert fit.converged
    assert fit.temperature == pytest.approx(sklearn_temperature(logits, targets), rel=1e-6)


def test_recovers_the_scale_within_its_interval() -> None:
    inside = 0
    for seed in range(100):
        fit = fitted(*drawn(400, 4, 2.5, seed))
        assert fit.interval is not None
        inside += fit.interval[0] <= 2.5 <= fit.interval[1]
    assert 88 <= inside <= 100  # of 95 expected: five standard deviations away at most


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 6).flatmap(
        lambda classes: st.lists(
            st.tuples(
                st.lists(st.floats(-50, 50, width=32), min_size=classes, max_size=classes), st.integers(0, classes - 1)
            ),
            min_size=1,
            max_size=25,
        )
    )
)
def test_any_data_ends_in_a_finite_positive_temperature(rows: list[tuple[list[float], int]]) -> None:
    logits = np.array([row for row, _ in rows])
    targets = np.array([target for _, target in rows])
    fit = fitted(logits, targets)
    assert math.exp(-LOG_BOUND) * (1 - 1e-12) <= fit.temperature <= math.exp(LOG_BOUND) * (1 + 1e-12)
    assert fit.converged == (fit.reason == "")

    def loss(temperature: float) -> float:
        with np.errstate(divide="ignore"):
            return float(-np.log(shares_of(logits / temperature)[np.arange(len(targets)), targets]).sum())

    if fit.converged:
        best = loss(fit.temperature)
        for factor in (0.5, 0.9, 0.999, 1.001, 1.1, 2.0):
            assert best <= loss(fit.temperature * factor) + 1e-9 * (1 + abs(best))


SEPARABLE = ([[2, 0], [0, 3], [1, 0]], [0, 1, 0])


@pytest.mark.parametrize(
    ("logits", "targets", "outcome", "temperature"),
    [
        (*SEPARABLE, "separable", 1.0),
        ([[1, 2]], [1], "separable", 1.0),
        ([[1, 1]], [0], "constant", 1.0),
        ([[7, 7, 7], [0, 0, 0]], [0, 2], "constant", 1.0),
        ([[7, -math.inf], [-math.inf, 0]], [0, 1], "constant", 1.0),
        ([[1, 2]], [0], "upper bound", math.exp(LOG_BOUND)),
        ([[5, 0], [0, 5], [0, 9]], [1, 0, 0], "upper bound", math.exp(LOG_BOUND)),
        ([[1e-7, 0]] * 9 + [[0, 1e-7]], [0] * 10, "lower bound", math.exp(-LOG_BOUND)),
        ([[1e300, 0], [0, 1]], [1, 0], "upper bound", math.exp(LOG_BOUND)),
    ],
)
def test_data_without_a_minimum(logits: object, targets: object, outcome: str, temperature: float) -> None:
    fit = fitted(logits, targets)
    assert (fit.outcome, fit.temperature) == (outcome, pytest.approx(temperature, rel=1e-12))
    assert fit.reason and fit.interval is None


def test_logits_too_large_are_said_to_be() -> None:
    with pytest.raises(InputError, match="too large"):
        fitted([[1e308, -1e308], [0, 1.0], [1.0, 0.0]], [1, 0, 0])


def test_masked_classes_play_no_part() -> None:
    logits, targets = drawn(300, 4, 2.0)
    masked = np.concatenate([logits, np.full((300, 2), -np.inf)], axis=1)
    assert fitted(masked, targets).temperature == pytest.approx(fitted(logits, targets).temperature, rel=1e-9)


def test_threads_dont_change_a_digit() -> None:
    logits, targets = drawn(30000, 40, 1.3)
    assert fitted(logits, targets, jobs=1) == fitted(logits, targets, jobs=4)
