"""`softmax run`: ONNX models of every shape as a source of logits."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime.datasets
import polars as pl
import pytest
import scipy.special
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from softmax_cli.model import inputs
from tests.conftest import SAMPLES, Run

Here = Callable[..., tuple[int, str, str]]
Array = NDArray[Any]
Shape = Sequence[int | str | None]
Make = Callable[..., Path]

DIGITS = SAMPLES / "digits"
PIXELS = DIGITS / "inputs.npy"
NAMES = {"float": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "double": TensorProto.DOUBLE}
NAMES |= {name: getattr(TensorProto, name.upper()) for name in ("int64", "int32", "uint8", "int8", "string", "bool")}


def tensor(name: str, kind: str, shape: Shape) -> Any:
    return helper.make_tensor_value_info(name, NAMES[kind], list(shape))


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write a model of some nodes from `x` to its outputs."""

    def write(
        nodes: Sequence[Any],
        given: Any,
        outputs: Sequence[Any],
        name: str = "model.onnx",
        constants: Sequence[Any] = (),
        **meta: str,
    ) -> Path:
        graph = helper.make_graph(nodes, "graph", [given] if not isinstance(given, list) else given, outputs, constants)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)], ir_version=9
        )
        helper.set_model_props(model, meta)
        path = tmp_path / name
        onnx.save(model, path)
        return path

    return write


def node(kind: str, source: str = "x", target: str = "y", **attributes: Any) -> Any:
    return helper.make_node(kind, source.split(), target.split(), **attributes)


def passing(make: Make, shape: Shape, kind: str = "float", name: str = "y") -> Path:
    """A model whose output is its input: what the command says of it is up to the values."""
    return make([node("Identity", target=name)], tensor("x", kind, shape), [tensor(name, kind, shape)])


def save(path: Path, array: Array) -> Path:
    np.save(path, array)
    return path


def rows_of(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def matrix(out: str, value: str = "probability") -> Array:
    """A (rows, classes) array of JSON lines in class order."""
    return np.array(
        [
            [item[value] for item in sorted(row["predictions"], key=lambda item: item["index"])]
            for row in map(json.loads, out.splitlines())
        ]
    )


def ran(softmax_here: Here, *arguments: str | Path, notes: int | None = None) -> str:
    code, out, err = softmax_here("run", *arguments, "-f", "jsonl", "-k", "0")
    assert code == 0, err
    assert all(line.startswith("softmax: note: ") for line in err.splitlines())
    assert notes is None or len(err.splitlines()) == notes
    return out


def refused(softmax_here: Here, slug: str, *arguments: str | Path, code: int = 1) -> str:
    found, out, err = softmax_here("run", *arguments)
    assert (found, out) == (code, "")
    errors = [line for line in err.splitlines() if "error[" in line]
    assert len(errors) == 1
    assert errors[0].startswith(f"softmax: error[{slug}]: ")
    assert all(line.startswith(("softmax: ", "  hint: ")) for line in err.splitlines())
    return err


# The digits


@pytest.fixture(scope="session")
def pixels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The images as other formats hold them: 64 numbers a row."""
    folder = tmp_path_factory.mktemp("pixels")
    images = np.load(PIXELS)
    flat = images.reshape(120, 64)
    frame = pl.DataFrame(flat, schema=[f"p{place}" for place in range(64)])
    ids = frame.with_columns(name=pl.Series([f"image {row}" for row in range(120)]))
    frame.write_csv(folder / "x.csv")
    ids.select("name", *frame.columns).write_csv(folder / "ids.csv")
    frame.write_parquet(folder / "x.parquet")
    pl.DataFrame({"pixels": pl.Series(flat, dtype=pl.Array(pl.Float32, 64)).arr.to_list()}).write_parquet(
        folder / "lists.parquet"
    )
    np.savez(folder / "x.npz", images=images)
    np.save(folder / "flat.npy", flat)
    np.save(folder / "f8.npy", images.astype(np.float64))
    np.save(folder / "f2.npy", images.astype(np.float16))
    np.save(folder / "fortran.npy", np.asfortranarray(images))
    (folder / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in flat.tolist()))
    return folder


EVERY = ["x.csv", "ids.csv", "x.parquet", "lists.parquet", "x.npz", "flat.npy", "f8.npy", "fortran.npy", "x.jsonl"]


@pytest.mark.parametrize("model", ["digits.onnx", "digits_probabilities.onnx"])
@pytest.mark.parametrize("name", [*EVERY, "inputs.npy"])
def test_the_digits(softmax_here: Here, pixels: Path, name: str, model: str) -> None:
    """The same as ranking the stored logits, whatever holds the images; probabilities aren't softmaxed twice."""
    given = PIXELS if name == "inputs.npy" else pixels / name
    out = ran(softmax_here, DIGITS / model, given)
    stored = np.load(DIGITS / "logits.npy")
    np.testing.assert_allclose(matrix(out), scipy.special.softmax(stored.astype(float), axis=1), atol=1e-5)
    if model == "digits.onnx":
        np.testing.assert_allclose(matrix(out, "logit"), stored, atol=1e-5 * np.abs(stored).max())
    rows = rows_of(out)
    assert [row["row"] for row in rows] == list(range(120))
    assert {row["source"] for row in rows} == {str(given)}
    assert [row.get("id") for row in rows] == [f"image {row}" if name == "ids.csv" else None for row in range(120)]


@pytest.mark.parametrize("name", ["npy", "csv", "parquet"])
def test_the_digits_from_stdin(softmax_process: Run, pixels: Path, name: str) -> None:
    given = PIXELS if name == "npy" else pixels / f"x.{name}"
    done = softmax_process("run", "digits.onnx", "-k", "1", "-f", "csv", stdin=given.read_bytes(), cwd=DIGITS)
    assert done.returncode == 0
    found = [int(row["index"]) for row in csv.DictReader(io.StringIO(done.stdout.decode()))]
    assert found == np.load(DIGITS / "logits.npy").argmax(axis=1).tolist()
    (note,) = done.stderr.decode().splitlines()
    assert note.startswith("softmax: note: -: the model ends in Gemm")


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("digits.onnx", "which is linear: its outputs are logits; softmax was applied (--activation overrides)"),
        ("digits_probabilities.onnx", "ends in Softmax: its outputs are probabilities already; no activation was"),
    ],
)
def test_the_decision_is_one_note(softmax_here: Here, model: str, said: str) -> None:
    _, _, err = softmax_here("run", DIGITS / model, PIXELS, PIXELS)
    assert err.startswith(f"softmax: note: {PIXELS}: the model ")
    assert said in err
    assert len(err.splitlines()) == 1
    assert softmax_here("run", DIGITS / model, PIXELS, "-q")[2] == ""
    assert softmax_here("run", DIGITS / model, PIXELS, "--activation", "softmax")[2] == ""


def test_the_activation_by_option(softmax_here: Here) -> None:
    stored = np.load(DIGITS / "logits.npy").astype(float)
    for activation, expected in {
        "none": stored,
        "sigmoid": scipy.special.expit(stored),
        "log-softmax": scipy.special.log_softmax(stored, axis=1),
        "softmax": scipy.special.softmax(stored, axis=1),
    }.items():
        out = ran(softmax_here, DIGITS / "digits.onnx", PIXELS, "--activation", activation, notes=0)
        np.testing.assert_allclose(matrix(out), expected, atol=1e-5 * max(1, np.abs(expected).max()))


def test_temperature_and_labels(softmax_here: Here) -> None:
    arguments = [DIGITS / "digits.onnx", PIXELS, "-t", "2.5", "--labels", DIGITS / "labels.txt"]
    out = ran(softmax_here, *arguments)
    stored = np.load(DIGITS / "logits.npy").astype(float)
    np.testing.assert_allclose(matrix(out), scipy.special.softmax(stored / 2.5, axis=1), atol=1e-5)
    names = (DIGITS / "labels.txt").read_text().split()
    assert all(item["label"] == names[item["index"]] for row in rows_of(out) for item in row["predictions"])


@pytest.mark.parametrize("jobs", ["1", "4"])
def test_into_every_sink(softmax_here: Here, tmp_path: Path, jobs: str) -> None:
    output = tmp_path / "x.parquet"
    assert softmax_here("run", DIGITS / "digits.onnx", PIXELS, "-k", "3", "-q", "-o", output, "-j", jobs)[0] == 0
    assert pl.read_parquet(output).columns == ["source", "row", "rank", "index", "label", "logit", "probability"]
    assert len(pl.read_parquet(output)) == 360
    assert softmax_here("run", DIGITS / "digits.onnx", PIXELS, "-q", "--output-dir", tmp_path / "out")[0] == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["inputs.csv"]


def test_a_directory_of_samples(softmax_here: Here, tmp_path: Path) -> None:
    save(tmp_path / "a.npy", np.load(PIXELS)[:2])
    save(tmp_path / "b.npy", np.zeros((2, 63), np.float32))
    save(tmp_path / "c.npy", np.load(PIXELS)[2:3])
    code, out, err = softmax_here("run", DIGITS / "digits.onnx", tmp_path, "-f", "jsonl")
    assert code == 3
    assert [Path(row["source"]).name for row in rows_of(out)] == ["a.npy", "a.npy", "c.npy"]
    assert f"error[model-input]: {tmp_path}/b.npy: 2×63 doesn't fit the model's input image (?×1×8×8" in err


# Batches


@pytest.mark.parametrize("fixed", [1, 3, 64, "batch", None])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 64, 65, 200])
def test_any_number_of_rows(
    softmax_here: Here, make: Make, tmp_path: Path, fixed: int | str | None, count: int
) -> None:
    """The model adds up its batch where it may: rows that only fill a fixed one must not be seen."""
    model = passing(make, [fixed, 5])
    logits = np.random.default_rng(count).normal(size=(count, 5)).astype(np.float32)
    out = ran(softmax_here, model, save(tmp_path / "x.npy", logits))
    assert np.array_equal(matrix(out, "logit").astype(np.float32), logits)
    assert [row["row"] for row in rows_of(out)] == list(range(count))


def test_a_fixed_batch_over_several_inputs(softmax_here: Here, make: Make, tmp_path: Path) -> None:
    model = passing(make, [3, 2])
    for name, count in (("a", 4), ("b", 1)):
        save(tmp_path / f"{name}.npy", np.full((count, 2), ord(name), np.float32))
    code, out, _ = softmax_here("run", model, tmp_path, "--glob", "?.npy", "-f", "jsonl", "-q")
    assert code == 0
    assert [(Path(row["source"]).stem, row["row"]) for row in rows_of(out)] == [
        ("a", 0), ("a", 1), ("a", 2), ("a", 3), ("b", 0),
    ]  # fmt: skip


@pytest.mark.parametrize("count", [2, 7])
def test_ids_over_batches(softmax_here: Here, make: Make, tmp_path: Path, count: int) -> None:
    model = passing(make, [3, 2])
    path = tmp_path / "x.csv"
    path.write_text("id,a,b\n" + "".join(f"row {row},{row},0\n" for row in range(count)))
    rows = rows_of(ran(softmax_here, model, path))
    assert [row["id"] for row in rows] == [f"row {row}" for row in range(count)]
    assert [max(item["logit"] for item in row["predictions"]) for row in rows] == list(range(count))


def test_no_rows(softmax_here: Here, make: Make, tmp_path: Path) -> None:
    model = passing(make, [None, 3])
    code, out, err = softmax_here("run", model, save(tmp_path / "x.npy", np.empty((0, 3), np.float32)), "-f", "csv")
    assert (code, err) == (0, "")
    assert out == "source,row,rank,index,label,logit,probability\n"


def test_rows_that_are_skipped(softmax_here: Here, make: Make, tmp_path: Path) -> None:
    model = passing(make, [2, 2])
    (tmp_path / "x.csv").write_text("1,0\n2,0,9\n3,0\n4,0\n")
    code, out, err = softmax_here("run", model, tmp_path / "x.csv", "--on-error", "skip", "-f", "jsonl")
    assert code == 3
    assert "error[ragged-row]: " in err
    assert [row["predictions"][0]["logit"] for row in rows_of(out)] == [1.0, 3.0, 4.0]


def test_the_last_batch_is_not_larger_than_the_model_can_take(
    softmax_here: Here, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "DEFAULT_BATCH", 2)
    logits = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    out = ran(softmax_here, passing(make, ["n", 4]), save(tmp_path / "x.npy", logits))
    assert np.array_equal(matrix(out, "logit").astype(np.float32), logits)


# Outputs


def two_outputs(make: Make, first: str, second: str) -> Path:
    shape = [None, 3]
    nodes = [node("Identity", target=first), node("Neg", target=second)]
    outputs = [tensor(name, "float", shape) for name in (first, second)]
    return make(nodes, tensor("x", "float", shape), outputs)


def test_ambiguous_outputs(softmax_here: Here, make: Make, tmp_path: Path) -> None:
    path = save(tmp_path / "x.npy", np.eye(3, dtype=np.float32))
    err = refused(softmax_here, "ambiguous-output", two_outputs(make, "main", "aux"), path)
    assert "main (?×3 tensor(float)), aux (?×3 tensor(float))" in err
    assert "hint: --output-name NAME chooses one" in err


@pytest.mark.parametrize(("name", "sign"), [("main", 1), ("aux", -1)])
def test_an_output_by_name(softmax_here: Here, make: Make, tmp_path: Path, name: str, sign: int) -> None:
    path = save(tmp_path / "x.npy", np.diag([1.0, 2.0, 3.0]).astype(np.float32))
    out = ran(softmax_here, two_outputs(make, "main", "aux"), path, "--output-name", name)
    assert np.array_equal(matrix(out, "logit"), sign * np.diag([1.0, 2.0, 3.0]))


def test_an_output_that_is_not_there(softmax_here: Here, make: Make, tmp_path: Path) -> None:
    path = save(tmp_path / "x.npy", np.eye(3, dtype=np.float32))
    err = refused(softmax_here, "unknown-output", two_outputs(make, "main", "aux"), path, "--output-name", "logits")
    assert "main (" in err
    assert "aux (" in err


@pytest.mark.parametrize("names", [("logits", "embedding"), ("embedding", "logits")])
def test_logits_are_preferred(softmax_here: Here, make: Make, tmp_path: Path, names: tuple[str, str]) -> None:
    path = save(tmp_path / "x.npy", np.diag([1.0, 2.0, 3.0]).astype(np.float32))
    sign = 1 if names[0] == "logits" else -1
    assert np.array_equal(
        matrix(ran(softmax_here, two_outputs(make, *names), path), "logit"), sign * np.diag([1.0, 2.0, 3.0])
    )


def test_an_output_without_scores(softmax_here: Here, make: Make, tmp_path: Path) -> None:
    model = make(
        [node("ArgMax", target="label", axis=1, keepdims=0)],
        tensor("x", "float", [None, 3]),
        [tensor("label", "int64", [None])],
    )
    path = save(tmp_path / "x.npy", np.eye(3, dtype=np.float32))
    assert "label (? tensor(int64))" in refused(softmax_here, "unsupported-model", model, path)
    err = refused(softmax_here, "unsupported-model", model, path, "--output-name", "label")
    assert "holds no scores" in err


@pytest.mark.parametrize("shape", [[3], [1, 3]], ids=["no batch axis", "one row for all"])
def test_an_output_that_is_not_a_row_each(softmax_here: Here, make: Make, tmp_path: Path, shape: list[int]) -> None:
    keep = int(len(shape) == 2)
    axes = numpy_helper.from_array(np.array([0], np.int64), "axes")
    model = make(
        [node("ReduceSum", "x axes", keepdims=keep)], tensor("x", "float", [None, 3]), [tensor("y", "float", shape)],
        constants=[axes],
    )  # fmt: skip
    err = refused(softmax_here, "unsupported-model", model, save(tmp_path / "x.npy", np.eye(3, dtype=np.float32)))
    assert "for 3 samples, expected a row each" in err


# Inputs

CASTS = [
    ("float", "float64"), ("float", "uint8"), ("float", "int64"), ("float16", "float32"),
    ("double", "float32"), ("double", "int32"), ("int64", "float32"), ("int64", "uint8"),
    ("int32", "float64"), ("uint8", "float64"), ("int8", "int64"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "dtype"), CASTS)
def test_lossless_casts(softmax_here: Here, make: Make, tmp_path: Path, kind: str, dtype: str) -> None:
    output = kind if kind in ("float", "float16", "double") else "float"
    model = make([node("Cast", to=NAMES[output])], tensor("x", kind, [None, 3]), [tensor("y", output, [None, 3])])
    values = np.array([[1, 2, 3], [20, 5, 0]], dtype)
    out = ran(softmax_here, model, save(tmp_path / "x.npy", values))
    assert np.array_equal(matrix(out, "logit"), values.astype(float))
    np.testing.assert_allclose(matrix(out), scipy.special.softmax(values.astype(float), axis=1), rtol=2e-6)


@pytest.mark.parametrize(
    ("kind", "values", "said"),
    [
        ("int64", [[1.0, 2.0], [3.0, 2.5]], "2.5 can't be a value of the model's input type int64"),
        ("uint8", [[1.0, 2.0], [3.0, 256.0]], "256 can't be a value of the model's input type uint8"),
        ("uint8", [[1.0, 2.0], [-1.0, 0.0]], "-1 can't be a value of the model's input type uint8"),
        ("int8", [[1.0, 2.0], [np.nan, 0.0]], "nan can't be a value of the model's input type int8"),
        ("float16", [[1.0, 2.0], [0.0, 70000.0]], "70000 is beyond the range of the model's input type float16"),
        ("float", [[1.0, 2.0], [1e39, 1.0]], "1e+39 is beyond the range of the model's input type float32"),
        ("bool", [[1.0, 0.0], [2.0, 1.0]], "2 can't be a value of the model's input type bool"),
    ],
)  # fmt: skip
def test_casts_that_would_change_numbers(
    softmax_here: Here, make: Make, tmp_path: Path, kind: str, values: list[list[float]], said: str
) -> None:
    model = make([node("Cast", to=TensorProto.FLOAT)], tensor("x", kind, [None, 2]), [tensor("y", "float", [None, 2])])
    path = save(tmp_path / "x.npy", np.array(values))
    err = refused(softmax_here, "model-input", model, path)
    assert f"{path}: row 1: {said}" in err


@pytest.mark.parametrize(
    ("wanted", "shape", "fits"),
    [
        ([None, 4], (2, 4), True),
        ([None, 4], (2, 2, 2), True),
        ([None, 2, 2], (3, 4), True),
        ([None, 2, 2], (3, 2, 2), True),
        ([None, None, 2], (3, 5, 2), True),
        ([None, 4], (2, 5), False),
        [None, 3, 8, 8],
            (2, 8, 8, 3),
            False,
        ([None, 3, 8, 8], (2, 8, 8, 4), False),
        ([None, 1, 2, 2], (3, 2, 2), True),
        ([None, "length"], (2, 7), True),
    ],
)
def test_shapes(
    softmax_here: Here, make: Make, tmp_path: Path, wanted: Shape, shape: tuple[int, ...], fits: bool
) -> None:
    model = make([node("Flatten", axis=1)], tensor("x", "float", wanted), [tensor("y", "float", [None, None])])
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    path = save(tmp_path / "x.npy", values)
    if fits:
        assert np.array_equal(matrix(ran(softmax_here, model, path), "logit"), values.reshape(shape[0], -1))
    else:
        err = refused(softmax_here, "model-input", model, path)
        sizes = "×".join(map(str, shape))
        assert f"{path}: {sizes} doesn't fit the model's input x (" in err


def test_a_wrong_number_of_features(softmax_here: Here, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b,c\n1,2,3\n")
    err = refused(softmax_here, "model-input", DIGITS / "digits.onnx", path)
    assert f"{path}: " in err
    assert "doesn't fit the model's input image (?×1×8×8 tensor(float))" in err


def test_several_inputs(softmax_here: Here, make: Make, tmp_path: Path) -> None:
    given = [tensor("x", "float", [None, 2]), tensor("z", "float", [None, 2])]
    model = make([node("Add", "x z")], given, [tensor("y", "float", [None, 2])])
    err = refused(softmax_here, "unsupported-model", model, save(tmp_path / "x.npy", np.eye(2)))
    assert "2 inputs, expected one: x (" in err


def test_an_input_of_text(softmax_here: Here, make: Make, tmp_path: Path) -> None:
    model = make(
        [node("Cast", to=TensorProto.FLOAT)], tensor("x", "string", [None, 2]), [tensor("y", "float", [None, 2])]
    )
    err = refused(softmax_here, "unsupported-model", model, save(tmp_path / "x.npy", np.eye(2)))
    assert "the input holds no numbers" in err


# More dimensions


@pytest.mark.parametrize("fixed", [None, 2])
def test_segmentation(softmax_here: Here, make: Make, tmp_path: Path, fixed: int | None) -> None:
    shape = [fixed, 4, 2, 3]
    model = passing(make, shape)
    logits = np.random.default_rng(4).normal(size=(5, 4, 2, 3)).astype(np.float32)
    path = save(tmp_path / "x.npy", logits)
    out = ran(softmax_here, model, path, "--axis", "1")
    rows = rows_of(out)
    assert [row["row"] for row in rows] == list(range(5 * 2 * 3))
    assert [tuple(row["position"]) for row in rows] == list(np.ndindex(5, 2, 3))
    expected = np.moveaxis(scipy.special.softmax(logits.astype(float), axis=1), 1, -1).reshape(-1, 4)
    np.testing.assert_allclose(matrix(out), expected, rtol=2e-6)
    code, same, _ = softmax_here(path, "--axis", "1", "-f", "jsonl", "-k", "0")
    assert (code, same) == (0, out)


def test_segmentation_from_a_pipe(softmax_process: Run, make: Make, tmp_path: Path) -> None:
    model = passing(make, [None, 4, 2, 3])
    path = save(tmp_path / "x.npy", np.random.default_rng(4).normal(size=(5, 4, 2, 3)).astype(np.float32))
    piped = softmax_process("run", model, "-", "--axis", "-3", "-f", "jsonl", stdin=path.read_bytes())
    assert piped.returncode == 0
    filed = softmax_process("run", model, path, "--axis", "-3", "-f", "jsonl")
    assert piped.stdout.replace(b'"source":"-"', f'"source":"{path}"'.encode()) == filed.stdout != b""


@pytest.mark.parametrize(("axis", "slug"), [("0", "axis-range"), ("-4", "axis-range"), ("4", "axis-range")])
def test_an_axis_that_is_no_class_axis(softmax_here: Here, make: Make, tmp_path: Path, axis: str, slug: str) -> None:
    path = save(tmp_path / "x.npy", np.zeros((5, 4, 2, 3), np.float32))
    refused(softmax_here, slug, passing(make, [None, 4, 2, 3]), path, "--axis", axis)


# What the outputs are

ROWS = np.array([[0.0, -1.0, 2.0], [3.0, 0.5, -4.0]], np.float32)


@pytest.mark.parametrize(
    ("nodes", "transform", "said"),
    [
        ([node("Softmax")], scipy.special.softmax, "ends in Softmax: its outputs are probabilities already"),
        ([node("LogSoftmax")], scipy.special.softmax, "ends in LogSoftmax: its outputs are log-probabilities"),
        ([node("Sigmoid")], lambda rows, axis: scipy.special.expit(rows), "ends in Sigmoid"),
        ([node("Softmax", "x", "p"), node("Identity", "p")], scipy.special.softmax, "ends in Softmax"),
        (
            [node("Softmax", "x", "p"), node("Cast", "p", "d", to=11), node("Cast", "d", to=TensorProto.FLOAT)],
            scipy.special.softmax,
            "ends in Softmax",
        ),
        ([node("Add", "x x", "y")], lambda rows, axis: scipy.special.softmax(2 * rows, axis), "which is linear"),
        ([node("Relu")], lambda rows, axis: scipy.special.softmax(np.maximum(rows, 0), axis), "taken for logits"),
    ],
    ids=["Softmax", "LogSoftmax", "Sigmoid", "Identity", "Cast", "Add", "Relu"],
)  # fmt: skip
def test_the_end_of_the_graph(
    softmax_here: Here, make: Make, tmp_path: Path, nodes: list[Any], transform: Callable[..., Array], said: str
) -> None:
    model = make(nodes, tensor("x", "float", [None, 3]), [tensor("y", "float", [None, 3])])
    path = save(tmp_path / "x.npy", ROWS)
    code, out, err = softmax_here("run", model, path, "-f", "jsonl", "-k", "0")
    assert code == 0
    assert said in err
    np.testing.assert_allclose(matrix(out), transform(ROWS.astype(float), axis=1), rtol=3e-6)


def shares(count: int, seed: int = 0) -> Array:
    return scipy.special.softmax(np.random.default_rng(seed).normal(size=(count, 3)), axis=1).astype(np.float32)


def test_values_that_are_probabilities(softmax_here: Here, make: Make, tmp_path: Path) -> None:
    path = save(tmp_path / "x.npy", shares(100))
    code, out, err = softmax_here("run", passing(make, [None, 3]), path, "-f", "jsonl", "-k", "0")
    assert code == 0
    assert "all values lie in [0, 1] and rows sum to 1: they're probabilities already; no activation was" in err
    assert np.array_equal(matrix(out).astype(np.float32), shares(100))


def test_values_of_one_class_are_logits(softmax_here: Here, make: Make, tmp_path: Path) -> None:
    path = save(tmp_path / "x.npy", np.ones((4, 1), np.float32))
    code, out, err = softmax_here("run", passing(make, [None, 1]), path, "-f", "jsonl")
    assert code == 0
    assert "taken for logits" in err
    assert np.array_equal(matrix(out), np.ones((4, 1)))


def test_a_later_batch_that_contradicts(softmax_here: Here, make: Make, tmp_path: Path) -> None:
    values = shares(200)
    values[150] = [1, 2, 3]
    path = save(tmp_path / "x.npy", values)
    model, output = passing(make, [None, 3]), tmp_path / "out.csv"
    code, _, err = softmax_here("run", model, path, "-o", output)
    assert code == 1
    assert f"error[activation-contradiction]: {path}: row 128: " in err
    assert "--activation softmax or --activation none" in err
    assert not output.exists()
    for activation in ("softmax", "none"):
        assert softmax_here("run", model, path, "-o", output, "--activation", activation)[0] == 0


def test_another_input_that_contradicts(softmax_here: Here, make: Make, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    save(folder / "a.npy", shares(4))
    save(folder / "b.npy", ROWS)
    save(folder / "c.npy", shares(2, 1))
    code, out, err = softmax_here("run", passing(make, [None, 3]), folder, "-f", "jsonl")
    assert code == 3
    assert f"error[activation-contradiction]: {folder}/b.npy: row 0: " in err
    assert [Path(row["source"]).name for row in rows_of(out)] == ["a.npy"] * 4 + ["c.npy"] * 2


def test_classes_as_keys(softmax_here: Here, tmp_path: Path) -> None:
    """The runtime's own example: scikit-learn's logistic regression, whose output is a map for each row."""
    model = onnxruntime.datasets.get_example("logreg_iris.onnx")
    rows = np.array([[5.1, 3.5], [6.0, 2.2], [7.7, 2.6], [4.9, 3.0]], np.float32)
    code, out, err = softmax_here("run", model, save(tmp_path / "x.npy", rows), "-f", "jsonl", "-k", "0")
    assert code == 0
    assert "probabilities already; no activation was applied" in err
    np.testing.assert_allclose(matrix(out).sum(axis=1), 1, rtol=1e-5)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    padded = np.concatenate([rows, rows[-1:], rows[-1:]])
    expected = [session.run(["probabilities"], {"float_input": padded[start : start + 3]})[0] for start in (0, 3)]
    flat = [[maps[key] for key in (0, 1, 2)] for part in expected for maps in part][:4]
    np.testing.assert_allclose(matrix(out), flat, rtol=1e-6)
    assert {item["label"] for row in rows_of(out) for item in row["predictions"]} == {"0", "1", "2"}


def zipmap(make: Make, **keys: Any) -> Path:
    kind = helper.make_map_type_proto(
        TensorProto.STRING if "classlabels_strings" in keys else TensorProto.INT64,
        helper.make_tensor_type_proto(TensorProto.FLOAT, None),
    )
    output = helper.make_value_info("y", helper.make_sequence_type_proto(kind))
    nodes = [node("Softmax", "x", "p"), node("ZipMap", "p", domain="ai.onnx.ml", **keys)]
    return make(nodes, tensor("x", "float", [None, 3]), [output])


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        ({"classlabels_strings": ["setosa", "ünï", "a\nb"]}, ["setosa", "ünï", "a\nb"]),
        ({"classlabels_int64s": [7, -1, 30]}, ["7", "-1", "30"]),
    ],
)
def test_keys_are_labels(
    softmax_here: Here, make: Make, tmp_path: Path, keys: dict[str, Any], names: list[str]
) -> None:
    out = ran(softmax_here, zipmap(make, **keys), save(tmp_path / "x.npy", ROWS), notes=1)
    expected = scipy.special.softmax(ROWS.astype(float), axis=1)
    for row, probabilities in zip(rows_of(out), expected, strict=True):
        found = {item["label"]: item["probability"] for item in row["predictions"]}
        assert found == pytest.approx(dict(zip(names, probabilities, strict=True)), rel=1e-5)


# What is no model


def test_a_missing_model(softmax_here: Here) -> None:
    assert "missing.onnx: no such model file" in refused(softmax_here, "not-found", "missing.onnx", PIXELS)


def test_a_missing_input(softmax_here: Here) -> None:
    refused(softmax_here, "not-found", DIGITS / "digits.onnx", "missing.npy")


def test_a_directory_as_the_model(softmax_here: Here, tmp_path: Path) -> None:
    refused(softmax_here, "bad-model", tmp_path, PIXELS)


@pytest.mark.parametrize(
    "data",
    [b"", b"no model", b"\x00" * 1000, b"\x08\x09" + b"\xff" * 50, b"PK\x03\x04"],
    ids=lambda data: data[:4].hex(),
)
def test_no_model(softmax_here: Here, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(data)
    err = refused(softmax_here, "bad-model", path, PIXELS)
    assert f"{path}: ONNX Runtime can't load it: " in err


def test_a_model_cut_short(softmax_here: Here, tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes((DIGITS / "digits.onnx").read_bytes()[:20_000])
    refused(softmax_here, "bad-model", path, PIXELS)


def test_an_unknown_operator(softmax_here: Here, make: Make, tmp_path: Path) -> None:
    shape = [None, 3]
    model = make([node("Frobnicate")], tensor("x", "float", shape), [tensor("y", "float", shape)])
    err = refused(softmax_here, "bad-model", model, save(tmp_path / "x.npy", ROWS))
    assert "Frobnicate" in err


def test_a_model_that_fails_as_it_runs(softmax_here: Here, make: Make, tmp_path: Path) -> None:
    target = numpy_helper.from_array(np.array([7, 7], np.int64), "target")
    model = make(
        [node("Reshape", "x target")], tensor("x", "float", [None, 3]), [tensor("y", "float", [7, 7])],
        constants=[target],
    )  # fmt: skip
    err = refused(softmax_here, "model-failed", model, save(tmp_path / "x.npy", ROWS))
    assert "the model failed: " in err


@pytest.mark.parametrize("case", ["warning", "failure", "load"])
def test_the_runtime_says_nothing_itself(softmax_process: Run, make: Make, tmp_path: Path, case: str) -> None:
    """Native libraries write to the process's stderr: a shape that is not as declared makes a warning."""
    target = numpy_helper.from_array(np.array([-1, 3] if case == "warning" else [7, 7], np.int64), "target")
    declared = [9, 3] if case == "warning" else [7, 7]
    kind = "Frobnicate" if case == "load" else "Reshape"
    nodes = [node(kind, "x target")]
    model = make(nodes, tensor("x", "float", ["n", 3]), [tensor("y", "float", declared)], constants=[target])
    done = softmax_process("run", model, save(tmp_path / "x.npy", ROWS), "-f", "csv", "-k", "1")
    assert done.returncode == (0 if case == "warning" else 1)
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("softmax: ")
    assert b"[W:onnxruntime" not in done.stderr + done.stdout
    assert b"[E:onnxruntime" not in done.stderr + done.stdout


def test_nothing_is_written_at_home(softmax_process: Run, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    env = [("HOME", str(home)), ("XDG_CACHE_HOME", str(home)), ("XDG_CONFIG_HOME", str(home))]
    done = softmax_process("run", "digits.onnx", "inputs.npy", "-f", "csv", cwd=DIGITS, env=env)
    assert done.returncode == 0
    assert os.listdir(home) == []  # noqa: PTH208 - hidden ones too


@pytest.mark.parametrize("name", ["esc\x1b[31m\u202e", "[red]x[/red]", "ünï", "a b\nc"])
def test_hostile_names_in_a_model(softmax_here: Here, make: Make, tmp_path: Path, name: str) -> None:
    shape = [None, 3]
    nodes = [helper.make_node("Identity", ["x"], [name]), helper.make_node("Neg", ["x"], [name + "2"])]
    model = make(nodes, tensor("x", "float", shape), [tensor(name, "float", shape), tensor(name + "2", "float", shape)])
    err = refused(softmax_here, "ambiguous-output", model, save(tmp_path / "x.npy", ROWS))
    assert not set("\x1b\u202e") & set(err)
    out = ran(softmax_here, model, tmp_path / "x.npy", "--output-name", name)
    assert np.array_equal(matrix(out, "logit"), ROWS)
