"""Small files that expand to more than 256 MiB; the one of gzip, which is slow, to more than 16."""

import functools
import gzip

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet

from tests.bad_input.makers import arrow, npy_shape, npz, parquet
from tests.packing import zstd

GZ_BOMB_BYTES = 16 << 20


@functools.cache
def npz_bomb() -> bytes:
    header = npy_shape((257 << 10, 256), descr="<f4")
    return npz([("logits.npy", header + bytes(257 << 20))])


@functools.cache
def gz_bomb() -> bytes:
    return gzip.compress(b"[[1, 2]" + b" " * (1 << 20), mtime=0) + gzip.compress(b" " * (1 << 20), mtime=0) * 17


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
