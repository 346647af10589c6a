"""`softmax inspect`: what files and models hold, and what would be done with them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime.datasets
import polars as pl
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from softmax_cli.inspection import inspect_file
from softmax_cli.sources.base import ReadOptions
from tests.conftest import SAMPLES, Run

Here = Callable[..., tuple[int, str, str]]
Report = dict[str, Any]

ROWS = np.array([[0.5, -1.25, 3.0], [2.0, np.nan, 1.0], [np.inf, 0.0, -np.inf], [-7.5, 0.25, 0.75]])
VALUES = {"minimum": -7.5, "maximum": 3.0, "NaN": 1, "+inf": 1, "-inf": 1}


def report(softmax_here: Here, *arguments: str | Path) -> Report:
    """The report as JSON, after one as text whose words are the same keys."""
    code, text, err = softmax_here("inspect", *arguments)
    assert (code, err) == (0, "")
    code, out, err = softmax_here("inspect", *arguments, "-f", "json")
    assert (code, err) == (0, "")

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    result: Report = json.loads(out, parse_constant=refuse)
    width = max(map(len, result))
    titles = [line[:width].strip() for line in text.splitlines()]
    assert [title for title in titles if title] == [key for key, value in result.items() if value not in ("", {}, [])]
    return result


def names_and_roles(found: Report) -> list[tuple[str, str]]:
    return [(column["name"], column["role"]) for column in found["columns"]]


def frame() -> pl.DataFrame:
    columns: dict[str, Any] = {"name": ["a", "b", "c", "d"]}
    columns |= {label: ROWS[:, place] for place, label in enumerate(("cat", "dog", "eel"))}
    return pl.DataFrame({**columns, "target": [0, 1, 2, 0]})


ROLES = [("name", "id"), ("cat", "class"), ("dog", "class"), ("eel", "class"), ("target", "target")]


# Each kind of input


def write_inputs(folder: Path) -> None:
    np.save(folder / "x.npy", ROWS)
    np.savez(folder / "x.npz", logits=ROWS, other=np.zeros((2, 2)))
    safetensors.numpy.save_file({"logits": ROWS}, folder / "x.safetensors")
    frame().write_csv(folder / "x.csv")
    frame().write_csv(folder / "x.tsv", separator="\t")
    frame().write_parquet(folder / "x.parquet")
    frame().write_ipc(folder / "x.arrow")
    (folder / "x.jsonl").write_text("".join(json.dumps({"id": "a", "logits": row}) + "\n" for row in ROWS.tolist()))
    (folder / "x.json").write_text(json.dumps(ROWS.tolist()))
    (folder / "x.csv.gz").write_bytes(gzip.compress((folder / "x.csv").read_bytes(), mtime=0))


FORMATS: Mapping[str, Report] = {
    "x.npy": {"format": "npy", "shape": [4, 3], "dtype": "float64", "memory order": "C", "npy version": 1},
    "x.npz": {"format": "npz", "shape": [4, 3], "dtype": "float64", "array": "logits"},
    "x.safetensors": {"format": "safetensors", "shape": [4, 3], "array": "logits"},
    "x.csv": {"format": "delimited text", "delimiter": "comma", "header": True, "class names": ["cat", "dog", "eel"]},
    "x.tsv": {"format": "delimited text", "delimiter": "tab", "header": True},
    "x.parquet": {"format": "parquet", "shape": [4, 3], "dtype": "float64", "class names": ["cat", "dog", "eel"]},
    "x.arrow": {"format": "arrow", "shape": [4, 3], "dtype": "float64"},
    "x.jsonl": {"format": "jsonl", "field": "logits", "id": "id"},
    "x.json": {"format": "json", "shape": [4, 3]},
    "x.csv.gz": {"format": "delimited text"},
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format(softmax_here: Here, tmp_path: Path, name: str) -> None:
    write_inputs(tmp_path)
    found = report(softmax_here, tmp_path / name)
    expected = FORMATS[name]
    assert {key: found.get(key) for key in expected} == expected
    assert found["source"] == str(tmp_path / name)
    assert (found["rows"], found["classes"]) == (4, 3)
    assert found["values"] == VALUES
    assert found["rows like probabilities"] == 0
    assert found["would"].startswith("rank 4 rows of 3 classes by softmax; but rows with NaN or +inf are errors")
    if name.startswith(("x.csv", "x.tsv", "x.parquet", "x.arrow")):
        assert names_and_roles(found) == ROLES


@pytest.mark.parametrize("name", ["x.npy", "x.csv", "x.parquet", "x.jsonl", "x.safetensors"])
def test_stdin(softmax_quick: Run, tmp_path: Path, name: str) -> None:
    write_inputs(tmp_path)
    done = softmax_quick("inspect", "-", "-f", "json", stdin=(tmp_path / name).read_bytes())
    assert (done.returncode, done.stderr) == (0, b"")
    found = json.loads(done.stdout)
    assert (found["source"], found["rows"], found["classes"]) == ("-", 4, 3)
    assert found["values"] == VALUES


def test_several_arrays_are_listed(softmax_here: Here, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", logits=ROWS.astype(np.float32), other=np.zeros((2, 2)))
    found = report(softmax_here, tmp_path / "x.npz")
    assert found["array"] == "logits"
    assert "other" in json.dumps(found["arrays"])
    assert found["dtype"] == "float32"
    assert report(softmax_here, tmp_path / "x.npz", "--array", "other")["shape"] == [2, 2]


@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f8", "i1", "u2", ">i8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays(softmax_here: Here, tmp_path: Path, dtype: str, order: str) -> None:
    array = np.asarray(np.arange(24).reshape(2, 3, 4), dtype, order=order)  # type: ignore[call-overload]
    np.save(tmp_path / "x.npy", array)
    found = report(softmax_here, tmp_path / "x.npy", "--axis", "1")
    assert found["shape"] == [2, 3, 4]
    assert found["dtype"] == np.dtype(dtype).newbyteorder("=").name
    assert found["memory order"] == ("C" if order == "C" else "Fortran")
    assert found["byte order"] == ("big" if dtype[0] == ">" else "little")
    assert (found["rows"], found["classes"]) == (8, 3)
    assert (found["values"]["minimum"], found["values"]["maximum"]) == (0, 23)


def test_large_array_is_read_to_its_end(softmax_here: Here, tmp_path: Path) -> None:
    array = np.zeros((300_000, 8))
    array[299_999] = [1, 2, np.nan, np.inf, -np.inf, -3, np.nan, 0]
    np.save(tmp_path / "x.npy", array)
    found = report(softmax_here, tmp_path / "x.npy")
    assert found["values"] == {"minimum": -3, "maximum": 2, "NaN": 2, "+inf": 1, "-inf": 1}


def test_no_finite_values(softmax_here: Here, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.full((2, 2), np.nan))
    assert report(softmax_here, tmp_path / "x.npy")["values"] == {
        "minimum": None, "maximum": None, "NaN": 4, "+inf": 0, "-inf": 0,
    }  # fmt: skip


def test_no_rows(softmax_here: Here, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.empty((0, 3)))
    found = report(softmax_here, tmp_path / "x.npy")
    assert (found["rows"], found["classes"]) == (0, 3)
    assert found["values"]["minimum"] is None
    assert found["would"] == "rank 0 rows of 3 classes by softmax"


def test_many_classes_are_cut_in_text_alone(softmax_here: Here, tmp_path: Path) -> None:
    names = [f"class {place}" for place in range(300)]
    pl.DataFrame({name: [1.0] for name in names}).write_parquet(tmp_path / "x.parquet")
    found = report(softmax_here, tmp_path / "x.parquet")
    assert found["class names"] == names
    assert names_and_roles(found) == [(name, "class") for name in names]
    _, text, _ = softmax_here("inspect", tmp_path / "x.parquet")
    assert len(text.splitlines()) < 80
    assert "more" in text


# What would be done


SHARES = np.array([[0.25, 0.75], [1.0, 0.0], [0.5, 0.5]])


@pytest.mark.parametrize(
    ("rows", "count"),
    [
        (SHARES, 3),
        (SHARES.astype(np.float32), 3),
        (SHARES * 1.0005, 2),
        (SHARES * 1.01, 0),
        (np.array([[0.5, 0.5], [0.5, 0.4], [1.5, -0.5]]), 1),
        (np.array([[np.nan, 1.0], [0.5, 0.5]]), 1),
    ],
    ids=["all", "float32", "two just so", "scaled", "one", "one beside NaN"],
)
def test_rows_like_probabilities(softmax_here: Here, tmp_path: Path, rows: Any, count: int) -> None:
    np.save(tmp_path / "x.npy", rows)
    found = report(softmax_here, tmp_path / "x.npy")
    assert found["rows like probabilities"] == count
    assert ("look like probabilities already: --activation none" in found["would"]) == (count == len(rows))


def test_one_class_is_no_probability(softmax_here: Here, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((3, 1)))
    assert report(softmax_here, tmp_path / "x.npy")["would"] == "rank 3 rows of 1 classes by softmax"


def test_notes_are_part_of_the_report(softmax_here: Here, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("index,a,b\n1,2,3\n")
    found = report(softmax_here, tmp_path / "x.csv")
    assert names_and_roles(found) == [("index", "id"), ("a", "class"), ("b", "class")]
    assert len(found["notes"]) == 1
    assert "'index'" in found["notes"][0]


@pytest.mark.parametrize(
    ("arguments", "roles"),
    [
        (["--columns", "[ab]"], ["unused", "class", "class", "unused"]),
        (["--id-column", "n", "--columns", "[ab]"], ["id", "class", "class", "unused"]),
        (["--target-column", "c"], ["class", "class", "class", "target"]),
        (["--no-header", "--input-format", "text"], None),
    ],
)
def test_what_options_do(softmax_here: Here, tmp_path: Path, arguments: list[str], roles: list[str] | None) -> None:
    (tmp_path / "x.csv").write_text("n,a,b,c\n1.5,2,3,4\n")
    if roles is None:
        code, _, err = softmax_here("inspect", tmp_path / "x.csv", *arguments)
        assert code == 1
        assert "error[bad-value]: " in err or "error[no-classes]: " in err
        return
    found = [role for _, role in names_and_roles(report(softmax_here, tmp_path / "x.csv", *arguments))]
    assert [role == "class" for role in found] == [role == "class" for role in roles]
    assert [role for role in found if role in ("id", "target")] == [role for role in roles if role in ("id", "target")]


# Models


def test_the_models_of_the_digits(softmax_here: Here) -> None:
    for name, output, activation in (
        ("digits.onnx", "logits", "softmax"),
        ("digits_probabilities.onnx", "probabilities", "none"),
    ):
        found = report(softmax_here, SAMPLES / "digits" / name)
        assert found["format"] == "ONNX model"
        assert found["inputs"] == ["image (?×1×8×8 tensor(float))"]
        assert found["outputs"] == [f"{output} (?×10 tensor(float))"]
        assert (found["chosen output"], found["batch"], found["activation"]) == (output, "any", activation)
        assert found["opset"]["ai.onnx"] >= 13
        assert isinstance(found["IR version"], int)
        assert found["would"].startswith(f"rank '{output}'; the model ends in ")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("logreg_iris.onnx", {"chosen output": "probabilities", "batch": 3, "activation": "none"}),
        ("mul_1.onnx", {"chosen output": "Y", "activation": "decided by the first values"}),
        ("sigmoid.onnx", {"chosen output": "y", "activation": "none"}),
    ],
)
def test_other_models(softmax_here: Here, name: str, expected: Report) -> None:
    found = report(softmax_here, onnxruntime.datasets.get_example(name))
    assert {key: found[key] for key in expected} == expected


def write_model(path: Path, outputs: tuple[str, ...], inputs: tuple[str, ...] = ("x",), **meta: str) -> Path:
    def port(name: str) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 3])

    nodes = [helper.make_node("Sum", list(inputs), [name]) for name in outputs]
    graph = helper.make_graph(nodes, "graph", [port(name) for name in inputs], [port(name) for name in outputs])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9, producer_name="maker")
    helper.set_model_props(model, meta)
    onnx.save(model, path)
    return path


def test_a_model_that_would_be_refused(softmax_here: Here, tmp_path: Path) -> None:
    found = report(softmax_here, write_model(tmp_path / "x.onnx", ("a", "b")))
    assert len(found["outputs"]) == 2
    assert found["would"].startswith("refuse it: which of 2 outputs: a (?×3 tensor(float)), b (")
    found = report(softmax_here, write_model(tmp_path / "x.onnx", ("a",), ("x", "z")))
    assert found["takes"] == "tables with a column for each input"


def test_metadata(softmax_here: Here, tmp_path: Path) -> None:
    found = report(softmax_here, write_model(tmp_path / "x.onnx", ("a",), author="Ünï", labels='["a","b"]'))
    assert found["producer"] == "maker"
    assert found["metadata"] == {"author": "Ünï", "labels": '["a","b"]'}


@pytest.mark.parametrize("text", ["esc\x1b[31m\u202e", "[red]x[/red]", "a\nb", "ünï 日本 🐈", "\u2028", "x" * 5000])
def test_foreign_text_in_a_model(softmax_here: Here, tmp_path: Path, text: str) -> None:
    path = write_model(tmp_path / "x.onnx", (text,), author=text, **{text: "value"})
    found = report(softmax_here, path)
    assert found["chosen output"] == text
    assert found["metadata"]["author"] == text
    _, shown, _ = softmax_here("inspect", path)
    assert not set("\x1b\u202e\u2028\x07") & set(shown)


def test_metadata_that_is_not_utf8(softmax_here: Here, tmp_path: Path) -> None:
    path = write_model(tmp_path / "x.onnx", ("a",), author="ABCD")
    path.write_bytes(path.read_bytes().replace(b"ABCD", b"\xff\xfe\xe9\x80").replace(b"maker", b"m\xffk\xe9r"))
    code, _, _ = softmax_here("inspect", path)
    assert code in (0, 1)


@pytest.mark.parametrize(
    ("name", "data", "slug"),
    [
        ("x.onnx", b"", "bad-model"),
        ("x.onnx", b"text", "bad-model"),
        ("x.npy", b"", "empty-input"),
        ("x.npy", b"\x93NUMPY\x01\x00", "truncated"),
        ("x.pt", b"\x80\x02}q\x00.", "pickle-refused"),
        ("x.parquet", b"PAR1PAR1", "bad-columnar"),
        ("x.bin", b"\x00\x01\x02\x03" * 40, "unknown-format"),
        ("x.json", b"{", "bad-json"),
    ],
)
def test_what_cannot_be_read(softmax_here: Here, tmp_path: Path, name: str, data: bytes, slug: str) -> None:
    (tmp_path / name).write_bytes(data)
    code, out, err = softmax_here("inspect", tmp_path / name)
    assert (code, out) == (1, "")
    if slug != "unknown-format":
        assert f"error[{slug}]: {tmp_path}/{name}:" in err
    assert err.count("softmax: error[") == 1


def test_missing_files(softmax_here: Here) -> None:
    for name in ("missing.npy", "missing.onnx", "missing"):
        code, out, err = softmax_here("inspect", name)
        assert (code, out) == (1, "")
        assert f"error[not-found]: {name}: no such " in err


# Foreign text


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(texts, min_size=2, max_size=5, unique=True), ids=st.lists(texts, min_size=2, max_size=2))
def test_any_text_in_a_table(softmax_here: Here, tmp_path: Path, names: list[str], ids: list[str]) -> None:
    path = tmp_path / "x.parquet"
    columns = {name: [1.5, 2.5] for name in names}
    pl.DataFrame({"the ids": ids, **columns}).write_parquet(path)
    found = report(softmax_here, path)
    assert found["class names"] == names
    assert names_and_roles(found) == [("the ids", "id"), *((name, "class") for name in names)]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200) | texts.map(str.encode))
def test_any_bytes_are_shown_or_refused(tmp_path: Path, data: bytes) -> None:
    from softmax_cli.errors import SoftmaxError

    path = tmp_path / "x"
    path.write_bytes(data)
    try:
        found = inspect_file(str(path), ReadOptions())
    except SoftmaxError as error:
        assert error.slug != "internal"
    else:
        json.dumps(found, allow_nan=False)


def test_hostile_text_is_shown(softmax_here: Here, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("esc\x1b[31m,\u202e,[red]\n1,2,3\n")
    _, text, _ = softmax_here("inspect", tmp_path / "x.csv", "--color", "always")
    assert not set("\x1b\u202e") & set(text)
    assert r"esc\x1b[31m" in text
    assert r"\u202e" in text
    assert "[red]" in text
    found = report(softmax_here, tmp_path / "x.csv")
    assert found["class names"] == ["esc\x1b[31m", "\u202e", "[red]"]
