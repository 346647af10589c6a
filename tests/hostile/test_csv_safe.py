"""`--csv-safe`: what a spreadsheet would take for a formula is text; nothing else changes."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import SAMPLES, Run

FORMULAS = ["=1+1", "+A1", "-cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", '=HYPERLINK("x")', "-1-1"]
PLAIN = ["a", "'=1", " =1", "-5", "+3.5e-7", "-.5", "", "a=1", "1-1"]


def rows_of(data: bytes, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline=""), delimiter=delimiter))


@pytest.mark.parametrize(("name", "delimiter"), [("csv", ","), ("tsv", "\t")])
@pytest.mark.parametrize("layout", ["long", "wide"])
def test_cells(softmax_quick: Run, tmp_path: Path, name: str, delimiter: str, layout: str) -> None:
    names = FORMULAS + PLAIN
    (tmp_path / "labels.json").write_text(json.dumps(names))
    scores = [[float(place - column) for column in range(len(names))] for place in (-3, 3)]
    records = [{"id": text, "logits": row} for text, row in zip(["=id", "-7"], scores, strict=True)]
    path = tmp_path / "=x.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    common = ("rank", path.name, "--labels", "labels.json", "-k", "0", "-f", name, "--layout", layout)
    plain = softmax_quick(*common, cwd=tmp_path)
    safe = softmax_quick(*common, "--csv-safe", cwd=tmp_path)
    assert (plain.returncode, safe.returncode) == (0, 0), safe.stderr
    before, after = rows_of(plain.stdout, delimiter), rows_of(safe.stdout, delimiter)
    marked = {"=x.jsonl", "=id", *FORMULAS}
    assert after == [[f"'{cell}" if cell in marked else cell for cell in row] for row in before]
    cells = {cell for row in before for cell in row}
    assert cells >= {"=x.jsonl", "=id", "-7", *names}
    assert any(cell.startswith("-") and cell[1:2].isdecimal() for row in after for cell in row)  # logits


@given(st.text(st.sampled_from("=+-@\t\r\n'aé1.eE＝"), max_size=6))
def test_any_text(text: str) -> None:
    import polars as pl

    from softmax_cli.sinks.delimited import as_text

    frame = pl.DataFrame({"a": [text, None], "n": [-1.5, 2.0]})
    found = as_text(frame)
    assert found["n"].to_list() == [-1.5, 2.0]
    cell, nothing = found["a"].to_list()
    assert nothing is None
    assert cell in (text, f"'{text}")
    if cell == text and text[:1] in tuple("=+-@\t\r\n＝"):
        assert text == "" or float(text) is not None
    if cell != text:
        assert text[0] in "=+-@\t\r\n＝"


def test_for_tables_of_text_alone(softmax_quick: Run, tmp_path: Path) -> None:
    for arguments in (["-f", "jsonl"], ["-o", str(tmp_path / "x.parquet")], []):
        done = softmax_quick(SAMPLES / "animals.csv", "--csv-safe", *arguments)
        assert done.returncode == 2
        assert b"error[usage]: --csv-safe isn't for " in done.stderr
    done = softmax_quick(SAMPLES / "animals.csv", "--csv-safe", "--output-dir", tmp_path)
    assert done.returncode == 0
