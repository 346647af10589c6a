"""Delimited text: its header, its ids and targets, its numbers."""

import gzip

import numpy as np
import pytest

from tests.readers.reading import Piped
from tests.readers.samples import IDS, LOGITS, csv


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
        given_input.file("x.csv.gz", gzip.compress(data.encode(), mtime=0)),
    ):
        assert len(read.sizes) > 5
        assert read.rows == list(range(len(values)))
        assert read.ids == ids
        np.testing.assert_array_equal(read.logits, values)
