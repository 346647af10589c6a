"""Byte-exact results of every output format; `python -m tests.test_golden` writes them anew."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.conftest import Run, of_the_kernel

Produce = Callable[[Path, list[str]], bytes]
GOLDEN = Path(__file__).parent / "golden"

# Ties, a huge spread, a masked class, equal rows; names that look like everything but a name.
LABELS = ["plain", 'com,ma "quote"', "[red]markup[/red]", "esc\x1b[31m\u202ebidi", "日本語 🐈", " ", "#\\|*"]
ROWS = ["first", "zweite,ß", 'th"ree', "=1+1"]
LOGITS = np.array(
    [
        [1.0, 2.0, 2.0, -np.inf, 0.5, 2.0, -1.0],
        [0.0, 690.0, 0.1, 1e-300, -5e-324, 3.0, 700.0],
        [5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0],
        [-1e308, 1e308, 0.0, 0.3, 0.1, 0.2, 1.0],
    ]
)
CASES = {
    "long.csv": ["-f", "csv"],
    "long.tsv": ["-f", "tsv"],
    "long.jsonl": ["-f", "jsonl"],
    "long.json": ["-f", "json", "-k", "2"],
    "long.md": ["-f", "markdown", "-k", "3"],
    "table.txt": ["-f", "table"],
    "table_color.txt": ["-f", "table", "--color", "always", "-k", "2"],
    "table_wide.txt": ["-f", "table", "--layout", "wide", "-k", "2"],
    "wide.csv": ["-f", "csv", "--layout", "wide", "-k", "3"],
    "wide.md": ["-f", "markdown", "--layout", "wide", "-k", "2"],
    "least.csv": ["-f", "csv", "--min-probability", "0.2"],
    "least_wide.csv": ["-f", "csv", "--layout", "wide", "-k", "2", "--min-probability", "0.4"],
    "least.jsonl": ["-f", "jsonl", "--min-probability", "0.4"],
    "least.txt": ["-f", "table", "--min-probability", "0.4"],
    "log.csv": ["-f", "csv", "--activation", "log-softmax", "-k", "0"],
    "log.txt": ["-f", "table", "--activation", "log-softmax", "-k", "2"],
    "sigmoid.csv": ["-f", "csv", "--activation", "sigmoid", "-k", "2"],
    "none.csv": ["-f", "csv", "--activation", "none", "-k", "2"],
    "temperature.csv": ["-f", "csv", "-t", "2.5", "-k", "2"],
}


def write_fixture(folder: Path) -> None:
    columns: dict[str, Any] = {"id": ROWS, **{f"c{place}": LOGITS[:, place] for place in range(LOGITS.shape[1])}}
    pl.DataFrame(columns).write_parquet(folder / "logits.parquet")
    (folder / "labels.txt").write_bytes("".join(f"{name}\n" for name in LABELS).encode())


def produce(folder: Path, arguments: list[str]) -> bytes:
    command = [sys.executable, "-m", "softmax_cli", "logits.parquet", "--labels", "labels.txt", *arguments]
    plain = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR")}
    return subprocess.run(command, capture_output=True, cwd=folder, check=True, env=plain, timeout=60).stdout


@of_the_kernel
@pytest.mark.parametrize("name", CASES)
def test_golden_file(name: str, tmp_path: Path) -> None:
    write_fixture(tmp_path)
    assert produce(tmp_path, CASES[name]) == (GOLDEN / name).read_bytes()


@pytest.fixture
def produced(softmax_quick: Run) -> Produce:
    """`produce` in this process."""

    def produce(folder: Path, arguments: list[str]) -> bytes:
        done = softmax_quick("logits.parquet", "--labels", "labels.txt", *arguments, cwd=folder)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return produce


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "npz"])
def test_binary_format_holds_what_csv_holds(suffix: str, tmp_path: Path, produced: Produce) -> None:
    """The bytes of these depend on libraries' versions; the values don't."""
    write_fixture(tmp_path)
    produced(tmp_path, ["-o", f"result.{suffix}", "-k", "3"])
    expected = pl.read_csv(produced(tmp_path, ["-f", "csv", "-k", "3"]))
    file = tmp_path / f"result.{suffix}"
    if suffix == "npz":
        with np.load(file) as arrays:
            assert arrays["index"].reshape(-1).tolist() == expected["index"].to_list()
            assert arrays["logit"].reshape(-1).tolist() == expected["logit"].to_list()
            assert arrays["probability"].reshape(-1).tolist() == expected["probability"].to_list()
            assert arrays["id"].tolist() == ROWS
            assert arrays["source"].tolist() == ["logits.parquet"] * len(ROWS)
            assert arrays["labels"].tolist() == LABELS
        return
    frame = (pl.read_parquet if suffix == "parquet" else pl.read_ipc)(file)
    assert frame.columns == expected.columns
    assert frame.rows() == expected.rows()


def test_output_file_has_the_bytes_of_stdout(tmp_path: Path, produced: Produce) -> None:
    write_fixture(tmp_path)
    for suffix in ("csv", "tsv", "json", "jsonl", "md", "txt"):
        assert produced(tmp_path, ["-o", f"out.{suffix}"]) == b""
        name = {"md": "markdown", "txt": "table"}.get(suffix, suffix)
        assert (tmp_path / f"out.{suffix}").read_bytes() == produced(tmp_path, ["-f", name])


@pytest.mark.parametrize("suffix", ["csv", "parquet", "npz", "arrow"])
def test_two_runs_write_the_same_bytes(suffix: str, tmp_path: Path, produced: Produce) -> None:
    write_fixture(tmp_path)
    for place in (1, 8):
        produced(tmp_path, ["-o", f"{place}.{suffix}", "--jobs", str(place)])
    assert (tmp_path / f"1.{suffix}").read_bytes() == (tmp_path / f"8.{suffix}").read_bytes()


def _write_all(produce: Produce) -> None:
    import tempfile

    GOLDEN.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        write_fixture(Path(folder))
        for name, arguments in CASES.items():
            (GOLDEN / name).write_bytes(produce(Path(folder), arguments))


if __name__ == "__main__":
    _write_all(produce)
