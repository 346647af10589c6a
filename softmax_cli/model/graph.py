"""The end of a model's graph: which function made an output, and the class names that nodes hold."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What scores are."""

    LOGITS = "logits"
    PROBABILITIES = "probabilities"
    INDEPENDENT = "independent probabilities"
    LOG_PROBABILITIES = "log-probabilities"
    INDICES = "indices"


@dataclass(frozen=True, slots=True)
class Ending:
    """What the graph's end says of an output: the kind of scores, the node, and the axis that it works along.

    axis: as the node gives it; None where it has none, or where nodes behind it may have moved the axes.
    """

    kind: Kind
    node: str
    axis: int | None = None

    @property
    def reason(self) -> str:
        """The evidence as a sentence."""
        linear = ", which is linear" if self.kind is Kind.LOGITS else ""
        already = "" if self.kind in (Kind.LOGITS, Kind.LOG_PROBABILITIES) else " already"
        return f"the model ends in {self.node}{linear}: its outputs are {self.kind}{already}"


# Nodes that carry values on without changing which function made them; those of the first row keep the axes too.
_KEEPING = ("Identity", "Cast", "CastLike", "Clip", "ZipMap", "QuantizeLinear", "DequantizeLinear", "Dropout")
_MOVING = ("Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose", "Slice", "Gather")
_ENDINGS = {
    "Softmax": Kind.PROBABILITIES,
    "Normalizer": Kind.PROBABILITIES,
    "Sigmoid": Kind.INDEPENDENT,
    "HardSigmoid": Kind.INDEPENDENT,
    "LogSoftmax": Kind.LOG_PROBABILITIES,
    "ArgMax": Kind.INDICES,
    "ArgMin": Kind.INDICES,
    "TopK": Kind.INDICES,
    **dict.fromkeys(("Gemm", "MatMul", "Conv", "Add", "BatchNormalization", "FusedMatMul"), Kind.LOGITS),
}
_POST_TRANSFORMS = {
    "SOFTMAX": Kind.PROBABILITIES,
    "SOFTMAX_ZERO": Kind.PROBABILITIES,
    "LOGISTIC": Kind.INDEPENDENT,
}
_LABEL_ATTRIBUTES = ("classlabels_strings", "classlabels_int64s", "classlabels_ints")
_LABEL_TYPES = (6, 7, 8)  # int32, int64, string, by their numbers in onnx.TensorProto
_DEEPEST = 64  # functions within functions


class Graph:
    """What a model file says, without its weights' external data."""

    def __init__(self, model: Any):
        self._model = model
        self._functions = {(function.domain, function.name): function for function in model.functions}

    @classmethod
    def read(cls, path: str) -> Graph | None:
        """Read a model file; None where it isn't a plain ONNX file (an .ort file, say)."""
        import onnx
        from google.protobuf.message import DecodeError

        try:
            return cls(onnx.load(path, load_external_data=False))
        except (DecodeError, OSError, ValueError):
            return None

    def versions(self) -> Mapping[str, Any]:
        """The versions of the format, the operator sets and the producer."""
        opsets = {item.domain or "ai.onnx": item.version for item in self._model.opset_import}
        return {
            "IR version": self._model.ir_version,
            "opset": opsets,
            "producer version": self._model.producer_version,
        }

    def class_names(self, classes: int) -> tuple[str, ...] | None:
        """So many class names, as nodes of the ai.onnx.ml operators hold them."""
        found = itertools.chain(self._looked_up_names(), self._attribute_names())
        return next((names for names in found if len(names) == classes), None)

    def _looked_up_names(self) -> Iterator[tuple[str, ...]]:
        """The constants that a label is looked up in, as scikit-learn's converter writes them."""
        from onnx import numpy_helper

        constants = {tensor.name: tensor for tensor in self._model.graph.initializer}
        for node in self._model.graph.node:
            looks_up = node.op_type == "ArrayFeatureExtractor" and node.input
            tensor = constants.get(node.input[0]) if looks_up else None
            if tensor is not None and tensor.data_type in _LABEL_TYPES and not tensor.external_data:
                try:
                    values = numpy_helper.to_array(tensor).reshape(-1).tolist()
                except (ValueError, TypeError):  # bytes that don't fill the shape
                    continue
                yield tuple(
                    value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in values
                )

    def _attribute_names(self) -> Iterator[tuple[str, ...]]:
        """The classes that classifier nodes list."""
        for node in self._model.graph.node:
            for attribute in node.attribute:
                if attribute.name in _LABEL_ATTRIBUTES and (attribute.strings or attribute.ints):
                    texts = [text.decode("utf-8", "replace") for text in attribute.strings]
                    yield tuple(texts or map(str, attribute.ints))

    def ending(self, output: str) -> Ending | None:
        """What made an output, as far as the nodes at the end tell."""
        scope = _Scope(self._model.graph.node)
        moved = False
        for _ in range(_DEEPEST):
            node, passed = scope.maker(output)
            moved |= passed
            if node is None:
                return None
            function = self._functions.get((node.domain, node.op_type))
            if function is None or not function.output:
                return _ending(node, scope, moved)
            output = function.output[list(node.output).index(output)] if output in node.output else function.output[0]
            scope = _Scope(function.node)
        return None


class _Scope:
    """The nodes of a graph or function, by the values that they make."""

    def __init__(self, nodes: Iterable[Any]):
        self._makers = {name: node for node in nodes for name in node.output}

    def maker(self, value: str) -> tuple[Any | None, bool]:
        """The node that made a value, and whether a node in between may have moved its axes."""
        moved = False
        for _ in range(len(self._makers) + 1):
            node = self._makers.get(value)
            if node is None or not node.input or node.op_type not in _KEEPING + _MOVING:
                return node, moved
            moved |= node.op_type in _MOVING
            value = node.input[0]
        return None, moved

    def makers_of(self, node: Any) -> list[Any | None]:
        """The nodes that made a node's inputs."""
        return [self.maker(name)[0] for name in node.input]


def _ending(node: Any, scope: _Scope, moved: bool) -> Ending | None:
    if node.op_type in _ENDINGS:
        axis = next((item.i for item in node.attribute if item.name == "axis"), None)
        return Ending(_ENDINGS[node.op_type], node.op_type, None if moved else axis)
    makers = scope.makers_of(node)  # of a damaged model any number
    if node.op_type == "Div" and len(makers) == 2 and _is_quotient_of_sum(makers, scope):
        return Ending(Kind.PROBABILITIES, "Exp/ReduceSum/Div")
    inner = makers[0] if makers and node.op_type in ("Exp", "Log") else None
    if inner is not None and (node.op_type, inner.op_type) == ("Exp", "LogSoftmax"):
        return Ending(Kind.PROBABILITIES, "LogSoftmax and Exp")
    if inner is not None and (node.op_type, inner.op_type) == ("Log", "Softmax"):
        return Ending(Kind.LOG_PROBABILITIES, "Softmax and Log")
    for attribute in node.attribute:
        transform = attribute.s.decode("ascii", "replace") if attribute.name == "post_transform" else ""
        if transform in _POST_TRANSFORMS:
            return Ending(_POST_TRANSFORMS[transform], f"{node.op_type} with {transform}")
    return None


def _is_quotient_of_sum(makers: Sequence[Any | None], scope: _Scope) -> bool:
    """Whether what these nodes make is exponentials, and their own sum."""
    above, below = makers
    if above is None or below is None or above.op_type != "Exp" or below.op_type != "ReduceSum":
        return False
    summed = next(iter(scope.makers_of(below)), None)
    return summed is not None and list(summed.output) == list(above.output)
