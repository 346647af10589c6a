"""Several inputs: directories, files and stdin, into one output or each into its own."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.conftest import SAMPLES, Run

Here = Callable[..., tuple[int, str, str]]

ROW = "1,2,3\n"
BAD = "1,2,3\n4,5\n"


def sources(out: str) -> list[str]:
    """The input of each row of a CSV of results."""
    return [row["source"] for row in csv.DictReader(io.StringIO(out))]


def errors(err: str) -> list[str]:
    """The slug and place of each error."""
    return [line.removeprefix("softmax: error") for line in err.splitlines() if line.startswith("softmax: error[")]


def notes(err: str) -> list[str]:
    return [line.removeprefix("softmax: note: ") for line in err.splitlines() if line.startswith("softmax: note: ")]


def files_of(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory `in` with inputs, hidden ones and others, which is the working directory's only entry."""
    folder = tmp_path / "in"
    for name in ("b.csv", "a.csv", "sub/z.csv", "sub/deep/y.csv", "Upper.CSV", "sub.csv", "10.csv", "9.csv"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(ROW)
    for name in (".hidden.csv", ".git/x.csv", "sub/.cache/x.csv", "notes.txt", "readme.md", "model.onnx"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(ROW)
    monkeypatch.chdir(tmp_path)
    return folder


WALKED = [
    "in/10.csv", "in/9.csv", "in/Upper.CSV", "in/a.csv", "in/b.csv", "in/sub.csv", "in/sub/z.csv", "in/sub/deep/y.csv",
]  # fmt: skip


# Which files, in which order


def test_a_directory_is_walked_in_order(softmax_here: Here, tree: Path) -> None:
    code, out, err = softmax_here("in", "-f", "csv", "-k", "1")
    assert code == 0
    assert sources(out) == WALKED
    assert notes(err) == ["3 files of other kinds left alone (--glob PATTERN takes them)"]


def test_a_directory_named_with_a_slash(softmax_here: Here, tree: Path) -> None:
    assert sources(softmax_here("in/", "-f", "csv", "-k", "1")[1]) == WALKED


def test_the_working_directory(softmax_here: Here, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)
    code, out, _ = softmax_here(".", "-f", "csv", "-k", "1")
    assert code == 0
    assert sources(out) == [name.removeprefix("in/") for name in WALKED]


def test_quiet_walks_silently(softmax_here: Here, tree: Path) -> None:
    code, _, err = softmax_here("in", "-q", "-f", "csv")
    assert (code, err) == (0, "")


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
    assert err == ""  # the others were left out on request


def test_glob_leaves_files_alone_that_are_named(softmax_here: Here, tree: Path) -> None:
    code, out, _ = softmax_here("in/b.csv", "in/sub", "--glob", "y*", "-f", "csv", "-k", "1")
    assert code == 0
    assert sources(out) == ["in/b.csv", "in/sub/deep/y.csv"]


def test_hidden_files_may_be_named(softmax_here: Here, tree: Path) -> None:
    code, out, err = softmax_here("in/.hidden.csv", "in/notes.txt", "in/.git", "-f", "csv", "-k", "1")
    assert (code, err) == (0, "")
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
    assert (code, err) == (0, "")
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


# Bad ones among good ones


@pytest.fixture
def mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three good inputs and two bad ones, of which one fails late."""
    (tmp_path / "in").mkdir()
    for name, text in {
        "a.csv": ROW * 2, "b.csv": BAD, "c.csv": ROW, "d.npy": "no array", "e.csv": ROW,
    }.items():  # fmt: skip
        (tmp_path / "in" / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


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
    assert notes(err)[-1].endswith("of 3 inputs ranked; 2 errors")


@pytest.mark.parametrize("suffix", ["csv", "json", "jsonl", "parquet", "arrow", "npz", "txt", "md"])
def test_the_rest_is_valid_and_complete(softmax_here: Here, mixed: Path, suffix: str) -> None:
    code, out, _ = softmax_here("in", "-o", f"out.{suffix}", "-k", "1")
    assert (code, out) == (3, "")
    good = [name for name in read_sources(Path(f"out.{suffix}")) if name != "in/b.csv"]
    assert good == ["in/a.csv", "in/a.csv", "in/c.csv", "in/e.csv"]
    assert files_of(mixed) == ["in/a.csv", "in/b.csv", "in/c.csv", "in/d.npy", "in/e.csv", f"out.{suffix}"]


def read_sources(path: Path) -> list[str]:
    match path.suffix:
        case ".csv":
            return sources(path.read_text())
        case ".json":
            return [row["source"] for row in json.loads(path.read_text())]
        case ".jsonl":
            return [json.loads(line)["source"] for line in path.read_text().splitlines()]
        case ".parquet":
            return pl.read_parquet(path)["source"].to_list()
        case ".arrow":
            return pl.read_ipc(path)["source"].to_list()
        case ".npz":
            with np.load(path) as arrays:
                return arrays["source"].tolist()
        case ".md":
            return [line.split(" | ")[0].removeprefix("| ") for line in path.read_text().splitlines()[2:]]
    names: list[str] = []
    for line in path.read_text().splitlines():  # a heading, then a line a row
        if line.startswith("in/"):
            name = line
        elif line[:3].strip().isdigit():
            names.append(name)
    return names


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


# Bad rows left out


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
    assert notes(err) == ["4 rows of 3 inputs ranked; 4 errors"]


def test_every_row_of_an_array_is_a_result_or_an_error(softmax_here: Here, tmp_path: Path) -> None:
    logits = np.random.default_rng(11).normal(size=(5_000, 300))
    bad = np.arange(0, 5_000, 7)
    logits[bad, bad % 300] = np.nan
    np.save(tmp_path / "x.npy", logits)
    arguments = [tmp_path / "x.npy", "--on-error", "skip", "-k", "1", "-f", "csv", "--errors", "json"]
    code, out, err = softmax_here(*arguments)
    assert code == 3
    failed = {record["row"]: record["column"] for record in map(json.loads, err.splitlines())}
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


# Each into its own


@pytest.mark.parametrize("name", ["csv", "jsonl", "parquet", "table", "npz", "markdown"])
def test_results_mirror_the_tree(softmax_here: Here, tree: Path, name: str) -> None:
    code, out, _ = softmax_here("in", "--output-dir", "results/here", "-f", name)
    assert (code, out) == (0, "")
    suffix = {"table": "txt", "markdown": "md"}.get(name, name)
    expected = [str(Path(path).relative_to("in").with_suffix(f".{suffix}")) for path in WALKED]
    assert files_of(Path("results/here")) == sorted(expected)


def test_results_of_files_and_stdin(softmax_process: Run, tree: Path) -> None:
    arguments = ["in/sub/z.csv", "-", "in/sub/deep", "--output-dir", "out", "-f", "jsonl"]
    done = softmax_process(*arguments, stdin=ROW.encode(), cwd=tree.parent)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert files_of(tree.parent / "out") == ["stdin.jsonl", "y.jsonl", "z.jsonl"]
    assert json.loads((tree.parent / "out" / "stdin.jsonl").read_text())["source"] == "-"


def test_results_of_compressed_inputs(softmax_here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("scores.v2.csv.gz").write_bytes(gzip.compress(ROW.encode()))
    assert softmax_here("scores.v2.csv.gz", "--output-dir", "out")[0] == 0
    assert files_of(tmp_path / "out") == ["scores.v2.csv"]


COLLISIONS: Mapping[str, tuple[list[str], list[str]]] = {
    "two formats of one name": (["in"], ["in/a.csv", "in/a.npy"]),
    "the same name in two places": (["in/sub/a.csv", "in/a.csv"], ["in/sub/a.csv", "in/a.csv"]),
    "two directories": (["in/sub", "other"], ["in/sub/a.csv", "other/a.csv"]),
    "the same file twice": (["in/a.csv", "in/a.csv"], ["in/a.csv", "in/a.csv"]),
}


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


# Different kinds in one output


def write_kinds(folder: Path) -> None:
    """Inputs of 3 classes in float32 and float64, of 2 classes, and with ids."""
    rng = np.random.default_rng(2)
    np.save(folder / "f4.npy", rng.normal(size=(4, 3)).astype(np.float32))
    np.save(folder / "f8.npy", rng.normal(size=(4, 3)))
    np.save(folder / "two.npy", rng.normal(size=(4, 2)))
    (folder / "ids.csv").write_text("id,a,b,c\nx,1,2,3\ny,3,2,1\n")


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


def flat(path: Path) -> list[tuple[Any, ...]]:
    """A line for each prediction, whatever the format."""
    match path.suffix:
        case ".jsonl":
            rows = [json.loads(line) for line in path.read_text().splitlines()]
        case ".json":
            rows = json.loads(path.read_text())
        case ".parquet":
            rows = pl.read_parquet(path).to_dicts()
        case ".arrow":
            rows = pl.read_ipc(path).to_dicts()
        case _:
            rows = pl.read_csv(path, separator="\t" if path.suffix == ".tsv" else ",").to_dicts()
    lines = [{**row, **item} for row in rows for item in row.pop("predictions", [{}])]
    return [
        (row["source"], row["row"], row.get("id"), row["rank"], row["index"], row["logit"], row["probability"])
        for row in lines
    ]


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


WIDE = ["--layout", "wide", "-k", "3"]


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


def lengths(path: Path) -> dict[str, int]:
    with np.load(path) as arrays:
        return {name: len(values) for name, values in arrays.items() if name != "labels"}


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


def re_rows(out: str) -> list[str]:
    return [line for line in out.splitlines() if line[:3].strip().isdigit()]


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


# Nothing there


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
