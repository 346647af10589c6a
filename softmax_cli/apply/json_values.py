"""JSON documents and JSON lines: the list of logits replaced where it stands, everything else kept."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from softmax_cli.apply.work import Work
from softmax_cli.concurrency import overlap
from softmax_cli.errors import Location
from softmax_cli.geometry import Geometry
from softmax_cli.sinks.target import Target
from softmax_cli.sources.base import ReadOptions
from softmax_cli.sources.json_document import find_logits
from softmax_cli.sources.jsonl import RecordShape, parse_record, record_lines, sniff_record
from softmax_cli.sources.stream import Input


def _plain(values: Any) -> Any:
    """An array as nested lists, float32 in its own shortest digits; what JSON can't hold is null."""
    exact = values.astype("U").astype(np.float64) if values.dtype == np.float32 else values
    if np.isfinite(values).all():
        return exact.tolist()
    objects = exact.astype(object)
    objects[~np.isfinite(values)] = None
    return objects.tolist()


def apply_json(source: Input, options: ReadOptions, work: Work, target: Target) -> tuple[str, ...]:
    """Write the same document."""
    document = find_logits(source, options)
    geometry = Geometry.of(document.array.shape, options.axis, source.at)
    result = work.on_array(source.name, document.array, geometry)
    value = document.value
    if not document.holders:
        value = _plain(result)
    for place, (holder, key) in enumerate(document.holders):
        part = result[place] if document.stacked else result
        holder[key] = _plain(part.reshape(-1) if document.flat else part)
        if document.flat:
            holder["datatype"] = "FP32" if result.dtype == np.float32 else "FP64"
    target.write(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")
    return document.notes


def _lines(record: RecordShape, values: list[Any], result: Any) -> bytes:
    """The lines with the results in place of the logits."""
    for place, probabilities in enumerate(_plain(result)):
        if record.field is None:
            values[place] = probabilities
        else:
            values[place][record.field] = probabilities
    lines = [json.dumps(value, ensure_ascii=False) for value in values]
    return ("\n".join(lines) + "\n").encode()


def _apply_by_columns(
    source: Input, record: RecordShape, options: ReadOptions, work: Work, target: Target
) -> tuple[str, ...]:
    """Take the lines for classes: needs all of them."""
    with contextlib.closing(source.open()) as stream:
        numbered = [line for lines in record_lines(stream, source, options) for line in lines]
    items = [parse_record(text, record, Location(source.name, line=number)) for number, text in numbered]
    logits = np.array([item.logits for item in items])
    result = work.on_array(source.name, logits, Geometry.of(logits.shape, options.axis, source.at))
    target.write(_lines(record, [item.value for item in items], result))
    return ()


def apply_json_lines(source: Input, options: ReadOptions, work: Work, target: Target) -> tuple[str, ...]:
    """Write the same lines."""
    record = sniff_record(source, options)
    if options.axis not in (1, -1):
        return _apply_by_columns(source, record, options, work, target)

    def parsed() -> Iterator[tuple[int, list[Any], Any]]:
        row = 0
        with contextlib.closing(source.open()) as stream:
            for lines in record_lines(stream, source, options):
                values = [parse_record(text, record, Location(source.name, line=number)) for number, text in lines]
                if values:
                    yield row, [item.value for item in values], np.array([item.logits for item in values])
                row += len(values)

    def apply(item: tuple[int, list[Any], Any]) -> bytes:
        row, values, logits = item
        return _lines(record, values, work.on_rows(source.name, logits, row))

    for text in overlap(parsed(), apply, work.jobs):
        target.write(text)
        target.flush()
    return ()
