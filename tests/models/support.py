"""Small models, and the files that exporters put beside them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

from softmax_cli.errors import ModelError
from softmax_cli.text import visible

FLOAT = TensorProto.FLOAT


def external(name: str = "w", dims: Sequence[int] = (4,), kind: int = FLOAT, **entries: str) -> TensorProto:
    """A tensor whose data the model says to be elsewhere."""
    tensor = TensorProto(name=name, data_type=kind, dims=dims, data_location=TensorProto.EXTERNAL)
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def adding(tensors: Sequence[Any] = (), nodes: Sequence[Any] = (), **more: Any) -> onnx.ModelProto:
    """A model that adds `w` to `x`, or is made of the nodes given."""
    value = [helper.make_tensor_value_info(name, FLOAT, [None, 4]) for name in ("x", "y")]
    body = list(nodes) or [helper.make_node("Add", ["x", "w"], ["y"])]
    graph = helper.make_graph(body, "graph", value[:1], value[1:], list(tensors))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9, **more)


def put(folder: Path, files: dict[str, Any]) -> Path:
    """Write files into a folder: JSON for objects, bytes as they are, and a model for None."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            onnx.save(adding([helper.make_tensor("w", FLOAT, [4], [1, 2, 3, 4])]), path)
        else:
            path.write_bytes(content if isinstance(content, bytes) else json.dumps(content, indent=2).encode())
    return folder


def refused(error: ModelError, slug: str, *parts: str) -> None:
    """Check an error's slug, and parts of its line and hint."""
    shown = f"{error.describe()}\n{error.hint or ''}"
    assert error.slug == slug, shown
    assert safe(error.describe() + (error.hint or ""))
    for part in parts:
        assert part in shown, shown


def safe(text: str) -> bool:
    """Whether a text can't act on a terminal."""
    return text == visible(text)
