"""From the parsed options of `rank --ensemble` to the mean of several inputs ranked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from softmax_cli.batch import Source
from softmax_cli.cli.ensemble_options import Ensembling
from softmax_cli.cli.options import ActivationName
from softmax_cli.cli.shared import Request, core_options, rank_all
from softmax_cli.errors import UsageError
from softmax_cli.jobs.discovery import Found
from softmax_cli.jobs.ensemble import PROBABILITIES, EnsembleOptions, EnsembleSource, read_weights
from softmax_cli.jobs.rank_many import Ledger, Unit
from softmax_cli.matching.keys import Match
from softmax_cli.sources import open_source
from softmax_cli.sources.base import ReadOptions


def rank_ensemble(request: Request, reading: ReadOptions, activation: ActivationName, ensembling: Ensembling) -> int:
    """Rank the mean of all inputs; returns the exit code."""
    if request.resuming.resume:
        raise UsageError("--ensemble and --resume exclude each other: the rows come from all inputs at once")
    core = core_options(request, activation)
    if core.confidence is not None and core.confidence.calibration is not None:
        raise UsageError("a calibration is of one model, not of an ensemble: --temperature takes a number here")
    options = EnsembleOptions(
        kind=str(ensembling.ensemble),
        weights=None if ensembling.weights is None else read_weights(ensembling.weights),
        match=Match(str(ensembling.match or "auto")),
        activation=core.activation,
        temperature=core.temperature,
        labels=core.labels,
        nan=core.nan,
    )

    def units(found: Sequence[Found], together: bool) -> list[Unit]:
        if not together:
            raise UsageError("--ensemble and --output-dir exclude each other")
        if len(found) < 2:
            raise UsageError("--ensemble needs two inputs or more, of the same rows")

        def open_all(ledger: Ledger) -> Source:
            handled = replace(reading, jobs=core.jobs, on_fault=ledger.row_fault)
            sources = [open_source(item.name, handled) for item in found]
            return EnsembleSource(sources, replace(options, on_fault=ledger.row_fault))

        return [Unit(found[0].name, open_all, alone=True)]

    if options.kind == PROBABILITIES:
        core = replace(core, temperature=1.0)  # each input's logits are divided by it
    return rank_all(request, core, units)
