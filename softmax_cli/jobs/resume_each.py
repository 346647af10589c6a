"""Each input into a file of its own, going on where an earlier run stopped."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from softmax_cli.errors import InputError, ModelError, SoftmaxError
from softmax_cli.jobs.manifest import Entry
from softmax_cli.jobs.rank_many import Ledger, Unit, open_result, rank_unit
from softmax_cli.jobs.resume import Job, Place, ResumeOptions, StoppingSink, entry_of, open_job
from softmax_cli.pipeline import RankOptions
from softmax_cli.sinks.base import SinkOptions
from softmax_cli.sinks.leftovers import remove_leftovers
from softmax_cli.sinks.target import writing


@dataclass(frozen=True, slots=True)
class Results:
    """The results of a directory: each input's file below `folder`, all of one format."""

    folder: Path
    paths: Sequence[Path]
    format_name: str
    options: SinkOptions


def resume_into_each(
    names: Sequence[str],
    units: Sequence[Unit],
    results: Results,
    options: RankOptions,
    ledger: Ledger,
    resuming: ResumeOptions,
) -> None:
    """Rank each input that isn't done yet into its file; names: of the units' inputs, one each.

    Raises OutputError where another run is at work there, or what is there was made otherwise.
    """
    folder = results.folder
    with writing(str(folder)):
        folder.mkdir(parents=True, exist_ok=True)

    def is_there(entry: Entry) -> bool:
        if entry.failed:
            return True
        try:
            return entry.result is not None and (folder / entry.result).stat().st_size == entry.result_bytes
        except OSError:
            return False

    with open_job(Place.of_folder(folder), names, resuming, ledger) as job:
        for parent in {path.parent for path in results.paths}:
            remove_leftovers(parent)
        job.keep(is_there)
        job.begin()
        with ledger.report.inputs(len(names)) as done:
            for name, unit, path in zip(names, units, results.paths, strict=True):
                if job.is_left(name):
                    job.stop.check()
                    job.redo(name)
                    job.add(_rank(name, unit, path, results, options, job))
                done(1)
        job.commit()
        ledger.check(units)


def _rank(name: str, unit: Unit, path: Path, results: Results, options: RankOptions, job: Job) -> Entry:
    job.ledger.take_fresh()
    failed: SoftmaxError | None = None
    rows = 0
    try:
        with open_result(path, results.format_name, results.options) as sink:
            counted = StoppingSink(sink, job.stop)
            rank_unit(unit, options, counted, job.ledger)
            rows = counted.rows
    except (InputError, ModelError) as error:
        failed = error
        job.ledger.record(error)
    entry = entry_of(job, name, rows, job.ledger.take_fresh(), failed is not None)
    if failed is not None:
        return entry
    with writing(str(path)):
        size = path.stat().st_size
    return replace(entry, result=os.path.relpath(path, results.folder), result_bytes=size)
