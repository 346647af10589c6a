"""Damaged inputs of every format, made by mutation: whatever comes out, it is one of our errors or valid batches."""

import bz2
import gc
import gzip
import io
import json
import lzma
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from softmax_cli import ReadOptions, SoftmaxError, open_source
from softmax_cli.errors import InputError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# Below a decompressor that failed the file is closed only when its garbage is collected: see readers.
LOGITS = np.linspace(-4, 4, 24, dtype=np.float32).reshape(6, 4)
IDS = [f"row {number}" for number in range(6)]


def _npy(array: np.ndarray[Any, Any], version: tuple[int, int] | None = None) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version)
    return buffer.getvalue()


def _npz(method: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr(zipfile.ZipInfo("logits.npy"), _npy(LOGITS), method)
        archive.writestr(zipfile.ZipInfo("other.npy"), _npy(LOGITS.T), method)
    return buffer.getvalue()


def _csv(delimiter: str) -> bytes:
    lines = [["id", "a", 'b, "quoted"', "c", "d"]]
    lines += [[name, *map(str, row.tolist())] for name, row in zip(IDS, LOGITS, strict=True)]
    cells = [[f'"{cell.replace(chr(34), chr(34) * 2)}"' if "b," in cell else cell for cell in row] for row in lines]
    return "".join(delimiter.join(row) + "\n" for row in cells).encode()


def _columns() -> pa.Table:
    return pa.table({"id": IDS, **{f"c{place}": LOGITS[:, place] for place in range(4)}})


def _lists() -> pa.Table:
    return pa.table({"id": IDS, "logits": pa.array(LOGITS.tolist(), pa.list_(pa.float32()))})


def _fixed_lists() -> pa.Table:
    return pa.table({"logits": pa.array(LOGITS.tolist(), pa.list_(pa.float32(), 4))})


def _parquet(table: pa.Table, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(table, buffer, **options)
    return buffer.getvalue()


def _polars(method: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    frame = pl.DataFrame({"logits": LOGITS.tolist(), "id": list(range(6))})
    getattr(frame, method)(buffer, **options)
    return buffer.getvalue()


def _arrow(table: pa.Table, new: Callable[[Any, Any], Any]) -> bytes:
    buffer = io.BytesIO()
    with new(buffer, table.schema) as writer:
        writer.write_table(table)
    return buffer.getvalue()


def _response() -> bytes:
    output = {"name": "logits", "datatype": "FP32", "shape": [6, 4], "data": LOGITS.reshape(-1).tolist()}
    other = {"name": "other", "datatype": "BYTES", "shape": [1], "data": ["x"]}
    return json.dumps({"model_name": "m", "outputs": [output, other]}).encode()


def _json_lines(records: list[Any]) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


# File name, and a valid input of that format.
SEEDS: dict[str, bytes] = {
    "plain.csv": _csv(","),
    "tabs.tsv": _csv("\t"),
    "spaces.txt": "".join(" ".join(map(str, row)) + "\n" for row in LOGITS.tolist()).encode(),
    "v1.npy": _npy(LOGITS, (1, 0)),
    "v3.npy": _npy(LOGITS.astype(">f8"), (3, 0)),
    "fortran.npy": _npy(np.asfortranarray(LOGITS.reshape(2, 3, 4)), (2, 0)),
    "stored.npz": _npz(zipfile.ZIP_STORED),
    "deflated.npz": _npz(zipfile.ZIP_DEFLATED),
    "lzma.npz": _npz(zipfile.ZIP_LZMA),
    "bzip2.npz": _npz(zipfile.ZIP_BZIP2),
    "arrays.jsonl": _json_lines(LOGITS.tolist()),
    "objects.jsonl": _json_lines([{"id": name, "logits": row} for name, row in zip(IDS, LOGITS.tolist(), strict=True)]),
    "nested.json": json.dumps(LOGITS.reshape(2, 3, 4).tolist()).encode(),
    "objects.json": json.dumps({"logits": LOGITS.tolist(), "id": IDS}, indent=1).encode(),
    "response.json": _response(),
    "columns.parquet": _parquet(_columns()),
    "lists.parquet": _parquet(_lists(), compression="zstd"),
    "fixed.parquet": _parquet(_fixed_lists(), compression="none", use_dictionary=False),
    "polars.parquet": _polars("write_parquet"),
    "file.arrow": _arrow(_columns(), pyarrow.ipc.new_file),
    "stream.arrows": _arrow(_lists(), pyarrow.ipc.new_stream),
    "polars.arrow": _polars("write_ipc", compression="zstd"),
    "plain.safetensors": safetensors.numpy.save({"logits": LOGITS, "other": LOGITS[:2].astype(np.float16)}),
    "plain.csv.gz": gzip.compress(_csv(","), mtime=0),
    "plain.csv.zst": zstd.compress(_csv(",")),
    "v1.npy.bz2": bz2.compress(_npy(LOGITS)),
    "lines.jsonl.xz": lzma.compress(_json_lines(LOGITS.tolist())),
}

_TOKENS = (
    *(b'"', b",", b"\t", b"\n", b"\r\n", b"\0", b"\xff\xfe", b"[", b"]", b"{", b"}", b":", b"'", b"(", b")", b" "),
    *(b"1e999", b"nan", b"inf", b"NA", b"null", b"true", b"-", b"99999999999999999999", b"\\ud800", b"\xed\xa0\x80"),
    *(b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"PK\x03\x04", b"PAR1", b"ARROW1", b"|O", b"<M8"),
)

Change = tuple[str, int, int, bytes]


def mutate(data: bytes, changes: list[Change]) -> bytes:
    """Apply changes, each a kind, two positions (taken modulo the length) and bytes."""
    for kind, first, second, piece in changes:
        place, end = sorted((first % (len(data) + 1), second % (len(data) + 1)))
        if kind == "flip" and data:
            place %= len(data)
            data = data[:place] + bytes([data[place] ^ (1 << second % 8)]) + data[place + 1 :]
        elif kind == "byte" and data:
            place %= len(data)
            data = data[:place] + bytes([second % 256]) + data[place + 1 :]
        elif kind == "cut":
            data = data[:end]
        elif kind == "drop":
            data = data[:place] + data[min(end, place + 64) :]
        elif kind == "repeat":
            data = data[:end] + data[place:end] + data[end:]
        elif kind == "insert":
            data = data[:place] + piece + data[place:]
        elif kind == "overwrite":
            data = data[:place] + piece + data[place + len(piece) :]
    return data


KINDS = ("flip", "byte", "cut", "drop", "repeat", "insert", "overwrite")
_positions = st.integers(0, 1 << 16)
_pieces = st.sampled_from(_TOKENS) | st.binary(max_size=16) | st.sampled_from([seed[:64] for seed in SEEDS.values()])
_changes = st.lists(st.tuples(st.sampled_from(KINDS), _positions, _positions, _pieces), min_size=1, max_size=4)


def read_all(path: Path, axis: int, skip: bool) -> None:
    """Read an input to its end, and check what comes."""

    faults: list[InputError] = []

    def on_fault(error: InputError) -> None:
        faults.append(error)
        if not skip:
            raise error

    source = open_source(str(path), ReadOptions(axis=axis, on_fault=on_fault))
    last = -1
    count = 0
    for batch in source:
        count += len(batch)
        assert batch.logits.ndim == 2
        assert batch.logits.dtype in (np.float32, np.float64)
        assert batch.logits.shape[0] == len(batch.rows)
        assert source.classes is None or batch.logits.shape[1] == source.classes
        assert batch.ids is None or len(batch.ids) == len(batch)
        if len(batch):
            assert batch.rows[0] > last
            assert (np.diff(batch.rows) > 0).all()
            last = int(batch.rows[-1])
    # Each row of the input is there, or its error is.
    assert axis == 0 or source.total_rows is None or count + len(faults) == source.total_rows


@pytest.fixture(autouse=True)
def _collected(quick_collection: None) -> Iterator[None]:
    yield
    gc.collect()


@pytest.mark.parametrize("name", SEEDS)
def test_the_seed_is_valid(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(SEEDS[name])
    batches = list(open_source(str(path)))
    logits = np.concatenate([batch.logits for batch in batches])
    assert logits.astype(np.float32).tolist() == LOGITS.tolist()


@pytest.mark.parametrize("name", SEEDS)
@settings(
    max_examples=40,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(changes=_changes, axis=st.sampled_from([-1, -1, 0]), skip=st.booleans())
def test_damage_gives_our_errors_only(name: str, changes: list[Change], axis: int, skip: bool, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(mutate(SEEDS[name], changes))
    try:
        read_all(path, axis, skip)
    except SoftmaxError as error:
        assert str(path) in error.describe()
        assert "\n" not in error.describe()
