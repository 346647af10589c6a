"""Every figure agrees with scikit-learn's, or with its definition written out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit
from scipy.special import softmax as reference_softmax

from softmax_cli.errors import InputError, UsageError
from softmax_cli.judge.evaluate import EvaluateOptions, evaluate
from softmax_cli.judge.report import Report
from softmax_cli.judge.truth import TargetOptions, open_targets, reading_for
from softmax_cli.sources import open_source
from softmax_cli.sources.base import ReadOptions

CLOSE = 1e-9


def report(
    folder: Path,
    logits: NDArray[Any],
    truth: NDArray[Any],
    options: EvaluateOptions | None = None,
    target_options: TargetOptions | None = None,
    axis: int = -1,
) -> Report:
    np.save(folder / "logits.npy", logits)
    np.save(folder / "truth.npy", truth)
    mine, theirs = reading_for(str(folder / "truth.npy"), ReadOptions(axis=axis))
    options = options or EvaluateOptions()
    source = open_source(str(folder / "logits.npy"), mine)
    target_options = replace(
        target_options or TargetOptions(), reading=theirs, axis=axis, multi_label=options.activation == "sigmoid"
    )
    targets = open_targets(str(folder / "truth.npy"), source, options.names, target_options)
    return evaluate(source, targets, options)


def made(rows: int, classes: int, seed: int = 1, sharp: float = 2.0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Logits that tell something about their targets."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, rows)
    logits = rng.normal(size=(rows, classes)) * sharp
    logits[np.arange(rows), truth] += 2.0
    return logits, truth


def ece(confidence: NDArray[Any], right: NDArray[Any], bins: int) -> float:
    """The definition, bin by bin: (lo, hi]."""
    edges = np.linspace(0, 1, bins + 1)
    total = 0.0
    for place in range(bins):
        inside = (confidence > edges[place]) & (confidence <= edges[place + 1])
        if inside.any():
            total += abs(right[inside].mean() - confidence[inside].mean()) * inside.mean()
    return total


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("rows", "classes"), [(4000, 3), (3000, 10), (1500, 60), (300, 1200)])
def test_single_label_figures_are_those_of_scikit_learn(
    tmp_path: Path, rows: int, classes: int, dtype: type[np.floating[Any]]
) -> None:
    logits, truth = made(rows, classes)
    logits = logits.astype(dtype)
    found = report(tmp_path, logits, truth, EvaluateOptions(tops=(1, 2, 5), temperature=1.5))
    p = reference_softmax(logits.astype(np.float64) / 1.5, axis=1)
    labels = np.arange(classes)
    predicted, confidence = p.argmax(1), p.max(1)
    right = (predicted == truth).astype(float)
    expected = {
        "accuracy": sk.accuracy_score(truth, predicted),
        "nll": sk.log_loss(truth, p, labels=labels),
        "nll_bits": sk.log_loss(truth, p, labels=labels) / np.log(2),
        "brier": ((p - np.eye(classes)[truth]) ** 2).sum(1).mean(),
        "ece": ece(confidence, right, 15),
        "ece_class_wise": np.mean([ece(p[:, c], (truth == c).astype(float), 15) for c in labels]),
        "confidence_auroc": sk.roc_auc_score(right, confidence),
    }
    for name, value in expected.items():
        assert found.figures[name] == pytest.approx(value, rel=CLOSE, abs=CLOSE), name
    if set(truth) == set(labels):
        assert found.figures["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(truth, predicted))
    for k in (2, min(5, classes)):
        if k < classes:
            assert found.top_k[k] == pytest.approx(sk.top_k_accuracy_score(truth, p, k=k, labels=labels))
    either = sorted(set(truth) | set(predicted))
    for average in ("macro", "weighted"):
        scores = sk.precision_recall_fscore_support(truth, predicted, labels=either, average=average, zero_division=0)
        assert [found.averages[average][name] for name in ("precision", "recall", "f1")] == pytest.approx(scores[:3])
    assert found.figures["mean_iou"] == pytest.approx(
        sk.jaccard_score(truth, predicted, labels=either, average="macro", zero_division=0)
    )
    matrix = sk.confusion_matrix(truth, predicted, labels=labels)
    if classes <= 1000:
        assert found.confusion is not None
        np.testing.assert_array_equal(found.confusion, matrix)
    np.fill_diagonal(matrix, 0)
    assert found.confused[0].count == matrix.max()
    assert matrix[found.confused[0].target, found.confused[0].predicted] == matrix.max()


def test_per_class_figures(tmp_path: Path) -> None:
    logits, truth = made(500, 6)
    truth[truth == 2] = 3  # a class without rows
    logits[:, 5] = -50.0  # one that is never predicted
    found = report(tmp_path, logits, truth, EvaluateOptions(names=tuple("abcdef")))
    predicted = logits.argmax(1)
    precision, recall, f1, support = sk.precision_recall_fscore_support(
        truth, predicted, labels=np.arange(6), zero_division=np.nan
    )
    for index, figures in enumerate(found.per_class):
        assert (figures.index, figures.label, figures.support) == (index, "abcdef"[index], support[index])
        for value, expected in ((figures.precision, precision[index]), (figures.recall, recall[index])):
            assert value is None if np.isnan(expected) else value == pytest.approx(expected)
        assert figures.f1 == pytest.approx(0.0 if np.isnan(f1[index]) else f1[index])
    assert found.per_class[2].recall is None
    assert found.per_class[5].precision is None
    assert any("1 of 6 classes have no rows" in note for note in found.notes)


def test_class_weights(tmp_path: Path) -> None:
    logits, truth = made(900, 4)
    truth = np.where(np.arange(900) < 700, 0, truth)
    p = reference_softmax(logits, axis=1)
    for kind, weights in (
        ("balanced", len(truth) / (4 * np.bincount(truth))),
        ((1.0, 2.0, 0.5, 0.0), np.array([1.0, 2.0, 0.5, 0.0])),
    ):
        found = report(tmp_path, logits, truth, EvaluateOptions(class_weights=kind))
        sample = weights[truth]
        assert found.figures["nll"] == pytest.approx(sk.log_loss(truth, p, sample_weight=sample))
        assert found.figures["accuracy"] == pytest.approx(sk.accuracy_score(truth, p.argmax(1), sample_weight=sample))
    with pytest.raises(InputError, match="3 class weights, but 4 classes"):
        report(tmp_path, logits, truth, EvaluateOptions(class_weights=(1.0, 1.0, 1.0)))


def test_ties_of_the_target_are_ranked_by_index(tmp_path: Path) -> None:
    logits = np.array([[1.0, 1.0, 1.0, 0.0]] * 4)
    found = report(tmp_path, logits, np.arange(4), EvaluateOptions(tops=(1, 2, 3)))
    assert found.top_k == {1: 0.25, 2: 0.5, 3: 0.75}


def naive_aurc(confidence: Sequence[float], right: Sequence[int]) -> float:
    """The mean risk over all coverages, ties shared."""
    rate = {c: np.mean([r for d, r in zip(confidence, right, strict=True) if d == c]) for c in confidence}
    errors = [1 - rate[c] for c in sorted(confidence, reverse=True)]
    return float(np.mean([np.mean(errors[: k + 1]) for k in range(len(errors))]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.5, 0.6, 0.61, 0.9, 1.0]), st.booleans()), min_size=1, max_size=40))
def test_ranks_with_ties(rows: list[tuple[float, bool]]) -> None:
    from softmax_cli.judge.ranks import Ranked, wilson

    confidence, right = np.array([c for c, _ in rows]), np.array([r for _, r in rows])
    ranked = Ranked(confidence, right)
    if right.all() or not right.any():
        assert ranked.auroc() is None
    else:
        assert ranked.auroc() == pytest.approx(sk.roc_auc_score(right, confidence))
    assert ranked.aurc() == pytest.approx(naive_aurc(confidence.tolist(), right.astype(int).tolist()))
    for goal, value in (("precision", 0.6), ("risk", 0.2), ("coverage", 0.5)):
        point = ranked.at(goal, value)
        candidates = [(float((confidence >= t).mean()), right[confidence >= t].mean()) for t in np.unique(confidence)]
        least = value if goal == "precision" else 1 - value
        if goal == "coverage":
            fits = min(coverage for coverage, _ in candidates if coverage >= value)
        else:
            fits = max((coverage for coverage, precision in candidates if precision >= least - 1e-12), default=-1.0)
        if fits < 0:
            assert point.threshold is None
            continue
        assert point.coverage == pytest.approx(fits)
        assert point.threshold is not None
        kept = confidence >= point.threshold
        assert point.precision == pytest.approx(right[kept].mean())
        assert (point.low, point.high) == wilson(float(right[kept].sum()), int(kept.sum()))


def test_soft_targets(tmp_path: Path) -> None:
    logits, _ = made(400, 7)
    soft = np.random.default_rng(2).dirichlet(np.ones(7), 400)
    for values in (logits, logits.astype(np.float32)):
        found = report(tmp_path, values, soft)
        p = reference_softmax(values.astype(np.float64), axis=1)
        assert found.kind == "soft"
        assert found.figures["nll"] == pytest.approx(-(soft * np.log(p)).sum(1).mean(), rel=1e-9)
        assert found.figures["brier"] == pytest.approx(((p - soft) ** 2).sum(1).mean(), rel=1e-9)


@pytest.mark.parametrize("held", [1 << 28, 4000])
def test_labels_are_those_of_scikit_learn(tmp_path: Path, held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("softmax_cli.judge.multilabel.HELD_BYTES", held)  # the second takes several passes
    rng = np.random.default_rng(3)
    truth = (rng.random((500, 8)) < 0.3).astype(np.uint8)
    truth[:, 6] = 0
    logits = (rng.normal(size=(500, 8)) + 2 * truth - 1).round(1)  # with ties
    found = report(tmp_path, logits, truth, EvaluateOptions(activation="sigmoid", threshold=0.4))
    p = expit(logits)
    predicted = p >= 0.4
    for index in range(8):
        value = found.per_class[index].average_precision
        if index == 6:
            assert value is None
        else:
            assert value == pytest.approx(sk.average_precision_score(truth[:, index], p[:, index]))
    with_rows = [index for index in range(8) if index != 6]
    assert found.figures["mean_average_precision"] == pytest.approx(
        sk.average_precision_score(truth[:, with_rows], p[:, with_rows])
    )
    assert found.figures["hamming_loss"] == pytest.approx(sk.hamming_loss(truth, predicted))
    assert found.figures["subset_accuracy"] == pytest.approx(sk.accuracy_score(truth, predicted))
    assert found.figures["binary_cross_entropy"] == pytest.approx(sk.log_loss(truth.ravel(), p.ravel()))
    for average in ("macro", "micro", "weighted"):
        expected = sk.f1_score(truth, predicted, average=average, zero_division=0)
        assert found.averages[average]["f1"] == pytest.approx(expected), average
    assert any("1 of 8 labels are never true" in note for note in found.notes)


def test_probabilities_of_labels(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    truth = (rng.random((50, 3)) < 0.5).astype(int)
    truth[0] = 1
    logits = rng.normal(size=(50, 3))
    by_logits = report(tmp_path, logits, truth, EvaluateOptions(activation="sigmoid"))
    given = report(tmp_path, expit(logits), truth, EvaluateOptions(activation="none"))
    assert given.figures == pytest.approx(by_logits.figures)
    with pytest.raises(UsageError, match="no class, or with several"):
        report(tmp_path, logits, truth)


def test_given_probabilities(tmp_path: Path) -> None:
    logits, truth = made(300, 5)
    by_logits = report(tmp_path, logits, truth)
    given = report(tmp_path, reference_softmax(logits, axis=1), truth, EvaluateOptions(activation="none"))
    assert given.figures == pytest.approx(by_logits.figures)


def test_pictures(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    logits = rng.normal(size=(3, 5, 8, 9)).astype(np.float32)
    truth = rng.integers(0, 5, (3, 8, 9)).astype(np.uint8)
    truth[:, :2] = 255
    found = report(tmp_path, logits, truth, None, TargetOptions(ignore_index=255), axis=1)
    keep = truth != 255
    predicted = logits.argmax(1)[keep]
    assert (found.rows, found.ignored) == (int(keep.sum()), int((~keep).sum()))
    assert found.figures["accuracy"] == pytest.approx(sk.accuracy_score(truth[keep], predicted))
    assert found.figures["mean_iou"] == pytest.approx(sk.jaccard_score(truth[keep], predicted, average="macro"))


def test_the_same_whatever_the_threads_and_the_cuts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logits, truth = made(5000, 20)
    options = EvaluateOptions(bootstrap=20, goal=("precision", 0.9))
    first = report(tmp_path, logits, truth, options).as_record()
    assert report(tmp_path, logits, truth, replace(options, jobs=4)).as_record() == first
    monkeypatch.setattr("softmax_cli.sources.base.BATCH_BYTES", 1 << 14)
    small = report(tmp_path, logits, truth, options)
    assert small.as_record() == first
    assert report(tmp_path, logits, truth, replace(options, jobs=4)).as_record() == small.as_record()
    order = np.random.default_rng(0).permutation(len(truth))
    shuffled = report(tmp_path, logits[order], truth[order], replace(options, bootstrap=0)).as_record()
    for name in ("nll", "ece", "ece_equal_mass", "aurc", "confidence_auroc", "per_class", "operating_point"):
        assert shuffled[name] == first[name], name


def test_bootstrap_intervals_hold_the_figure(tmp_path: Path) -> None:
    logits, truth = made(2000, 4)
    found = report(tmp_path, logits, truth, EvaluateOptions(bootstrap=400, tops=(2,)))
    assert found.intervals is not None
    share = found.figures["accuracy"]
    assert share is not None
    half = 1.96 * np.sqrt(share * (1 - share) / 2000)
    interval = found.intervals["accuracy"]
    assert (interval.low, interval.high) == pytest.approx((share - half, share + half), abs=0.004)
    losses = -np.log(reference_softmax(logits, axis=1)[np.arange(2000), truth])
    assert found.intervals["nll"].high - found.intervals["nll"].low == pytest.approx(
        3.92 * losses.std() / np.sqrt(2000), rel=0.15
    )
    assert set(found.intervals) >= {"brier", "ece", "balanced_accuracy", "macro_f1", "top_2_accuracy"}


def test_rows_without_probabilities_count_as_wrong_and_say_so(tmp_path: Path) -> None:
    logits, truth = made(100, 3)
    whole = report(tmp_path, logits, truth)
    logits[0] = np.nan
    found = report(tmp_path, logits, truth, EvaluateOptions(nan="propagate"))
    assert found.undefined == 1
    assert found.figures["nll"] is None
    assert found.figures["ece"] is None
    was_right = whole.per_class[truth[0]].recall
    assert was_right is not None
    assert found.figures["accuracy"] in (whole.figures["accuracy"], pytest.approx(whole.top_k[1] - 0.01))
    assert any("1 of 100 rows have no probability" in note for note in found.notes)


def test_impossible_targets_are_infinite_loss_and_said(tmp_path: Path) -> None:
    logits = np.array([[0.0, -np.inf], [0.0, 1.0]])
    found = report(tmp_path, logits, np.array([1, 1]))
    assert found.figures["nll"] is None
    assert any("log-loss is infinite" in note for note in found.notes)
    assert "NaN" not in repr(found.as_record())


def test_one_class_only(tmp_path: Path) -> None:
    logits, truth = made(50, 3)
    found = report(tmp_path, logits, np.zeros_like(truth))
    assert any("all targets are of one class" in note for note in found.notes)


def test_extreme_logits(tmp_path: Path) -> None:
    logits = np.array([[700.0, 0.0, -700.0], [1e30, -1e30, 0.0], [-500.0, -501.0, -502.0], [400.0, 399.0, 0.0]])
    for values in (logits, logits.astype(np.float32)):
        found = report(tmp_path, values, np.array([0, 0, 1, 1]))
        p = reference_softmax(values.astype(np.float64), axis=1)
        assert found.figures["brier"] == pytest.approx(((p - np.eye(3)[[0, 0, 1, 1]]) ** 2).sum(1).mean())
        assert found.figures["nll"] == pytest.approx(sk.log_loss([0, 0, 1, 1], p, labels=[0, 1, 2]))


def test_no_rows(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no rows to judge") as error:
        report(tmp_path, np.empty((0, 3)), np.empty(0, np.int64))
    assert error.value.slug == "empty-input"


def test_of_very_many_classes_only_those_that_occur_are_listed(tmp_path: Path) -> None:
    logits, truth = made(40, 10_001)
    found = report(tmp_path, logits.astype(np.float32), truth)
    predicted = logits.argmax(1)
    assert [figures.index for figures in found.per_class] == sorted({*truth, *predicted})
    assert found.confusion is None
    assert found.pair_counts is not None
    pairs = sorted(zip(truth.tolist(), predicted.tolist(), strict=True))
    assert [tuple(row) for row in found.pair_counts[:, :2].tolist()] == sorted(set(pairs))
    assert found.pair_counts[:, 2].sum() == 40
