"""Broken inputs of texts: which error, where, and that the other rows keep their numbers."""

import io
from typing import Any

import polars as pl
import pytest

from softmax_cli.errors import InputError
from tests.packing import PACKERS
from tests.texts.reading import Given


def parquet(**columns: list[Any]) -> bytes:
    file = io.BytesIO()
    pl.DataFrame(columns).write_parquet(file)
    return file.getvalue()


# name, data, options; slug, line or row, a part of message and hint.
WHOLE: list[tuple[str, bytes, dict[str, Any], str, str | None, str]] = [
    ("a.txt", b"", {}, "empty-input", None, "empty"),
    ("a.jsonl", b" \n\n", {}, "empty-input", None, "nothing"),
    ("a.csv", b"\n\n", {}, "empty-input", None, "blank"),
    ("a.txt", b"a\nb\0c\n", {}, "bad-encoding", "line 2", "NUL"),
    ("a.csv", b"text\nb\0c\n", {}, "bad-encoding", "line 2", "NUL"),
    ("a.txt", "a\n".encode("utf-16"), {}, "bad-encoding", None, "UTF-16"),
    ("a.csv", "text\n".encode("utf-16"), {}, "bad-encoding", None, "UTF-16"),
    ("a.jsonl", '"a"\n'.encode("utf-16"), {}, "bad-encoding", None, "UTF-16"),
    ("a.txt", b"a\rb\rc\r", {}, "bad-encoding", None, "carriage returns"),
    ("a.csv", b"text\nx\ny\xff\n", {}, "bad-encoding", "line 3", "0xff"),
    ("a.txt", b"abc\nabcd\n", {"max_row_bytes": 3}, "row-too-long", "line 2", "more than 3 bytes"),
    ("a.txt", b"a" * 5000, {"max_row_bytes": 4999}, "row-too-long", "line 1", "--max-row-bytes"),
    ("a.jsonl", b'"a"\n"abc"\n', {"max_row_bytes": 4}, "row-too-long", "line 2", "more than 4 bytes"),
    ("a.txt.gz", PACKERS["gz"](b"a\n" * 99)[:-9], {}, "bad-compression", None, "cut short"),
    ("a.jsonl", b"3\n", {}, "bad-value", "line 1", "the number 3, expected a string or an object"),
    ("a.jsonl", b'{"text": "a"\n', {}, "bad-json", "line 1", "not JSON"),
    ("a.json", b'[\n "a",\n "b"\n]\n', {}, "bad-json", "line 1", "not JSON"),
    ("a.jsonl", b'"\\ud800"\n', {}, "bad-encoding", "line 1", "surrogate"),
    ("a.jsonl", b'{"text": "a", "text": "b"}\n', {}, "duplicate-key", "line 1", "twice"),
    ("a.jsonl", b'{"n": 1, "b\x1b": null}\n'.replace(b"\x1b", b""), {}, "unknown-column", "line 1", "are n, b"),
    ("a.jsonl", b'{"a": "x", "b": "y"}\n', {}, "ambiguous-array", "line 1", "which of 2 columns holds the texts: a, b"),
    ("a.jsonl", b'{"a": "x"}\n', {"column": "c"}, "unknown-column", "line 1", "the columns are a"),
    ("a.jsonl", b'{"a": "x"}\n', {"id_column": "c"}, "unknown-column", "line 1", "--id-column: no column 'c'"),
    ("a.jsonl", b'"x"\n', {"column": "c"}, "unknown-column", "line 1", "strings, without fields"),
    ("a.csv", b"id,n\n1,2\n", {}, "unknown-column", None, "the columns are id, n"),
    ("a.csv", b"id,text\n1,x\n", {"column": "review"}, "unknown-column", None, "the columns are id, text"),
    ("a.csv", b"sentence1,sentence2,label\nx,y,1\n", {}, "ambiguous-array", None, "--text-column NAME"),
    ("a.csv", b'text\n"x\ny\n', {}, "unclosed-quote", "line 2", "never closed"),
    ("a.csv", b'text,n\n"x"y,1\n', {}, "bad-value", "line 2", "malformed quoting"),
    ("a.parquet", parquet(n=[1, 2]), {}, "unknown-column", None, "the columns are n"),
    ("a.parquet", parquet(n=[1, 2]), {"column": "n"}, "bad-value", None, "holds Int64, expected text"),
    ("a.parquet", parquet(a=["x"], b=["y"]), {}, "ambiguous-array", None, "a, b"),
    ("a.parquet", parquet(text=["x"])[:-9], {}, "bad-columnar", None, "not a whole Parquet file"),
    ("a.parquet", b"", {}, "empty-input", None, "empty"),
]


@pytest.mark.parametrize(("name", "data", "options", "slug", "where", "words"), WHOLE)
def test_an_input_that_can_not_be_read(
    name: str, data: bytes, options: dict[str, Any], slug: str, where: str | None, words: str, reading: Given
) -> None:
    # Skipping bad rows doesn't help here.
    for skip in ({}, {"on_fault": lambda error: None}):
        with pytest.raises(InputError) as caught:
            reading.file(name, data, **{**options, **skip})
        error = caught.value
        assert (error.slug, error.at and error.at.source) == (slug, str(reading.folder / name))
        assert error.at is not None
        assert (None if error.at.line is None else f"line {error.at.line}") == where
        assert words in f"{error.message} {error.hint}"


# name, data, options; the faults, and the rows that are left.
ROWS: list[tuple[str, bytes, dict[str, Any], list[str], dict[int, str]]] = [
    ("a.txt", b"a\n\xff\nc\n\xc3", {}, ["2:bad-encoding", "4:bad-encoding"], {0: "a", 2: "c"}),
    ("a.jsonl", b'"a"\n{\nnull\n\n"d"\n', {}, ["2:bad-json", "3:bad-value"], {0: "a", 3: "d"}),
    ("a.jsonl", b'"a"\n{"text": "b"}\n["c"]\n4', {}, ["2:bad-value", "3:bad-value", "4:bad-value"], {0: "a"}),
    (
        "a.jsonl",
        b'{"text": "a"}\n{"text": null}\n{"texts": "c"}\n"d"\n{"text": 5}\n{"n": 1, "text": "f"}\n\xff\n',
        {},
        ["2:bad-value", "3:bad-value", "4:bad-value", "5:bad-value", "7:bad-encoding"],
        {0: "a", 5: "f"},
    ),
    (
        "a.csv",
        b'text,n\na,1\n"b\nb"\nc,1,2\n"d\nd",1\n',
        {},
        ["3:ragged-row", "5:ragged-row"],
        {0: "a", 3: "d\nd"},
    ),
    ("a.parquet", parquet(text=["a", None, "c", None]), {}, ["row 1:bad-value", "row 3:bad-value"], {0: "a", 2: "c"}),
]


@pytest.mark.parametrize(("name", "data", "options", "faults", "left"), ROWS)
def test_bad_rows(
    name: str, data: bytes, options: dict[str, Any], faults: list[str], left: dict[int, str], reading: Given
) -> None:
    read, found = reading.skipping(name, data, **options)
    assert found == faults
    assert dict(zip(read.rows, read.texts, strict=True)) == left
    with pytest.raises(InputError) as caught:
        reading.file(name, data, **options)
    at = caught.value.at
    assert at is not None
    assert f"{at.line if at.line is not None else f'row {at.row}'}:{caught.value.slug}" == faults[0]


def test_rows_keep_their_numbers_over_blocks(reading: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("softmax_cli.sources.lines.BLOCK_BYTES", 64)
    lines = [b"text,n", *(b"x,1" if row % 7 else b"x" for row in range(500))]
    read, faults = reading.skipping("a.csv", b"\n".join(lines))
    assert read.rows == [row for row in range(500) if row % 7]
    assert faults == [f"{row + 2}:ragged-row" for row in range(0, 500, 7)]
