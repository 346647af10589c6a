"""Calibrates saved logits by their targets: reads, fits, measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from softmax_cli.batch import Source
from softmax_cli.confidence.calibration import Calibration
from softmax_cli.confidence.files import calibration_text, sets_text
from softmax_cli.confidence.sets import SetRule
from softmax_cli.errors import InputError, Location
from softmax_cli.jobs.calibration_report import calibration_sections, sets_sections
from softmax_cli.jobs.rank_many import Ledger
from softmax_cli.judge.calibrate import CalibrationReport, calibrate
from softmax_cli.judge.conformal import fit_sets
from softmax_cli.judge.gathering import Gathering
from softmax_cli.judge.plots.calibration import calibration_picture, temperature_curve
from softmax_cli.judge.plots.records import Picture
from softmax_cli.judge.samples import Samples
from softmax_cli.judge.splits import split
from softmax_cli.judge.stream import JudgeOptions, judged
from softmax_cli.judge.truth import TargetOptions, open_targets, reading_for
from softmax_cli.pipeline import RankOptions, names_for
from softmax_cli.sinks.base import Section
from softmax_cli.sources import open_source
from softmax_cli.sources.base import ReadOptions
from softmax_cli.text import valid


@dataclass(frozen=True, slots=True)
class Conformal:
    """Sets to be fitted: their coverage, their rule, and what the probabilities are calibrated with before."""

    coverage: float
    rule: SetRule
    temperature: float = 1.0
    calibration: Calibration | None = None


@dataclass(frozen=True, slots=True)
class CalibrateOptions:
    """How to calibrate. The fields are named as the command's options are.

    takes: what the input holds, logits or probabilities. method: of a calibration; conformal: sets instead of one.
    holdout: a share of the rows, or a file, with its targets. pictured: whether there is to be a picture, and
    curve_up_to: the values (rows times classes) up to which it holds the curve over the temperature, a pass a point.
    """

    method: str = "temperature"
    conformal: Conformal | None = None
    takes: str = "logits"
    folds: int = 5
    seed: int = 0
    holdout: str | float | None = None
    holdout_targets: str | None = None
    ignore_index: int | None = None
    labels: tuple[str, ...] | None = None
    labels_from: str = ""
    nan: str = "error"
    jobs: int = 1
    pictured: bool = False
    curve_up_to: int = 1 << 62


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: the file's text, the report as a record and as tables, notes, and a picture, if asked for."""

    text: bytes
    record: dict[str, Any]
    sections: Sequence[Section]
    notes: Sequence[str]
    picture: Picture | None = None


def calibrate_file(
    name: str, targets: str | None, reading: ReadOptions, options: CalibrateOptions, ledger: Ledger
) -> Outcome:
    """Fit a calibration, or conformal sets, on the logits of a file and their targets.

    targets: a file, a column of the input, or `folder`. Errors of rows go to the ledger.
    Raises InputError as the reader, the targets and the fit do.
    """
    samples, names = _read(name, targets, reading, options, ledger)
    held: Samples | float | None = None
    try:
        if isinstance(options.holdout, str):
            held, other = _read(options.holdout, options.holdout_targets, reading, options, ledger)
            _check_same(samples, held, names, other)
        else:
            held = options.holdout
        if options.conformal is not None:
            return _sets(samples, held, names, options, options.conformal)
        report = calibrate(
            samples, split(samples, options.folds, options.seed, held), options.method, max(1, options.jobs)
        )
        picture = _picture(samples, report, options) if options.pictured else None
    finally:
        samples.close()
        if isinstance(held, Samples):
            held.close()
    calibration = replace(report.fit.calibration, takes=options.takes, labels=names)
    record = {"source": valid(name), "method": calibration.method, "classes": calibration.classes, **report.figures()}
    text = calibration_text(calibration, report.figures())
    return Outcome(text, record, calibration_sections(report), report.notes, picture)


def _picture(samples: Samples, report: CalibrationReport, options: CalibrateOptions) -> Picture:
    curve = None
    if options.method == "temperature" and len(samples) * samples.classes <= options.curve_up_to:
        curve = temperature_curve(samples, report.fit.calibration.temperature, max(1, options.jobs))
    return calibration_picture(report, curve, samples.name)


def _sets(
    samples: Samples,
    held: Samples | float | None,
    names: tuple[str, ...] | None,
    options: CalibrateOptions,
    asked: Conformal,
) -> Outcome:
    calibration = asked.calibration
    if calibration is None:
        calibration = Calibration("temperature", samples.classes, asked.temperature, takes=options.takes)
    calibration.check(samples.classes, names, samples.name)
    calibration = replace(calibration, labels=names or calibration.labels)
    splits = split(samples, options.folds, options.seed, held)
    report = fit_sets(samples, splits, calibration, asked.rule, asked.coverage)
    figures = report.figures()
    record = {"source": valid(samples.name), "method": asked.rule.method, "coverage_wanted": asked.coverage, **figures}
    return Outcome(sets_text(report.sets, figures), record, sets_sections(report), report.notes)


def _read(
    name: str, spec: str | None, reading: ReadOptions, options: CalibrateOptions, ledger: Ledger
) -> tuple[Samples, tuple[str, ...] | None]:
    lost = 0

    def lose(error: InputError) -> None:
        nonlocal lost
        ledger.row_fault(error)
        lost += 1

    of_logits, beside = reading_for(spec, replace(reading, on_fault=lose))
    source = open_source(name, of_logits)
    _tell(ledger, name, source.notes)
    told = len(source.notes)
    _check_activation(source, options)
    names = names_for(source, RankOptions(labels=options.labels, labels_from=options.labels_from))
    axis = reading.axis if reading.axis is not None else -1
    targets = open_targets(spec, source, names, TargetOptions(options.ignore_index, axis=axis, reading=beside))
    rows = judged(source, targets, JudgeOptions(options.nan, names, ledger.row_fault, ledger.record, lost=lambda: lost))
    with ledger.report.progress(source) as advance:
        gathering = Gathering(name, options.takes, options.conformal is None, ledger.row_fault, advance)
        samples = gathering.samples(rows)
    _tell(ledger, name, [*source.notes[told:], *targets.notes, *gathering.notes()])
    ledger.rows += len(samples)
    ledger.done += 1
    return samples, names


def _tell(ledger: Ledger, name: str, notes: Sequence[str]) -> None:
    for note in notes:
        ledger.report.note(f"{name}: {note}")


def _check_activation(source: Source, options: CalibrateOptions) -> None:
    """Refuse what the input itself says to be no logits of a softmax."""
    at = Location(source.name)
    if source.activation == "sigmoid":
        message = "the input says that its logits are for a sigmoid; calibrate is for one class a row"
        raise InputError("not-logits", message, at=at)
    if source.activation == "none" and options.takes == "logits":
        message = "the input says that its values are probabilities"
        raise InputError("not-logits", message, at=at, hint="say --from probabilities")


def _check_same(samples: Samples, held: Samples, names: tuple[str, ...] | None, other: tuple[str, ...] | None) -> None:
    Calibration("temperature", samples.classes, labels=names, name=samples.name).check(held.classes, other, held.name)
