"""Several inputs: directories, files and stdin, into one output or each into its own."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.conftest import Run
from tests.directories.support import (
    ROW,
    WIDE,
    Here,
    errors,
    flat,
    lengths,
    re_rows,
    read_sources,
    sources,
    write_kinds,
)


@pytest.mark.parametrize(
    "output", [["-o", "a.csv"], ["-o", "./link.csv"], ["--output-dir", "."], ["--output-dir", "../here/"]], ids=" ".join
)
def test_an_input_is_never_written_over(
    softmax_here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: list[str]
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Path("a.csv").write_text(ROW)
    Path("link.csv").symlink_to("a.csv")
    code, out, err = softmax_here("a.csv", *output)
    assert (code, out) == (2, "")
    assert errors(err)[0].startswith("[usage]: ")
    assert Path("a.csv").read_text() == ROW


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "arrow", "jsonl", "json"])
def test_different_types_and_class_counts_in_one_output(
    softmax_here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_kinds(tmp_path)
    together = ["f4.npy", "two.npy", "f8.npy"]
    assert softmax_here(*together, "-k", "0", "-o", f"all.{suffix}")[0] == 0
    found = flat(Path(f"all.{suffix}"))
    expected = []
    for name in together:
        assert softmax_here(name, "-k", "0", "-o", f"one.{suffix}")[0] == 0
        expected += flat(Path(f"one.{suffix}"))
    assert found == expected
    assert len(found) == 4 * (3 + 2 + 3)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_ids_where_the_first_input_has_them(
    softmax_here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_kinds(tmp_path)
    code, _, _ = softmax_here("ids.csv", "f8.npy", "-k", "1", "-q", "-o", f"all.{suffix}")
    assert code == 0
    assert [row[2] or None for row in flat(Path(f"all.{suffix}"))] == ["x", "y", None, None, None, None]


@pytest.mark.parametrize("suffix", ["csv", "parquet", "md"])
def test_ids_where_the_first_input_has_none(
    softmax_here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_kinds(tmp_path)
    code, _, err = softmax_here("f8.npy", "ids.csv", "two.npy", "-k", "1", "-o", f"all.{suffix}")
    assert code == 3
    assert errors(err) == ["[mixed-ids]: ids.csv: this input has ids, the first one has none"]
    text = Path(f"all.{suffix}").read_bytes()
    assert text.count(b"two.npy") >= 1


@pytest.mark.parametrize("first", ["f8.npy", "ids.csv"])
def test_json_lines_take_ids_as_they_come(
    softmax_here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_kinds(tmp_path)
    names = sorted(["f8.npy", "ids.csv"], key=lambda name: name != first)
    code, out, _ = softmax_here(*names, "-f", "jsonl", "-k", "1", "-q")
    assert code == 0
    ids = [(row["source"], row.get("id")) for row in map(json.loads, out.splitlines())]
    expected = {"f8.npy": [("f8.npy", None)] * 4, "ids.csv": [("ids.csv", "x"), ("ids.csv", "y")]}
    assert ids == expected[names[0]] + expected[names[1]]


def test_wide_with_fewer_classes_later(softmax_here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_kinds(tmp_path)
    assert softmax_here("f8.npy", "two.npy", "-o", "all.csv", *WIDE)[0] == 0
    frame = pl.read_csv("all.csv")
    assert frame["index_3"].null_count() == frame["probability_3"].null_count() == 4
    assert frame["index_2"].null_count() == 0


def test_wide_with_more_classes_later(softmax_here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_kinds(tmp_path)
    code, _, err = softmax_here("two.npy", "f8.npy", "-o", "all.parquet", *WIDE)
    assert code == 3
    assert errors(err) == ["[class-count]: f8.npy: 3 classes a row, but the columns are for 2"]
    assert pl.read_parquet("all.parquet")["source"].unique().to_list() == ["two.npy"]


def test_npz_of_one_kind(softmax_here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_kinds(tmp_path)
    assert softmax_here("f8.npy", "f4.npy", "-k", "2", "-o", "all.npz")[0] == 0
    assert set(lengths(Path("all.npz")).values()) == {8}
    with np.load("all.npz") as arrays:
        assert arrays["source"].tolist() == ["f8.npy"] * 4 + ["f4.npy"] * 4
        assert arrays["row"].tolist() == [0, 1, 2, 3] * 2
        assert arrays["probability"].shape == (8, 2)


@pytest.mark.parametrize(("first", "second"), [("f8.npy", "two.npy"), ("f4.npy", "f8.npy")])
def test_npz_refuses_another_kind(
    softmax_here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, second: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_kinds(tmp_path)
    code, _, err = softmax_here(first, second, "-k", "0", "-o", "all.npz")
    assert code == 3
    assert errors(err)[0].startswith(f"[class-count]: {second}: ")
    with np.load("all.npz") as arrays:
        assert arrays["source"].tolist() == [first] * 4
        assert arrays["probability"].shape == (4, 2 if first == "two.npy" else 3)


@pytest.mark.parametrize(("first", "second"), [("f8.npy", "two.npy"), ("f4.npy", "f8.npy")])
def test_npz_holds_nothing_of_what_it_refused(
    softmax_here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, second: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_kinds(tmp_path)
    softmax_here(first, second, "-k", "0", "-o", "all.npz")
    assert set(lengths(Path("all.npz")).values()) == {4}


@pytest.mark.parametrize("names", [["f8.npy", "ids.csv"], ["ids.csv", "f8.npy"]])
def test_npz_with_ids_of_some(
    softmax_here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_kinds(tmp_path)
    softmax_here(*names, "-k", "1", "-q", "-o", "all.npz")
    assert len(set(lengths(Path("all.npz")).values())) == 1  # ids for all rows, or rows of one input alone


def test_npz_with_other_names(softmax_here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("cat,dog\n1,2\n")
    Path("b.csv").write_text("eel,fox\n1,2\n")
    code, _, _ = softmax_here("a.csv", "b.csv", "-k", "1", "-o", "all.npz")
    with np.load("all.npz") as arrays:
        named = arrays["labels"].tolist() if "labels" in arrays else None
    assert code == 3 or named is None


def test_tables_name_each_input(softmax_here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_kinds(tmp_path)
    code, out, _ = softmax_here("ids.csv", "two.npy", "f8.npy", "-k", "2", "-q")
    assert code == 0
    headings = [line for line in out.splitlines() if line in ("ids.csv", "two.npy", "f8.npy")]
    assert headings == ["ids.csv", "two.npy", "f8.npy"]
    assert len(re_rows(out)) == 2 + 4 + 4


def test_labels_that_fit_some_inputs(softmax_here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_kinds(tmp_path)
    Path("labels.txt").write_text("x\ny\nz\n")
    code, out, err = softmax_here("f8.npy", "two.npy", "--labels", "labels.txt", "-f", "csv", "-k", "1")
    assert code == 3
    assert set(sources(out)) == {"f8.npy"}
    assert errors(err)[0].startswith("[label-count]: ")
    assert "two.npy" in err


# stdin


@pytest.mark.parametrize("arguments", [["-", "-"], ["-", "a.csv", "-"]])
def test_stdin_twice(softmax_here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text(ROW)
    code, out, err = softmax_here(*arguments)
    assert (code, out) == (2, "")
    assert errors(err) == ["[usage]: stdin (-) can be read only once"]


def test_stdin_among_files(softmax_process: Run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(ROW)
    done = softmax_process("a.csv", "-", "a.csv", "-f", "csv", "-k", "1", stdin=b"3,2,1\n", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    rows = list(csv.DictReader(io.StringIO(done.stdout.decode())))
    assert [(row["source"], row["index"]) for row in rows] == [("a.csv", "2"), ("-", "0"), ("a.csv", "2")]


@pytest.mark.parametrize("output", [["-o", "out.csv"], ["--output-dir", "out"]])
@pytest.mark.parametrize("arguments", [["empty"], ["in/a.csv", "empty"], ["in", "--glob", "*.none"]], ids=" ".join)
def test_a_directory_without_inputs(softmax_here: Here, tree: Path, arguments: list[str], output: list[str]) -> None:
    Path("empty/.hidden").mkdir(parents=True)
    code, out, err = softmax_here(*arguments, *output)
    assert (code, out) == (1, "")
    assert [text.split("]")[0] for text in errors(err)] == ["[no-inputs"]
    assert not Path(output[1]).exists()


def test_inputs_without_rows(softmax_here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("none.npy", np.empty((0, 3)))
    np.save("some.npy", np.zeros((1, 3)))
    code, out, err = softmax_here("none.npy", "some.npy", "-f", "csv", "-k", "1")
    assert (code, err) == (0, "")
    assert sources(out) == ["some.npy"]
    for suffix in ("csv", "json", "jsonl", "parquet", "arrow", "npz", "txt", "md"):
        assert softmax_here("none.npy", "-o", f"out.{suffix}")[0] == 0
        assert read_sources(Path(f"out.{suffix}")) == []
