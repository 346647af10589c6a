"""The order of the top classes, to the bit."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softmax_cli.activation import softmax
from softmax_cli.batch import FloatArray
from softmax_cli.ranking import (
    _above_threshold,
    _packed_keys,
    _repeated_maximum,
    reference_order,
    select,
    top_k,
)
from tests.numerics.generated import blocks, thorough
from tests.numerics.oracle import LAYOUTS, layouts, order_by_definition, same_bits


@thorough
@given(logits=blocks(), data=st.data())
def test_the_reference_is_the_order_by_definition(logits: FloatArray, data: Any) -> None:
    k = data.draw(st.integers(1, logits.shape[1]))
    assert reference_order(logits, k).tolist() == order_by_definition(logits, k)


@thorough
@given(logits=blocks(), data=st.data())
def test_select_agrees_with_the_reference(logits: FloatArray, data: Any) -> None:
    k = data.draw(st.integers(1, logits.shape[1]))
    assert same_bits(select(logits, k), reference_order(logits, k))


@thorough
@given(logits=blocks(nan=False), data=st.data())
@pytest.mark.parametrize("way", [_repeated_maximum, _packed_keys, _above_threshold])
def test_every_fast_way_agrees_with_the_reference(
    way: Callable[[FloatArray, int], Any], logits: FloatArray, data: Any
) -> None:
    if way is _packed_keys:
        with np.errstate(over="ignore"):
            logits = logits.astype(np.float32)
    k = data.draw(st.integers(1, logits.shape[1]))
    assert same_bits(way(logits, k), reference_order(logits, k))


@pytest.mark.parametrize("layout", LAYOUTS[:4])
@pytest.mark.parametrize("k", [1, 2, 7, 8, 9, 100, 999, 1_000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("different", [2, 40, 10**6])
def test_select_agrees_with_the_reference_on_wide_rows(different: int, dtype: str, k: int, layout: str) -> None:
    rng = np.random.default_rng(k)
    values = (rng.integers(-different, different, (12, 1_000)) / 64).astype(dtype)
    values[3] = -np.inf
    values[4, 5:] = -np.inf
    values[5, ::2] = -np.inf
    values[6] = np.sort(values[6])
    logits = layouts(values)[layout]
    before = logits.copy()
    assert same_bits(select(logits, k), reference_order(logits, k))
    logits[7, 500] = np.nan
    assert same_bits(select(logits, k), reference_order(logits, k))
    logits[7, 500] = before[7, 500]
    assert same_bits(logits, before)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_select_agrees_with_the_reference_for_every_k(dtype: str) -> None:
    logits = np.random.default_rng(11).standard_normal((2, 2_000)).astype(dtype)
    order = reference_order(logits, 2_000)
    assert [k for k in range(1, 2_001) if not same_bits(select(logits, k), order[:, :k])] == []


def test_equal_logits_stand_by_class_index() -> None:
    best = top_k([[1.0, 2.0, 1.0, 2.0, 2.0], [0.0, -0.0, 0.0, -0.0, 0.0]], 0)
    assert best.indices.tolist() == [[1, 3, 4, 0, 2], [0, 1, 2, 3, 4]]
    assert same_bits(best.logits[1], np.array([0.0, -0.0, 0.0, -0.0, 0.0]))


@pytest.mark.parametrize(
    ("logits", "order"),
    [
        (np.array([1e-9, 2e-9, 0.0, -3e-9], np.float32), [1, 0, 2, 3]),
        (np.array([-300.0, 0.0, -200.0, -250.0], np.float32), [1, 2, 3, 0]),
        (np.array([1e-17, 2e-17, 0.0, -3e-17]), [1, 0, 2, 3]),
        (np.array([-900.0, 0.0, -800.0, -850.0]), [1, 2, 3, 0]),
    ],
    ids=["float32 rounds equal", "float32 underflows", "float64 rounds equal", "float64 underflows"],
)
@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_the_order_is_by_logit_where_probabilities_round_to_the_same(logits: Any, order: list[int], k: int) -> None:
    assert len(set(softmax(logits).tolist())) <= 2
    assert top_k(logits, k).indices.tolist() == order[:k]
