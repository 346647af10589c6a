"""From the parsed options of `compare` to its report."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from softmax_cli.cli.console import Talk
from softmax_cli.cli.options import ActivationName, Console, OnError, Reading
from softmax_cli.cli.reporting import numbers_from_one, report_format, write_report
from softmax_cli.errors import ExitCode, SoftmaxError
from softmax_cli.heap import keep_freed_blocks
from softmax_cli.jobs.compared_sides import Opening, open_sides
from softmax_cli.jobs.comparing import Asked, Outcome, compare_sources
from softmax_cli.jobs.comparison_report import as_record, as_sections
from softmax_cli.jobs.discovery import Found, check_outputs
from softmax_cli.jobs.failures import write_failures
from softmax_cli.jobs.rank_many import Ledger
from softmax_cli.judge.limits import parse_limits
from softmax_cli.labels import read_labels
from softmax_cli.matching.keys import Match
from softmax_cli.pipeline import usable_cores

if TYPE_CHECKING:
    from softmax_cli.cli.compare import Comparing, Reporting
    from softmax_cli.cli.model_options import Isolating


def run_comparison(
    a: str,
    b: str,
    comparing: Comparing,
    reading: Reading,
    isolating: Isolating,
    reporting: Reporting,
    console: Console,
) -> int:
    """Compare two inputs and write the report; returns the exit code."""
    format_name = report_format(reporting.format_name, reporting.output)
    top = numbers_from_one(comparing.top, "--top")
    limits = parse_limits(comparing.fail_above or (), top)
    outputs = [output for output in (reporting.output, reporting.failures) if output is not None]
    check_outputs([Found(name) for name in (a, b, *(comparing.on or ()))], outputs)
    keep_freed_blocks()
    talk = Talk(console)
    ledger = Ledger(talk, skip=reporting.on_error is OnError.SKIP)
    asked = Asked(
        match=Match(str(comparing.match)),
        activation=None if comparing.activation is ActivationName.AUTO else str(comparing.activation),
        top=top,
        worst=comparing.worst,
        limits=limits,
        labels=None if comparing.labels is None else read_labels(comparing.labels),
        labels_from=comparing.labels or "",
        jobs=console.jobs or usable_cores(),
        on_fault=ledger.row_fault,
        on_input_fault=ledger.record,
    )
    isolation = isolating.isolation()
    try:
        with ExitStack() as stack:
            samples = reading.for_samples(asked.jobs)
            opening = Opening(reading.for_logits(asked.jobs), samples, asked, ledger, isolation, stack)
            sources = open_sides((a, b), comparing.on, opening)
            told = [len(source.notes) for source in sources]
            for source in sources:
                for note in source.notes:
                    talk.note(f"{source.name}: {note}")
            with talk.progress(sources[0]) as advance:
                outcome = compare_sources(*sources, asked, advance)
        for source, before in zip(sources, told, strict=True):
            for note in source.notes[before:]:
                talk.note(f"{source.name}: {note}")
        _write(outcome, format_name, reporting, talk)
    finally:
        if reporting.failures is not None:
            write_failures(reporting.failures, ledger.failures)
    if _exceeded(outcome, talk):
        return int(ExitCode.FAILED)
    return int(ExitCode.PARTIAL if ledger.failures else ExitCode.OK)


def _write(outcome: Outcome, format_name: str, reporting: Reporting, talk: Talk) -> None:
    for note in outcome.notes:
        talk.note(note)
    write_report(format_name, reporting.output, as_record(outcome.report), as_sections(outcome.report))


def _exceeded(outcome: Outcome, talk: Talk) -> bool:
    """Say of each limit that is exceeded that it is."""
    broken = [verdict for verdict in outcome.report.verdicts if verdict.exceeded]
    for verdict in broken:
        talk.error(SoftmaxError("limit-exceeded", f"--fail-above: {verdict.message()}"))
    return bool(broken)
