"""A loaded ONNX model: its inputs and outputs as records, and runs whose failures are ours."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.errors import Location, ModelError
from softmax_cli.model.external import check_external_data
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
DEFAULT_PROVIDER = "cpu"
_PROVIDER_ENDING = "ExecutionProvider"
_REMOTE = ("azure",)  # calls a service: never chosen by itself
_PREFIX = re.compile(r"^\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : ")
_SIGNATURE = re.compile(r"\S+\.(?:cc|h|cpp):\d+ .*?\)(?: const)? (?=[\w\[(])")  # where in its sources an error arose
_HINTS: Mapping[str, str] = {
    "IR version": "update onnxruntime, or export the model for an older version",
    "opset": "update onnxruntime, or export the model with an older opset",
    "is not a registered function/op": "the model needs an operator that this onnxruntime doesn't have",
    "Protobuf parsing failed": "it isn't an ONNX model, or was cut short: fetch or export it again",
    "No graph was found": "it isn't an ONNX model, or is empty: fetch or export it again",
}
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

    @property
    def column_kind(self) -> str:
        """What a table's column must hold for it: text, integers or numbers."""
        if self.kind == "tensor(string)":
            return "text"
        return "number" if self.dtype is None or self.is_float else "integer"

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
        text = _SIGNATURE.sub("", _PREFIX.sub("", " ".join(str(error).split())))
        hint = next((hint for pattern, hint in _HINTS.items() if pattern in text), None)
        raise ModelError(slug, f"{what}: {visible(text, 300)}", at=at, hint=hint) from error


@dataclass(frozen=True, slots=True)
class Isolation:
    """That a model runs in a process of its own, and how far it may go there.

    timeout: seconds to load it, or for one run of it. memory: bytes beyond those of the runtime. None: no end.
    """

    timeout: float | None = None
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class Engine:
    """What runs a model: an execution provider by its short name (`auto`: the best there is), its options, threads.

    threads: within one operator. isolation: None runs it in this process.
    """

    provider: str = DEFAULT_PROVIDER
    options: Mapping[str, str] = field(default_factory=dict)
    threads: int = 1
    isolation: Isolation | None = None

    def providers(self, available: Sequence[str], at: Location) -> list[Any]:
        """The providers for ONNX Runtime, the CPU's at the end.

        Raises ModelError for one that isn't available, with those that are.
        """
        short = {name.removesuffix(_PROVIDER_ENDING).lower(): name for name in available}
        if self.provider.lower() == "auto":
            return [name for key, name in short.items() if key not in _REMOTE]
        if self.provider.lower() not in short:
            message = f"--provider {visible(self.provider)} isn't available here"
            hint = f"there are: {', '.join(short)}; others come with another build of onnxruntime"
            raise ModelError("unknown-provider", message, at=at, hint=hint)
        chosen = short[self.provider.lower()]
        return [(chosen, dict(self.options)), *(["CPUExecutionProvider"] if self.provider.lower() != "cpu" else [])]


class OnnxModel:
    """An ONNX file ready to run.

    Raises ModelError where the file isn't there, its external data isn't in order, or it can't be loaded.
    """

    def __init__(self, path: str, engine: Engine):
        self.path = path
        self.at = Location(path)
        if not Path(path).exists():
            raise ModelError("not-found", "no such model file", at=self.at)
        if not Path(path).is_file():
            raise ModelError("bad-model", "not a regular file, expected an .onnx file", at=self.at)
        self.external = check_external_data(path)
        session = self._load(engine)
        self._session = session
        self.provider = session.get_providers()[0].removesuffix(_PROVIDER_ENDING).lower()
        if engine.provider.lower() not in ("auto", self.provider):
            message = f"--provider {engine.provider} can't be used here: ONNX Runtime fell back to {self.provider}"
            raise ModelError("unknown-provider", message, at=self.at)
        # The CPU's sessions may run on several threads at once; not every other provider's.
        self._turn = contextlib.nullcontext() if self.provider == "cpu" else threading.Lock()
        self.inputs = tuple(_port(value) for value in session.get_inputs())
        self.outputs = tuple(_port(value) for value in session.get_outputs())

    def _load(self, engine: Engine) -> onnxruntime.InferenceSession:
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # its import writes files under the home directory
        import onnxruntime

        onnxruntime.set_default_logger_severity(4)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = engine.threads
        options.inter_op_num_threads = 1
        # Threads that spin while they wait would take the cores from decoding and ranking.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers = engine.providers(onnxruntime.get_available_providers(), self.at)
        with runtime_errors("bad-model", self.at, "ONNX Runtime can't load it"):
            return onnxruntime.InferenceSession(self._loadable(), options, providers=providers, enable_fallback=False)

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
        """Run the model once and return one output; from any thread."""
        with self._turn, runtime_errors("model-failed", self.at, "the model failed"):
            return self._session.run([output], dict(feed))[0]

    def close(self) -> None:
        """Nothing: the session goes with this object."""


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
    # Quantised models give integers; a list of one a sample is labels, not scores.
    scores = scores or [port for port in outputs if port.dtype is not None and len(port.shape) > 1]
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
