"""All inputs into one output, going on where an earlier run stopped.

The output grows beside its name, each input's results a piece of it, in the order in which they were made; that is the
order of the inputs, but for those that failed or changed. When all are there it is put in order and gets its name.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from softmax_cli.batch import Fault, Ranked
from softmax_cli.errors import InputError, ModelError, SoftmaxError
from softmax_cli.jobs.manifest import Entry, rewrite, run_record
from softmax_cli.jobs.rank_many import Ledger, Unit, rank_unit
from softmax_cli.jobs.resume import Job, Place, ResumeOptions, entry_of, open_job, what_is_left
from softmax_cli.pipeline import RankOptions
from softmax_cli.sinks import FORMATS
from softmax_cli.sinks.base import ResumableSink, Screen, Sink, SinkOptions
from softmax_cli.sinks.growing import GrowingTarget
from softmax_cli.sinks.leftovers import remove_leftovers
from softmax_cli.sinks.target import writing

PARTIAL_SUFFIX = ".partial"
_ORDERED_SUFFIX = ".partial-ordered"
_COPY_SUFFIX = ".partial-copy"


@dataclass(frozen=True, slots=True)
class Files:
    """The output, and the names that its data has until it is complete."""

    final: Path

    @property
    def partial(self) -> Path:
        """What grows."""
        return self.final.with_name(self.final.name + PARTIAL_SUFFIX)

    @property
    def ordered(self) -> Path:
        """The same in order, about to get the output's name."""
        return self.final.with_name(self.final.name + _ORDERED_SUFFIX)

    @property
    def copy(self) -> Path:
        """A complete output being copied, so that it can grow again."""
        return self.final.with_name(self.final.name + _COPY_SUFFIX)


def resume_into_one(
    names: Sequence[str],
    units: Sequence[Unit],
    output: str,
    format_name: str,
    sink_options: SinkOptions,
    options: RankOptions,
    ledger: Ledger,
    resuming: ResumeOptions,
) -> None:
    """Rank all inputs that aren't done yet into one output; names: of the units' inputs, in order.

    Raises OutputError where another run is at work there, or what is there was made otherwise.
    """
    final = Path(os.path.realpath(output))
    files = Files(final)
    with open_job(Place.of_file(final), names, resuming, ledger) as job:
        remove_leftovers(final.parent)
        there = _data(files, job)
        size = there.stat().st_size if there is not None else 0
        job.keep(lambda entry: entry.end <= size)
        if job.state.get("columns") and job.state["by"] not in job.entries:
            job.void()  # the input that decided on the columns isn't as it was
        if there == final and not any(map(job.is_left, names)):
            job.begin(as_finished=True)
            return
        kept = max((entry.end for entry in job.entries.values()), default=0)
        kept = max(kept, *job.state.get("head", (0, 0))) if job.entries else 0
        with contextlib.ExitStack() as stack:
            if there is not None and there != files.partial and job.entries:
                _make_partial(there, files, output)
            job.begin()
            stack.callback(_drop_if_empty, files, job)
            target = GrowingTarget(files.partial, output, kept)
            stack.callback(target.close)
            stack.callback(job.commit_if_possible)
            job.sync = target.sync
            sink = cast(ResumableSink, FORMATS[format_name].make(target, sink_options, Screen()))
            pieces = Pieces(job, target, sink)
            start = 0
            with ledger.report.inputs(len(names)) as done:
                for unit in units:
                    of_unit = names[start : start + unit.inputs]
                    start += unit.inputs
                    _rank_rest(unit, of_unit, pieces, options, ledger, alone=len(names) == 1)
                    done(unit.inputs)
            ledger.check(units)
            job.commit()
            target.close()
            _finish(files, job, output, target.position)


def _data(files: Files, job: Job) -> Path | None:
    """The file that holds what was done before: the partial output, or a complete one that is as it was left."""
    if job.past.finished is None:
        return files.partial if job.past.entries and files.partial.exists() else None
    for path in (files.ordered, files.partial, files.final):
        with contextlib.suppress(OSError):
            status = path.stat()
            if (status.st_size, status.st_mtime_ns) == job.past.finished:
                return path
    job.ledger.report.note(f"{files.final} isn't as the run before left it: all inputs are ranked anew")
    return None


def _make_partial(there: Path, files: Files, output: str) -> None:
    """Make what was complete, or about to be, grow again; a complete output itself stays as it is."""
    with writing(output):
        if there == files.ordered:
            os.replace(there, files.partial)  # noqa: PTH105 - also for names that aren't UTF-8
            return
        try:
            shutil.copyfile(there, files.copy)
            with files.copy.open("rb") as copy:
                os.fsync(copy.fileno())
            os.replace(files.copy, files.partial)  # noqa: PTH105 - the same
        except BaseException:
            files.copy.unlink(missing_ok=True)
            raise


def _drop_if_empty(files: Files, job: Job) -> None:
    """Leave nothing behind where nothing is done."""
    if not any(not entry.failed for entry in job.entries.values()):
        with contextlib.suppress(OSError):
            files.partial.unlink()


def _rank_rest(
    unit: Unit, names: Sequence[str], pieces: Pieces, options: RankOptions, ledger: Ledger, alone: bool
) -> None:
    """Rank what is left of a unit's inputs; again what the first of them showed not to fit."""
    tried: set[str] = set()
    while left := [name for name in what_is_left(unit, names, pieces.job.is_left) if name not in tried]:
        pieces.job.stop.check()
        tried |= set(left)
        for name in left:
            pieces.job.redo(name)
        part = unit if unit.part is None or len(left) == len(names) else unit.part(left)
        pieces.begin(left, each_fails=unit.part is not None)
        try:
            rank_unit(part, options, pieces, ledger)
        except (InputError, ModelError) as error:
            if alone:
                raise
            ledger.record(error)
            pieces.fail()
        pieces.end()


@dataclass
class Pieces(Sink):
    """Takes ranked batches as a sink, and records each input's piece of the output."""

    job: Job
    target: GrowingTarget
    sink: ResumableSink
    _names: Sequence[str] = ()
    _place: int = 0
    _start: int = 0
    _rows: int = 0
    _errors: dict[str, list[SoftmaxError]] = field(default_factory=dict)
    _failed: bool = False
    _each_fails: bool = False
    _is_decided: bool = False

    def begin(self, names: Sequence[str], each_fails: bool) -> None:
        """Begin with some inputs that are read as one; each_fails: whether each may fail without the others."""
        self._names, self._place, self._failed, self._each_fails = names, 0, False, each_fails
        self._start, self._rows, self._errors = self.target.position, 0, {}
        self.job.ledger.take_fresh()
        columns = self.job.state.get("columns")
        if columns and not self.sink.columns and self._stands_before(names[0]):
            self.sink.go_on(columns)
            self._is_decided = True

    def _stands_before(self, name: str) -> bool:
        """Whether the input that decided on the columns is done, and stands before another."""
        by = self.job.state["by"]
        return by in self.job.entries and self.job.names.index(by) < self.job.names.index(name)

    def write(self, ranked: Ranked) -> None:
        """Write a batch, each input's rows by themselves.

        Raises StoppedError where a signal came: before a batch, or behind one whose inputs are complete.
        """
        self.job.stop.check()
        several = len(self._names) > 1
        for name, part in _by_input(ranked) if several else [(self._names[0], ranked)]:
            if several:
                self._advance(self._names.index(name, self._place))
            before = self.target.position
            self.sink.write(part)
            self._rows += len(part)
            if not self._is_decided:
                self._decide(before)
        if several:
            self._advance(self._place + 1)
            self.job.stop.check()

    def _decide(self, before: int) -> None:
        """Take what the first write decided; where that isn't what all before was made by, it doesn't fit."""
        columns = dict(self.sink.columns)
        by = self._names[self._place]
        end = before + self.sink.head_bytes
        self._start += self.sink.head_bytes
        self._is_decided = True
        if self.job.entries and self.job.state.get("columns") == columns:
            self.job.state["by"] = by
            return
        if "columns" in self.job.state:
            self.job.void()
        self.job.state.update(columns=columns, head=[before, end], by=by)

    def _advance(self, place: int) -> None:
        """Record the inputs before a place as complete."""
        while self._place < min(place, len(self._names)):
            name = self._names[self._place]
            mine = self._mine(name)
            failed = self._failed or (self._each_fails and bool(mine) and not self._rows)
            entry = entry_of(self.job, name, self._rows, mine, failed)
            self.job.add(replace(entry, start=self._start, end=self.target.position))
            self._place += 1
            self._start, self._rows = self.target.position, 0

    def _mine(self, name: str) -> list[SoftmaxError]:
        """The errors of an input; of the only one, all."""
        for error in self.job.ledger.take_fresh():
            whose = error.at.source if error.at is not None and len(self._names) > 1 else name
            self._errors.setdefault(whose, []).append(error)
        return self._errors.pop(name, [])

    def fail(self) -> None:
        """Take what was begun as failed: of several inputs, those that weren't complete stay to be ranked."""
        self._failed = True

    def end(self) -> None:
        """Record the inputs that are left as complete, or the only one as failed."""
        if not self._failed or len(self._names) == 1:
            self._advance(len(self._names))

    def close(self) -> None:
        """Nothing: the output isn't complete until all inputs are."""

    def abort(self) -> None:
        """Nothing is held."""


def _by_input(ranked: Ranked) -> Iterator[tuple[str, Ranked]]:
    """The parts of a batch of several inputs: the rows of each, with the faults among them."""
    sources = ranked.sources if ranked.sources is not None else [ranked.source] * len(ranked)
    faults = list(ranked.faults)
    start = 0
    for name, group in itertools.groupby(sources):
        end = start + sum(1 for _ in group)
        while faults and faults[0].place <= start and _whose(faults[0]) != name:
            fault = faults.pop(0)
            yield _whose(fault), ranked.part(start, start, [fault])
        mine = [fault for fault in faults if fault.place < end or (fault.place == end and _whose(fault) == name)]
        del faults[: len(mine)]
        yield name, ranked.part(start, end, mine)
        start = end
    for fault in faults:
        yield _whose(fault), ranked.part(start, start, [fault])


def _whose(fault: Fault) -> str:
    return fault.error.at.source if fault.error.at is not None else ""


def _finish(files: Files, job: Job, output: str, position: int) -> None:
    """Put the pieces in the order of the inputs, say so in the manifest, and give the output its name."""
    entries = [job.entries[name] for name in job.names if name in job.entries]
    head = tuple(job.state.get("head", (0, 0)))
    spans = [span for span in (head, *((entry.start, entry.end) for entry in entries)) if span[0] < span[1]]
    ends = [0, *(end for _, end in spans)]
    in_order = [start for start, _ in spans] == ends[:-1] and ends[-1] == position
    data = files.partial if in_order else files.ordered
    with writing(output):
        if not in_order:
            _copy_spans(files.partial, files.ordered, spans)
        if files.final.exists():
            data.chmod(stat.S_IMODE(files.final.stat().st_mode))
        status = data.stat()
    offset = head[1] - head[0]
    moved: list[Entry] = []
    for entry in entries:
        moved.append(replace(entry, start=offset, end=offset + entry.end - entry.start))
        offset = moved[-1].end
    state = {**job.state, "model": dict(job.options.save_state()), "head": [0, head[1] - head[0]]}
    rewrite(
        job.place.manifest,
        [
            run_record(job.options.facts),
            {"type": "inputs", "names": list(job.names)},
            {"type": "state", "state": state},
            *(entry.as_record() for entry in moved),
            {"type": "finished", "bytes": status.st_size, "mtime_ns": status.st_mtime_ns},
        ],
    )
    with writing(output):
        os.replace(data, files.final)  # noqa: PTH105 - also for names that aren't UTF-8
        if not in_order:
            files.partial.unlink(missing_ok=True)


def _copy_spans(source: Path, target: Path, spans: Sequence[tuple[int, int]]) -> None:
    try:
        with source.open("rb") as old, target.open("wb") as new:
            for start, end in spans:
                old.seek(start)
                left = end - start
                while left:
                    data = old.read(min(left, 1 << 20))
                    if not data:
                        raise OSError("the partial output was cut while it was put in order")
                    new.write(data)
                    left -= len(data)
            new.flush()
            os.fsync(new.fileno())
    except BaseException:
        target.unlink(missing_ok=True)
        raise
