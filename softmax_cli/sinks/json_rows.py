"""JSON lines and JSON: an object a row; what isn't a number JSON can hold is null."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import Ranked
from softmax_cli.errors import InputError
from softmax_cli.sinks import compiled_lines
from softmax_cli.sinks.base import EncodingSink, SinkOptions
from softmax_cli.sinks.frames import begin_with_tables, chosen, labels_of, source_column
from softmax_cli.sinks.target import Target
from softmax_cli.text import valid

if TYPE_CHECKING:
    import polars as pl


def json_lines(ranked: Ranked) -> bytes:
    """Return a batch as one JSON object a line."""
    if not len(ranked):
        return b""
    lines = compiled_lines.json_lines(ranked)
    return _lines_of_tables(ranked) if lines is None else lines


def _lines_of_tables(ranked: Ranked) -> bytes:
    begin_with_tables()()
    import polars as pl

    kept = None if ranked.counts is None else ranked.kept().reshape(-1)
    indices = chosen(ranked.indices, kept)
    predictions = pl.DataFrame(
        {
            "rank": chosen(np.tile(np.arange(1, ranked.k + 1), len(ranked)), kept),
            "index": indices,
            "label": labels_of(ranked, indices),
            "logit": chosen(ranked.logits, kept),
            "probability": chosen(ranked.probabilities, kept),
        }
    ).to_struct("predictions")
    columns: dict[str, Any] = {
        "source": source_column(ranked),
        "row": ranked.rows,
    }
    position = ranked.places()
    if position is not None:
        columns["position"] = pl.Series(position, dtype=pl.Array(pl.Int64, position.shape[1])).arr.to_list()
    if ranked.ids is not None:
        columns["id"] = pl.Series(ranked.ids, dtype=pl.String)
    if ranked.abstained is not None:
        columns["abstained"] = ranked.abstained
    columns["predictions"] = _nested(predictions, ranked.kept())
    buffer = io.BytesIO()
    pl.DataFrame(columns).write_ndjson(buffer)
    return buffer.getvalue()


def _nested(predictions: pl.Series, kept: NDArray[np.bool_]) -> pl.Series:
    """The predictions of each row as a list. kept: (rows, k), which of them stand."""
    import polars as pl

    if kept.size and kept.all():
        return predictions.reshape(kept.shape).arr.to_list()
    groups = np.repeat(np.arange(len(kept)), kept.sum(axis=1))
    lists = pl.DataFrame({"group": groups, "predictions": predictions}).group_by("group", maintain_order=True)
    every = pl.DataFrame({"group": np.arange(len(kept))})
    found = every.join(lists.agg("predictions"), on="group", how="left", maintain_order="left")
    return found["predictions"].fill_null(pl.Series([[]], dtype=found.schema["predictions"]))


def json_objects(ranked: Ranked) -> list[bytes]:
    """Return a batch as JSON objects: one a row, and one in the place of each input that failed."""
    rows = json_lines(ranked).splitlines()
    for done, fault in enumerate(ranked.faults):
        rows.insert(fault.place + done, _error_object(fault.error))
    return rows


def _error_object(error: InputError) -> bytes:
    record = {key: valid(item) if isinstance(item, str) else item for key, item in error.as_record().items()}
    record.pop("type")
    whose = {key: record.pop(key) for key in ("source", "row") if key in record}
    return json.dumps({**whose, "error": record}, ensure_ascii=False, separators=(",", ":")).encode()


class JsonLinesSink(EncodingSink):
    """Writes an object a line, and hands each batch to the system."""

    head_bytes = 0

    def __init__(self, target: Target, options: SinkOptions):
        if not compiled_lines.are_there():
            begin_with_tables()
        self._target = target

    @property
    def columns(self) -> Mapping[str, Any]:
        """Nothing: every line stands by itself."""
        return {}

    def go_on(self, columns: Mapping[str, Any]) -> None:
        """Go on behind lines that are there."""

    def write(self, ranked: Ranked) -> None:
        """Write a batch."""
        self.put(self.encode(ranked))

    def encode(self, ranked: Ranked) -> bytes:
        """Turn a batch into lines."""
        if ranked.faults:
            return b"".join(row + b"\n" for row in json_objects(ranked))
        return json_lines(ranked)

    def put(self, encoded: bytes) -> None:
        """Hand lines to the system."""
        self._target.write(encoded)
        self._target.flush()

    def close(self) -> None:
        """Nothing is left to write."""

    def abort(self) -> None:
        """Nothing is held."""


class JsonSink(EncodingSink):
    """Writes the same objects in one array."""

    def __init__(self, target: Target, options: SinkOptions):
        if not compiled_lines.are_there():
            begin_with_tables()
        self._target = target
        self._empty = True

    def write(self, ranked: Ranked) -> None:
        """Write a batch."""
        self.put(self.encode(ranked))

    def encode(self, ranked: Ranked) -> bytes:
        """Turn a batch into objects with commas between."""
        return b",\n".join(json_objects(ranked))

    def put(self, encoded: bytes) -> None:
        """Hand objects to the system."""
        if encoded:
            self._target.write(b"[\n" if self._empty else b",\n")
            self._target.write(encoded)
            self._target.flush()
            self._empty = False

    def close(self) -> None:
        """End the array."""
        self._target.write(b"[]\n" if self._empty else b"\n]\n")

    def abort(self) -> None:
        """Nothing is held."""
