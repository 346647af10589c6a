"""`softmax apply`: the activation over whole arrays and tables, in every format, against scipy."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from softmax_cli.sources import base, npy
from tests.apply.support import (
    ACTIVATIONS,
    SHAPES,
    SUFFIXES,
    UNSOUND,
    Here,
    apply,
    assert_close,
    bytes_of,
    noise,
    oracle,
    read_as,
    write_as,
)
from tests.conftest import SOFTMAX, Run, environment


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
