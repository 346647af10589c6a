"""The activation decision, rule by rule: option, configuration, end of the graph, values; once a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.special
from onnx import TensorProto, helper

from tests.classifiers.support import Array, probabilities, put_json, softmax, write_model
from tests.run.support import Here, node, ran, refused, rows_of, save, tensor

WIDTH = 4
RNG = np.random.default_rng(11)
LOGITS = RNG.normal(scale=3, size=(9, WIDTH)).astype(np.float32)
SHARES = softmax(LOGITS).astype(np.float32)
SEPARATE = scipy.special.expit(LOGITS).astype(np.float32)
LOGS = np.log(softmax(LOGITS)).astype(np.float32)
TYPES = {"one": "single_label_classification", "many": "multi_label_classification"}


def opaque(source: str = "x", target: str = "y") -> Any:
    """A node that tells nothing of what it makes."""
    return node("Abs", source, target)


class Setting:
    """A model in a folder, and its input."""

    def __init__(self, folder: Path, here: Here):
        self.folder = folder
        self.here = here

    def model(self, nodes: Sequence[Any], problem_type: str | None = None, name: str = "y", **more: Any) -> None:
        shape = more.pop("shape", [None, WIDTH])
        write_model(
            self.folder / "model" / "model.onnx", nodes,
            [tensor("x", "float", shape)], [tensor(name, "float", more.pop("out", shape))], **more,
        )  # fmt: skip
        put_json(self.folder / "model" / "config.json", {"model_type": "x", "problem_type": problem_type})

    def run(self, values: Array, *options: str) -> tuple[Array, str]:
        given = save(self.folder / "x.npy", values)
        code, out, err = self.here("run", self.folder / "model", given, "-f", "jsonl", "-k", "0", *options)
        assert code == 0, err
        return probabilities(rows_of(out)), err

    def refused(self, slug: str, values: Array, *options: str) -> str:
        return refused(self.here, slug, self.folder / "model", save(self.folder / "x.npy", values), *options)


@pytest.fixture
def setting(tmp_path: Path, softmax_here: Here) -> Setting:
    return Setting(tmp_path, softmax_here)


def close(found: Array, expected: Array) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


# The option comes first


@pytest.mark.parametrize("ending", ["Softmax", "Sigmoid", "LogSoftmax", "Identity"])
@pytest.mark.parametrize("problem_type", [None, *TYPES.values()])
def test_the_option_overrides(setting: Setting, ending: str, problem_type: str | None) -> None:
    setting.model([node(ending)], problem_type)
    made = {"Softmax": SHARES, "Sigmoid": SEPARATE, "LogSoftmax": LOGS, "Identity": LOGITS}[ending].astype(float)
    for activation, expected in (
        ("none", made), ("softmax", softmax(made)), ("sigmoid", scipy.special.expit(made)),
        ("log-softmax", np.log(softmax(made))),
    ):  # fmt: skip
        found, err = setting.run(LOGITS, "--activation", activation, "--strict")
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)
        assert err == ""


# Then the configuration


@pytest.mark.parametrize(
    ("kind", "expected"), [("one", softmax(LOGITS)), ("many", scipy.special.expit(LOGITS.astype(float)))]
)
@pytest.mark.parametrize("end", ["Identity", "linear"])
def test_problem_type(setting: Setting, kind: str, expected: Array, end: str) -> None:
    setting.model([node("Identity")] if end == "Identity" else [node("MatMul", "x w")], TYPES[kind],
                  weights={"w": np.eye(WIDTH, dtype=np.float32)})  # fmt: skip
    found, err = setting.run(LOGITS, "--strict")
    close(found, expected)
    assert f"problem_type is {TYPES[kind]}" in err
    assert len(err.splitlines()) == 1


def test_regression_is_refused(setting: Setting) -> None:
    setting.model([node("Identity")], "regression")
    assert "regression" in setting.refused("unsupported-model", LOGITS)
    setting.run(LOGITS, "--activation", "none")


@pytest.mark.parametrize(("end", "kind", "made"), [("Softmax", "many", SHARES), ("Sigmoid", "one", SEPARATE)])
def test_problem_type_against_the_end(setting: Setting, end: str, kind: str, made: Array) -> None:
    """Whatever the configuration says, what is probabilities already gets nothing on top; it is doubtful."""
    setting.model([node(end)], TYPES[kind])
    found, err = setting.run(LOGITS)
    close(found, made)
    assert f"; but its configuration says {TYPES[kind]}" in err
    assert TYPES[kind] in setting.refused("doubtful-activation", LOGITS, "--strict")


@pytest.mark.parametrize(("end", "kind", "made"), [("Softmax", "one", SHARES), ("Sigmoid", "many", SEPARATE)])
def test_problem_type_with_the_end(setting: Setting, end: str, kind: str, made: Array) -> None:
    setting.model([node(end)], TYPES[kind])
    found, err = setting.run(LOGITS, "--strict")
    close(found, made)
    assert "; but " not in err


# Then the end of the graph


def inside_a_function(*nodes: Any) -> dict[str, Any]:
    """A function `own.End` of nodes from `a` to `b`."""
    opsets = [helper.make_opsetid("", 18)]
    return {"functions": [helper.make_function("own", "End", ["a"], ["b"], nodes, opsets)]}


def called(source: str = "x", target: str = "y") -> Any:
    return node("End", source, target, domain="own")


EXPONENTIALS = [node("Exp", "x", "e"), node("ReduceSum", "e axes", "s", keepdims=1), node("Div", "e s", "y")]
SHIFTED = [
    node("ReduceMax", "x axes", "m", keepdims=1), node("Sub", "x m", "c"), node("Exp", "c", "e"),
    node("ReduceSum", "e axes", "s", keepdims=1), node("Div", "e s", "y"),
]  # fmt: skip
AXES = {"weights": {"axes": np.array([1])}}
ENDS: dict[str, tuple[list[Any], Array, str, dict[str, Any]]] = {
    "Softmax": ([node("Softmax", axis=1)], SHARES, "Softmax", {}),
    "Softmax -1": ([node("Softmax", axis=-1)], SHARES, "Softmax", {}),
    "LogSoftmax": ([node("LogSoftmax", axis=1)], SHARES, "LogSoftmax", {}),
    "Sigmoid": ([node("Sigmoid")], SEPARATE, "Sigmoid", {}),
    "Exp/ReduceSum/Div": (EXPONENTIALS, SHARES, "Exp/ReduceSum/Div", AXES),
    "shifted": (SHIFTED, SHARES, "Exp/ReduceSum/Div", AXES),
    "Softmax, Log": ([node("Softmax", "x", "p", axis=1), node("Log", "p")], SHARES, "Log", {}),
    "LogSoftmax, Exp": ([node("LogSoftmax", "x", "p", axis=1), node("Exp", "p")], SHARES, "LogSoftmax", {}),
    "Identity": ([node("Softmax", "x", "p", axis=1), node("Identity", "p")], SHARES, "Softmax", {}),
    "Casts": (
        [node("Softmax", "x", "p", axis=1), node("Cast", "p", "d", to=TensorProto.DOUBLE),
         node("Cast", "d", to=TensorProto.FLOAT)], SHARES, "Softmax", {},
    ),
    "Reshape": (
        [node("Sigmoid", "x", "p"), node("Reshape", "p shape")], SEPARATE, "Sigmoid",
        {"weights": {"shape": np.array([-1, WIDTH])}},
    ),
    "function": ([called()], SHARES, "Softmax", inside_a_function(node("Softmax", "a", "b", axis=1))),
    "function, Identity": (
        [called("x", "p"), node("Identity", "p")], SEPARATE, "Sigmoid",
        inside_a_function(node("Sigmoid", "a", "s"), node("Identity", "s", "b")),
    ),
    "Dropout": ([node("Softmax", "x", "p", axis=1), node("Dropout", "p", "y")], SHARES, "Softmax", {}),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDS)
def test_the_end_of_the_graph(setting: Setting, name: str) -> None:
    nodes, expected, said, more = ENDS[name]
    setting.model(nodes, None, **more)
    found, err = setting.run(LOGITS, "--strict")
    close(found, expected)
    (line,) = err.splitlines()
    assert line.startswith("softmax: note: ")
    assert said in line
    assert line.endswith("(--activation overrides)")


def test_a_map_behind_the_end(setting: Setting, tmp_path: Path) -> None:
    kind = helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, None))
    output = helper.make_value_info("y", helper.make_sequence_type_proto(kind))
    zipmap = node("ZipMap", "p", domain="ai.onnx.ml", classlabels_strings=["d", "b", "c", "a"])
    nodes = [node("Sigmoid", "x", "p"), zipmap]
    path = write_model(tmp_path / "map.onnx", nodes, [tensor("x", "float", [None, WIDTH])], [output])
    rows = rows_of(ran(setting.here, path, save(tmp_path / "x.npy", LOGITS), "--strict", notes=1))
    for row, wanted in zip(rows, SEPARATE, strict=True):
        found = {item["label"]: item["probability"] for item in row["predictions"]}
        assert found == pytest.approx(dict(zip(["d", "b", "c", "a"], wanted.tolist(), strict=True)), rel=1e-4)


@pytest.mark.parametrize("behind", ["nothing", "Cast", "Identity"])
@pytest.mark.parametrize("kind", ["ArgMax", "TopK"])
def test_only_the_best_class_is_refused(setting: Setting, tmp_path: Path, kind: str, behind: str) -> None:
    made = "y" if behind == "nothing" else "i"
    best = node("ArgMax", "x", made, axis=1) if kind == "ArgMax" else node("TopK", "x k", f"v {made}", axis=1)
    after = {"nothing": [], "Cast": [node("Cast", "i", to=TensorProto.FLOAT)], "Identity": [node("Identity", "i")]}
    out = tensor("y", "float" if behind == "Cast" else "int64", [None, 1])
    nodes = [best, *after[behind]]
    path = write_model(
        tmp_path / "best.onnx", nodes, [tensor("x", "float", [None, WIDTH])], [out], {"k": np.array([1])}
    )
    given = save(tmp_path / "x.npy", LOGITS)
    err = refused(setting.here, "unsupported-model", path, given)
    assert f"the model ends in {kind}: it gives the best classes, not a score for every class" in err


def test_another_axis_than_the_classes(setting: Setting) -> None:
    """A softmax over the samples says nothing of the classes."""
    setting.model([node("Softmax", axis=0)])
    err = setting.run(LOGITS)[1]
    assert "Softmax works along axis 0, and the classes lie along axis 1" in err
    assert "axis 0" in setting.refused("doubtful-activation", LOGITS, "--strict")


def test_another_axis_by_the_option(setting: Setting) -> None:
    setting.model([node("Softmax", axis=-1)], None, shape=[None, 3, 5])
    logits = RNG.normal(size=(2, 3, 5)).astype(np.float32)
    assert "axis 2" in setting.refused("doubtful-activation", logits, "--axis", "1", "--strict")
    found, err = setting.run(logits, "--strict")
    close(found, softmax(logits).reshape(-1, 5))
    assert "; but " not in err


def test_an_end_that_its_values_belie(setting: Setting) -> None:
    """Linear, but what comes out sums to 1: said, and doubtful."""
    setting.model([node("MatMul", "x w")], None, weights={"w": np.eye(WIDTH, dtype=np.float32)})
    assert "rows sum to 1" in setting.run(SHARES)[1]
    setting.refused("doubtful-activation", SHARES, "--strict")


def test_a_mean_of_two_softmaxes(setting: Setting) -> None:
    """An ensemble ends in an Add of probabilities: nothing comes on top."""
    nodes = [
        node("Softmax", "x", "a", axis=1), node("Neg", "x", "n"), node("Softmax", "n", "b", axis=1),
        node("Mul", "a half", "c"), node("Mul", "b half", "d"), node("Add", "c d"),
    ]  # fmt: skip
    setting.model(nodes, weights={"half": np.array(0.5, np.float32)})
    close(setting.run(LOGITS)[0], (softmax(LOGITS) + softmax(-LOGITS)) / 2)


# Then the values


VALUES = [
    ("probabilities", SHARES, SHARES, "probabilities already; no activation was applied"),
    ("independent", SEPARATE, SEPARATE, "independent probabilities already; no activation was applied"),
    ("positive logits", np.abs(LOGITS), softmax(np.abs(LOGITS)), "taken for logits; softmax was applied"),
]


@pytest.mark.parametrize("name", ["y", "logits", "probabilities", "softmax", "output_probability"])
@pytest.mark.parametrize(("kind", "values", "expected", "said"), VALUES, ids=[value[0] for value in VALUES])
def test_the_values(setting: Setting, kind: str, values: Array, expected: Array, said: str, name: str) -> None:
    setting.model([opaque("x", name)], name=name)
    found, err = setting.run(values)
    close(found, expected)
    assert said in err
    assert len(err.splitlines()) == 1
    assert "only the values say so" in setting.refused("doubtful-activation", values, "--strict")


def test_log_probabilities_by_value(setting: Setting) -> None:
    setting.model([node("Abs", "x", "a"), node("Neg", "a")])
    found, err = setting.run(LOGS)
    close(found, SHARES)
    assert "log-probabilities" in err


@pytest.mark.parametrize(("change", "already"), [(9e-4, True), (2e-3, False)])
def test_how_near_to_one_a_sum_must_be(setting: Setting, change: float, already: bool) -> None:
    setting.model([opaque()])
    values = SHARES.copy()
    values[5, values[5].argmin()] += change
    assert ("independent" not in setting.run(values)[1]) == already


# Once a run


@pytest.mark.parametrize(
    ("first", "later"), [(SHARES, LOGITS), (SHARES, SEPARATE), (SEPARATE, LOGITS)], ids=["logits", "separate", "both"]
)
def test_a_later_batch_that_contradicts(setting: Setting, tmp_path: Path, first: Array, later: Array) -> None:
    setting.model([node("Abs", "x", "a"), node("Sign", "x", "s"), node("Mul", "a s")])
    first = np.resize(first, (64, first.shape[1]))  # what decides is as much for every batch size
    values = np.concatenate([first, later])
    given, output = save(tmp_path / "x.npy", values), tmp_path / "out.csv"
    options = (given, "-o", output, "--batch-size", "16")
    code, _, err = setting.here("run", setting.folder / "model", *options)
    assert code == 1
    assert f"error[activation-contradiction]: {given}: row {len(first)}: " in err
    assert not output.exists()
    assert setting.here("run", setting.folder / "model", *options, "--activation", "none")[0] == 0


def test_later_values_that_could_be_probabilities(setting: Setting, tmp_path: Path) -> None:
    """Decided by the first batch, not per batch: probabilities behind logits get the logits' softmax."""
    setting.model([node("Abs", "x", "a"), node("Sign", "x", "s"), node("Mul", "a s")])
    values = np.concatenate([LOGITS, SHARES])
    given = save(tmp_path / "x.npy", values)
    size = str(len(LOGITS))
    code, out, err = setting.here(
        "run", setting.folder / "model", given, "-f", "jsonl", "-k", "0", "--batch-size", size
    )
    assert code == 0
    assert len(err.splitlines()) == 1
    close(probabilities(rows_of(out)), softmax(values))


@pytest.mark.parametrize("name", ["Softmax", "Sigmoid", "LogSoftmax", "Exp/ReduceSum/Div"])
def test_one_note_for_many_inputs(setting: Setting, tmp_path: Path, name: str) -> None:
    nodes, _, said, more = ENDS[name]
    setting.model(nodes, None, **more)
    paths = [save(tmp_path / f"{number}.npy", LOGITS) for number in range(4)]
    code, _, err = setting.here("run", setting.folder / "model", *paths, "-f", "csv")
    assert code == 0
    assert [line for line in err.splitlines() if said in line] == err.splitlines()
    assert len(err.splitlines()) == 1
