"""The picture and the charts of an evaluation, from its report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from softmax_cli.activation import softmax
from softmax_cli.judge.evaluate import EvaluateOptions, evaluate
from softmax_cli.judge.plots.evaluation import evaluation_charts, evaluation_picture
from softmax_cli.judge.plots.figure import render
from softmax_cli.judge.plots.records import Bars, ConfusedPairs, Confusion, Histogram, Reliability, RiskCoverage
from softmax_cli.judge.report import Report
from softmax_cli.judge.truth import open_targets
from softmax_cli.sources import open_source


def judged(folder: Path, logits: np.ndarray, targets: np.ndarray, activation: str = "softmax") -> Report:
    np.save(folder / "logits.npy", logits)
    np.save(folder / "truth.npy", targets)
    source = open_source(str(folder / "logits.npy"))
    truth = open_targets(str(folder / "truth.npy"), source, None)
    return evaluate(source, truth, EvaluateOptions(activation=activation))


def rows(classes: int, count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    targets = rng.integers(0, classes, count)
    logits = rng.normal(size=(count, classes))
    logits[np.arange(count), targets] += 1.5
    return logits, targets


def test_single_label(tmp_path: Path) -> None:
    logits, targets = rows(6)
    report = judged(tmp_path, logits, targets)
    picture = evaluation_picture(report)
    bins, histogram, curve, confusion = picture.panels
    assert isinstance(bins, Reliability)
    assert isinstance(histogram, Histogram)
    assert isinstance(curve, RiskCoverage)
    assert isinstance(confusion, Confusion)
    shares = softmax(logits)
    top, best = shares.max(axis=1), shares.argmax(axis=1)
    for low, high, count, confidence, accuracy in zip(
        bins.edges[:-1], bins.edges[1:], bins.count, bins.confidence, bins.accuracy, strict=True
    ):
        inside = (top > low) & (top <= high)
        assert count == inside.sum()
        if count:
            assert confidence == pytest.approx(top[inside].mean())
            assert accuracy == pytest.approx((best == targets)[inside].mean())
    assert histogram.reliability.mean_confidence() == pytest.approx(top.mean())
    assert histogram.reliability.mean_accuracy() == pytest.approx((best == targets).mean())
    expected = np.zeros((6, 6), int)
    np.add.at(expected, (targets, best), 1)
    assert confusion.matrix.tolist() == expected.tolist()
    assert curve.coverage[-1] == 1
    assert curve.risk[-1] == pytest.approx((best != targets).mean())
    assert picture.title.endswith("logits.npy: 400 rows")
    reliability, risk = evaluation_charts(report, 80)
    assert len(reliability) == 1 + np.count_nonzero(bins.count)
    assert len(risk) == 11
    assert all(len(line) <= 80 for line in reliability + risk)


def test_more_than_a_thousand_classes(tmp_path: Path) -> None:
    logits, targets = rows(1100, 50)
    panels = evaluation_picture(judged(tmp_path, logits, targets)).panels
    assert isinstance(panels[-1], ConfusedPairs)
    assert panels[-1].classes == 1100


def test_labels_that_hold_together(tmp_path: Path) -> None:
    logits, _ = rows(30)
    report = judged(tmp_path, logits, (logits > 1).astype(np.int64), "sigmoid")
    picture = evaluation_picture(report)
    (bars,) = (panel for panel in picture.panels if isinstance(panel, Bars))
    assert len(bars.labels) == 20
    assert list(bars.values) == sorted(bars.values)
    assert render(picture, "svg")
    assert evaluation_charts(report) == []
