"""Inputs that can't be read: each gives one line that says what and where, its exit code, and no output at all."""

import bz2
import functools
import gc
import gzip
import io
import json
import lzma
import os
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import pytest
import safetensors.numpy
from typer.main import get_command

from softmax_cli.cli.app import app

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# Below a decompressor that failed the file is closed only when its garbage is collected (see test_readers.py).
MAIN = get_command(app)
LOGITS = np.arange(12, dtype=np.float32).reshape(4, 3)
CSV = b"cat,dog,eel\n1,2,3\n4,5,6\n"
MANY = 30_000  # lines: more than the 64 KiB from which blocks are parsed at once
OLD = b"an older result\n"

Maker = Callable[[], bytes]


@dataclass(frozen=True)
class Case:
    """An input (None: there is no such file), and what must be said of it.

    args: extra arguments, `{dir}` being the input's directory. files: others beside it. late: rows came before.
    """

    name: str
    file: str
    data: bytes | Maker | None
    slug: str
    text: str = ""
    args: Sequence[str] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    code: int = 1
    stdin: bool = False
    late: bool = False
    hint: str = ""


# Makers


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


def twice(name: str) -> bytes:
    """An archive with two members of one name; written under two, as the writer warns of one."""
    assert len(name) == len("other.npy")
    return npz([(name, npy(LOGITS)), ("other.npy", npy(LOGITS))]).replace(b"other.npy", name.encode())


@functools.cache
def npz_bomb() -> bytes:
    header = npy_shape((257 << 10, 256), descr="<f4")
    return npz([("logits.npy", header + bytes(257 << 20))])


@functools.cache
def gz_bomb() -> bytes:
    return gzip.compress(b"[[1, 2]" + b" " * (1 << 20), mtime=0) + gzip.compress(b" " * (1 << 20), mtime=0) * 260


@functools.cache
def zst_bomb() -> bytes:
    return zstd.compress(b"[[1, 2]" + bytes(b" " * (260 << 20)), 1)


@functools.cache
def _constant_table() -> pa.Table:
    column = pa.array(np.ones(4 << 20))
    return pa.table({f"c{place}": column for place in range(9)})


@functools.cache
def parquet_bomb() -> bytes:
    return parquet(_constant_table())


@functools.cache
def arrow_bomb() -> bytes:
    return arrow(_constant_table(), compression="zstd")


@functools.cache
def arrow_stream_bomb() -> bytes:
    return arrow(_constant_table(), new=pyarrow.ipc.new_stream, compression="zstd")


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


HALF = {name: pack(CSV * 50)[:-20] for name, pack in (("gz", gzip.compress), ("zst", zstd.compress))}
HALF |= {name: pack(CSV * 50)[:-20] for name, pack in (("bz2", bz2.compress), ("xz", lzma.compress))}
SAFE = safetensors.numpy.save({"logits": LOGITS})
PARQUET = parquet(table(a=LOGITS[:, 0], b=LOGITS[:, 1]))
ARROW = arrow(table(a=LOGITS[:, 0], b=LOGITS[:, 1]))
STREAM = arrow(table(a=LOGITS[:, 0], b=LOGITS[:, 1]), new=pyarrow.ipc.new_stream)
F4 = LOGITS.tobytes()

NUMPY = [
    Case("empty", "x.npy", b"", "empty-input", "the input is empty"),
    Case("cut in the magic", "x.npy", b"\x93NUMPY\x01", "truncated", "header"),
    Case("cut in the header's length", "x.npy", b"\x93NUMPY\x01\x00\x76", "truncated", "header"),
    Case("cut in the header", "x.npy", npy(LOGITS)[:40], "truncated", "header"),
    Case("cut in the data", "x.npy", npy(LOGITS)[:-4], "truncated", "44 bytes"),
    Case("no data", "x.npy", npy_shape((4, 3)), "truncated", "4×3 float32"),
    Case("cut in the data, piped", "-", npy(LOGITS)[:-4], "truncated", "-: ", stdin=True),
    Case("cut in the data, compressed", "x.npy.gz", gzip.compress(npy(LOGITS)[:-4]), "truncated", "x.npy.gz"),
    Case("not one", "x.npy", b"1,2\n", "truncated", args=["--input-format", "npy"]),
    Case("another magic", "x.npy", b"\x93NUMPI" + bytes(100), "bad-header", args=["--input-format", "npy"]),
    Case("version 9", "x.npy", b"\x93NUMPY\x09\x00" + bytes(100), "bad-header", "version 9.0"),
    Case("10**10 elements", "x.npy", npy_shape((10**5, 10**5), F4), "truncated", "100000×100000"),
    Case("10**10 elements, piped", "-", npy_shape((10**5, 10**5), F4), "truncated", "100000×100000", stdin=True),
    Case("10**10 elements of a class", "-", npy_shape((1, 10**10), F4), "truncated", "1×10000000000", stdin=True),
    Case("a 4 GiB header", "x.npy", npy_header("{", version=2, length=2**32 - 1), "bad-header", "4,294,967,295"),
    Case("no dictionary", "x.npy", npy_header("[1]"), "bad-header", "keys"),
    Case("no Python", "x.npy", npy_header("{'descr': "), "bad-header", "dictionary"),
    Case("a call", "x.npy", npy_header("print('hello')"), "bad-header", "dictionary"),
    Case(
        "a key too many", "x.npy", npy_header("{'descr':'<f4','fortran_order':False,'shape':(1,),'x':1}"), "bad-header"
    ),
    Case("nested header", "x.npy", npy_header("(" * 60_000), "bad-header"),
    Case("nested signs", "x.npy", npy_header("-" * 60_000 + "1"), "bad-header"),
    Case(
        "a header with odd numbers",
        "x.npy",
        npy_header("[1if 1else 2]"),
        "bad-header",
    ),
    Case("invalid UTF-8 header", "x.npy", npy_header(b"{'descr': '\xff'}", version=3), "bad-header"),
    Case(
        "order neither",
        "x.npy",
        npy_header("{'descr':'<f4','fortran_order':1,'shape':(1,)}", F4),
        "bad-header",
        "fortran",
    ),
    Case("negative dimension", "x.npy", npy_shape((-1, 3), F4), "bad-shape", "negative"),
    Case("boolean dimension", "x.npy", npy_shape((True, 3), F4), "bad-shape", "integers"),
    Case("float dimension", "x.npy", npy_shape((4.0, 3), F4), "bad-shape", "integers"),
    Case("shape a list", "x.npy", npy_shape([4, 3], F4), "bad-shape", "tuple"),
    Case("overflowing dimensions", "x.npy", npy_shape((2**40, 2**40), F4), "bad-shape", "impossible"),
    Case("overflowing dimension", "x.npy", npy_shape((2**64, 3), F4), "bad-shape", "impossible"),
    Case("65 dimensions", "x.npy", npy_shape((1,) * 65, F4), "bad-shape", "dimensions"),
    Case(
        "no rows of too many classes",
        "x.npy",
        npy_shape((0, 2**61)),
        "bad-shape",
    ),
    Case(
        "too many rows of nothing",
        "x.npy",
        npy_shape((2**61 - 1, 3, 0)),
        "bad-shape",
        args=["--axis", "1"],
    ),
    Case("a number", "x.npy", npy(np.float32(1)), "bad-shape", "a single number"),
    Case("trailing bytes", "x.npy", npy(LOGITS) + b"x", "trailing-bytes", "1 bytes"),
    Case("trailing bytes, piped", "-", npy(LOGITS) + b"x", "trailing-bytes", stdin=True, late=True),
    Case("an array after the array", "x.npy", npy(LOGITS) + npy(LOGITS), "trailing-bytes"),
    Case("objects", "x.npy", npy(np.array([[1, None]], object)), "pickle-refused", "Python objects"),
    Case("records", "x.npy", npy(np.zeros(3, [("a", "f4"), ("b", "f4")])), "unsupported-dtype", "several fields"),
    Case("complex numbers", "x.npy", npy(LOGITS.astype(complex)), "unsupported-dtype", "complex"),
    Case("text", "x.npy", npy(LOGITS.astype(str)), "unsupported-dtype", "text"),
    Case("byte strings", "x.npy", npy(LOGITS.astype(bytes)), "unsupported-dtype", "byte strings"),
    Case("dates", "x.npy", npy(LOGITS.astype("M8[s]")), "unsupported-dtype", "dates"),
    Case("time spans", "x.npy", npy(LOGITS.astype("m8[s]")), "unsupported-dtype", "time spans"),
    Case("booleans", "x.npy", npy(LOGITS > 1), "unsupported-dtype", "true or false"),
    Case("128 bits", "x.npy", npy_shape((1, 1), bytes(16), "<f16"), "unsupported-dtype", "128 bits"),
    Case("unknown type", "x.npy", npy_shape((1, 1), bytes(16), "<q9"), "bad-header", "<q9"),
    Case("several types", "x.npy", npy_shape((1, 1), bytes(16), "f4,f4"), "unsupported-dtype"),
    Case("axis 2 of 2", "x.npy", npy(LOGITS), "axis-range", "4×3", ["--axis", "2"], hint="-2 to 1"),
    Case("axis -3 of 2", "x.npy", npy(LOGITS), "axis-range", "4×3", ["--axis=-3"]),
    Case("axis 0 of no rows", "x.npy", npy(LOGITS[:0]), "no-classes", "length 0", ["--axis", "0"]),
    Case("no classes", "x.npy", npy(LOGITS[:, :0]), "no-classes", "4×0"),
]

ARCHIVES = [
    Case("bomb", "x.npz", npz_bomb, "compression-bomb"),
    Case("unsafe member", "x.npz", npz([("../a.npy", npy(LOGITS))]), "bad-member", "../a.npy"),
    Case("absolute member", "x.npz", npz([("/a.npy", npy(LOGITS))]), "bad-member", "/a.npy"),
    Case("drive member", "x.npz", npz([("C:a.npy", npy(LOGITS))]), "bad-member", "C:a.npy"),
    Case("duplicate member", "x.npz", twice("a_one.npy"), "bad-member", "two members"),
    Case(
        "several arrays",
        "x.npz",
        npz([("a.npy", npy(LOGITS)), ("b.npy", npy(LOGITS))]),
        "ambiguous-array",
        "a (4×3 float32), b (4×3 float32)",
        hint="--array",
    ),
    Case(
        "unknown array", "x.npz", npz([("a.npy", npy(LOGITS))]), "unknown-array", "'z'", ["--array", "z"], hint="a (4×3"
    ),
    Case("no array", "x.npz", npz([]), "empty-input", "no array"),
    Case("no array but others", "x.npz", npz([("a.txt", b"1")]), "empty-input", "no array"),
    Case("member cut short", "x.npz", npz([("a.npy", npy(LOGITS)[:-1])]), "truncated"),
    Case("member too long", "x.npz", npz([("a.npy", npy(LOGITS) + b"x")]), "trailing-bytes"),
    Case("pickled member", "x.npz", npz([("a.npy", npy(np.array([None])))]), "pickle-refused"),
    Case("cut short", "x.npz", npz([("a.npy", npy(LOGITS))])[:-10], "bad-compression"),
    Case("cut short, piped", "-", npz([("a.npy", npy(LOGITS))])[:-10], "bad-compression", stdin=True),
    Case(
        "damaged member",
        "x.npz",
        npz([("a.npy", npy(LOGITS))], zipfile.ZIP_STORED).replace(F4, F4[::-1]),
        "bad-compression",
        "CRC",
    ),
    Case(
        "damaged LZMA",
        "x.npz",
        npz([("a.npy", npy(LOGITS))], zipfile.ZIP_LZMA)[:80]
        + bytes(30)
        + npz([("a.npy", npy(LOGITS))], zipfile.ZIP_LZMA)[110:],
        "bad-compression",
    ),
    Case(
        "encrypted",
        "x.npz",
        npz([("a.npy", npy(LOGITS))]).replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"),
        "bad-compression",
        "encrypted",
    ),
]

TEXT = [
    Case("empty", "x.csv", b"", "empty-input"),
    Case("empty stdin", "-", b"", "empty-input", "-: ", stdin=True),
    Case("blank lines", "x.csv", b"\n  \n\r\n", "empty-input", "blank lines"),
    Case("short row", "x.csv", b"a,b\n" * 1 + b"1,2\n" * 12 + b"1\n", "ragged-row", "x.csv:14: 1 values, expected 2"),
    Case(
        "short row of ten",
        "x.csv",
        b"1,2,3,4,5,6,7,8,9,10\n" * 13 + b"1,2,3,4,5,6,7,8,9\n",
        "ragged-row",
        "x.csv:14: 9 values, expected 10",
        hint="--on-error skip",
    ),
    Case("long row", "x.csv", b"a,b\n1,2\n1,2,3\n", "ragged-row", "x.csv:3: 3 values, expected 2"),
    Case(
        "long row, late", "x.csv", lambda: late(b"1,2,3"), "ragged-row", "x.csv:30002: 3 values, expected 2", late=True
    ),
    Case("short row, late", "x.csv", lambda: late(b"1"), "ragged-row", "x.csv:30002: 1 values, expected 2", late=True),
    Case(
        "short row with a target, late",
        "x.csv",
        lambda: late(b"1,2", b"a,b,label\n", b"1,2,0\n"),
        "ragged-row",
        "x.csv:30002: 2 values, expected 3",
        late=True,
    ),
    Case(
        "long row with a target, late",
        "x.csv",
        lambda: late(b"1,2,0,7", b"a,b,label\n", b"1,2,0\n"),
        "ragged-row",
        "x.csv:30002: 4 values, expected 3",
        late=True,
    ),
    Case("row after blank lines", "x.csv", b"a,b\n\n\n1,2\n\n1\n", "ragged-row", "x.csv:6: "),
    Case("word in a class", "x.csv", b"a,b\n1,2\nabc,3\n", "bad-value", "x.csv:3: column 'a': 'abc' isn't a number"),
    Case("word in the first row", "x.csv", b"a,b,c\n1,abc,3\n1,2,3\n", "bad-value", "x.csv:2: column 'b': 'abc'"),
    Case("word without header", "x.csv", b"1,2,3\n1,abc,3\n", "bad-value", "x.csv:2: column '1': 'abc'"),
    Case("word in the first row without header", "x.csv", b"1,abc,3\n1,2,3\n", "ambiguous-header", "'abc'"),
    Case("word in the first row, --no-header", "x.csv", b"1,abc,3\n1,2,3\n", "bad-value", "x.csv:1: ", ["--no-header"]),
    Case("word, late", "x.csv", lambda: late(b"abc,2"), "bad-value", "x.csv:30002: column 'cat': 'abc'", late=True),
    Case("empty cell", "x.csv", b"a,b\n1,2\n,3\n", "bad-value", "x.csv:3: column 'a' is empty"),
    Case("empty cell in the first row", "x.csv", b"a,b\n,2\n1,3\n", "bad-value", "x.csv:2: column 'a' is empty"),
    Case("empty cell without header", "x.csv", b"1,2\n1,\n", "bad-value", "x.csv:2: column '1' is empty"),
    Case("empty first cell without header", "x.csv", b",2\n1,3\n", "bad-value", "x.csv:1: column '0' is empty"),
    Case(
        "empty cell, late", "x.csv", lambda: late(b"1,"), "bad-value", "x.csv:30002: column 'dog' is empty", late=True
    ),
    Case(
        "empty quoted cell, late",
        "x.csv",
        lambda: late(b'1,""'),
        "bad-value",
        "x.csv:30002: column 'dog' is empty",
        late=True,
    ),
    Case("NA", "x.csv", b"a,b\n1,2\n1,NA\n", "bad-value", "x.csv:3: column 'b': 'NA' isn't a number"),
    Case("NA in the first row", "x.csv", b"a,b\n1,NA\n1,2\n", "bad-value", "x.csv:2: column 'b': 'NA'"),
    Case("NA without header", "x.csv", b"1,2\n1,NA\n", "bad-value", "x.csv:2: column '1': 'NA'"),
    Case("NA in the first row without header", "x.csv", b"1,NA\n1,2\n", "ambiguous-header", "'NA'"),
    Case("NA, late", "x.csv", lambda: late(b"1,NA"), "bad-value", "x.csv:30002: column 'dog': 'NA'", late=True),
    Case(
        "NA, late in white space",
        "x.txt",
        lambda: late(b"1 NA", b"cat dog\n", b"1 2\n"),
        "bad-value",
        "x.txt:30002: ",
        late=True,
    ),
    Case("decimal comma", "x.csv", b"1;2\n1,5;2\n", "bad-value", "x.csv:2: column '0': '1,5'", hint="decimal commas"),
    Case("underscores", "x.csv", b"1,2\n1_000,2\n", "bad-value", "'1_000'"),
    Case("hexadecimal", "x.csv", b"1,2\n0x10,2\n", "bad-value", "'0x10'"),
    Case("Arabic digits", "x.csv", "1,2\n١,2\n".encode(), "bad-value", "x.csv:2: "),
    Case(
        "a control character",
        "x.csv",
        b"a,b\n1,2\n1,\x1f2\n",
        "bad-value",
        "x.csv:3: ",
    ),
    Case("beyond float64", "x.csv", b"a,b\n1,1e309\n", "bad-value", "x.csv:2: column 'b': 1e309 is beyond"),
    Case(
        "beyond float64, late",
        "x.csv",
        lambda: late(b"1,-1e309"),
        "bad-value",
        "x.csv:30002: column 'dog': -1e309 is beyond",
        late=True,
    ),
    Case(
        "beyond float64 beside inf, late",
        "x.csv",
        lambda: late(b"info,1,1e309", b"id,a,b\n", b"x,1,2\n"),
        "bad-value",
        "x.csv:30002: column 'b': 1e309 is beyond",
        late=True,
    ),
    Case("a number among names", "x.csv", b"a,1,c\n1,2,3\n", "ambiguous-header", "x.csv:1: "),
    Case(
        "text in a later column",
        "x.csv",
        b"a,b,c\n1,x,2\n",
        "bad-value",
        "x.csv:2: column 'b': 'x'",
        hint="--id-column b",
    ),
    Case(
        "an id that is a number",
        "x.csv",
        b"who,a,b\nann,1,2\n7,3,4\n",
        "bad-value",
        "x.csv:3: column 'who' began with text",
    ),
    Case("NUL", "x.csv", b"a,b\n1,2\n\0,3\n", "bad-encoding", "x.csv:3: a NUL byte"),
    Case("NUL in the first line", "x.csv", b"a,\0\n1,2\n", "bad-encoding", "x.csv:1: a NUL byte"),
    Case("NUL, late", "x.csv", lambda: late(b"1,\0"), "bad-encoding", "x.csv:30002: a NUL byte", late=True),
    Case("NUL in the second line", "x.csv", b"1,2\n3,4\0\n", "bad-encoding", "x.csv:2: a NUL byte"),
    Case("UTF-16", "x.csv", "a,b\n1,2\n".encode("utf-16"), "bad-encoding", "UTF-16", hint="iconv"),
    Case("UTF-16 from Windows", "x.txt", "1\t2\r\n".encode("utf-16"), "bad-encoding", "UTF-16"),
    Case("UTF-16, big endian", "-", b"\xfe\xff" + "1,2\n".encode("utf-16-be"), "bad-encoding", "UTF-16", stdin=True),
    Case("UTF-32", "x.csv", b"\0\0\xfe\xff" + "1,2\n".encode("utf-32-be"), "bad-encoding", "UTF-32"),
    Case("UTF-16 JSON", "x.json", "[1,2]".encode("utf-16"), "bad-encoding", "UTF-16"),
    Case("UTF-16 JSON lines", "x.jsonl", "[1,2]".encode("utf-16"), "bad-encoding", "UTF-16"),
    Case("Latin-1", "x.csv", b"id,a,b\nx,1,2\ncaf\xe9,1,2\n", "bad-encoding", "x.csv:3: byte 0xe9"),
    Case(
        "Latin-1, late",
        "x.csv",
        lambda: late(b"caf\xe9,1,2", b"id,a,b\n", b"x,1,2\n"),
        "bad-encoding",
        "x.csv:30002: byte 0xe9",
        late=True,
    ),
    Case(
        "Latin-1 in the header",
        "x.csv",
        b"caf\xe9,b\n1,2\n",
        "bad-encoding",
        "x.csv:1: byte 0xe9",
    ),
    Case("unclosed quote", "x.csv", b'a,b\n1,2\n"3,4\n5,6\n', "unclosed-quote", "x.csv:3: ", late=True),
    Case("unclosed quote in the header", "x.csv", b'"a,b\n1,2\n', "unclosed-quote", "x.csv:1: "),
    Case("unclosed quote, late", "x.csv", lambda: late(b'"1,2'), "unclosed-quote", "x.csv:30002: ", late=True),
    Case("text behind a quote", "x.csv", b'a,b\n1,"2"x\n', "bad-value", "x.csv:2: malformed quoting"),
    Case(
        "a long cell without quotes",
        "x.csv",
        b"id,a,b\nx,1,2\n" + b"y" * 140_000 + b",1\n",
        "ragged-row",
        "x.csv:3: ",
    ),
    Case(
        "a line without end",
        "-",
        b"1," * 50_000,
        "row-too-long",
        "-:1: ",
        ["--max-row-bytes", "1000"],
        stdin=True,
        hint="--max-row-bytes",
    ),
    Case(
        "a line without end, later",
        "-",
        b"1,2\n" + b"1," * 50_000,
        "row-too-long",
        "-:2: ",
        ["--max-row-bytes", "1000"],
        stdin=True,
        late=True,
    ),
    Case(
        "a JSON line without end",
        "-",
        b"[1,2]\n[" + b"1," * 50_000,
        "row-too-long",
        "-:2: ",
        ["--max-row-bytes", "1000"],
        stdin=True,
        late=True,
    ),
    Case(
        "a quote without end",
        "-",
        b'1,2\n"1,2\n' + b"1,2\n" * 5_000,
        "unclosed-quote",
        "-:2: ",
        ["--max-row-bytes", "1000"],
        stdin=True,
        late=True,
    ),
    Case("no class columns", "x.csv", b"id,name\n1,x\n", "no-classes", "x.csv"),
    Case(
        "unknown id column",
        "x.csv",
        CSV,
        "unknown-column",
        "--id-column: no column 'z'",
        ["--id-column", "z"],
        hint="cat, dog, eel",
    ),
    Case(
        "an id column that is no number",
        "x.csv",
        CSV,
        "unknown-column",
        "no column '--5'",
        ["--id-column=--5"],
    ),
    Case(
        "an id column of 5,000 digits",
        "x.csv",
        CSV,
        "unknown-column",
        "no column",
        ["--id-column=" + "1" * 5000],
    ),
    Case("id column out of range", "x.csv", CSV, "unknown-column", "no column '3'", ["--id-column", "3"]),
    Case(
        "unknown target column",
        "x.csv",
        CSV,
        "unknown-column",
        "--target-column: no column 'z'",
        ["--target-column", "z"],
    ),
    Case("no column matches", "x.csv", CSV, "unknown-column", "matches 'z*'", ["--columns", "z*"]),
    Case("columns of text", "x.csv", b"id,a\nx,1\n", "bad-value", "column 'id' holds text", ["--columns", "id,a"]),
    Case(
        "a delimiter of two characters",
        "x.csv",
        CSV,
        "usage",
        "--delimiter",
        ["--delimiter", "ab"],
        code=2,
    ),
    Case(
        "an empty delimiter",
        "x.csv",
        CSV,
        "usage",
        "--delimiter",
        ["--delimiter", ""],
        code=2,
    ),
    Case(
        "a quote for a delimiter",
        "x.csv",
        CSV,
        "usage",
        "--delimiter",
        ["--delimiter", '"'],
        code=2,
    ),
    Case(
        "a line end for a delimiter",
        "x.csv",
        CSV,
        "usage",
        "--delimiter",
        ["--delimiter", "\n"],
        code=2,
    ),
    Case("axis out of range", "x.csv", CSV, "axis-range", "2×3", ["--axis", "2"]),
    Case("unknown input format", "x.csv", CSV, "usage", "--input-format", ["--input-format", "xls"], code=2),
    Case("pickle as the format", "x.csv", CSV, "usage", "--input-format", ["--input-format", "pickle"], code=2),
]

JSON = [
    Case("empty", "x.json", b"", "empty-input"),
    Case("blank", "x.json", b"  \n", "empty-input"),
    Case("blank lines", "x.jsonl", b"  \n\n", "empty-input"),
    Case("not JSON", "x.json", b"[1, 2", "bad-json", "x.json:1: "),
    Case("not JSON in line 3", "x.json", b"[\n[1, 2],\n[1, x]]", "bad-json", "x.json:3: "),
    Case("not JSON in line 2", "x.jsonl", b"[1, 2]\n[1, x]\n", "bad-json", "x.jsonl:2: "),
    Case(
        "not JSON after blank lines",
        "x.jsonl",
        b"\n\n[1, x]\n",
        "bad-json",
        "x.jsonl:3: ",
    ),
    Case("two values", "x.json", b"[1, 2] [3]", "bad-json", "extra data"),
    Case("single quotes", "x.jsonl", b"{'logits': [1, 2]}\n", "bad-json"),
    Case("duplicate key", "x.json", b'{"logits": [1, 2], "logits": [3, 4]}', "duplicate-key", "'logits'"),
    Case("duplicate key inside", "x.json", b'[{"logits": [1], "a": {"b": 1, "b": 2}}]', "duplicate-key", "'b'"),
    Case(
        "duplicate key in a line",
        "x.jsonl",
        b'{"logits": [1, 2]}\n{"logits": [1, 2], "logits": [3, 4]}\n',
        "duplicate-key",
        "x.jsonl:2: ",
    ),
    Case(
        "duplicate key, late",
        "x.jsonl",
        lambda: late(b'{"logits":[1],"logits":[2]}', b"", b'{"logits":[1]}\n'),
        "duplicate-key",
        "x.jsonl:30001: ",
        late=True,
    ),
    Case("nested 100,000 deep", "x.json", b"[" * 100_000 + b"]" * 100_000, "too-deep"),
    Case("nested 100,000 deep, unclosed", "x.json", b"[" * 100_000, "too-deep"),
    Case("objects 100,000 deep", "x.jsonl", b'{"a":' * 100_000, "too-deep"),
    Case("65 dimensions", "x.json", b"[" * 65 + b"1" + b"]" * 65, "too-deep"),
    Case("900 dimensions", "x.json", b"[" * 900 + b"1" + b"]" * 900, "too-deep"),
    Case("5,000 digits", "x.json", b"[[1, " + b"9" * 5000 + b"]]", "bad-value", "5,000 digits"),
    Case("5,000 digits in a line", "x.jsonl", b"[1, 2]\n[1, " + b"9" * 5000 + b"]\n", "bad-value", "x.jsonl:2: "),
    Case("350 digits", "x.json", b"[[1, " + b"9" * 350 + b"]]", "bad-value", "beyond the range of float64"),
    Case("beyond float64", "x.json", b"[[1, 1e999]]", "bad-value", "1e999 is beyond"),
    Case("null", "x.json", b"[[1, 2], [1, null]]", "bad-value", "row 1: null"),
    Case("text", "x.json", b'[[1, 2], [1, "2"]]', "bad-value", "row 1: the text '2'"),
    Case("true", "x.json", b"[[1, 2], [1, true]]", "bad-value", "row 1: true"),
    Case("an object", "x.json", b"[[1, 2], [1, {}]]", "bad-value", "row 1: an object"),
    Case("null in a line", "x.jsonl", b"[1, 2]\n[1, null]\n", "bad-value", "x.jsonl:2: null"),
    Case("text in a line", "x.jsonl", b'[1, 2]\n[1, "2"]\n', "bad-value", "x.jsonl:2: the text '2'"),
    Case("true in a line", "x.jsonl", b"[1, 2]\n[1, true]\n", "bad-value", "x.jsonl:2: true"),
    Case(
        "null, late",
        "x.jsonl",
        lambda: late(b"[1,null]", b"", b"[1,2]\n"),
        "bad-value",
        "x.jsonl:30001: null",
        late=True,
    ),
    Case(
        "true, late",
        "x.jsonl",
        lambda: late(b'{"logits":[1,true]}', b"", b'{"logits":[1,2]}\n'),
        "bad-value",
        "x.jsonl:30001: true",
        late=True,
    ),
    Case(
        "text, late",
        "x.jsonl",
        lambda: late(b'{"logits":[1,"2"]}', b"", b'{"logits":[1,2]}\n'),
        "bad-value",
        "x.jsonl:30001: the text",
        late=True,
    ),
    Case(
        "no JSON number, late",
        "x.jsonl",
        lambda: late(b"[1,.5]", b"", b"[1,2]\n"),
        "bad-json",
        "x.jsonl:30001: ",
        late=True,
    ),
    Case(
        "a bracket elsewhere, late",
        "x.jsonl",
        lambda: late(b"1,[2]", b"", b"[1,2]\n"),
        "bad-json",
        "x.jsonl:30001: ",
        late=True,
    ),
    Case("a number", "x.json", b"1", "bad-value", "expected a list"),
    Case("a text", "x.json", b'"a"', "bad-value", "expected a list"),
    Case("a number in a line", "x.jsonl", b"1\n", "bad-value", "expected a list or an object"),
    Case("nested lists in a line", "x.jsonl", b"[[1, 2]]\n", "bad-shape", "nested", hint="--input-format json"),
    Case("ragged", "x.json", b"[[1, 2], [1, 2, 3]]", "ragged-row", "row 1: 3 values, expected 2"),
    Case("ragged deeper", "x.json", b"[[[1, 2], [3, 4]], [[1, 2], [3]]]", "ragged-row", "row 1: 1 values, expected 2"),
    Case("ragged depth", "x.json", b"[[1, 2], 3]", "bad-value", "row 1: "),
    Case("ragged line", "x.jsonl", b"[1, 2]\n[1, 2, 3]\n", "ragged-row", "x.jsonl:2: 3 values, expected 2"),
    Case(
        "ragged line, late",
        "x.jsonl",
        lambda: late(b"[1]", b"", b"[1,2]\n"),
        "ragged-row",
        "x.jsonl:30001: 1 values",
        late=True,
    ),
    Case("ragged objects", "x.json", b'[{"logits": [1, 2]}, {"logits": [1]}]', "ragged-row", "row 1: "),
    Case("no classes", "x.json", b"[[], []]", "no-classes"),
    Case("nothing", "x.json", b"[]", "no-classes"),
    Case("no classes in a line", "x.jsonl", b"[]\n", "no-classes"),
    Case("no field", "x.json", b'{"a": [1, 2]}', "unknown-array", "logits or scores", hint="there are: a"),
    Case("no field in a line", "x.jsonl", b'{"a": [1, 2]}\n', "unknown-array", "x.jsonl:1: no field called logits"),
    Case(
        "no field in line 2", "x.jsonl", b'{"logits": [1, 2]}\n{"a": 1}\n', "bad-value", "x.jsonl:2: no field 'logits'"
    ),
    Case("no field in row 1", "x.json", b'[{"logits": [1, 2]}, {"a": 1}]', "bad-value", "row 1: no field 'logits'"),
    Case("unknown field", "x.json", b'{"logits": [1, 2]}', "unknown-array", "'z'", ["--array", "z"]),
    Case("unknown field in a line", "x.jsonl", b'{"logits": [1, 2]}\n', "unknown-array", "'z'", ["--array", "z"]),
    Case("unknown id", "x.jsonl", b'{"logits": [1, 2]}\n', "unknown-column", "'z'", ["--id-column", "z"]),
    Case(
        "unknown id of objects",
        "x.json",
        b'[{"logits": [1, 2]}]',
        "unknown-column",
        "'z'",
        ["--id-column", "z"],
    ),
    Case("invalid UTF-8", "x.json", b'{"logits": [1, 2], "id": "\xff"}', "bad-encoding", "byte 0xff"),
    Case(
        "invalid UTF-8 in a line",
        "x.jsonl",
        b'{"logits": [1]}\n{"logits": [1], "id": "\xff"}\n',
        "bad-encoding",
        "x.jsonl:2: ",
    ),
    Case("NUL", "x.jsonl", b"[1, 2]\n[1, \0]\n", "bad-encoding", "x.jsonl:2: a NUL byte"),
    Case(
        "a lone surrogate for an id",
        "x.jsonl",
        b'{"id": "\\ud800", "logits": [1, 2]}\n',
        "bad-encoding",
        "x.jsonl:1: ",
    ),
    Case("KServe: wrong shape", "x.json", response(shape=[3, 2]), "bad-shape", "4 values, but its shape is 3×2"),
    Case("KServe: negative shape", "x.json", response(shape=[-2, -2]), "bad-shape", "whole numbers"),
    Case("KServe: text in the shape", "x.json", response(shape=["2", 2]), "bad-shape", "whole numbers"),
    Case("KServe: no shape", "x.json", response(shape=...), "bad-shape", "whole numbers"),
    Case(
        "KServe: enormous shape",
        "x.json",
        response(shape=[0, 2**61], data=[]),
        "bad-shape",
    ),
    Case(
        "KServe: beyond integers",
        "x.json",
        response(shape=[0, 10**30], data=[]),
        "bad-shape",
    ),
    Case(
        "KServe: 70 dimensions",
        "x.json",
        response(shape=[1] * 70, data=[1]),
        "bad-shape",
    ),
    Case("KServe: text", "x.json", response(data=[1, 2, 3, "4"]), "bad-value", "the text '4'"),
    Case("KServe: null", "x.json", response(data=None), "bad-value", "null"),
    Case(
        "KServe: beyond FP32",
        "x.json",
        response(data=[1, 2, 3, 1e300]),
        "bad-value",
        "'logits'",
    ),
    Case("KServe: ragged", "x.json", response(data=[[1, 2], [3]]), "ragged-row"),
    Case("KServe: no data", "x.json", response(data=...), "bad-json", "no data", hint="not binary"),
    Case("KServe: bytes", "x.json", response(datatype="BYTES"), "unsupported-dtype", "BYTES"),
    Case("KServe: booleans", "x.json", response(datatype="BOOL", data=[True] * 4), "unsupported-dtype", "BOOL"),
    Case("KServe: no type", "x.json", response(datatype=...), "unsupported-dtype"),
    Case(
        "KServe: type a list",
        "x.json",
        response(datatype=["FP32"]),
        "unsupported-dtype",
    ),
    Case("KServe: no name", "x.json", response({"datatype": "FP32"}), "bad-json", "outputs[0]"),
    Case("KServe: a name twice", "x.json", response({"name": "logits"}), "bad-member", "two outputs"),
    Case("KServe: no outputs", "x.json", b'{"outputs": []}', "empty-input", "no array"),
    Case(
        "KServe: two outputs",
        "x.json",
        response({"name": "b", "datatype": "FP32", "shape": [1], "data": [1]}, name="a"),
        "ambiguous-array",
        "b, a",
        hint="--array",
    ),
    Case("KServe: unknown output", "x.json", response(), "unknown-array", "'z'", ["--array", "z"]),
]

COLUMNAR = [
    Case("empty Parquet", "x.parquet", b"", "empty-input"),
    Case("empty Arrow", "x.arrow", b"", "empty-input"),
    Case("empty safetensors", "x.safetensors", b"", "empty-input"),
    Case("Parquet cut short", "x.parquet", PARQUET[:-10], "bad-columnar", "Parquet"),
    Case("Parquet cut in the middle", "x.parquet", PARQUET[: len(PARQUET) // 2], "bad-columnar", "Parquet"),
    Case("Parquet of 4 bytes", "x.parquet", b"PAR1", "bad-columnar", "Parquet"),
    Case("Parquet cut short, piped", "-", PARQUET[:-10], "bad-columnar", "-: ", stdin=True),
    Case("no Parquet", "x.parquet", b"hello, world\n", "bad-columnar", "Parquet"),
    Case("Arrow cut short", "x.arrow", ARROW[:-10], "bad-columnar", "Arrow"),
    Case("Arrow cut in the middle", "x.arrow", ARROW[: len(ARROW) // 2], "bad-columnar", "Arrow"),
    Case("Arrow stream cut short", "x.arrows", STREAM[: len(STREAM) * 2 // 3], "bad-columnar", "Arrow"),
    Case("Arrow stream cut in the schema", "x.arrows", STREAM[:100], "bad-columnar", "Arrow"),
    Case("no Arrow", "x.feather", b"hello, world\n", "bad-columnar", "Arrow"),
    Case("Parquet bomb", "x.parquet", parquet_bomb, "compression-bomb"),
    Case(
        "Parquet bomb, piped",
        "-",
        parquet_bomb,
        "compression-bomb",
        stdin=True,
    ),
    Case("Arrow bomb", "x.arrow", arrow_bomb, "compression-bomb"),
    Case("Arrow stream bomb", "x.arrows", arrow_stream_bomb, "compression-bomb"),
    Case("null", "x.parquet", parquet(table(a=[1.0, None], b=[1.0, 2.0])), "bad-value", "row 1: column 'a' is null"),
    Case("null in a list", "x.parquet", lists([1, 2], [1, None]), "bad-value", "row 1: a null in column 'logits'"),
    Case("null for a list", "x.parquet", lists([1, 2], None), "ragged-row", "row 1: 0 values, expected 2"),
    Case("ragged list", "x.parquet", lists([1, 2], [1, 2, 3]), "ragged-row", "row 1: 3 values, expected 2"),
    Case("empty first list", "x.parquet", lists([], [1, 2]), "no-classes", "empty list"),
    Case(
        "nothing but nulls for lists",
        "x.parquet",
        lists(None, None),
        "no-classes",
        "x.parquet",
    ),
    Case(
        "NaN",
        "x.parquet",
        parquet(table(a=[1.0, float("nan")], b=[1.0, 2.0])),
        "nan-logit",
        "row 1: the logit of class 0 ('a')",
    ),
    Case("text alone", "x.parquet", parquet(table(a=["x"], b=["y"])), "no-classes", "no column of numbers"),
    Case(
        "text as a class",
        "x.parquet",
        parquet(table(a=["x"], b=[1.0])),
        "bad-value",
        "'a' holds text",
        ["--columns", "*"],
    ),
    Case("unknown list column", "x.parquet", PARQUET, "unknown-column", "--array: no column 'z'", ["--array", "z"]),
    Case("no list column", "x.parquet", PARQUET, "unknown-array", "'a' doesn't hold lists", ["--array", "a"]),
    Case("several lists", "x.parquet", parquet(table(a=[[1.0]], b=[[2.0]])), "ambiguous-array", "a, b"),
    Case("unknown id column", "x.parquet", PARQUET, "unknown-column", "'z'", ["--id-column", "z"]),
    Case("axis out of range", "x.parquet", PARQUET, "axis-range", "4×2", ["--axis", "5"]),
    Case("no columns", "x.arrow", arrow(pa.table({})), "no-classes"),
    Case("safetensors cut short", "x.safetensors", SAFE[:-1], "bad-safetensors"),
    Case("safetensors cut in the header", "x.safetensors", SAFE[:20], "bad-safetensors"),
    Case("safetensors of 8 bytes", "x.safetensors", SAFE[:8], "bad-safetensors"),
    Case("safetensors with a byte more", "x.safetensors", SAFE + b"x", "bad-safetensors"),
    Case("safetensors that claim 2**60", "x.safetensors", (1 << 60).to_bytes(8, "little") + b"{}", "bad-safetensors"),
    Case("safetensors without JSON", "x.safetensors", safetensors_header(b"{x"), "bad-safetensors"),
    Case(
        "safetensors with overlaps",
        "x.safetensors",
        safetensors_header(
            {
                "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
                "b": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
            },
            bytes(4),
        ),
        "bad-safetensors",
    ),
    Case(
        "safetensors with a wrong shape",
        "x.safetensors",
        safetensors_header({"a": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 4]}}, bytes(4)),
        "bad-safetensors",
    ),
    Case(
        "safetensors of booleans",
        "x.safetensors",
        safetensors.numpy.save({"a": LOGITS > 1}),
        "unsupported-dtype",
        "BOOL",
    ),
    Case(
        "safetensors of 8-bit floats",
        "x.safetensors",
        safetensors_header({"a": {"dtype": "F8_E4M3", "shape": [1, 4], "data_offsets": [0, 4]}}, bytes(4)),
        "unsupported-dtype",
    ),
    Case(
        "safetensors of 70 dimensions",
        "x.safetensors",
        safetensors_header({"a": {"dtype": "F32", "shape": [1] * 70, "data_offsets": [0, 4]}}, bytes(4)),
        "bad-shape",
    ),
    Case("safetensors of nothing", "x.safetensors", safetensors.numpy.save({}), "empty-input", "no array"),
    Case(
        "several tensors",
        "x.safetensors",
        safetensors.numpy.save({"a": LOGITS, "b": LOGITS}),
        "ambiguous-array",
        "a (4×3 F32)",
    ),
    Case("unknown tensor", "x.safetensors", SAFE, "unknown-array", "'z'", ["--array", "z"], hint="logits (4×3 F32)"),
    Case("a number of a tensor", "x.safetensors", safetensors.numpy.save({"a": np.ones((), "f4")}), "bad-shape"),
]

COMPRESSED = [
    Case("gz bomb", "x.json.gz", gz_bomb, "compression-bomb"),
    Case("zst bomb", "x.json.zst", zst_bomb, "compression-bomb"),
    Case("gz bomb, piped", "-", gz_bomb, "compression-bomb", stdin=True),
    *(
        Case(f"{name} cut short", f"x.csv.{name}", data, "bad-compression", f"x.csv.{name}", late=True)
        for name, data in HALF.items()
    ),
    *(
        Case(f"{name} cut short, piped", "-", data, "bad-compression", "-: ", stdin=True, late=True)
        for name, data in HALF.items()
    ),
    *(Case(f"{name} of 7 bytes", f"x.csv.{name}", data[:7], "bad-compression") for name, data in HALF.items()),
    Case("damaged gz", "x.npy.gz", gzip.compress(npy(LOGITS), mtime=0)[:-6] + b"abcdef", "bad-compression"),
    Case("garbage behind gz", "x.csv.gz", gzip.compress(CSV, mtime=0) + b"hello", "bad-compression", late=True),
    Case("gz of nothing", "x.csv.gz", gzip.compress(b""), "empty-input"),
    Case("gz of gz", "x.csv.gz", gzip.compress(gzip.compress(CSV, mtime=0), mtime=0), "bad-encoding"),
]

VALUES = [
    Case(
        "NaN",
        "x.npy",
        npy(np.array([[1, 2], [3, np.nan]])),
        "nan-logit",
        "x.npy: row 1: the logit of class 1 is NaN",
        hint="--nan propagate",
    ),
    Case(
        "+inf", "x.npy", npy(np.array([[1, 2], [np.inf, 3]])), "inf-logit", "x.npy: row 1: the logit of class 0 is +inf"
    ),
    Case("all -inf", "x.npy", npy(np.array([[1, 2], [-np.inf, -np.inf]])), "masked-row", "x.npy: row 1: "),
    Case(
        "NaN in a text",
        "x.csv",
        b"cat,dog\n1,2\n\n3,NaN\n",
        "nan-logit",
        "x.csv: row 1: the logit of class 1 ('dog') is NaN",
    ),
    Case("+inf in a text", "x.csv", b"1,2\n3,+Infinity\n", "inf-logit", "row 1: the logit of class 1 is +inf"),
    Case("all -inf in a text", "x.csv", b"-inf,-inf\n", "masked-row", "row 0: "),
    Case("NaN in JSON", "x.json", b"[[1, NaN]]", "nan-logit", "row 0: the logit of class 1"),
    Case("NaN in JSON lines", "x.jsonl", b"[1, 2]\n[NaN, 2]\n", "nan-logit", "row 1: the logit of class 0"),
    Case(
        "NaN with labels",
        "x.npy",
        npy(np.array([[1, np.nan]])),
        "nan-logit",
        "class 1 ('dog')",
        ["--labels", "{dir}/n.txt"],
        {"n.txt": b"cat\ndog\n"},
    ),
    Case(
        "NaN with --axis 0",
        "x.npy",
        npy(np.array([[1, 2, 3], [3, np.nan, 3]])),
        "nan-logit",
        "row 1: the logit of class 1",
        ["--axis", "0"],
    ),
    Case("a float16 that overflowed", "x.npy", npy(np.array([[1, np.inf]], np.float16)), "inf-logit", "row 0"),
]


def label_case(name: str, file: str, data: bytes | None, slug: str, text: str = "", hint: str = "") -> Case:
    files = {} if data is None else {file: data}
    return Case(
        f"labels: {name}",
        "x.csv",
        b"1,2,3\n4,5,6\n",
        slug,
        text,
        ["--labels", f"{{dir}}/{file}"],
        files,
        hint=hint,
    )


LABELS = [
    label_case("one too many", "n.txt", b"a\nb\nc\nd\n", "label-count", "4 labels in", hint="one label too many"),
    label_case("one too few", "n.txt", b"a\nb\n", "label-count", "but 3 classes", hint="one label too few"),
    label_case("a blank last line", "n.txt", b"a\nb\nc\n\n", "label-count", hint="trailing blank line"),
    label_case("a last line of spaces", "n.txt", b"a\r\nb\r\nc\r\n \r\n", "label-count", hint="trailing blank line"),
    label_case(
        "many too many", "n.txt", b"x\n" * 1000, "label-count", "1,000 labels in", hint="of the model that made"
    ),
    label_case("no such file", "n.txt", None, "not-found", "n.txt: no such label file"),
    label_case("a directory", "", None, "unreadable"),
    label_case("nothing", "n.txt", b"", "bad-labels", "no names"),
    label_case("nothing in JSON", "n.json", b"[]", "bad-labels", "no names"),
    label_case("an empty object", "n.json", b"{}", "bad-labels", "no names"),
    label_case("nothing in a table", "n.csv", b"", "bad-labels", "no names"),
    label_case("UTF-16", "n.txt", "a\nb\nc\n".encode("utf-16"), "bad-encoding", "UTF-16"),
    label_case("Latin-1", "n.txt", b"a\ncaf\xe9\nc\n", "bad-encoding", "n.txt:2: byte 0xe9"),
    label_case("not JSON", "n.json", b"[", "bad-json", "n.json:1: "),
    label_case("a duplicate key", "n.json", b'{"0": "a", "0": "b", "1": "c"}', "duplicate-key"),
    label_case("nested deeply", "n.json", b"[" * 100_000, "too-deep"),
    label_case("a number", "n.json", b"3", "bad-labels", "the number 3"),
    label_case("a text", "n.json", b'"a"', "bad-labels", "the text 'a'"),
    label_case("null", "n.json", b'["a", null, "c"]', "bad-labels", "null among the names"),
    label_case("true", "n.json", b'["a", true, "c"]', "bad-labels", "true among the names"),
    label_case("a list", "n.json", b'["a", ["b"], "c"]', "bad-labels", "a list among the names"),
    label_case("an object of words", "n.json", b'{"a": "x", "b": "y"}', "bad-labels", "'a'"),
    label_case("a negative index", "n.json", b'{"-1": "x", "0": "y", "1": "z"}', "bad-labels", "'-1'"),
    label_case("index twice", "n.json", b'{"0": "a", "1": "b", "01": "c"}', "bad-labels", "class index 1 stands twice"),
    label_case("index missing", "n.json", b'{"0": "a", "1": "b", "3": "c"}', "bad-labels", "class index 2 is missing"),
    label_case(
        "counted from 1",
        "n.json",
        b'{"id2label": {"1": "a", "2": "b", "3": "c"}}',
        "bad-labels",
        "class index 0 is missing",
    ),
    label_case(
        "ids twice", "n.json", b'{"label2id": {"a": 0, "b": 0, "c": 1}}', "bad-labels", "class index 0 stands twice"
    ),
    label_case(
        "an index of 5,000 digits",
        "n.json",
        b'{"' + b"9" * 5000 + b'": "a"}',
        "bad-labels",
    ),
    label_case(
        "a table's index of 5,000 digits",
        "n.csv",
        b"9" * 5000 + b",a\n",
        "bad-labels",
    ),
    label_case(
        "a lone surrogate",
        "n.json",
        b'["a", "\\ud800", "c"]',
        "bad-encoding",
        "n.json",
    ),
    label_case(
        "a table of names alone", "n.csv", b"a\nb\nc\n", "bad-labels", "'b' isn't an index and a name", hint=".txt"
    ),
    label_case("a table with words for indices", "n.csv", b"0,a\nx,b\n", "bad-labels", "'x,b'"),
    label_case("a table with an index twice", "n.csv", b"0,a\n1,b\n1,c\n", "bad-labels", "class index 1 stands twice"),
    label_case(
        "a table with an index missing", "n.tsv", b"0\ta\n1\tb\n3\tc\n", "bad-labels", "class index 2 is missing"
    ),
    label_case("an unclosed quote", "n.csv", b'0,"a\n1,b\n', "bad-labels", "not a table"),
]

FILES = [
    Case("no such file", "x.csv", None, "not-found", "x.csv: no such file"),
    Case("no such file of the second", "x.csv", None, "not-found", "x.csv: no such file", ["--input-format", "csv"]),
    Case(
        "PyTorch",
        "x.pt",
        npz([("x/data.pkl", b"\x80\x02}q\x00.")]),
        "pickle-refused",
        "could run code",
        hint="numpy.save",
    ),
    Case("PyTorch by its suffix", "x.pth", b"hello", "pickle-refused", hint="numpy.save"),
    Case("pickle", "x.pkl", b"\x80\x04]\x94.", "pickle-refused", hint="numpy.save"),
    Case("pickle by its first bytes", "x.csv", b"\x80\x05]\x94.", "pickle-refused", hint="numpy.save"),
    Case("pickle, piped", "-", b"\x80\x04]\x94.", "pickle-refused", stdin=True),
    Case("PyTorch archive by its first bytes", "x.npz", npz([("x/data.pkl", b"\x80\x02}q\x00.")]), "pickle-refused"),
    Case("an image", "x", b"\x89PNG\r\n\x1a\n" + bytes(50), "bad-encoding", "NUL"),
]

GROUPS = {
    "numpy": NUMPY,
    "archive": ARCHIVES,
    "text": TEXT,
    "json": JSON,
    "columnar": COLUMNAR,
    "compressed": COMPRESSED,
    "values": VALUES,
    "labels": LABELS,
    "files": FILES,
}


def parameters() -> list[Any]:
    result = []
    for group, cases in GROUPS.items():
        result.extend(pytest.param(case, id=f"{group}: {case.name}") for case in cases)
    return result


def run(arguments: Sequence[str], stdin: bytes | None, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(stdin or b""), isatty=lambda: False))
    code = MAIN.main(list(arguments), standalone_mode=False)
    assert isinstance(code, int)
    return int(code)


def check_error(stderr: bytes, case: Case) -> None:
    """One error, its hint, notes, and nothing else: no traceback, no warning, no panic of a library."""
    lines = stderr.decode().splitlines()
    errors = [line for line in lines if line.startswith("softmax: error[")]
    assert len(errors) == 1, lines
    assert errors[0].startswith(f"softmax: error[{case.slug}]: "), errors
    assert case.text in errors[0]
    assert all(line.startswith(("softmax: error[", "softmax: note: ", "  hint: ")) for line in lines), lines
    hints = [line for line in lines if line.startswith("  hint: ")]
    assert case.hint in "".join(hints)
    if case.code == 1 and not case.args:
        assert Path(case.file).name in errors[0]


@pytest.mark.parametrize("case", parameters())
def test_bad_input(
    case: Case,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    request: pytest.FixtureRequest,
) -> None:
    if case.slug in ("bad-compression", "truncated"):
        request.addfinalizer(gc.collect)
    folder, results = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    results.mkdir()
    data = case.data() if callable(case.data) else case.data
    if data is not None and not case.stdin:
        (folder / case.file).write_bytes(data)
    for name, content in case.files.items():
        (folder / name).write_bytes(content)
    arguments = ["-" if case.stdin else str(folder / case.file), *(text.format(dir=folder) for text in case.args)]
    piped = data if case.stdin else None

    assert run([*arguments, "-f", "csv"], piped, monkeypatch) == case.code
    captured = capfdbinary.readouterr()
    check_error(captured.err, case)
    assert case.late or captured.out == b""

    output = results / "out.csv"
    assert run([*arguments, "-o", str(output)], piped, monkeypatch) == case.code
    check_error(capfdbinary.readouterr().err, case)
    assert list(results.iterdir()) == []

    output.write_bytes(OLD)
    assert run([*arguments, "-o", str(output)], piped, monkeypatch) == case.code
    captured = capfdbinary.readouterr()
    assert captured.out == b""
    assert list(results.iterdir()) == [output]
    assert output.read_bytes() == OLD


def test_the_names_of_the_cases_are_unique() -> None:
    for cases in GROUPS.values():
        names = [case.name for case in cases]
        assert sorted(set(names)) == sorted(names)


def directory_error(
    arguments: Sequence[str], monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> str:
    assert run(arguments, None, monkeypatch) == 1
    captured = capfdbinary.readouterr()
    assert captured.out == b""
    lines = captured.err.decode().splitlines()
    assert sum(line.startswith("softmax: error[") for line in lines) == 1
    return captured.err.decode()


def test_an_empty_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    text = directory_error([str(tmp_path)], monkeypatch, capfdbinary)
    assert text.startswith(f"softmax: error[no-inputs]: {tmp_path}: ")


def test_a_directory_without_inputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / "notes.txt").write_text("1,2\n")
    (tmp_path / ".hidden.csv").write_text("1,2\n")
    (tmp_path / "below").mkdir()
    text = directory_error([str(tmp_path)], monkeypatch, capfdbinary)
    assert text.startswith(f"softmax: error[no-inputs]: {tmp_path}: ")
    assert "--glob" in text
    text = directory_error([str(tmp_path), "--glob", "*.bin"], monkeypatch, capfdbinary)
    assert "'*.bin'" in text


def test_an_empty_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / "x.csv").write_bytes(CSV)
    monkeypatch.chdir(tmp_path)
    assert directory_error([""], monkeypatch, capfdbinary).startswith("softmax: error[not-found]: ")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything")
def test_an_unreadable_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(CSV)
    path.chmod(0)
    text = directory_error([str(path)], monkeypatch, capfdbinary)
    assert text.startswith(f"softmax: error[unreadable]: {path}: can't be read: permission denied")


def test_bad_among_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / "a.csv").write_bytes(CSV)
    (tmp_path / "b.csv").write_bytes(b"a,b\n1\n")
    (tmp_path / "c.csv").write_bytes(CSV)
    assert run([str(tmp_path), "-f", "jsonl", "-q"], None, monkeypatch) == 3
    captured = capfdbinary.readouterr()
    sources = [json.loads(line)["source"] for line in captured.out.splitlines()]
    assert sources == [str(tmp_path / "a.csv")] * 2 + [str(tmp_path / "c.csv")] * 2
    assert captured.err.decode().count("softmax: error[ragged-row]: ") == 1


def test_bad_inputs_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_bytes(b"a,b\n1\n")
    output = tmp_path / "out.parquet"
    assert run([str(tmp_path / "a.csv"), str(tmp_path / "b.csv"), "-o", str(output)], None, monkeypatch) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "b.csv"]
    lines = capfdbinary.readouterr().err.decode().splitlines()
    assert [line.split("]")[0] for line in lines if "error[" in line] == [
        "softmax: error[ragged-row",
        "softmax: error[ragged-row",
        "softmax: error[no-inputs",
    ]


def test_errors_as_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"a,b\n1,2\n1,x\n")
    assert run([str(path), "--errors", "json"], None, monkeypatch) == 1
    record = json.loads(capfdbinary.readouterr().err)
    assert record.pop("message") == "column 'b': 'x' isn't a number"
    assert record.pop("hint")
    assert record == {"type": "error", "slug": "bad-value", "source": str(path), "line": 3, "column": "b"}


def test_a_bomb_is_made_of_little() -> None:
    for make in (npz_bomb, gz_bomb, zst_bomb, parquet_bomb, arrow_bomb, arrow_stream_bomb):
        assert len(make()) < 1 << 21
    assert pl.read_parquet_metadata(io.BytesIO(parquet_bomb())) is not None
