"""Runs that go on where an earlier one stopped: what is kept of it, and what is recorded for the next."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from softmax_cli.batch import Ranked
from softmax_cli.errors import Location, OutputError, SoftmaxError, UsageError
from softmax_cli.jobs.identity import identity_of, is_same
from softmax_cli.jobs.lock import check_unlocked, locked
from softmax_cli.jobs.manifest import (
    Entry,
    Identity,
    Journal,
    Past,
    Record,
    error_of,
    read_manifest,
    refuse_other,
    run_record,
)
from softmax_cli.jobs.rank_many import Ledger, Unit
from softmax_cli.jobs.stopping import Stop, StoppedError, stopping
from softmax_cli.sinks.base import Sink
from softmax_cli.text import visible

_COMMIT_SHARE = 0.05  # of the time, at the most, for making sure that what was done is on disk

State = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ResumeOptions:
    """How a run goes on. The fields are named as the options are.

    facts: what must be as it was: options, versions, the model. save_state, load_state: what the first input decides
    for all, and is handed on from run to run.
    """

    facts: Mapping[str, str]
    retry_failed: bool = True
    checksum: bool = False
    force: bool = False
    save_state: Callable[[], State] = dict
    load_state: Callable[[State], None] = lambda state: None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run writes, as it is called in messages, and the files beside it."""

    name: str
    manifest: Path
    lock: Path

    @classmethod
    def of_file(cls, path: Path) -> Place:
        """The place of one output file."""
        return cls(
            str(path),
            path.with_name(path.name + MANIFEST_SUFFIX),
            path.with_name(path.name + ".softmax-lock"),
        )

    @classmethod
    def of_folder(cls, path: Path) -> Place:
        """The place of an output directory."""
        return cls(str(path), path / FOLDER_MANIFEST, path / ".softmax-lock")


MANIFEST_SUFFIX = ".softmax-manifest"
FOLDER_MANIFEST = ".softmax-manifest.jsonl"


def check_free(output: str, folder: str | None) -> None:
    """Refuse a place that a run which can be gone on with is writing into.

    Raises OutputError.
    """
    place = Place.of_folder(Path(folder)) if folder is not None else Place.of_file(Path(os.path.realpath(output)))
    check_unlocked(place.lock, place.name)


@dataclass
class Job:
    """A run under way: what is kept of those before, and the journal of this one.

    names: all inputs, in order. sync: sees that the results are on disk, before the journal says so.
    """

    place: Place
    names: Sequence[str]
    options: ResumeOptions
    ledger: Ledger
    stop: Stop
    past: Past
    whole: int
    entries: dict[str, Entry] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)
    sync: Callable[[], None] = lambda: None
    _identities: dict[str, Identity | None] = field(default_factory=dict)
    _kept: dict[str, list[SoftmaxError]] = field(default_factory=dict)
    _journal: Journal | None = None
    _pending: list[Record] = field(default_factory=list)
    _saved: dict[str, Any] = field(default_factory=dict)
    _next_commit: float = 0.0

    def identity(self, name: str) -> Identity | None:
        """What an input was when it was first looked at."""
        if name not in self._identities:
            self._identities[name] = identity_of(name, self.options.checksum)
        return self._identities[name]

    def keep(self, is_there: Callable[[Entry], bool]) -> None:
        """Keep what was done before and stands; is_there: whether an entry's results are.

        Raises OutputError where what is kept was made otherwise.
        """
        for name in self.names:
            entry = self.past.entries.get(name)
            now = self.identity(name)
            if entry is None or now is None or not is_same(entry.identity, now) or not is_there(entry):
                continue
            if not (entry.failed and self.options.retry_failed):
                self.entries[name] = entry
        if not self.entries:
            return
        if not self.options.force:
            refuse_other(self.past.facts, self.options.facts, Location(self.place.name), self.place.manifest)
        self.state = dict(self.past.state)
        if self.state.get("model"):
            self.options.load_state(self.state["model"])
        for name, entry in self.entries.items():
            self._kept[name] = [error_of(record) for record in entry.errors]
            self.ledger.keep(entry.failed, self._kept[name])
        self.ledger.report.note(f"{len(self.entries):,} of {len(self.names):,} inputs were done before")

    def redo(self, name: str) -> None:
        """Rank an input again that was kept."""
        entry = self.entries.pop(name, None)
        if entry is not None and name in self._kept:
            self.ledger.forget(entry.failed, self._kept.pop(name))

    def begin(self, as_finished: bool = False) -> None:
        """Open the journal, and record what this run is; as_finished: nothing is left to do."""
        self._journal = Journal(self.place.manifest, self.whole)
        records: list[Record] = [run_record(self.options.facts)]
        if self.past.names != list(self.names):
            records.append({"type": "inputs", "names": list(self.names)})
        if not self.entries and self.past.entries:
            records.append({"type": "void"})
        if as_finished and self.past.finished is not None:
            records.append({"type": "finished", "bytes": self.past.finished[0], "mtime_ns": self.past.finished[1]})
        self._journal.append(records)
        self._saved = dict(self.past.state)

    def is_left(self, name: str) -> bool:
        """Whether an input is still to be ranked."""
        return name not in self.entries

    def add(self, entry: Entry) -> None:
        """Record that an input is done, or failed; on disk by and by."""
        self.entries[entry.name] = entry
        self._pending.append(entry.as_record())
        if time.monotonic() >= self._next_commit:
            self.commit()

    def void(self) -> None:
        """Give up all that was done: it doesn't fit what comes."""
        self._pending.append({"type": "void"})
        for name in list(self.entries):
            self.redo(name)

    def commit(self) -> None:
        """See that all that is done is on disk, and recorded there.

        Raises OutputError where the system refuses.
        """
        if not self._pending or self._journal is None:
            return
        begin = time.monotonic()
        self.sync()
        state = {**self.state, "model": dict(self.options.save_state())}
        changed: list[Record] = [{"type": "state", "state": state}] if state != self._saved else []
        self._journal.append([*changed, *self._pending])
        self._pending, self._saved = [], state
        end = time.monotonic()
        self._next_commit = end + (end - begin) / _COMMIT_SHARE

    def commit_if_possible(self) -> None:
        """The same on the way out of an error, which is told instead of another."""
        with contextlib.suppress(OutputError):
            self.commit()

    def close(self) -> None:
        """Let go of the journal; one that tells of nothing done goes."""
        if self._journal is not None:
            self._journal.close()
            if not any(not entry.failed for entry in self.entries.values()):
                with contextlib.suppress(OSError):
                    self.place.manifest.unlink()


@contextlib.contextmanager
def open_job(place: Place, names: Sequence[str], options: ResumeOptions, ledger: Ledger) -> Iterator[Job]:
    """Take the place for the block, and read what was done there; what the block adds is recorded however it ends.

    Raises OutputError where another run has the place, InputError for a damaged manifest.
    """
    with locked(place.lock, place.name), stopping(ledger.report.note) as stop:
        past, whole = read_manifest(place.manifest) if place.manifest.exists() else (Past(), 0)
        job = Job(place, names, options, ledger, stop, past, whole)
        try:
            yield job
            job.commit()
        except BaseException as error:
            job.commit_if_possible()
            if isinstance(error, StoppedError):
                error.done = sum(not entry.failed for entry in job.entries.values())
                error.total = len(names)
            raise
        finally:
            job.close()


def entry_of(job: Job, name: str, rows: int, errors: Sequence[SoftmaxError], failed: bool) -> Entry:
    """The entry of an input that was ranked, as it was when it was first looked at."""
    identity = job.identity(name) or Identity(0, 0)
    return Entry(name, identity, rows, failed, errors=tuple(error.as_record() for error in errors))


def what_is_left(unit: Unit, names: Sequence[str], is_left: Callable[[str], bool]) -> list[str]:
    """The inputs of a unit that are still to be ranked: whole windows, so that a model sees them as it would have."""
    windows = [names[start : start + unit.window] for start in range(0, len(names), unit.window)]
    return [name for window in windows if any(map(is_left, window)) for name in window]


@dataclass
class StoppingSink(Sink):
    """A sink that takes no more once a signal came."""

    sink: Sink
    stop: Stop
    rows: int = 0

    def write(self, ranked: Ranked) -> None:
        """Write a batch.

        Raises StoppedError instead, if asked to stop.
        """
        self.stop.check()
        self.sink.write(ranked)
        self.rows += len(ranked)

    def flush(self) -> None:
        """Write what waits."""
        self.sink.flush()

    def close(self) -> None:
        """Complete the output."""
        self.sink.close()

    def abort(self) -> None:
        """Give the output up."""
        self.sink.abort()


def refuse_twice(names: Sequence[str]) -> None:
    """Refuse an input that is given twice: what was done is known by name.

    Raises UsageError.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise UsageError(f"{visible(name)} is given twice, and --resume tells inputs by their names")
        seen.add(name)
