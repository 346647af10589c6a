"""Softmax, log-softmax and sigmoid: values at the edges, and what they don't take."""

import math
from typing import Any

import numpy as np
import pytest

from softmax_cli.activation import (
    ACTIVATIONS,
    activate,
    cube_shape,
    log_softmax,
    normalize_axis,
    sigmoid,
    softmax,
)
from tests.numerics.oracle import ALONG_AXIS, BAR, FLOATS, INTEGERS, RESULT, expected_array, same_bits, worst_units

# Values at the edges


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_masked_class_has_probability_exactly_0_and_takes_no_part(dtype: str) -> None:
    masked = np.array([[1.0, -np.inf, 3.0, -np.inf]], dtype)
    left = [0, 2]
    assert softmax(masked)[0, 1::2].tobytes() == bytes(2 * np.dtype(RESULT[dtype]).itemsize)
    assert same_bits(softmax(masked)[:, left], softmax(masked[:, left]))
    assert np.array_equal(log_softmax(masked)[0, 1::2], [-np.inf, -np.inf])
    assert same_bits(log_softmax(masked)[:, left], log_softmax(masked[:, left]))
    assert np.array_equal(sigmoid(masked)[0, 1::2], [0.0, 0.0])


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
@pytest.mark.parametrize("value", [0, 100])
def test_the_only_class_has_probability_1(dtype: str, value: int) -> None:
    column = np.full((3, 1), value, dtype)
    assert np.array_equal(softmax(column), np.ones((3, 1)))
    assert np.array_equal(log_softmax(column), np.zeros((3, 1)))


@pytest.mark.parametrize(
    ("low", "high"),
    [(-np.finfo(np.float32).max, np.finfo(np.float32).max), (-1e300, 1e300), (-1.7e308, 1.7e308)],
    ids=["float32", "1e300", "float64"],
)
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_the_largest_finite_logits_neither_overflow_nor_warn(low: float, high: float, temperature: float) -> None:
    dtype = np.asarray(low).dtype
    assert np.array_equal(softmax(np.array([low, high], dtype), temperature=temperature), [0.0, 1.0])
    assert np.array_equal(log_softmax(np.array([high, high], dtype)), np.full(2, -math.log(2), dtype))
    assert log_softmax(np.array([low, high], dtype), temperature=temperature)[1] == 0.0
    assert np.array_equal(sigmoid(np.array([low, high], dtype), temperature), [0.0, 1.0])


def test_log_softmax_keeps_what_softmax_cannot_show() -> None:
    assert np.array_equal(log_softmax([0.0, -2_000.0]), [0.0, -2_000.0])
    nearly_one = log_softmax([0.0, -40.0])[0]
    assert softmax([0.0, -40.0])[0] == 1.0
    assert nearly_one == pytest.approx(-math.exp(-40), rel=1e-15)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64"])
def test_unsigned_differences_do_not_wrap(dtype: str) -> None:
    result = softmax(np.array([3, 1, 255], dtype))
    assert result.argmax() == 2
    assert worst_units(result, expected_array("softmax", np.array([3.0, 1.0, 255.0]))) <= BAR
    assert same_bits(sigmoid(np.array([3], dtype)), sigmoid(np.array([3.0])))


POISONED = {
    "NaN": [1.0, np.nan, 2.0],
    "NaN first": [np.nan, 1.0, 2.0],
    "negative NaN": [1.0, -np.nan, 2.0],
    "+inf": [1.0, np.inf, 2.0],
    "two +inf": [np.inf, np.inf, 2.0],
    "+inf and -inf": [np.inf, -np.inf, 2.0],
    "NaN and -inf": [-np.inf, np.nan, -np.inf],
    "nothing but -inf": [-np.inf, -np.inf, -np.inf],
}


@pytest.mark.parametrize("poison", POISONED)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("activation", ALONG_AXIS)
def test_a_poisoned_row_is_nan_and_leaves_the_others_alone(
    activation: str, axis: int, temperature: float, dtype: str, poison: str
) -> None:
    clean = np.array([[0.5, -1.0, 3.0], [1.0, 1.0, 2.0], [9.0, -np.inf, 8.0]], dtype)
    dirty = clean.copy()
    dirty[1] = POISONED[poison]
    if axis == 0:
        clean, dirty = clean.T.copy(), dirty.T.copy()
    before, after = (activate(values, activation, axis, temperature) for values in (clean, dirty))
    if axis == 0:
        before, after = before.T, after.T
    assert np.isnan(after[1]).all()
    assert same_bits(after[[0, 2]], before[[0, 2]])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_sigmoid_of_what_is_not_finite(dtype: str, temperature: float) -> None:
    logits = np.array([np.nan, np.inf, -np.inf, 0.0, -np.nan], dtype)
    assert np.array_equal(sigmoid(logits, temperature), [np.nan, 1.0, 0.0, 0.5, np.nan], equal_nan=True)


# Shapes, types, errors, and the input itself


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_result_is_a_new_array_of_the_same_shape_and_the_input_stays_as_it_was(activation: str, dtype: str) -> None:
    values = np.arange(24).reshape(2, 3, 4).astype(dtype)
    before = values.copy()
    values.flags.writeable = False
    for axis in (0, 1, 2):
        result = activate(values, activation, axis, 0.7)
        assert (result.shape, result.dtype) == (values.shape, RESULT[dtype])
        assert not np.shares_memory(result, values)
    assert same_bits(values, before)


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
def test_the_activation_none_gives_the_values_as_they_are(dtype: str) -> None:
    values = np.arange(12).reshape(3, 4).astype(dtype)
    assert same_bits(activate(values, "none", temperature=2.0), values.astype(RESULT[dtype]))


@pytest.mark.parametrize(("shape", "axis"), [((0,), 0), ((3, 0), 1), ((0, 3), 0), ((2, 0, 3), -2), ((0, 0), 1)])
@pytest.mark.parametrize("function", [softmax, log_softmax])
def test_no_classes_is_an_error(function: Any, shape: tuple[int, ...], axis: int) -> None:
    with pytest.raises(ValueError, match="length 0"):
        function(np.empty(shape), axis)


@pytest.mark.parametrize(("shape", "axis"), [((0, 3), 1), ((0, 3), -1), ((0, 3, 4), 1), ((2, 0, 3), 2)])
@pytest.mark.parametrize("dtype", [*FLOATS, "int8"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_no_rows_is_an_empty_result(activation: str, dtype: str, shape: tuple[int, ...], axis: int) -> None:
    result = activate(np.empty(shape, dtype), activation, axis)
    assert (result.shape, result.dtype) == (shape, RESULT[dtype])


@pytest.mark.parametrize(("shape", "axis"), [((3,), 1), ((3,), -2), ((2, 3), 2), ((2, 3), -3), ((), 0), ((), -1)])
@pytest.mark.parametrize("function", [softmax, log_softmax])
def test_an_axis_that_is_not_there_is_an_error(function: Any, shape: tuple[int, ...], axis: int) -> None:
    with pytest.raises(IndexError, match=f"axis {axis} "):
        function(np.ones(shape), axis)


@pytest.mark.parametrize("temperature", [0.0, -0.0, -1.0, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("function", [softmax, log_softmax, sigmoid])
def test_a_temperature_that_is_not_positive_is_an_error(function: Any, temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature"):
        function([1.0, 2.0], temperature=temperature)


@pytest.mark.parametrize(
    "values",
    [
        np.array([1, 2], object),
        np.array([1 + 0j, 2]),
        np.array([True, False]),
        np.array(["1", "2"]),
        np.array([b"1", b"2"]),
        np.array(["2001-01-01", "2001-01-02"], "datetime64[D]"),
        np.array([(1.0,), (2.0,)], [("logit", "f8")]),
    ],
    ids=lambda values: str(values.dtype),
)
@pytest.mark.parametrize("function", [softmax, log_softmax, sigmoid])
def test_elements_that_are_not_real_numbers_are_an_error(function: Any, values: Any) -> None:
    with pytest.raises(ValueError, match="expected real numbers"):
        function(values)


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize == 8, reason="long double is float64 here")
def test_more_than_64_bits_are_an_error() -> None:
    with pytest.raises(ValueError, match="at most 64 bits"):
        softmax(np.array([1, 2], np.longdouble))


def test_axes_are_numbered_from_either_end() -> None:
    assert [normalize_axis(axis, 3) for axis in (-3, -2, -1, 0, 1, 2)] == [0, 1, 2, 0, 1, 2]
    assert cube_shape((2, 3, 4, 5), 1) == (2, 3, 20)
    assert cube_shape((7,), 0) == (1, 7, 1)
