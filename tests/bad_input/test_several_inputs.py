"""Directories without inputs, files that may not be read, and bad inputs among good ones."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.bad_input.makers import CSV
from tests.bad_input.running import run


def directory_error(
    arguments: Sequence[str], monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> str:
    assert run(arguments, None, monkeypatch) == 1
    captured = capfdbinary.readouterr()
    assert captured.out == b""
    lines = captured.err.decode().splitlines()
    assert sum(line.startswith("softmax: error[") for line in lines) == 1
    return captured.err.decode()


def test_an_empty_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    text = directory_error([str(tmp_path)], monkeypatch, capfdbinary)
    assert text.startswith(f"softmax: error[no-inputs]: {tmp_path}: ")


def test_a_directory_without_inputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / "notes.txt").write_text("1,2\n")
    (tmp_path / ".hidden.csv").write_text("1,2\n")
    (tmp_path / "below").mkdir()
    text = directory_error([str(tmp_path)], monkeypatch, capfdbinary)
    assert text.startswith(f"softmax: error[no-inputs]: {tmp_path}: ")
    assert "--glob" in text
    text = directory_error([str(tmp_path), "--glob", "*.bin"], monkeypatch, capfdbinary)
    assert "'*.bin'" in text


def test_an_empty_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / "x.csv").write_bytes(CSV)
    monkeypatch.chdir(tmp_path)
    assert directory_error([""], monkeypatch, capfdbinary).startswith("softmax: error[not-found]: ")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything")
def test_an_unreadable_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(CSV)
    path.chmod(0)
    text = directory_error([str(path)], monkeypatch, capfdbinary)
    assert text.startswith(f"softmax: error[unreadable]: {path}: can't be read: permission denied")


def test_bad_among_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / "a.csv").write_bytes(CSV)
    (tmp_path / "b.csv").write_bytes(b"a,b\n1\n")
    (tmp_path / "c.csv").write_bytes(CSV)
    assert run([str(tmp_path), "-f", "jsonl", "-q"], None, monkeypatch) == 3
    captured = capfdbinary.readouterr()
    sources = [json.loads(line)["source"] for line in captured.out.splitlines()]
    assert sources == [str(tmp_path / "a.csv")] * 2 + [str(tmp_path / "c.csv")] * 2
    assert captured.err.decode().count("softmax: error[ragged-row]: ") == 1


def test_bad_inputs_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_bytes(b"a,b\n1\n")
    output = tmp_path / "out.parquet"
    assert run([str(tmp_path / "a.csv"), str(tmp_path / "b.csv"), "-o", str(output)], None, monkeypatch) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "b.csv"]
    lines = capfdbinary.readouterr().err.decode().splitlines()
    assert [line.split("]")[0] for line in lines if "error[" in line] == [
        "softmax: error[ragged-row",
        "softmax: error[ragged-row",
        "softmax: error[no-inputs",
    ]


def test_errors_as_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"a,b\n1,2\n1,x\n")
    assert run([str(path), "--errors", "json"], None, monkeypatch) == 1
    record, end = map(json.loads, capfdbinary.readouterr().err.splitlines())
    assert record.pop("message") == "column 'b': 'x' isn't a number"
    assert record.pop("hint")
    assert record == {"type": "error", "slug": "bad-value", "source": str(path), "line": 3, "column": "b"}
    assert end == {"type": "exit", "code": 1}
