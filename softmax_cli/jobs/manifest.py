"""What was done: a file of JSON lines beside the output, appended to in step with it.

Its records: `run` (the options of a run), `inputs` (their names, in order), `state` (what later inputs depend on),
`input` (one is done, or failed), `void` (those before count no more), `finished` (the output is complete).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from softmax_cli.errors import SLUGS, InputError, Location, OutputError, SoftmaxError
from softmax_cli.sinks.target import open_target, writing
from softmax_cli.text import valid, visible

VERSION = 1
Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells that an input is still the same; sha256 only where it was asked for."""

    size: int
    mtime_ns: int
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """An input that is done, or failed.

    start, end: where its results lie in the one output. result, result_bytes: its own result file, below the
    directory. errors: of its rows, or its own, as `SoftmaxError.as_record` gives them.
    """

    name: str
    identity: Identity
    rows: int
    failed: bool = False
    start: int = 0
    end: int = 0
    result: str | None = None
    result_bytes: int = 0
    errors: tuple[Record, ...] = ()

    def as_record(self) -> dict[str, Any]:
        """The entry as a line of the manifest."""
        return {"type": "input", **asdict(self)}

    @classmethod
    def of(cls, record: Record) -> Entry:
        """An entry by its record; TypeError, KeyError or ValueError where it isn't one."""
        known = dict(record)
        del known["type"]
        entry = cls(**{**known, "identity": Identity(**known["identity"]), "errors": tuple(known["errors"])})
        texts = (entry.name, *([] if entry.result is None else [entry.result]))
        numbers = (entry.rows, entry.start, entry.end, entry.result_bytes, entry.identity.size)
        is_sound = all(isinstance(text, str) for text in texts) and all(type(n) is int and n >= 0 for n in numbers)
        if not is_sound or entry.start > entry.end or not all(error["slug"] in SLUGS for error in entry.errors):
            raise ValueError("not an entry")
        return entry


@dataclass(slots=True)
class Past:
    """What a manifest tells of the runs before.

    facts: the options, versions and model of the last one. finished: the size and time of the complete output.
    """

    facts: dict[str, str] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    state: dict[str, Any] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)
    finished: tuple[int, int] | None = None

    def take(self, record: Record) -> None:
        """Take one record; KeyError, TypeError or ValueError where it isn't one of ours."""
        match record["type"]:
            case "run":
                if record["manifest"] != VERSION:
                    raise ValueError("another version")
                self.facts = {str(key): str(value) for key, value in record["facts"].items()}
                self.finished = None
            case "inputs":
                self.names = [str(name) for name in record["names"]]
            case "state":
                self.state = dict(record["state"])
            case "input":
                entry = Entry.of(record)
                self.entries[entry.name] = entry
            case "void":
                self.entries.clear()
            case "finished":
                self.finished = (int(record["bytes"]), int(record["mtime_ns"]))
            case _:
                raise ValueError("no such record")


def read_manifest(path: Path) -> tuple[Past, int]:
    """Read a manifest: what it tells, and how many of its bytes are whole lines; the torn end of a killed run is none.

    Raises InputError for a damaged one.
    """
    at = Location(str(path))
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError("unreadable", (error.strerror or str(error)).lower(), at=at) from error
    past = Past()
    whole = data.rfind(b"\n") + 1
    for number, line in enumerate(data[:whole].splitlines(), 1):
        try:
            past.take(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            message = "not a record of what was done"
            hint = "delete it to begin anew"
            raise InputError("bad-manifest", message, at=Location(str(path), line=number), hint=hint) from error
    return past, whole


class Journal:
    """A manifest that is open for appending; each `append` is on disk when it returns."""

    def __init__(self, path: Path, whole: int):
        self.path = path
        with writing(str(path)):
            self._stream = cast(BinaryIO, os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o666), "wb", buffering=0))
            self._stream.truncate(whole)
            self._stream.seek(whole)

    def append(self, records: Iterable[Record]) -> None:
        """Write records; half-written ones are the torn end that the next reader drops.

        Raises OutputError where the system refuses.
        """
        data = memoryview(b"".join(line(record) for record in records))
        with writing(str(self.path)):
            while data:
                data = data[self._stream.write(data) or 0 :]
            os.fsync(self._stream.fileno())

    def close(self) -> None:
        """Let go of the file."""
        self._stream.close()


def rewrite(path: Path, records: Iterable[Record]) -> None:
    """Put a new manifest in the place of the old one, at once."""
    with open_target(str(path)) as target:
        for record in records:
            target.write(line(record))


def line(record: Record) -> bytes:
    """A record as a line: ASCII, so that names of any bytes come back as they were."""
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def run_record(facts: Mapping[str, str]) -> Record:
    """The record of a run that begins."""
    return {"type": "run", "manifest": VERSION, "facts": {key: valid(value) for key, value in facts.items()}}


def error_of(record: Record) -> SoftmaxError:
    """An error of a run before, as it was."""
    at = None
    if record.get("source") is not None:
        at = Location(record["source"], record.get("line"), record.get("row"), record.get("column"))
    return SoftmaxError(record["slug"], record["message"], at=at, hint=record.get("hint"))


def describe_differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What differs between two runs, in words."""
    keys = [*before, *(key for key in now if key not in before)]
    absent = "not given"
    return [
        f"{key} was {before.get(key, absent)}, is {now.get(key, absent)}"
        for key in keys
        if before.get(key) != now.get(key)
    ]


def refuse_other(before: Mapping[str, str], now: Mapping[str, str], at: Location, manifest: Path) -> None:
    """Refuse to go on with another run's results.

    Raises OutputError that names what differs.
    """
    differences = describe_differences(before, now)
    if differences:
        message = f"what is there was begun otherwise: {'; '.join(differences)}"
        hint = f"--force goes on all the same and keeps what is done; without {visible(str(manifest))} it begins anew"
        raise OutputError("other-run", message, at=at, hint=hint)
