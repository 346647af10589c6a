"""The top classes of every row: their order to the bit, their probabilities, and the records around them."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import softmax_cli.ranking as ranking_module
from softmax_cli.activation import ACTIVATIONS, activate, softmax
from softmax_cli.batch import FloatArray, LogitBatch, Ranked, as_logits
from softmax_cli.ranking import (
    _above_threshold,
    _packed_keys,
    _repeated_maximum,
    rank_batch,
    reference_order,
    select,
    top_k,
    top_rows,
)
from tests.oracle import (
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
    same_bits,
    sum_of_others,
    worst_units,
)

TIED = (-np.inf, -1.5, -0.0, 0.0, 1.0, 1.0 + 2.0**-23, np.inf, 2.0**127, -(2.0**127), 2.0**-149, -(2.0**-149))

quick = settings(deadline=None, max_examples=80)
thorough = settings(deadline=None, max_examples=250)


def order_by_definition(logits: FloatArray, k: int) -> list[list[int]]:
    """Logit descending, class index ascending, NaN behind all numbers."""

    def ordered(row: list[float]) -> list[int]:
        return sorted(range(len(row)), key=lambda index: (1, 0.0) if math.isnan(row[index]) else (0, -row[index]))

    return [ordered(row)[:k] for row in logits.tolist()]


@st.composite
def blocks(draw: Any, nan: bool = True, min_rows: int = 0) -> FloatArray:
    """(rows, classes) float32 or float64, full of ties, in any memory layout but a foreign byte order."""
    dtype = draw(st.sampled_from(["float32", "float64"]))
    elements = st.one_of(
        st.sampled_from((*TIED, np.nan, -np.nan) if nan else TIED),
        st.integers(-3, 3).map(float),
        st.floats(width=32, allow_nan=nan),
    )
    shape = (draw(st.integers(min_rows, 6)), draw(st.integers(1, 30)))
    values = draw(hnp.arrays(dtype, shape, elements=elements))
    return layouts(values)[draw(st.sampled_from(LAYOUTS[:4]))]


# The order


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


# Batches


def batch_of(logits: FloatArray, first: int = 0, ids: list[str] | None = None) -> LogitBatch:
    return LogitBatch("scores.npy", logits, np.arange(first, first + len(logits)), ids, (2, len(logits)))


def test_rank_batch_ranks_the_rows_and_carries_the_rest_along() -> None:
    batch = batch_of(np.array([[1.0, 3.0, 2.0], [5.0, 5.0, 0.0]]), 40, ["a", "b"])
    ranked = rank_batch(batch, ("cat", "dog", "fox"), top=2, temperature=0.5)
    for part, whole in zip(
        (ranked.indices, ranked.logits, ranked.probabilities), top_k(batch.logits, 2, temperature=0.5), strict=True
    ):
        assert same_bits(part, whole)
    assert (ranked.source, ranked.rows.tolist(), ranked.ids, ranked.shape) == (
        "scores.npy",
        [40, 41],
        ["a", "b"],
        (2, 2),
    )
    assert (len(ranked), ranked.k, ranked.counts) == (2, 2, None)
    assert [ranked.label(index) for index in ranked.indices[0].tolist()] == ["dog", "fox"]
    assert ranked.kept().tolist() == [[True, True], [True, True]]


def test_classes_without_names_are_called_by_their_number() -> None:
    assert rank_batch(batch_of(np.array([[1.0, 3.0]])), None).label(1) == "1"


@pytest.mark.parametrize(
    ("activation", "threshold", "counts"),
    [
        ("softmax", 0.0, [4, 4, 4, 0]),
        ("softmax", 0.25, [4, 1, 2, 0]),
        ("softmax", math.nextafter(0.25, 1), [0, 1, 2, 0]),
        ("softmax", 0.5, [0, 1, 2, 0]),
        ("softmax", 0.6, [0, 1, 0, 0]),
        ("softmax", 1.0, [0, 0, 0, 0]),
        ("sigmoid", 0.5, [4, 4, 2, 3]),
        ("sigmoid", 0.9, [0, 1, 0, 0]),
        ("log-softmax", -2.0, [4, 1, 2, 0]),
        ("none", 1.0, [0, 1, 0, 0]),
    ],
)
def test_classes_below_the_minimal_probability_do_not_count(
    activation: str, threshold: float, counts: list[int]
) -> None:
    logits = np.array([[0, 0, 0, 0], [0, 5, 0, 0], [0, -np.inf, 0, -np.inf], [0, 0, np.nan, 0]])
    ranked = rank_batch(batch_of(logits), None, top=0, activation=activation, min_probability=threshold)
    assert ranked.counts is not None
    assert (ranked.counts.dtype, ranked.counts.tolist()) == (np.int64, counts)
    assert np.count_nonzero(ranked.kept(), axis=1).tolist() == counts
    assert ranked.kept()[:, 0].tolist() == [count > 0 for count in counts]
    assert ranked.probabilities.shape == (4, 4)


def test_no_more_than_the_top_classes_count() -> None:
    ranked = rank_batch(batch_of(np.zeros((1, 4))), None, top=2, min_probability=0.1)
    assert ranked.counts is not None
    assert ranked.counts.tolist() == [2]


def test_a_batch_of_no_rows_is_ranked() -> None:
    ranked = rank_batch(batch_of(np.empty((0, 3), np.float32)), None, min_probability=0.5)
    assert (len(ranked), ranked.k, ranked.kept().shape) == (0, 3, (0, 3))


@pytest.mark.parametrize("ids", [None, ["a", "b", "c"]])
def test_a_batch_is_cut_down_to_the_rows_to_keep(ids: list[str] | None) -> None:
    batch = batch_of(np.arange(6.0).reshape(3, 2), 7, ids)
    kept = batch.select(np.array([True, False, True]))
    assert (len(kept), kept.rows.tolist(), kept.logits.tolist()) == (2, [7, 9], [[0.0, 1.0], [4.0, 5.0]])
    assert kept.ids == (None if ids is None else ["a", "c"])
    assert (kept.source, kept.shape) == (batch.source, batch.shape)


@pytest.mark.parametrize("record", [LogitBatch, Ranked])
def test_records_are_frozen(record: type) -> None:
    batch = batch_of(np.zeros((1, 2)))
    value = batch if record is LogitBatch else rank_batch(batch, None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        value.source = "elsewhere"


@pytest.mark.parametrize(
    ("given", "worked"),
    [*((name, "float64") for name in INTEGERS), ("float16", "float32"), ("float32", "float32"), ("float64", "float64")],
)
def test_the_precision_that_numbers_are_worked_in(given: str, worked: str) -> None:
    values = np.array([0, 1, 100], given)
    assert same_bits(as_logits(values), np.array([0, 1, 100], worked))
    assert (as_logits(values) is values) == (given == worked)
