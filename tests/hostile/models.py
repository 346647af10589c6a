"""Small models that mean harm: each a function that gives the bytes of an ONNX file with input x and output y."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from onnx import FunctionProto, TensorProto, helper

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
OPSETS = [helper.make_opsetid("", 18), helper.make_opsetid("f", 1), helper.make_opsetid("ai.onnx.ml", 3)]


def model(
    nodes: Sequence[Any],
    constants: Sequence[TensorProto] = (),
    functions: Sequence[FunctionProto] = (),
    title: str = "graph",
    ports: Sequence[str] = ("x", "y"),
    **metadata: str,
) -> bytes:
    """A model of three classes."""
    value, result = (helper.make_tensor_value_info(text, FLOAT, [None, 3]) for text in ports)
    graph = helper.make_graph(nodes, title, [value], [result], constants)
    made = helper.make_model(graph, opset_imports=OPSETS, ir_version=9, functions=list(functions))
    helper.set_model_props(made, metadata)
    return bytes(made.SerializeToString())


def harmless(**metadata: str) -> bytes:
    """Its output is its input."""
    return model([helper.make_node("Identity", ["x"], ["y"])], **metadata)


def deep_functions(depth: int = 3000) -> bytes:
    """Functions that call each other, too deep for ONNX Runtime's stack."""

    def function(place: int) -> FunctionProto:
        inner, domain = (f"F{place + 1}", "f") if place + 1 < depth else ("Identity", "")
        body = helper.make_node(inner, ["a"], ["b"], domain=domain)
        return helper.make_function("f", f"F{place}", ["a"], ["b"], [body], OPSETS[:2])

    call = helper.make_node("F0", ["x"], ["y"], domain="f")
    return model([call], functions=[function(place) for place in range(depth)])


def huge_constant(elements: int = 2**34) -> bytes:
    """A constant of 64 GiB, in a few bytes."""
    shape = helper.make_tensor("s", INT64, [1], [elements])
    nodes = [
        helper.make_node("ConstantOfShape", ["s"], ["c"]),
        helper.make_node("ReduceSum", ["c"], ["d"], keepdims=0),
        helper.make_node("Add", ["x", "d"], ["y"]),
    ]
    return model(nodes, [shape])


def endless_loop() -> bytes:
    """A loop whose condition stays true."""
    condition, value = (
        helper.make_tensor_value_info("go", BOOL, []),
        helper.make_tensor_value_info("v", FLOAT, [None, 3]),
    )
    results = [helper.make_tensor_value_info("go_on", BOOL, []), helper.make_tensor_value_info("w", FLOAT, [None, 3])]
    nodes = [helper.make_node("Identity", ["go"], ["go_on"]), helper.make_node("Identity", ["v"], ["w"])]
    count = helper.make_tensor_value_info("i", INT64, [])
    body = helper.make_graph(nodes, "body", [count, condition, value], results)
    loop = helper.make_node("Loop", ["", "true", "x"], ["y"], body=body)
    return model([loop], [helper.make_tensor("true", BOOL, [], [True])])


def outside(location: str, offset: str = "0", length: str = "12", **more: str) -> bytes:
    """Weights of three floats in another file."""
    weights = TensorProto(name="w", data_type=FLOAT, dims=[3], data_location=TensorProto.EXTERNAL)
    for key, text in (("location", location), ("offset", offset), ("length", length), *more.items()):
        weights.external_data.add(key=key, value=text)
    return model([helper.make_node("Add", ["x", "w"], ["y"])], [weights])
