"""Bad rows that are skipped, and what else is kept."""

import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet
import pytest

from softmax_cli.errors import InputError
from tests.readers.reading import Piped, skipping
from tests.readers.samples import TABLE_WRITERS


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
