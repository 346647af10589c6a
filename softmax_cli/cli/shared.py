"""What `rank` and `run` share: from parsed options to a set of inputs ranked into one output or many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from softmax_cli.batch import Source
from softmax_cli.cli.console import Talk, screen_for
from softmax_cli.cli.options import ActivationName, Console, Faults, OnError, Ranking, Reading, Writing
from softmax_cli.errors import ExitCode, UsageError
from softmax_cli.jobs.discovery import check_output, discover, result_names
from softmax_cli.jobs.rank_many import Ledger, OpenInput, rank_into_each, rank_into_one
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
    faults: Faults
    writing: Writing
    console: Console


def check_temperature(temperature: float) -> None:
    """Refuse a temperature that isn't a positive number.

    Raises UsageError.
    """
    if not (math.isfinite(temperature) and temperature > 0):
        raise UsageError(f"--temperature {temperature}: expected a positive number")


def _core_options(request: Request, activation: ActivationName) -> RankOptions:
    """The core's options for those of the command line, checked; the label file is read."""
    ranking = request.ranking
    check_temperature(ranking.temperature)
    if ranking.min_probability is not None and not 0 <= ranking.min_probability <= 1:
        raise UsageError(f"--min-probability {ranking.min_probability}: expected a number from 0 to 1")
    if request.writing.output_dir is not None and request.writing.output != STDOUT:
        raise UsageError("--output and --output-dir exclude each other")
    return RankOptions(
        top=ranking.top,
        activation=str(activation),
        temperature=ranking.temperature,
        min_probability=ranking.min_probability,
        labels=None if ranking.labels is None else read_labels(ranking.labels),
        labels_from=ranking.labels or "",
        nan=str(request.faults.nan),
        jobs=request.console.jobs or usable_cores(),
    )


def rank_inputs(request: Request, reading: ReadOptions, activation: ActivationName) -> int:
    """Rank saved logits; returns the exit code."""
    if activation is ActivationName.AUTO:  # saved logits are logits
        activation = ActivationName.SOFTMAX

    def open_input(name: str, ledger: Ledger) -> Source:
        return open_source(name, replace(reading, on_fault=ledger.row_fault))

    return _rank_all(request, _core_options(request, activation), open_input)


def run_model(
    request: Request, reading: Reading, model: str, output_name: str | None, activation: ActivationName
) -> int:
    """Run a model on samples and rank its outputs; returns the exit code."""
    from softmax_cli.model.source import Classifier, ModelSource

    core = _core_options(request, activation)
    classifier = Classifier.load(model, output_name, reading.axis, str(activation), core.jobs)

    def open_input(name: str, ledger: Ledger) -> Source:
        samples = open_source(name, replace(reading.for_samples(), on_fault=ledger.row_fault))
        return ModelSource(classifier, samples)

    return _rank_all(request, core, open_input)


def _rank_all(request: Request, core: RankOptions, open_input: OpenInput) -> int:
    """Rank all inputs into one output, or each into its own; returns the exit code."""
    writing = request.writing
    talk = Talk(request.console)
    ledger = Ledger(talk, skip=request.faults.on_error is OnError.SKIP)
    layout = str(writing.layout)
    if writing.output_dir is not None:
        name = choose_format(writing.format_name or "csv", STDOUT, layout)
        found = discover(request.inputs, request.faults.glob)
        results = result_names(found.inputs, writing.output_dir, FORMATS[name].suffixes[0])
        rank_into_each(found.inputs, results, name, SinkOptions(layout), open_input, core, ledger)
    else:
        name = choose_format(writing.format_name, writing.output, layout)
        found = discover(request.inputs, request.faults.glob)
        check_output(found.inputs, writing.output)
        sink_options = SinkOptions(layout, found.several, writing.output)
        screen = screen_for(writing.output, request.console, core.activation)
        with open_sink(name, writing.output, sink_options, screen) as sink:
            rank_into_one(found.inputs, open_input, core, sink, ledger)
    for failure in found.failures:
        ledger.record(failure)
    if found.skipped and request.faults.glob is None:
        talk.note(f"{_count(found.skipped, 'file')} of other kinds left alone (--glob PATTERN takes them)")
    if ledger.failures:
        inputs, errors = _count(ledger.done, "input"), _count(len(ledger.failures), "error")
        talk.note(f"{_count(ledger.rows, 'row')} of {inputs} ranked; {errors}")
    return int(ExitCode.PARTIAL if ledger.failures else ExitCode.OK)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
