"""Which files an argument stands for, in an order that doesn't change."""

from __future__ import annotations

import fnmatch
import itertools
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from softmax_cli.errors import InputError, Location, UsageError
from softmax_cli.sources import READABLE, suffixes_of
from softmax_cli.sources.layers import unreadable
from softmax_cli.sources.stream import COMPRESSION_SUFFIXES, STDIN
from softmax_cli.text import visible

# Plain text in a directory is more often a note or a list of names than logits: it has to be asked for.
_WALKED = tuple(name for name in READABLE if name != "text")


@dataclass(frozen=True, slots=True)
class Found:
    """One input: its name as it's shown, and the directory that it was found in (None: given itself)."""

    name: str
    folder: str | None = None

    @property
    def relative(self) -> Path:
        """Where its result belongs below an output directory."""
        if self.folder is not None:
            return Path(self.name).relative_to(self.folder)
        return Path("stdin" if self.name == STDIN else Path(self.name).name)


@dataclass(frozen=True, slots=True)
class Discovery:
    """The inputs of a command, in order.

    skipped: how many files of directories aren't inputs. failures: folders that can't be read.
    """

    inputs: tuple[Found, ...]
    skipped: int
    has_directory: bool
    failures: tuple[InputError, ...] = ()

    @property
    def several(self) -> bool:
        """Whether results of more than one input may come into one output."""
        return self.has_directory or len(self.inputs) > 1


def _walk(folder: Path, failures: list[InputError]) -> Iterator[Path]:
    """The files below a folder, sorted at every level; hidden ones and those in hidden folders are left out."""

    def fail(error: OSError) -> None:
        failures.append(unreadable(str(error.filename or folder), error))

    for parent, folders, files in os.walk(folder, onerror=fail):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and not _is_pipe(path := Path(parent, name)):
                yield path


def _is_pipe(path: Path) -> bool:
    """Whether opening something would wait for somebody else."""
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except OSError:  # a link to nothing: an error of its own, later
        return False


def _belongs(path: Path, relative: Path, glob: str | None, suffixes: Sequence[str]) -> bool:
    if glob is not None:
        return fnmatch.fnmatch(path.name, glob) or fnmatch.fnmatch(relative.as_posix(), glob)
    return path.name.lower().endswith(tuple(suffixes))


def listed_names(list_file: str, null: bool) -> list[str]:
    """Read names of inputs from a file, or from stdin as `-`: a line each, or each ended by a NUL byte.

    Raises InputError where the file can't be read.
    """
    try:
        data = sys.stdin.buffer.read() if list_file == STDIN else Path(list_file).read_bytes()
    except OSError as error:
        raise unreadable(list_file, error) from error
    names = data.split(b"\0") if null else [line.removesuffix(b"\r") for line in data.split(b"\n")]
    return [os.fsdecode(name) for name in names if name]


def are_many(arguments: Sequence[str], suffixes: tuple[str, ...], many: int) -> bool:
    """Whether arguments and the directories among them hold so many files of these suffixes; looks no further."""
    files = (
        path
        for argument in arguments
        for path in (_walk(Path(argument), []) if argument and Path(argument).is_dir() else (Path(argument),))
    )
    found = (path for path in files if path.name.lower().endswith(suffixes))
    return next(itertools.islice(found, many - 1, None), None) is not None


def discover(
    arguments: Sequence[str],
    glob: str | None = None,
    suffixes: Sequence[str] | None = None,
    listed: Sequence[str] = (),
) -> Discovery:
    """Find the inputs of a command: files and `-` as given, directories walked recursively in sorted order.

    glob: takes the files of directories whose name or relative path matches, instead of those with a known suffix.
    listed: names taken as they are. Raises InputError for a directory without inputs.
    """
    suffixes = suffixes_of(_WALKED) if suffixes is None else suffixes
    found: list[Found] = []
    failures: list[InputError] = []
    skipped = 0
    has_directory = False
    for argument in arguments:
        if not argument:
            raise InputError("not-found", "an empty name is no file", hint="- is stdin, . the working directory")
        if argument == STDIN or not Path(argument).is_dir():
            found.append(Found(argument))
            continue
        has_directory = True
        before = len(found)
        folder = Path(argument)
        for path in _walk(folder, failures):
            if _belongs(path, path.relative_to(folder), glob, suffixes):
                found.append(Found(str(path), str(folder)))
            else:
                skipped += 1
        if len(found) == before:
            if failures:
                raise failures[0]
            sought = f"matches {visible(glob)!r}" if glob is not None else "has a suffix of a known format"
            message = f"no file in this directory {sought}"
            hint = "--glob PATTERN takes others" if glob is None else None
            raise InputError("no-inputs", message, at=Location(argument), hint=hint)
    found += [Found(name) for name in listed]
    if found.count(Found(STDIN)) > 1:
        raise UsageError("stdin (-) can be read only once")
    return Discovery(tuple(found), skipped, has_directory, tuple(failures))


def check_outputs(found: Sequence[Found], outputs: Sequence[str]) -> None:
    """Refuse to write over an input, or two outputs to one file.

    Raises UsageError.
    """
    outputs = [output for output in outputs if output != STDIN]
    for item in found:
        for output in outputs:
            if item.name != STDIN and _is_same_file(item.name, output):
                raise UsageError(f"{visible(output)} is an input: its results would take its place")
    for one, other in itertools.combinations(outputs, 2):
        if os.path.realpath(one) == os.path.realpath(other) or _is_same_file(one, other):
            raise UsageError(f"{visible(other)} is the file of two outputs: one would take the other's place")


def _is_same_file(name: str, other: str) -> bool:
    try:
        return Path(name).samefile(other)
    except (OSError, ValueError):  # one of them isn't there
        return False


def result_names(found: Sequence[Found], folder: str, suffix: str) -> list[Path]:
    """The result file of each input below `folder`: the tree mirrored, the format's suffix in place of the input's.

    Raises InputError where two inputs would get one file, before anything is written.
    """
    names: dict[Path, str] = {}
    for item in found:
        relative = item.relative
        stem = relative.name
        for packed in COMPRESSION_SUFFIXES:
            stem = stem.removesuffix(packed)
        path = Path(folder, relative.with_name(Path(stem).stem + suffix))
        if path in names:
            message = f"{visible(names[path])} and {visible(item.name)} would both be written to {visible(str(path))}"
            raise InputError("output-collision", message, hint="rename one, or run them into different directories")
        names[path] = item.name
    inputs = {os.path.realpath(item.name): item.name for item in found if item.name != STDIN}
    for path in names:
        if os.path.realpath(path) in inputs:
            raise UsageError(f"{visible(str(path))} is an input: results would take its place")
    return list(names)
