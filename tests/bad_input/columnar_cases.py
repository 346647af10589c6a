"""Parquet, Arrow and safetensors that can't be read."""

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import safetensors.numpy

from tests.bad_input.bombs import arrow_bomb, arrow_stream_bomb, parquet_bomb
from tests.bad_input.case import Case
from tests.bad_input.makers import LOGITS, arrow, lists, parquet, safetensors_header, table

SAFE = safetensors.numpy.save({"logits": LOGITS})
PARQUET = parquet(table(a=LOGITS[:, 0], b=LOGITS[:, 1]))
ARROW = arrow(table(a=LOGITS[:, 0], b=LOGITS[:, 1]))
STREAM = arrow(table(a=LOGITS[:, 0], b=LOGITS[:, 1]), new=pyarrow.ipc.new_stream)


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
