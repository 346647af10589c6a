"""Readers of texts: golden inputs in every format, compressed, piped, and by what columns hold them."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from softmax_cli.errors import InputError, UsageError
from softmax_cli.sources.base import ReadOptions
from softmax_cli.sources.texts import TEXT_FORMATS, given_texts, open_texts
from tests.packing import PACKERS
from tests.texts.reading import Given, Read

TEXTS = ["I loved it", "so-so, “fine”", "Nie wieder! 🙂", 'a "quoted" word', " padded "]
LINED = [*TEXTS, "two\nlines\r\nthree"]


def _table(texts: list[str]) -> pl.DataFrame:
    return pl.DataFrame({"id": [f"r{row}" for row in range(len(texts))], "text": texts, "label": [1] * len(texts)})


def _written(write: Callable[[pl.DataFrame, io.BytesIO], Any], texts: list[str]) -> bytes:
    file = io.BytesIO()
    write(_table(texts), file)
    return file.getvalue()


FORMATS: dict[str, tuple[bytes, list[str]]] = {
    "txt": ("\n".join(TEXTS).encode() + b"\n", TEXTS),
    "jsonl": (_written(pl.DataFrame.write_ndjson, LINED), LINED),
    "csv": (_written(pl.DataFrame.write_csv, LINED), LINED),
    "tsv": (_written(lambda table, file: table.write_csv(file, separator="\t"), LINED), LINED),
    "parquet": (_written(pl.DataFrame.write_parquet, LINED), LINED),
    "arrow": (_written(pl.DataFrame.write_ipc, LINED), LINED),
    "arrows": (_written(pl.DataFrame.write_ipc_stream, LINED), LINED),
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("packing", ["", *PACKERS])
def test_every_format_from_files(name: str, packing: str, reading: Given) -> None:
    data, texts = FORMATS[name]
    packed = PACKERS[packing](data) if packing else data
    _check(reading.file(f"texts.{name}{packing and '.' + packing}", packed), name, texts)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("packing", ["", "gz"])
def test_every_format_from_a_pipe(name: str, packing: str, reading: Given) -> None:
    data, texts = FORMATS[name]
    told = {"input_format": name} if name in ("csv", "tsv") else {}
    read = reading.pipe(PACKERS[packing](data) if packing else data, **told)
    assert read.source.name == "-"
    _check(read, name, texts)


def _check(read: Read, name: str, texts: list[str]) -> None:
    assert read.texts == texts
    assert read.rows == list(range(len(texts)))
    assert read.ids == (None if name == "txt" else [f"r{row}" for row in range(len(texts))])
    is_frame = name in ("parquet", "arrow", "arrows")
    assert read.source.total_rows == (len(texts) if is_frame else None)
    assert read.source.facts.get("column") == (None if name == "txt" else "text")
    note = ("column 'text' was taken for the texts (--text-column chooses another)",)
    assert tuple(read.source.notes) == (() if name == "txt" else note)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"one", ["one"]),
        (b"one\n", ["one"]),
        (b"one\n\n", ["one", ""]),
        (b"\n", [""]),
        (b"\none", ["", "one"]),
        (b"one\r\ntwo\r\n", ["one", "two"]),
        (b"one\r\r\ntw\ro\n", ["one\r", "tw\ro"]),
        (b"\xef\xbb\xbfone\n\xef\xbb\xbftwo", ["one", "\ufefftwo"]),
        ("a\u2028b\x0bc\x85d\n".encode(), ["a\u2028b\x0bc\x85d"]),
        (b'"quoted"\n1,2\n[1]\n', ['"quoted"', "1,2", "[1]"]),
    ],
)
def test_lines_of_text(data: bytes, expected: list[str], reading: Given) -> None:
    for read in (reading.file("a.txt", data), reading.pipe(data), reading.file("noname", data)):
        assert read.texts == expected
        assert read.rows == list(range(len(expected)))


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.txt", b'{"text": "x"}\n', ['{"text": "x"}']),  # the suffix says so
        ("noname", b'\xef\xbb\xbf \n {"text": "x"}\n', ["x"]),
        ("a.json", b'{"text": "x"}\n{"text": "y"}\n', ["x", "y"]),
        ("a.jsonl", b'"x"\n\n"\\u00e9\\n"\n', ["x", "é\n"]),
        ("a.csv", b"text\nx\n\ny\n", ["x", "y"]),
        ("a.csv", b"x one;1\nx two;2\n", ["x one", "x two"]),
        ("a.csv", b"3,1,nice\n", ["nice"]),
        ("a.tsv", b"nice, really\t1\n", ["nice, really"]),
        ("a.csv", b"I liked it\nbad\n", ["I liked it", "bad"]),
        ("a.csv", b"sentence,label\n", []),
        ("a.csv", b'text,label\r\n"x\r\ny",1\r\n', ["x\r\ny"]),
        ("a.csv", b'text\n5" pipe\nx\n', ['5" pipe', "x"]),
        ("a.csv", b"\xef\xbb\xbftext,n\nx,1", ["x"]),
    ],
)
def test_small_inputs(name: str, data: bytes, expected: list[str], reading: Given) -> None:
    read = reading.file(name, data)
    assert read.texts == expected
    assert read.rows == list(range(len(expected)))


CHOICES: list[tuple[list[str], dict[str, Any], str]] = [
    (["id", "text", "title"], {}, "text"),
    (["headline", "Review", "text "], {}, "text"),
    (["Sentence", "url"], {}, "Sentence"),
    (["words", "label", "name"], {}, "words"),
    (["a", "b"], {"column": "b"}, "b"),
    (["a", "b"], {"column": "-1"}, "b"),
    (["title", "text"], {"column": "title"}, "title"),
    (["a", "b"], {"id_column": "a"}, "b"),
]


@pytest.mark.parametrize(("names", "chosen", "expected"), CHOICES)
def test_the_column_of_texts(names: list[str], chosen: dict[str, Any], expected: str, reading: Given) -> None:
    cells = [f"in {name.strip()}" for name in names]
    read = reading.file("a.csv", f"{','.join(names)}\n{','.join(cells)}\n".encode(), **chosen)
    assert read.texts == [f"in {expected}"]
    read = reading.file("a.parquet", _frame_bytes(names, cells), **chosen)
    assert read.texts == [f"in {expected}"]
    assert bool(read.source.notes) == ("column" not in chosen)
    read = reading.file("a.jsonl", json.dumps(dict(zip(names, cells, strict=True))).encode(), **chosen)
    assert read.texts == [f"in {expected}"]


def _frame_bytes(names: list[str], cells: list[str]) -> bytes:
    file = io.BytesIO()
    pl.DataFrame({name: [cell] for name, cell in zip(names, cells, strict=True)}).write_parquet(file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "options", "ids"),
    [
        (b"idx,text\n7,x\n8,y\n", {}, ["7", "8"]),
        (b"text,url\nx,u1\ny,u2\n", {}, ["u1", "u2"]),
        (b"text,n\nx,1\ny,2\n", {}, None),
        (b"text,n\nx,1\ny,2\n", {"id_column": "n"}, ["1", "2"]),
        (b"name,n\nx,1\ny,2\n", {"column": "name"}, None),
        (b"x y,1\nz,2\n", {"header": False, "id_column": "1"}, ["1", "2"]),
    ],
)
def test_ids(data: bytes, options: dict[str, Any], ids: list[str] | None, reading: Given) -> None:
    assert reading.file("a.csv", data, **options).ids == ids


def test_ids_of_json_lines(reading: Given) -> None:
    read = reading.file("a.jsonl", b'{"id": 3, "text": "x"}\n{"text": "y"}\n{"id": "q", "text": "z"}\n')
    assert read.ids == ["3", "", "q"]


@pytest.mark.parametrize(
    ("options", "texts", "note"),
    [
        ({}, ["x"], "(Q, A) was taken for the columns' names (--no-header"),
        ({"header": True}, ["x"], None),
        ({"header": False}, ["Q", "x"], None),
    ],
)
def test_a_doubtful_header(options: dict[str, Any], texts: list[str], note: str | None, reading: Given) -> None:
    read = reading.file("a.csv", b"Q,A\nx,1\n", "0" if options else None, **options)
    assert read.texts == texts
    assert any(note in text for text in read.source.notes) if note else not read.source.notes


def test_delimiters(reading: Given) -> None:
    assert reading.file("a.csv", b"text|n\nx, y|1\n", delimiter="|").texts == ["x, y"]
    assert reading.file("a.csv", b"text;n\nx, y;1\n").texts == ["x, y"]
    assert reading.file("a.dat", b"text\tn\nx, y\t1\n", input_format="csv").texts == ["x, y"]


def test_rows_go_on_over_batches_and_blocks(reading: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("softmax_cli.sources.lines.BLOCK_BYTES", 1 << 12)
    texts = [f"text {row}" for row in range(3000)]
    lines = "\n".join(texts).encode()
    for name, data in (
        ("a.txt", lines),
        ("a.csv", b"text\n" + lines),
        ("a.jsonl", b"\n".join(json.dumps(text).encode() for text in texts)),
        ("a.parquet", _written(pl.DataFrame.write_parquet, texts)),
    ):
        read = reading.file(name, data)
        assert read.texts == texts
        assert read.rows == list(range(3000))
        assert len(read.sizes) > 1
        assert max(read.sizes) <= 512
        assert [text for batch in read.source for text in batch.texts] == texts  # a file can be read again


def test_texts_of_the_command_line() -> None:
    read = Read(given_texts(["one", "", "trois 🙂"]))
    assert (read.texts, read.rows, read.ids, read.source.name) == (["one", "", "trois 🙂"], [0, 1, 2], None, "--text")
    assert (read.source.total_rows, read.source.one_pass) == (3, False)
    with pytest.raises(InputError, match="UTF-8") as caught:
        given_texts(["fine", "caf\udce9"])
    assert caught.value.at is not None
    assert caught.value.at.row == 1


def test_how_much_was_read(reading: Given) -> None:
    source = reading.file("a.txt", b"one\n" * 100).source
    assert source.share_read() == 1
    assert reading.pipe(b"one\n").source.share_read() is None


def test_other_formats_are_refused(tmp_path: Path, reading: Given) -> None:
    for data in (b"\x93NUMPY\x01\x00", b"PK\x03\x04 ", b"\x80\x04\x95"):
        with pytest.raises(InputError, match="holds no texts") as caught:
            reading.file("a.txt", data)
        assert caught.value.slug == "unknown-format"
    with pytest.raises(UsageError, match="npy: texts are read from text, jsonl, csv"):
        reading.file("a.txt", b"x", input_format="npy")
    with pytest.raises(UsageError, match="plain text has no columns"):
        reading.file("a.txt", b"x", "text")
    with pytest.raises(InputError) as caught:
        open_texts(str(tmp_path / "nowhere.txt"))
    assert caught.value.slug == "not-found"


def test_every_format_can_be_named(reading: Given) -> None:
    for name in TEXT_FORMATS:
        data, texts = FORMATS["txt" if name == "text" else name]
        assert reading.file("unknown.bin", data, input_format=name).texts == texts


def test_a_pipe_is_read_once(reading: Given) -> None:
    source = reading.pipe(b"one\n").source
    assert source.one_pass
    with pytest.raises(InputError, match="only once"):
        list(source)
    assert ReadOptions().max_row_bytes > 0
