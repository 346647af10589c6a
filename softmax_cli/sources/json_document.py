"""One JSON document: arrays, objects with logits, and the inference response of KServe v2 and Triton.

The response: https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.errors import InputError, Location
from softmax_cli.sources.base import ArraySource, ReadOptions, element_count, memory_source, shape_text
from softmax_cli.sources.choice import choice_notes, choose_array
from softmax_cli.sources.json_values import as_rows, field_of, id_text, to_array
from softmax_cli.sources.lines import check_text
from softmax_cli.sources.stream import Input
from softmax_cli.strict_json import decode_utf8, describe, parse_json
from softmax_cli.text import visible

# The data types of the protocol that are numbers, and what they're worked as.
_DATATYPES: dict[str, type[np.floating[Any]]] = {
    "FP16": np.float32,
    "BF16": np.float32,
    "FP32": np.float32,
    "FP64": np.float64,
    **{f"{sign}INT{bits}": np.float64 for sign in ("", "U") for bits in (8, 16, 32, 64)},
}


def open_source(source: Input, options: ReadOptions) -> ArraySource:
    """Open a JSON document as logits; it is read whole."""
    check_text(source.head(4), source.at)
    with source.open() as stream:
        data = stream.read()
    if not data.strip():
        raise InputError("empty-input", "there is nothing in it", at=source.at)
    value = parse_json(decode_utf8(data, source.at), source.at)
    if isinstance(value, dict) and isinstance(value.get("outputs"), list):
        return _response(value["outputs"], source, options)
    rows = as_rows(value)
    if rows is not None:
        return _objects(rows, source, options)
    if isinstance(value, dict):
        return _object(value, source, options)
    return _source(to_array(value, source.at), source, options)


def _source(
    array: NDArray[Any], source: Input, options: ReadOptions, ids: list[str] | None = None, **facts: Any
) -> ArraySource:
    notes = facts.pop("notes", ())
    facts = {"format": "json", "shape": list(array.shape), "dtype": array.dtype.name, **facts}
    return memory_source(source.name, array, options.axis, facts, notes, ids=ids)


def _object(value: dict[str, Any], source: Input, options: ReadOptions) -> ArraySource:
    field = field_of(value, options.array, source.at)
    array = to_array(value[field], source.at)
    key = options.id_column or "id"
    ids = value.get(key)
    if ids is not None and not isinstance(ids, list):
        ids = [ids]
    if ids is not None and len(ids) != element_count(array.shape[:-1]):
        ids = None
    return _source(array, source, options, None if ids is None else [id_text(item) for item in ids], field=field)


def _objects(rows: list[dict[str, Any]], source: Input, options: ReadOptions) -> ArraySource:
    field = field_of(rows[0], options.array, Location(source.name, row=0))
    key = options.id_column or "id"
    for row, item in enumerate(rows):
        if field not in item:
            raise InputError("bad-value", f"no field {visible(field)!r}", at=Location(source.name, row=row))
    array = to_array([item[field] for item in rows], source.at)
    ids = [id_text(item.get(key, "")) for item in rows] if key in rows[0] and array.ndim == 2 else None
    return _source(array, source, options, ids, field=field)


def _response(outputs: list[Any], source: Input, options: ReadOptions) -> ArraySource:
    at = source.at
    tensors: dict[str, dict[str, Any]] = {}
    for place, output in enumerate(outputs):
        if not isinstance(output, dict) or not isinstance(output.get("name"), str):
            raise InputError("bad-json", f"outputs[{place}] is {describe(output)} without a name", at=at)
        if output["name"] in tensors:
            raise InputError("bad-member", f"two outputs are called {visible(output['name'], 40)!r}", at=at)
        tensors[output["name"]] = output
    names = [name for name, output in tensors.items() if output.get("datatype") in _DATATYPES]
    if options.array is not None or not names:
        names = list(tensors)
    name = choose_array(names, options.array, at)
    array = _tensor(tensors[name], name, at)
    notes = choice_notes(name, len(names), options.array)
    return _source(array, source, options, format="KServe v2 response", output=name, notes=notes)


def _tensor(output: dict[str, Any], name: str, at: Location) -> NDArray[Any]:
    shown = visible(name, 40)
    datatype = output.get("datatype")
    if not isinstance(datatype, str) or datatype not in _DATATYPES:
        raise InputError("unsupported-dtype", f"output {shown!r} is {datatype!r:.40}, expected numbers", at=at)
    shape = output.get("shape")
    if not isinstance(shape, list) or not all(type(length) is int and length >= 0 for length in shape):
        raise InputError("bad-shape", f"output {shown!r} has no shape of whole numbers", at=at)
    if "data" not in output:
        message = f"output {shown!r} has no data"
        raise InputError("bad-json", message, at=at, hint="ask the server for JSON, not binary, tensors")
    flat = to_array(output["data"], at).reshape(-1)
    if flat.size != element_count(tuple(shape)):
        message = f"output {shown!r} has {flat.size:,} values, but its shape is {shape_text(tuple(shape))}"
        raise InputError("bad-shape", message, at=at)
    return flat.astype(_DATATYPES[datatype]).reshape(shape)
