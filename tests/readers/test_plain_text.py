"""Numbers that the compiled kernel reads: rounded as Python rounds them, or declined."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from softmax_cli import compiled
from softmax_cli.sources.plain_text import PlainTable, read_arrays

if compiled.kernel is None:
    pytest.skip("there is no compiled kernel", allow_module_level=True)
kernel: Any = compiled.kernel


def read(text: str, columns: int = 1, is_text: bytes | None = None, rows: int = 9) -> tuple[int, Any, Any]:
    texts = sum(is_text or b"")
    values, places = np.zeros((rows, columns - texts)), np.zeros((rows, texts, 2), np.int64)
    return kernel.table(text.encode(), ord(","), columns, is_text, values, places), values, places


DIGITS = st.text("0123456789", max_size=21)


@settings(max_examples=3000, deadline=None)
@given(
    sign=st.sampled_from(["", "-"]),
    whole=st.integers(0, 10**19).map(str) | st.integers(0, 99).map(str),
    fraction=st.one_of(st.just(""), DIGITS.map(lambda digits: f".{digits}0"), st.just(".000000000000000000000001")),
    exponent=st.one_of(st.just(""), st.integers(-35, 35).map(lambda power: f"e{power:+d}"), st.just("E7")),
)
@example(sign="-", whole="0", fraction="", exponent="")
@example(sign="", whole="9007199254740993", fraction="", exponent="")
@example(sign="", whole="18446744073709551615", fraction="", exponent="")
@example(sign="", whole="9223372036854775807", fraction="", exponent="e27")
def test_a_number_is_rounded_as_it_should_be(sign: str, whole: str, fraction: str, exponent: str) -> None:
    text = sign + whole + fraction + exponent
    rows, values, _ = read(text)
    digits = (whole + fraction.replace(".", "")).lstrip("0")
    if rows < 0:
        power = int(exponent[1:] or 0) - len(fraction[1:])
        assert len(digits) > 19 or abs(power) > 27, text
        return
    assert rows == 1
    assert repr(float(values[0, 0])) == repr(float(text))


@settings(max_examples=1500, deadline=None)
@given(odd=st.integers(2**52, 2**53 - 1).map(lambda value: 2 * value + 1), power=st.integers(0, 8))
def test_halves_are_rounded_to_even(odd: int, power: int) -> None:
    """Numbers halfway between two floats, and those that differ from them in the nineteenth digit."""
    with localcontext() as context:
        context.prec = 60
        exact = format(Decimal(odd) / Decimal(2**power), "f")
    for text in (exact, exact[:19], exact[:19] + "1" if "." in exact[:19] else exact):
        rows, values, _ = read(text.rstrip("."))
        if rows == 1:
            assert float(values[0, 0]) == float(text)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=9))
def test_the_shortest_digits_of_a_float32(values: list[float]) -> None:
    texts = [str(np.float32(value)) for value in values]
    rows, found, _ = read("\n".join(texts))
    if rows >= 0:
        assert found[:rows, 0].tolist() == [float(text) for text in texts]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "+1",
            ".5",
            "5.",
            "-",
            "1e",
            "1e+",
            "01",
            "00",
            "-01",
            "1_0",
            "0x1",
            "inf",
            "nan",
            "1 2",
            "1,2",
            ",1",
        ),
        *(
            "1.5x",
            '"1"',
            "1\r2",
            "1e99999",
            "1." + "0" * 50,
            "12345678901234567890",
            "--1",
            "1-",
            "1.2.3",
            "é",
            "1\x00",
        ),
    ],
)
def test_what_is_declined(text: str) -> None:
    assert read(text)[0] in (-1, 0)
    assert read(f"1\n{text}x\n2")[0] == -1


def test_lines_blanks_and_texts() -> None:
    rows, values, places = read('a b,1.5\r\n\r\n"c, d", -2e1 \n\n,3', 2, b"\1\0")
    assert (rows, values[:3, 0].tolist()) == (3, [1.5, -20.0, 3.0])
    text = 'a b,1.5\r\n\r\n"c, d", -2e1 \n\n,3'
    assert [text[begin:end] for begin, end in places[:3, 0].tolist()] == ["a b", "c, d", ""]
    for bad in ('a"b,1', '"a""b",1', '"a\nb",1', '"a,1', '"a"b,1', "a", "a,1,2", "a,1,"):
        assert read(bad, 2, b"\1\0")[0] == -1, bad


def test_there_is_no_room_for_more_rows() -> None:
    assert read("1\n2\n3", rows=3)[0] == 3
    assert read("1\n2\n3", rows=2)[0] == -1
    with pytest.raises(ValueError):
        kernel.table(b"1", ord(","), 2, b"\0", np.zeros((1, 2)), np.zeros(0, np.int64))


def arrays(text: str, columns: int = 2, rows: int = 9) -> tuple[int, Any, Any]:
    values, places = np.zeros((rows, columns)), np.zeros((rows, 2), np.int64)
    return kernel.arrays(text.encode(), columns, values, places), values, places


def test_arrays_and_what_is_around_them() -> None:
    text = '{"l":[1, 2 ]}\n[3,-4.5]\r\n{"id":"x","l":[ 5e0,6],"m":7}'
    rows, values, places = arrays(text)
    assert (rows, values[:3].tolist()) == (3, [[1.0, 2.0], [3.0, -4.5], [5.0, 6.0]])
    assert [text[begin:end] for begin, end in places[:3].tolist()] == ["[1, 2 ]", "[3,-4.5]", "[ 5e0,6]"]


@pytest.mark.parametrize(
    "line",
    ["", "1,2", "[1]", "[1,2,3]", "[1,2", "[1,,2]", "[]", "[[1,2]]", "[1,2][3,4]", "[1,null]", "[-0,1]", "[1;2]"],
)
def test_arrays_that_are_declined(line: str) -> None:
    assert arrays(f"[1,2]\n{line}\n[1,2]")[0] == -1


def test_an_array_has_no_room_for_more_rows() -> None:
    assert arrays("[1,2]\n[3,4]", rows=2)[0] == 2
    assert arrays("[1,2]\n[3,4]", rows=1)[0] == -1


def test_empty_lines_take_no_room() -> None:
    """A million of them, under as many columns, would take terabytes."""
    columns = 100_000
    block = b"\n" * 1_000_000 + b",".join([b"1"] * columns) + b"\n"
    found = PlainTable(",", columns, range(columns), ()).read(block)
    assert found is not None
    assert found[0].shape == (1, columns)
    assert read_arrays(b"\n" * 1_000_000, columns) is None
    for rows in (1, 2, 3):
        exact = PlainTable(",", 2, (0, 1), ()).read(b"\n".join([b"1,2"] * rows))
        assert exact is not None
        assert len(exact[0]) == rows
        arrays_read = read_arrays(b"\n".join([b"[1,2]"] * rows), 2)
        assert arrays_read is not None
        assert len(arrays_read[0]) == rows
