"""What a model's outputs are: logits, or probabilities already; decided once, with the reason.

The graph's end is the evidence where it shows an activation; else the first values are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SUM_TOLERANCE = 1e-3
# Nodes that carry values on without changing which function made them.
_TRANSPARENT = ("Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose", "ZipMap")
_ENDINGS = {
    "Softmax": "none",
    "Sigmoid": "none",
    "Normalizer": "none",
    "LogSoftmax": "softmax",  # the softmax of log-probabilities is the probabilities
}
_LINEAR = ("Gemm", "MatMul", "Conv", "Add", "BatchNormalization")
_POST_TRANSFORMS = {"SOFTMAX": "none", "SOFTMAX_ZERO": "none", "LOGISTIC": "none"}


@dataclass(frozen=True, slots=True)
class Decision:
    """The activation that the outputs still need, and why."""

    activation: str
    reason: str
    from_values: bool = False


def decide_from_graph(path: str, output: str) -> Decision | None:
    """Look at the node that makes the output; None where it tells nothing."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        graph = onnx.load(path, load_external_data=False).graph
    except (DecodeError, OSError, ValueError):  # an .ort file, say: ONNX Runtime has loaded it all the same
        return None
    makers = {name: node for node in graph.node for name in node.output}
    name = output
    for _ in range(len(graph.node)):
        node = makers.get(name)
        if node is None or not node.input or node.op_type not in _TRANSPARENT:
            break
        name = node.input[0]
    node = makers.get(name)
    return None if node is None else _decide(node)


def _decide(node: Any) -> Decision | None:
    if node.op_type in _ENDINGS:
        activation = _ENDINGS[node.op_type]
        what = "probabilities already" if activation == "none" else "log-probabilities"
        return Decision(activation, f"the model ends in {node.op_type}: its outputs are {what}")
    if node.op_type in _LINEAR:
        return Decision("softmax", f"the model ends in {node.op_type}, which is linear: its outputs are logits")
    for attribute in node.attribute:
        if attribute.name == "post_transform":
            transform = attribute.s.decode("ascii", "replace")
            if transform in _POST_TRANSFORMS:
                reason = f"the model ends in {node.op_type} with {transform}: its outputs are probabilities already"
                return Decision(_POST_TRANSFORMS[transform], reason)
    return None


def look_like_probabilities(values: NDArray[Any]) -> bool:
    """Whether all rows of (rows, classes) lie in [0, 1] and sum to 1 ± 0.001."""
    if not values.size:
        return False
    within = bool((values >= 0).all() and (values <= 1).all())
    return within and bool((np.abs(values.sum(axis=1, dtype=np.float64) - 1) <= _SUM_TOLERANCE).all())


def decide_from_values(values: NDArray[Any]) -> Decision:
    """Decide by the first outputs, (rows, classes)."""
    if values.shape[1] > 1 and look_like_probabilities(values):
        return Decision("none", "all values lie in [0, 1] and rows sum to 1: they're probabilities already", True)
    return Decision("softmax", "the values aren't probabilities: they were taken for logits", True)
