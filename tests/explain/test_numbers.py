"""Every number of an explanation against mpmath, with 60 digits."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from softmax_cli.activation import sigmoid, softmax
from softmax_cli.explain.document import column, power_of_e
from softmax_cli.judge.explanation import Explanation, Steps, explain

MP = mpmath.MPContext()
MP.dps = 60
CLOSE = 1e-13

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no failure

finite = st.floats(-1e3, 1e3, allow_nan=False)
rows = st.lists(st.one_of(finite, st.floats(-5, 5), st.just(-math.inf)), min_size=1, max_size=8).filter(
    lambda row: max(row) > -math.inf
)


def check_steps(steps: Steps, row: list[float], target: int, shown: tuple[int, ...]) -> None:
    heat = MP.mpf(steps.temperature)
    scaled = [MP.mpf(value) / heat for value in row]
    shifted = [value - max(scaled) for value in scaled]
    terms = [MP.exp(value) for value in shifted]
    total = MP.fsum(terms)
    shares = [term / total for term in terms]
    best = row.index(max(row))
    logs = [value - MP.log1p(rest(terms, best)) for value in shifted]
    entropy = -MP.fsum(share * log for share, log in zip(shares, logs, strict=True) if share)
    # p - 1 and 1 - p as the sums of the others: 60 digits aren't enough for the difference.
    gradient = [(-rest(shares, i) if i == target else share) / heat for i, share in enumerate(shares)]
    jacobian = [
        [(shares[i] * rest(shares, i) if i == j else -shares[i] * shares[j]) / heat for j in shown] for i in shown
    ]
    close(steps.scaled, scaled)
    close(steps.shifted, shifted)
    close(steps.exponentials, terms)
    close(steps.total, total)
    close(steps.probabilities, shares)
    close(steps.log_probabilities, logs)
    close(steps.entropy, entropy, absolute=1e-15)
    close(steps.cross_entropy, -logs[target])
    close(steps.gradient, gradient)
    close(steps.jacobian, jacobian)


def rest(values: list[Any], without: int) -> Any:
    return MP.fsum(value for place, value in enumerate(values) if place != without)


def close(found: Any, expected: Any, absolute: float = 1e-300) -> None:
    wanted = np.array(np.vectorize(float, otypes=[float])(np.array(expected, object)), float)
    np.testing.assert_allclose(np.asarray(found, float), wanted, rtol=CLOSE, atol=absolute)


@given(rows, st.sampled_from([0.1, 0.5, 2.0, 7.3]), st.integers(0, 7))
@patient
def test_steps(row: list[float], temperature: float, number: int) -> None:
    target = number % len(row)
    found = explain(row, temperature=temperature, target=target, jacobian=True, sigmoids=True)
    check_steps(found.plain, row, target, found.shown)
    assert found.tempered is not None
    check_steps(found.tempered, row, target, found.shown)
    close(found.sigmoids, [1 / (1 + MP.exp(-MP.mpf(value))) for value in row])


@given(rows)
@patient
def test_probabilities_are_the_product_s_own(row: list[float]) -> None:
    found = explain(row, temperature=3.0, sigmoids=True)
    assert found.plain.probabilities.tolist() == softmax(row).tolist()
    assert found.tempered is not None
    assert found.tempered.probabilities.tolist() == softmax(row, temperature=3.0).tolist()
    assert found.sigmoids is not None
    assert found.sigmoids.tolist() == sigmoid(row).tolist()


def test_the_worked_example() -> None:
    found = explain([3.2, 1.3, 0.2, 0.8], target=0)
    assert found.naive[1].exponentials.round(4).tolist() == [24.5325, 3.6693, 1.2214, 2.2255]
    assert found.plain.probabilities.round(3).tolist() == [0.775, 0.116, 0.039, 0.07]
    assert found.argmax == 0
    assert found.plain.gradient is not None
    assert abs(math.fsum(found.plain.gradient)) < 1e-16


@pytest.mark.parametrize(
    ("row", "fails"),
    [
        ([88.0, 0.0], (False, False)),
        ([88.8, 0.0], (True, False)),
        ([88.5, 88.5], (True, False)),  # the sum overflows
        ([709.7, 0.0], (True, False)),
        ([709.8, 0.0], (True, True)),
        ([-103.9], (False, False)),
        ([-104.0, -200.0], (True, False)),
        ([-745.1], (True, False)),
        ([-745.2, -1e300], (True, True)),
        ([1e300, 0.0], (True, True)),
    ],
)
def test_where_the_shift_is_needed(row: list[float], fails: tuple[bool, bool]) -> None:
    found = explain(row)
    assert tuple(not np.isfinite(naive.probabilities).all() for naive in found.naive) == fails or row == [88.5, 88.5]
    assert tuple(naive.fails or not math.isfinite(naive.total) for naive in found.naive) == fails
    assert math.fsum(found.plain.probabilities) == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize(("dtype", "place"), [("float32", 0), ("float64", 1)])
def test_limits_are_those_of_the_floats(dtype: str, place: int) -> None:
    naive = explain([0.0]).naive[place]
    assert naive.dtype == dtype
    kind = np.dtype(dtype).type
    with np.errstate(all="ignore"):
        assert np.isfinite(np.exp(kind(naive.largest - 1e-4)))
        assert np.isinf(np.exp(kind(naive.largest + 1e-4)))
        assert np.exp(kind(naive.least + 1e-3)) > 0
        assert np.exp(kind(naive.least - 1e-3)) == 0


@given(st.floats(-1e11, 1e11))
@patient
def test_power_of_e(exponent: float) -> None:
    found = MP.mpf(power_of_e(exponent))
    exact = MP.exp(MP.mpf(exponent))
    assert abs(found / exact - 1) < max(0.0051, 1e-14 * abs(exponent))  # three digits


@pytest.mark.parametrize(
    ("exponent", "text"),
    [
        (0.0, "1.0000"),
        (math.inf, "inf"),
        (1e300, "10^4.34294e+299"),
        (-1e13, "10^-4.34294e+12"),
        (2302.5850929, "1.00e+1000"),
    ],
)
def test_power_of_e_at_the_ends(exponent: float, text: str) -> None:
    assert power_of_e(exponent) == text


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5))
@patient
def test_columns_hold_four_decimals(values: list[float]) -> None:
    for text, value in zip(column(values), values, strict=True):
        assert float(text) == pytest.approx(value, abs=0.50001e-4, rel=1.1e-9)
        assert not value or float(text) != 0


def shown(found: Explanation) -> list[int]:
    return list(found.shown)


def test_which_classes_are_shown() -> None:
    row = [float(place % 7) for place in range(1000)]
    assert shown(explain(row, top=3)) == [6, 13, 20]
    assert shown(explain(row, top=3, target=5)) == [6, 13, 20, 5]
    assert shown(explain(row, top=3, target=13)) == [6, 13, 20]
    assert shown(explain(row, top=0)) == list(range(1000))
    assert shown(explain(row[:3], top=3)) == [0, 1, 2]
    found = explain(row, top=3)
    assert found.ties == 142
    assert math.fsum(found.plain.probabilities) == pytest.approx(1)


@pytest.mark.parametrize("row", [[], [[1.0, 2.0]], [math.nan, 1.0], [math.inf, 1.0], [-math.inf]])
def test_no_softmax_without_finite_logits(row: Any) -> None:
    with pytest.raises(ValueError, match="logits"):
        explain(row)


def test_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="2 names for 1 classes"):
        explain([1.0], ["a", "b"])
    with pytest.raises(ValueError, match="temperature"):
        explain([1.0], temperature=0.0)
    with pytest.raises(IndexError, match="target 1 of 1"):
        explain([1.0], target=1)
