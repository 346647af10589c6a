"""Lines that the compiled kernel writes: the shortest digits of every float, and the bytes of the table library."""

from __future__ import annotations

import dataclasses
import io
import subprocess
import sys
from decimal import Decimal
from typing import Any, cast

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from softmax_cli import compiled
from softmax_cli.batch import Ranked
from softmax_cli.errors import InputError
from softmax_cli.sinks import FORMATS, compiled_lines
from softmax_cli.sinks.base import Screen, SinkOptions
from softmax_cli.sinks.target import Target

if compiled.kernel is None:
    pytest.skip("there is no compiled kernel", allow_module_level=True)

HOSTILE = [
    "",
    " ",
    "a,b",
    'say "hi"',
    "tab\there",
    "two\nlines",
    "\r",
    "\x00\x1b[31m\x7f",
    "é\u2028ネコ",
    "\\/'",
    "1.5",
]
TEXTS = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
FLOAT64 = st.integers(0, 2**64 - 1).map(lambda bits: float(np.uint64(bits).view(np.float64))) | st.floats()
FLOAT32 = st.integers(0, 2**32 - 1).map(lambda bits: float(np.uint32(bits).view(np.float32))) | st.floats(width=32)


def written(values: NDArray[Any]) -> list[str]:
    return compiled.lines((len(values), 1), None, ",", ((values, b"\n"), (), ())).decode().split("\n")[:-1]


def check(values: NDArray[Any]) -> None:
    """Python and numpy find the shortest digits in other ways."""
    for text, value in zip(written(values), values, strict=True):
        plain = str(value)
        if not np.isfinite(value):
            assert text.lower() == plain
            continue
        assert Decimal(text).as_tuple().sign == Decimal(plain).as_tuple().sign
        assert Decimal(text) == Decimal(plain), (text, plain)
        assert len(text.encode()) <= 24


@settings(max_examples=300)
@given(st.lists(FLOAT64, max_size=50))
@example([5e-324, 1.7976931348623157e308, 2.2250738585072014e-308, 2.225073858507201e-308, 9007199254740993.0, 1e23])
@example([0.0, -0.0, 1.0, 100.0, 1e15, 1e16, 1e-5, 1e-6, 123456.75, 2.0**-1074, 2.0**1023, float("nan"), float("-inf")])
def test_float64_in_the_shortest_digits(values: list[float]) -> None:
    check(np.array(values, np.float64))


@settings(max_examples=300)
@given(st.lists(FLOAT32, max_size=50))
@example([1e-45, 3.4028235e38, 1.1754944e-38, 1.1754942e-38, 16777216.0, 8.5070592e37, 1e12, 1e13, 1e-6, 1e-7])
def test_float32_in_the_shortest_digits(values: list[float]) -> None:
    check(np.array(values, np.float32))


@pytest.mark.parametrize("type_of", [np.float32, np.float64])
def test_zeros_and_exponents_stand_where_the_table_library_puts_them(type_of: Any) -> None:
    texts = [f"{digits}e{power}" for power in range(-330, 309) for digits in ("1", "1.25", "-4")]
    with np.errstate(over="ignore"):
        values = np.array(texts, np.float64).astype(type_of)
    values = values[np.isfinite(values)]
    assert written(values) == pl.DataFrame({"": values}).write_csv(include_header=False).splitlines()


@pytest.mark.parametrize("type_of", [np.float32, np.float64])
def test_every_power_of_two_and_its_neighbours(type_of: Any) -> None:
    least, greatest = (-149, 127) if type_of is np.float32 else (-1074, 1023)
    powers = np.ldexp(type_of(1), np.arange(least, greatest + 1)).astype(type_of)
    check(np.concatenate([powers, np.nextafter(powers, type_of(0)), np.nextafter(powers, type_of(np.inf))]))


def test_the_digits_of_very_many_floats() -> None:
    generator = np.random.default_rng(0)
    check(generator.integers(0, 2**64, 20_000, np.uint64, endpoint=False).view(np.float64))
    check(generator.integers(0, 2**32, 20_000, np.uint32, endpoint=False).view(np.float32))
    check(generator.standard_normal(20_000).astype(np.float32))
    check(np.round(generator.standard_normal(20_000), 4))


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_integers(values: list[int]) -> None:
    assert written(np.array(values)) == list(map(str, values))


@st.composite
def batches(draw: st.DrawFn) -> Ranked:
    """Ranked batches of every make, with numbers and texts at which a writer may fail."""
    rows, k = draw(st.integers(0, 4)), draw(st.integers(0, 3))
    type_of, numbers = draw(st.sampled_from([(np.float32, FLOAT32), (np.float64, FLOAT64)]))
    classes = draw(st.integers(max(k, 1), 12))

    def values(element: st.SearchStrategy[Any], count: int) -> list[Any]:
        return draw(st.lists(element, min_size=count, max_size=count))

    def maybe(strategy: st.SearchStrategy[Any]) -> Any:
        return draw(st.none() | strategy)

    several = st.lists(TEXTS, min_size=rows, max_size=rows)
    counts = maybe(st.lists(st.integers(0, k), min_size=rows, max_size=rows))
    positions = maybe(st.lists(st.tuples(*[st.integers(0, 9)] * 2), min_size=rows, max_size=rows))
    abstained = maybe(st.lists(st.booleans(), min_size=rows, max_size=rows))
    return Ranked(
        draw(TEXTS | st.just("undecodable\udce9.npy")),
        np.array(values(st.integers(0, 2**62), rows), np.int64),
        np.array(values(st.integers(0, classes - 1), rows * k), np.int64).reshape(rows, k),
        np.array(values(numbers, rows * k), type_of).reshape(rows, k),
        np.array(values(numbers, rows * k), type_of).reshape(rows, k),
        None if counts is None else np.array(counts, np.int64),
        maybe(several),
        names=maybe(st.lists(TEXTS, min_size=classes, max_size=classes)),
        sources=maybe(several),
        positions=None if positions is None or not rows else np.array(positions, np.int64),
        abstained=None if abstained is None else np.array(abstained, bool),
        are_sets=draw(st.booleans()),
    )


def output(name: str, layout: str, parts: list[Ranked]) -> bytes | str:
    """What a sink writes, or says."""
    stream = io.BytesIO()
    sink = FORMATS[name].make(Target(cast(Any, stream), "out"), SinkOptions(layout), Screen())
    try:
        for ranked in parts:
            sink.write(ranked)
        sink.close()
    except InputError as error:
        return str(error)
    return stream.getvalue()


@settings(max_examples=200, deadline=None)
@given(batch=batches(), layout=st.sampled_from(["long", "wide"]), name=st.sampled_from(["csv", "tsv", "json", "jsonl"]))
def test_the_bytes_are_those_of_the_table_library(batch: Ranked, layout: str, name: str) -> None:
    layout = "long" if name.startswith("json") else layout
    parts = [batch, dataclasses.replace(batch, ids=None, counts=None, abstained=None)]
    parts = parts[:1] if batch.abstained is not None else parts
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled_lines, "are_there", lambda: False)
        expected = output(name, layout, parts)
    assert output(name, layout, parts) == expected


def test_what_is_out_of_the_ordinary_is_left_to_the_table_library() -> None:
    plain = Ranked("a.npy", np.arange(2), np.zeros((2, 1), np.int64), np.zeros((2, 1)), np.ones((2, 1)))
    assert compiled_lines.delimited_long(plain, ",", False) == b"a.npy,0,1,0,0,0.0,1.0\na.npy,1,1,0,0,0.0,1.0\n"
    assert (
        compiled_lines.delimited_wide(plain, "\t", False, 2)
        == b"a.npy\t0\t0\t0\t1.0\t\t\t\na.npy\t1\t0\t0\t1.0\t\t\t\n"
    )
    abstained = dataclasses.replace(plain, abstained=np.zeros(2, bool))
    assert compiled_lines.delimited_long(abstained, ",", False) is compiled_lines.json_lines(abstained) is None


@pytest.mark.parametrize(
    ("pieces", "error"),
    [
        ((np.zeros(3, np.int64),), ValueError),
        ((np.zeros((2, 1), np.int64),), ValueError),  # of predictions, but in the head
        ((np.zeros(2, np.int32),), ValueError),
        ((np.zeros(4, np.float32)[::2],), (ValueError, BufferError)),
        ((["a", "b"],), TypeError),
        (((["a"], np.array([0, 1])),), IndexError),
        (((["a", "b"], np.zeros(2)),), ValueError),
        (((["a"] * 3, None, None),), TypeError),
        ((([1, 2],),), TypeError),
        (((["a", "\ud800"],),), UnicodeEncodeError),
        (("text",), TypeError),
        (((3,),), TypeError),
        (((np.array(["a", "b"]),),), TypeError),
    ],
)
def test_pieces_that_are_none(pieces: tuple[Any, ...], error: type[Exception]) -> None:
    with pytest.raises(error):
        compiled.lines((2, 1), None, ",", (pieces, (), ()))


@pytest.mark.parametrize("shape", [(-1, 1), (2, 1), (2**62, 1), (2**62, 0), (2**40, 2**40)])
def test_shapes_that_are_none(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="rows"):
        compiled.lines(shape, np.zeros(3, np.int64), ",", ((), (), ()))


@pytest.mark.parametrize(("rows", "error"), [(2**58, MemoryError), (2**62, ValueError)])
def test_more_than_there_can_be(rows: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        compiled.lines((rows, 1), None, ",", ((b"some forty bytes, which are more than fit",), (), ()))


def test_no_separator_beyond_ascii() -> None:
    with pytest.raises(ValueError, match="separator"):
        compiled.lines((1, 1), None, "\u012c", ((), (), ()))


@pytest.mark.skipif(sys.platform != "linux", reason="such a limit means other things elsewhere")
def test_long_texts_take_twice_their_room_at_the_most() -> None:
    """Of 100 MB of labels 600 would be set aside if every byte could be an escape, as it can in JSON."""
    script = (
        "import resource; from pathlib import Path; from softmax_cli import compiled\n"
        "labels = ['x' * 10**7, 'y'] * 10\n"
        "mapped = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (mapped + (400 << 20),) * 2)\n"
        "print(len(compiled.lines((20, 1), None, ',', ([(labels,)], (), ()))))"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    assert int(done.stdout) == 10**8 + 10
