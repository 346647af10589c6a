"""One JSON document: arrays, objects with logits, and the inference response of KServe v2 and Triton.

The response: https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.errors import InputError, Location
from softmax_cli.geometry import check_shape, element_count, shape_text
from softmax_cli.sources.base import ArraySource, ReadOptions, memory_source
from softmax_cli.sources.choice import choice_notes, choose_array
from softmax_cli.sources.columns import TARGET_NAMES
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


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed document and the logits found in it.

    holders: the (object, key) pairs whose lists the array was made of; none where the document itself is the
    array; with `stacked` each holds one entry along the array's first axis. flat: the list there has no shape.
    """

    value: Any
    array: NDArray[Any]
    holders: tuple[tuple[dict[str, Any], str], ...]
    facts: dict[str, Any]
    stacked: bool = False
    flat: bool = False
    ids: list[str] | None = None
    notes: tuple[str, ...] = ()


def find_logits(source: Input, options: ReadOptions) -> Document:
    """Read a document whole and find the logits in it.

    Raises InputError where it isn't JSON, or holds none.
    """
    check_text(source.head(4), source.at)
    with source.open() as stream:
        data = stream.read()
    if not data.strip():
        raise InputError("empty-input", "there is nothing in it", at=source.at)
    value = parse_json(decode_utf8(data, source.at), source.at)
    if isinstance(value, dict) and isinstance(value.get("outputs"), list):
        return _response(value, source, options)
    rows = as_rows(value)
    if rows is not None:
        return _objects(rows, source, options)
    if isinstance(value, dict):
        return _object(value, source, options)
    return Document(value, to_array(value, source.at), (), {})


def open_source(source: Input, options: ReadOptions) -> ArraySource:
    """Open a JSON document as logits."""
    document = find_logits(source, options)
    array = document.array
    facts = {"format": "json", "shape": list(array.shape), "dtype": array.dtype.name, **document.facts}
    result = memory_source(source.name, array, options.axis, facts, document.notes, ids=document.ids)
    if options.targets:
        result.targets = _targets(document.value, result.total_rows or 0, options, source.at)
    return result


def _targets(value: Any, rows: int, options: ReadOptions, at: Location) -> NDArray[Any] | None:
    """The targets beside the logits: of each object, or as a list of as many as rows."""
    objects = as_rows(value)
    first = objects[0] if objects else value if isinstance(value, dict) else {}
    wanted = options.target_column
    if wanted is not None and wanted not in first:
        raise InputError("unknown-column", f"--target-column: no field {visible(wanted)!r}", at=at)
    key = wanted or next((key for key in first if key.lower() in TARGET_NAMES), None)
    if key is None:
        return None
    found = [item.get(key, "") for item in objects] if objects else first[key]
    if not isinstance(found, list) or len(found) != rows:
        return None
    if found and isinstance(found[0], list):
        return to_array(found, at)
    return np.array([id_text(item) for item in found], str)


def _object(value: dict[str, Any], source: Input, options: ReadOptions) -> Document:
    field = field_of(value, options.array, source.at)
    array = to_array(value[field], source.at)
    _check_id(value, options, source.at)
    ids = value.get(options.id_column or "id")
    if ids is not None and not isinstance(ids, list):
        ids = [ids]
    if ids is not None and len(ids) != element_count(array.shape[:-1]):
        ids = None
    texts = None if ids is None else [id_text(item) for item in ids]
    return Document(value, array, ((value, field),), {"field": field}, ids=texts)


def _objects(rows: list[dict[str, Any]], source: Input, options: ReadOptions) -> Document:
    field = field_of(rows[0], options.array, Location(source.name, row=0))
    _check_id(rows[0], options, source.at)
    key = options.id_column or "id"
    for row, item in enumerate(rows):
        if field not in item:
            raise InputError("bad-value", f"no field {visible(field)!r}", at=Location(source.name, row=row))
    array = to_array([item[field] for item in rows], source.at)
    ids = [id_text(item.get(key, "")) for item in rows] if key in rows[0] and array.ndim == 2 else None
    holders = tuple((item, field) for item in rows)
    return Document(rows, array, holders, {"field": field}, stacked=True, ids=ids)


def _check_id(value: dict[str, Any], options: ReadOptions, at: Location) -> None:
    if options.id_column is not None and options.id_column not in value:
        raise InputError("unknown-column", f"--id-column: no field {visible(options.id_column)!r}", at=at)


def _response(value: dict[str, Any], source: Input, options: ReadOptions) -> Document:
    at = source.at
    tensors: dict[str, dict[str, Any]] = {}
    for place, output in enumerate(value["outputs"]):
        if not isinstance(output, dict) or not isinstance(output.get("name"), str):
            raise InputError("bad-json", f"outputs[{place}] is {describe(output)} without a name", at=at)
        if output["name"] in tensors:
            raise InputError("bad-member", f"two outputs are called {visible(output['name'], 40)!r}", at=at)
        tensors[output["name"]] = output
    names = [name for name, output in tensors.items() if str(output.get("datatype")) in _DATATYPES]
    if options.array is not None or not names:
        names = list(tensors)
    name = choose_array(names, options.array, at)
    array = _tensor(tensors[name], name, at)
    facts = {"format": "KServe v2 response", "output": name}
    notes = choice_notes(name, len(names), options.array)
    return Document(value, array, ((tensors[name], "data"),), facts, flat=True, notes=notes)


def _tensor(output: dict[str, Any], name: str, at: Location) -> NDArray[Any]:
    shown = visible(name, 40)
    datatype = output.get("datatype")
    if not isinstance(datatype, str) or datatype not in _DATATYPES:
        raise InputError("unsupported-dtype", f"output {shown!r} is {datatype!r:.40}, expected numbers", at=at)
    shape = output.get("shape")
    if not isinstance(shape, list) or not all(type(length) is int and length >= 0 for length in shape):
        raise InputError("bad-shape", f"output {shown!r} has no shape of whole numbers", at=at)
    check_shape(tuple(shape), at, f"output {shown!r}")
    if "data" not in output:
        message = f"output {shown!r} has no data"
        raise InputError("bad-json", message, at=at, hint="ask the server for JSON, not binary, tensors")
    flat = to_array(output["data"], at).reshape(-1)
    if flat.size != element_count(tuple(shape)):
        message = f"output {shown!r} has {flat.size:,} values, but its shape is {shape_text(tuple(shape))}"
        raise InputError("bad-shape", message, at=at)
    with np.errstate(over="ignore"):
        values = flat.astype(_DATATYPES[datatype])
    if not np.array_equal(np.isinf(values), np.isinf(flat)):
        raise InputError("bad-value", f"output {shown!r} holds a number beyond the range of {datatype}", at=at)
    return values.reshape(shape)
