"""From the parsed options of `calibrate` to its file and report."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from softmax_cli.cli.confidence import read_temperature
from softmax_cli.cli.console import Talk, screen_for
from softmax_cli.cli.options import Console, Faults, OnError, Reading
from softmax_cli.cli.reporting import report_format, write_charts, write_report
from softmax_cli.confidence.calibration import METHODS
from softmax_cli.confidence.sets import SET_METHODS, SetRule
from softmax_cli.errors import ExitCode, UsageError
from softmax_cli.heap import keep_freed_blocks
from softmax_cli.jobs.calibrating import CalibrateOptions, Conformal, Outcome, calibrate_file
from softmax_cli.jobs.discovery import Found, check_outputs
from softmax_cli.jobs.failures import write_failures
from softmax_cli.jobs.rank_many import Ledger
from softmax_cli.judge.plots.calibration import calibration_charts
from softmax_cli.judge.plots.figure import check_plot, write_picture
from softmax_cli.labels import read_labels
from softmax_cli.pipeline import usable_cores
from softmax_cli.sinks.target import STDOUT, open_target

if TYPE_CHECKING:
    from softmax_cli.cli.calibrate import Fitting, Sets, Writing

_UP_TO_ALWAYS = 1 << 22  # values, whose curve over the temperature takes no time to speak of


def run_calibration(
    logits: str, fitting: Fitting, sets: Sets, reading: Reading, faults: Faults, writing: Writing, console: Console
) -> int:
    """Calibrate, write the file and the report; returns the exit code."""
    report_format(writing.format_name, STDOUT)
    screen = screen_for(STDOUT, console, "softmax")
    is_charted = bool(screen.width) and writing.format_name == "table" and writing.output != STDOUT
    _check_plot(writing.plot, sets)
    holdout = _holdout(fitting.holdout)
    options = CalibrateOptions(
        method=_method(fitting, sets),
        conformal=_conformal(fitting, sets),
        takes=str(fitting.input_kind),
        folds=fitting.folds,
        seed=fitting.seed,
        holdout=holdout,
        holdout_targets=_holdout_targets(fitting, holdout),
        ignore_index=fitting.ignore_index,
        labels=None if fitting.labels is None else read_labels(fitting.labels),
        labels_from=fitting.labels or "",
        nan=str(faults.nan),
        jobs=console.jobs or usable_cores(),
        pictured=is_charted or writing.plot is not None,
        curve_up_to=_UP_TO_ALWAYS if writing.plot is None else 1 << 62,
    )
    read = [logits, *(name for name in (holdout, fitting.targets, fitting.labels) if isinstance(name, str))]
    outputs = (writing.output, writing.plot, faults.failures)
    check_outputs([Found(name) for name in read], [name for name in outputs if name])
    keep_freed_blocks()
    talk = Talk(console)
    ledger = Ledger(talk, skip=faults.on_error is OnError.SKIP)
    try:
        outcome = calibrate_file(logits, fitting.targets, reading.for_logits(options.jobs), options, ledger)
        for note in outcome.notes:
            talk.note(note)
        if writing.plot is not None and outcome.picture is not None:
            write_picture(outcome.picture, writing.plot)
        _write(outcome, writing, talk)
        if is_charted and outcome.picture is not None:
            write_charts(calibration_charts(outcome.picture, screen.width, screen.ascii_only))
    finally:
        if faults.failures is not None:
            write_failures(faults.failures, ledger.failures)
    return int(ExitCode.PARTIAL if ledger.failures else ExitCode.OK)


def _check_plot(plot: str | None, sets: Sets) -> None:
    if plot is None:
        return
    check_plot(plot)
    if sets.conformal is not None:
        raise UsageError("--plot is for a calibration: leave out --conformal, or --plot")


def _method(fitting: Fitting, sets: Sets) -> str:
    """The method, if it is one of what is to be fitted."""
    known = METHODS if sets.conformal is None else tuple(SET_METHODS)
    method = str(fitting.method) if fitting.method is not None else known[0]
    if method not in known:
        hint = "--conformal P fits sets" if sets.conformal is None else "leave out --conformal to fit a calibration"
        raise UsageError(f"--method {method}: expected one of {', '.join(known)}", hint=hint)
    return method


def _conformal(fitting: Fitting, sets: Sets) -> Conformal | None:
    if sets.conformal is None:
        if sets.temperature != "1":
            hint = "a fit starts from the logits as they are"
            raise UsageError("--temperature is for --conformal", hint=hint)
        if sets.allow_empty is not None:
            raise UsageError("--allow-empty and --never-empty are for --conformal")
        return None
    if not (math.isfinite(sets.conformal) and 0 < sets.conformal < 1):
        raise UsageError(f"--conformal {sets.conformal:g}: expected a share between 0 and 1, as in 0.9")
    temperature, calibration = read_temperature(sets.temperature)
    if calibration is not None and calibration.takes != str(fitting.input_kind):
        raise UsageError(f"{calibration.name} is for {calibration.takes}", hint=f"--from {calibration.takes}")
    method = _method(fitting, sets)
    penalty, free = (sets.raps_penalty, sets.raps_free) if method == "raps" else (0.0, 0)
    allow_empty = method == "lac" if sets.allow_empty is None else sets.allow_empty
    return Conformal(sets.conformal, SetRule(method, penalty, free, allow_empty), temperature, calibration)


def _holdout(text: str | None) -> str | float | None:
    """A share, or a file."""
    if text is None:
        return None
    try:
        share = float(text)
    except ValueError:
        return text
    if not 0 < share < 1:
        raise UsageError(f"--holdout {text}: expected a share between 0 and 1, or a file")
    return share


def _holdout_targets(fitting: Fitting, holdout: str | float | None) -> str | None:
    """The held-out logits' targets: as given, else in the same column or by the same folders."""
    if fitting.holdout_targets is not None and not isinstance(holdout, str):
        raise UsageError("--holdout-targets is for --holdout FILE")
    if fitting.holdout_targets is not None or not isinstance(holdout, str):
        return fitting.holdout_targets
    return None if fitting.targets is None or Path(fitting.targets).is_file() else fitting.targets


def _write(outcome: Outcome, writing: Writing, talk: Talk) -> None:
    if writing.output is not None:
        with open_target(writing.output) as target:
            target.write(outcome.text)
        if writing.output == STDOUT:
            return
    else:
        talk.note("what was fitted isn't kept: -o FILE.json writes it")
    write_report(report_format(writing.format_name, STDOUT), STDOUT, outcome.record, outcome.sections)
