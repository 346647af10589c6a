"""One input judged against its targets: opened, read, reported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Protocol

from softmax_cli.batch import Source
from softmax_cli.errors import FaultHandler, InputError, UsageError
from softmax_cli.jobs.rank_many import Ledger
from softmax_cli.judge.class_weights import read_class_weights
from softmax_cli.judge.evaluate import EvaluateOptions, evaluate
from softmax_cli.judge.report import Report
from softmax_cli.judge.truth import TargetOptions, open_targets, reading_for
from softmax_cli.pipeline import RankOptions, activation_for, names_for
from softmax_cli.sources import open_source
from softmax_cli.sources.base import ReadOptions

BALANCED = "balanced"


class Reporter(Protocol):
    """Tells the user what happens."""

    def note(self, text: str) -> None:
        """Say which decision was made."""

    def progress(self, source: Source) -> AbstractContextManager[Callable[[int], None]]:
        """Show how far a source is; call the result with the rows of each batch."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be evaluated, and against what.

    activation: None leaves it to the input. class_weights: a file, or "balanced". labels_from: the file of labels.
    evaluation: the rest; its names, activation and handlers are filled in here.
    """

    logits: str
    targets: str | None
    reading: ReadOptions
    activation: str | None = None
    labels: tuple[str, ...] | None = None
    labels_from: str = ""
    class_weights: str | None = None
    ignore_index: int | None = None
    evaluation: EvaluateOptions = field(default_factory=EvaluateOptions)


def evaluate_file(asked: Asked, ledger: Ledger, report: Reporter) -> Report:
    """Judge a file of logits; bad rows go to the ledger.

    Raises InputError and UsageError as its parts do.
    """
    reading, beside = reading_for(asked.targets, replace(asked.reading, on_fault=once(ledger.row_fault)))
    source = open_source(asked.logits, reading)
    of_classes = RankOptions(labels=asked.labels, labels_from=asked.labels_from, activation=asked.activation)
    names = names_for(source, of_classes)
    activation = activation_for(source, of_classes)
    for note in source.notes:
        report.note(f"{source.name}: {note}")
    calibration = asked.evaluation.calibration
    if calibration is not None:
        calibration.check(source.classes, names, source.name)
        calibration.check_activation(activation, source.name)
    axis = -1 if asked.reading.axis is None else asked.reading.axis
    options = TargetOptions(asked.ignore_index, activation == "sigmoid", axis, beside)
    targets = open_targets(asked.targets, source, names, options)
    weights: str | Sequence[float] | None = asked.class_weights
    if asked.class_weights not in (None, BALANCED):
        weights = read_class_weights(str(asked.class_weights), names)
    evaluation = replace(
        asked.evaluation,
        activation=activation,
        names=names,
        class_weights=weights,
        on_fault=ledger.row_fault,
        on_input_fault=ledger.record,
        lost=lambda: len(ledger.failures),
    )
    with report.progress(source) as advance:
        found = evaluate(source, targets, evaluation, advance)
    for note in targets.notes:
        report.note(note)
    return found


def once(handler: FaultHandler) -> FaultHandler:
    """A handler of errors that hands each on once, however often the input is read."""
    seen: set[str] = set()

    def take(error: InputError) -> None:
        described = error.describe()
        if described not in seen:
            handler(error)
            seen.add(described)

    return take


def goal_of(precision: float | None, risk: float | None, coverage: float | None) -> tuple[str, float] | None:
    """The goal of a threshold, of which there is at most one.

    Raises UsageError for several, and for shares outside 0 to 1.
    """
    given = {"precision": precision, "risk": risk, "coverage": coverage}
    goals = [(name, value) for name, value in given.items() if value is not None]
    if len(goals) > 1:
        raise UsageError(" and ".join(f"--at-{name}" for name, _ in goals) + " exclude each other")
    for name, value in goals:
        if not 0 <= value <= 1:
            raise UsageError(f"--at-{name} {value}: expected a number from 0 to 1")
    return goals[0] if goals else None
