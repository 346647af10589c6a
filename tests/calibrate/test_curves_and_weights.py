"""Vector scaling and isotonic curves against scipy and scikit-learn; scores against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss

from softmax_cli.confidence.calibration import Calibration, Curve
from softmax_cli.judge.isotonic import fit_curve, fit_isotonic
from softmax_cli.judge.samples import from_arrays
from softmax_cli.judge.scores import score
from softmax_cli.judge.vector import PULL, fit_vector
from tests.calibrate.made import Floats, Indices, drawn, shares_of


class Shares(ClassifierMixin, BaseEstimator):
    """A classifier whose inputs are its logits, and which gives probabilities alone."""

    def fit(self, x: Floats, y: Indices) -> Shares:
        self.classes_ = np.unique(y)
        self.n_features_in_ = x.shape[1]
        return self

    def predict_proba(self, x: Floats) -> Floats:
        return shares_of(x)

    def predict(self, x: Floats) -> Indices:
        return x.argmax(axis=1)


@pytest.mark.parametrize(("rows", "classes"), [(40, 3), (900, 5), (4000, 12)])
def test_isotonic_agrees_with_scikit_learn(rows: int, classes: int) -> None:
    logits, targets = drawn(rows, classes, 2.0)
    fresh, _ = drawn(500, classes, 2.0, seed=1)
    model = CalibratedClassifierCV(FrozenEstimator(Shares().fit(logits, targets)), method="isotonic", ensemble=False)
    expected = model.fit(logits, targets).predict_proba(fresh)
    calibration = Calibration("isotonic", classes, curves=fit_isotonic(from_arrays(logits, targets)))
    found = np.exp(calibration.apply(fresh))
    assert np.abs(found - expected).max() < 1e-9


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0, 0.1, 0.25, 0.3, 0.5, 0.8, 1]), st.booleans()), min_size=1, max_size=40))
def test_curves_with_ties_agree_with_scikit_learn(pairs: list[tuple[float, bool]]) -> None:
    shares = np.array([share for share, _ in pairs], np.float64)
    hits = np.array([hit for _, hit in pairs])
    curve = fit_curve(shares, hits)
    expected = IsotonicRegression(out_of_bounds="clip").fit(shares, hits)
    places = np.linspace(0, 1, 41)
    assert np.interp(places, curve.points, curve.values) == pytest.approx(expected.predict(places), abs=1e-12)
    assert (np.diff(curve.points) > 0).all()
    assert (np.diff(curve.values) >= 0).all()


@pytest.mark.parametrize(("rows", "classes"), [(300, 3), (3000, 8)])
def test_vector_scaling_is_at_the_minimum_that_scipy_finds(rows: int, classes: int) -> None:
    logits, targets = drawn(rows, classes)
    rng = np.random.default_rng(5)
    logits = logits * rng.uniform(0.5, 3, classes) + rng.normal(size=classes)
    every = np.arange(rows)

    def objective(place: Floats) -> tuple[float, Floats]:
        shares = shares_of(logits * place[:classes] + place[classes:])
        slope = shares.copy()
        slope[every, targets] -= 1
        return float(-np.log(shares[every, targets]).mean()), np.r_[(slope * logits).mean(0), slope.mean(0)]

    best = minimize(objective, np.r_[np.ones(classes), np.zeros(classes)], jac=True, options={"gtol": 1e-9})
    fit = fit_vector(from_arrays(logits, targets), 1.0)
    assert fit.converged
    assert fit.weights == pytest.approx(best.x[:classes], abs=1e-3)
    assert fit.biases == pytest.approx(best.x[classes:] - best.x[classes:].mean(), abs=1e-3)
    assert objective(np.r_[fit.weights, fit.biases])[0] <= best.fun + PULL


def test_vector_scaling_stays_finite_without_rows_of_a_class_and_where_all_is_right() -> None:
    logits, targets = drawn(200, 5)
    targets[targets == 3] = 2
    assert np.isfinite(fit_vector(from_arrays(logits, targets), 1.0).biases).all()
    right = fit_vector(from_arrays(logits, logits.argmax(axis=1)), 1.0)
    assert np.isfinite(right.weights).all() and np.isfinite(right.biases).all()


def test_vector_scaling_takes_masked_classes() -> None:
    logits, targets = drawn(400, 4)
    logits[::3, 3] = -np.inf
    targets[::3] %= 3
    fit = fit_vector(from_arrays(logits, targets), 1.0)
    calibrated = Calibration("vector", 4, weights=fit.weights, biases=fit.biases).apply(logits)
    assert np.isfinite(fit.weights).all()
    assert (np.isneginf(calibrated) == np.isneginf(logits)).all()
    slope = shares_of(calibrated)  # at the minimum the mean gradient is nothing but the pull
    slope[np.arange(400), targets] -= 1
    assert np.abs(slope.mean(axis=0)).max() < 1e-4
    assert np.abs((slope * np.where(np.isfinite(logits), logits, 0)).mean(axis=0)).max() < 1e-4


def test_a_class_whose_logit_never_changes_keeps_the_weight_of_the_temperature() -> None:
    logits, targets = drawn(300, 3)
    logits[:, 1] = 0.5
    fit = fit_vector(from_arrays(logits, targets), 1.6)
    assert fit.weights[1] == pytest.approx(1 / 1.6, rel=1e-3)


@pytest.mark.parametrize("temperature", [1.0, 2.0, 0.3])
def test_scores_agree_with_scikit_learn(temperature: float) -> None:
    logits, targets = drawn(3000, 7)
    shares = shares_of(logits / temperature)
    found = score([(from_arrays(logits, targets), None, Calibration("temperature", 7, temperature))])
    assert found.rows == 3000
    assert found.nll == pytest.approx(log_loss(targets, shares), rel=1e-9)
    assert found.brier == pytest.approx(brier_score_loss(targets, shares, scale_by_half=False), rel=1e-9)
    assert found.accuracy == accuracy_score(targets, shares.argmax(axis=1))
    confidence, right = shares.max(axis=1), shares.argmax(axis=1) == targets
    gaps = [
        abs((confidence - right)[(confidence > low / 15) & (confidence <= (low + 1) / 15)].sum()) for low in range(15)
    ]
    assert found.ece == pytest.approx(sum(gaps) / 3000, rel=1e-9)


def test_a_true_class_of_probability_0_makes_the_loss_infinite_and_is_counted() -> None:
    logits = np.array([[0.0, -np.inf], [0.0, 1.0]])
    found = score([(from_arrays(logits, [1, 1]), None, Calibration("temperature", 2))])
    assert found.impossible == 1
    assert found.as_record()["nll"] is None


def test_masked_classes_keep_probability_0_and_lost_rows_are_shared_alike() -> None:
    high = Curve(np.array([0.0, 1.0]), np.array([0.5, 1.0]))
    masked = Calibration("isotonic", 3, curves=(high,) * 3).apply(np.array([[0.0, -np.inf, 0.0], [0.0, 1.0, np.nan]]))
    assert np.exp(masked[0]).tolist() == [0.5, 0.0, 0.5]
    assert np.isnan(masked[1]).all()
    low = Curve(np.array([0.9]), np.array([0.0]))
    nothing = Calibration("isotonic", 3, curves=(low,) * 3).apply(np.array([[5.0, -np.inf, 0.0]]))
    assert np.exp(nothing[0]).tolist() == [0.5, 0.0, 0.5]
