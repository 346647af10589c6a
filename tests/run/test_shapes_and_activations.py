"""`softmax run`: ONNX models of every shape as a source of logits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime.datasets
import pytest
import scipy.special
from onnx import TensorProto, numpy_helper

from tests.conftest import Run
from tests.run.support import (
    DIGITS,
    PIXELS,
    ROWS,
    Array,
    Here,
    Make,
    Shape,
    matrix,
    node,
    passing,
    ran,
    refused,
    rows_of,
    save,
    shares,
    tensor,
    zipmap,
)


@pytest.mark.parametrize(
    ("wanted", "shape", "fits"),
    [
        ([None, 4], (2, 4), True),
        ([None, 4], (2, 2, 2), True),
        ([None, 2, 2], (3, 4), True),
        ([None, 2, 2], (3, 2, 2), True),
        ([None, None, 2], (3, 5, 2), True),
        ([None, 4], (2, 5), False),
        ([None, 3, 8, 8], (2, 8, 8, 3), False),
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
    err = refused(softmax_here, "model-input", model, save(tmp_path / "x.npy", np.eye(2)))
    assert "no named columns, and the model has 2 inputs: x, z" in err


def test_an_input_of_text(softmax_here: Here, make: Make, tmp_path: Path) -> None:
    model = make(
        [node("Cast", to=TensorProto.FLOAT)], tensor("x", "string", [None, 2]), [tensor("y", "float", [None, 2])]
    )
    err = refused(softmax_here, "unsupported-model", model, save(tmp_path / "x.npy", np.eye(2)))
    assert "the input holds no numbers" in err


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


def test_segmentation_from_a_pipe(softmax_quick: Run, make: Make, tmp_path: Path) -> None:
    model = passing(make, [None, 4, 2, 3])
    path = save(tmp_path / "x.npy", np.random.default_rng(4).normal(size=(5, 4, 2, 3)).astype(np.float32))
    piped = softmax_quick("run", model, "-", "--axis", "-3", "-f", "jsonl", stdin=path.read_bytes())
    assert piped.returncode == 0
    filed = softmax_quick("run", model, path, "--axis", "-3", "-f", "jsonl")
    assert piped.stdout.replace(b'"source":"-"', f'"source":"{path}"'.encode()) == filed.stdout != b""


@pytest.mark.parametrize(("axis", "slug"), [("0", "axis-range"), ("-4", "axis-range"), ("4", "axis-range")])
def test_an_axis_that_is_no_class_axis(softmax_here: Here, make: Make, tmp_path: Path, axis: str, slug: str) -> None:
    path = save(tmp_path / "x.npy", np.zeros((5, 4, 2, 3), np.float32))
    refused(softmax_here, slug, passing(make, [None, 4, 2, 3]), path, "--axis", axis)


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


def test_values_that_are_probabilities(softmax_here: Here, make: Make, tmp_path: Path) -> None:
    path = save(tmp_path / "x.npy", shares(100))
    code, out, err = softmax_here("run", passing(make, [None, 3]), path, "-f", "jsonl", "-k", "0")
    assert code == 0
    assert "all values lie in [0, 1] and rows sum to 1: they're probabilities already; no activation was" in err
    assert np.array_equal(matrix(out).astype(np.float32), shares(100))


def test_values_of_one_class(softmax_here: Here, make: Make, tmp_path: Path) -> None:
    model = passing(make, [None, 1])
    shares = np.array([[0.25], [0.5], [1.0]], np.float32)
    code, out, err = softmax_here("run", model, save(tmp_path / "x.npy", shares), "-f", "jsonl")
    assert code == 0
    assert "independent probabilities already" in err
    assert np.array_equal(matrix(out), shares)
    scores = np.array([[-2.5], [0.5], [1.0]], np.float32)
    code, out, err = softmax_here("run", model, save(tmp_path / "x.npy", scores), "-f", "jsonl")
    assert code == 0
    assert "taken for logits; sigmoid was applied" in err
    assert np.allclose(matrix(out), scipy.special.expit(scores), rtol=1e-6)


def test_a_later_batch_that_contradicts(softmax_here: Here, make: Make, tmp_path: Path) -> None:
    values = shares(200)
    values[150] = [1, 2, 3]
    path = save(tmp_path / "x.npy", values)
    model, output = passing(make, [None, 3]), tmp_path / "out.csv"
    code, _, err = softmax_here("run", model, path, "-o", output)
    assert code == 1
    assert f"error[activation-contradiction]: {path}: row 128: " in err
    assert "--activation softmax, sigmoid or none" in err
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


def test_a_missing_model(softmax_here: Here) -> None:
    assert "missing.onnx: no such model file" in refused(softmax_here, "not-found", "missing.onnx", PIXELS)


def test_a_missing_input(softmax_here: Here) -> None:
    refused(softmax_here, "not-found", DIGITS / "digits.onnx", "missing.npy")


def test_a_directory_as_the_model(softmax_here: Here, tmp_path: Path) -> None:
    assert "no model" in refused(softmax_here, "not-found", tmp_path, PIXELS)


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
