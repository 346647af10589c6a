"""The files beside a model that hold its weights: each must be there, be whole, and lie in the model's folder.

A model is data from somewhere; where it says that its weights are, it must not reach for other files of the machine.
"""

from __future__ import annotations

import math
import mmap
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from softmax_cli.errors import Location, ModelError
from softmax_cli.text import visible

if TYPE_CHECKING:
    import onnx

# Any tensor with external data names its file under this key; protobuf keeps texts as they are.
_MARK = b"location"
# A tensor that says it's external and nothing more holds just this field. Two bytes turn up in any large file by
# chance, and ONNX Runtime refuses such a model itself: only small ones are worth the look.
_EXTERNAL_FIELD, _SMALL = b"p\x01", 2**20
_NUMBER = re.compile(r"\d{1,19}", re.ASCII)
_ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:")
_BITS: Mapping[str, int] = {
    **dict.fromkeys(("BOOL", "INT8", "UINT8", "FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ"), 8),
    **dict.fromkeys(("INT16", "UINT16", "FLOAT16", "BFLOAT16"), 16),
    **dict.fromkeys(("INT32", "UINT32", "FLOAT"), 32),
    **dict.fromkeys(("INT64", "UINT64", "DOUBLE", "COMPLEX64"), 64),
    **{"COMPLEX128": 128, "INT4": 4, "UINT4": 4, "FLOAT4E2M1": 4, "INT2": 2, "UINT2": 2, "FLOAT8E8M0": 8},
}


@dataclass(frozen=True, slots=True)
class ExternalFile:
    """A file with weights: its name as the model gives it, where that leads, its bytes, and how many tensors use it."""

    location: str
    path: Path
    size: int
    tensors: int


def check_external_data(path: str) -> tuple[ExternalFile, ...]:
    """Check every file that a model keeps weights in, and list them by name; a model without such costs one scan.

    Tensors are looked for among initializers, sparse ones too, in attributes, subgraphs and functions. What can't be
    parsed, and ONNX Runtime's own `.ort` format, is left to ONNX Runtime and gives an empty tuple.
    Raises ModelError("external-data") that names tensor and file where a file lies outside the model's folder, by its
    name or through a link; isn't there; isn't a file of its own; or is too short for what the tensor needs.
    Specification: https://github.com/onnx/onnx/blob/main/docs/ExternalData.md
    """
    if path.lower().endswith(".ort") or not _may_have_external_data(path):
        return ()
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path, format="protobuf", load_external_data=False)
    except (DecodeError, OSError, ValueError):
        return ()
    checked = _Checker(path)
    for tensor in tensors_of(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            checked.take(tensor)
    if checked.files and path.encode("utf-8", "replace") != path.encode("utf-8", "surrogateescape"):
        message = "the model's path isn't valid UTF-8, so ONNX Runtime can't look for weights beside it"
        raise ModelError("external-data", message, at=Location(path), hint="rename the file or folder")
    return tuple(checked.files[name] for name in sorted(checked.files))


def _may_have_external_data(path: str) -> bool:
    """Scan a file's bytes; False only where no tensor can name a file. False too for what can't be read."""
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            return False
        with Path(path).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return data.find(_MARK) >= 0 or (len(data) <= _SMALL and data.find(_EXTERNAL_FIELD) >= 0)
    except (OSError, ValueError):
        return False


def tensors_of(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Go through every tensor of a model: of its graph, of subgraphs, of functions, and of its training."""
    graphs: list[Any] = [model.graph]
    for training in model.training_info:
        graphs += [training.initialization, training.algorithm]
    nodes: list[Any] = []
    attributes: list[Any] = []
    for function in model.functions:
        nodes += function.node
        attributes += function.attribute_proto
    while graphs or nodes or attributes:
        sparse: list[Any] = []
        if graphs:
            graph = graphs.pop()
            nodes += graph.node
            sparse += graph.sparse_initializer
            yield from graph.initializer
        for node in nodes:
            attributes += node.attribute
        for attribute in attributes:
            # An attribute's type may lie: whatever it holds is looked at.
            graphs += [*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs]
            yield from [*([attribute.t] if attribute.HasField("t") else ()), *attribute.tensors]
            sparse += attribute.sparse_tensors
            if attribute.HasField("sparse_tensor"):
                sparse.append(attribute.sparse_tensor)
        for tensor in sparse:
            yield from (tensor.values, tensor.indices)
        nodes, attributes = [], []


class _Checker:
    """Checks one tensor after the other; keeps the files found good."""

    def __init__(self, path: str):
        self.at = Location(path)
        self.folder = Path(path).parent
        # Caches keep files under other names and link to them; there the weights lie beside the linked model.
        self._allowed = (self.folder.resolve(), Path(path).resolve().parent)
        self.files: dict[str, ExternalFile] = {}

    def take(self, tensor: onnx.TensorProto) -> None:
        """Check one external tensor."""
        name = visible(_text(tensor.name), 60) or "without a name"
        entries = [(_text(entry.key), _text(entry.value)) for entry in tensor.external_data]
        given = dict(entries)
        if any(isinstance(entry.value, bytes) for entry in tensor.external_data):
            raise self._error(name, "says where its data is in bytes that aren't UTF-8")
        if len(given) < len(entries):
            raise self._error(name, "says twice where its data is")
        location = given.get("location", "")
        if not location:
            raise self._error(name, "keeps its data in a file, but doesn't say in which")
        if location not in self.files:
            real, size = self._file(name, location)
            self.files[location] = ExternalFile(location, real, size, 0)
        known = self.files[location]
        self._fits(tensor, name, given, known)
        self.files[location] = ExternalFile(location, known.path, known.size, known.tensors + 1)

    def _file(self, name: str, location: str) -> tuple[Path, int]:
        """Resolve a location to a file of the model's folder, and its size."""
        self._stays_inside(name, location)
        shown = visible(location, 120)
        try:
            real = (self.folder / location).resolve(strict=True)
            status = real.stat()
        except FileNotFoundError as error:
            hint = f"the model needs {shown} beside it: copy or download both"
            raise self._error(name, f"is in {shown}, which isn't there", hint) from error
        except (OSError, RuntimeError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise self._error(name, f"is in {shown}, which can't be reached: {visible(reason, 100)}") from error
        if not any(real.is_relative_to(folder) for folder in self._allowed):
            hint = "put the file itself in the model's folder"
            raise self._error(name, f"is in {shown}, a link that leaves the model's folder", hint)
        if not stat.S_ISREG(status.st_mode):
            raise self._error(name, f"is in {shown}, which isn't a regular file")
        if status.st_nlink > 1:
            message = f"is in {shown}, which has {status.st_nlink:,} hard links: it may be a file from elsewhere"
            raise self._error(name, message, "copy it, and put the copy in its place")
        if not os.access(real, os.R_OK):
            raise self._error(name, f"is in {shown}, which this user may not read")
        return real, status.st_size

    def _stays_inside(self, name: str, location: str) -> None:
        """Refuse a name that leads out of the folder on this system, or would on another."""
        shown = visible(location, 120)
        hint = "the weights must lie in the model's folder, named relative to it"
        if _ABSOLUTE.match(location):
            raise self._error(name, f"is in {shown}, an absolute path", hint)
        depth = 0
        for part in re.split(r"[/\\]", location):
            depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
            if depth < 0:
                raise self._error(name, f"is in {shown}, outside the model's folder", hint)

    def _fits(self, tensor: onnx.TensorProto, name: str, given: Mapping[str, str], file: ExternalFile) -> None:
        """Check that the file holds what the tensor needs, where it says that it is."""
        for key in ("offset", "length"):
            if key in given and not _NUMBER.fullmatch(given[key]):
                raise self._error(name, f"has the {key} {visible(given[key], 30)!r}, expected a number of bytes")
        needed = _bytes_needed(tensor)
        offset, length = int(given.get("offset", 0)), int(given.get("length", 0)) or needed or 0
        if needed is not None and length != needed:
            shape = "×".join(map(str, tensor.dims)) or "no"
            message = f"has {length:,} bytes in {visible(file.location, 120)}, but its shape ({shape}) needs {needed:,}"
            raise self._error(name, message, "the file with the weights belongs to another model, or is damaged")
        if offset + length > file.size:
            message = f"is at byte {offset:,} to {offset + length:,} of {visible(file.location, 120)}"
            message += f", which has {file.size:,} bytes"
            raise self._error(name, message, "the file is cut short or belongs to another model: fetch it anew")

    def _error(self, name: str, message: str, hint: str | None = None) -> ModelError:
        return ModelError("external-data", f"tensor {name} {message}", at=self.at, hint=hint)


def _text(value: str | bytes) -> str:
    """A text of the model; protobuf gives bytes where they aren't UTF-8."""
    return value if isinstance(value, str) else os.fsdecode(value)


def _bytes_needed(tensor: onnx.TensorProto) -> int | None:
    """How many bytes a tensor's elements take; None where type or shape don't say."""
    import onnx

    names = {number: name for name, number in onnx.TensorProto.DataType.items()}
    bits = _BITS.get(names.get(tensor.data_type, ""))
    if bits is None or any(length < 0 for length in tensor.dims):
        return None
    return int(math.prod(tensor.dims) * bits + 7) // 8
