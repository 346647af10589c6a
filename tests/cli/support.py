"""What the tests of this folder share."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import strategies as st
from rich.cells import cell_len

from softmax_cli.batch import LogitBatch, Ranked
from softmax_cli.ranking import rank_batch
from softmax_cli.sinks import FORMATS
from softmax_cli.sinks.base import Screen, SinkOptions
from softmax_cli.sinks.table import TableSink
from tests.conftest import SAMPLES, SOFTMAX, environment

Here = Callable[..., tuple[int, str, str]]


ANIMALS = b"3.2,1.3,0.2,0.8\n"


LABELS = SAMPLES / "animals_labels.txt"


EXPECTED = {"dog": 0.775150, "cat": 0.115938, "cheetah": 0.070320, "horse": 0.038592}


SGR = re.compile(r"\x1b\[[\d;]*m")


HOSTILE = "[red]esc\x1b[31m\u202enew\nline"


def shell(line: str, *arguments: str | Path | bytes, stdin: bytes = b"", cwd: Path = SAMPLES) -> Any:
    """Run `line` in a shell, in which "$@" is the command; the exit code is the shell's."""
    command = ["sh", "-c", line, "sh", *SOFTMAX, *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, cwd=cwd, env=environment(), timeout=60)


def assert_one_error(stderr: bytes | str, slug: str) -> None:
    text = stderr if isinstance(stderr, str) else stderr.decode()
    first, *rest = text.splitlines()
    assert first.startswith(f"softmax: error[{slug}]: ")
    assert all(line.startswith("  hint: ") for line in rest)
    assert len(rest) <= 1


@dataclass
class Shown:
    """What a terminal received, and what came through a pipe instead."""

    code: int
    text: str
    stderr: str

    @property
    def lines(self) -> list[str]:
        return [SGR.sub("", line) for line in self.text.replace("\r\n", "\n").splitlines()]


def drain(master: int) -> Iterator[bytes]:
    """What is written to a terminal until its last writer closes it."""
    while True:
        try:
            data = os.read(master, 1 << 16)
        except OSError:  # EIO: nobody holds the other end any more
            return
        if not data:
            return
        yield data


@contextmanager
def terminal(columns: int, lines: int) -> Iterator[tuple[int, int]]:
    master, slave = pty.openpty()
    try:
        termios.tcsetwinsize(slave, (lines, columns))
        yield master, slave
    finally:
        os.close(master)


def on_terminal(
    *arguments: str | Path,
    columns: int = 80,
    lines: int = 24,
    streams: Sequence[str] = ("stdout",),
    env: Mapping[str, str] | None = None,
    cwd: Path = SAMPLES,
) -> Shown:
    """Run the command with some of its streams on a terminal; stdin is empty where it isn't one."""
    child = {**environment(TERM="xterm-256color"), **(env or {})}
    child.pop("LINES", None)
    with terminal(columns, lines) as (master, slave):
        given = {name: slave if name in streams else subprocess.PIPE for name in ("stdout", "stderr")}
        stdin = slave if "stdin" in streams else subprocess.DEVNULL
        with subprocess.Popen([*SOFTMAX, *map(str, arguments)], stdin=stdin, cwd=cwd, env=child, **given) as process:
            os.close(slave)
            text = b"".join(drain(master)).decode()
            _, err = process.communicate(timeout=60)
        return Shown(process.returncode, text, (err or b"").decode())


USAGE: Mapping[str, tuple[list[str], str]] = {
    "an unknown option": (["--tpo", "3"], "--tpo"),
    "an unknown command": (["frobnicate"], "frobnicate"),
    "a command misspelt": (["inspct", "animals.csv"], "did you mean softmax inspect?"),
    "another command misspelt": (["aply"], "did you mean softmax apply?"),
    "format": (["animals.csv", "-f", "xlsx"], "expected one of " + ", ".join(FORMATS)),
    "format of a report": (["inspect", "animals.csv", "-f", "csv"], "table or json"),
    "suffix": (["animals.csv", "-o", "x.xlsx"], ".parquet"),
    "no suffix": (["animals.csv", "-o", "x"], "--format NAME"),
    "layout": (["animals.csv", "--layout", "tall"], "wide"),
    "layout of a format": (["animals.csv", "--layout", "wide", "-f", "jsonl"], "table, csv, tsv"),
    "layout by suffix": (["animals.csv", "--layout", "wide", "-o", "x.npz"], "npz"),
    "temperature of nothing": (["animals.csv", "-t", "0"], "--temperature"),
    "negative temperature": (["animals.csv", "-t", "-1"], "--temperature"),
    "temperature that isn't one": (["animals.csv", "--temperature", "nan"], "--temperature"),
    "infinite temperature": (["animals.csv", "--temperature", "inf"], "--temperature"),
    "temperature of text": (["animals.csv", "--temperature", "warm"], "--temperature"),
    "temperature of apply": (["apply", "animals.csv", "-o", "-", "-t", "0"], "--temperature"),
    "temperature of run": (["run", "digits/digits.onnx", "digits/inputs.npy", "-t", "-0.5"], "--temperature"),
    "probability over 1": (["animals.csv", "--min-probability", "1.01"], "--min-probability"),
    "negative probability": (["animals.csv", "--min-probability", "-0.1"], "--min-probability"),
    "no probability": (["animals.csv", "--min-probability", "nan"], "--min-probability"),
    "top": (["animals.csv", "-k", "-1"], "--top"),
    "jobs": (["animals.csv", "-j", "0"], "--jobs"),
    "activation": (["animals.csv", "--activation", "relu"], "log-softmax"),
    "input format": (["animals.csv", "--input-format", "pickle"], "npy"),
    "color": (["animals.csv", "--color", "blue"], "always"),
    "both outputs": (["animals.csv", "-o", "x.csv", "--output-dir", "x"], "exclude"),
    "an option without its value": (["animals.csv", "-o"], "-o"),
    "apply without an output": (["apply", "animals.csv"], "--output"),
    "run without a model": (["run"], "MODEL"),
    "delimiter of two": (["animals.csv", "--delimiter", "ab"], "--delimiter"),
}


AT_LENGTH = ["csv", "jsonl", "json", "table", "markdown", "parquet", "arrow", "npz"]


needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")


# A shell may have started the tests with SIGINT ignored, which children inherit.
LISTEN = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"


def stopped(number: int, arguments: Sequence[str], folder: Path) -> tuple[int, bytes]:
    """Exit code and stderr of a command that gets a signal while it waits for more of its stdin."""
    command = [sys.executable, "-c", LISTEN, *SOFTMAX, *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder, env=environment()
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        assert process.stdout is not None
        process.stdin.write(b"1.25,2.5,3.75\n" * 3000)
        process.stdin.flush()
        deadline = time.monotonic() + 30
        if any("out." in text for text in arguments):
            while not list(folder.glob(".softmax-*.part")) and time.monotonic() < deadline:
                time.sleep(0.05)
            assert list(folder.glob(".softmax-*.part"))
        else:
            assert process.stdout.read(10)
        time.sleep(0.6)  # until it waits for more
        process.send_signal(number)
        code = process.wait(timeout=30)  # stdin is still open
        return code if code >= 0 else 128 - code, process.stderr.read()  # as a shell says it


SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]


READING = [
    ["-", "-o", "out.csv"],
    ["-", "-o", "out.parquet"],
    ["-", "-o", "out.npz"],
    ["apply", "-", "-o", "out.csv"],
    ["-", "-f", "csv"],
]


# The superuser may write everywhere: without CAP_DAC_OVERRIDE (1) it is like everybody else.
ORDINARY = (
    "import ctypes, os, sys\n"
    "os.geteuid() == 0 and ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)\n"
    "os.execv(sys.argv[1], sys.argv[1:])"
)


NOTED = "id,a,b\n1,2,3\n"


def undecodable(folder: Path, suffix: str) -> Path:
    """A name that isn't UTF-8, as Python shows it."""
    return folder / os.fsdecode(b"caf\xe9" + suffix.encode())


def write_logits(path: Path) -> Path:
    rows = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    frame = pl.DataFrame(rows, schema=["a", "b", "c"], orient="row")
    with path.open("wb") as file:
        match path.suffix:
            case ".npy":
                np.save(file, rows)
            case ".npz":
                np.savez(file, logits=rows)
            case ".parquet":
                frame.write_parquet(file)
            case ".arrow":
                frame.write_ipc(file)
            case ".jsonl":
                file.writelines(json.dumps(row).encode() + b"\n" for row in rows.tolist())
            case _:
                frame.write_csv(file)
    return path


TELLING = (".csv", ".npy", ".npz", ".parquet", ".arrow", ".jsonl")


IN_PIPE: Mapping[str, tuple[dict[str, str], list[str], bool]] = {
    "nothing": ({}, [], False),
    "always": ({}, ["--color", "always"], True),
    "never against the environment": ({"FORCE_COLOR": "1"}, ["--color", "never"], False),
    "forced": ({"FORCE_COLOR": "1"}, [], True),
    "forced and refused": ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, [], False),
    "always against the environment": ({"NO_COLOR": "1", "TERM": "dumb"}, ["--color", "always"], True),
    "an empty NO_COLOR says nothing": ({"FORCE_COLOR": "1", "NO_COLOR": ""}, [], True),
}


NAMES = ["a label that is much longer than any terminal is wide " * 5, "日本語のとても長い名前" * 9, "🐈" * 60, "x", ""]


def assert_fits(lines: Sequence[str], width: int) -> None:
    for line in lines:
        assert cell_len(line) <= width, line


def ranked_of(
    logits: Any, names: Sequence[str] | None, ids: Sequence[str] | None, options: Mapping[str, Any]
) -> Ranked:
    batch = LogitBatch("a/source.npy", np.asarray(logits, float), np.arange(len(logits)), ids)
    return rank_batch(batch, names, **options)


class Memory:
    """A target of the table that keeps its text."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> int:
        self.data += data
        return len(data)

    def flush(self) -> None:
        pass


def table_lines(ranked: Ranked, screen: Screen, layout: str = "long", several: bool = False) -> list[str]:
    memory = Memory()
    sink = TableSink(memory, SinkOptions(layout, several), screen)  # type: ignore[arg-type]
    sink.write(ranked)
    sink.close()
    return memory.data.decode().splitlines()


texts = st.text(st.sampled_from("abc日本🐈é\u0301\t\x1b\u200d️"), max_size=60)


@dataclass
class Running:
    """A command that reads a slow pipe; what it writes to stderr is read all the while."""

    process: subprocess.Popen[bytes]
    stderr: int
    text: bytes = b""

    def feed(self, rows: int) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"1.000000,2.000000,3.000000\n" * rows)

    def listen(self, seconds: float) -> None:
        if select.select([self.stderr], [], [], seconds)[0]:
            with suppress(OSError):  # EIO: the other end was closed
                self.text += os.read(self.stderr, 1 << 16)


@contextmanager
def running(arguments: Sequence[str], on_a_terminal: bool) -> Iterator[Running]:
    with terminal(100, 24) as (master, slave):
        given = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "bufsize": 0, "env": environment(TERM="xterm")}
        stderr = slave if on_a_terminal else subprocess.PIPE
        with subprocess.Popen([*SOFTMAX, "-", "-f", "csv", *arguments], stderr=stderr, **given) as process:
            os.close(slave)
            try:
                yield Running(process, master if process.stderr is None else process.stderr.fileno())
            finally:
                process.kill()


COMPLETIONS: Mapping[str, dict[str, str]] = {
    "bash": {"_SOFTMAX_COMPLETE": "complete_bash", "COMP_WORDS": "softmax ", "COMP_CWORD": "1"},
    "zsh": {"_SOFTMAX_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "softmax "},
    "fish": {
        "_SOFTMAX_COMPLETE": "complete_fish",
        "_TYPER_COMPLETE_ARGS": "softmax ",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    },
}
