"""Softmax, log-softmax and sigmoid: their digits, their edges, and what must not change them."""

import math
from typing import Any

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import softmax_cli.activation as activation_module
from softmax_cli.activation import (
    ACTIVATIONS,
    activate,
    blocks_of,
    cube_shape,
    log_softmax,
    normalize_axis,
    sigmoid,
    softmax,
)
from tests.oracle import (
    BAR,
    EVERY_AXIS,
    FLOATS,
    INTEGERS,
    LAYOUTS,
    MP,
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

RESULT = {"float16": np.float32, "float32": np.float32} | dict.fromkeys(("float64", *INTEGERS), np.float64)
ALONG_AXIS = ("softmax", "log-softmax")

quick = settings(deadline=None, max_examples=80)


def probability_sums(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The sum of each row, rounded once."""
    return np.array([math.fsum(row) for row in values.astype(np.float64).tolist()])


# Digits: rows of every length


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


# Digits: every axis and every memory layout


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


# Properties


@quick
@given(
    shape=st.tuples(st.integers(0, 9), st.integers(1, 40), st.integers(1, 300)),
    elements=st.sampled_from([1, 7, 64, 100, 1_000, 1 << 17]),
)
def test_blocks_cover_every_element_once_and_keep_the_class_axis_whole(
    shape: tuple[int, int, int], elements: int
) -> None:
    covered = np.zeros(shape, int)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(activation_module, "BLOCK_ELEMENTS", elements)
        for block in blocks_of(shape):
            assert covered[block].shape[1] == shape[1]
            assert covered[block].size <= max(elements, 64 * shape[1])
            covered[block] += 1
    assert (covered == 1).all()


def arrays(dtype: Any, shape: Any, elements: st.SearchStrategy[float]) -> st.SearchStrategy[Any]:
    return hnp.arrays(dtype, shape, elements=elements)


def rows_of_logits(limit: float = 700.0, masks: bool = True) -> st.SearchStrategy[Any]:
    """(rows, classes) arrays, float32 or float64, where every row has a finite logit."""
    shape = hnp.array_shapes(min_dims=2, max_dims=2, max_side=30)
    masked = [st.just(-np.inf)] if masks else []

    def of_width(width: int) -> st.SearchStrategy[Any]:
        finite = st.floats(-limit, limit, width=width)
        return arrays(f"f{width // 8}", shape, st.one_of(finite, *masked)).filter(
            lambda values: np.isfinite(values.max(axis=1)).all()
        )

    return st.sampled_from([32, 64]).flatmap(of_width)


@quick
@given(logits=rows_of_logits(), elements=st.integers(1, 200), data=st.data())
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_row_has_the_same_bits_alone_in_any_block_and_at_any_position(
    activation: str, logits: Any, elements: int, data: Any
) -> None:
    temperature = data.draw(st.sampled_from([1.0, 0.7]))
    whole = activate(logits, activation, temperature=temperature)
    row = data.draw(st.integers(0, len(logits) - 1))
    assert same_bits(activate(logits[row], activation, temperature=temperature), whole[row])
    rolled = activate(np.roll(logits, row, axis=0), activation, temperature=temperature)
    assert same_bits(np.roll(rolled, -row, axis=0), whole)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(activation_module, "BLOCK_ELEMENTS", elements)
        assert same_bits(activate(logits, activation, temperature=temperature), whole)


@pytest.mark.parametrize("elements", [1, 100, 5_000])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_blocks_along_inner_axes_change_no_bit(
    activation: str, dtype: str, elements: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = (np.random.default_rng(3).standard_normal((3, 20, 150)) * 5).astype(dtype)
    whole = activate(values, activation, 1)
    monkeypatch.setattr(activation_module, "BLOCK_ELEMENTS", elements)
    assert same_bits(activate(values, activation, 1), whole)


def test_a_row_has_the_same_bits_alone_and_among_many_blocks() -> None:
    logits = np.random.default_rng(4).standard_normal((1_000, 1_001)) * 5
    assert logits.size > 7 * activation_module.BLOCK_ELEMENTS
    for name in ACTIVATIONS:
        whole = activate(logits, name)
        for row in (0, 130, 131, 500, 999):
            assert same_bits(activate(logits[row], name), whole[row])


@quick
@given(
    data=st.data(),
    dtype=st.sampled_from(["float32", "float64"]),
    shift=st.integers(-(2**13), 2**13),
    temperature=st.sampled_from([1.0, 0.1, 3.3]),
)
@pytest.mark.parametrize("activation", ALONG_AXIS)
def test_an_exact_shift_of_a_row_changes_no_bit(
    activation: str, data: Any, dtype: str, shift: int, temperature: float
) -> None:
    # In units of 2⁻⁶ these are integers below 2¹⁵, which both types hold, shifted or not.
    units = data.draw(arrays(np.int64, hnp.array_shapes(max_dims=2, max_side=20), st.integers(-(2**13), 2**13)))
    logits, shifted = ((values / 64).astype(dtype) for values in (units, units + shift))
    before, after = (activate(values, activation, temperature=temperature) for values in (logits, shifted))
    assert same_bits(after, before)


@quick
@given(logits=rows_of_logits(), data=st.data())
@pytest.mark.parametrize("activation", ALONG_AXIS)
def test_permuted_classes_have_permuted_probabilities(activation: str, logits: Any, data: Any) -> None:
    order = np.array(data.draw(st.permutations(range(logits.shape[1]))))
    permuted, straight = activate(logits[:, order], activation), activate(logits, activation)[:, order]
    # Another order of addition may round the sum another way, and nothing else: both are within the bar.
    tiny = float(np.finfo(straight.dtype).smallest_subnormal)
    np.testing.assert_allclose(permuted, straight, rtol=2 * BAR * UNIT[straight.dtype], atol=2 * tiny)


@quick
@given(logits=rows_of_logits())
def test_log_softmax_is_the_logarithm_of_softmax(logits: Any) -> None:
    probabilities, logarithms = softmax(logits), log_softmax(logits)
    normal = probabilities >= np.finfo(logits.dtype).tiny
    unit = UNIT[logits.dtype]
    difference = np.abs(logarithms[normal].astype(np.float64) - np.log(probabilities[normal].astype(np.float64)))
    assert (difference <= BAR * unit * (1 + np.abs(logarithms[normal]))).all()
    assert (logarithms[~normal] <= math.log(np.finfo(logits.dtype).tiny) * (1 - BAR * unit)).all()


@quick
@given(logits=rows_of_logits(), axis=st.sampled_from([0, 1]))
def test_scipy_agrees_within_its_own_error(logits: Any, axis: int) -> None:
    # scipy rounds x - max, which exp turns into a relative error of |x - max| units, sums without compensation, and
    # its expit gives 0 for what is below the normal numbers.
    logits = logits if axis == 1 else np.ascontiguousarray(logits.T)
    distance = np.max(logits, axis=axis, keepdims=True) - np.where(np.isfinite(logits), logits, 0)
    error = 2 * UNIT[logits.dtype] * (np.maximum(distance, 0) + logits.shape[axis] + BAR)
    info = np.finfo(logits.dtype)
    for ours, theirs, tiny in (
        (softmax(logits, axis), scipy.special.softmax(logits, axis), 4 * info.smallest_subnormal),
        (sigmoid(logits), scipy.special.expit(logits), info.tiny),
    ):
        assert (np.abs(ours - theirs) <= error * ours + tiny).all()
    ours, theirs = log_softmax(logits, axis), scipy.special.log_softmax(logits, axis)
    finite = np.isfinite(ours)
    assert np.array_equal(finite, np.isfinite(theirs))
    assert np.array_equal(np.isneginf(ours), np.isneginf(theirs))
    assert (np.abs(ours[finite] - theirs[finite]) <= error[finite]).all()


@quick
@given(logits=rows_of_logits(masks=False))
def test_sigmoid_is_the_softmax_of_two_classes(logits: Any) -> None:
    pair = softmax(np.stack([logits, np.zeros_like(logits)], axis=-1))[..., 0]
    tiny = 2 * np.finfo(logits.dtype).smallest_subnormal
    np.testing.assert_allclose(sigmoid(logits), pair, rtol=BAR * UNIT[logits.dtype], atol=tiny)
