"""From the parsed options of `evaluate` to its report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softmax_cli.cli.confidence import read_temperature
from softmax_cli.cli.console import Talk, screen_for
from softmax_cli.cli.options import ActivationName, Console, OnError, Reading
from softmax_cli.cli.reporting import numbers_from_one, report_format, write_charts, write_report
from softmax_cli.errors import ExitCode, UsageError
from softmax_cli.heap import keep_freed_blocks
from softmax_cli.jobs.confusion_file import check_confusion_file, write_confusion
from softmax_cli.jobs.discovery import Found, check_outputs
from softmax_cli.jobs.evaluating import Asked, evaluate_file, goal_of
from softmax_cli.jobs.evaluation_report import as_sections
from softmax_cli.jobs.failures import write_failures
from softmax_cli.jobs.rank_many import Ledger
from softmax_cli.judge.evaluate import EvaluateOptions
from softmax_cli.judge.plots.evaluation import evaluation_charts, evaluation_picture
from softmax_cli.judge.plots.figure import check_plot, write_picture
from softmax_cli.judge.report import Report
from softmax_cli.labels import read_labels
from softmax_cli.pipeline import usable_cores

if TYPE_CHECKING:
    from softmax_cli.cli.compare import Reporting
    from softmax_cli.cli.evaluate import Judging

_LEAST_FOR_CHARTS = 60  # columns


def run_evaluation(
    logits: str, judging: Judging, reading: Reading, reporting: Reporting, nan: str, console: Console
) -> int:
    """Judge a file and write the report; returns the exit code."""
    format_name = report_format(reporting.format_name, reporting.output)
    check_confusion_file(judging.confusion)
    asked = _asked(logits, judging, reading, nan, console)
    if judging.plot is not None:
        check_plot(judging.plot)
    outputs = (reporting.output, reporting.failures, judging.confusion, judging.plot)
    read = (logits, judging.targets, judging.labels, judging.class_weights, judging.temperature)
    check_outputs([Found(name) for name in read if name is not None], [name for name in outputs if name is not None])
    keep_freed_blocks()
    talk = Talk(console)
    ledger = Ledger(talk, skip=reporting.on_error is OnError.SKIP)
    try:
        report = evaluate_file(asked, ledger, talk)
        for note in report.notes:
            talk.note(note)
        if judging.confusion is not None:
            write_confusion(judging.confusion, report)
        if judging.plot is not None:
            write_picture(evaluation_picture(report), judging.plot)
        _write(report, format_name, reporting.output, console)
    finally:
        if reporting.failures is not None:
            write_failures(reporting.failures, ledger.failures)
    return int(ExitCode.PARTIAL if ledger.failures else ExitCode.OK)


def _write(report: Report, format_name: str, output: str, console: Console) -> None:
    """Write the report; on a terminal with charts, the one of confidence instead of its table."""
    screen = screen_for(output, console, report.activation)
    charts: list[list[str]] = []
    if format_name == "table" and screen.width >= _LEAST_FOR_CHARTS:
        charts = evaluation_charts(report, screen.width, screen.ascii_only)
    record = report.as_record() if format_name == "json" else {}
    write_report(format_name, output, record, as_sections(report, charted=bool(charts)))
    if charts:
        write_charts(charts)


def _asked(logits: str, judging: Judging, reading: Reading, nan: str, console: Console) -> Asked:
    """The core's options for those of the command line, checked."""
    temperature, calibration = read_temperature(judging.temperature)
    if not 0 < judging.threshold < 1:
        raise UsageError(f"--threshold {judging.threshold}: expected a number between 0 and 1")
    evaluation = EvaluateOptions(
        temperature=temperature,
        tops=numbers_from_one(judging.top, "--top"),
        bins=judging.bins,
        bootstrap=judging.bootstrap,
        seed=judging.seed,
        goal=goal_of(judging.at_precision, judging.at_risk, judging.at_coverage),
        threshold=judging.threshold,
        calibration=calibration,
        nan=nan,
        jobs=console.jobs or usable_cores(),
    )
    return Asked(
        logits=logits,
        targets=judging.targets,
        reading=reading.for_logits(console.jobs or usable_cores()),
        activation=None if judging.activation is ActivationName.AUTO else str(judging.activation),
        labels=None if judging.labels is None else read_labels(judging.labels),
        labels_from=judging.labels or "",
        class_weights=judging.class_weights,
        ignore_index=judging.ignore_index,
        evaluation=evaluation,
    )
