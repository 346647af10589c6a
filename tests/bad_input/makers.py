"""Bytes of every format, sound and unsound."""

import io
import json
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet

LOGITS = np.arange(12, dtype=np.float32).reshape(4, 3)
CSV = b"cat,dog,eel\n1,2,3\n4,5,6\n"
MANY = 17_000  # lines: more than the 64 KiB from which blocks are parsed at once
F4 = LOGITS.tobytes()


def npy(array: np.ndarray[Any, Any], version: tuple[int, int] = (1, 0)) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version, allow_pickle=True)
    return buffer.getvalue()


def npy_header(text: str | bytes, data: bytes = b"", version: int = 1, length: int | None = None) -> bytes:
    header = text.encode("latin-1") if isinstance(text, str) else text
    size = (len(header) if length is None else length).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + size + header + data


def npy_shape(shape: object, data: bytes = b"", descr: str = "<f4") -> bytes:
    return npy_header(f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}}}\n", data)


def npz(members: Sequence[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method, compresslevel=1) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return buffer.getvalue()


def parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(table, buffer)
    return buffer.getvalue()


def arrow(table: pa.Table, new: Any = pyarrow.ipc.new_file, compression: str | None = None) -> bytes:
    buffer = io.BytesIO()
    with new(buffer, table.schema, options=pyarrow.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table)
    return buffer.getvalue()


def table(**columns: Any) -> pa.Table:
    return pa.table(columns)


def lists(*rows: list[float | None] | None) -> bytes:
    return parquet(table(logits=pa.array(rows, pa.list_(pa.float64()))))


def safetensors_header(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def response(*outputs: Any, **fields: Any) -> bytes:
    output = {"name": "logits", "datatype": "FP32", "shape": [2, 2], "data": [1, 2, 3, 4], **fields}
    kept = {key: value for key, value in output.items() if value is not ...}
    return json.dumps({"outputs": [*outputs, kept]}).encode()


def late(line: bytes, header: bytes = b"cat,dog\n", good: bytes = b"1,2\n") -> bytes:
    return header + good * MANY + line + b"\n" + good
