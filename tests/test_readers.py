"""Every input format, read from files and pipes, against what numpy says the array is."""

import base64
import bz2
import gc
import gzip
import io
import itertools
import json
import lzma
import os
import select
import struct
import subprocess
import sys
import warnings
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
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
from numpy.typing import NDArray

from softmax_cli import ReadOptions, SoftmaxError, Source, open_source
from softmax_cli.errors import InputError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LOGITS = np.array([[3.25, -1.5, 0.0], [0.1, 2.0, 1e-300], [-7.0, 4.5, 5.75], [1.0, 1.0, 1.0]])
NARROW = LOGITS.astype(np.float32)
IDS = ["one", "two, 2", 'three "3"', "vier\nfünf"]
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "zst": zstd.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}


# Helpers


class Read:
    """A source read to its end."""

    def __init__(self, source: Source):
        batches = list(source)
        self.source = source
        self.sizes = [len(batch) for batch in batches]
        self.dtypes = {batch.logits.dtype for batch in batches}
        self.shapes = {batch.shape for batch in batches}
        self.logits = np.concatenate([batch.logits for batch in batches]) if batches else np.empty((0, 0))
        self.rows = [row for batch in batches for row in batch.rows.tolist()]
        self.ids = [text for batch in batches for text in batch.ids or ()]
        assert all(batch.source == source.name for batch in batches)
        assert all(batch.ids is None or len(batch.ids) == len(batch) for batch in batches)


class Piped:
    """Opens bytes as stdin, as files, and whatever else can be asked of one input."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch):
        self._folder = folder
        self._monkeypatch = monkeypatch

    def file(self, name: str, data: bytes | str, **options: Any) -> Read:
        path = self._folder / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return Read(open_source(str(path), ReadOptions(**options)))

    def pipe(self, data: bytes | str, **options: Any) -> Read:
        stream = io.BytesIO(data.encode() if isinstance(data, str) else data)
        self._monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=stream))
        return Read(open_source("-", ReadOptions(**options)))


@pytest.fixture
def given_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Piped:
    return Piped(tmp_path, monkeypatch)


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


# Delimited text


@pytest.mark.parametrize("delimiter", [",", "\t", ";", " ", "   ", " \t "])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_text(given_input: Piped, delimiter: str, end: str, header: bool, mark: bytes) -> None:
    data = mark + csv(header, delimiter, end)
    for read in (given_input.file("x.txt", data), given_input.pipe(data), given_input.pipe(data.rstrip())):
        assert read.logits.tolist() == LOGITS.tolist()
        assert read.rows == [0, 1, 2, 3]
        assert read.dtypes == {np.dtype(np.float64)}
        assert read.source.classes == 3
        assert read.source.class_names == (("cat", "dog", "eel") if header else None)
        assert read.source.notes == ()


@pytest.mark.parametrize("name", ["x.csv", "x.CSV", "x.tsv", "x.tab", "x.txt", "x.dat", "x", "x.unknown"])
def test_text_by_suffix(given_input: Piped, name: str) -> None:
    delimiter = "\t" if name in ("x.tsv", "x.tab") else ","
    assert given_input.file(name, csv(True, delimiter)).logits.tolist() == LOGITS.tolist()


def test_a_tsv_is_split_at_tabs_alone(given_input: Piped) -> None:
    read = given_input.file("x.tsv", "a b\tc,d\n1\t2\n")
    assert read.source.class_names == ("a b", "c,d")


def test_text_with_the_delimiter_given(given_input: Piped) -> None:
    for delimiter, name in (("|", "|"), ("\t", "tab"), (";", "semicolon"), (",", "comma"), (" ", "space")):
        assert given_input.pipe(csv(True, delimiter), delimiter=name).logits.tolist() == LOGITS.tolist()


def test_blank_lines_are_no_rows(given_input: Piped) -> None:
    read = given_input.file("x.csv", "\n  \na,b\r\n\n\n1,2\n\r\n   \n3,4\n\n")
    assert read.logits.tolist() == [[1, 2], [3, 4]]
    assert read.rows == [0, 1]


def test_no_line_end_at_the_end(given_input: Piped) -> None:
    assert given_input.file("x.csv", "a,b\n1,2\n3,4").logits.tolist() == [[1, 2], [3, 4]]
    assert given_input.file("x.csv", "1,2").logits.tolist() == [[1, 2]]


def test_a_quoted_header(given_input: Piped) -> None:
    data = '"the ""cat""","dog, or\nwolf",eel\r\n1,2,3\n"4", 5 ,6\n'
    for read in (given_input.file("x.csv", data), given_input.pipe(data)):
        assert read.source.class_names == ('the "cat"', "dog, or\nwolf", "eel")
        assert read.logits.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_a_header_alone_has_no_rows(given_input: Piped) -> None:
    for data in ("cat,dog\n", "cat,dog", "cat,dog\n\n"):
        read = given_input.file("x.csv", data)
        assert read.rows == []
        assert read.source.class_names == ("cat", "dog")


def test_one_column(given_input: Piped) -> None:
    read = given_input.file("x.csv", "cat\n1\n2\n")
    assert read.source.class_names == ("cat",)
    assert read.logits.tolist() == [[1], [2]]


def test_a_header_of_counting_numbers_is_a_row_until_said_otherwise(given_input: Piped) -> None:
    data = "0,1,2\n5,6,7\n"
    read = given_input.pipe(data)
    assert read.logits.tolist() == [[0, 1, 2], [5, 6, 7]]
    assert len(read.source.notes) == 1
    assert "--header" in read.source.notes[0]
    read = given_input.pipe(data, header=True)
    assert read.logits.tolist() == [[5, 6, 7]]
    assert read.source.class_names == ("0", "1", "2")


def test_an_id_and_counted_classes_are_a_header(given_input: Piped) -> None:
    read = given_input.pipe("name,0,1\nx,5,6\n")
    assert read.source.class_names == ("0", "1")
    assert (read.ids, read.logits.tolist()) == (["x"], [[5, 6]])


def test_no_header_by_option(given_input: Piped) -> None:
    read = given_input.pipe("x,1,2\ny,3,4\n", header=False)
    assert (read.ids, read.logits.tolist()) == (["x", "y"], [[1, 2], [3, 4]])
    assert read.source.class_names is None


@pytest.mark.parametrize("line", ["x,1,2\ny,3,4\n", "1,2,x\n3,4,y\n"])
def test_text_at_the_edge_without_a_header_is_the_id(given_input: Piped, line: str) -> None:
    read = given_input.pipe(line)
    assert (read.ids, read.logits.tolist()) == (["x", "y"], [[1, 2], [3, 4]])


def test_ids_are_quoted_text(given_input: Piped) -> None:
    cells = ['"' + text.replace('"', '""') + '"' for text in IDS]
    lines = [",".join([cell, *map(str, row)]) for cell, row in zip(cells, LOGITS.tolist(), strict=True)]
    for data in ("who,a,b,c\n" + "\n".join(lines), "who,a,b,c\r\n" + "\r\n".join(lines)):
        read = given_input.file("x.csv", data)
        assert read.ids == IDS
        assert read.logits.tolist() == LOGITS.tolist()
        assert len(read.source.notes) == 1
        assert "'who'" in read.source.notes[0]


@pytest.mark.parametrize("name", ["id", "index", "row", "sample", "ID", "", "Unnamed: 0"])
def test_a_whole_number_named_like_an_id(given_input: Piped, name: str) -> None:
    read = given_input.pipe(f"{name},a,b\n7,1,2\n8,3,4\n")
    assert (read.ids, read.logits.tolist()) == (["7", "8"], [[1, 2], [3, 4]])
    assert len(read.source.notes) == 1
    assert "--id-column" in read.source.notes[0]


@pytest.mark.parametrize("name", ["label", "target", "class", "y", "y_true", "Label"])
def test_a_whole_number_named_like_a_target(given_input: Piped, name: str) -> None:
    read = given_input.pipe(f"a,b,{name}\n1,2,0\n3,4,1\n")
    assert (read.ids, read.logits.tolist()) == ([], [[1, 2], [3, 4]])
    assert read.source.class_names == ("a", "b")
    assert len(read.source.notes) == 1
    assert "--target-column" in read.source.notes[0]


def test_a_fraction_named_like_an_id_is_a_class(given_input: Piped) -> None:
    read = given_input.pipe("id,a\n7.5,1\n")
    assert read.source.class_names == ("id", "a")
    assert read.source.notes == ()


def test_columns_by_option(given_input: Piped) -> None:
    data = "a,b,c,note\n1,2,3,x\n4,5,6,y\n"
    read = given_input.pipe(data, id_column="b")
    assert (read.ids, read.source.class_names, read.logits.tolist()) == (["2", "5"], ("a", "c"), [[1, 3], [4, 6]])
    read = given_input.pipe(data, target_column="c")
    assert (read.ids, read.source.class_names) == (["x", "y"], ("a", "b"))
    read = given_input.pipe(data, columns="[ab]")
    assert read.source.class_names == ("a", "b")
    read = given_input.pipe(data, columns="c,a")
    assert read.source.class_names == ("a", "c")
    read = given_input.pipe(data, id_column="-1")
    assert read.ids == ["x", "y"]


def test_text_by_its_rows(given_input: Piped) -> None:
    data = "who,a,b\nx,1,2\ny,3,4\nz,5,6\n"
    for axis in (0, -2):
        read = given_input.pipe(data, axis=axis)
        assert read.logits.tolist() == [[1, 3, 5], [2, 4, 6]]
        assert list(read.source.class_names or ()) == ["x", "y", "z"]
        assert read.ids == ["a", "b"]
    assert given_input.pipe(data, axis=1).ids == ["x", "y", "z"]


def test_special_numbers(given_input: Piped) -> None:
    read = given_input.pipe("-inf,NaN,+Infinity,1e-400,-0,.5,5.,+1E+2\n")
    expected = [[-np.inf, np.nan, np.inf, 0.0, -0.0, 0.5, 5.0, 100.0]]
    np.testing.assert_array_equal(read.logits, expected)
    assert np.signbit(read.logits[0, 4])


def test_text_is_rounded_correctly(given_input: Piped) -> None:
    texts = ["0.1", "9007199254740993", "4.9e-324", "2.2250738585072011e-308", "1.7976931348623157e308", "1" * 300]
    read = given_input.pipe("\n".join(texts) + "\n")
    assert read.logits[:, 0].tolist() == [float(text) for text in texts]


def test_text_of_more_than_one_block(given_input: Piped, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("softmax_cli.sources.lines.BLOCK_BYTES", 1 << 17)
    values = np.arange(120_000).reshape(-1, 3) / 8
    ids = [f"n\n{number}" if number % 1000 == 0 else f"n{number}" for number in range(len(values))]
    lines = [f'"{name}",{row[0]},{row[1]},{row[2]}\n' for name, row in zip(ids, values.tolist(), strict=True)]
    data = "who,a,b,c\n" + "".join(lines)
    for read in (
        given_input.file("x.csv", data),
        given_input.pipe(data),
        given_input.file("x.csv.gz", gzip.compress(data.encode())),
    ):
        assert len(read.sizes) > 5
        assert read.rows == list(range(len(values)))
        assert read.ids == ids
        np.testing.assert_array_equal(read.logits, values)


# NPY

DTYPES = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]
SHAPES = [(5,), (4, 3), (1, 1), (2, 3, 4), (3, 1, 2), (2, 3, 2, 2), (0, 3), (3, 2, 0)]


def sample(dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    kind = np.dtype(dtype)
    count = int(np.prod(shape))
    if kind.kind == "f":
        return (np.linspace(-9, 9, count) if count else np.empty(0)).astype(kind).reshape(shape)
    limits = np.iinfo(kind)
    numbers = np.arange(count, dtype=np.uint64) * np.uint64(max(1, (limits.max - limits.min) // max(1, count)))
    return numbers.astype(kind).reshape(shape)


@pytest.mark.parametrize("batch", [1, 40, 1 << 23])
@pytest.mark.parametrize("dtype", DTYPES)
def test_npy(given_input: Piped, monkeypatch: pytest.MonkeyPatch, dtype: str, batch: int) -> None:
    monkeypatch.setattr("softmax_cli.sources.base.BATCH_BYTES", batch)
    monkeypatch.setattr("softmax_cli.sources.npy.BATCH_BYTES", batch)
    versions = itertools.cycle([(1, 0), (2, 0), (3, 0)])
    for shape, order, fortran in itertools.product(SHAPES, "<>", (False, True)):
        array = sample(dtype, shape).astype(np.dtype(dtype).newbyteorder(order))
        array = np.asfortranarray(array) if fortran else array
        data = npy(array, next(versions))
        for axis in range(-len(shape), len(shape)):
            if not shape[axis]:
                continue
            expected = rows_of(array, axis)
            for read in (given_input.file("x.npy", data, axis=axis), given_input.pipe(data, axis=axis)):
                assert read.source.classes == shape[axis]
                assert read.source.total_rows == len(expected)
                assert read.rows == list(range(len(expected)))
                if len(expected):
                    assert read.logits.dtype == expected.dtype
                    assert read.logits.tobytes() == expected.tobytes()
                    row_shape = list(shape)
                    del row_shape[axis]
                    assert read.shapes == {tuple(row_shape)}


def test_npy_pieces_are_small(given_input: Piped, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("softmax_cli.sources.base.BATCH_BYTES", 400)
    monkeypatch.setattr("softmax_cli.sources.npy.BATCH_BYTES", 400)
    array = np.arange(2 * 10 * 50, dtype=np.float64).reshape(2, 10, 50)
    for axis in (0, 1, 2):
        read = given_input.file("x.npy", npy(array), axis=axis)
        assert max(read.sizes) * array.shape[axis] * 8 <= 400
        assert read.logits.tobytes() == rows_of(array, axis).tobytes()


def test_npy_can_be_read_again(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(npy(LOGITS))
    source = open_source(str(path))
    assert not source.one_pass
    first, second = Read(source), Read(source)
    assert first.logits.tolist() == second.logits.tolist() == LOGITS.tolist()


def test_a_pipe_is_read_once(given_input: Piped) -> None:
    source = given_input.pipe(npy(LOGITS)).source
    assert source.one_pass
    with pytest.raises(InputError, match="only once"):
        list(source)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_named_pipe(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    with subprocess.Popen([sys.executable, "-c", "import sys; open(sys.argv[1], 'wb').write(b'1,2\\n3,4\\n')", path]):
        read = Read(open_source(str(path)))
    assert read.logits.tolist() == [[1, 2], [3, 4]]
    assert read.source.one_pass


# NPZ


@pytest.mark.parametrize("packed", [False, True])
def test_npz(given_input: Piped, packed: bool) -> None:
    data = npz(packed, anything=LOGITS)
    for read in (given_input.file("x.npz", data), given_input.pipe(data), given_input.file("x", data)):
        assert read.logits.tolist() == LOGITS.tolist()
        assert read.source.notes == ()
        assert not read.source.one_pass
        assert Read(read.source).logits.tolist() == LOGITS.tolist()


@pytest.mark.parametrize("packed", [False, True])
def test_npz_of_several_arrays(given_input: Piped, packed: bool) -> None:
    data = npz(packed, a=LOGITS + 1, logits=LOGITS, b=NARROW.T)
    read = given_input.file("x.npz", data)
    assert read.logits.tolist() == LOGITS.tolist()
    assert "'logits'" in read.source.notes[0]
    assert "--array" in read.source.notes[0]
    read = given_input.file("x.npz", data, array="b", axis=0)
    assert read.logits.tolist() == NARROW.tolist()
    assert read.source.notes == ()


def test_npz_with_something_else_in_it(given_input: Piped) -> None:
    buffer = io.BytesIO(npz(a=LOGITS))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("notes.txt", "hello")
    assert given_input.file("x.npz", buffer.getvalue()).logits.tolist() == LOGITS.tolist()


def test_npz_in_small_pieces(given_input: Piped, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("softmax_cli.sources.base.BATCH_BYTES", 100)
    monkeypatch.setattr("softmax_cli.sources.npy.BATCH_BYTES", 100)
    array = np.arange(3 * 5 * 7, dtype=np.int16).reshape(3, 5, 7)
    for axis in range(3):
        read = given_input.file("x.npz", npz(True, a=array), axis=axis)
        assert len(read.sizes) > 1
        assert read.logits.tobytes() == rows_of(array, axis).tobytes()


# JSON


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_json_lines(given_input: Piped, end: str) -> None:
    data = json_lines(LOGITS.tolist(), end)
    for read in (given_input.file("x.jsonl", data), given_input.pipe(data), given_input.pipe(data.rstrip())):
        assert read.logits.tolist() == LOGITS.tolist()
        assert (read.rows, read.ids) == ([0, 1, 2, 3], [])
        assert (read.source.classes, read.source.class_names) == (3, None)


@pytest.mark.parametrize("field", ["logits", "scores"])
def test_json_lines_of_objects(given_input: Piped, field: str) -> None:
    data = json_lines([{"id": name, "other": [1], field: row} for name, row in zip(IDS, LOGITS.tolist(), strict=True)])
    for read in (given_input.file("x.ndjson", data), given_input.pipe(data)):
        assert read.logits.tolist() == LOGITS.tolist()
        assert read.ids == IDS


def test_json_lines_with_names_of_fields(given_input: Piped) -> None:
    data = json_lines([{"logits": [9], "out": row, "key": number} for number, row in enumerate(LOGITS.tolist())])
    read = given_input.pipe(data, array="out", id_column="key")
    assert read.logits.tolist() == LOGITS.tolist()
    assert read.ids == ["0", "1", "2", "3"]


def test_json_lines_by_their_rows(given_input: Piped) -> None:
    read = given_input.pipe(json_lines(LOGITS.tolist()), axis=0)
    assert read.logits.tolist() == LOGITS.T.tolist()


def test_ids_of_any_kind(given_input: Piped) -> None:
    ids = ["a", 7, None, {"b": [1]}, True, "ü"]
    read = given_input.pipe(json_lines([{"id": value, "logits": [1, 2]} for value in ids]))
    assert read.ids == ["a", "7", "null", '{"b": [1]}', "true", "ü"]


@pytest.mark.parametrize("shape", [(12,), (4, 3), (2, 2, 3), (2, 1, 2, 3)])
@pytest.mark.parametrize("indent", [None, 1])
def test_json_arrays(given_input: Piped, shape: tuple[int, ...], indent: int | None) -> None:
    array = LOGITS.reshape(shape)
    data = json.dumps(array.tolist(), indent=indent)
    for axis in range(-len(shape), len(shape)):
        expected = rows_of(array, axis).tolist()
        assert given_input.file("x.json", data, axis=axis).logits.tolist() == expected
        if len(shape) > 1 or indent:
            assert given_input.pipe(data, axis=axis).logits.tolist() == expected


def test_json_objects(given_input: Piped) -> None:
    records = [{"id": name, "logits": row} for name, row in zip(IDS, LOGITS.tolist(), strict=True)]
    for value in (records, {"id": IDS, "logits": LOGITS.tolist()}):
        for data in (json.dumps(value), "\ufeff" + json.dumps(value, indent=2)):
            for read in (given_input.file("x.json", data), given_input.pipe(data)):
                assert read.logits.tolist() == LOGITS.tolist()
                assert read.ids == IDS


def test_json_special_numbers(given_input: Piped) -> None:
    read = given_input.pipe("[[NaN, Infinity, -Infinity, -0.0, 1e-400]]")
    np.testing.assert_array_equal(read.logits, [[np.nan, np.inf, -np.inf, 0.0, 0.0]])


def tensor(name: str, datatype: str, array: NDArray[Any], nested: bool = False) -> dict[str, Any]:
    data = array.tolist() if nested else array.reshape(-1).tolist()
    return {"name": name, "datatype": datatype, "shape": list(array.shape), "data": data}


FLOATS = ["FP16", "BF16", "FP32"]
WHOLE = [f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)]


@pytest.mark.parametrize("datatype", [*FLOATS, "FP64", *WHOLE])
@pytest.mark.parametrize("nested", [False, True])
def test_kserve(given_input: Piped, datatype: str, nested: bool) -> None:
    array = np.arange(12, dtype=np.int64).reshape(2, 2, 3)
    text = {"name": "text", "datatype": "BYTES", "shape": [1], "data": ["x"]}
    data = json.dumps({"model_name": "m", "id": "7", "outputs": [text, tensor("any", datatype, array, nested)]})
    dtype = np.float32 if datatype in FLOATS else np.float64
    for axis in range(3):
        for read in (given_input.file("x.json", data, axis=axis), given_input.pipe(data, axis=axis)):
            assert read.logits.tolist() == rows_of(array, axis).tolist()
            assert read.dtypes == {np.dtype(dtype)}


def test_kserve_with_several_outputs(given_input: Piped) -> None:
    data = json.dumps({"outputs": [tensor("a", "FP64", LOGITS + 1), tensor("logits", "FP64", LOGITS)]})
    read = given_input.pipe(data)
    assert read.logits.tolist() == LOGITS.tolist()
    assert "'logits'" in read.source.notes[0]
    assert given_input.pipe(data, array="a").logits.tolist() == (LOGITS + 1).tolist()


# Parquet and Arrow

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


@pytest.mark.parametrize("name", TABLE_WRITERS)
def test_tables(given_input: Piped, name: str) -> None:
    table = pa.table({"who": IDS, "cat": LOGITS[:, 0], "dog": LOGITS[:, 1], "eel": LOGITS[:, 2], "label": [0, 1, 2, 0]})
    data = TABLE_WRITERS[name](table)
    for read in (given_input.file(f"x.{name}", data), given_input.pipe(data), given_input.file("x", data)):
        assert read.logits.tolist() == LOGITS.tolist()
        assert read.ids == IDS
        assert (read.rows, read.source.total_rows) == ([0, 1, 2, 3], 4)
        assert list(read.source.class_names or ()) == ["cat", "dog", "eel"]
        assert len(read.source.notes) == 2
        assert "'who' was taken as the row's id" in read.source.notes[0]
        assert "'label' was taken as the target" in read.source.notes[1]
    read = given_input.file(f"x.{name}", data, axis=0)
    assert read.logits.tolist() == LOGITS.T.tolist()
    assert list(read.source.class_names or ()) == IDS
    assert read.ids == ["cat", "dog", "eel"]


@pytest.mark.parametrize("name", TABLE_WRITERS)
@pytest.mark.parametrize("size", [-1, 3])
@pytest.mark.parametrize("element", ["float", "double", "int16"])
def test_tables_of_lists(given_input: Piped, name: str, size: int, element: str) -> None:
    kind = {"float": pa.float32(), "double": pa.float64(), "int16": pa.int16()}[element]
    values = LOGITS.astype(np.dtype(kind.to_pandas_dtype()))
    table = pa.table({"id": [7, 8, 9, 10], "any": pa.array(values.tolist(), pa.list_(kind, size)), "x": [0.5] * 4})
    data = TABLE_WRITERS[name](table)
    for read in (given_input.file(f"x.{name}", data), given_input.pipe(data)):
        assert read.logits.tolist() == values.tolist()
        assert read.dtypes == {np.dtype(np.float32 if element == "float" else np.float64)}
        assert read.ids == ["7", "8", "9", "10"]
        assert read.source.class_names is None
        assert read.source.classes == 3
    assert given_input.file(f"x.{name}", data, axis=-2).logits.tolist() == values.T.tolist()


@pytest.mark.parametrize(
    "kind", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64"]
)
def test_tables_of_every_number(given_input: Piped, kind: str) -> None:
    columns = {name: pa.array([1, 2, 100], getattr(pa, kind)()) for name in ("a", "b")}
    read = given_input.file("x.parquet", parquet(pa.table(columns)))
    assert read.logits.tolist() == [[1, 1], [2, 2], [100, 100]]
    assert read.dtypes == {np.dtype(np.float32 if kind in ("float16", "float32") else np.float64)}


def test_tables_by_option(given_input: Piped) -> None:
    data = parquet(pa.table({"a": [1.0], "b": [2.0], "c": [[3.0, 4.0]], "logits": [[5.0]], "d": [7]}))
    assert given_input.file("x.parquet", data).logits.tolist() == [[5]]
    assert given_input.file("x.parquet", data, array="c").logits.tolist() == [[3, 4]]
    read = given_input.file("x.parquet", data, columns="[ab]", id_column="d")
    assert (read.logits.tolist(), read.ids) == ([[1, 2]], ["7"])


def test_tables_without_rows(given_input: Piped) -> None:
    read = given_input.file(
        "x.parquet", parquet(pa.table({"a": pa.array([], pa.float32()), "b": pa.array([], pa.float32())}))
    )
    assert (read.rows, read.source.classes, read.source.total_rows) == ([], 2, 0)


def test_a_table_in_small_batches(given_input: Piped, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("softmax_cli.sources.frames.BATCH_BYTES", 4096)
    values = np.arange(30_000.0).reshape(-1, 3)
    buffer = io.BytesIO()
    table = pa.table({"id": [str(row) for row in range(len(values))], **{f"c{k}": values[:, k] for k in range(3)}})
    pyarrow.parquet.write_table(table, buffer, row_group_size=777)
    read = given_input.file("x.parquet", buffer.getvalue())
    assert max(read.sizes) <= 4096 // 24
    assert read.rows == list(range(10_000))
    assert read.ids == [str(row) for row in range(10_000)]
    np.testing.assert_array_equal(read.logits, values)


# Damaged in a way that makes a thread of the library panic.
SILENT_LOSS = """
c-oDW&u<bz6vrRS52@V)n9OF^aNuA!n6#B2g*K)Lv;5K&6flO65EFug(x6bPMLBu&=&?yXc+;clUD=cA(WLk4kw2gZkG>gLpt?dQ%&#}^eLrvB
?vkg)0I`u4xt}E>fg1o3uN?ro?Vi`~UV;GjAoh@Z>DGpE5GFt*a&whriHkUh!xI6Yogc{dQJ@<=mwf_`qQz=`_gz4SpKKTmxdQN3|9PS6{j=ji
LJHnnE}zCeZARmUvN%?jZOkg$n7;(RncZT>*4L&kow)R~<EMj@_x9L_^NU!!|Ja1Vtg?;!BV)Q-%s^iqb(#JEIWgqLG17#=tenId)7@eQ-dV@`
usVIidd0AAajbv|gIRgSIAgjqV<@dK$c}^BZvA<cTn8eq2(r+8wgOoXx)CSa*8IjIU@U^hA_S7Cc$A6?9wI7XaJUo}PXtMnh8F46qPA40*_)xP
;st>SfP)LCZE0I^C@P4EWnxZ4tmfxpIv4vWs6Q<8Ux$B$Z=1^oW@Lv}^~gH^4Y;aoa7OlvUHxU7|In{08=8^*?NC22c+UTqm4??OQFY=3ibob{
vG}NTcl7+_BkLX3-ZV5yX@QQ~4y8S+HE5dB22C`$O+$wqTO=rbzzx$G+Y{_be%@q5y2r-e<UGBHkS$!Kk|}QFs1%(vCZ+A=Fk<%*U0GxyL0M{C
;`IbF=FxE~l$QG#yR&KN)BU^=pW~1;cP&h#*nKiNR7{p8`VW(T<<~RMZ?wrU5v)&Ue5kRc(%h-cLUZF_1FC67K9|k%ua*itKkX7P8U@+gsdo2Y
)nBgFI-Rv@mwiTu_3lBl{lXiJtozpkN(H~z*&m!+0rL3I{s&XlH*x
"""
ABORTS = """
c-nnaL1+_E5S`uZZUWsyEBwzc1Po%A2x+^irY2IG{Tq_BG{H0~wME2OLky%%OwtD8rN`pQv-QxMh!-h%tl5i2JldNF_28kWo_Y}!oWGkk6~zxb
e`a>(z4vGT7FaP#BvK>A98n3J0|>vJ_!XLx1$ZL^K(pQnnbFD1S5AVMB*~T|>|gK`Ae4k7Bt?daLX_YXgk`rvb2oEj1o~)0O8_DUs^If&?Tg6g
2;`HHBj$kdzTm@(O((urb?V)l&daOUov+7+LwARr7hjHhLrWie-GlAk!S=o0?lZZUqLc6NnL$5^xg@?zVoefjlh|WnuZ0*EVp)i3A-08zXGkG}
w4P#3;#t=^6vAhsf%fx105ApqqoX5!2Gb||LtE@=BK+$8^C#xVxz~F{((lGVQ(7yJ%Bv+J0Z~UqO{_i~g<KF@Vxp$h>XmA{MMR?Hrg=)zq*}Gr
CL)jk7W>P!@@jdl4OG>Gdc=SrQS}%o!#c+yDpl#BK)(sbh7tJJp!En26*wB;*+iJ8)4HM?pduFs3wU7hz7CiBgcH$C`ctGkKI5~`I28UrmcN)T
8R|tn!zY6e{Vq|}2+&O#^q{7)V)4e}HE%B3jyS<rg7LM$yfx2QhuIaDVXVSZ6*p(wjODqLVr<S$40h(Zws{)Q-$KwhI_Z4IO?J3VpR(94RhF9v
*~D7uPO*!~D_n|MK*P%y@@~=WAJY2x*_ye$$my22o-E(JmF6V3xo*@y%g^C9+b7-Wj4Q&f4D<~2H<ms8^jSX8LXA@M@p`#Ew$f;fm74tXZj_s?
YJDv<IW=yMNA(EaD1NEd@iG?h=lu<K%IM$
"""


def unpack(text: str) -> bytes:
    return zlib.decompress(base64.b85decode("".join(text.split())))


def test_a_damaged_table_never_loses_rows_silently(given_input: Piped) -> None:
    with pytest.raises(InputError) as caught:
        given_input.file("x.parquet", unpack(SILENT_LOSS))
    assert caught.value.slug == "bad-columnar"


@pytest.mark.xfail(strict=True, reason="a false length in a page header makes the library abort the process")
def test_a_damaged_table_never_aborts(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(unpack(ABORTS))
    done = command(["x.parquet", "-f", "csv"], b"", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(b"softmax: error[bad-columnar]: x.parquet: ")


# Safetensors


@pytest.mark.parametrize("dtype", DTYPES)
def test_safetensors(given_input: Piped, dtype: str) -> None:
    array = sample(dtype, (2, 3, 4))
    data = safetensors.numpy.save({"any": array})
    for axis in range(3):
        for read in (given_input.file("x.safetensors", data, axis=axis), given_input.pipe(data, axis=axis)):
            expected = rows_of(array, axis)
            assert read.logits.dtype == expected.dtype
            assert read.logits.tobytes() == expected.tobytes()


def test_safetensors_of_bfloat16(given_input: Piped) -> None:
    numbers = [0.0, -1.5, 3.140625, 1e38, -(2.0**-120), float("inf")]
    halves = b"".join(struct.pack("<f", number)[2:] for number in numbers)
    header = json.dumps({"a": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}}).encode()
    read = given_input.file("x.safetensors", len(header).to_bytes(8, "little") + header + halves)
    assert read.dtypes == {np.dtype(np.float32)}
    expected = [struct.unpack("<f", b"\0\0" + halves[place : place + 2])[0] for place in range(0, 12, 2)]
    assert read.logits.reshape(-1).tolist() == expected
    assert expected[1:3] == [-1.5, 3.140625]


def test_safetensors_of_several_tensors(given_input: Piped) -> None:
    data = safetensors.numpy.save({"a": NARROW + 1, "scores": NARROW})
    read = given_input.file("x.safetensors", data)
    assert read.logits.tolist() == NARROW.tolist()
    assert "'scores'" in read.source.notes[0]
    assert given_input.file("x.safetensors", data, array="a").logits.tolist() == (NARROW + 1).tolist()


# What all formats share

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


@pytest.mark.parametrize("packed", PACKERS)
@pytest.mark.parametrize("name", FORMATS)
def test_compressed(given_input: Piped, name: str, packed: str) -> None:
    data = PACKERS[packed](FORMATS[name])
    for file in (f"x.{name}.{packed}", f"x.{name}", f"X.{name}.{packed}".upper(), "x"):
        assert given_input.file(file, data).logits.tolist() == LOGITS.tolist()
    assert given_input.pipe(data).logits.tolist() == LOGITS.tolist()


def test_compressed_in_parts(given_input: Piped) -> None:
    data = FORMATS["npy"]
    for name, pack in PACKERS.items():
        read = given_input.file(f"x.npy.{name}", pack(data[:50]) + pack(data[50:]))
        assert read.logits.tolist() == LOGITS.tolist()


@pytest.mark.parametrize("name", FORMATS)
def test_a_plain_file_with_the_suffix_of_a_compression(given_input: Piped, name: str) -> None:
    assert given_input.file(f"x.{name}.gz", FORMATS[name]).logits.tolist() == LOGITS.tolist()


@pytest.mark.parametrize("suffix", ["", ".csv", ".npy", ".json", ".bin", ".parquet"])
@pytest.mark.parametrize("name", ["npy", "npz", "parquet", "arrow", "arrows", "safetensors"])
def test_binary_formats_are_known_by_their_first_bytes(given_input: Piped, name: str, suffix: str) -> None:
    assert given_input.file(f"x{suffix}", FORMATS[name]).logits.tolist() == LOGITS.tolist()


@pytest.mark.parametrize("suffix", ["", ".log", ".txt"])
@pytest.mark.parametrize("name", ["csv", "tsv", "txt", "json", "jsonl"])
def test_text_formats_are_known_by_their_first_bytes(given_input: Piped, name: str, suffix: str) -> None:
    assert given_input.file(f"x{suffix}", FORMATS[name]).logits.tolist() == LOGITS.tolist()


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("csv", "csv"),
        ("tsv", "tsv"),
        ("txt", "text"),
        ("jsonl", "jsonl"),
        ("json", "json"),
        ("npy", "npy"),
        ("arrows", "arrow"),
    ],
)
def test_the_format_by_option(given_input: Piped, name: str, option: str) -> None:
    assert given_input.file("x.npz", FORMATS[name], input_format=option).logits.tolist() == LOGITS.tolist()


def test_files_are_closed(tmp_path: Path) -> None:
    cases = {"good.npy": FORMATS["npy"], "bad.npy": b"\x93NUMPY\x09" + bytes(9), "good.csv": FORMATS["csv"]}
    cases |= {"bad.csv": b"1,2\n3\n", "good.npz": FORMATS["npz"], "bad.jsonl": b"[1]\n[1,2]\n"}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for name, data in cases.items():
            (tmp_path / name).write_bytes(data)
            try:
                Read(open_source(str(tmp_path / name)))
            except SoftmaxError:
                assert name.startswith("bad")
            gc.collect()
    assert [str(warning.message) for warning in caught] == []


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts the open files as Linux shows them")
def test_a_damaged_compressed_file_is_closed(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    request.addfinalizer(gc.collect)
    path = tmp_path / "x.npy.gz"
    path.write_bytes(gzip.compress(npy(LOGITS))[:-12])
    with pytest.raises(InputError) as caught:
        Read(open_source(str(path)))
    targets = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.exists()]
    assert caught.value.slug == "bad-compression"
    assert str(path) not in targets


# Bad rows skipped


def skipping(given_input: Piped, name: str, data: bytes, **options: Any) -> tuple[Read, list[str]]:
    faults: list[InputError] = []
    read = given_input.file(name, data, on_fault=faults.append, **options)
    return read, [f"{fault.at.line if fault.at else None}:{fault.slug}" for fault in faults]


def test_bad_rows_of_text_are_skipped(given_input: Piped) -> None:
    read, faults = skipping(given_input, "x.csv", b"who,a,b\nm,1,2\nn,x,2\n\no,3,4\np,5\nq,5,6,7\nr,,1\ns,7,8\n")
    assert (read.rows, read.ids) == ([0, 2, 6], ["m", "o", "s"])
    assert read.logits.tolist() == [[1, 2], [3, 4], [7, 8]]
    assert faults == ["3:bad-value", "6:ragged-row", "7:ragged-row", "8:bad-value"]


def test_bad_rows_of_json_lines_are_skipped(given_input: Piped) -> None:
    lines = b'[1,2]\n[1,"2"]\n\n[3,4]\n[1]\n[1,\n{}\n[5,6]\n'
    read, faults = skipping(given_input, "x.jsonl", lines)
    assert read.rows == [0, 2, 6]
    assert read.logits.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert [fault.split(":")[0] for fault in faults] == ["2", "5", "6", "7"]


@pytest.mark.parametrize("name", ["pyarrow.parquet", "pyarrow.arrow", "polars.arrows"])
def test_bad_rows_of_tables_are_skipped(given_input: Piped, name: str) -> None:
    table = pa.table({"id": list("abcd"), "x": [1.0, None, 3.0, 4.0], "y": [1.0, 2.0, None, 4.0]})
    read, faults = skipping(given_input, f"x.{name}", TABLE_WRITERS[name](table))
    assert (read.rows, read.ids, read.logits.tolist()) == ([0, 3], ["a", "d"], [[1, 1], [4, 4]])
    assert faults == ["None:bad-value"] * 2
    table = pa.table({"x": [[1.0, 2.0], [1.0], [None, 2.0], None, [5.0, 6.0]]})
    read, faults = skipping(given_input, f"x.{name}", TABLE_WRITERS[name](table))
    assert (read.rows, read.logits.tolist()) == ([0, 4], [[1, 2], [5, 6]])
    assert faults == ["None:ragged-row", "None:bad-value", "None:ragged-row"]


def test_a_last_block_that_is_bad(given_input: Piped) -> None:
    read, faults = skipping(given_input, "x.csv", b"1,2\n3\n")
    assert (read.rows, faults) == ([0], ["2:ragged-row"])


@pytest.mark.parametrize(("name", "data"), [("x.csv", b"a,b\n1,2\n3\n5,6\n"), ("x.jsonl", b"[1,2]\n[3]\n[5,6]\n")])
def test_a_class_is_never_skipped(given_input: Piped, name: str, data: bytes) -> None:
    with pytest.raises(InputError) as caught:
        skipping(given_input, name, data, axis=0)
    assert caught.value.slug == "ragged-row"


# The fast parsers say what the slow ones say

Outcome = tuple[list[list[float]], list[int], list[str], list[str]]


def outcome(path: Path, small: int, skip: bool) -> Outcome | str:
    """What reading a text gives, with blocks over `small` bytes parsed at once."""
    faults: list[str] = []

    def on_fault(error: InputError) -> None:
        if not skip:
            raise error
        faults.append(error.describe())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("softmax_cli.sources.cells.SMALL_BYTES", small)
        patch.setattr("softmax_cli.sources.jsonl.SMALL_BYTES", small)
        try:
            read = Read(open_source(str(path), ReadOptions(on_fault=on_fault)))
        except InputError as error:
            return error.describe()
    # Texts compare where NaN and the sign of zero wouldn't.
    values = [["nan" if value != value else repr(value) for value in row] for row in read.logits.tolist()]
    return values, read.rows, read.ids, faults  # type: ignore[return-value]


def same(path: Path, data: bytes, skip: bool) -> None:
    path.write_bytes(data)
    fast, slow = outcome(path, -1, skip), outcome(path, 1 << 30, skip)
    assert fast == slow


NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(-1e6, 1e6).map(lambda value: f"{value:.25g}"),
    st.floats(-1e6, 1e6).map(lambda value: f"{value:+.3E}"),
    st.integers(-(10**30), 10**30).map(str),
    st.sampled_from(
        [
            "0",
            "-0",
            "+1",
            ".5",
            "5.",
            "-.5e1",
            "1E+05",
            "007",
            "1e-400",
            "4.9e-324",
            "9007199254740993",
            "1.7976931348623157e308",
            "0.1000000000000000055511151231257827021181583404541015625",
        ]
    ),
)
SPECIAL = st.sampled_from(["inf", "-inf", "+Infinity", "INF", "nan", "NaN", "-nan"])
PADDED = NUMBERS.map(lambda text: f" {text}  ") | NUMBERS.map(lambda text: f'"{text}"')
WRONG = st.sampled_from(
    [
        "",
        " ",
        "1e999",
        "-1e309",
        "NA",
        "abc",
        "1_000",
        "0x10",
        '"1,5"',
        "١",
        "1d5",
        "1e",
        "--1",
        "infin",
        "1 2",
        "true",
        "½",
        "１",
        "1e5.5",
        '""',
        "null",
        "1,2",
        "None",
        "\u00a05",
        "+",
    ]
)
WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=6) | st.sampled_from(
    ["inf", "info", "5", "1e999", 'a"b', "a,b", "a\nb", "a\n\nb", "a\r\nb", " x ", "", "NaN", "x\ty"]
)


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def table_lines(cells: Any) -> Any:
    row = st.tuples(WORDS.map(quoted), cells, cells, cells, st.integers(0, 2).map(str))
    return st.lists(
        st.tuples(row, st.sampled_from(["\n", "\n", "\n", "\r\n", "\n\n", "\n \r\n"])), min_size=1, max_size=8
    )


def as_text(lines: Any) -> str:
    return "id,a,b,c,label\nfirst,1,2,3,0\n" + "".join(",".join(cells) + end for cells, end in lines)


DIFFERENTIAL = settings(
    max_examples=150,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@DIFFERENTIAL
@given(lines=table_lines(NUMBERS | NUMBERS | NUMBERS | SPECIAL | PADDED))
def test_fast_text_equals_slow_text(lines: Any, tmp_path: Path) -> None:
    same(tmp_path / "x.csv", as_text(lines).encode(), skip=False)


@DIFFERENTIAL
@given(lines=table_lines(NUMBERS | NUMBERS | NUMBERS | NUMBERS | SPECIAL | WRONG), skip=st.booleans())
def test_fast_text_finds_what_slow_text_finds(lines: Any, skip: bool, tmp_path: Path) -> None:
    same(tmp_path / "x.csv", as_text(lines).encode(), skip)


@DIFFERENTIAL
@given(
    rows=st.lists(st.lists(NUMBERS | NUMBERS | SPECIAL | st.just("x"), min_size=1, max_size=4), min_size=1, max_size=6),
    gap=st.sampled_from([" ", "  ", " \t", "\t"]),
    end=st.sampled_from(["\n", "\r\n", " \n", "\n \n"]),
    skip=st.booleans(),
)
def test_fast_white_space_equals_slow(rows: Any, gap: str, end: str, skip: bool, tmp_path: Path) -> None:
    text = "cat dog eel\n1 2 3\n" + "".join(gap.join(row) + end for row in rows)
    same(tmp_path / "x.txt", text.encode(), skip)


# Each holds rows that the two parsers once took differently; the header, then the bad line between good ones.
TEXT_DIFFERENCES = {
    "beyond float64 beside a word with inf": ("x.csv", b"id,a,b\n", b"x,1,2\n", b"info,1e999,2\n"),
    "no target at the end": ("x.csv", b"a,b,label\n", b"1,2,0\n", b"1,2\n"),
    "more than a target at the end": ("x.csv", b"a,b,label\n", b"1,2,0\n", b"1,2,0,7\n"),
    "no note at the end": ("x.csv", b"id,a,b,note\n", b"x,1,2,n\n", b"x,1,2\n"),
    "more than a note at the end": ("x.csv", b"id,a,b,note\n", b"x,1,2,n\n", b"x,1,2,n,n\n"),
    "a row of tabs": ("x.tsv", b"a\tb\n", b"1\t2\n", b"\t\n"),
    "a carriage return in a line": ("x.csv", b"id,a,b\n", b"x,1,2\n", b"p\rq,1,2\n"),
    "a hard space between cells": ("x.txt", b"id a b\n", b"x 1 2\n", b"p\xc2\xa0q 1 2\n"),
    "a separator character between cells": ("x.txt", b"id a b\n", b"x 1 2\n", b"p\x1cq 1 2\n"),
    "invalid UTF-8 in a note": ("x.csv", b"id,a,b,note\n", b"x,1,2,n\n", b"x,1,2,\xff\n"),
    "a quote within a cell": ("x.csv", b"id,a,b\n", b"x,1,2\n", b'p"q"r,1,2\n'),
    "text behind a quote": ("x.csv", b"id,a,b\n", b"x,1,2\n", b'"p"q,1,2\n'),
    "a padded quote": ("x.csv", b"id,a,b\n", b"x,1,2\n", b' "p",1,2\n'),
    "a number among names": ("x.csv", b"who,a,b\n", b"x,1,2\n", b" 5 ,1,2\n"),
    "a long cell": ("x.csv", b"id,a,b\n", b"x,1,2\n", b"y" * 140_000 + b",1,2\n"),
    "a single column": ("x.csv", b"a\n", b"1\n", b" \n"),
    "an empty quoted cell alone": ("x.csv", b"a\n", b"1\n", b'""\n'),
}


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("name", TEXT_DIFFERENCES)
def test_fast_text_takes_what_slow_text_takes(name: str, skip: bool, tmp_path: Path) -> None:
    file, header, good, bad = TEXT_DIFFERENCES[name]
    same(tmp_path / file, header + good * 3 + bad + good, skip)


JSON_NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(10**25), 10**25).map(str),
    st.sampled_from(["0", "-0", "-0.0", "1E+05", "1e-400", "4.9e-324", "9007199254740993", "NaN", "-Infinity"]),
)
JSON_WRONG = st.sampled_from(["null", "true", '"1"', "[1]", "{}", "1e999", "", "9" * 350, "1_0"])
JSON_LOOSE = ["+1", ".5", "1.", "01", "inf", "-", "nan", "1.e5", "Infinity", " 2", "2\t"]


@DIFFERENTIAL
@given(
    rows=st.lists(
        st.lists(JSON_NUMBERS | JSON_NUMBERS | JSON_NUMBERS | JSON_WRONG, min_size=1, max_size=3), max_size=6
    ),
    comma=st.sampled_from([",", ", "]),
    end=st.sampled_from(["\n", "\r\n", "\n\n", " \n"]),
    skip=st.booleans(),
)
def test_fast_json_arrays_equal_slow(rows: list[list[str]], comma: str, end: str, skip: bool, tmp_path: Path) -> None:
    text = "[1,2]\n" + "".join(f"[{comma.join(row)}]{end}" for row in rows)
    same(tmp_path / "x.jsonl", text.encode(), skip)


@DIFFERENTIAL
@given(
    rows=st.lists(
        st.tuples(
            st.lists(JSON_NUMBERS | JSON_NUMBERS | JSON_NUMBERS | JSON_WRONG, min_size=1, max_size=3),
            WORDS.map(json.dumps) | st.sampled_from(["7", "null", '"\\u00fc"', '"a\\"b"', '"x\\/y"', '"id"', '"\\n"']),
            st.sampled_from(["", "", "", ',"more":1', ',"logits":[1,2]', ',"id":"z"', ',"a":{"id":"q"}', " "]),
        ),
        max_size=6,
    ),
    ascii_only=st.booleans(),
    skip=st.booleans(),
)
def test_fast_json_objects_equal_slow(rows: Any, ascii_only: bool, skip: bool, tmp_path: Path) -> None:
    lines = [f'{{"id":{name},"logits":[{",".join(cells)}]{more}}}\n' for cells, name, more in rows]
    text = '{"id":"first","logits":[1,2]}\n' + "".join(lines)
    if not ascii_only:
        text = text.replace("\\u00fc", "ü")
    same(tmp_path / "x.jsonl", text.encode(), skip)


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("line", ["[1,2]x", "[1,2", "[1,,2]", "[1,2,]", "[]", "[1,2],", "[[1],2]", '["1",2]'])
def test_fast_json_arrays_take_what_slow_ones_take(line: str, skip: bool, tmp_path: Path) -> None:
    same(tmp_path / "x.jsonl", f"[1,2]\n[1,2]\n{line}\n[1,2]\n".encode(), skip)


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize(
    "line",
    [
        *("1,[2]", "[+1,2]", "[.5,2]", "[1.,2]", "[01,2]", "[1, 2]", "[inf,2]", "[1.e5x,2]"),
    ],
)
def test_fast_json_arrays_take_json_alone(line: str, skip: bool, tmp_path: Path) -> None:
    same(tmp_path / "x.jsonl", f"[1,2]\n[1,2]\n{line}\n[1,2]\n".encode(), skip)


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize(
    "line",
    [
        *(
            '{"logits":["1",2]}',
            '{"logits":[true,2]}',
            '{"logits":[1,2]} 17',
            '{"logits":[[1],[2]]}',
            '{"logits":[1,2],}',
        ),
        *(
            '{"logits":[1 2]}',
            '{"logits":3}',
            '{"logits":null}',
            '{"logits":[1,null]}',
            '{"Logits":[1,2]}',
            "[1,2]",
            "{}",
        ),
        *(
            '{"logits":[1,2]}{"logits":[1,2]}',
            '{"logits":[1,2],"logits":[3,4]}',
            '{"a":{"logits":[1,2]}}',
            '{"logits":[1]}',
        ),
        *('{"logits":[01,2]}', '{"logits":[.5,2]}', '{"logits":[1.,2]}', '{"logits":[+1,2]}', '{"logits" : [1,2]}'),
        *('{"logits":[1,2],"x":"a\\tb"}', '{"\\u006cogits":[1,2]}', '{"logits":[9e999,2]}', "{'logits':[1,2]}"),
    ],
)
def test_fast_json_objects_take_what_slow_ones_take(line: str, skip: bool, tmp_path: Path) -> None:
    good = '{"logits":[1,2]}\n'
    same(tmp_path / "x.jsonl", f"{good}{good}{line}\n{good}".encode(), skip)


# Real processes


def command(arguments: Sequence[str], data: bytes, folder: Path) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-m", "softmax_cli", *arguments],
        input=data,
        cwd=folder,
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_from_stdin(name: str, tmp_path: Path) -> None:
    done = command(["-f", "jsonl", "-k", "1"], FORMATS[name], tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["source"] for record in records] == ["-"] * 4
    assert [record["row"] for record in records] == [0, 1, 2, 3]
    assert [record["predictions"][0]["index"] for record in records] == [0, 1, 2, 0]
    assert [record["predictions"][0]["logit"] for record in records] == [3.25, 2.0, 5.75, 1.0]


def test_the_same_from_a_file_a_pipe_and_compressed(tmp_path: Path) -> None:
    outputs = set()
    for name in ("npy", "csv"):
        (tmp_path / "logits").write_bytes(FORMATS[name])
        for arguments, data in ((["logits"], b""), (["-"], FORMATS[name]), (["-"], zstd.compress(FORMATS[name]))):
            done = command([*arguments, "-f", "csv"], data, tmp_path)
            assert done.returncode == 0
            # Only some formats name the classes.
            text = done.stdout.replace(b"logits,", b"-,")
            outputs.add(text.replace(b"cat", b"0").replace(b"dog", b"1").replace(b"eel", b"2"))
    assert len(outputs) == 1


def first_output(piece: bytes, arguments: Sequence[str], seconds: float) -> bytes:
    """The first result that comes out while the pipe in stays open."""
    with subprocess.Popen(
        [sys.executable, "-m", "softmax_cli", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(piece)
            process.stdin.flush()
            result = b""
            while b"3.0" not in result and select.select([process.stdout], [], [], seconds)[0]:
                result += os.read(process.stdout.fileno(), 1 << 16)
            return result
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("piece", "arguments"),
    [
        (b"1.000000,2.000000,3.000000\n", ["-f", "csv", "-"]),
        (b"category,dogs,eels\n1.000000,2.000000,3.000000\n", ["-f", "csv", "-"]),
        (b"[1.000000,2.000000,3.000000]\n", ["-f", "jsonl", "--input-format", "jsonl", "-"]),
    ],
)
def test_a_slow_pipe_is_not_waited_for(piece: bytes, arguments: list[str]) -> None:
    assert b"3.0" in first_output(piece, arguments, 30)


@pytest.mark.parametrize(
    "piece", [b"[1.000000,2.000000,3.000000]\n", b'{"id": "a", "logits": [1.000000,2.000000,3.000000]}\n']
)
def test_a_slow_pipe_of_json_lines_is_not_waited_for(piece: bytes) -> None:
    assert b"3.0" in first_output(piece, ["-f", "csv", "-"], 3)


@pytest.mark.parametrize("piece", [b"1,2,3\n", b"a,b,c\n1,2,3\n"])
def test_a_short_line_of_a_slow_pipe_is_not_waited_for(piece: bytes) -> None:
    assert b"3.0" in first_output(piece, ["-f", "csv", "-"], 3)
