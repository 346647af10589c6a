"""A fitted calibration, or conformal sets, as tables for people."""

from __future__ import annotations

import math

from softmax_cli.judge.calibrate import CalibrationReport
from softmax_cli.judge.conformal import SetsReport
from softmax_cli.sinks.base import Section

_SCORES = {"nll": "log-loss (NLL), nats", "ece": "ECE", "brier": "Brier score"}
_SET_METHODS = {"lac": "LAC", "aps": "APS", "raps": "RAPS"}


def calibration_sections(report: CalibrationReport) -> list[Section]:
    """What was fitted, and the scores before and after."""
    calibration = report.fit.calibration
    rows = [("method", calibration.method)]
    if calibration.method == "temperature":
        interval = report.fit.facts["temperature_95"]
        around = "" if interval is None else f" ({interval[0]:.4g} to {interval[1]:.4g} with 95 %)"
        rows.append(("temperature", f"{calibration.temperature:.6g}{around}"))
    rows += [("rows", f"{report.rows:,}"), ("classes", f"{calibration.classes:,}")]
    rows += [("outcome", report.fit.outcome), ("measured on", report.measured)]
    before, after = report.before.as_record(), report.after.as_record()
    scores = [(title, _number(before[name]), _number(after[name])) for name, title in _SCORES.items()]
    scores.append(("accuracy", f"{100 * report.before.accuracy:.2f}%", f"{100 * report.after.accuracy:.2f}%"))
    return [Section("calibration", ("", ""), rows, (1,)), Section("scores", ("", "before", "after"), scores)]


def sets_sections(report: SetsReport) -> list[Section]:
    """What was fitted, and what the sets are like."""
    sets, figures = report.sets, report.coverage.as_record()
    rule = sets.rule
    method = _SET_METHODS[rule.method]
    if rule.method == "raps":
        method += f", {rule.penalty:g} for each class behind the first {rule.free:,}"
    rows = [
        ("method", method + (", may be empty" if rule.allow_empty else ", never empty")),
        ("coverage", f"{100 * sets.coverage:.12g}%"),
        ("threshold", _threshold(report)),
        ("rows", f"{report.rows:,}"),
        ("classes", f"{sets.calibration.classes:,}"),
        ("measured on", report.measured),
    ]
    low, high = figures["coverage_95"]
    measured = [
        ("coverage", f"{100 * figures['coverage']:.2f}% ({100 * low:.2f}% to {100 * high:.2f}% with 95 %)"),
        ("mean size", f"{figures['mean_size']:.3f}"),
        ("largest size", f"{figures['largest_size']:,}"),
        ("empty sets", f"{figures['empty']:,}"),
    ]
    return [Section("conformal sets", ("", ""), rows, (1,)), Section("measured", ("", ""), measured, (1,))]


def _threshold(report: SetsReport) -> str:
    sets = report.sets
    if not math.isfinite(sets.threshold):
        return "none: every class"
    if sets.threshold == 0 and not sets.rule.allow_empty:
        return "a score of 0: the most likely class alone"
    if sets.rule.method == "lac":
        return f"a probability of {1 - sets.threshold:.6g} or more"
    return f"a score of {sets.threshold:.6g} or less"


def _number(value: float | None) -> str:
    return "infinite" if value is None else f"{value:.5f}"
