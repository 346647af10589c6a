"""`softmax apply`: the activation over whole arrays and tables, in every format, against scipy."""

from __future__ import annotations

import gzip
import io
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import safetensors
import safetensors.numpy

from tests.apply.support import OTHERS, Here, applied, apply, assert_close, frame_of, noise, oracle, response, write_as
from tests.conftest import SAMPLES, Run


def test_a_bad_row_of_text(softmax_here: Here, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1,2\n3\n")
    code, _, err = softmax_here("apply", tmp_path / "x.csv", "-o", tmp_path / "y.csv")
    assert code == 1
    assert "error[ragged-row]: " in err
    assert not (tmp_path / "y.csv").exists()


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


def test_npz_from_pipe_to_pipe(softmax_quick: Run, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, logits=noise(20, 4))
    done = softmax_quick("apply", "-", "-o", "-", stdin=buffer.getvalue())
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
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(b"1,1\n", mtime=0))
    apply(softmax_here, tmp_path / "x.csv.gz", tmp_path / "y.csv")
    assert (tmp_path / "y.csv").read_text() == "0.5,0.5\n"


@pytest.mark.parametrize("suffix", [".npy", ".csv", ".parquet", ".jsonl", ".npz"])
def test_from_pipe_to_pipe_as_from_file_to_file(softmax_quick: Run, tmp_path: Path, suffix: str) -> None:
    source = SAMPLES / f"animals{suffix}"
    if suffix == ".npz":
        source = tmp_path / "x.npz"
        write_as(suffix, source, noise(4, 3))
    whole = softmax_quick("apply", source, "-o", tmp_path / f"y{suffix}")
    piped = softmax_quick("apply", "-", "-o", "-", stdin=source.read_bytes())
    assert (whole.returncode, piped.returncode, piped.stderr) == (0, 0, b"")
    assert (tmp_path / f"y{suffix}").read_bytes() == piped.stdout != b""


def test_every_combination_gives_rows_that_sum_to_one(softmax_here: Here, tmp_path: Path) -> None:
    array = noise(6, 7, 8, dtype="float16")
    for order, axis in itertools.product("CF", range(3)):
        np.save(tmp_path / "x.npy", np.asarray(array, order=order))  # type: ignore[call-overload]
        apply(softmax_here, tmp_path / "x.npy", tmp_path / "y.npy", "--axis", str(axis))
        np.testing.assert_allclose(np.load(tmp_path / "y.npy").sum(axis=axis), 1, rtol=1e-6)
