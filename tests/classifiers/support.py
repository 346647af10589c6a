"""What the tests of this folder share: models written by hand, and the runtime asked without the command."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import numpy as np
import onnx
import onnxruntime
import scipy.special
from numpy.typing import NDArray
from onnx import helper, numpy_helper

Array = NDArray[Any]
Frame = Sequence[Sequence[object]]

PLAIN = ("--mean", "0", "--std", "1")  # pixels from 0 to 1


def write_model(
    path: Path,
    nodes: Sequence[Any],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    weights: dict[str, Array] | None = None,
    functions: Sequence[Any] = (),
    ir_version: int = 9,
    **meta: str,
) -> Path:
    """Write a model of some nodes; a domain `own` is there for functions."""
    constants = [numpy_helper.from_array(np.asarray(value), name) for name, value in (weights or {}).items()]
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3), helper.make_opsetid("own", 1)]
    graph = helper.make_graph(nodes, "graph", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=opsets, ir_version=ir_version, functions=functions)
    helper.set_model_props(model, meta)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


@cache
def session(path: str) -> Any:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def by_hand(path: Path, feed: Array | dict[str, Array], output: str | None = None) -> Any:
    """What the runtime gives for a feed; a fixed batch must be met."""
    runner = session(str(path))
    feeds = feed if isinstance(feed, dict) else {runner.get_inputs()[0].name: feed}
    return runner.run(None if output is None else [output], feeds)[0 if output is not None else -1]


def softmax(logits: Array, axis: int = -1) -> Array:
    """The softmax in double precision."""
    result: Array = scipy.special.softmax(logits.astype(np.float64), axis=axis)
    return result


def put_json(path: Path, value: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2), "utf-8")
    return path


def by_label(row: dict[str, Any], value: str = "probability") -> dict[str, float]:
    """The scores of one row of JSON lines by class name."""
    return {item["label"]: item[value] for item in row["predictions"]}


def same_ranking(row: dict[str, Any], expected: Array, names: Sequence[str], rtol: float = 2e-5) -> None:
    """Check one row of JSON lines: every class with its name and probability, best first."""
    found = by_label(row)
    assert set(found) == set(names)
    np.testing.assert_allclose([found[name] for name in names], expected, rtol=rtol, atol=3e-7)
    shown = [item["probability"] for item in row["predictions"]]
    assert shown == sorted(shown, reverse=True)
    assert [item["rank"] for item in row["predictions"]] == list(range(1, len(names) + 1))
    assert all(names[item["index"]] == item["label"] for item in row["predictions"])


def probabilities(rows: Sequence[dict[str, Any]], value: str = "probability") -> Array:
    """(rows, classes) in class order."""
    return np.array(
        [[item[value] for item in sorted(row["predictions"], key=lambda item: item["index"])] for row in rows]
    )
