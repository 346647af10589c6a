"""The top classes of every row: along any axis, of any type, with their probabilities."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import softmax_cli.ranking as ranking_module
from softmax_cli.activation import ACTIVATIONS, activate
from softmax_cli.batch import FloatArray, as_logits
from softmax_cli.ranking import (
    top_k,
    top_rows,
)
from tests.numerics.generated import blocks, quick
from tests.numerics.oracle import (
    BAR,
    EVERY_AXIS,
    FLOATS,
    INTEGERS,
    LAYOUTS,
    ROWS,
    SIZES,
    Exact,
    build_row,
    expected,
    expected_array,
    integer_row,
    layouts,
    order_by_definition,
    same_bits,
    sum_of_others,
    worst_units,
)

# Along any axis, of any type


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("shape", "axis"), EVERY_AXIS)
def test_top_k_along_every_axis(shape: tuple[int, ...], axis: int, dtype: str, layout: str) -> None:
    values = (np.random.default_rng(5).integers(-6, 6, shape) * 1.3).astype(dtype)
    moved = np.moveaxis(values, axis, -1)
    order = np.argsort(-moved, axis=-1, kind="stable")
    exact = Exact(*(np.moveaxis(part, axis, -1) for part in expected_array("softmax", values, axis)))
    for k in (1, 2, shape[axis]):
        best = top_k(layouts(values)[layout], k, axis=axis)
        first = order[..., :k]
        assert same_bits(best.indices, first)
        assert same_bits(best.logits, as_logits(np.take_along_axis(moved, first, -1)))
        chosen = Exact(*(np.take_along_axis(part, first, -1) for part in exact))
        assert worst_units(best.probabilities, chosen) <= BAR
        for ours, again in zip(best, top_k(layouts(values)[layout], k, axis=axis - len(shape)), strict=True):
            assert same_bits(again, ours)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_are_ranked_as_float64(dtype: str) -> None:
    row = integer_row(1_000, dtype)
    best = top_k(row.logits, 20)
    assert best.indices.tolist() == np.argsort(-row.logits.astype(np.float64), kind="stable")[:20].tolist()
    assert same_bits(best.logits, row.logits[best.indices].astype(np.float64))
    exact = expected("softmax", best.logits, best.logits[0], sum_of_others(row))
    assert worst_units(best.probabilities, exact) <= BAR


@pytest.mark.parametrize(
    ("size", "temperature"),
    [*((size, 1.0) for size in SIZES), *((1_000, temperature) for temperature in (0.1, 0.7, 3.3))],
)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("kind", ROWS)
def test_top_k_is_exact_to_a_few_bits(kind: str, dtype: str, size: int, temperature: float) -> None:
    row = build_row(kind, size, dtype)
    best = top_k(row.logits, 12, temperature=temperature)
    assert best.probabilities.dtype == (np.float64 if dtype == "float64" else np.float32)
    exact = expected("softmax", best.logits, best.logits[0].item(), sum_of_others(row, temperature), temperature)
    assert worst_units(best.probabilities, exact) <= BAR


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_million_classes_on_the_first_axis(dtype: str) -> None:
    rows = [build_row(kind, 1_000_000, dtype) for kind in ("normal", "18.8125 below", "ascending")]
    best = top_k(np.stack([row.logits for row in rows], axis=1), 12, axis=0)
    assert best.indices.shape == (3, 12)
    for place, row in enumerate(rows):
        exact = expected("softmax", best.logits[place], best.logits[place, 0].item(), sum_of_others(row))
        assert worst_units(best.probabilities[place], exact) <= BAR


# Probabilities


@quick
@given(logits=blocks(min_rows=1))
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_probabilities_are_over_all_classes_whatever_k_is(activation: str, logits: FloatArray) -> None:
    whole = top_rows(logits, 0, activation)
    for k in range(1, logits.shape[1] + 1):
        for part, full in zip(top_rows(logits, k, activation), whole, strict=True):
            assert same_bits(part, full[:, :k])


@quick
@given(logits=blocks(min_rows=1), temperature=st.sampled_from([1.0, 0.7]), data=st.data())
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_probabilities_are_those_of_the_activation(
    activation: str, logits: FloatArray, temperature: float, data: Any
) -> None:
    k = data.draw(st.integers(1, logits.shape[1]))
    logits = np.ascontiguousarray(logits)
    best = top_rows(logits, k, activation, temperature)
    chosen = np.take_along_axis(activate(logits, activation, temperature=temperature), best.indices, axis=1)
    if activation == "softmax" and logits.dtype == np.float64:  # sums of few classes go without corrections
        np.testing.assert_allclose(best.probabilities, chosen, rtol=8 * 2.0**-53, atol=0)
    else:
        assert same_bits(best.probabilities, chosen)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "log-softmax"])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_other_activations_are_exact_to_a_few_bits(activation: str, dtype: str, temperature: float) -> None:
    values = (np.random.default_rng(6).standard_normal((4, 50)) * 20).astype(dtype)
    best = top_k(values, 10, activation=activation, temperature=temperature)
    exact = expected_array(activation, values, temperature=temperature)
    chosen = Exact(*(np.take_along_axis(part, best.indices, axis=1) for part in exact))
    assert worst_units(best.probabilities, chosen) <= BAR


def test_the_activation_none_shows_the_logits_as_probabilities() -> None:
    best = top_k([[0.1, 0.7, 0.2]], 2, activation="none", temperature=5.0)
    assert best.probabilities.tolist() == [[0.7, 0.2]]


@pytest.mark.parametrize("k", [0, 3, 4, 1_000])
def test_0_and_too_many_mean_all_classes(k: int) -> None:
    best = top_k([[3.0, 1.0, 2.0], [1.0, 2.0, 3.0]], k)
    assert best.indices.tolist() == [[0, 2, 1], [2, 1, 0]]
    assert [part.shape for part in best] == [(2, 3)] * 3


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    "poison",
    [[1.0, np.nan, 2.0], [np.inf, 0.0, 1.0], [-np.inf, -np.inf, -np.inf], [np.nan, np.nan, np.nan]],
    ids=["NaN", "+inf", "nothing but -inf", "nothing but NaN"],
)
@pytest.mark.parametrize("k", [1, 2, 3])
def test_a_poisoned_row_is_nan_and_leaves_the_others_alone(k: int, poison: list[float], dtype: str) -> None:
    clean = np.array([[0.5, -1.0, 3.0], [1.0, 1.0, 2.0], [9.0, -np.inf, 8.0]], dtype)
    dirty = clean.copy()
    dirty[1] = poison
    before, after = top_k(clean, k), top_k(dirty, k)
    assert np.isnan(after.probabilities[1]).all()
    assert after.indices[1].tolist() == order_by_definition(dirty[1:2], k)[0]
    for old, new in zip(before, after, strict=True):
        assert same_bits(new[[0, 2]], old[[0, 2]])


def test_masked_classes_come_last_with_probability_0() -> None:
    best = top_k([-np.inf, 1.0, -np.inf, 1.0, -np.inf], 4)
    assert best.indices.tolist() == [1, 3, 0, 2]
    assert best.probabilities.tolist() == [0.5, 0.5, 0.0, 0.0]


# Blocks


@quick
@given(logits=blocks(), elements=st.integers(1, 100), data=st.data())
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_row_has_the_same_bits_alone_and_in_any_block(
    activation: str, logits: FloatArray, elements: int, data: Any
) -> None:
    logits = np.ascontiguousarray(logits)
    k = data.draw(st.integers(0, logits.shape[1]))
    whole = top_rows(logits, k, activation)
    for row in range(len(logits)):
        for part, full in zip(top_rows(logits[row : row + 1], k, activation), whole, strict=True):
            assert same_bits(part, full[row : row + 1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking_module, "BLOCK_ELEMENTS", elements)
        for part, full in zip(top_rows(logits, k, activation), whole, strict=True):
            assert same_bits(part, full)


@pytest.mark.parametrize("layout", LAYOUTS[:4])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("elements", [1, 999, 3_000, 1 << 17])
def test_neither_blocks_nor_memory_layout_change_a_bit(
    elements: int, dtype: str, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = (np.random.default_rng(2).standard_normal((300, 999)) * 5).astype(dtype)
    whole = top_rows(values, 10)
    monkeypatch.setattr(ranking_module, "BLOCK_ELEMENTS", elements)
    for part, full in zip(top_rows(layouts(values)[layout], 10), whole, strict=True):
        assert same_bits(part, full)


# Shapes and errors


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("k", "width"), [(0, 7), (1, 1), (3, 3), (20, 7)])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_no_rows_are_no_results(activation: str, k: int, width: int, dtype: str) -> None:
    best = top_rows(np.empty((0, 7), dtype), k, activation)
    assert [part.shape for part in best] == [(0, width)] * 3
    assert [part.dtype for part in best] == [np.dtype(np.int64), np.dtype(dtype), np.dtype(dtype)]


@pytest.mark.parametrize(
    ("shape", "axis", "result"),
    [((0, 7), 1, (0, 3)), ((7, 0), 0, (0, 3)), ((2, 7, 0), 1, (2, 0, 3)), ((0, 2, 7), -1, (0, 2, 3))],
)
def test_no_rows_along_any_axis(shape: tuple[int, ...], axis: int, result: tuple[int, ...]) -> None:
    assert [part.shape for part in top_k(np.empty(shape), 3, axis=axis)] == [result] * 3


@pytest.mark.parametrize(("shape", "axis"), [((0,), 0), ((3, 0), 1), ((0, 3), 0), ((2, 0, 3), -2)])
def test_no_classes_is_an_error(shape: tuple[int, ...], axis: int) -> None:
    with pytest.raises(ValueError, match="length 0"):
        top_k(np.empty(shape), axis=axis)


@pytest.mark.parametrize(("shape", "axis"), [((3,), 1), ((2, 3), -3), ((), -1), ((), 0)])
def test_an_axis_that_is_not_there_is_an_error(shape: tuple[int, ...], axis: int) -> None:
    with pytest.raises(IndexError, match=f"axis {axis} "):
        top_k(np.ones(shape), axis=axis)


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("k", [2, 9, 0])
def test_the_input_stays_as_it_was(k: int, activation: str, dtype: str) -> None:
    values = np.arange(60).reshape(5, 12).astype(dtype)
    before = values.copy()
    values.flags.writeable = False
    best = top_k(values, k, activation=activation)
    assert same_bits(values, before)
    assert not any(np.shares_memory(part, values) for part in best)
