"""Ranks a set of inputs: into one output, or each into its own; one bad input never stops the others."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from softmax_cli.batch import Source
from softmax_cli.errors import InputError, Location, ModelError, SoftmaxError, fail_on_fault
from softmax_cli.jobs.identity import identity_of
from softmax_cli.jobs.manifest import Identity
from softmax_cli.pipeline import RankOptions, run
from softmax_cli.sinks import open_sink
from softmax_cli.sinks.base import Sink, SinkOptions
from softmax_cli.sinks.target import unwritable
from softmax_cli.sources.stream import STDIN


@dataclass(frozen=True, slots=True)
class Unit:
    """Inputs that are read as one source: a file, or images that a model takes together.

    inputs: how many they are. alone: whether there is nothing else, so that what fails it fails the run. part: makes
    a unit of some of the inputs, by their names; window: how many of them a model takes at once.
    """

    name: str
    open: Callable[[Ledger], Source]
    inputs: int = 1
    alone: bool = False
    part: Callable[[Sequence[str]], Unit] | None = None
    window: int = 1


class Reporter(Protocol):
    """Tells the user what happens, on stderr."""

    def note(self, text: str) -> None:
        """Say which decision was made."""

    def error(self, error: SoftmaxError) -> None:
        """Say what went wrong, and go on."""

    def inputs(self, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Let the progress of so many inputs be one; call the result with how many more are done, or failed."""
        ...

    def progress(self, source: Source, inputs: int = 1) -> AbstractContextManager[Callable[[int], None]]:
        """Show how far a source of so many inputs is; call the result with the rows of each batch."""
        ...


@dataclass
class Ledger:
    """What became of the inputs: rows written, rows and inputs that failed.

    skip: record bad rows and go on, instead of failing their input. max_failures: more of them end the run. before:
    how many of the inputs that are done an earlier run did.
    """

    report: Reporter
    skip: bool = False
    max_failures: int | None = None
    rows: int = 0
    done: int = 0
    before: int = 0
    failures: list[SoftmaxError] = field(default_factory=list)
    _recorded: int = 0
    _fresh: list[SoftmaxError] = field(default_factory=list)

    def keep(self, failed: bool, errors: Sequence[SoftmaxError]) -> None:
        """Take over what became of an input in an earlier run, which told of it."""
        self.done += not failed
        self.before += not failed
        self.failures += errors

    def forget(self, failed: bool, errors: Sequence[SoftmaxError]) -> None:
        """Take back what was kept of an input: it is ranked again."""
        self.done -= not failed
        self.before -= not failed
        self.failures = [error for error in self.failures if not any(error is other for other in errors)]

    def take_fresh(self) -> list[SoftmaxError]:
        """The errors that were recorded since this was last asked."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def row_fault(self, error: InputError) -> None:
        """Take a bad row's error: recorded with `skip`, else raised."""
        if not self.skip:
            raise error
        self.record(error)

    def check(self, units: Sequence[Unit]) -> None:
        """See that some input could be read.

        Raises InputError where none could.
        """
        inputs = sum(unit.inputs for unit in units)
        if inputs and not self.done:
            raise InputError("no-inputs", f"none of the {inputs:,} inputs could be read")

    def record(self, error: SoftmaxError) -> None:
        """Record a failure and show it.

        Raises SoftmaxError where it is one too many.
        """
        if self.skip and error.hint is not None and "--on-error skip" in error.hint:
            error.hint = None  # it was
        self.failures.append(error)
        self._fresh.append(error)
        self.report.error(error)
        self._recorded += 1
        if self.max_failures is not None and self._recorded > self.max_failures:
            message = f"{self._recorded:,} rows and inputs failed, more than --max-failures {self.max_failures:,}"
            raise SoftmaxError("too-many-failures", message)


def rank_into_one(units: Sequence[Unit], options: RankOptions, sink: Sink, ledger: Ledger) -> None:
    """Rank all inputs into one sink.

    A single input's error is raised. Of several, each error is recorded and the others go on; if all fail, an
    error is raised, so that nothing is left at the output's name.
    """
    with ledger.report.inputs(sum(unit.inputs for unit in units)) as done:
        for place, unit in enumerate(units, 1):
            waits_next = place < len(units) and units[place].name == STDIN
            try:
                rank_unit(unit, options, sink, ledger)
            except (InputError, ModelError) as error:
                if len(units) == 1:
                    raise
                ledger.record(error)
            done(unit.inputs)
            if waits_next:
                sink.flush()
    ledger.check(units)


def rank_into_each(
    units: Sequence[Unit],
    results: Sequence[Path],
    format_name: str,
    sink_options: SinkOptions,
    options: RankOptions,
    ledger: Ledger,
) -> None:
    """Rank each input into a file of its own; a failed one leaves none."""
    with ledger.report.inputs(sum(unit.inputs for unit in units)) as done:
        for unit, path in zip(units, results, strict=True):
            try:
                with open_result(path, format_name, sink_options) as sink:
                    rank_unit(unit, options, sink, ledger)
            except (InputError, ModelError) as error:
                ledger.record(error)
            done(unit.inputs)
    ledger.check(units)


@contextlib.contextmanager
def open_result(path: Path, format_name: str, options: SinkOptions) -> Iterator[Sink]:
    """Open the result file of one input, and make its folder.

    Raises OutputError where the system refuses.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(str(path.parent), error) from error
    with open_sink(format_name, str(path), replace(options, name=str(path))) as sink:
        yield sink


def rank_unit(unit: Unit, options: RankOptions, sink: Sink, ledger: Ledger) -> None:
    """Rank one unit into a sink; what fails it is raised, its bad rows and inputs go to the ledger."""
    before = None if unit.inputs > 1 else identity_of(unit.name)
    source = unit.open(ledger)
    told = source.notes
    for note in told:
        ledger.report.note(f"{unit.name}: {note}")
    written = 0
    failed = len(ledger.failures)
    handlers = replace(
        options,
        on_fault=ledger.record if unit.inputs > 1 else ledger.row_fault,
        on_input_fault=fail_on_fault if unit.alone else ledger.record,
        keep_faults=ledger.skip,
    )
    with ledger.report.progress(source, unit.inputs) as advance:

        def count(rows: int) -> None:
            nonlocal written
            written += rows
            advance(rows)

        try:
            run(source, handlers, sink, count)
            _check_unchanged(unit, before)
        except InputError as error:
            if written and error.hint is None:
                error.hint = f"{written:,} rows before it were ranked"
            raise
        finally:
            ledger.rows += written
    for note in source.notes[len(told) :]:
        ledger.report.note(f"{unit.name}: {note}")
    ledger.done += unit.inputs - (len(ledger.failures) - failed if unit.part is not None else 0)


def _check_unchanged(unit: Unit, before: Identity | None) -> None:
    """See that a file is what it was before it was read.

    Raises InputError.
    """
    if before is not None and identity_of(unit.name) != before:
        hint = "run again once nobody writes to it"
        raise InputError("changed-input", "it changed while it was read", at=Location(unit.name), hint=hint)
