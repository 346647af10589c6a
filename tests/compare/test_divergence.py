"""KL and JS against 80 digits, scipy, and what must hold for any two distributions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.spatial.distance
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from softmax_cli.judge.divergence import chances, divergence
from softmax_cli.judge.exact import ExactSum, Spread
from tests.compare.support import Array, exact_divergences

LOGITS = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 4), st.integers(1, 6)),
    elements=st.floats(-60, 60, allow_subnormal=False),
)


@pytest.mark.parametrize(
    ("scale", "noise", "tolerance"),
    [(3, 1, 1e-14), (3, 1e-3, 2e-11), (3, 1e-6, 2e-8), (30, 30, 1e-13), (100, 5, 1e-12)],
)
def test_against_many_digits(scale: float, noise: float, tolerance: float) -> None:
    rng = np.random.default_rng(3)
    a = rng.normal(size=(12, 40)) * scale
    b = a + rng.normal(size=a.shape) * noise
    found = divergence(chances(a, "softmax"), chances(b, "softmax"))
    for place in range(len(a)):
        for got, exact in zip(found[:3], exact_divergences(a[place], b[place]), strict=True):
            assert abs(got[place] - exact) <= tolerance * exact


def test_tiny_probabilities_count() -> None:
    """All but e⁻⁴⁰⁰ of the difference is between classes that underflow in float32."""
    a, b = np.array([[0.0, -400.0, -500.0]]), np.array([[0.0, -500.0, -400.0]])
    found = divergence(chances(a, "softmax"), chances(b, "softmax"))
    for got, exact in zip(found[:3], exact_divergences(a[0], b[0]), strict=True):
        assert float(got[0]) == pytest.approx(float(exact), rel=1e-12)
        assert float(got[0]) > 0


def test_against_scipy() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(2, 30, 10)).astype(np.float32) * 4
    p, q = (scipy.special.softmax(part.astype(np.float64), axis=1) for part in (a, b))
    found = divergence(chances(a, "softmax"), chances(b, "softmax"))
    assert found.kl == pytest.approx(scipy.special.rel_entr(p, q).sum(axis=1), rel=1e-12)
    assert found.kl_reverse == pytest.approx(scipy.special.rel_entr(q, p).sum(axis=1), rel=1e-12)
    assert found.js == pytest.approx(scipy.spatial.distance.jensenshannon(p, q, axis=1) ** 2, rel=1e-10)
    assert found.total_variation == pytest.approx(np.abs(p - q).sum(axis=1) / 2, rel=1e-12)
    assert found.max_probability == pytest.approx(np.abs(p - q).max(axis=1), rel=1e-12)


def test_probabilities_as_they_are() -> None:
    p, q = np.array([[0.5, 0.5, 0.0]]), np.array([[0.25, 0.75, 0.0]])
    with np.errstate(divide="ignore", invalid="ignore"):
        found = divergence(chances(p, "none"), chances(q, "none"))
    assert found.kl[0] == pytest.approx(scipy.special.rel_entr(p, q).sum(), rel=1e-14)
    assert found.js[0] == pytest.approx(scipy.spatial.distance.jensenshannon(p[0], q[0]) ** 2, rel=1e-14)


def test_independent_labels_are_two_outcomes_each() -> None:
    a, b = np.array([[1.5, -2.0]]), np.array([[0.5, -1.0]])
    p, q = (np.concatenate([scipy.special.expit(x), scipy.special.expit(-x)], axis=1) for x in (a, b))
    found = divergence(chances(a, "sigmoid"), chances(b, "sigmoid"))
    assert found.kl[0] == pytest.approx(scipy.special.rel_entr(p, q).sum(), rel=1e-13)


@pytest.mark.parametrize(
    ("a", "b", "kl", "reverse", "js"),
    [
        ([0.0, -np.inf], [0.0, -np.inf], 0.0, 0.0, 0.0),
        ([0.0, 0.0], [0.0, -np.inf], np.inf, math.log(2), None),
        ([0.0, -np.inf], [-np.inf, 0.0], np.inf, np.inf, math.log(2)),
        ([0.0, -1e300], [-1e300, 0.0], 1e300, 1e300, math.log(2)),
        ([5.0], [-5.0], 0.0, 0.0, 0.0),
    ],
)
def test_masked_classes(a: list[float], b: list[float], kl: float, reverse: float, js: float | None) -> None:
    with np.errstate(all="ignore"):
        found = divergence(chances(np.array([a]), "softmax"), chances(np.array([b]), "softmax"))
    assert (found.kl[0], found.kl_reverse[0]) == (pytest.approx(kl), pytest.approx(reverse))
    if js is not None:
        assert found.js[0] == pytest.approx(js)
    assert not np.isnan([part[0] for part in found]).any()


@settings(max_examples=100, deadline=None)
@given(st.data(), LOGITS)
def test_what_always_holds(data: st.DataObject, a: Array) -> None:
    b = data.draw(hnp.arrays(np.float64, a.shape, elements=st.floats(-60, 60, allow_subnormal=False)))
    forth = divergence(chances(a, "softmax"), chances(b, "softmax"))
    back = divergence(chances(b, "softmax"), chances(a, "softmax"))
    assert (forth.kl == back.kl_reverse).all()
    assert (forth.js == back.js).all()
    assert (forth.js <= math.log(2) * (1 + 1e-15)).all()
    assert (forth.kl >= 0).all()
    assert (forth.kl + 1e-13 >= 2 * forth.total_variation**2).all()  # Pinsker
    assert (forth.max_probability <= forth.total_variation + 1e-15).all()
    itself = divergence(chances(a, "softmax"), chances(a, "softmax"))
    assert not any(part.any() for part in itself)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=30), st.integers(1, 5))
def test_sums_are_exact_however_they_come(values: list[float], parts: int) -> None:
    try:
        expected = math.fsum(values)
    except OverflowError:
        return
    whole = ExactSum()
    for part in np.array_split(np.array(values, np.float64), parts):
        total = ExactSum()
        total.add(part)
        whole.merge(total)
    assert whole.value() == expected


def test_infinite_sums() -> None:
    total = ExactSum()
    total.add(np.array([1.0, np.inf]))
    assert total.mean(2) == np.inf
    assert math.isnan(ExactSum().mean(0))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1e30), min_size=1, max_size=60), st.floats(0.01, 1))
def test_quantiles(values: list[float], share: float) -> None:
    array = np.array(values)
    one, other = Spread(), Spread()
    one.add(array[::2])
    other.add(array[1::2])
    one.merge(other)
    exact = float(np.sort(array)[max(1, math.ceil(share * len(array))) - 1])
    assert one.quantile(share) == pytest.approx(exact, rel=2**-13, abs=1e-300)
    assert one.greatest == array.max()
    assert one.quantile(1.0) <= one.greatest
