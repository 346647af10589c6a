"""The fast parsers of text say what the slow ones say."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from softmax_cli import ReadOptions, open_source
from softmax_cli.errors import InputError, Location
from softmax_cli.sources.cells import CellReader, Dialect
from tests.readers.reading import Read

Outcome = tuple[list[list[float]], list[int], list[str], list[str]]


def outcome(path: Path, small: int, skip: bool, many: int = 1 << 30, compiled: bool = False) -> Outcome | str:
    """What reading a text gives, with blocks over `small` bytes parsed at once, `many` columns as one long one.

    compiled: with the compiled kernel, where there is one.
    """
    faults: list[str] = []

    def on_fault(error: InputError) -> None:
        if not skip:
            raise error
        faults.append(error.describe())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("softmax_cli.sources.cells.SMALL_BYTES", small)
        patch.setattr("softmax_cli.sources.cells.MANY_COLUMNS", many)
        patch.setattr("softmax_cli.sources.jsonl.SMALL_BYTES", small)
        if not compiled:
            patch.setattr("softmax_cli.compiled.kernel", None)
        try:
            read = Read(open_source(str(path), ReadOptions(on_fault=on_fault)))
        except InputError as error:
            return error.describe()
    # Texts compare where NaN and the sign of zero wouldn't.
    values = [["nan" if value != value else repr(value) for value in row] for row in read.logits.tolist()]
    return values, read.rows, read.ids, faults  # type: ignore[return-value]


def same(path: Path, data: bytes, skip: bool) -> None:
    path.write_bytes(data)
    slow = outcome(path, 1 << 30, skip)
    assert outcome(path, -1, skip) == slow
    assert outcome(path, -1, skip, many=1) == slow
    assert outcome(path, 1 << 30, skip, compiled=True) == slow


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


ODD_CELLS = (
    *("", " ", "\t", '"', '"3"', "+1", "1 2", "1\t2", "1+2", "1!2", "1#2", "*", "1,", "(1", "'", "\r", "1\r", "\x0b1"),
    *("-0", "inf", "-Infinity", "nan", "1e400", "1e-400", "1_0", "0x1", ".5", "5.", "1e", "-", "NA", "é", "\ufeff1"),
)


@given(
    rows=st.lists(st.lists(st.one_of(st.just("2.5"), st.sampled_from(ODD_CELLS)), min_size=2, max_size=5), max_size=5),
    delimiter=st.sampled_from([",", ";", "\t", "|", "+", "-", "."]),
    end=st.sampled_from(["\n", "\r\n"]),
    is_ended=st.booleans(),
)
@example(rows=[["1", "2", "3"], ["1", "2 3"]], delimiter=",", end="\n", is_ended=True)
@example(rows=[["1", "2"], ["1", "2,"]], delimiter=";", end="\n", is_ended=True)
@example(rows=[["1", "2"], ["1", "2", ""]], delimiter=",", end="\n", is_ended=True)
@example(rows=[["1", "2", "3"], ["1\r", "2"]], delimiter=",", end="\n", is_ended=True)
@example(rows=[["1", "2"], ["1", '"']], delimiter=",", end="\n", is_ended=True)
@example(rows=[["\ufeff1", "2"]], delimiter=",", end="\n", is_ended=True)
@settings(max_examples=1500, deadline=None)
@pytest.mark.parametrize("many", [2, 1 << 30, None], ids=["one column", "columns", "compiled"])
def test_blocks_with_anything_in_them(
    many: int | None, rows: list[list[str]], delimiter: str, end: str, is_ended: bool
) -> None:
    """Whatever a block holds, the fast parser reads it as the reference does, or leaves it to it."""
    block = (end.join(delimiter.join(row) for row in rows) + (end if is_ended else "")).encode()
    if not block.strip():
        return
    columns = max(map(len, rows))

    def fail(error: InputError) -> None:
        raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("softmax_cli.sources.cells.SMALL_BYTES", 1 << 30 if many is None else 0)
        if many is not None:
            patch.setattr("softmax_cli.sources.cells.MANY_COLUMNS", many)
            patch.setattr("softmax_cli.compiled.kernel", None)
        names = [str(place) for place in range(columns)]
        reader = CellReader(Dialect(delimiter), names, range(columns), (), (), Location("x"), fail)
        fast = reader.parse_fast(block)
    if fast is None:
        return
    slow = reader.parse_reference(1, block)
    np.testing.assert_array_equal(fast.values, slow.values)
    np.testing.assert_array_equal(np.signbit(fast.values), np.signbit(slow.values))
    assert fast.records == slow.records
