"""An evaluation as tables for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from softmax_cli.judge.report import ClassFigures, Interval, Report
from softmax_cli.sinks.base import Section

_ALL_CLASSES = 20  # as many are all shown; of more, the worst
_WORST = 10
_PAIRS = 10

_TITLES: Mapping[str, tuple[str, bool]] = MappingProxyType(
    {
        "accuracy": ("accuracy", True),
        "balanced_accuracy": ("balanced accuracy", True),
        "mean_iou": ("mean IoU", True),
        "nll": ("log-loss (NLL), nats", False),
        "nll_bits": ("log-loss, bits", False),
        "brier": ("Brier score", False),
        "ece": ("ECE", False),
        "ece_equal_mass": ("ECE, bins of equal mass", False),
        "ece_class_wise": ("ECE, class-wise", False),
        "mce": ("MCE", False),
        "confidence_auroc": ("AUROC of confidence", False),
        "aurc": ("AURC (risk-coverage)", False),
        "mean_average_precision": ("mean average precision", True),
        "subset_accuracy": ("all labels right", True),
        "hamming_loss": ("Hamming loss", False),
        "binary_cross_entropy": ("binary cross-entropy", False),
    }
)


def as_sections(report: Report, charted: bool = False) -> list[Section]:
    """A report as tables; what has no value is a dash. charted: without the bins, which a chart shows."""
    return [
        _overview(report),
        _figures(report),
        _operating(report),
        *([] if charted else [_calibration(report)]),
        _averages(report),
        _classes(report),
        _confused(report),
    ]


def _overview(report: Report) -> Section:
    rows = f"{report.rows:,}"
    for count, what in ((report.ignored, "ignored"), (report.dropped, "dropped"), (report.undefined, "undefined")):
        rows += f", {count:,} {what}" if count else ""
    kinds = {"classes": "one class a row", "labels": "labels, any number a row", "soft": "soft"}
    activation = report.activation
    if report.temperature != 1.0:
        activation += f", temperature {report.temperature:g}"
    if report.threshold is not None:
        activation += f", threshold {report.threshold:g}"
    lines = [
        ("logits", report.source),
        ("rows", rows),
        ("classes" if report.kind != "labels" else "labels", f"{report.classes:,}"),
        ("targets", kinds[report.kind]),
        ("activation", activation),
    ]
    return Section("evaluated", ("", ""), lines, (1,))


def _figures(report: Report) -> Section:
    rows = []
    for name, value in report.figures.items():
        if name == "mean_iou" and not report.is_picture:
            continue
        title, is_share = _TITLES[name]
        rows.append(_row(report, name, title, value, is_share))
        if name == "accuracy":
            rows += [
                _row(report, f"top_{k}_accuracy", f"top-{k} accuracy", share, True)
                for k, share in report.top_k.items()
                if k > 1
            ]
    header = ("", "", "95 % interval") if report.intervals is not None else ("", "")
    return Section("figures", header, rows)


def _row(report: Report, name: str, title: str, value: float | None, is_share: bool) -> tuple[str, ...]:
    shown = (title, _share(value) if is_share else _number(value))
    if report.intervals is None:
        return shown
    return (*shown, _interval(report.intervals.get(name), is_share))


def _interval(interval: Interval | None, is_share: bool) -> str:
    if interval is None:
        return ""
    write = _share if is_share else _number
    return f"{write(interval.low)} to {write(interval.high)}"


def _operating(report: Report) -> Section:
    point = report.operating
    if point is None:
        return Section("", ("",), [])
    rows = [
        ("confidence of at least", "none reaches it" if point.threshold is None else f"{point.threshold:.6g}"),
        ("coverage", f"{_share(point.coverage)} ({point.kept:,} rows)"),
        ("precision", f"{_share(point.precision)} ({_share(point.low)} to {_share(point.high)}, 95 %)"),
    ]
    if point.threshold is None:
        rows[1:] = [(f"best {name}", value) for name, value in rows[1:]]
    return Section(f"at {point.goal} {point.value:g}", ("", ""), rows)


def _calibration(report: Report) -> Section:
    rows = [
        (
            f"({part.low:.3f}, {part.high:.3f}]",
            f"{part.count:,}",
            _number(part.confidence),
            _number(part.accuracy),
            _number((part.accuracy or 0.0) - (part.confidence or 0.0), signed=True),
        )
        for part in report.bins
        if part.count
    ]
    return Section("confidence", ("", "rows", "mean", "right", "right - mean"), rows)


def _averages(report: Report) -> Section:
    rows = [
        (name, *(_number(values[figure]) for figure in ("precision", "recall", "f1", "iou")))
        for name, values in report.averages.items()
    ]
    return Section("averages", ("", "precision", "recall", "F1", "IoU"), rows)


def _classes(report: Report) -> Section:
    shown: Sequence[ClassFigures] = report.per_class
    what = "labels" if report.kind == "labels" else "classes"
    title = what
    if len(shown) > _ALL_CLASSES:
        there = [figures for figures in shown if figures.support]
        shown = sorted(there, key=lambda figures: (figures.f1 or 0.0, -figures.support, figures.index))[:_WORST]
        title = f"lowest F1 of {report.classes:,} {what}"
    is_label = report.kind == "labels"
    numbered = report.labels is not None and len(report.per_class) > _ALL_CLASSES  # names may be cut, and look alike
    header = ("", *(("index",) if numbered else ()), "precision", "recall", "F1", "AP" if is_label else "IoU", "rows")
    rows = [
        (
            figures.label if report.labels is not None else str(figures.index),
            *((str(figures.index),) if numbered else ()),
            _number(figures.precision),
            _number(figures.recall),
            _number(figures.f1),
            _number(figures.average_precision if is_label else figures.iou),
            f"{figures.support:,}",
        )
        for figures in shown
    ]
    return Section(title, header, rows, (0,))


def _confused(report: Report) -> Section:
    rows = [
        (pair.target_label, pair.predicted_label, f"{pair.count:,}", _share(pair.share))
        for pair in report.confused[:_PAIRS]
    ]
    return Section("most confused", ("", "taken for", "rows", "of the class"), rows, (0, 1))


def _share(share: float | None) -> str:
    if share is None or not math.isfinite(share):
        return "-"
    return f"{100 * share:.2f}%" if share in (0, 1) or 0.00005 <= share <= 0.99995 else f"{100 * share:.6g}%"


def _number(value: float | None, signed: bool = False) -> str:
    if value is None or not math.isfinite(value):
        return "-"
    if value and abs(value) < 0.00005:
        return f"{value:.2e}"
    return f"{value:+.4f}" if signed else f"{value:.4f}"
