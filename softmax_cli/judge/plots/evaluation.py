"""What an evaluation found, as pictures and as charts of text."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from softmax_cli.judge.binning import Bin
from softmax_cli.judge.plots.records import (
    Bars,
    ConfusedPairs,
    Confusion,
    Histogram,
    Panel,
    Picture,
    Reliability,
    RiskCoverage,
)
from softmax_cli.judge.plots.text import reliability_chart, risk_coverage_chart
from softmax_cli.judge.report import Report

_MOST_LABELS = 20


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def reliability_of(bins: Sequence[Bin], error: float | None, title: str = "Reliability") -> Reliability | None:
    """The bins of confidence as a panel; None without any row in them."""
    if not any(part.count for part in bins):
        return None
    return Reliability(
        np.array([*(part.low for part in bins), bins[-1].high]),
        np.array([part.count for part in bins]),
        np.array([_number(part.confidence) for part in bins]),
        np.array([_number(part.accuracy) for part in bins]),
        _number(error),
        title,
    )


def _risk_coverage(report: Report) -> RiskCoverage | None:
    if not report.curve:
        return None
    coverage = np.array([point.coverage for point in report.curve])
    return RiskCoverage(coverage, np.array([point.risk for point in report.curve]), _number(report.figures.get("aurc")))


def evaluation_picture(report: Report) -> Picture:
    """One figure: reliability, histogram of confidence, risk over coverage, confusion, as far as the report has them.

    Of many classes the most confused are shown; of labels that don't exclude each other, each one's average precision.
    """
    panels: list[Panel | Histogram] = []
    reliability, curve = reliability_of(report.bins, report.figures.get("ece")), _risk_coverage(report)
    if reliability is not None:
        panels += [reliability, Histogram(reliability)]
    if curve is not None:
        panels.append(curve)
    if report.confusion is not None:
        panels.append(Confusion(report.confusion, report.labels))
    elif report.kind == "classes":
        pairs = [(pair.target_label, pair.predicted_label, pair.count) for pair in report.confused]
        panels.append(ConfusedPairs(pairs, report.classes))
    if report.kind == "labels":
        panels += _labels(report)
    return Picture(f"{'stdin' if report.source == '-' else report.source}: {report.rows:,} rows", panels)


def _labels(report: Report) -> list[Panel | Histogram]:
    """Average precision and F1 of the labels, the worst first where there are many."""
    known = [part for part in report.per_class if part.average_precision is not None]
    some = sorted(known, key=lambda part: (_number(part.average_precision), part.index))[:_MOST_LABELS]
    title = f"Labels with the least average precision, of {len(known):,}" if len(some) < len(known) else "Labels"
    precision = [_number(part.average_precision) for part in some]
    bars = Bars(title, [part.label for part in some], precision, "average precision")
    return [bars] if some else []


def evaluation_charts(report: Report, width: int = 80, ascii_only: bool = False) -> list[list[str]]:
    """Small charts of text, each as its lines: reliability, and risk over coverage, where the report has them."""
    reliability, curve = reliability_of(report.bins, report.figures.get("ece")), _risk_coverage(report)
    charts = [] if reliability is None else [reliability_chart(reliability, width, ascii_only)]
    return charts if curve is None else [*charts, risk_coverage_chart(curve, width, ascii_only)]
