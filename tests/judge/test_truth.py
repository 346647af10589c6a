"""Targets of every kind reach the rows they belong to, and those that can't be are named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from softmax_cli.errors import InputError
from softmax_cli.judge.stream import JudgeOptions, judged
from softmax_cli.judge.truth import TargetOptions, open_targets, reading_for
from softmax_cli.sources import open_source
from softmax_cli.sources.base import ReadOptions
from softmax_cli.sources.target_files import read_target_file

NAMES = ("dog", "cat", "horse")
LOGITS = np.arange(15, dtype=np.float32).reshape(5, 3) % 7
TRUTH = np.array([0, 2, 1, 1, 0])
WORDS = [NAMES[index] for index in TRUTH]


def found(
    logits: Path, targets: str | None, options: TargetOptions | None = None, reading: ReadOptions | None = None
) -> tuple[list[int], str]:
    """The targets of all rows, as indices or as rows of weights, and their kind."""
    mine, theirs = reading_for(targets, reading or ReadOptions())
    source = open_source(str(logits), mine)
    names = source.class_names or NAMES
    options = replace(options or TargetOptions(), reading=theirs)
    opened = open_targets(targets, source, names, options)
    rows: list[int] = []
    for _, truth in judged(source, opened):
        part = truth.indices if truth.indices is not None else truth.weights
        assert part is not None
        rows += part.tolist()
    return rows, opened.kind


@pytest.fixture
def npy(tmp_path: Path) -> Path:
    np.save(tmp_path / "logits.npy", LOGITS)
    return tmp_path / "logits.npy"


def _write(folder: Path, name: str) -> Path:
    path = folder / name
    match name:
        case "indices.txt":
            path.write_text("\n".join(map(str, TRUTH)) + "\n")
        case "names.txt":
            path.write_text("\n".join(WORDS) + "\n")
        case "names.csv":
            path.write_text("target\n" + "\n".join(WORDS) + "\n")
        case "bare.csv":
            path.write_text("\n".join(map(str, TRUTH)) + "\n")
        case "table.tsv":
            path.write_text("note\ty\n" + "".join(f"x\t{index}\n" for index in TRUTH))
        case "indices.npy":
            np.save(path, TRUTH.astype(np.uint8))
        case "floats.npy":
            np.save(path, TRUTH.astype(np.float64))
        case "column.npy":
            np.save(path, TRUTH[:, None])
        case "names.npy":
            np.save(path, np.array(WORDS))
        case "one_hot.npy":
            np.save(path, np.eye(3, dtype=bool)[TRUTH])
        case "one_hot.csv":
            path.write_text("\n".join(",".join(map(str, row)) for row in np.eye(3, dtype=int)[TRUTH]) + "\n")
        case "truth.npz":
            np.savez(path, targets=TRUTH)
        case "indices.parquet":
            pl.DataFrame({"label": TRUTH}).write_parquet(path)
        case "names.parquet":
            pl.DataFrame({"label": WORDS}).write_parquet(path)
        case "names.json":
            path.write_text(json.dumps(WORDS))
    return path


@pytest.mark.parametrize(
    "name",
    (
        "indices.txt names.txt names.csv bare.csv table.tsv indices.npy floats.npy column.npy names.npy one_hot.npy "
        "one_hot.csv truth.npz indices.parquet names.parquet names.json"
    ).split(),
)
def test_every_file_of_targets_gives_the_same_indices(npy: Path, tmp_path: Path, name: str) -> None:
    assert found(npy, str(_write(tmp_path, name))) == (TRUTH.tolist(), "indices")


@pytest.mark.parametrize("targets", [None, "truth"])
@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl", "npz", "json", "object.json"])
def test_a_column_of_the_input(tmp_path: Path, kind: str, targets: str | None) -> None:
    path = tmp_path / f"logits.{kind}"
    frame = pl.DataFrame({name: LOGITS[:, place] for place, name in enumerate(NAMES)})
    frame = frame.with_columns(truth=pl.Series(WORDS))
    if kind == "csv":
        frame.write_csv(path)
    elif kind == "parquet":
        frame.write_parquet(path)
    elif kind == "json":
        rows = [{"logits": row.tolist(), "truth": word} for row, word in zip(LOGITS, WORDS, strict=True)]
        path.write_text(json.dumps(rows))
    elif kind == "object.json":
        path.write_text(json.dumps({"logits": LOGITS.tolist(), "truth": TRUTH.tolist()}))
    elif kind == "jsonl":
        lines = [{"logits": row.tolist(), "truth": word} for row, word in zip(LOGITS, WORDS, strict=True)]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    else:
        np.savez(path, logits=LOGITS, truth=np.array(WORDS))
    assert found(path, targets) == (TRUTH.tolist(), "indices")


def test_multi_hot_and_soft_rows(npy: Path, tmp_path: Path) -> None:
    many = np.array([[1, 1, 0]] * 5)
    soft = np.array([[0.25, 0.25, 0.5]] * 5)
    np.save(tmp_path / "many.npy", many)
    np.save(tmp_path / "soft.npy", soft)
    assert found(npy, str(tmp_path / "many.npy")) == (many.tolist(), "multi-hot")
    assert found(npy, str(tmp_path / "soft.npy")) == (soft.tolist(), "soft")
    one_hot = str(_write(tmp_path, "one_hot.npy"))
    assert found(npy, one_hot, TargetOptions(multi_label=True)) == (np.eye(3)[TRUTH].tolist(), "multi-hot")


def test_ids_match_rows_in_another_order(tmp_path: Path) -> None:
    logits, targets = tmp_path / "logits.csv", tmp_path / "truth.csv"
    logits.write_text("id,dog,cat,horse\n" + "".join(f"r{row},{row},0,0\n" for row in range(5)))
    order = [3, 1, 4, 0, 2]
    targets.write_text("id,target\n" + "".join(f"r{row},{WORDS[row]}\n" for row in order))
    assert found(logits, str(targets))[0] == TRUTH.tolist()
    targets.write_text("".join(f"val/r{row} {TRUTH[row]}\n" for row in order))  # by file name, no header
    (tmp_path / "t.txt").write_text(targets.read_text())
    assert found(logits, str(tmp_path / "t.txt"))[0] == TRUTH.tolist()


def test_folders_are_matched_by_name(tmp_path: Path) -> None:
    path = tmp_path / "logits.csv"
    rows = [f"val/{word}/{row}.jpg,{row},0,1\n" for row, word in enumerate(WORDS)]
    path.write_text("id,dog,cat,horse\n" + "".join(rows))
    assert found(path, "folder")[0] == TRUTH.tolist()
    path.write_text(path.read_text().replace("val/cat/", "val/cow/"))
    with pytest.raises(InputError, match="no class is called 'cow'") as error:
        found(path, "folder")
    assert error.value.slug == "unknown-target"


def test_pictures_of_indices(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(2, 3, 4, 5)).astype(np.float32)
    truth = rng.integers(0, 3, (2, 4, 5))
    truth[0, 0, :2] = 255
    np.save(tmp_path / "logits.npy", logits)
    np.save(tmp_path / "truth.npy", truth.astype(np.uint8))
    reading = ReadOptions(axis=1)
    options = TargetOptions(ignore_index=255, axis=1)
    rows, kind = found(tmp_path / "logits.npy", str(tmp_path / "truth.npy"), options, reading)
    assert (rows, kind) == (truth[truth != 255].tolist(), "indices")
    weights = np.moveaxis(np.eye(3)[np.where(truth == 255, 0, truth)], -1, 1)
    np.save(tmp_path / "truth.npy", weights)
    rows, kind = found(tmp_path / "logits.npy", str(tmp_path / "truth.npy"), options, reading)
    assert rows == np.where(truth == 255, 0, truth).reshape(-1).tolist()


@pytest.mark.parametrize(
    ("text", "slug", "says", "hint"),
    [
        ("0\n2\n1\n1\n", "target-count", "4 targets, but the logits have 5 rows", "differ by one"),
        ("0\n" * 6, "target-count", "6 targets, but the logits have 5 rows", "differ by one"),
        ("1\n2\n3\n1\n1\n", "target-range", "target 3 is out of range, expected 0 to 2", "count from 1"),
        ("0\n-1\n1\n1\n1\n", "target-range", "target -1 is out of range", "--ignore-index -1"),
        ("0\n1.5\n1\n1\n1\n", "unknown-target", "no class is called '1.5'", "the classes are"),
        ("dog\ncat\nhrose\ncat\ndog\n", "unknown-target", "no class is called 'hrose'", "did you mean 'horse'?"),
        ("dog\n\ncat\ncat\ndog\n", "unknown-target", "the target is empty", None),
        ("\n", "empty-input", "nothing in it", None),
    ],
)
def test_targets_that_cannot_be(npy: Path, tmp_path: Path, text: str, slug: str, says: str, hint: str | None) -> None:
    (tmp_path / "t.txt").write_text(text)
    with pytest.raises(InputError) as error:
        found(npy, str(tmp_path / "t.txt"))
    assert error.value.slug == slug
    assert says in error.value.message
    assert hint is None or hint in str(error.value.hint)


def test_ids_that_do_not_fit(tmp_path: Path) -> None:
    logits, targets = tmp_path / "logits.csv", tmp_path / "truth.csv"
    logits.write_text("id,dog,cat\na,1,2\nb,3,4\n")
    for text, says in (
        ("id,target\nx,0\ny,1\n", "no id of the targets is one of the logits"),
        ("id,target\na,0\n", "no target in"),
        ("id,target\na,0\nb,1\nc,1\n", "1 of 3 targets belong to no row"),
        ("id,target\na,0\na,1\n", "stands twice"),
    ):
        targets.write_text(text)
        with pytest.raises(InputError, match=says) as error:
            found(logits, str(targets))
        assert error.value.slug == "target-match"


def test_bad_rows_are_dropped_with_their_targets(tmp_path: Path) -> None:
    logits = LOGITS.copy()
    logits[1, 1] = np.nan
    np.save(tmp_path / "logits.npy", logits)
    path = _write(tmp_path, "indices.txt")
    source = open_source(str(tmp_path / "logits.npy"))
    errors: list[InputError] = []
    targets = open_targets(str(path), source, NAMES, TargetOptions(ignore_index=0))
    stream = judged(source, targets, JudgeOptions(on_fault=errors.append))
    for _ in range(2):  # a source may be read again
        batches = list(stream)
        assert [row for batch, _ in batches for row in batch.rows] == [2, 3]
        assert np.concatenate([truth.indices for _, truth in batches]).tolist() == [1, 1]  # type: ignore[misc]
        assert (stream.rows, stream.ignored, stream.dropped) == (2, 2, 1)
    assert [(error.slug, error.at and error.at.row) for error in errors] == [("nan-logit", 1)] * 2
    with pytest.raises(InputError, match="is NaN"):
        list(judged(source, targets))


def test_without_targets_it_says_how_to_give_them(npy: Path) -> None:
    with pytest.raises(InputError, match="no targets") as error:
        found(npy, None)
    assert error.value.slug == "no-targets"
    assert "--targets FILE" in str(error.value.hint)
    with pytest.raises(InputError, match="no such file"):
        found(npy, "missing.csv")
    with pytest.raises(InputError, match="--targets what: there is no such file, and no such column"):
        found(npy, "what")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.array([2**63] * 5, np.uint64), "target 9223372036854775808 is out of range"),
        (np.array([0, np.inf, 1, 1, 1]), "the target is inf"),
        (np.array([0, np.nan, 1, 1, 1]), "the target is nan"),
        (np.array([0, 0.5, 1, 1, 1]), "the target is 0.5"),
        (np.array([-1, 0, 1, 1, 1], np.int8), "target -1 is out of range"),
    ],
)
def test_numbers_that_are_no_indices(npy: Path, tmp_path: Path, values: np.ndarray, says: str) -> None:
    np.save(tmp_path / "t.npy", values)
    with pytest.raises(InputError) as error:
        found(npy, str(tmp_path / "t.npy"))
    assert error.value.slug == "target-range"
    assert says in error.value.message


@pytest.mark.parametrize("shape", [(0,), (0, 3)])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_no_texts(npy: Path, tmp_path: Path, suffix: str, shape: tuple[int, ...]) -> None:
    path, values = tmp_path / f"t{suffix}", np.empty(shape, "U5")
    with path.open("wb") as file:
        np.save(file, values) if suffix == ".npy" else np.savez(file, target=values)
    with pytest.raises(InputError) as caught:
        found(npy, str(path))
    assert caught.value.slug == "target-count"


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_texts_of_what_is_no_character(npy: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"t{suffix}"
    values = np.array(["dog", "cat\ud800", "cat", "cat", "dog"])
    with path.open("wb") as file:
        np.save(file, values) if suffix == ".npy" else np.savez(file, target=values)
    with pytest.raises(InputError, match=r"a text.* holds U\+D800") as caught:
        found(npy, str(path))
    assert caught.value.slug == "bad-encoding"
    assert caught.value.at is not None
    assert caught.value.at.row == 1


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_long_tables_are_read_as_short_ones(tmp_path: Path, ending: str) -> None:
    rows = 6000
    names = [f"photos/{row}.jpg" for row in range(rows)]
    text = "id,y" + ending + "".join(f"{name}, {row % 3}{ending}" for row, name in enumerate(names))
    (tmp_path / "t.csv").write_text(text, newline="")
    long = read_target_file(str(tmp_path / "t.csv"), ReadOptions())
    (tmp_path / "t.csv").write_text(text.replace("photos/9.jpg", '"photos/9.jpg"'), newline="")
    assert read_target_file(str(tmp_path / "t.csv"), ReadOptions()) == long
    assert long.ids == names
    assert long.values == [str(row % 3) for row in range(rows)]
    assert str(long.at(0)).endswith("t.csv:2")
    for wrong, says in (("one", "1 values, expected 2"), ("a,1,", "3 values, expected 2")):
        (tmp_path / "t.csv").write_text(text + wrong + ending, newline="")
        with pytest.raises(InputError, match=says) as error:
            read_target_file(str(tmp_path / "t.csv"), ReadOptions())
        assert error.value.at is not None
        assert error.value.at.line == rows + 2
