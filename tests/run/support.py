"""What the tests of this folder share."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.special
from numpy.typing import NDArray
from onnx import TensorProto, helper

from tests.conftest import SAMPLES

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


EVERY = ["x.csv", "ids.csv", "x.parquet", "lists.parquet", "x.npz", "flat.npy", "f8.npy", "fortran.npy", "x.jsonl"]


def two_outputs(make: Make, first: str, second: str) -> Path:
    shape = [None, 3]
    nodes = [node("Identity", target=first), node("Neg", target=second)]
    outputs = [tensor(name, "float", shape) for name in (first, second)]
    return make(nodes, tensor("x", "float", shape), outputs)


CASTS = [
    ("float", "float64"), ("float", "uint8"), ("float", "int64"), ("float16", "float32"),
    ("double", "float32"), ("double", "int32"), ("int64", "float32"), ("int64", "uint8"),
    ("int32", "float64"), ("uint8", "float64"), ("int8", "int64"),
]  # fmt: skip


ROWS = np.array([[0.0, -1.0, 2.0], [3.0, 0.5, -4.0]], np.float32)


def shares(count: int, seed: int = 0) -> Array:
    return scipy.special.softmax(np.random.default_rng(seed).normal(size=(count, 3)), axis=1).astype(np.float32)


def zipmap(make: Make, **keys: Any) -> Path:
    kind = helper.make_map_type_proto(
        TensorProto.STRING if "classlabels_strings" in keys else TensorProto.INT64,
        helper.make_tensor_type_proto(TensorProto.FLOAT, None),
    )
    output = helper.make_value_info("y", helper.make_sequence_type_proto(kind))
    nodes = [node("Softmax", "x", "p"), node("ZipMap", "p", domain="ai.onnx.ml", **keys)]
    return make(nodes, tensor("x", "float", [None, 3]), [output])
