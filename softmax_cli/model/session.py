"""A loaded ONNX model: its inputs and outputs as records, and runs whose failures are ours."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.errors import Location, ModelError
from softmax_cli.text import visible

if TYPE_CHECKING:
    import onnxruntime

_METADATA = {
    "producer": "producer_name",
    "graph": "graph_name",
    "domain": "domain",
    "description": "description",
    "metadata": "custom_metadata_map",
}
_PREFIX = re.compile(r"^\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : ")
_TENSOR = re.compile(r"tensor\((\w+)\)")
_DTYPES: Mapping[str, type[np.generic]] = {
    "float": np.float32,
    "float16": np.float16,
    "double": np.float64,
    "bool": np.bool_,
    **{f"{sign}int{bits}": np.dtype(f"{sign}int{bits}").type for sign in ("", "u") for bits in (8, 16, 32, 64)},
}


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a model; a dimension is a number, or None where the model leaves it open."""

    name: str
    kind: str
    shape: tuple[int | None, ...]

    @property
    def dtype(self) -> type[np.generic] | None:
        """The numpy type of its elements; None where they aren't numbers."""
        match = _TENSOR.fullmatch(self.kind)
        return _DTYPES.get(match.group(1)) if match else None

    @property
    def is_float(self) -> bool:
        """Whether it's a tensor of real numbers."""
        return self.dtype is not None and np.issubdtype(self.dtype, np.floating)

    @property
    def is_zipmap(self) -> bool:
        """Whether it's a sequence of maps from class to score, as scikit-learn's converter makes them."""
        return self.kind.startswith("seq(map(") and "tensor(float)" in self.kind

    def __str__(self) -> str:
        shape = "×".join("?" if length is None else str(length) for length in self.shape)
        return f"{visible(self.name, 60)} ({shape + ' ' if shape else ''}{self.kind})"


@contextlib.contextmanager
def runtime_errors(slug: str, at: Location, what: str) -> Iterator[None]:
    """Turn ONNX Runtime's exceptions into one line of ours."""
    try:
        yield
    except Exception as error:
        if not type(error).__module__.startswith("onnxruntime") and not isinstance(error, RuntimeError | ValueError):
            raise
        text = _PREFIX.sub("", " ".join(str(error).split()))
        raise ModelError(slug, f"{what}: {visible(text, 300)}", at=at) from error


class OnnxModel:
    """An ONNX file ready to run on the CPU, with `threads` threads within an operator.

    Raises ModelError where the file isn't there or can't be loaded.
    """

    def __init__(self, path: str, threads: int):
        self.path = path
        self.at = Location(path)
        if not Path(path).exists():
            raise ModelError("not-found", "no such model file", at=self.at)
        if Path(path).is_dir():
            raise ModelError("bad-model", "a directory, expected an .onnx file", at=self.at)
        session = self._load(threads)
        self._session = session
        self.inputs = tuple(_port(value) for value in session.get_inputs())
        self.outputs = tuple(_port(value) for value in session.get_outputs())

    def _load(self, threads: int) -> onnxruntime.InferenceSession:
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # its import writes files under the home directory
        import onnxruntime

        onnxruntime.set_default_logger_severity(4)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        with runtime_errors("bad-model", self.at, "ONNX Runtime can't load it"):
            return onnxruntime.InferenceSession(self._loadable(), options, providers=["CPUExecutionProvider"])

    def _loadable(self) -> str | bytes:
        """The path, or the bytes where ONNX Runtime couldn't take it: it wants UTF-8."""
        try:
            self.path.encode()
        except UnicodeEncodeError:
            return Path(self.path).read_bytes()
        return self.path

    def metadata(self) -> dict[str, Any]:
        """What the model says of itself; what isn't UTF-8 is left out."""
        meta = self._session.get_modelmeta()
        facts: dict[str, Any] = {}
        for key, name in _METADATA.items():
            with contextlib.suppress(UnicodeDecodeError):
                facts[key] = getattr(meta, name)
        return facts

    def run(self, output: str, feed: Mapping[str, NDArray[Any]]) -> Any:
        """Run the model once and return one output."""
        with runtime_errors("model-failed", self.at, "the model failed"):
            return self._session.run([output], dict(feed))[0]


def _port(value: Any) -> Port:
    shape = tuple(length if isinstance(length, int) and length >= 0 else None for length in value.shape or ())
    return Port(value.name, value.type, shape)


def choose_output(outputs: Sequence[Port], wanted: str | None, at: Location) -> Port:
    """Choose the output with the scores: the one asked for, the only one of real numbers, or the one called logits.

    Raises ModelError that lists the outputs.
    """
    listed = ", ".join(map(str, outputs))
    if wanted is not None:
        for port in outputs:
            if port.name == wanted:
                if port.is_float or port.is_zipmap:
                    return port
                raise ModelError(
                    "unsupported-model", f"output {port} holds no scores", at=at, hint=f"there are: {listed}"
                )
        message = f"--output-name: there is no output {visible(wanted)!r}"
        raise ModelError("unknown-output", message, at=at, hint=f"there are: {listed}")
    scores = [port for port in outputs if port.is_float or port.is_zipmap]
    if not scores:
        message = f"no output holds scores of classes: {listed}"
        raise ModelError("unsupported-model", message, at=at, hint="export the model with its logits as an output")
    if len(scores) == 1:
        return scores[0]
    for port in scores:
        if port.name == "logits":
            return port
    message = f"which of {len(scores)} outputs: {listed}?"
    raise ModelError("ambiguous-output", message, at=at, hint="--output-name NAME chooses one")


def choose_input(inputs: Sequence[Port], at: Location) -> Port:
    """The one input of a model.

    Raises ModelError where there are several, none, or one that doesn't hold numbers.
    """
    listed = ", ".join(map(str, inputs))
    if len(inputs) != 1:
        raise ModelError("unsupported-model", f"{len(inputs)} inputs, expected one: {listed or 'none'}", at=at)
    if inputs[0].dtype is None:
        raise ModelError("unsupported-model", f"the input holds no numbers: {listed}", at=at)
    return inputs[0]
