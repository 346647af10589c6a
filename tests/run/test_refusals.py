"""`softmax run`: ONNX models of every shape as a source of logits."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from onnx import helper, numpy_helper

from tests.conftest import Run
from tests.run.support import DIGITS, ROWS, Here, Make, matrix, node, ran, refused, save, tensor


@pytest.mark.parametrize("case", ["warning", "failure", "load"])
def test_the_runtime_says_nothing_itself(softmax_quick: Run, make: Make, tmp_path: Path, case: str) -> None:
    """Native libraries write to the process's stderr: a shape that is not as declared makes a warning."""
    target = numpy_helper.from_array(np.array([-1, 3] if case == "warning" else [7, 7], np.int64), "target")
    declared = [9, 3] if case == "warning" else [7, 7]
    kind = "Frobnicate" if case == "load" else "Reshape"
    nodes = [node(kind, "x target")]
    model = make(nodes, tensor("x", "float", ["n", 3]), [tensor("y", "float", declared)], constants=[target])
    done = softmax_quick("run", model, save(tmp_path / "x.npy", ROWS), "-f", "csv", "-k", "1")
    assert done.returncode == (0 if case == "warning" else 1)
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("softmax: ")
    assert b"[W:onnxruntime" not in done.stderr + done.stdout
    assert b"[E:onnxruntime" not in done.stderr + done.stdout


def test_nothing_is_written_at_home(softmax_quick: Run, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    env = [("HOME", str(home)), ("XDG_CACHE_HOME", str(home)), ("XDG_CONFIG_HOME", str(home))]
    done = softmax_quick("run", "digits.onnx", "inputs.npy", "-f", "csv", cwd=DIGITS, env=env)
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
