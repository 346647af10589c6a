"""Parquet: footers and page headers as pyarrow reads them, long row groups in pieces, headers that lie."""

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest

from softmax_cli.errors import InputError, Location
from softmax_cli.sources.parquet import DamagedError, PageCheck, RowGroup, checked_spans, read_row_groups
from softmax_cli.sources.thrift import CutShortError, ThriftError, read_struct
from tests.readers.reading import Piped
from tests.readers.samples import parquet

ROWS = 3000
VALUES = np.random.default_rng(5).normal(size=(ROWS, 3))


def table() -> pa.Table:
    columns = {f"c{place}": pa.array(VALUES[:, place]) for place in range(3)}
    lists = pa.array(VALUES.tolist(), pa.list_(pa.float64()))
    return pa.table({"id": [f"row {row}" for row in range(ROWS)], **columns, "lists": lists})


def written(codec: str = "snappy", **options: Any) -> bytes:
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(table(), buffer, compression=codec, row_group_size=1100, **options)
    return buffer.getvalue()


def written_by_polars(codec: Any) -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame(table()).write_parquet(buffer, compression=codec, row_group_size=1100, data_page_size=2048)
    return buffer.getvalue()


FILES = {
    **{codec: written(codec) for codec in ("none", "snappy", "gzip", "zstd", "lz4", "brotli")},
    "many pages": written(data_page_size=500, write_batch_size=50),
    "version 2": written(data_page_version="2.0", use_dictionary=False, data_page_size=500, write_batch_size=50),
    "page index": written(write_page_index=True, write_page_checksum=True),
    **{f"polars {codec}": written_by_polars(codec) for codec in ("uncompressed", "zstd", "snappy")},
}


@pytest.mark.parametrize("name", FILES)
def test_row_groups_are_those_of_pyarrow(name: str) -> None:
    file = io.BytesIO(FILES[name])
    groups = read_row_groups(file)
    expected = pyarrow.parquet.ParquetFile(file).metadata
    assert [group.rows for group in groups] == [1100, 1100, 800]
    assert [group.first for group in groups] == [0, 1100, 2200]
    for place, group in enumerate(groups):
        columns = [expected.row_group(place).column(column) for column in range(expected.num_columns)]
        assert [chunk.values for chunk in group.chunks] == [column.num_values for column in columns]
        assert [chunk.end - chunk.start for chunk in group.chunks] == [c.total_compressed_size for c in columns]
        assert [chunk.name for chunk in group.chunks] == ["id", "c0", "c1", "c2", "lists"]
        pages = PageCheck(file, name).check(group, {"id", "c0", "c1", "c2", "lists"})
        assert pages > 5 if name in ("many pages", "version 2") else pages >= 1


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("span", [1, 3000, 50_000])
def test_spans_hold_every_row(given_input: Piped, monkeypatch: pytest.MonkeyPatch, name: str, span: int) -> None:
    monkeypatch.setattr("softmax_cli.sources.frames.SPAN_BYTES", span)
    read = given_input.file("x.parquet", FILES[name], columns="c?")
    np.testing.assert_array_equal(read.logits, VALUES)
    assert read.rows == list(range(ROWS))
    assert read.ids == [f"row {row}" for row in range(ROWS)]
    np.testing.assert_array_equal(given_input.file("x.parquet", FILES[name], array="lists").logits, VALUES)


def test_long_row_groups_are_cut_where_they_have_pages(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(FILES["many pages"])
    spans = list(checked_spans(str(path), Location("x"))({"c0"}, 300))
    assert [span.first for span in spans] == [0, 275, 550, 825, 1100, 1375, 1650, 1925, 2200, 2467, 2734]
    assert sum(span.rows for span in spans) == ROWS
    assert all(span.apart for span in spans)
    path.write_bytes(FILES["polars zstd"])
    assert [span.rows for span in checked_spans(str(path), Location("x"))({"c0"}, 100_000)] == [ROWS]


def test_short_files() -> None:
    for data in (b"", b"PAR1", b"PAR1PAR1", b"PAR1\0\0\0\0PAR1", b"PAR1\xff\xff\xff\xffPAR1", FILES["zstd"][:-1]):
        with pytest.raises(DamagedError):
            read_row_groups(io.BytesIO(data))


def test_an_enormous_expansion_is_refused() -> None:
    group = read_row_groups(io.BytesIO(FILES["zstd"]))[0]
    chunk = group.chunks[1]
    enormous = type(chunk)(chunk.name, 1 << 40, chunk.start, chunk.end)
    with pytest.raises(InputError) as caught:
        PageCheck(io.BytesIO(FILES["zstd"]), "x").check(RowGroup(0, 1 << 40, (enormous,)), {"c0"})
    assert caught.value.slug == "compression-bomb"


def test_thrift() -> None:
    nested = bytes([0x19, 0x2C, 0x15, 0x02, 0x00, 0x15, 0x04, 0x00, 0x11, 0x00])
    assert read_struct(nested, 0, {1: {1: None}, 2: None}) == ({1: [{1: 1}, {1: 2}], 2: True}, 10)
    assert read_struct(nested, 0, {})[1] == 10
    for end in range(len(nested)):
        with pytest.raises(CutShortError):
            read_struct(nested[:end], 0, {1: {1: None}})
    long_form = bytes([0x05, 0x0E, 0x81, 0x80, 0x01, 0x0B, 0x10, 0x01, 0x55, 0x02, 0x04, 0x17]) + bytes(8) + b"\0"
    assert read_struct(long_form, 0, {7: None}) == ({7: -8193}, len(long_form))
    for bad in (b"\x1c" * 100, b"\x15" + b"\xff" * 20, b"\x1d\0", b"\x1f\0"):
        with pytest.raises(ThriftError):
            read_struct(bad, 0, {1: None})


# Reads files one after another; the table library ends the process where a check misses what it shouldn't.
READ_ALL = """
import sys
from pathlib import Path
from softmax_cli import ReadOptions, open_source
from softmax_cli.errors import InputError
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        list(open_source(str(path), ReadOptions()))
    except InputError as error:
        assert error.slug in ("bad-columnar", "compression-bomb", "bad-value"), (path, error)
"""


@pytest.mark.parametrize("options", [{}, {"use_dictionary": False}, {"data_page_version": "2.0"}], ids=str)
def test_no_byte_of_a_header_ends_the_process(tmp_path: Path, options: dict[str, Any]) -> None:
    columns = pa.table({"a": pa.array([1.5, 2.5, None, 4.5, 5.5]), "b": pa.array([1.5] * 5)})
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(columns, buffer, compression="none", write_statistics=False, **options)
    data = buffer.getvalue()
    for place in range(4, read_row_groups(buffer)[0].chunks[-1].end):
        for byte in (0x01, 0x7F, 0x80, 0xFF, data[place] ^ 1):
            (tmp_path / f"{place:05}-{byte:02x}.parquet").write_bytes(data[:place] + bytes([byte]) + data[place + 1 :])
    done = subprocess.run([sys.executable, "-c", READ_ALL, str(tmp_path)], capture_output=True, timeout=100)
    assert done.returncode == 0, done.stderr.decode()[-1000:]


def test_a_column_that_is_not_read_may_be_damaged(given_input: Piped) -> None:
    data = bytearray(parquet(pa.table({"a": [1.0, 2.0], "b": [3.0, 4.0], "note": ["x", "y"], "id": [1, 2]})))
    chunk = read_row_groups(io.BytesIO(data))[0].chunks[2]
    data[chunk.start : chunk.end] = b"\xff" * (chunk.end - chunk.start)
    assert given_input.file("x.parquet", bytes(data), id_column="id").logits.tolist() == [[1, 3], [2, 4]]
