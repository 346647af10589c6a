"""Bounded memory whatever the length of an input, and first results before a slow pipe's end."""

from __future__ import annotations

import csv
import io
import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import scipy.special
from numpy.typing import NDArray

from tests.conftest import SAMPLES, SOFTMAX, environment

Here = Callable[..., tuple[int, str, str]]

CLASSES = 500
SHORT, LONG = 20 << 20, 120 << 20
MARGIN = 60 << 20  # far less than the 100 MB by which the inputs differ

# Runs the rest of its arguments, a pipe from `cat FILE` before them unless FILE is empty; prints the peak in KiB.
PEAK = """
import resource, subprocess, sys
source, *command = sys.argv[1:]
before = subprocess.Popen(["cat", source], stdout=subprocess.PIPE) if source else None
stdin = before.stdout if before else subprocess.DEVNULL
done = subprocess.run(command, stdin=stdin, stdout=subprocess.DEVNULL)
if before:
    before.stdout.close()
    before.wait()
assert done.returncode == 0, done.returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def peak(arguments: Sequence[str | Path], piped: Path | None = None) -> int:
    """The most memory in bytes that the command held."""
    command = [sys.executable, "-c", PEAK, str(piped or ""), *SOFTMAX, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, env=environment(), timeout=100)
    assert done.returncode == 0, done.stderr.decode()
    return int(done.stdout) * (1 if sys.platform == "darwin" else 1024)


def values(rows: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(rows, CLASSES)).astype(np.float32)


def write_npy(path: Path, size: int) -> None:
    block = values(1000)
    rows = size // (CLASSES * 4)
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (rows, CLASSES)}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, rows, 1000):
            file.write(block[: rows - start].tobytes())


def write_lines(path: Path, size: int, line: Callable[[list[float]], str]) -> None:
    block = "".join(line(row) for row in values(200).round(3).tolist()).encode()
    with path.open("wb") as file:
        for _ in range(size // len(block)):
            file.write(block)


def csv_line(row: list[float]) -> str:
    return ",".join(f"{number:.3f}" for number in row) + "\n"


def json_line(row: list[float]) -> str:
    return json.dumps({"id": "a", "logits": [round(number, 3) for number in row]}) + "\n"


def write_parquet(path: Path, size: int) -> None:
    block = values(2000)
    table = pa.table({"logits": pa.FixedSizeListArray.from_arrays(pa.array(block.reshape(-1)), CLASSES)})
    with pa.parquet.ParquetWriter(path, table.schema, compression="none", use_dictionary=False) as writer:
        for _ in range(max(1, size // block.nbytes)):
            writer.write_table(table)


WRITE: dict[str, Callable[[Path, int], None]] = {
    "npy": write_npy,
    "csv": lambda path, size: write_lines(path, size, csv_line),
    "jsonl": lambda path, size: write_lines(path, size, json_line),
    "parquet": write_parquet,
}


@contextmanager
def inputs_of(folder: Path, name: str, least: int = SHORT, most: int = LONG) -> Iterator[tuple[Path, Path]]:
    """A short and a long input, removed at the end: together they are large."""
    short, long = folder / f"short.{name}", folder / f"long.{name}"
    try:
        WRITE[name](short, least)
        WRITE[name](long, most)
        assert long.stat().st_size - short.stat().st_size > 80 << 20
        yield short, long
    finally:
        short.unlink(missing_ok=True)
        long.unlink(missing_ok=True)


@pytest.mark.parametrize("name", WRITE)
@pytest.mark.parametrize("piped", [False, True], ids=["file", "pipe"])
def test_memory_does_not_grow_with_the_input(tmp_path: Path, name: str, piped: bool) -> None:
    if name == "parquet" and piped:
        pytest.skip("what a Parquet file holds is told at its end: a pipe is kept whole")
    options = ["-k", "1", "-f", "csv", "-j", "2", "-q"]
    with inputs_of(tmp_path, name) as (short, long):
        if piped:
            least, most = (peak(["-", *options], path) for path in (short, long))
        else:
            least, most = (peak([path, *options]) for path in (short, long))
    assert most - least < MARGIN


MARGIN_OF_APPLY = 85 << 20  # text of many columns is large while it is made
APPLIED = {
    "npy": (SHORT, LONG),
    "csv": (60 << 20, 160 << 20),  # from where as much is under way as there may be
    "parquet": (SHORT, LONG),
}


@pytest.mark.parametrize(
    "name",
    [
        "npy",
        "csv",
        "parquet",
    ],
)
def test_memory_of_apply_does_not_grow(tmp_path: Path, name: str) -> None:
    with inputs_of(tmp_path, name, *APPLIED[name]) as (short, long):
        least, most = (peak(["apply", path, "-o", tmp_path / f"out.{name}", "-j", "1"]) for path in (short, long))
    (tmp_path / f"out.{name}").unlink()
    assert most - least < MARGIN_OF_APPLY


# Slow pipes


@contextmanager
def slow(arguments: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    command = [*SOFTMAX, *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, cwd=SAMPLES, env=environment()
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def first_rows(process: subprocess.Popen[bytes], data: bytes, enough: Callable[[bytes], bool]) -> bytes:
    """What comes out for `data` while the pipe in stays open."""
    assert process.stdin is not None
    assert process.stdout is not None
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write_all, process.stdin.fileno(), data)
        result = b""
        while not enough(result) and select.select([process.stdout], [], [], 30)[0]:
            part = os.read(process.stdout.fileno(), 1 << 16)
            if not part:
                break
            result += part
        if not enough(result):
            process.kill()
        writing.result()
    return result


def write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(handle, view) :]
        except BrokenPipeError:
            return


def npy_bytes(rows: int) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values(rows))
    return buffer.getvalue()


SLOW = {
    "csv": (b"cat,dog,eel\n" + b"1.5,2.5,3.5\n" * 3, b"9.5,0,0\n", 3),
    "csv of ids": (b"id,cat,dog\n" + b"a,1.5,2.5\n" * 2, b"b,9.5,0\n", 2),
    "jsonl": (b"[1.5, 2.5, 3.5]\n" * 3, b"[9.5, 0, 0]\n", 3),
    "jsonl of objects": (b'{"id": "a", "logits": [1.5, 2.5, 3.5]}\n' * 3, b'{"id": "b", "logits": [9.5, 0, 0]}\n', 3),
}


@pytest.mark.parametrize("name", SLOW)
def test_first_results_of_slow_text(name: str) -> None:
    first, second, count = SLOW[name]
    with slow(["-", "-f", "csv", "-k", "1"]) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        result = first_rows(process, first, lambda data: data.count(b"\n") > count)
        assert result.count(b"\n") == count + 1
        assert result.startswith(b"source,row,")
        result = first_rows(process, second, lambda data: data.endswith(b"\n"))  # and each row as it comes
        assert b",9.5," in result
        assert result.startswith(f"-,{count},".encode())
        process.stdin.close()
        assert process.stdout.read() == b""
        assert process.wait(timeout=30) == 0


def test_first_results_of_a_slow_array() -> None:
    """Batches have a size: the results of the first come before the second is there."""
    whole = npy_bytes(10_000)  # 20 MB
    with slow(["-", "-f", "csv", "-k", "1"]) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        result = first_rows(process, whole[: len(whole) // 2], lambda data: data.count(b"\n") > 1000)
        assert result.count(b"\n") > 1000
        rest = first_rows(process, whole[len(whole) // 2 :], lambda data: b"-,9999," in data)
        rows = [int(row["row"]) for row in csv.DictReader(io.StringIO((result + rest).decode()))]
        assert rows == list(range(10_000))


def test_first_results_of_a_model_on_a_slow_pipe() -> None:
    image = ",".join(["0.5"] * 64).encode() + b"\n"
    with slow(["run", "digits/digits.onnx", "-", "-q", "-f", "csv", "-k", "1"]) as process:
        result = first_rows(process, image * 64, lambda data: data.count(b"\n") > 64)
        assert result.count(b"\n") == 65


def test_first_results_of_apply_on_a_slow_pipe() -> None:
    with slow(["apply", "-", "-o", "-"]) as process:
        result = first_rows(process, b"1.0000,1.0000\n" * 3, lambda data: data.count(b"\n") == 3)
        assert result == b"0.5,0.5\n" * 3


# The other axis


def ranked(out: str) -> NDArray[Any]:
    """Probabilities as (rows, classes), from all classes as CSV."""
    rows = list(csv.DictReader(io.StringIO(out)))
    shape = (1 + max(int(row["row"]) for row in rows), 1 + max(int(row["index"]) for row in rows))
    result = np.full(shape, np.nan)
    for row in rows:
        result[int(row["row"]), int(row["index"])] = float(row["probability"])
    return result


@pytest.mark.parametrize("axis", ["0", "-2"])
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "npy"])
def test_the_first_axis(softmax_here: Here, tmp_path: Path, suffix: str, axis: str) -> None:
    logits = np.random.default_rng(8).normal(size=(700, 3)).round(4) * 5
    path = tmp_path / f"x.{suffix}"
    match suffix:
        case "csv":
            path.write_text("".join(",".join(map(str, row)) + "\n" for row in logits.tolist()))
        case "jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in logits.tolist()))
        case _:
            np.save(path, logits)
    code, out, _ = softmax_here(path, "--axis", axis, "-k", "0", "-f", "csv")
    assert code == 0
    np.testing.assert_allclose(ranked(out), scipy.special.softmax(logits, axis=0).T, rtol=1e-13)


def test_the_first_axis_of_a_table_swaps_ids_and_names(softmax_here: Here, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("name,monday,tuesday\ncat,1,5\ndog,3,2\neel,2,4\n")
    code, out, _ = softmax_here(tmp_path / "x.csv", "--axis", "0", "-k", "2", "-f", "jsonl")
    assert code == 0
    rows = [json.loads(line) for line in out.splitlines()]
    assert [(row["id"], [item["label"] for item in row["predictions"]]) for row in rows] == [
        ("monday", ["dog", "eel"]),
        ("tuesday", ["cat", "eel"]),
    ]
    assert [item["probability"] for item in rows[0]["predictions"]] == pytest.approx(
        scipy.special.softmax([1.0, 3.0, 2.0])[[1, 2]].tolist()
    )


def test_the_first_axis_from_a_pipe() -> None:
    text = b"1,2\n3,4\n5,9\n"
    command = [*SOFTMAX, "-", "--axis", "0", "-k", "0", "-f", "csv"]
    done = subprocess.run(command, input=text, capture_output=True, env=environment(), timeout=60, check=True)
    expected = scipy.special.softmax([[1.0, 2.0], [3.0, 4.0], [5.0, 9.0]], axis=0).T
    np.testing.assert_allclose(ranked(done.stdout.decode()), expected, rtol=1e-14)
