"""scikit-learn's classifiers through skl2onnx, against their own predict_proba and decision_function."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import skl2onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from tests.classifiers.support import Array, probabilities, same_ranking, softmax
from tests.run.support import Here, ran, refused, rows_of, save

ESTIMATORS: dict[str, Callable[[], Any]] = {
    "logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    "forest": lambda: RandomForestClassifier(15, random_state=0),
    "tree": lambda: DecisionTreeClassifier(max_depth=3, random_state=0),
    "mlp": lambda: make_pipeline(StandardScaler(), MLPClassifier((12,), max_iter=80, random_state=0, tol=0.1)),
    "bayes": lambda: GaussianNB(var_smoothing=1e-3),
    "one against the rest": lambda: make_pipeline(StandardScaler(), OneVsRestClassifier(LogisticRegression())),
}
DATA: dict[str, Callable[[], Any]] = {
    "iris": load_iris,
    "wine": load_wine,
    "digits": load_digits,
    "cancer": load_breast_cancer,
}


def fitted(name: str, data: str, names: bool) -> tuple[Any, Array, Array]:
    """An estimator, its features (every third row left out of the training), and the class of each."""
    bunch = DATA[data]()
    features = bunch.data.astype(np.float32)
    target = np.array([f"ünï {value}" for value in bunch.target_names])[bunch.target] if names else bunch.target + 5
    train = np.arange(len(features)) % 3 != 0
    model = ESTIMATORS[name]().fit(features[train], target[train])
    return model, features[~train][:90], target


def convert(model: Any, width: int, path: Path, **options: Any) -> Path:
    """The estimator as ONNX; options go to its last step."""
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    converted = skl2onnx.convert_sklearn(
        model,
        initial_types=[("x", FloatTensorType([None, width]))],
        options={id(last): options},
        target_opset={"": 18, "ai.onnx.ml": 3},
    )
    path.write_bytes(converted.SerializeToString())
    return path


SETS = [
    ("logistic", "iris"), ("logistic", "wine"), ("logistic", "digits"), ("logistic", "cancer"),
    ("forest", "iris"), ("forest", "cancer"), ("tree", "wine"),
    ("mlp", "iris"), ("mlp", "cancer"), ("bayes", "iris"), ("bayes", "cancer"), ("one against the rest", "wine"),
]  # fmt: skip
NAMED = ("logistic", "forest", "tree")  # one node makes the scores, and holds the names


def check(rows: list[dict[str, Any]], model: Any, features: Array, names: list[str]) -> None:
    """Each class with its probability, and the best one the estimator's own choice where it's sure."""
    expected = model.predict_proba(features)
    for row, wanted in zip(rows, expected, strict=True):
        same_ranking(row, wanted, names, rtol=2e-3)
    ordered = np.sort(expected, axis=1)
    sure = ordered[:, -1] - ordered[:, -2] > 1e-4
    best = np.array([row["predictions"][0]["index"] for row in rows])
    assert sure.mean() > 0.6
    assert (model.classes_[best][sure] == model.predict(features)[sure]).all()


@pytest.mark.parametrize("zipmap", [True, False], ids=["zipmap", "tensor"])
@pytest.mark.parametrize("names", [True, False], ids=["strings", "integers"])
@pytest.mark.parametrize(("name", "data"), SETS)
def test_probabilities(
    softmax_here: Here,
    tmp_path: Path,
    name: str,
    data: str,
    names: bool,
    zipmap: bool,
) -> None:
    model, features, _ = fitted(name, data, names)
    path = convert(model, features.shape[1], tmp_path / "model.onnx", zipmap=zipmap)
    rows = rows_of(ran(softmax_here, path, save(tmp_path / "x.npy", features), notes=1))
    check(rows, model, features, [str(value) for value in model.classes_])


@pytest.mark.parametrize(("name", "data"), [pair for pair in SETS if pair[0] not in NAMED])
def test_probabilities_with_labels_of_a_file(softmax_here: Here, tmp_path: Path, name: str, data: str) -> None:
    model, features, _ = fitted(name, data, names=True)
    path = convert(model, features.shape[1], tmp_path / "model.onnx", zipmap=False)
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"{value}\n" for value in model.classes_), "utf-8")
    rows = rows_of(ran(softmax_here, path, save(tmp_path / "x.npy", features), "--labels", labels, notes=1))
    check(rows, model, features, list(model.classes_))


@pytest.mark.parametrize(
    ("name", "data"), [("logistic", "iris"), ("logistic", "digits"), ("one against the rest", "wine")]
)
def test_raw_scores(softmax_here: Here, tmp_path: Path, name: str, data: str) -> None:
    """The output is called `probabilities` and holds logits: a name is no evidence."""
    model, features, _ = fitted(name, data, names=True)
    path = convert(model, features.shape[1], tmp_path / "model.onnx", raw_scores=True, zipmap=False)
    code, out, err = softmax_here("run", path, save(tmp_path / "x.npy", features), "-f", "jsonl", "-k", "0")
    assert code == 0
    scores = model.decision_function(features)
    assert scores.min() < 0
    assert "probabilities already" not in err
    assert "softmax was applied" in err
    rows = rows_of(out)
    np.testing.assert_allclose(probabilities(rows, "logit"), scores, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(probabilities(rows), softmax(scores), rtol=2e-3, atol=1e-7)


def test_raw_scores_of_one_against_the_rest_by_sigmoid(softmax_here: Here, tmp_path: Path) -> None:
    model, features, _ = fitted("one against the rest", "wine", names=False)
    path = convert(model, features.shape[1], tmp_path / "model.onnx", raw_scores=True, zipmap=False)
    given = save(tmp_path / "x.npy", features)
    rows = rows_of(ran(softmax_here, path, given, "--activation", "sigmoid", notes=0))
    expected = 1 / (1 + np.exp(-model.decision_function(features)))
    np.testing.assert_allclose(probabilities(rows), expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("form", ["csv", "parquet", "npz", "tsv"])
def test_features_from_tables(softmax_here: Here, tmp_path: Path, form: str) -> None:
    model, features, _ = fitted("logistic", "iris", names=True)
    path = convert(model, 4, tmp_path / "model.onnx", zipmap=False)
    given = tmp_path / f"x.{form}"
    frame = pl.DataFrame(features, schema=["a", "b", "c", "d"])
    ids = [f"flower {row}" for row in range(len(frame))]
    if form == "npz":
        np.savez(given, x=features)
    elif form == "parquet":
        frame.write_parquet(given)
    else:
        frame.insert_column(0, pl.Series("name", ids)).write_csv(given, separator="\t" if form == "tsv" else ",")
    rows = rows_of(ran(softmax_here, path, given))
    for row, wanted in zip(rows, model.predict_proba(features), strict=True):
        same_ranking(row, wanted, list(model.classes_), rtol=2e-3)
    if form in ("csv", "tsv"):
        assert [row["id"] for row in rows] == ids


def test_labels_of_a_file_come_before_those_of_the_nodes(softmax_here: Here, tmp_path: Path) -> None:
    model, features, _ = fitted("logistic", "iris", names=True)
    path = convert(model, 4, tmp_path / "model.onnx", zipmap=False)
    labels = tmp_path / "labels.txt"
    labels.write_text("one\ntwo\nthree\n")
    given = save(tmp_path / "x.npy", features[:5])
    for row, wanted in zip(
        rows_of(ran(softmax_here, path, given, "--labels", labels)), model.predict_proba(features[:5]), strict=True
    ):
        same_ranking(row, wanted, ["one", "two", "three"], rtol=2e-3)


def test_too_few_features(softmax_here: Here, tmp_path: Path) -> None:
    model, features, _ = fitted("logistic", "iris", names=True)
    path = convert(model, 4, tmp_path / "model.onnx")
    err = refused(softmax_here, "model-input", path, save(tmp_path / "x.npy", features[:, :3]))
    assert "30×3" in err or f"{len(features)}×3" in err
    assert "doesn't fit the model's input x (?×4" in err


def test_raw_scores_of_two_classes(softmax_here: Here, tmp_path: Path) -> None:
    model, features, _ = fitted("logistic", "cancer", names=False)
    path = convert(model, features.shape[1], tmp_path / "model.onnx", raw_scores=True, zipmap=False)
    code, out, err = softmax_here(
        "run", path, save(tmp_path / "x.npy", features), "-f", "jsonl", "-k", "0", "--activation", "none"
    )
    assert (code, err) == (0, "")
    scores = model.decision_function(features)
    held = probabilities(rows_of(out), "logit")
    np.testing.assert_allclose(held[:, -1], scores, rtol=1e-3, atol=1e-3)
