"""Softmax, log-softmax and sigmoid: their digits."""

import math
from typing import Any

import numpy as np
import pytest

from softmax_cli.activation import (
    activate,
    log_softmax,
    sigmoid,
    softmax,
)
from tests.numerics.oracle import (
    ALONG_AXIS,
    BAR,
    EVERY_AXIS,
    FLOATS,
    INTEGERS,
    LAYOUTS,
    MP,
    RESULT,
    ROWS,
    SIZES,
    UNIT,
    Row,
    build_row,
    expected,
    expected_array,
    expected_row,
    integer_row,
    layouts,
    same_bits,
    worst_units,
)


def probability_sums(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The sum of each row, rounded once."""
    return np.array([math.fsum(row) for row in values.astype(np.float64).tolist()])


# Rows of every length


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("kind", ROWS)
def test_softmax_of_a_row_is_exact_to_a_few_bits_and_sums_to_1(kind: str, dtype: str, size: int) -> None:
    row = build_row(kind, size, dtype)
    result = softmax(row.logits)
    assert result.dtype == RESULT[dtype]
    assert worst_units(result, expected_row("softmax", row)) <= BAR
    assert abs(math.fsum(result.tolist()) - 1) <= BAR * UNIT[result.dtype]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("kind", ROWS)
def test_log_softmax_of_a_row_is_exact_to_a_few_bits(kind: str, dtype: str, size: int) -> None:
    row = build_row(kind, size, dtype)
    result = log_softmax(row.logits)
    assert result.dtype == RESULT[dtype]
    assert worst_units(result, expected_row("log-softmax", row)) <= BAR


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("activation", ALONG_AXIS)
def test_integer_logits_are_exact_to_a_few_bits(activation: str, dtype: str, size: int) -> None:
    row = integer_row(size, dtype)
    result = activate(row.logits, activation)
    assert result.dtype == np.float64
    assert worst_units(result, expected_row(activation, row)) <= BAR


@pytest.mark.parametrize("temperature", [0.1, 0.7, 1.0, 3.3])
@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
def test_sigmoid_is_exact_to_a_few_bits(dtype: str, temperature: float) -> None:
    numbers = np.concatenate([np.linspace(-740, 740, 400), np.linspace(-3, 3, 400), [0.0, -0.0, 1e-30, -1e-30]])
    if dtype in INTEGERS:
        numbers = numbers[(numbers >= np.iinfo(dtype).min) & (numbers <= np.iinfo(dtype).max)]
    logits = numbers.astype(dtype)
    result = sigmoid(logits, temperature)
    assert result.dtype == RESULT[dtype]
    assert worst_units(result, expected_row("sigmoid", Row(logits, np.arange(logits.size)), temperature)) <= BAR


@pytest.mark.parametrize("temperature", [0.1, 0.7, 3.3])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("kind", ROWS)
@pytest.mark.parametrize("activation", ALONG_AXIS)
def test_a_temperature_costs_no_digits(activation: str, kind: str, dtype: str, temperature: float) -> None:
    row = build_row(kind, 1_000, dtype)
    result = activate(row.logits, activation, temperature=temperature)
    assert worst_units(result, expected_row(activation, row, temperature)) <= BAR


@pytest.mark.parametrize("temperature", [0.1, 0.7, 3.3])
@pytest.mark.parametrize("dtype", INTEGERS)
def test_a_temperature_divides_integers_exactly(dtype: str, temperature: float) -> None:
    row = integer_row(1_000, dtype)
    result = softmax(row.logits, temperature=temperature)
    assert worst_units(result, expected_row("softmax", row, temperature)) <= BAR


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        *((kind, dtype) for kind in ("normal", "ascending", "9.3 below") for dtype in FLOATS),
        *((kind, dtype) for kind in ("18.8125 below", "35.5 below") for dtype in ("float16", "float32")),
    ],
)
@pytest.mark.parametrize("activation", ALONG_AXIS)
def test_a_million_classes_on_the_first_axis(activation: str, kind: str, dtype: str) -> None:
    row = build_row(kind, 1_000_000, dtype)
    columns = np.stack([row.logits, row.logits[::-1]], axis=1)
    result = activate(columns, activation, axis=0)
    exact = expected_row(activation, row)
    assert worst_units(result[:, 0], exact) <= BAR
    assert worst_units(result[::-1, 1], exact) <= BAR


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ALONG_AXIS)
def test_a_million_different_logits(activation: str, dtype: str, temperature: float) -> None:
    # Every logit is a sum a + b without rounding, so that Σ exp((a + b) / T) = Σ exp(a / T) · Σ exp(b / T):
    # 2,000 exponentials give the sum of a million terms to 60 digits. The elements are checked on a sample.
    steps = np.arange(1_000)
    coarse = -(steps % 500) / 16.0
    fine = -(steps + 1) * 2.0 ** (-44 if dtype == "float64" else -14)
    logits = np.add.outer(coarse, fine).ravel().astype(dtype)
    assert np.array_equal(np.subtract.outer(coarse, -fine).ravel(), logits)
    assert np.array_equal(logits.reshape(1_000, 1_000).astype(np.float64) - coarse[:, None], np.tile(fine, (1_000, 1)))
    coarse_sum, fine_sum = (
        MP.fsum(MP.exp(MP.mpf(part) / MP.mpf(temperature)) for part in (axis - axis.max()).tolist())
        for axis in (coarse, fine)
    )
    sample = np.concatenate([np.arange(0, 1_000_000, 4_999), [999, 499_999, 999_999]])
    result = activate(logits, activation, temperature=temperature)
    top, others = logits.max().item(), coarse_sum * fine_sum - 1
    assert worst_units(result[sample], expected(activation, logits[sample], top, others, temperature)) <= BAR
    if activation == "softmax":
        assert abs(math.fsum(result.tolist()) - 1) <= BAR * UNIT[result.dtype]


# Every axis and every memory layout


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("shape", "axis"), EVERY_AXIS)
@pytest.mark.parametrize("activation", ALONG_AXIS)
def test_every_axis_of_every_memory_layout(
    activation: str, shape: tuple[int, ...], axis: int, dtype: str, layout: str
) -> None:
    values = (np.random.default_rng(7).standard_normal(shape) * 20).astype(dtype)
    result = activate(layouts(values)[layout], activation, axis)
    assert result.shape == shape
    assert result.dtype == RESULT[dtype]
    assert worst_units(result, expected_array(activation, values, axis)) <= BAR
    assert same_bits(activate(layouts(values)[layout], activation, axis - len(shape)), result)


@pytest.mark.parametrize(("shape", "axis"), EVERY_AXIS)
def test_probabilities_sum_to_1_along_the_axis(shape: tuple[int, ...], axis: int) -> None:
    result = softmax(np.random.default_rng(8).standard_normal(shape) * 9, axis)
    rows = np.moveaxis(result, axis, -1).reshape(-1, shape[axis])
    assert np.abs(probability_sums(rows) - 1).max() <= BAR * 2**-53


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_sigmoid_takes_any_shape_and_layout(dtype: str, layout: str) -> None:
    values = (np.random.default_rng(9).standard_normal((2, 3, 4)) * 20).astype(dtype)
    result = sigmoid(layouts(values)[layout])
    assert result.dtype == RESULT[dtype]
    assert worst_units(result, expected_array("sigmoid", values)) <= BAR


def test_sigmoid_of_a_single_number_has_no_dimensions() -> None:
    assert sigmoid(np.float64(0.0)).shape == ()
    assert sigmoid(0.0) == 0.5


def test_a_broadcast_view_is_read_as_what_it_shows() -> None:
    row = np.array([1.0, 2.0, -3.0])
    assert same_bits(softmax(np.broadcast_to(row, (4, 3))), np.tile(softmax(row), (4, 1)))
    assert np.array_equal(softmax(np.broadcast_to(row[:, None], (3, 4)), axis=1), np.full((3, 4), 0.25))


def test_lists_are_arrays() -> None:
    assert same_bits(softmax([[1, 2], [3, 4]]), softmax(np.array([[1.0, 2.0], [3.0, 4.0]])))
