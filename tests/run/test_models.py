"""`softmax run`: ONNX models of every shape as a source of logits."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import scipy.special
from onnx import TensorProto, numpy_helper

from softmax_cli.model import inputs
from tests.conftest import Run
from tests.run.support import (
    CASTS,
    DIGITS,
    EVERY,
    NAMES,
    PIXELS,
    Here,
    Make,
    matrix,
    node,
    passing,
    ran,
    refused,
    rows_of,
    save,
    tensor,
    two_outputs,
)


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
def test_the_digits_from_stdin(softmax_quick: Run, pixels: Path, name: str) -> None:
    given = PIXELS if name == "npy" else pixels / f"x.{name}"
    done = softmax_quick("run", "digits.onnx", "-k", "1", "-f", "csv", stdin=given.read_bytes(), cwd=DIGITS)
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
    assert "the model ends in ArgMax: it gives the best classes" in refused(
        softmax_here, "unsupported-model", model, path
    )


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
