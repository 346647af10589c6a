"""What `rank` and `run` share: from parsed options to a set of inputs ranked into one output or many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from softmax_cli.cli.class_options import Classes
from softmax_cli.cli.confidence import read_confidence
from softmax_cli.cli.console import Talk, screen_for
from softmax_cli.cli.options import ActivationName, Console, Faults, OnError, Ranking, Selecting, Writing
from softmax_cli.cli.resuming import Facts, Resuming
from softmax_cli.errors import ExitCode, InputError, Location, SoftmaxError, UsageError
from softmax_cli.heap import keep_freed_blocks
from softmax_cli.jobs.discovery import Discovery, Found, check_outputs, discover, listed_names, result_names
from softmax_cli.jobs.failures import write_failures
from softmax_cli.jobs.rank_many import Ledger, Unit, rank_into_each, rank_into_one
from softmax_cli.jobs.report import Clock, as_record, count, in_words
from softmax_cli.jobs.resume import check_free, refuse_twice
from softmax_cli.jobs.stopping import StoppedError
from softmax_cli.judge.plots.ranked import plotted
from softmax_cli.labels import read_labels
from softmax_cli.pipeline import RankOptions, usable_cores
from softmax_cli.sinks import FORMATS, choose_format, open_sink
from softmax_cli.sinks.base import SinkOptions
from softmax_cli.sinks.target import STDOUT
from softmax_cli.sources import open_source
from softmax_cli.sources.base import ReadOptions


@dataclass(frozen=True, slots=True)
class Request:
    """What `rank` and `run` are asked to do, but for the reading."""

    inputs: Sequence[str]
    ranking: Ranking
    selecting: Selecting
    faults: Faults
    writing: Writing
    console: Console
    classes: Classes = Classes()  # noqa: RUF009 - frozen
    resuming: Resuming = field(default_factory=Resuming)
    facts: Facts = field(default_factory=Facts)


def core_options(request: Request, activation: ActivationName) -> RankOptions:
    """The core's options for those of the command line, checked; the label file is read."""
    ranking = request.ranking
    temperature, confidence = read_confidence(ranking)
    if ranking.min_probability is not None and not 0 <= ranking.min_probability <= 1:
        raise UsageError(f"--min-probability {ranking.min_probability}: expected a number from 0 to 1")
    if request.writing.output_dir is not None and request.writing.output != STDOUT:
        raise UsageError("--output and --output-dir exclude each other")
    if request.writing.plot is not None:
        from softmax_cli.judge.plots.figure import check_plot

        check_plot(request.writing.plot)
        if request.writing.output_dir is not None:
            raise UsageError("--plot and --output-dir exclude each other")
    return RankOptions(
        top=ranking.top,
        activation=None if activation is ActivationName.AUTO else str(activation),
        temperature=temperature,
        min_probability=ranking.min_probability,
        labels=None if ranking.labels is None else read_labels(ranking.labels),
        labels_from=ranking.labels or "",
        nan=str(request.faults.nan),
        jobs=request.console.jobs or usable_cores(),
        confidence=confidence,
        classes=request.classes.choice(confidence, Talk(request.console).note),
    )


def rank_inputs(request: Request, reading: ReadOptions, activation: ActivationName) -> int:
    """Rank saved logits; returns the exit code."""

    core = core_options(request, activation)
    reading = replace(reading, jobs=core.jobs)

    def unit(item: Found) -> Unit:
        return Unit(item.name, lambda ledger: open_source(item.name, replace(reading, on_fault=ledger.row_fault)))

    def units(found: Sequence[Found], together: bool) -> list[Unit]:
        return [unit(item) for item in found]

    return rank_all(request, core, units)


MakeUnits = Callable[[Sequence[Found], bool], Sequence[Unit]]


def rank_all(
    request: Request,
    core: RankOptions,
    make_units: MakeUnits,
    suffixes: Sequence[str] | None = None,
    model_files: Sequence[str] = (),
    also_written: Sequence[str | None] = (),
) -> int:
    """Rank all inputs into one output, or each into its own; returns the exit code.

    make_units: what is read as one source, of inputs that go into one output together, or not. suffixes: the files
    of directories that are inputs. model_files, also_written: what is read and written beside inputs and results.
    """
    keep_freed_blocks()
    selecting = request.selecting
    if selecting.null and selecting.files_from is None:
        raise UsageError("--null is for --files-from")
    listed = () if selecting.files_from is None else listed_names(selecting.files_from, selecting.null)
    found = discover(request.inputs, selecting.glob, suffixes, listed)
    if selecting.files_from is not None and not found.inputs:
        raise InputError("no-inputs", "no name is in the list", at=Location(selecting.files_from))
    request.resuming.check(request.writing, [item.name for item in found.inputs])
    outputs = [request.writing.output, request.writing.plot, request.faults.failures, *also_written]
    read = [*found.inputs, *map(Found, model_files)]
    check_outputs(read, [output for output in outputs if output is not None])
    talk = Talk(request.console)
    ledger = Ledger(talk, skip=request.faults.on_error is OnError.SKIP, max_failures=request.resuming.max_failures)
    for failure in found.failures:
        ledger.record(failure)
    clock = Clock()
    try:
        _rank_found(request, core, found, make_units, ledger, one_type=bool(model_files))
    except (SoftmaxError, StoppedError):
        _keep_failures(request, ledger)
        if ledger.done or ledger.failures:
            _report(request, found, talk, ledger, clock)
        raise
    _keep_failures(request, ledger)
    if found.skipped and selecting.glob is None:
        talk.note(f"{count(found.skipped, 'file')} of other kinds left alone (--glob PATTERN takes them)")
    _report(request, found, talk, ledger, clock)
    return int(ExitCode.PARTIAL if ledger.failures else ExitCode.OK)


def _keep_failures(request: Request, ledger: Ledger) -> None:
    if request.faults.failures is not None:
        write_failures(request.faults.failures, ledger.failures)


def _report(request: Request, found: Discovery, talk: Talk, ledger: Ledger, clock: Clock) -> None:
    """Say at the end of many inputs, or where some failed, what became of them."""
    seconds = clock.seconds()
    if found.has_directory or request.resuming.resume or ledger.failures:
        talk.note(in_words(ledger, seconds))
    talk.record(as_record(ledger, seconds))


def _rank_found(
    request: Request, core: RankOptions, found: Discovery, make_units: MakeUnits, ledger: Ledger, one_type: bool
) -> None:
    writing = request.writing
    layout = str(writing.layout)
    if request.resuming.resume:
        _resume_found(request, core, found, make_units, ledger)
        return
    if writing.output_dir is not None or writing.output != STDOUT:
        check_free(writing.output, writing.output_dir)
    if writing.output_dir is not None:
        name = _format_of(request)
        results = result_names(found.inputs, writing.output_dir, FORMATS[name].suffixes[0])
        units = make_units(found.inputs, False)
        options = SinkOptions(layout, csv_safe=writing.csv_safe, jobs=core.jobs)
        rank_into_each(units, results, name, options, core, ledger)
        return
    name = _format_of(request)
    units = make_units(found.inputs, True)
    mixed = found.several and not one_type
    sink_options = SinkOptions(layout, found.several, writing.output, mixed, writing.csv_safe, core.jobs)
    activation = core.activation or "softmax"
    screen = screen_for(writing.output, request.console, activation)
    with (
        open_sink(name, writing.output, sink_options, screen) as sink,
        plotted(sink, writing.plot, activation) as both,
    ):
        rank_into_one(units, core, both, ledger)


def _resume_found(request: Request, core: RankOptions, found: Discovery, make_units: MakeUnits, ledger: Ledger) -> None:
    from softmax_cli.jobs.resume_each import Results, resume_into_each
    from softmax_cli.jobs.resume_one import resume_into_one

    writing = request.writing
    layout = str(writing.layout)
    names = [item.name for item in found.inputs]
    refuse_twice(names)
    name = _format_of(request)
    if writing.output_dir is None and not FORMATS[name].resumable:
        known = ", ".join(key for key, row in FORMATS.items() if row.resumable)
        hint = f"--output-dir DIR -f {name} writes it in parts, one for each input"
        raise UsageError(f"--resume can't go on with one file of {name}, only of {known}", hint=hint)
    written = {"format": name, "layout": layout, "several inputs": found.several, "csv-safe": writing.csv_safe}
    resuming = request.facts.options(request.resuming, written)
    if writing.output_dir is not None:
        paths = result_names(found.inputs, writing.output_dir, FORMATS[name].suffixes[0])
        results = Results(Path(writing.output_dir), paths, name, SinkOptions(layout, csv_safe=writing.csv_safe))
        resume_into_each(names, make_units(found.inputs, False), results, core, ledger, resuming)
        return
    sink_options = SinkOptions(layout, found.several, writing.output, csv_safe=writing.csv_safe)
    resume_into_one(names, make_units(found.inputs, True), writing.output, name, sink_options, core, ledger, resuming)


def _format_of(request: Request) -> str:
    writing = request.writing
    layout = str(writing.layout)
    if writing.output_dir is not None:
        name = choose_format(writing.format_name or "csv", STDOUT, layout)
    else:
        name = choose_format(writing.format_name, writing.output, layout)
    writing.check(name)
    return name
