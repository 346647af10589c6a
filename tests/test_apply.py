"""`softmax apply`: the activation over whole arrays and tables, in every format, against scipy."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import safetensors
import safetensors.numpy
import scipy.special
from numpy.typing import NDArray

from softmax_cli.sources import base, npy
from tests.conftest import SAMPLES, SOFTMAX, Run, environment

Here = Callable[..., tuple[int, str, str]]
Array = NDArray[Any]

ACTIVATIONS = ("softmax", "log-softmax", "sigmoid", "none")


def oracle(values: Array, activation: str = "softmax", axis: int = -1, temperature: float = 1.0) -> Array:
    """The same with scipy in float64."""
    scaled = values.astype(np.float64) / temperature
    match activation:
        case "softmax":
            return np.asarray(scipy.special.softmax(scaled, axis=axis))
        case "log-softmax":
            return np.asarray(scipy.special.log_softmax(scaled, axis=axis))
        case "sigmoid":
            return np.asarray(scipy.special.expit(scaled))
    return values.astype(np.float64)


def assert_close(found: Any, expected: Array) -> None:
    found = np.asarray(found)
    narrow = found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=2e-6 if narrow else 1e-13, atol=1e-6 if narrow else 1e-15)


def noise(*shape: int, seed: int = 0, dtype: str = "float64") -> Array:
    return (np.random.default_rng(seed).normal(size=shape) * 4).astype(dtype)


def apply(softmax_here: Here, source: Path, output: Path, *arguments: str | Path) -> None:
    code, out, err = softmax_here("apply", source, "-o", output, "-q", *arguments)
    assert (code, out, err) == (0, "", "")


def bytes_of(array: Array) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


# npy

SHAPES = [(7,), (5, 4), (3, 4, 5), (2, 3, 4, 5), (1, 1)]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("batch", [1 << 23, 64], ids=["whole", "pieces"])
def test_npy_over_every_axis(
    softmax_here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], order: str, batch: int
) -> None:
    monkeypatch.setattr(base, "BATCH_BYTES", batch)
    monkeypatch.setattr(npy, "BATCH_BYTES", batch)
    array = np.asarray(noise(*shape), order=order)  # type: ignore[call-overload]
    np.save(tmp_path / "x.npy", array)
    for axis in range(-len(shape), len(shape)):
        apply(softmax_here, tmp_path / "x.npy", tmp_path / "y.npy", "--axis", str(axis))
        result = np.load(tmp_path / "y.npy")
        assert (result.shape, result.dtype) == (shape, np.float64)
        assert (result.flags.c_contiguous, result.flags.f_contiguous) == (
            array.flags.c_contiguous,
            array.flags.f_contiguous,
        )
        assert_close(result, oracle(array, axis=axis))


def test_npy_of_one_class(softmax_here: Here, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", noise(4, 1, 3))
    apply(softmax_here, tmp_path / "x.npy", tmp_path / "y.npy", "--axis", "1")
    assert (np.load(tmp_path / "y.npy") == 1).all()


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    ("dtype", "result"),
    [
        ("<f2", "f4"), ("<f4", "f4"), ("<f8", "f8"), (">f4", "f4"), (">f8", "f8"),
        ("i1", "f8"), ("u1", "f8"), ("<i4", "f8"), (">i8", "f8"), ("<u8", "f8"),
    ],
)  # fmt: skip
def test_npy_of_every_type(softmax_here: Here, tmp_path: Path, dtype: str, result: str, activation: str) -> None:
    array = np.abs(noise(6, 5)).astype(dtype)
    np.save(tmp_path / "x.npy", array)
    apply(softmax_here, tmp_path / "x.npy", tmp_path / "y.npy", "--activation", activation, "-t", "1")
    found = np.load(tmp_path / "y.npy")
    assert found.dtype == np.dtype(result)
    assert_close(found, oracle(array, activation))


@pytest.mark.parametrize("activation", ACTIVATIONS[:3])
@pytest.mark.parametrize("temperature", ["0.25", "3.5"])
def test_temperature(softmax_here: Here, tmp_path: Path, activation: str, temperature: str) -> None:
    array = noise(6, 5)
    np.save(tmp_path / "x.npy", array)
    apply(softmax_here, tmp_path / "x.npy", tmp_path / "y.npy", "--activation", activation, "-t", temperature)
    assert_close(np.load(tmp_path / "y.npy"), oracle(array, activation, temperature=float(temperature)))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slabs_that_are_larger_than_a_batch(
    softmax_here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: str, axis: int
) -> None:
    """Strips of a slab are written with seeks to a file, and the same whole to a pipe."""
    monkeypatch.setattr(base, "BATCH_BYTES", 1 << 10)
    monkeypatch.setattr(npy, "BATCH_BYTES", 1 << 10)
    array = np.asarray(noise(9, 11, 130, dtype="float32"), order=order)  # type: ignore[call-overload]
    np.save(tmp_path / "x.npy", array)
    apply(softmax_here, tmp_path / "x.npy", tmp_path / "y.npy", "--axis", str(axis), "-j", "3")
    result = np.load(tmp_path / "y.npy")
    assert result.dtype == np.float32
    assert_close(result, oracle(array, axis=axis))
    os.mkfifo(tmp_path / "z.npy")
    with subprocess.Popen(["cat", tmp_path / "z.npy"], stdout=subprocess.PIPE) as reader:
        apply(softmax_here, tmp_path / "x.npy", tmp_path / "z.npy", "--axis", str(axis))
        assert reader.communicate(timeout=30)[0] == (tmp_path / "y.npy").read_bytes()


@pytest.mark.parametrize(("shape", "axis"), [((40, 30), -1), ((300, 70), 0), ((6, 5, 4), 1)])
def test_npy_from_pipe_to_pipe(softmax_process: Run, shape: tuple[int, ...], axis: int) -> None:
    array = noise(*shape)
    done = softmax_process("apply", "-", "-o", "-", "--axis", str(axis), stdin=bytes_of(array))
    assert (done.returncode, done.stderr) == (0, b"")
    result = np.load(io.BytesIO(done.stdout))
    assert result.shape == shape
    assert_close(result, oracle(array, axis=axis))


def test_large_npy_from_pipe_to_pipe() -> None:
    array = noise(3, 20, 100_000, dtype="float32")  # slabs of 8 MB
    command = [*SOFTMAX, "apply", "-", "-o", "-", "--axis", "1"]
    done = subprocess.run(command, input=bytes_of(array), capture_output=True, env=environment(), check=True)
    assert_close(np.load(io.BytesIO(done.stdout)), oracle(array, axis=1))


@pytest.mark.parametrize("shape", [(0, 3), (2, 0, 3), (3, 4, 0)], ids=str)
def test_no_rows(softmax_here: Here, tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "x.npy", np.empty(shape))
    axis = next(place for place, length in enumerate(shape) if length)
    apply(softmax_here, tmp_path / "x.npy", tmp_path / "y.npy", "--axis", str(axis))
    assert np.load(tmp_path / "y.npy").shape == shape


@pytest.mark.parametrize(
    ("shape", "axis", "slug"), [((3, 0), -1, "no-classes"), ((3, 4), 2, "axis-range"), ((), -1, "bad-shape")]
)
def test_no_class_axis(softmax_here: Here, tmp_path: Path, shape: tuple[int, ...], axis: int, slug: str) -> None:
    np.save(tmp_path / "x.npy", np.zeros(shape))
    code, _, err = softmax_here("apply", tmp_path / "x.npy", "-o", tmp_path / "y.npy", "--axis", str(axis))
    assert code == 1
    assert f"error[{slug}]: {tmp_path}/x.npy: " in err
    assert not (tmp_path / "y.npy").exists()


# The numbers


def test_log_softmax_is_not_the_log_of_softmax(softmax_here: Here, tmp_path: Path) -> None:
    for name in ("x.npy", "x.csv", "x.jsonl"):
        path = tmp_path / name
        if name == "x.npy":
            np.save(path, np.array([[0.0, -800.0]]))
        else:
            path.write_text("0,-800\n" if name == "x.csv" else "[0, -800]\n")
        code, out, _ = softmax_here("apply", path, "-o", tmp_path / f"y{path.suffix}", "--activation", "log-softmax")
        assert (code, out) == (0, "")
    assert np.load(tmp_path / "y.npy").tolist() == [[0.0, -800.0]]
    assert (tmp_path / "y.csv").read_text().strip() in ("0.0,-800.0", "-0.0,-800.0")
    assert json.loads((tmp_path / "y.jsonl").read_text()) == [0.0, -800.0]


def test_masked_classes(softmax_here: Here, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([[0.0, -np.inf, 0.0]]))
    for activation, expected in {
        "softmax": [0.5, 0.0, 0.5], "sigmoid": [0.5, 0.0, 0.5], "log-softmax": [-np.log(2), -np.inf, -np.log(2)],
    }.items():  # fmt: skip
        apply(softmax_here, tmp_path / "x.npy", tmp_path / "y.npy", "--activation", activation)
        np.testing.assert_allclose(np.load(tmp_path / "y.npy")[0], expected, rtol=1e-15)


UNSOUND = {"nan-logit": [1.0, np.nan, 2.0], "inf-logit": [1.0, np.inf, 2.0], "masked-row": [-np.inf] * 3}


def write_as(suffix: str, path: Path, rows: Array) -> None:
    frame = pl.DataFrame(rows, schema=["a", "b", "c"], orient="row")
    match suffix:
        case ".npy":
            np.save(path, rows)
        case ".npz":
            np.savez(path, logits=rows)
        case ".csv":
            frame.write_csv(path)
        case ".parquet":
            frame.write_parquet(path)
        case ".arrow":
            frame.write_ipc(path)
        case ".safetensors":
            safetensors.numpy.save_file({"logits": rows}, path)
        case ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows.tolist()))
        case ".json":
            path.write_text(json.dumps(rows.tolist()))


def read_as(suffix: str, path: Path) -> Array:
    match suffix:
        case ".npy":
            return np.asarray(np.load(path))
        case ".npz":
            with np.load(path) as arrays:
                return np.asarray(arrays["logits"])
        case ".csv":
            return pl.read_csv(path, schema_overrides=[pl.Float64] * 3).to_numpy()
        case ".parquet":
            return pl.read_parquet(path).to_numpy()
        case ".arrow":
            return pl.read_ipc(path).to_numpy()
        case ".safetensors":
            return np.asarray(safetensors.numpy.load_file(path)["logits"])
        case ".jsonl":
            return np.array([json.loads(line) for line in path.read_text().splitlines()], float)
    return np.array(json.loads(path.read_text()), float)


SUFFIXES = (".npy", ".npz", ".csv", ".parquet", ".arrow", ".safetensors", ".jsonl", ".json")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_in_every_format(softmax_here: Here, tmp_path: Path, suffix: str, activation: str) -> None:
    rows = noise(20, 3)
    write_as(suffix, tmp_path / f"x{suffix}", rows)
    apply(softmax_here, tmp_path / f"x{suffix}", tmp_path / f"y{suffix}", "--activation", activation)
    assert_close(read_as(suffix, tmp_path / f"y{suffix}"), oracle(rows, activation))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("axis", ["0", "-2"])
def test_the_first_axis_in_every_format(softmax_here: Here, tmp_path: Path, suffix: str, axis: str) -> None:
    rows = noise(20, 3)
    write_as(suffix, tmp_path / f"x{suffix}", rows)
    apply(softmax_here, tmp_path / f"x{suffix}", tmp_path / f"y{suffix}", "--axis", axis)
    assert_close(read_as(suffix, tmp_path / f"y{suffix}"), oracle(rows, axis=0))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_axis_that_is_not_there_in_every_format(softmax_here: Here, tmp_path: Path, suffix: str) -> None:
    write_as(suffix, tmp_path / f"x{suffix}", noise(4, 3))
    code, _, err = softmax_here("apply", tmp_path / f"x{suffix}", "-o", tmp_path / f"y{suffix}", "--axis", "2")
    assert code == 1
    assert "error[axis-range]: " in err
    assert not (tmp_path / f"y{suffix}").exists()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("slug", UNSOUND)
def test_rows_without_a_softmax(softmax_here: Here, tmp_path: Path, suffix: str, slug: str) -> None:
    rows = noise(6, 3)
    rows[4] = UNSOUND[slug]
    write_as(suffix, tmp_path / f"x{suffix}", rows)
    source, output = tmp_path / f"x{suffix}", tmp_path / f"y{suffix}"
    code, _, err = softmax_here("apply", source, "-o", output)
    assert code == 1
    assert f"error[{slug}]: {source}: row 4: " in err
    assert not output.exists()
    apply(softmax_here, source, output, "--nan", "propagate")
    result = read_as(suffix, output)
    assert np.isnan(result[4]).all()
    others = np.delete(np.arange(6), 4)
    assert_close(result[others], oracle(rows[others]))


def test_the_row_of_an_error_counts_over_all_other_axes(softmax_here: Here, tmp_path: Path) -> None:
    array = np.zeros((3, 4, 5))
    array[2, 1, 3] = np.nan
    np.save(tmp_path / "x.npy", array)
    for axis, row, index in ((1, 2 * 5 + 3, 1), (2, 2 * 4 + 1, 3), (0, 1 * 5 + 3, 2)):
        _, _, err = softmax_here("apply", tmp_path / "x.npy", "-o", "-", "--axis", str(axis))
        assert f"x.npy: row {row}: the logit of class {index} is NaN" in err


# Delimited text


def test_csv_keeps_everything_else(softmax_here: Here, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(
        'name,"a,1","b ""2""",target,c,comment\n'
        '"one, two",1,2,7,3,"said ""no"""\n'
        "ünï,-1.5,1e3,0,2.25,\n"
        '"line\nend",0,0,1,0, spaced \n'
    )
    apply(softmax_here, path, tmp_path / "y.csv")
    with (tmp_path / "y.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["name", "a,1", 'b "2"', "target", "c", "comment"]
    assert [row[0] for row in rows] == ["one, two", "ünï", "line\nend"]
    assert [row[5] for row in rows] == ['said "no"', "", " spaced "]
    assert [row[3] for row in rows] == ["7", "0", "1"]
    found = np.array([[row[1], row[2], row[4]] for row in rows], float)
    assert_close(found, oracle(np.array([[1, 2, 3], [-1.5, 1e3, 2.25], [0, 0, 0]])))
    assert found[1].tolist() == [0.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("1,1\n2,2\n", [], "0.5,0.5\n0.5,0.5\n"),
        ("a,b\n1,1\n", [], "a,b\n0.5,0.5\n"),
        ("1;1\n", [], "0.5;0.5\n"),
        ("1\t1\n", [], "0.5\t0.5\n"),
        ("1|1\n", ["--delimiter", "|"], "0.5|0.5\n"),
        ("x;1;1\n", [], "x;0.5;0.5\n"),
        ("id,a,b\n007,1,1\n", [], "id,a,b\n007,0.5,0.5\n"),
        ("a,b,y\n1,1,3\n", [], "a,b,y\n0.5,0.5,3\n"),
        ("a,b,y\n1,1,3\n", ["--columns", "[ab]"], "a,b,y\n0.5,0.5,3\n"),
        ("a,b\r\n1,1\r\n", [], "a,b\n0.5,0.5\n"),
        ("1,1\n3,1\n", ["--axis", "0", "-t", "1e9"], None),
        ("5\n", [], "1.0\n"),
    ],
)
def test_text(softmax_here: Here, tmp_path: Path, text: str, options: list[str], expected: str | None) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(text.encode())
    code, out, _ = softmax_here("apply", path, "-o", "-", *options)
    assert code == 0
    if expected is None:
        found = np.array([line.split(",") for line in out.split()], float)
        np.testing.assert_allclose(found, 0.5, atol=1e-8)
    else:
        assert out == expected


def test_white_space(softmax_here: Here, tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("  1   1\n2\t2\n")
    apply(softmax_here, tmp_path / "x.txt", tmp_path / "y.txt")
    assert np.loadtxt(tmp_path / "y.txt").tolist() == [[0.5, 0.5], [0.5, 0.5]]


def test_text_reads_back_to_the_same_numbers(softmax_here: Here, tmp_path: Path) -> None:
    rows = noise(200, 7, seed=9)
    pl.DataFrame(rows).write_csv(tmp_path / "x.csv", include_header=False)
    np.save(tmp_path / "x.npy", rows)
    apply(softmax_here, tmp_path / "x.csv", tmp_path / "y.csv")
    apply(softmax_here, tmp_path / "x.npy", tmp_path / "y.npy")
    found = pl.read_csv(tmp_path / "y.csv", has_header=False).to_numpy()
    assert np.array_equal(found, np.load(tmp_path / "y.npy"))


def test_a_bad_row_of_text(softmax_here: Here, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1,2\n3\n")
    code, _, err = softmax_here("apply", tmp_path / "x.csv", "-o", tmp_path / "y.csv")
    assert code == 1
    assert "error[ragged-row]: " in err
    assert not (tmp_path / "y.csv").exists()


# Tables


def frame_of(rows: Array) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "name": [f"é{place}" for place in range(len(rows))],
            "cat": rows[:, 0],
            "day": pl.Series([None] * len(rows), dtype=pl.Date),
            "dog": rows[:, 1],
            "target": np.arange(len(rows), dtype=np.int16),
            "eel": rows[:, 2],
        }
    )


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("axis", ["-1", "0"])
def test_tables_keep_everything_else(softmax_here: Here, tmp_path: Path, suffix: str, dtype: str, axis: str) -> None:
    rows = noise(50, 3, dtype=dtype)
    frame = frame_of(rows)
    source, output = tmp_path / f"x{suffix}", tmp_path / f"y{suffix}"
    frame.write_parquet(source) if suffix == ".parquet" else frame.write_ipc(source)
    apply(softmax_here, source, output, "--axis", axis)
    result = pl.read_parquet(output) if suffix == ".parquet" else pl.read_ipc(output)
    assert result.schema == frame.schema
    others = ["name", "day", "target"]
    assert result.select(others).equals(frame.select(others))
    assert_close(result.select("cat", "dog", "eel").to_numpy(), oracle(rows, axis=int(axis)))


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
@pytest.mark.parametrize("kind", [pl.List(pl.Float32), pl.List(pl.Float64), pl.Array(pl.Float64, 4)], ids=str)
def test_tables_of_lists(softmax_here: Here, tmp_path: Path, suffix: str, kind: Any) -> None:
    rows = noise(30, 4, dtype="float32")
    frame = pl.DataFrame({"id": [str(place) for place in range(30)], "logits": pl.Series(rows.tolist(), dtype=kind)})
    source, output = tmp_path / f"x{suffix}", tmp_path / f"y{suffix}"
    frame.write_parquet(source) if suffix == ".parquet" else frame.write_ipc(source)
    apply(softmax_here, source, output)
    result = pl.read_parquet(output) if suffix == ".parquet" else pl.read_ipc(output)
    assert result.schema == frame.schema
    assert result["id"].equals(frame["id"])
    assert_close(np.array(result["logits"].to_list(), dtype=np.float32), oracle(rows))


@pytest.mark.parametrize(
    "axis",
    [
        "-1",
        "0",
    ],
)
def test_a_table_without_rows(softmax_here: Here, tmp_path: Path, axis: str) -> None:
    schema = {"a": pl.Float64, "b": pl.Float64}
    pl.DataFrame(schema=schema).write_parquet(tmp_path / "x.parquet")
    code, _, err = softmax_here("apply", tmp_path / "x.parquet", "-o", tmp_path / "y.parquet", "--axis", axis)
    if axis == "0":  # a class axis of length 0
        assert code == 1
        assert "error[no-classes]: " in err
    else:
        assert code == 0
        assert pl.read_parquet(tmp_path / "y.parquet").schema == schema


def test_a_table_of_many_rows(softmax_here: Here, tmp_path: Path) -> None:
    rows = noise(300_000, 3, dtype="float32")
    frame_of(rows).write_parquet(tmp_path / "x.parquet")
    apply(softmax_here, tmp_path / "x.parquet", tmp_path / "y.parquet")
    result = pl.read_parquet(tmp_path / "y.parquet")
    assert result["name"].to_list()[::9973] == [f"é{place}" for place in range(0, 300_000, 9973)]
    assert_close(result.select("cat", "dog", "eel").to_numpy(), oracle(rows))


# Archives


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("packed", [True, False])
def test_npz_keeps_the_other_arrays(softmax_here: Here, tmp_path: Path, order: str, axis: int, packed: bool) -> None:
    array = np.asarray(noise(3, 4, 5, dtype="float32"), order=order)  # type: ignore[call-overload]
    others = {"names": np.array(["ü", "b"]), "mask": np.array([True, False]), "when": np.array(["2024-01-02"], "M8[D]")}
    (np.savez_compressed if packed else np.savez)(tmp_path / "x.npz", logits=array, **others)
    apply(softmax_here, tmp_path / "x.npz", tmp_path / "y.npz", "--axis", str(axis))
    with np.load(tmp_path / "y.npz") as result:
        assert set(result.files) == {"logits", *others}
        for name, values in others.items():
            assert result[name].dtype == values.dtype
            assert np.array_equal(result[name], values)
        assert result["logits"].dtype == np.float32
        assert result["logits"].flags.f_contiguous == (order == "F")
        assert_close(result["logits"], oracle(array, axis=axis))


def test_npz_array_by_name(softmax_here: Here, tmp_path: Path) -> None:
    arrays = {"first": noise(2, 3), "second": noise(2, 3, seed=1)}
    np.savez(tmp_path / "x.npz", **arrays)
    code, _, err = softmax_here("apply", tmp_path / "x.npz", "-o", tmp_path / "y.npz")
    assert code == 1
    assert "error[ambiguous-array]: " in err
    apply(softmax_here, tmp_path / "x.npz", tmp_path / "y.npz", "--array", "second")
    with np.load(tmp_path / "y.npz") as result:
        assert np.array_equal(result["first"], arrays["first"])
        assert_close(result["second"], oracle(arrays["second"]))


def test_npz_from_pipe_to_pipe(softmax_process: Run, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, logits=noise(20, 4))
    done = softmax_process("apply", "-", "-o", "-", stdin=buffer.getvalue())
    assert (done.returncode, done.stderr) == (0, b"")
    with np.load(io.BytesIO(done.stdout)) as result:
        assert_close(result["logits"], oracle(noise(20, 4)))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "uint8"])
def test_safetensors_keep_the_other_tensors(softmax_here: Here, tmp_path: Path, dtype: str) -> None:
    array = np.abs(noise(5, 4)).astype(dtype)
    others = {"bias": noise(3), "step": np.array(7), "mask": np.array([True, False]), "empty": np.empty((0, 2))}
    safetensors.numpy.save_file({"logits": array, **others}, tmp_path / "x.safetensors")
    apply(softmax_here, tmp_path / "x.safetensors", tmp_path / "y.safetensors", "--activation", "sigmoid")
    result = safetensors.numpy.load_file(tmp_path / "y.safetensors")
    assert set(result) == {"logits", *others}
    for name, values in others.items():
        assert (result[name].dtype, result[name].shape) == (values.dtype, values.shape)
        assert np.array_equal(result[name], values)
    assert result["logits"].dtype == (np.float32 if dtype in ("float16", "float32") else np.float64)
    assert_close(result["logits"], oracle(array, "sigmoid"))


def test_safetensors_keep_their_metadata(softmax_here: Here, tmp_path: Path) -> None:
    safetensors.numpy.save_file({"logits": noise(2, 3)}, tmp_path / "x.safetensors", {"labels": "a,b,c"})
    apply(softmax_here, tmp_path / "x.safetensors", tmp_path / "y.safetensors")
    with safetensors.safe_open(tmp_path / "y.safetensors", "numpy") as file:
        assert file.metadata() == {"labels": "a,b,c"}


# JSON


def applied(softmax_here: Here, path: Path, *arguments: str) -> Any:
    code, out, _ = softmax_here("apply", path, "-o", "-", *arguments)
    assert code == 0
    return json.loads(out) if path.suffix == ".json" else [json.loads(line) for line in out.split("\n")[:-1]]


def test_json_lines_keep_everything_else(softmax_here: Here, tmp_path: Path) -> None:
    records = [
        {"id": 2**70, "text": "ünï\n\u2028", "logits": [1, 2, 3], "deep": {"a": [None, True, 1e-300]}},
        {"logits": [0.5, 0.25, 0], "id": "b"},
    ]
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    result = applied(softmax_here, path)
    for found, record in zip(result, records, strict=True):
        assert list(found) == list(record)
        assert {**found, "logits": None} == {**record, "logits": None}
        assert_close(found["logits"], oracle(np.array(record["logits"], float)))


def test_json_lines_with_another_field(softmax_here: Here, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"mine": [0, 0], "logits": [1, 2]}\n')
    assert applied(softmax_here, path, "--array", "mine") == [{"mine": [0.5, 0.5], "logits": [1, 2]}]


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 3, 4)], ids=str)
def test_json_arrays(softmax_here: Here, tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = noise(*shape)
    path = tmp_path / "x.json"
    path.write_text(json.dumps(array.tolist()))
    for axis in range(len(shape)):
        result = np.array(applied(softmax_here, path, "--axis", str(axis)))
        assert result.shape == shape
        assert_close(result, oracle(array, axis=axis))


def test_json_objects(softmax_here: Here, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"model": "é", "logits": [[1, 2], [3, 3]], "more": {"logits": 1}}))
    result = applied(softmax_here, path)
    assert list(result) == ["model", "logits", "more"]
    assert (result["model"], result["more"]) == ("é", {"logits": 1})
    assert_close(result["logits"], oracle(np.array([[1.0, 2.0], [3.0, 3.0]])))


def response(*outputs: dict[str, Any]) -> dict[str, Any]:
    return {"model_name": "m", "model_version": "1", "id": "42", "outputs": list(outputs)}


@pytest.mark.parametrize(
    ("datatype", "result"), [("FP32", "FP32"), ("FP16", "FP32"), ("FP64", "FP64"), ("INT8", "FP64")]
)
@pytest.mark.parametrize("nested", [False, True])
def test_kserve(softmax_here: Here, tmp_path: Path, datatype: str, result: str, nested: bool) -> None:
    array = np.arange(24).reshape(2, 3, 4) % 7
    data = array.tolist() if nested else array.reshape(-1).tolist()
    other = {"name": "embedding", "datatype": "FP32", "shape": [2], "data": [1.5, 2.5]}
    logits = {"name": "logits", "datatype": datatype, "shape": [2, 3, 4], "parameters": {"k": 1}, "data": data}
    path = tmp_path / "x.json"
    path.write_text(json.dumps(response(other, logits)))
    found = applied(softmax_here, path, "--axis", "1")
    assert {**found, "outputs": None} == {**response(), "outputs": None}
    assert found["outputs"][0] == other
    output = found["outputs"][1]
    assert {key: output[key] for key in ("name", "shape", "parameters")} == {
        "name": "logits",
        "shape": [2, 3, 4],
        "parameters": {"k": 1},
    }
    assert output["datatype"] == result
    dtype = np.float32 if result == "FP32" else np.float64
    assert_close(np.array(output["data"], dtype).reshape(2, 3, 4), oracle(array, axis=1))


def test_json_holds_null_for_what_is_no_number(softmax_here: Here, tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("[1, NaN]\n[0, 0]\n")
    assert applied(softmax_here, tmp_path / "x.jsonl", "--nan", "propagate") == [[None, None], [0.5, 0.5]]


# Outputs

OTHERS = [
    ("x.npy", "y.csv"), ("x.npy", "y.npz"), ("x.csv", "y.parquet"), ("x.csv", "y.npy"), ("x.parquet", "y.arrow"),
    ("x.json", "y.jsonl"), ("x.jsonl", "y.json"), ("x.npz", "y.npy"), ("x.safetensors", "y"), ("x.csv", "y.csv.gz"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "output"), OTHERS)
def test_the_suffix_of_another_format(softmax_here: Here, tmp_path: Path, source: str, output: str) -> None:
    write_as(Path(source).suffix, tmp_path / source, noise(2, 3))
    code, out, err = softmax_here("apply", tmp_path / source, "-o", tmp_path / output)
    assert (code, out) == (2, "")
    assert "error[usage]: apply keeps the format: " in err
    assert "hint: use a suffix of ." in err
    assert [path.name for path in tmp_path.iterdir()] == [source]


def test_a_pickle_is_refused(softmax_here: Here, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{}], object), allow_pickle=True)
    (tmp_path / "x.pt").write_bytes(b"\x80\x02}q\x00.")
    for name in ("x.npy", "x.pt"):
        code, _, err = softmax_here("apply", tmp_path / name, "-o", tmp_path / "y.npy")
        assert code == 1
        assert "error[pickle-refused]: " in err


def test_compressed_input(softmax_here: Here, tmp_path: Path) -> None:
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(b"1,1\n"))
    apply(softmax_here, tmp_path / "x.csv.gz", tmp_path / "y.csv")
    assert (tmp_path / "y.csv").read_text() == "0.5,0.5\n"


@pytest.mark.parametrize("suffix", [".npy", ".csv", ".parquet", ".jsonl", ".npz"])
def test_from_pipe_to_pipe_as_from_file_to_file(softmax_process: Run, tmp_path: Path, suffix: str) -> None:
    source = SAMPLES / f"animals{suffix}"
    if suffix == ".npz":
        source = tmp_path / "x.npz"
        write_as(suffix, source, noise(4, 3))
    whole = softmax_process("apply", source, "-o", tmp_path / f"y{suffix}")
    piped = softmax_process("apply", "-", "-o", "-", stdin=source.read_bytes())
    assert (whole.returncode, piped.returncode, piped.stderr) == (0, 0, b"")
    assert (tmp_path / f"y{suffix}").read_bytes() == piped.stdout != b""


def test_every_combination_gives_rows_that_sum_to_one(softmax_here: Here, tmp_path: Path) -> None:
    array = noise(6, 7, 8, dtype="float16")
    for order, axis in itertools.product("CF", range(3)):
        np.save(tmp_path / "x.npy", np.asarray(array, order=order))  # type: ignore[call-overload]
        apply(softmax_here, tmp_path / "x.npy", tmp_path / "y.npy", "--axis", str(axis))
        np.testing.assert_allclose(np.load(tmp_path / "y.npy").sum(axis=axis), 1, rtol=1e-6)


def test_notes_of_apply(softmax_here: Here, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("index,a,b\n1,2,3\n")
    code, out, err = softmax_here("apply", path, "-o", "-")
    assert code == 0
    assert out.startswith("index,a,b\n1,")
    lines: Sequence[str] = err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"softmax: note: {path}: ")
    assert "index" in lines[0]
