"""Softmax, log-softmax and sigmoid: what must not change them, and what they agree with."""

import math
from typing import Any

import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import softmax_cli.activation as activation_module
from softmax_cli.activation import (
    ACTIVATIONS,
    activate,
    blocks_of,
    log_softmax,
    sigmoid,
    softmax,
)
from tests.numerics.generated import arrays, quick, rows_of_logits
from tests.numerics.oracle import ALONG_AXIS, BAR, FLOATS, UNIT, same_bits


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
    logits = np.random.default_rng(4).standard_normal((2_000, 1_001)) * 5
    assert logits.size > 7 * activation_module.BLOCK_ELEMENTS
    in_block = activation_module.BLOCK_ELEMENTS // 1_001
    for name in ACTIVATIONS:
        whole = activate(logits, name)
        for row in (0, in_block - 1, in_block, in_block + 1, 1_000, 1_999):
            assert same_bits(activate(logits[row], name), whole[row])


@quick
@given(
    data=st.data(),
    dtype=st.sampled_from(["float32", "float64"]),
    shift=st.integers(-(2**13), 2**13),
    temperature=st.sampled_from([1.0, 0.1, 3.3]),
)
@pytest.mark.parametrize("activation", ALONG_AXIS)
def test_an_exact_shift_of_a_row_changes_no_probability(
    activation: str, data: Any, dtype: str, shift: int, temperature: float
) -> None:
    # In units of 2⁻⁶ these are integers below 2¹⁵, which both types hold, shifted or not.
    units = data.draw(arrays(np.int64, hnp.array_shapes(max_dims=2, max_side=20), st.integers(-(2**13), 2**13)))
    logits, shifted = ((values / 64).astype(dtype) for values in (units, units + shift))
    before, after = (activate(values, activation, temperature=temperature) for values in (logits, shifted))
    if activation == "log-softmax" or dtype == "float64":
        assert same_bits(after, before)
    else:  # the exponentials of both may be in range; each is then rounded by itself
        assert np.allclose(after, before, rtol=2 * UNIT[before.dtype], atol=np.finfo(before.dtype).smallest_normal)


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
