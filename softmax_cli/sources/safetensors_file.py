"""Safetensors files, through their library; bfloat16 is widened to float32 without loss."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.errors import InputError, Location
from softmax_cli.geometry import check_shape, shape_text
from softmax_cli.sources.base import ArraySource, ReadOptions, memory_source
from softmax_cli.sources.choice import choice_notes, choose_array
from softmax_cli.sources.stream import Input
from softmax_cli.text import visible

_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1",
}  # fmt: skip


def read_tensors(source: Input, options: ReadOptions) -> tuple[dict[str, Any], str, tuple[str, ...], dict[str, str]]:
    """Read a file whole and choose a tensor: all tensors, the chosen one's name, notes on the choice, metadata.

    Raises InputError for a damaged file, or where nothing tells which tensor holds the logits.
    """
    import safetensors

    with source.open() as stream:
        data = stream.read()
    if not data:
        raise InputError("empty-input", "the file is empty", at=source.at)
    try:
        tensors: dict[str, Any] = dict(safetensors.deserialize(data))  # type: ignore[no-untyped-call]
    except safetensors.SafetensorError as error:
        message = f"not a whole safetensors file ({visible(str(error), 120)})"
        raise InputError("bad-safetensors", message, at=source.at) from error
    name = choose_array(list(tensors), options.array, source.at, _described(tensors))
    return tensors, name, choice_notes(name, len(tensors), options.array), read_metadata(data)


def read_metadata(data: bytes) -> dict[str, str]:
    """The texts that a file's header holds besides its tensors; its library keeps them to itself."""
    length = int.from_bytes(data[:8], "little")
    metadata: dict[str, str] = json.loads(data[8 : 8 + length]).get("__metadata__", {})
    return metadata


def _described(tensors: dict[str, Any]) -> list[str]:
    return [f"{visible(name, 40)} ({shape_text(tuple(t['shape']))} {t['dtype']})" for name, t in tensors.items()]


def open_source(source: Input, options: ReadOptions) -> ArraySource:
    """Open one tensor of a safetensors file as logits."""
    tensors, name, notes, _ = read_tensors(source, options)
    array = tensor_array(tensors[name], name, source.at)
    facts = {
        "format": "safetensors",
        "array": name,
        "arrays": _described(tensors),
        "shape": list(array.shape),
        "dtype": tensors[name]["dtype"],
    }
    return memory_source(source.name, array, options.axis, facts, notes)


def tensor_array(tensor: dict[str, Any], name: str, at: Location) -> NDArray[Any]:
    """One tensor's values.

    Raises InputError for elements that aren't real numbers.
    """
    dtype = tensor["dtype"]
    if dtype not in _DTYPES:
        message = f"tensor {visible(name, 40)!r} holds {dtype}, expected real numbers of 8 to 64 bits"
        raise InputError("unsupported-dtype", message, at=at)
    check_shape(tuple(tensor["shape"]), at, f"tensor {visible(name, 40)!r}")
    values = np.frombuffer(tensor["data"], _DTYPES[dtype]).reshape(tensor["shape"])
    if dtype == "BF16":  # the upper half of a float32
        return (values.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return values
