"""Logits, and the bytes of every input format that hold them."""

import io
import json
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet
import safetensors.numpy
from numpy.typing import NDArray

LOGITS = np.array([[3.25, -1.5, 0.0], [0.1, 2.0, 1e-300], [-7.0, 4.5, 5.75], [1.0, 1.0, 1.0]])
NARROW = LOGITS.astype(np.float32)
IDS = ["one", "two, 2", 'three "3"', "vier\nfünf"]


def npy(array: NDArray[Any], version: tuple[int, int] = (1, 0)) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that version 3 isn't read by old NumPy
        np.lib.format.write_array(buffer, array, version)
    return buffer.getvalue()


def npz(packed: bool = False, **arrays: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    (np.savez_compressed if packed else np.savez)(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(table, buffer)
    return buffer.getvalue()


def arrow(table: pa.Table, new: Any = pyarrow.ipc.new_file, **options: Any) -> bytes:
    buffer = io.BytesIO()
    with new(buffer, table.schema, options=pyarrow.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return buffer.getvalue()


def polars(frame: pl.DataFrame, method: str) -> bytes:
    buffer = io.BytesIO()
    getattr(frame, method)(buffer)
    return buffer.getvalue()


def json_lines(records: Sequence[Any], end: str = "\n") -> bytes:
    return end.join(json.dumps(record) for record in records).encode() + end.encode()


def csv(header: bool = True, delimiter: str = ",", end: str = "\n") -> bytes:
    lines = [["cat", "dog", "eel"]] if header else []
    lines += [[repr(value) for value in row] for row in LOGITS.tolist()]
    return (end.join(delimiter.join(line) for line in lines) + end).encode()


def rows_of(array: NDArray[Any], axis: int) -> NDArray[Any]:
    narrow = array.dtype.kind == "f" and array.dtype.itemsize <= 4
    wide = array.astype(np.float32 if narrow else np.float64)
    return np.moveaxis(wide, axis, -1).reshape(-1, array.shape[axis])


DTYPES = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]


def sample(dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    kind = np.dtype(dtype)
    count = int(np.prod(shape))
    if kind.kind == "f":
        return (np.linspace(-9, 9, count) if count else np.empty(0)).astype(kind).reshape(shape)
    limits = np.iinfo(kind)
    numbers = np.arange(count, dtype=np.uint64) * np.uint64(max(1, (limits.max - limits.min) // max(1, count)))
    return numbers.astype(kind).reshape(shape)


TABLE_WRITERS: dict[str, Callable[[pa.Table], bytes]] = {
    "pyarrow.parquet": parquet,
    "pyarrow.arrow": arrow,
    "pyarrow.arrows": lambda table: arrow(table, pyarrow.ipc.new_stream),
    "zstd.arrow": lambda table: arrow(table, compression="zstd"),
    "lz4.arrows": lambda table: arrow(table, pyarrow.ipc.new_stream, compression="lz4"),
    "polars.parquet": lambda table: polars(pl.DataFrame(table), "write_parquet"),
    "polars.arrow": lambda table: polars(pl.DataFrame(table), "write_ipc"),
    "polars.arrows": lambda table: polars(pl.DataFrame(table), "write_ipc_stream"),
}

FORMATS: dict[str, bytes] = {
    "csv": csv(),
    "tsv": csv(delimiter="\t"),
    "txt": csv(header=False, delimiter=" "),
    "npy": npy(LOGITS),
    "npz": npz(logits=LOGITS),
    "jsonl": json_lines(LOGITS.tolist()),
    "json": json.dumps(LOGITS.tolist()).encode(),
    "parquet": parquet(pa.table({name: LOGITS[:, place] for place, name in enumerate(("cat", "dog", "eel"))})),
    "arrow": arrow(pa.table({name: LOGITS[:, place] for place, name in enumerate(("cat", "dog", "eel"))})),
    "arrows": arrow(pa.table({"logits": LOGITS.tolist()}), pyarrow.ipc.new_stream),
    "safetensors": safetensors.numpy.save({"logits": LOGITS}),
}
