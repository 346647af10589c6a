"""The ranks of a batch, and the records around them."""

import dataclasses
import math

import numpy as np
import pytest

from softmax_cli.batch import FloatArray, LogitBatch, Ranked, as_logits
from softmax_cli.ranking import (
    rank_batch,
    top_k,
)
from tests.numerics.oracle import INTEGERS, same_bits


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
