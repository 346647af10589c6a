"""The command as the shell sees it: exit codes, streams, signals, terminals, files and their names."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import stat
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
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from softmax_cli.batch import LogitBatch, Ranked
from softmax_cli.ranking import rank_batch
from softmax_cli.sinks import FORMATS
from softmax_cli.sinks.base import Screen, SinkOptions
from softmax_cli.sinks.table import TableSink
from tests.conftest import SAMPLES, SOFTMAX, Run, environment

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


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Logits whose results are some megabytes in every format: far more than a pipe holds."""
    path = tmp_path_factory.mktemp("large") / "large.npy"
    np.save(path, np.random.default_rng(7).normal(size=(30_000, 100)) * 5)
    return path


# Terminals


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


# The worked example


def test_the_worked_example(softmax_process: Run) -> None:
    done = softmax_process("--labels", LABELS, stdin=ANIMALS)
    assert done.returncode == 0
    assert done.stderr == b""
    lines = done.stdout.decode().splitlines()
    assert [line[5:].split()[1] for line in lines[1:]] == list(EXPECTED)
    assert lines[1].split()[:3] == ["0", "1", "dog"]
    assert "77.5%" in lines[1]
    assert "0.775150" in lines[1]


@pytest.mark.parametrize("name", ["csv", "tsv", "txt", "npy", "jsonl", "parquet"])
@pytest.mark.parametrize("piped", [False, True])
def test_the_worked_example_in_every_format(softmax_process: Run, name: str, piped: bool) -> None:
    path = SAMPLES / f"animals.{name}"
    given = ["-"] if piped else [path.name]
    done = softmax_process(*given, "--labels", LABELS, "-f", "json", stdin=path.read_bytes() if piped else None)
    assert done.returncode == 0
    (row,) = json.loads(done.stdout)
    assert row["source"] == given[0]
    assert row["row"] == 0
    assert {item["label"]: round(item["probability"], 6) for item in row["predictions"]} == EXPECTED
    assert [item["rank"] for item in row["predictions"]] == [1, 2, 3, 4]
    assert [item["index"] for item in row["predictions"]] == [0, 1, 3, 2]


def test_rank_goes_without_saying(softmax_process: Run) -> None:
    path = "digits/logits.csv"
    assert softmax_process(path, "-k", "2").stdout == softmax_process("rank", path, "-k", "2").stdout != b""


def test_a_file_named_like_a_command(softmax_process: Run, tmp_path: Path) -> None:
    (tmp_path / "rank").write_bytes(b"1,2\n")
    (tmp_path / "inspect").write_bytes(b"3,4\n")
    done = softmax_process("./rank", "./inspect", "-f", "csv", "-k", "1", cwd=tmp_path)
    assert [line.split(",")[0] for line in done.stdout.decode().splitlines()] == ["source", "./rank", "./inspect"]


def test_python_m_is_the_command(softmax_process: Run) -> None:
    installed = Path(sys.executable).with_name("softmax")
    done = subprocess.run([installed, "animals.csv"], capture_output=True, cwd=SAMPLES, env=environment(), check=True)
    assert done.stdout == softmax_process("animals.csv").stdout != b""


def test_a_module_in_the_working_directory_is_not_imported(tmp_path: Path) -> None:
    for name in ("numpy", "typer", "polars", "rich"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')")
    (tmp_path / "x.csv").write_bytes(b"1,2\n")
    installed = Path(sys.executable).with_name("softmax")
    done = subprocess.run([installed, "x.csv"], capture_output=True, cwd=tmp_path, env=environment(), timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")


# Nothing given


def test_no_arguments_read_a_pipe(softmax_process: Run) -> None:
    done = softmax_process(stdin=ANIMALS)
    assert done.returncode == 0
    assert b"0.775150" in done.stdout


def test_no_arguments_and_an_empty_pipe(softmax_process: Run) -> None:
    done = softmax_process(stdin=b"")
    assert (done.returncode, done.stdout) == (1, b"")
    assert_one_error(done.stderr, "empty-input")


def test_no_arguments_on_a_terminal_print_help() -> None:
    shown = on_terminal(streams=("stdin", "stdout", "stderr"))
    assert shown.code == 0
    assert "Usage" in shown.text
    for command in ("rank", "apply", "run", "inspect"):
        assert re.search(rf"^  {command}\b", "\n".join(shown.lines), re.MULTILINE)


def test_closed_stdin_that_is_asked_for() -> None:
    done = shell('"$@" <&-', "-")
    assert (done.returncode, done.stdout) == (1, b"")
    assert_one_error(done.stderr, "unreadable")


# Wrong usage

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


@pytest.mark.parametrize("name", USAGE)
def test_wrong_usage(softmax_here: Here, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments, said = USAGE[name]
    monkeypatch.chdir(SAMPLES)
    before = sorted(SAMPLES.rglob("*"))
    code, out, err = softmax_here(*arguments)
    assert (code, out) == (2, "")
    assert_one_error(err, "usage")
    assert said in err
    assert sorted(SAMPLES.rglob("*")) == before


def test_wrong_usage_of_a_process(softmax_process: Run) -> None:
    done = softmax_process("--no-such-option")
    assert (done.returncode, done.stdout) == (2, b"")
    assert_one_error(done.stderr, "usage")


# Outputs that end early

AT_LENGTH = ["csv", "jsonl", "json", "table", "markdown", "parquet", "arrow", "npz"]


@pytest.mark.parametrize("name", AT_LENGTH)
def test_a_reader_that_goes_away(name: str, large: Path) -> None:
    line = '{ "$@"; echo "code $?" >&2; } | head -c 100'
    done = shell(line, large, "-f", name, "-k", "3")
    assert done.stderr == b"code 0\n"
    assert len(done.stdout) == 100


def test_a_reader_that_takes_a_line() -> None:
    done = shell('{ "$@"; echo "code $?" >&2; } | head -1', "digits/logits.csv", "-f", "csv")
    assert done.stdout.count(b"\n") == 1
    assert done.stderr == b"code 0\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["inspect", "animals.csv"],
        ["rank", "digits/logits.csv"],
        ["apply", "digits/logits.npy", "-o", "-"],
        ["apply", "digits/logits.parquet", "-o", "-"],
        ["run", "digits/digits.onnx", "digits/inputs.npy", "-q"],
    ],
    ids=lambda arguments: arguments[0] + Path(arguments[1]).suffix,
)
def test_a_reader_that_never_was(arguments: list[str]) -> None:
    done = shell('{ sleep 0.1; "$@"; echo "code $?" >&2; } | true', *arguments)
    assert done.stderr == b"code 0\n"


@pytest.mark.parametrize("arguments", [["--help"], ["rank", "--help"], ["--version"]], ids=" ".join)
def test_help_that_nobody_reads(arguments: list[str]) -> None:
    done = shell('{ sleep 0.1; "$@"; echo "code $?" >&2; } | true', *arguments)
    assert done.stderr == b"code 0\n"


needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")


@needs_full
@pytest.mark.parametrize(
    ("name", "how"), [*((name, "stdout") for name in FORMATS), ("csv", "file"), ("parquet", "file"), ("npz", "file")]
)
def test_a_full_device(name: str, how: str) -> None:
    if how == "stdout":
        done = shell('"$@" > /dev/full', "animals.csv", "-f", name)
    else:
        done = shell('"$@"', "animals.csv", "-f", name, "-o", "/dev/full")
    assert done.returncode == 1
    assert_one_error(done.stderr, "unwritable")
    assert ("stdout" if how == "stdout" else "/dev/full").encode() in done.stderr
    assert b"no space left" in done.stderr


@needs_full
@pytest.mark.parametrize("name", ["csv", "parquet", "npz"])
def test_a_full_device_for_much_output(name: str, large: Path) -> None:
    done = shell('"$@" > /dev/full', large, "-f", name)
    assert done.returncode == 1
    assert_one_error(done.stderr, "unwritable")


@needs_full
@pytest.mark.parametrize("arguments", [["inspect", "animals.csv"], ["apply", "animals.npy", "-o", "-"]], ids=" ".join)
def test_a_full_device_for_other_commands(arguments: list[str]) -> None:
    done = shell('"$@" > /dev/full', *arguments)
    assert done.returncode == 1
    assert_one_error(done.stderr, "unwritable")


@needs_full
@pytest.mark.parametrize("arguments", [["--help"], ["--version"]], ids=" ".join)
def test_a_full_device_for_help(arguments: list[str]) -> None:
    done = shell('"$@" > /dev/full', *arguments)
    assert done.returncode == 1
    assert_one_error(done.stderr, "unwritable")


@pytest.mark.parametrize("name", ["table", "parquet"])
def test_closed_stdout(name: str) -> None:
    done = shell('"$@" >&-', "animals.csv", "-f", name)
    assert done.returncode == 1
    assert_one_error(done.stderr, "closed-output")


def test_closed_stdout_that_is_not_needed(tmp_path: Path) -> None:
    done = shell('"$@" >&-', "animals.csv", "-o", tmp_path / "x.csv")
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "x.csv").read_bytes().startswith(b"source,row,")


def test_closed_stderr() -> None:
    done = shell('"$@" 2>&-', "animals.csv", "-f", "csv")
    assert done.returncode == 0
    assert done.stdout.startswith(b"source,row,")
    assert shell('"$@" 2>&-', "missing.csv").returncode == 1


@needs_full
def test_full_stderr(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"id,a,b\n1,2,3\n")  # a note is made on the column
    done = shell('"$@" 2> /dev/full', tmp_path / "x.csv", "-f", "csv")
    assert done.returncode == 0
    assert done.stdout.count(b"\n") == 3


# Signals

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


@pytest.mark.parametrize(("number", "code"), SIGNALS, ids=["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("arguments", READING, ids=" ".join)
def test_signals(number: int, code: int, arguments: list[str], tmp_path: Path) -> None:
    older = tmp_path / arguments[-1]
    older.write_bytes(b"an older result\n")
    found, err = stopped(number, arguments, tmp_path)
    assert found == code
    assert b"Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == [older.name]
    assert older.read_bytes() == b"an older result\n"


def test_termination_says_so(tmp_path: Path) -> None:
    _, err = stopped(signal.SIGTERM, ["-", "-o", "out.csv"], tmp_path)
    assert err.decode() == "softmax: error[interrupted]: terminated; no unfinished output was left behind\n"
    assert list(tmp_path.iterdir()) == []


def test_interruption_says_so(tmp_path: Path) -> None:
    _, err = stopped(signal.SIGINT, ["-", "-o", "out.csv"], tmp_path)
    assert err.decode() == "softmax: error[interrupted]: interrupted; no unfinished output was left behind\n"


def test_a_closed_terminal_leaves_nothing_behind(tmp_path: Path) -> None:
    stopped(signal.SIGHUP, ["-", "-o", "out.csv"], tmp_path)
    assert list(tmp_path.iterdir()) == []


# Output files

# The superuser may write everywhere: without CAP_DAC_OVERRIDE (1) it is like everybody else.
ORDINARY = (
    "import ctypes, os, sys\n"
    "os.geteuid() == 0 and ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)\n"
    "os.execv(sys.argv[1], sys.argv[1:])"
)


@pytest.mark.skipif(sys.platform != "linux" and os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_read_only_directory(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    command = [sys.executable, "-c", ORDINARY, *SOFTMAX, "animals.csv", "-o", folder / "x.csv"]
    done = subprocess.run(command, capture_output=True, cwd=SAMPLES, env=environment(), timeout=60)
    assert done.returncode == 1
    assert_one_error(done.stderr, "unwritable")
    assert b"x.csv: can't be written: permission denied" in done.stderr


@pytest.mark.parametrize(
    ("name", "said"), [("missing/x.csv", "no such file or directory"), ("file/x.csv", "not a directory")]
)
def test_an_output_that_cannot_be(softmax_here: Here, tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "file").touch()
    code, _, err = softmax_here(SAMPLES / "animals.csv", "-o", tmp_path / name)
    assert code == 1
    assert_one_error(err, "unwritable")
    assert said in err


def test_an_output_that_is_a_directory(softmax_here: Here, tmp_path: Path) -> None:
    (tmp_path / "x.csv").mkdir()
    code, _, err = softmax_here(SAMPLES / "animals.csv", "-o", tmp_path / "x.csv")
    assert code == 1
    assert_one_error(err, "unwritable")
    assert "is a directory" in err
    assert "--output-dir" in err
    assert list((tmp_path / "x.csv").iterdir()) == []


@pytest.mark.parametrize("command", ["rank", "apply"])
def test_a_failure_leaves_an_older_file_alone(softmax_here: Here, tmp_path: Path, command: str) -> None:
    bad, output = tmp_path / "bad.csv", tmp_path / "out.csv"
    bad.write_text("1,2\n" * 40_000 + "1,x\n")
    output.write_text("an older result\n")
    code, _, err = softmax_here(command, bad, "-o", output)
    assert code == 1
    assert "error[bad-value]" in err
    assert output.read_text() == "an older result\n"
    assert {path.name for path in tmp_path.iterdir()} == {"bad.csv", "out.csv"}


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755])
@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_an_older_file_keeps_its_mode(softmax_here: Here, tmp_path: Path, mode: int, name: str) -> None:
    output = tmp_path / name
    output.write_text("an older result\n")
    output.chmod(mode)
    assert softmax_here(SAMPLES / "animals.csv", "-o", output)[0] == 0
    assert stat.S_IMODE(output.stat().st_mode) == mode
    assert output.read_bytes() != b"an older result\n"


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_new_file_respects_the_umask(softmax_here: Here, tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        assert softmax_here(SAMPLES / "animals.csv", "-o", tmp_path / "out.csv")[0] == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out.csv").stat().st_mode) == mode


@pytest.mark.parametrize("there", [True, False])
def test_an_output_that_is_a_link(softmax_here: Here, tmp_path: Path, there: bool) -> None:
    (tmp_path / "target").mkdir()
    real, link = tmp_path / "target" / "real.csv", tmp_path / "link.csv"
    if there:
        real.write_text("an older result\n")
    link.symlink_to(real)
    assert softmax_here(SAMPLES / "animals.csv", "-o", link)[0] == 0
    assert link.is_symlink()
    assert real.read_text().startswith("source,row,")
    assert [path.name for path in real.parent.iterdir()] == ["real.csv"]


def test_an_input_may_be_its_own_output(softmax_here: Here, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("1,2\n")
    assert softmax_here("apply", path, "-o", path)[0] == 0
    assert path.read_text() == "0.2689414213699951,0.7310585786300049\n"


def test_a_named_pipe_as_the_output(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "out.csv")
    done = shell('"$@" & cat out.csv; wait', SAMPLES / "animals.csv", "-o", "out.csv", cwd=tmp_path)
    assert done.stdout.startswith(b"source,row,")
    assert stat.S_ISFIFO((tmp_path / "out.csv").stat().st_mode)


@pytest.mark.parametrize(
    "stem",
    [
        "n" * 251,
        "😀" * 62,
    ],
    ids=["ascii", "emoji"],
)
def test_the_longest_name_of_an_output(softmax_here: Here, tmp_path: Path, stem: str) -> None:
    code, _, err = softmax_here(SAMPLES / "animals.csv", "-o", tmp_path / f"{stem}.csv")
    assert (code, err) == (0, "")
    assert [path.stem for path in tmp_path.iterdir()] == [stem]


# What is said on stderr


def test_errors_as_json(softmax_process: Run, tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text("id,a,b\n1,2,3\n")  # one with a note
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n1,x\n")
    (tmp_path / "other").touch()
    done = softmax_process(".", "--errors", "json", "-f", "csv", cwd=tmp_path)
    assert done.returncode == 3
    records = [json.loads(line) for line in done.stderr.splitlines()]
    assert [record["slug"] for record in records if record["type"] == "error"] == ["bad-value"]
    assert {key: records[0][key] for key in ("source", "line", "column")} == {
        "source": "bad.csv",
        "line": 3,
        "column": "b",
    }


@pytest.mark.parametrize(
    ("arguments", "slug", "code"),
    [
        (["--no-such-option", "--errors", "json"], "usage", 2),
        (["frobnicate", "--errors=json"], "usage", 2),
        (["animals.csv", "-t", "0", "--errors", "json"], "usage", 2),
        (["missing.csv", "--errors", "json"], "not-found", 1),
        (["apply", "missing.csv", "-o", "-", "--errors", "json"], "not-found", 1),
        (["inspect", "missing.npy", "--errors", "json"], "not-found", 1),
        (["run", "missing.onnx", "x.npy", "--errors", "json"], "not-found", 1),
        (["run", "digits/labels.txt", "x.npy", "--errors", "json"], "bad-model", 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_every_error_as_json(
    softmax_here: Here, monkeypatch: pytest.MonkeyPatch, arguments: list[str], slug: str, code: int
) -> None:
    monkeypatch.chdir(SAMPLES)
    found, out, err = softmax_here(*arguments)
    assert (found, out) == (code, "")
    record = json.loads(err)
    assert (record["type"], record["slug"]) == ("error", slug)
    assert record["message"]


@pytest.mark.parametrize("arguments", [["missing.csv"], ["animals.csv", "-t", "0"], ["inspect", "missing.csv"]])
def test_a_traceback_only_on_request(softmax_here: Here, arguments: list[str]) -> None:
    assert "Traceback" not in softmax_here(*arguments)[2]
    assert "Traceback (most recent call last)" in softmax_here(*arguments, "--debug")[2]


NOTED = "id,a,b\n1,2,3\n"


@pytest.mark.parametrize(
    ("arguments", "noted"), [([], True), (["-q"], False), (["--quiet"], False), (["--no-progress"], True)]
)
@pytest.mark.parametrize("command", ["rank", "apply"])
def test_quiet_silences_notes(
    softmax_here: Here, tmp_path: Path, command: str, arguments: list[str], noted: bool
) -> None:
    path = tmp_path / "x.csv"
    path.write_text(NOTED)
    code, out, err = softmax_here(command, path, "-o", "-", *arguments)
    assert code == 0
    assert out
    assert err.startswith(f"softmax: note: {path}: ") if noted else err == ""
    assert ("--id-column" in err) == noted


def test_quiet_silences_no_error(softmax_here: Here) -> None:
    code, _, err = softmax_here("missing.csv", "-q")
    assert code == 1
    assert_one_error(err, "not-found")


# File names


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


@pytest.mark.parametrize("suffix", TELLING)
def test_inputs_with_names_that_are_not_utf8(softmax_here: Here, tmp_path: Path, suffix: str) -> None:
    path = write_logits(undecodable(tmp_path, suffix))
    code, out, err = softmax_here(path, "-f", "csv", "-k", "1")
    assert (code, err) == (0, "")
    assert [line.split(",")[0] for line in out.splitlines()[1:]] == [f"{tmp_path}/caf\\xe9{suffix}"] * 2
    code, out, err = softmax_here("inspect", path)
    assert (code, err) == (0, "")
    assert f"caf\\xe9{suffix}" in out
    result = undecodable(tmp_path, f".result{suffix}")
    assert softmax_here("apply", path, "-o", result)[0] == 0
    assert result.stat().st_size > 0


@pytest.mark.parametrize("suffix", [row.suffixes[0] for row in FORMATS.values()])
def test_outputs_with_names_that_are_not_utf8(softmax_here: Here, tmp_path: Path, suffix: str) -> None:
    path = write_logits(tmp_path / "x.csv")
    code, _, err = softmax_here(path, "-o", undecodable(tmp_path, suffix))
    assert (code, err) == (0, "")
    assert {os.fsencode(path.name) for path in tmp_path.iterdir()} == {b"x.csv", b"caf\xe9" + suffix.encode()}


def test_everything_with_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    """The bytes come from a real command line."""
    (tmp_path / os.fsdecode(b"in\xff")).mkdir()
    write_logits(tmp_path / os.fsdecode(b"in\xff/a\xfe.npy"))
    (tmp_path / os.fsdecode(b"labels\xff.txt")).write_text("x\ny\nz\n")
    arguments = [b"in\xff", b"--labels", b"labels\xff.txt", b"--output-dir", b"out\xff", b"-f", b"jsonl"]
    done = shell('"$@"', *arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    (result,) = (tmp_path / os.fsdecode(b"out\xff")).iterdir()
    assert os.fsencode(result.name) == b"a\xfe.jsonl"
    rows = [json.loads(line) for line in result.read_bytes().splitlines()]
    assert rows[0]["source"] == r"in\xff/a\xfe.npy"
    assert rows[0]["predictions"][0]["label"] == "z"


@pytest.mark.parametrize(
    "arguments",
    [
        [b"missing\xff.csv"],
        [b"animals.csv", b"--labels", b"missing\xff.txt"],
        [b"animals.csv", b"-o", b"missing\xff/x.csv"],
        [b"run", b"missing\xff.onnx", b"animals.csv"],
        [b"inspect", b"missing\xff.csv"],
    ],
)
@pytest.mark.parametrize("style", ["text", "json"])
def test_errors_on_names_that_are_not_utf8(
    softmax_here: Here, monkeypatch: pytest.MonkeyPatch, arguments: list[bytes], style: str
) -> None:
    monkeypatch.chdir(SAMPLES)
    code, _, err = softmax_here(*map(os.fsdecode, arguments), "--errors", style)
    assert code == 1
    assert r"missing\\xff" in err if style == "json" else r"missing\xff" in err


@pytest.mark.parametrize("arguments", [["run"], ["inspect"]])
def test_a_model_with_a_name_that_is_not_utf8(softmax_here: Here, tmp_path: Path, arguments: list[str]) -> None:
    model = undecodable(tmp_path, ".onnx")
    model.write_bytes((SAMPLES / "digits" / "digits.onnx").read_bytes())
    inputs = [SAMPLES / "digits" / "inputs.npy"] if arguments == ["run"] else []
    assert softmax_here(*arguments, model, *inputs)[0] == 0


def test_a_report_on_a_name_that_is_not_utf8(softmax_here: Here, tmp_path: Path) -> None:
    code, out, _ = softmax_here("inspect", write_logits(undecodable(tmp_path, ".csv")), "-f", "json")
    assert code == 0
    json.loads(out)["source"].encode()


@pytest.mark.parametrize(
    "arguments",
    [["{name}", "animals.csv"], ["inspect", "{name}"], ["{name}.missing.csv"], ["animals.csv", "-o", "{name}/x.csv"]],
    ids=["table", "inspect", "error", "unwritable"],
)
@pytest.mark.parametrize("color", ["never", "always"])
def test_hostile_names_are_shown(softmax_here: Here, tmp_path: Path, arguments: list[str], color: str) -> None:
    path = write_logits(tmp_path / f"{HOSTILE}.csv")
    given = [text.replace("{name}", str(path)) for text in arguments]
    given = [str(SAMPLES / text) if text == "animals.csv" else text for text in given]
    _, out, err = softmax_here(*given, "--color", color)
    text = SGR.sub("", out + err) if color == "always" else out + err
    assert r"[red]esc\x1b[31m\u202enew\nline" in text
    assert "\u202e" not in text
    assert "\x1b" not in text


def test_hostile_names_in_notes_and_usage(softmax_here: Here, tmp_path: Path) -> None:
    path = tmp_path / f"{HOSTILE}.csv"
    path.write_text(NOTED)
    for arguments in ([path], [path, "-f", HOSTILE], [path, "-o", f"{HOSTILE}.bad"], [f"--{HOSTILE}"]):
        _, out, err = softmax_here(*arguments)
        assert r"\u202enew" in err
        assert not set("\x1b\u202e") & set(out + err)


def test_hostile_labels_are_shown(softmax_here: Here, tmp_path: Path) -> None:
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps([HOSTILE, "b", "\u200b", "[/bold]"]))
    for name in ("table", "markdown"):
        _, out, _ = softmax_here(SAMPLES / "animals.csv", "--labels", labels, "-f", name, "-k", "0")
        assert not set("\x1b\u202e\u200b") & set(out)
        assert r"\u202enew\nline" in out.replace("\\\\", "\\")
        assert "/bold" in out
    _, out, _ = softmax_here(SAMPLES / "animals.csv", "--labels", labels, "-f", "json")
    assert json.loads(out)[0]["predictions"][0]["label"] == HOSTILE  # data is as it is


# Colour

IN_PIPE: Mapping[str, tuple[dict[str, str], list[str], bool]] = {
    "nothing": ({}, [], False),
    "always": ({}, ["--color", "always"], True),
    "never against the environment": ({"FORCE_COLOR": "1"}, ["--color", "never"], False),
    "forced": ({"FORCE_COLOR": "1"}, [], True),
    "forced and refused": ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, [], False),
    "always against the environment": ({"NO_COLOR": "1", "TERM": "dumb"}, ["--color", "always"], True),
    "an empty NO_COLOR says nothing": ({"FORCE_COLOR": "1", "NO_COLOR": ""}, [], True),
}


@pytest.mark.parametrize("name", IN_PIPE)
def test_color_in_a_pipe(softmax_here: Here, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    env, arguments, colored = IN_PIPE[name]
    for key in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(key, raising=False)
    for key, value in env.items():
        monkeypatch.setenv(key, value)
    _, out, _ = softmax_here(SAMPLES / "animals.csv", *arguments)
    assert ("\x1b[" in out) == colored
    _, out, _ = softmax_here(SAMPLES / "animals.csv", *arguments, "-f", "csv")
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("env", "arguments", "colored"),
    [
        ({}, [], True),
        ({"NO_COLOR": "1"}, [], False),
        ({"TERM": "dumb"}, [], False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, [], True),
        ({}, ["--color", "never"], False),
    ],
    ids=["nothing", "NO_COLOR", "TERM=dumb", "FORCE_COLOR", "never"],
)
def test_color_on_a_terminal(env: dict[str, str], arguments: list[str], colored: bool) -> None:
    shown = on_terminal("animals.csv", *arguments, env=env)
    assert shown.code == 0
    assert ("\x1b[" in shown.text) == colored
    assert "0.775150" in shown.text


@pytest.mark.parametrize("color", ["never", "always"])
def test_color_of_an_error(softmax_here: Here, monkeypatch: pytest.MonkeyPatch, color: str) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    if color == "never":
        monkeypatch.setenv("FORCE_COLOR", "1")
    _, _, err = softmax_here("missing.csv", "--color", color)
    assert ("\x1b[" in err) == (color == "always")


def test_an_error_on_a_terminal_is_colored() -> None:
    shown = on_terminal("missing.csv", streams=("stdout", "stderr"))
    assert "\x1b[1;31merror[not-found]\x1b[0m: missing.csv" in shown.text
    assert "\x1b" not in on_terminal("missing.csv", streams=("stdout",)).stderr


@pytest.mark.parametrize(
    ("arguments", "colored"), [([], False), (["--color", "auto"], False), (["--color", "always"], True)]
)
def test_color_in_a_file_only_on_request(
    softmax_here: Here, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str], colored: bool
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert softmax_here(SAMPLES / "animals.csv", "-o", tmp_path / "x.txt", *arguments)[0] == 0
    assert ("\x1b" in (tmp_path / "x.txt").read_text()) == colored
    assert "0.775150" in (tmp_path / "x.txt").read_text()


# Tables on a terminal

NAMES = ["a label that is much longer than any terminal is wide " * 5, "日本語のとても長い名前" * 9, "🐈" * 60, "x", ""]


@pytest.fixture(scope="session")
def names(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("names")
    (folder / "labels.json").write_text(json.dumps(NAMES))
    logits = np.random.default_rng(3).normal(size=(40, len(NAMES))) * 8
    columns = {f"c{place}": logits[:, place] for place in range(len(NAMES))}
    ids = [f"images/of/a/very/long/path/{'長' * 30}/{place}.png" for place in range(40)]
    pl.DataFrame({"id": ids, **columns}).write_parquet(folder / "logits.parquet")
    return folder


def assert_fits(lines: Sequence[str], width: int) -> None:
    for line in lines:
        assert cell_len(line) <= width, line


@pytest.mark.parametrize("columns", [40, 60, 80, 160])
def test_a_table_fits_the_terminal(names: Path, columns: int) -> None:
    shown = on_terminal("logits.parquet", "--labels", "labels.json", columns=columns, cwd=names)
    assert (shown.code, shown.stderr) == (0, "")
    assert_fits(shown.lines, columns)
    assert max(map(cell_len, shown.lines)) > columns - 12  # and makes use of it
    assert "…" in shown.text
    assert "%" in shown.text


def test_the_width_may_be_told(names: Path) -> None:
    shown = on_terminal("logits.parquet", "--labels", "labels.json", columns=160, env={"COLUMNS": "70"}, cwd=names)
    assert 60 < max(map(cell_len, shown.lines)) <= 70


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


@given(
    width=st.integers(40, 200),
    classes=st.lists(texts, min_size=1, max_size=8),
    rows=st.integers(1, 5),
    ids=st.none() | texts,
    activation=st.sampled_from(["softmax", "log-softmax", "sigmoid", "none"]),
    spread=st.sampled_from([0.0, 1.0, 100.0, 1e300]),
    color=st.booleans(),
)
def test_a_long_table_fits_every_width(
    width: int, classes: list[str], rows: int, ids: str | None, activation: str, spread: float, color: bool
) -> None:
    logits = np.linspace(-spread, spread, rows * len(classes)).reshape(rows, -1)
    if activation == "none":
        logits = np.full_like(logits, 1 / len(classes))
    ranked = ranked_of(logits, classes, None if ids is None else [ids] * rows, {"top": 5, "activation": activation})
    screen = Screen(width=width, activation=activation, max_lines=12, color=color)
    assert_fits([SGR.sub("", line) for line in table_lines(ranked, screen)], width)


@pytest.mark.parametrize("width", [40, 60])
def test_a_wide_table_fits(width: int) -> None:
    logits = np.random.default_rng(1).normal(size=(3, 5))
    assert_fits(table_lines(ranked_of(logits, NAMES, None, {"top": 5}), Screen(width=width), "wide"), width)


@pytest.mark.parametrize("width", [80, 160])
def test_a_wide_table_fits_a_wide_terminal(width: int) -> None:
    logits = np.random.default_rng(1).normal(size=(3, 5))
    assert_fits(table_lines(ranked_of(logits, NAMES, None, {"top": 5}), Screen(width=width), "wide"), width)


@pytest.mark.parametrize(("value", "activation", "width"), [(-123456.0, "softmax", 41), (-1.0, "none", 40)])
def test_unusual_values_fit(value: float, activation: str, width: int) -> None:
    ranked = ranked_of([[value]], ["a"], None, {"top": 1, "activation": activation})
    assert_fits(table_lines(ranked, Screen(width=width, activation=activation)), width)


def test_the_name_of_a_source_fits(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_logits(tmp_path / f"{name * 90}.csv")
    assert_fits(on_terminal(".", cwd=tmp_path).lines, 80)


def test_a_row_without_classes_fits() -> None:
    ranked = ranked_of(np.zeros((1, 4)), None, None, {"top": 4, "min_probability": 0.9})
    assert_fits(table_lines(ranked, Screen(width=40)), 40)


def test_a_terminal_says_how_much_it_leaves_out() -> None:
    shown = on_terminal("digits/logits.npy", "-k", "3", lines=30)
    rows = sum(line[:3].strip().isdigit() for line in shown.lines)
    assert 5 <= rows <= 9  # of four lines each, less the first blank one
    (footer,) = (line for line in shown.lines if "not shown" in line)
    assert footer.startswith(f"… {120 - rows} more rows not shown")
    assert len(shown.lines) <= 30


def test_a_terminal_that_has_room_leaves_nothing_out() -> None:
    shown = on_terminal("digits/logits.npy", "-k", "1", lines=200)
    assert "not shown" not in shown.text
    assert len(shown.lines) == 121


def test_one_row_is_left_out() -> None:
    ranked = ranked_of(np.zeros((4, 2)), None, None, {"top": 1})
    lines = table_lines(ranked, Screen(width=80, max_lines=4))
    assert "… 1 more row not shown" in lines[-1]


def test_a_pipe_is_whole(softmax_process: Run) -> None:
    done = softmax_process("digits/logits.parquet", "-k", "1", env=[("COLUMNS", "40"), ("LINES", "10")])
    lines = done.stdout.decode().splitlines()
    assert len(lines) == 121
    assert [line.split()[0] for line in lines[1:]] == [str(row) for row in range(120)]
    assert "not shown" not in done.stdout.decode()


def test_a_pipe_cuts_nothing(softmax_process: Run, names: Path) -> None:
    done = softmax_process("logits.parquet", "--labels", "labels.json", cwd=names)
    text = done.stdout.decode()
    assert "…" not in text
    assert NAMES[0].strip() in text
    assert NAMES[2] in text
    assert f"images/of/a/very/long/path/{'長' * 30}/39.png" in text


# Progress


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


@pytest.mark.parametrize(
    ("arguments", "on_a_terminal", "expected"),
    [([], True, True), (["-q"], True, False), (["--no-progress"], True, False), ([], False, False)],
    ids=["terminal", "quiet", "no-progress", "pipe"],
)
def test_progress(arguments: list[str], on_a_terminal: bool, expected: bool) -> None:
    """A bar on a terminal for what takes longer than a second; none where stderr is a pipe, or on request."""
    with running(arguments, on_a_terminal) as command:
        command.feed(100)
        assert command.process.stdout is not None
        assert select.select([command.process.stdout], [], [], 30)[0]
        begin = time.monotonic()
        while time.monotonic() < begin + 1.6:
            command.listen(0.1)
        command.feed(1)
        command.listen(2.0 if expected else 0.3)
        assert command.process.stdin is not None
        command.process.stdin.close()
        assert command.process.stdout.read().count(b"\n") == 1 + 101 * 3
        assert command.process.wait(timeout=30) == 0
        command.listen(0.1)
        assert (b" rows" in command.text) == expected
        assert bool(command.text) == expected


# Threads


@pytest.mark.parametrize("name", ["csv", "jsonl", "parquet", "npz"])
def test_any_number_of_jobs_gives_the_same_bytes(softmax_here: Here, large: Path, tmp_path: Path, name: str) -> None:
    results = set()
    for jobs in ("1", "8"):
        output = tmp_path / f"{jobs}.{name}"
        assert softmax_here(large, "-k", "2", "-j", jobs, "-o", output)[0] == 0
        results.add(output.read_bytes())
    assert len(results) == 1


@pytest.mark.parametrize("suffix", [".csv", ".npy", ".parquet"])
def test_any_number_of_jobs_applies_to_the_same_bytes(softmax_here: Here, tmp_path: Path, suffix: str) -> None:
    logits = np.random.default_rng(5).normal(size=(30_000, 40))
    path = tmp_path / f"x{suffix}"
    match suffix:
        case ".npy":
            np.save(path, logits)
        case ".csv":
            pl.DataFrame(logits.round(3)).write_csv(path)
        case _:
            pl.DataFrame(logits).write_parquet(path)
    for jobs in ("1", "8"):
        assert softmax_here("apply", path, "-j", jobs, "-o", tmp_path / f"{jobs}{suffix}")[0] == 0
    assert (tmp_path / f"1{suffix}").read_bytes() == (tmp_path / f"8{suffix}").read_bytes()


# Completion

COMPLETIONS: Mapping[str, dict[str, str]] = {
    "bash": {"_SOFTMAX_COMPLETE": "complete_bash", "COMP_WORDS": "softmax ", "COMP_CWORD": "1"},
    "zsh": {"_SOFTMAX_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "softmax "},
    "fish": {
        "_SOFTMAX_COMPLETE": "complete_fish",
        "_TYPER_COMPLETE_ARGS": "softmax ",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    },
}


@pytest.mark.parametrize("name", COMPLETIONS)
def test_completion_offers_commands(softmax_process: Run, name: str) -> None:
    done = softmax_process(env=list(COMPLETIONS[name].items()))
    assert done.returncode == 0
    for command in ("rank", "apply", "run", "inspect"):
        assert re.search(rf"\b{command}\b", done.stdout.decode())


def test_completion_offers_options(softmax_process: Run) -> None:
    env = {"_SOFTMAX_COMPLETE": "complete_bash", "COMP_WORDS": "softmax rank --min", "COMP_CWORD": "2"}
    assert softmax_process(env=list(env.items())).stdout.split() == [b"--min-probability"]
