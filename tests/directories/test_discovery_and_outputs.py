"""Several inputs: directories, files and stdin, into one output or each into its own."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import SAMPLES, Run
from tests.directories.support import (
    COLLISIONS,
    ROW,
    WALKED,
    Here,
    errors,
    files_of,
    notes,
    read_sources,
    sources,
    told,
)


def test_a_directory_is_walked_in_order(softmax_here: Here, tree: Path) -> None:
    code, out, err = softmax_here("in", "-f", "csv", "-k", "1")
    assert code == 0
    assert sources(out) == WALKED
    assert notes(told(err)) == ["3 files of other kinds left alone (--glob PATTERN takes them)"]


def test_a_directory_named_with_a_slash(softmax_here: Here, tree: Path) -> None:
    assert sources(softmax_here("in/", "-f", "csv", "-k", "1")[1]) == WALKED


def test_the_working_directory(softmax_here: Here, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)
    code, out, _ = softmax_here(".", "-f", "csv", "-k", "1")
    assert code == 0
    assert sources(out) == [name.removeprefix("in/") for name in WALKED]


def test_quiet_walks_silently(softmax_here: Here, tree: Path) -> None:
    code, _, err = softmax_here("in", "-q", "-f", "csv")
    assert (code, told(err)) == (0, "")


@pytest.mark.parametrize(
    ("pattern", "taken"),
    [
        ("a.*", ["in/a.csv"]),
        ("[ab].csv", ["in/a.csv", "in/b.csv"]),
        ("*.txt", ["in/notes.txt"]),
        ("sub/*", ["in/sub/z.csv", "in/sub/deep/y.csv"]),
        ("sub/deep/*.csv", ["in/sub/deep/y.csv"]),
        ("?.csv", ["in/9.csv", "in/a.csv", "in/b.csv", "in/sub/z.csv", "in/sub/deep/y.csv"]),
    ],
)
def test_glob(softmax_here: Here, tree: Path, pattern: str, taken: list[str]) -> None:
    code, out, err = softmax_here("in", "--glob", pattern, "-f", "csv", "-k", "1")
    assert code == 0
    assert sources(out) == taken
    assert told(err) == ""  # the others were left out on request


def test_glob_leaves_files_alone_that_are_named(softmax_here: Here, tree: Path) -> None:
    code, out, _ = softmax_here("in/b.csv", "in/sub", "--glob", "y*", "-f", "csv", "-k", "1")
    assert code == 0
    assert sources(out) == ["in/b.csv", "in/sub/deep/y.csv"]


def test_hidden_files_may_be_named(softmax_here: Here, tree: Path) -> None:
    code, out, err = softmax_here("in/.hidden.csv", "in/notes.txt", "in/.git", "-f", "csv", "-k", "1")
    assert (code, told(err)) == (0, "")
    assert sources(out) == ["in/.hidden.csv", "in/notes.txt", "in/.git/x.csv"]


def test_arguments_keep_their_order(softmax_here: Here, tree: Path) -> None:
    code, out, _ = softmax_here("in/sub", "in/b.csv", "in/a.csv", "in/b.csv", "-f", "csv", "-k", "1")
    assert code == 0
    assert sources(out) == ["in/sub/z.csv", "in/sub/deep/y.csv", "in/b.csv", "in/a.csv", "in/b.csv"]


def test_links(softmax_here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link to a file is one more input; one to a directory isn't followed, so that nothing runs in circles."""
    (tmp_path / "real.csv").write_text(ROW)
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").symlink_to("../real.csv")
    (folder / "circle").symlink_to("..")
    monkeypatch.chdir(tmp_path)
    code, out, err = softmax_here("in", "-f", "csv", "-k", "1")
    assert (code, told(err)) == (0, "")
    assert sources(out) == ["in/a.csv"]
    (tmp_path / "way").symlink_to("in")  # but the link itself may be given
    assert sources(softmax_here("way", "-f", "csv", "-k", "1")[1]) == ["way/a.csv"]


def test_a_broken_link_is_one_bad_input(softmax_here: Here, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(ROW)
    (tmp_path / "b.csv").symlink_to("missing.csv")
    code, out, err = softmax_here(tmp_path, "-f", "csv", "-k", "1")
    assert code == 3
    assert len(sources(out)) == 1
    assert errors(err)[0].startswith(f"[not-found]: {tmp_path}/b.csv: ")


def test_every_format_of_a_directory(softmax_here: Here) -> None:
    code, out, _ = softmax_here(SAMPLES, "--glob", "animals.*", "-f", "csv", "-k", "1")
    assert code == 0
    names = [name.removeprefix(f"{SAMPLES}/animals.") for name in sources(out)]
    assert names == ["csv", "jsonl", "npy", "parquet", "tsv", "txt"]
    assert {row["probability"] for row in csv.DictReader(io.StringIO(out))} == {"0.7751495482986049"}


def test_one_bad_input_never_stops_the_others(softmax_here: Here, mixed: Path) -> None:
    code, out, err = softmax_here("in", "-f", "csv", "-k", "1")
    assert code == 3
    assert [name for name in sources(out) if name not in ("in/b.csv", "in/d.npy")] == [
        "in/a.csv", "in/a.csv", "in/c.csv", "in/e.csv",
    ]  # fmt: skip
    assert [text.split(": ")[:2] for text in errors(err)] == [
        ["[ragged-row]", "in/b.csv:2"],
        ["[bad-header]", "in/d.npy"],
    ]
    assert re.search(r"of 3 inputs ranked in [\d.]+ s.*; 2 errors: 1 ragged-row, 1 bad-header$", notes(err)[-1])


@pytest.mark.parametrize("suffix", ["csv", "json", "jsonl", "parquet", "arrow", "npz", "txt", "md"])
def test_the_rest_is_valid_and_complete(softmax_here: Here, mixed: Path, suffix: str) -> None:
    code, out, _ = softmax_here("in", "-o", f"out.{suffix}", "-k", "1")
    assert (code, out) == (3, "")
    good = [name for name in read_sources(Path(f"out.{suffix}")) if name != "in/b.csv"]
    assert good == ["in/a.csv", "in/a.csv", "in/c.csv", "in/e.csv"]
    assert files_of(mixed) == ["in/a.csv", "in/b.csv", "in/c.csv", "in/d.npy", "in/e.csv", f"out.{suffix}"]


def test_the_rest_goes_each_into_its_own(softmax_here: Here, mixed: Path) -> None:
    code, out, err = softmax_here("in", "--output-dir", "out", "-k", "1")
    assert (code, out) == (3, "")
    assert files_of(mixed / "out") == ["a.csv", "c.csv", "e.csv"]
    assert len(errors(err)) == 2
    assert sources((mixed / "out" / "a.csv").read_text()) == ["in/a.csv"] * 2


@pytest.mark.parametrize("output", [["-o", "out.parquet"], ["-o", "out.csv"], ["--output-dir", "out"]])
def test_nothing_is_left_where_all_are_bad(softmax_here: Here, mixed: Path, output: list[str]) -> None:
    (mixed / "out.csv").write_text("an older result\n")
    code, out, err = softmax_here("in/b.csv", "in/d.npy", "missing.csv", *output)
    assert (code, out) == (1, "")
    assert [text.split("]")[0] for text in errors(err)] == ["[ragged-row", "[bad-header", "[not-found", "[no-inputs"]
    assert [name for name in files_of(mixed) if not name.startswith("in/")] == ["out.csv"]
    assert (mixed / "out.csv").read_text() == "an older result\n"


def test_a_missing_file_among_good_ones(softmax_here: Here, mixed: Path) -> None:
    code, out, err = softmax_here("in/a.csv", "missing.csv", "in/c.csv", "-f", "csv", "-k", "1")
    assert code == 3
    assert sources(out) == ["in/a.csv"] * 2 + ["in/c.csv"]
    assert errors(err) == ["[not-found]: missing.csv: no such file or directory"]


def test_bad_rows_are_left_out(softmax_here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("1,2,3\n4,5\n6,7,8\n")
    Path("b.csv").write_text("1,2,3\n")
    np.save("c.npy", np.array([[1.0, np.nan, 3.0], [4.0, 5.0, 6.0], [np.inf, 1.0, 2.0], [-np.inf] * 3]))
    code, out, err = softmax_here("a.csv", "b.csv", "c.npy", "--on-error", "skip", "-f", "csv", "-k", "1")
    assert code == 3
    rows = [(row["source"], row["logit"]) for row in csv.DictReader(io.StringIO(out))]
    assert rows == [("a.csv", "3.0"), ("a.csv", "8.0"), ("b.csv", "3.0"), ("c.npy", "6.0")]
    assert [text.split("]")[0] for text in errors(err)] == ["[ragged-row", "[nan-logit", "[inf-logit", "[masked-row"]
    (note,) = notes(err)
    assert re.match(r"4 rows of 3 inputs ranked in [\d.]+ s.*; 4 errors: 1 ragged-row, 1 nan-logit, ", note)


def test_every_row_of_an_array_is_a_result_or_an_error(softmax_here: Here, tmp_path: Path) -> None:
    logits = np.random.default_rng(11).normal(size=(5_000, 300))
    bad = np.arange(0, 5_000, 7)
    logits[bad, bad % 300] = np.nan
    np.save(tmp_path / "x.npy", logits)
    arguments = [tmp_path / "x.npy", "--on-error", "skip", "-k", "1", "-f", "csv", "--errors", "json"]
    code, out, err = softmax_here(*arguments)
    assert code == 3
    *records, report, end = map(json.loads, err.splitlines())
    assert (report["type"], report["rows"], end) == ("report", 5_000 - len(bad), {"type": "exit", "code": 3})
    assert report["failures"] == {"nan-logit": len(bad)}
    failed = {record["row"]: record["column"] for record in records}
    assert failed == {int(row): str(row % 300) for row in bad}
    ranked = [int(row["row"]) for row in csv.DictReader(io.StringIO(out))]
    assert ranked == [row for row in range(5_000) if row % 7]


def test_no_errors_end_well(softmax_here: Here, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(ROW)
    code, _, err = softmax_here(tmp_path / "a.csv", "--on-error", "skip")
    assert (code, err) == (0, "")


def test_rows_may_be_kept_as_they_are(softmax_here: Here, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([[1.0, np.nan], [1.0, 2.0], [np.inf, 0.0]]))
    code, out, err = softmax_here(tmp_path / "x.npy", "--nan", "propagate", "-f", "jsonl")
    assert (code, err) == (0, "")
    rows = [json.loads(line)["predictions"] for line in out.splitlines()]
    assert [item["probability"] for item in rows[0]] == [None, None]
    assert [item["probability"] for item in rows[2]] == [None, None]
    assert sum(item["probability"] for item in rows[1]) == pytest.approx(1)


@pytest.mark.parametrize("name", ["csv", "jsonl", "parquet", "table", "npz", "markdown"])
def test_results_mirror_the_tree(softmax_here: Here, tree: Path, name: str) -> None:
    code, out, _ = softmax_here("in", "--output-dir", "results/here", "-f", name)
    assert (code, out) == (0, "")
    suffix = {"table": "txt", "markdown": "md"}.get(name, name)
    expected = [str(Path(path).relative_to("in").with_suffix(f".{suffix}")) for path in WALKED]
    assert files_of(Path("results/here")) == sorted(expected)


def test_results_of_files_and_stdin(softmax_quick: Run, tree: Path) -> None:
    arguments = ["in/sub/z.csv", "-", "in/sub/deep", "--output-dir", "out", "-f", "jsonl"]
    done = softmax_quick(*arguments, stdin=ROW.encode(), cwd=tree.parent)
    assert (done.returncode, done.stdout, told(done.stderr.decode())) == (0, b"", "")
    assert files_of(tree.parent / "out") == ["stdin.jsonl", "y.jsonl", "z.jsonl"]
    assert json.loads((tree.parent / "out" / "stdin.jsonl").read_text())["source"] == "-"


def test_results_of_compressed_inputs(softmax_here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("scores.v2.csv.gz").write_bytes(gzip.compress(ROW.encode(), mtime=0))
    assert softmax_here("scores.v2.csv.gz", "--output-dir", "out")[0] == 0
    assert files_of(tmp_path / "out") == ["scores.v2.csv"]


@pytest.mark.parametrize("name", COLLISIONS)
def test_a_collision_is_refused_before_anything_is_written(
    softmax_here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    arguments, named = COLLISIONS[name]
    monkeypatch.chdir(tmp_path)
    for path in ("in/sub/a.csv", "in/a.csv", "other/a.csv"):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(ROW)
    np.save("in/a.npy", np.zeros((2, 3)))
    code, out, err = softmax_here(*arguments, "--output-dir", "out")
    assert (code, out) == (1, "")
    assert errors(err) == [f"[output-collision]: {named[0]} and {named[1]} would both be written to out/a.csv"]
    assert not Path("out").exists()


@pytest.mark.parametrize("below", ["out", "out/below"])
def test_a_file_in_the_place_of_the_directory(softmax_here: Here, tree: Path, below: str) -> None:
    Path("out").write_text("an older result\n")
    code, _, err = softmax_here("in/a.csv", "--output-dir", below)
    assert code == 1
    assert errors(err)[0].startswith(f"[unwritable]: {below}: ")
    assert Path("out").read_text() == "an older result\n"
