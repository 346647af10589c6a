"""What `rank` and `run` share: from parsed options to a set of inputs ranked into one output or many."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from softmax_cli.batch import Source
from softmax_cli.cli.console import Talk, screen_for
from softmax_cli.cli.options import ActivationName, ConsoleOptions, OnError, RankingOptions, WritingOptions
from softmax_cli.errors import ExitCode, UsageError
from softmax_cli.jobs.discovery import Discovery, discover, result_names
from softmax_cli.jobs.rank_many import Ledger, OpenInput, rank_into_each, rank_into_one
from softmax_cli.labels import read_labels
from softmax_cli.pipeline import RankOptions, usable_cores
from softmax_cli.sinks import FORMATS, choose_format, open_sink
from softmax_cli.sinks.base import SinkOptions
from softmax_cli.sources import open_source
from softmax_cli.sources.base import ReadOptions


@dataclass(frozen=True, slots=True)
class RankRequest:
    """The parsed command line of a ranking command."""

    inputs: Sequence[str]
    reading: ReadOptions
    ranking: RankingOptions
    writing: WritingOptions
    console: ConsoleOptions


def check_temperature(temperature: float) -> None:
    """Refuse a temperature that isn't a positive number.

    Raises UsageError.
    """
    if not (math.isfinite(temperature) and temperature > 0):
        raise UsageError(f"--temperature {temperature}: expected a positive number")


def check_ranking(options: RankingOptions) -> None:
    """Refuse values that no option of a type can.

    Raises UsageError.
    """
    check_temperature(options.temperature)
    if options.min_probability is not None and not 0 <= options.min_probability <= 1:
        raise UsageError(f"--min-probability {options.min_probability}: expected a number from 0 to 1")


def rank_options(options: RankingOptions, activation: str) -> RankOptions:
    """The core's options for those of the command line; the label file is read."""
    return RankOptions(
        top=options.top,
        activation=activation,
        temperature=options.temperature,
        min_probability=options.min_probability,
        labels=None if options.labels is None else read_labels(options.labels),
        labels_from=options.labels or "",
        nan=str(options.nan),
        jobs=options.jobs or usable_cores(),
    )


def rank_inputs(request: RankRequest) -> int:
    """Rank saved logits; returns the exit code."""
    activation = request.ranking.activation
    if activation is ActivationName.AUTO:  # saved logits are logits
        activation = ActivationName.SOFTMAX
    check_ranking(request.ranking)

    def open_input(name: str, ledger: Ledger) -> Source:
        return open_source(name, replace(request.reading, on_fault=ledger.row_fault))

    return rank_all(request, str(activation), open_input, lambda: discover(request.inputs, request.writing.glob))


def run_model(request: RankRequest, model: str, output_name: str | None, axis: int) -> int:
    """Run a model on samples and rank its outputs; returns the exit code."""
    from softmax_cli.model.source import Classifier, ModelSource

    check_ranking(request.ranking)
    threads = request.ranking.jobs or usable_cores()
    classifier = Classifier.load(model, output_name, axis, str(request.ranking.activation), threads)

    def open_input(name: str, ledger: Ledger) -> Source:
        samples = open_source(name, replace(request.reading, on_fault=ledger.row_fault))
        return ModelSource(classifier, samples)

    return rank_all(request, "softmax", open_input, lambda: discover(request.inputs, request.writing.glob))


def rank_all(request: RankRequest, activation: str, open_input: OpenInput, find: Callable[[], Discovery]) -> int:
    """Rank whatever `find` finds and `open_input` opens, as the request says; returns the exit code."""
    writing = request.writing
    if writing.output_dir is not None and writing.output != "-":
        raise UsageError("--output and --output-dir exclude each other")
    talk = Talk(request.console)
    core = rank_options(request.ranking, activation)
    ledger = Ledger(talk, skip=request.ranking.on_error is OnError.SKIP)
    layout = str(writing.layout)
    if writing.output_dir is not None:
        name = choose_format(writing.format_name or "csv", "-", layout)
        found = find()
        results = result_names(found.inputs, writing.output_dir, FORMATS[name].suffixes[0])
        rank_into_each(found.inputs, results, name, SinkOptions(layout), open_input, core, ledger)
    else:
        name = choose_format(writing.format_name, writing.output, layout)
        found = find()
        sink_options = SinkOptions(layout, found.several, writing.output)
        screen = screen_for(writing.output, request.console, activation)
        with open_sink(name, writing.output, sink_options, screen) as sink:
            rank_into_one(found.inputs, open_input, core, sink, ledger)
    if found.skipped:
        talk.note(f"{_count(found.skipped, 'file')} of other kinds left alone (--glob PATTERN takes them)")
    if ledger.failures:
        inputs, errors = _count(ledger.done, "input"), _count(len(ledger.failures), "error")
        talk.note(f"{_count(ledger.rows, 'row')} of {inputs} ranked; {errors}")
    return int(ExitCode.PARTIAL if ledger.failures else ExitCode.OK)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
