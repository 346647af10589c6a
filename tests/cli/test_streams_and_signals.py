"""The command as the shell sees it: exit codes, streams, signals, terminals, files and their names."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from softmax_cli.sinks import FORMATS
from tests.cli.support import (
    ANIMALS,
    AT_LENGTH,
    EXPECTED,
    LABELS,
    READING,
    SIGNALS,
    USAGE,
    Here,
    assert_one_error,
    needs_full,
    on_terminal,
    shell,
    stopped,
)
from tests.conftest import SAMPLES, Run, environment


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
