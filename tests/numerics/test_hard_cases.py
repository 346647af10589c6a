"""Sums, layouts and values that are hard to get right to the last bits."""

import numpy as np
import pytest

import softmax_cli.activation as activation_module
import softmax_cli.ranking as ranking_module
from softmax_cli.activation import ACTIVATIONS, activate, log_softmax, sigmoid, softmax
from softmax_cli.batch import LogitBatch
from softmax_cli.ranking import rank_batch, top_k, top_rows
from tests.numerics.oracle import BAR, Row, build_row, expected_array, expected_row, same_bits, worst_units


@pytest.mark.parametrize("kind", ["18.8125 below", "35.5 below", "21.5 below"])
@pytest.mark.parametrize("activation", ["softmax", "log-softmax"])
def test_a_million_classes_on_the_first_axis_float64(activation, kind):
    pick = np.ones(1_000_000, np.int64)
    pick[333_333] = 0
    row = Row(np.array([0.0, -float(kind.split()[0])]), pick)
    result = activate(np.stack([row.logits, row.logits], axis=1), activation, axis=0)
    assert worst_units(result[:, 0], expected_row(activation, row)) <= BAR


@pytest.mark.parametrize("layout", ["C", "F"])
@pytest.mark.parametrize("size", [1_000, 60_000])
def test_log_softmax_of_a_sure_class(size, layout):
    row = build_row("35.5 below", size, "float64")
    logits = np.asarray(np.stack([row.logits, row.logits]), order=layout)
    best = top_rows(logits, 1, "log-softmax").probabilities
    exact = expected_row("log-softmax", row)
    assert worst_units(best[0], exact.take([size // 3])) <= BAR
    assert worst_units(log_softmax(logits.T, axis=0)[:, 0], exact) <= BAR
    assert worst_units(log_softmax(np.ascontiguousarray(logits.T), axis=0)[:, 0], exact) <= BAR


@pytest.mark.parametrize(("shape", "axis"), [((3, 4, 0), 1), ((3, 0), 0), ((2, 3, 0, 5), 0)])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_no_inner_rows_is_an_empty_result(activation, shape, axis):
    assert activate(np.empty(shape), activation, axis).shape == shape


@pytest.mark.parametrize("shape", [(0,), (3, 0)])
def test_sigmoid_has_no_class_axis_that_could_be_empty(shape):
    assert sigmoid(np.empty(shape)).shape == shape


@pytest.mark.parametrize("activation", ["softmax", "log-softmax"])
def test_neither_block_nor_layout_changes_a_bit(activation, monkeypatch):
    logits = np.random.default_rng(0).standard_normal((4, 1_000)) - 30
    logits[:, 0] = 0
    straight = top_rows(logits, 1, activation).probabilities
    columnwise = np.asfortranarray(logits)
    assert same_bits(top_rows(columnwise, 1, activation).probabilities, straight)
    monkeypatch.setattr(ranking_module, "BLOCK_ELEMENTS", 1)
    assert same_bits(top_rows(columnwise, 1, activation).probabilities, straight)


@pytest.mark.parametrize("activation", ["softmax", "log-softmax"])
def test_the_last_block_of_width_1_has_the_same_bits(activation, monkeypatch):
    values = np.random.default_rng(0).standard_normal((1_000, 65)) - 30
    values[0] = 0
    whole = activate(values, activation, 0)
    monkeypatch.setattr(activation_module, "BLOCK_ELEMENTS", 1)
    assert same_bits(activate(values, activation, 0), whole)


def test_float32_column_alone_and_among_others():
    x = (np.random.default_rng(0).standard_normal((10**6, 3)) * 5).astype("f4")
    whole = softmax(x, axis=0)
    for j in range(3):
        assert same_bits(whole[:, j], softmax(np.ascontiguousarray(x[:, j])))


def test_what_counts_is_what_reaches_the_minimal_probability():
    logits = np.array([[4.0, -0.4638766728140493, -0.4638766728140494]])
    best = top_rows(logits, 0).probabilities[0]
    assert (np.diff(best) <= 0).all()
    ranked = rank_batch(
        LogitBatch("-", logits, np.arange(1)), None, min_probability=best.max(where=[False, True, True], initial=0)
    )
    assert (ranked.probabilities[ranked.kept()] >= best[2]).all()


@pytest.mark.parametrize("temperature", [0.0, -1.0, np.nan, np.inf])
def test_top_k_checks_the_temperature(temperature):
    with pytest.raises(ValueError, match="temperature"):
        top_k([1.0, 2.0], temperature=temperature)


@pytest.mark.parametrize("values", [np.array([True]), np.array(["1"]), np.array([1], object), np.array([1j])], ids=str)
def test_top_k_checks_the_type(values):
    with pytest.raises(ValueError, match="real numbers"):
        top_k(values)


def test_a_huge_temperature():
    logits = np.array([0.0, -7.00123456789e303])
    assert worst_units(softmax(logits, temperature=1e301), expected_array("softmax", logits, -1, 1e301)) <= BAR
