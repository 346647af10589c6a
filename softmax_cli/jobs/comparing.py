"""Compares two sources of logits: their rows matched, the figures taken, the limits judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from softmax_cli.batch import Source
from softmax_cli.errors import FaultHandler, UsageError, fail_on_fault
from softmax_cli.jobs.comparison_report import Report, Side
from softmax_cli.jobs.usable_rows import unusable
from softmax_cli.judge.comparison import CompareOptions, Pair, compare
from softmax_cli.judge.limits import Limit, judge
from softmax_cli.labels import check_count
from softmax_cli.matching.follower import Handlers
from softmax_cli.matching.keys import Match
from softmax_cli.matching.rows import Matcher, Member, SameRows

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """What to compare, and by what. The fields are named as the command's options are.

    activation: None leaves it to each input, which mostly is logits: softmax. labels: names of the classes of both.
    """

    match: Match = Match.AUTO
    activation: str | None = None
    top: tuple[int, ...] = (1, 5)
    worst: int = 5
    limits: tuple[Limit, ...] = ()
    labels: tuple[str, ...] | None = None
    labels_from: str = ""
    jobs: int = 1
    on_fault: FaultHandler = fail_on_fault
    on_input_fault: FaultHandler = fail_on_fault


@dataclass(frozen=True, slots=True)
class Outcome:
    """The report of a comparison, and the decisions that were made for the user."""

    report: Report
    notes: Sequence[str]


def compare_sources(a: Source, b: Source, asked: Asked, progress: Progress | None = None) -> Outcome:
    """Compare two sources, each read once.

    Raises InputError where their rows or classes can't be matched, and for rows without a softmax unless `on_fault`
    takes them.
    """
    members = [Member(source, asked.labels or source.class_names) for source in (a, b)]
    matcher = Matcher(members, asked.match, Handlers(asked.on_fault, asked.on_input_fault))
    if asked.labels is not None:
        check_count(asked.labels, matcher.classes, a.name, asked.labels_from)
    activations = (_activation(a, asked), _activation(b, asked))
    if activations.count("sigmoid") == 1:
        message = "one has a probability for each class, the other one distribution over them (sigmoid and softmax)"
        raise UsageError(message, hint="--activation softmax or sigmoid takes both the same way")
    options = CompareOptions(activations, asked.top, asked.worst, asked.jobs)
    tally = compare(_pairs(matcher, b.name, activations, asked), options, progress)
    names = members[0].names or members[1].names
    report = Report(
        tally,
        Side(a.name, activations[0]),
        Side(b.name, activations[1]),
        matcher.classes,
        str(matcher.match),
        names,
        judge(tally, asked.limits),
    )
    return Outcome(report, matcher.notes)


def _activation(source: Source, asked: Asked) -> str:
    name = asked.activation or source.activation or "softmax"
    return "softmax" if name == "log-softmax" else name  # they are of the same distribution


def _pairs(matcher: Matcher, other: str, activations: tuple[str, str], asked: Asked) -> Iterator[Pair]:
    for same in matcher:
        for fault in same.batch.faults:
            asked.on_input_fault(fault.error)
        if len(same.batch):
            yield _usable(same, other, activations, asked)


def _usable(same: SameRows, other: str, activations: tuple[str, str], asked: Asked) -> Pair:
    """The rows that have a softmax in both; an error for each that hasn't."""
    kept = np.ones(len(same.batch), bool)
    for member, (name, activation) in enumerate(zip((same.batch.source, other), activations, strict=True)):
        bad, errors = unusable(same, member, name, activation)
        for error in errors:
            if error.hint is not None and "--nan" in error.hint:
                error.hint = "--on-error skip leaves such rows out"
            asked.on_fault(error)
        kept &= ~bad
    if kept.all():
        return Pair(same.batch, same.logits[0])
    return Pair(same.batch.select(kept), same.logits[0][kept])
