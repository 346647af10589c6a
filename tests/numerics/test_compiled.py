"""The compiled kernel against the reference: bit for bit in order, within the bar in value, whatever the processor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from softmax_cli import compiled
from softmax_cli.batch import FloatArray
from softmax_cli.ranking import reference_order, top_k, top_rows
from tests.numerics.generated import blocks, thorough
from tests.numerics.oracle import BAR, ROWS, build_row, expected, layouts, same_bits, sum_of_others, worst_units

if compiled.kernel is None:
    pytest.skip("there is no compiled kernel", allow_module_level=True)
kernel: Any = compiled.kernel
VARIANTS = range(len(kernel.variants()))
FEW: int = kernel.FEW_CLASSES


def ranked(
    logits: FloatArray, k: int, variant: int, scale: float = 1.0
) -> tuple[NDArray[np.int64], FloatArray, NDArray[np.bool_]]:
    """Indices, probabilities, and which rows are left to the caller; selected by the kernel if it can."""
    most = kernel.MOST_TOP_OF_FEW if logits.shape[1] <= FEW else kernel.MOST_TOP
    selected = k > most
    indices = np.ascontiguousarray(reference_order(logits, k)) if selected else np.zeros((len(logits), k), np.int64)
    probabilities = np.zeros((len(logits), k), logits.dtype)
    chosen = np.zeros_like(probabilities)
    kernel.rank(logits, indices, chosen, probabilities, selected, scale, variant)
    left = np.isnan(probabilities[:, 0])
    assert same_bits(chosen[~left], np.take_along_axis(logits, indices, axis=1)[~left])
    return indices, probabilities, left


@pytest.mark.parametrize("variant", VARIANTS)
@thorough
@given(logits=blocks(min_rows=1), data=st.data())
def test_the_order_is_that_of_the_reference(variant: int, logits: FloatArray, data: Any) -> None:
    k = data.draw(st.integers(1, logits.shape[1]))
    indices, _, left = ranked(logits, k, variant)
    assert same_bits(indices[~left], reference_order(logits, k)[~left])
    fine = np.isfinite(logits.max(axis=1)) & (np.abs(logits).max(axis=1, where=np.isfinite(logits), initial=0) < 1e5)
    assert not (left & fine).any()
    assert left[~np.isfinite(logits.max(axis=1))].all()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("k", [1, 5, 8, 9, 32, 33])
@pytest.mark.parametrize("classes", [FEW, FEW + 1, 100, 1_000, 4_097])
@pytest.mark.parametrize("different", [1, 2, 40, 10**6])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_order_of_wide_rows_and_many_ties(dtype: str, different: int, classes: int, k: int, variant: int) -> None:
    values = (np.random.default_rng(k).integers(-different, different, (20, classes)) / 64).astype(dtype)
    values[3, k:] = -np.inf
    values[4, 1:] = -np.inf
    values[5, ::2] = -np.inf
    values[6] = np.sort(values[6])
    values[7] = np.sort(values[7])[::-1]
    indices, probabilities, left = ranked(values, k, variant)
    assert not left.any()
    assert same_bits(indices, reference_order(values, k))
    assert (np.diff(probabilities, axis=1) <= 0).all()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("size", [1, 2, FEW, FEW + 1, 1_000, 1_000_000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ROWS)
def test_probabilities_are_exact_to_a_few_bits(kind: str, dtype: str, size: int, variant: int) -> None:
    row = build_row(kind, size, dtype)
    k = min(8, size)
    indices, probabilities, left = ranked(row.logits[None], k, variant)
    assert not left.any()
    best = row.logits[indices[0]]
    exact = expected("softmax", best, best[0].item(), sum_of_others(row))
    assert worst_units(probabilities[0], exact) <= BAR / 2


@pytest.mark.parametrize("temperature", [0.1, 0.7, 3.3, 1e-3, 1e4])
def test_float32_takes_a_temperature(temperature: float) -> None:
    row = build_row("normal", 1_000, "float32")
    for variant in VARIANTS:
        indices, probabilities, left = ranked(row.logits[None], 8, variant, 1 / temperature)
        assert not left.any()
        best = row.logits[indices[0]]
        exact = expected("softmax", best, best[0].item(), sum_of_others(row, temperature), temperature)
        assert worst_units(probabilities[0], exact) <= BAR / 2


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("classes", [2, 10, FEW, FEW + 1, 1_000])
def test_every_instruction_set_gives_the_same_bits(classes: int, dtype: str) -> None:
    logits = np.random.default_rng(classes).normal(0, 4, (500, classes)).astype(dtype)
    first, *others = (ranked(logits, min(8, classes), variant) for variant in VARIANTS)
    for other in others:
        assert same_bits(other[0], first[0])
        if dtype == "float32" or classes <= FEW:
            assert same_bits(other[1], first[1])
        else:  # what is left of the terms beside the grid is added in as many lanes as there are
            np.testing.assert_allclose(other[1], first[1], rtol=2.0**-52, atol=0)


@pytest.mark.parametrize("rows", [1, 15, 16, 17, 33])
@pytest.mark.parametrize("classes", [3, FEW])
def test_few_classes_in_any_layout(classes: int, rows: int) -> None:
    values = np.random.default_rng(rows).normal(0, 3, (rows, classes))
    expected_best = top_rows(values, 3)
    for layout in ("Fortran order", "strided", "reversed strides"):
        for whole, piece in zip(expected_best, top_rows(layouts(values)[layout], 3), strict=True):
            assert same_bits(piece, whole)


@pytest.mark.parametrize("bad", [np.nan, np.inf, "masked"])
@pytest.mark.parametrize("classes", [5, FEW, FEW + 1, 1_000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_without_a_softmax_are_left(dtype: str, classes: int, bad: Any) -> None:
    logits = np.random.default_rng(1).normal(0, 3, (40, classes)).astype(dtype)
    for row in (0, 17, 39):
        if bad == "masked":
            logits[row] = -np.inf
        else:
            logits[row, classes // 2] = bad
    for variant in VARIANTS:
        _, _, left = ranked(logits, 3, variant)
        assert np.flatnonzero(left).tolist() == [0, 17, 39]


@pytest.mark.parametrize("classes", [5, 1_000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_kind_of_nan_is_seen(dtype: str, classes: int) -> None:
    bits = 8 * np.dtype(dtype).itemsize
    fraction = np.finfo(dtype).nmant
    payloads = [1 << place for place in range(fraction)] + [(1 << fraction) - 1, 0xABC, 0x800 | 1 << fraction - 1]
    exponent = (1 << bits - 1) - (1 << fraction)
    nans = [sign << bits - 1 | exponent | payload for payload in payloads for sign in (0, 1)]
    logits = np.random.default_rng(1).normal(0, 3, (len(nans), classes)).astype(dtype)
    logits.view(f"uint{bits}")[:, classes // 2] = nans
    assert np.isnan(logits[:, classes // 2]).all()
    for variant in VARIANTS:
        _, _, left = ranked(logits, 3, variant)
        assert left.all()


def test_logits_beyond_its_range_are_left() -> None:
    logits = np.array([[1e6, 1e6 - 1, 0.0], [1.0, 2.0, 3.0]])
    _, _, left = ranked(logits, 2, 0)
    assert left.tolist() == [True, False]
    assert top_k(logits, 2).probabilities[0] == pytest.approx([0.7310585786300049, 0.2689414213699951], rel=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("classes", [1, 7, FEW, FEW + 1, 3_000])
def test_numpy_alone_gives_the_same(classes: int, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    logits = np.random.default_rng(classes).integers(-40, 40, (60, classes)).astype(dtype) / 8
    logits[5, 0] = np.nan
    logits[6] = -np.inf
    logits[7, 1:] = -np.inf
    for k in (1, 5, 12, 0):
        with_kernel = top_rows(logits, k)
        with monkeypatch.context() as patch:
            patch.setattr(compiled, "kernel", None)
            without = top_rows(logits, k)
        assert same_bits(with_kernel.indices, without.indices)
        assert same_bits(with_kernel.logits, without.logits)
        unit = 2.0**-23 if dtype == "float32" else 2.0**-51
        np.testing.assert_allclose(with_kernel.probabilities, without.probabilities, rtol=unit, atol=0)


def test_what_it_refuses() -> None:
    logits, indices, chosen = np.zeros((2, 100)), np.zeros((2, 3), np.int64), np.zeros((2, 3))
    probabilities = chosen.copy()
    kernel.rank(logits, indices, chosen, probabilities, False, 1.0)
    wrong: list[tuple[Any, Any, Any, Any]] = [
        (logits.astype(np.float32), indices, chosen, probabilities),
        (logits[:1], indices, chosen, probabilities),
        (logits[0], indices, chosen, probabilities),
        (logits.astype(np.int64), indices, chosen, probabilities),
        (logits, indices.astype(np.int32), chosen, probabilities),
        (logits, indices, chosen, probabilities[:, :2].copy()),
        (logits, indices, chosen[:, :2].copy(), probabilities),
        (logits, indices, chosen[:1], probabilities),
        (logits, indices, chosen.astype(np.float32), probabilities),
        (np.zeros((2, 200))[:, ::2], indices, chosen, probabilities),
        (np.asfortranarray(logits), indices, chosen, probabilities),
        (logits[:, :2].copy(), indices, chosen, probabilities),
        (logits, np.zeros((2, 50), np.int64), np.zeros((2, 50)), np.zeros((2, 50))),
    ]
    for arguments in wrong:
        with pytest.raises(ValueError):
            kernel.rank(*arguments, False, 1.0)
    with pytest.raises(ValueError):
        kernel.rank(logits, indices, chosen, probabilities, False, 1.0, len(VARIANTS))
    with pytest.raises((BufferError, ValueError)):
        kernel.rank(logits, indices, chosen, probabilities[:, ::-1], False, 1.0)
