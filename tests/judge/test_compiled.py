"""Rows judged in C are what numpy makes of them, in every instruction set, and as exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from softmax_cli import compiled
from softmax_cli.judge.binning import bin_edges
from softmax_cli.judge.kernel import Kernel, Rows

if compiled.kernel is None:
    pytest.skip("there is no compiled kernel", allow_module_level=True)
kernel: Any = compiled.kernel
VARIANTS = range(len(kernel.variants()))
SHAPES = [(1, 49), (40, 64), (40, 65), (33, 1_000), (3, 9_001), (1, 100_000)]


def rows_of(shape: tuple[int, int], dtype: str, seed: int = 1) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Logits with ties and masked classes, and targets of which half are the class of the largest."""
    random = np.random.default_rng(seed)
    logits = (random.normal(0, 4, shape) * 4).round().astype(dtype) / 4
    logits[random.random(shape) < 0.05] = -np.inf
    logits[:, 0] = 1.5
    others = random.integers(0, shape[1], shape[0])
    return logits, np.where(random.random(shape[0]) < 0.5, logits.argmax(axis=1), others)


def in_c(
    logits: NDArray[Any], target: NDArray[np.int64], variant: int, bins: int = 15, scale: float = 1.0
) -> tuple[compiled.Judged, int]:
    rows, classes = logits.shape
    edge = float(bin_edges(bins)[1])
    most = rows * min(classes, bins + 1)
    whole = (np.empty(rows, np.int64), np.empty(rows, np.int64))
    found = compiled.Judged(
        *whole, np.empty((rows, 3)), np.zeros(classes), np.empty((most, 2), np.int64), np.empty(most)
    )
    count = kernel.judge(logits, logits.dtype == np.float32, target, scale, edge, *found, variant)
    return found, count


def with_numpy(judge: Kernel, logits: NDArray[Any], target: NDArray[np.int64], monkeypatch: pytest.MonkeyPatch) -> Rows:
    with monkeypatch.context() as patch:
        patch.setattr(compiled, "kernel", None)
        (rows,) = judge.judge(logits, target)
    return rows


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("bins", [1, 15, 200])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_is_what_numpy_makes_of_them(
    dtype: str, shape: tuple[int, int], bins: int, variant: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits, target = rows_of(shape, dtype)
    expected = with_numpy(Kernel("softmax", 1.0, bin_edges(bins)), logits, target, monkeypatch)
    found, count = in_c(logits, target, variant, bins)
    assert count == len(expected.peak_value)
    assert np.array_equal(found.predicted, expected.predicted)
    assert np.array_equal(found.place, expected.place)
    scores = np.stack([expected.confidence, expected.nll, expected.brier], axis=1)
    np.testing.assert_allclose(found.scores, scores, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(found.mass, expected.mass, rtol=1e-12, atol=0)
    assert np.array_equal(found.peaks[:count, 0], expected.peak_class)
    assert np.array_equal(target[found.peaks[:count, 1]] == found.peaks[:count, 0], expected.peak_right)
    np.testing.assert_allclose(found.peak_values[:count], expected.peak_value, rtol=1e-13)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 7.0])
@pytest.mark.parametrize("classes", [49, 1_000, 100_000])
def test_scores_are_exact_to_a_few_bits(classes: int, temperature: float) -> None:
    logits = np.random.default_rng(3).normal(20, 3, (9, classes)).astype(np.float32)
    target = np.arange(9) * 5
    scaled = logits.astype(np.longdouble) / np.longdouble(temperature)
    terms = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    shares = terms / terms.sum(axis=1, keepdims=True)
    at_target = np.take_along_axis(shares, target[:, None], axis=1)[:, 0]
    close = 1e-14 if temperature == 1 else 1e-13  # its reciprocal rounds, and exponents multiply that
    for variant in VARIANTS:
        found, _ = in_c(logits, target, variant, scale=1 / temperature)
        confidence, nll, brier = found.scores.T
        np.testing.assert_allclose(confidence, shares.max(axis=1).astype(float), rtol=close)
        np.testing.assert_allclose(nll, -np.log(at_target).astype(float), rtol=close)
        np.testing.assert_allclose(brier, ((shares**2).sum(axis=1) - 2 * at_target + 1).astype(float), rtol=close)


def test_a_masked_target_and_many_equal_peaks() -> None:
    logits = np.full((2, 60), -np.inf, np.float32)
    logits[:, :14] = 2.0
    for variant in VARIANTS:
        found, count = in_c(logits, np.array([59, 13]), variant)
        assert count == 28
        assert found.peaks[:count].tolist() == [[index, row] for row in (0, 1) for index in range(14)]
        assert found.predicted.tolist() == [0, 0]
        assert found.place.tolist() == [59, 13]
        assert found.scores[0, 1] == np.inf
        assert found.scores[1].tolist() == pytest.approx([1 / 14, np.log(14), 1 - 1 / 14], rel=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_probabilities_on_the_first_edge_and_just_above(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    logits = np.full((2, 60), -np.inf, dtype)
    logits[:, :15] = 0.25
    logits[1, 7] = np.nextafter(logits.dtype.type(0.25), 1) if dtype == "float32" else 0.25 + 1e-9
    target = np.zeros(2, np.int64)
    expected = with_numpy(Kernel("softmax", 1.0, bin_edges(15)), logits, target, monkeypatch)
    assert expected.peak_class.tolist() == [7]
    for variant in VARIANTS:
        found, count = in_c(logits, target, variant)
        assert found.peaks[:count].tolist() == [[7, 1]]


@pytest.mark.parametrize("shift", [0.0, 2.0, 2.5, 3.5, 5.0, -40.0, 1e6])
def test_a_shift_changes_nothing(shift: float, monkeypatch: pytest.MonkeyPatch) -> None:
    logits = np.full((40, 60), -np.inf)
    for row in range(40):
        logits[row, row % 7 : row % 7 + 1 + row % 15] = shift  # ties, on the edges of bins
    logits[:20, 50:] = shift - 0.5
    target = logits.argmax(axis=1)
    ties = with_numpy(Kernel("softmax", 1.0, bin_edges(15)), logits[20:], target[20:], monkeypatch)
    for variant in VARIANTS:
        found, count = in_c(logits, target, variant)
        unshifted, same_count = in_c(logits - shift, target, variant)
        assert count == same_count
        assert np.array_equal(found.scores, unshifted.scores)
        assert np.array_equal(found.peak_values[:count], unshifted.peak_values[:count])
        assert np.array_equal(found.scores[20:, 0], ties.confidence)
        assert (found.scores[:, 2] >= 0).all()


def test_a_sure_row_is_judged_exactly() -> None:
    logits = np.full((2, 60), -np.inf, np.float32)
    logits[:, 3] = 7.3
    for variant in VARIANTS:
        found, count = in_c(logits, np.array([3, 4]), variant)
        assert found.scores.tolist() == [[1.0, 0.0, 0.0], [1.0, np.inf, 2.0]]
        assert found.mass.tolist() == [2.0 if index == 3 else 0.0 for index in range(60)]
        assert found.peak_values[:count].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("bad", [np.nan, np.inf, "masked"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_has_no_softmax_is_left(dtype: str, bad: Any) -> None:
    logits, target = rows_of((40, 100), dtype)
    logits[17, 33 if bad != "masked" else slice(None)] = -np.inf if bad == "masked" else bad
    for variant in VARIANTS:
        assert in_c(logits, target, variant)[1] == -1
    assert Kernel("softmax", 1.0, bin_edges(15)).judge_at_once(logits, target) is None


@pytest.mark.parametrize("wrong", [-1, 100, 1 << 40])
def test_targets_that_are_no_classes_are_left(wrong: int) -> None:
    logits, target = rows_of((40, 100), "float32")
    target[39] = wrong
    assert [in_c(logits, target, variant)[1] for variant in VARIANTS] == [-1] * len(VARIANTS)


def test_more_peaks_than_there_is_room_for() -> None:
    logits, target = np.zeros((2, 60), np.float32), np.zeros(2, np.int64)
    logits[:, :3] = 9.0
    room = [np.empty(2, np.int64), np.empty(2, np.int64), np.empty((2, 3)), np.zeros(60)]
    assert kernel.judge(logits, True, target, 1.0, 0.1, *room, np.empty((6, 2), np.int64), np.empty(6)) == 6
    assert kernel.judge(logits, True, target, 1.0, 0.1, *room, np.empty((6, 2), np.int64), np.empty(5)) == -1


def test_what_it_refuses() -> None:
    logits, target = rows_of((4, 60), "float32")
    good = [np.empty(4, np.int64), np.empty(4, np.int64), np.empty((4, 3)), np.zeros(60)]
    peaks = [np.empty((60, 2), np.int64), np.empty(60)]
    for place, other in enumerate([np.empty(3, np.int64), np.empty(5, np.int64), np.empty((4, 2)), np.zeros(59)]):
        room = [*good[:place], other, *good[place + 1 :]]
        with pytest.raises(ValueError, match="fit"):
            kernel.judge(logits, True, target, 1.0, 0.1, *room, *peaks)
    for values, is_single, rows in ((logits, False, target), (logits[:3], True, target), (logits, True, target[:3])):
        with pytest.raises(ValueError, match="fit"):
            kernel.judge(values, is_single, rows, 1.0, 0.1, *good, *peaks)
    with pytest.raises(ValueError, match="variant"):
        kernel.judge(logits, True, target, 1.0, 0.1, *good, *peaks, len(VARIANTS))
    with pytest.raises((BufferError, ValueError)):
        kernel.judge(logits[:, ::2], True, target, 1.0, 0.1, *good, *peaks)
