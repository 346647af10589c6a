"""What a run keeps: raw outputs that rank as the run did, and what the model was fed."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from onnx import helper, numpy_helper

from tests.conftest import SAMPLES
from tests.run.support import DIGITS, PIXELS, ROWS, Here, Make, node, passing, refused, save, shares, tensor

FOLDER = SAMPLES / "digits_model"
IMAGES = DIGITS / "images"
FORMATS = ["csv", "jsonl", "json", "tsv"]


def same(softmax_here: Here, kept: Path, *arguments: Any, name: str, options: tuple[str, ...] = ()) -> None:
    """Run a model, then rank what it kept: the same bytes."""
    code, out, err = softmax_here("run", *arguments, *options, "--save-logits", kept, "-f", name)
    assert code == 0, err
    code, again, err = softmax_here(kept, *options, "-f", name)
    assert code == 0, err
    assert again == out
    assert out


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_images(softmax_here: Here, tmp_path: Path, suffix: str, name: str) -> None:
    same(softmax_here, tmp_path / f"kept{suffix}", FOLDER, IMAGES, name=name, options=("-k", "3"))


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_one_image_as_a_table(softmax_here: Here, tmp_path: Path, suffix: str) -> None:
    same(softmax_here, tmp_path / f"kept{suffix}", FOLDER, IMAGES / "digit_007.png", name="table")


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_several_inputs_with_ids(softmax_here: Here, tmp_path: Path, pixels: Path, suffix: str) -> None:
    inputs = [pixels / "ids.csv", pixels / "ids.csv"]
    same(softmax_here, tmp_path / f"kept{suffix}", FOLDER, *inputs, name="jsonl")


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_probabilities_stay_what_they_are(softmax_here: Here, make: Make, tmp_path: Path, suffix: str) -> None:
    model, path = passing(make, [None, 3]), save(tmp_path / "x.npy", shares(40))
    same(softmax_here, tmp_path / f"kept{suffix}", model, path, name="csv")


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_positions(softmax_here: Here, make: Make, tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / "x.npy", np.random.default_rng(1).normal(size=(5, 3, 2, 4)).astype(np.float32))
    kept = tmp_path / f"kept{suffix}"
    code, out, err = softmax_here(
        "run", passing(make, [None, 3, 2, 4]), path, "--axis", "1", "--save-logits", kept, "-f", "jsonl"
    )
    assert code == 0, err
    assert softmax_here(kept, "-f", "jsonl")[1] == out
    assert json.loads(out.splitlines()[9])["position"] == [1, 0, 1]


def test_the_users_word_wins(softmax_here: Here, make: Make, tmp_path: Path) -> None:
    model, path, kept = passing(make, [None, 3]), save(tmp_path / "x.npy", shares(4)), tmp_path / "kept.npz"
    softmax_here("run", model, path, "--save-logits", kept)
    code, out, _ = softmax_here(kept, "--activation", "softmax", "-f", "jsonl", "-k", "1")
    assert code == 0
    assert all(json.loads(line)["predictions"][0]["probability"] < 0.6 for line in out.splitlines())


def test_the_array_alone(softmax_here: Here, tmp_path: Path) -> None:
    kept = tmp_path / "kept.npy"
    assert softmax_here("run", FOLDER, IMAGES, "--save-logits", kept)[0] == 0
    assert np.array_equal(np.load(kept), np.load(DIGITS / "logits.npy"))


def test_columns_of_other_readers(softmax_here: Here, tmp_path: Path) -> None:
    kept = tmp_path / "kept.parquet"
    assert softmax_here("run", FOLDER, IMAGES, "--save-logits", kept)[0] == 0
    frame = pl.read_parquet(kept)
    assert frame.columns == ["source", "row", "logits"]
    assert frame["source"].to_list() == [str(path) for path in sorted(IMAGES.iterdir())]
    assert np.array_equal(frame["logits"].to_numpy(), np.load(DIGITS / "logits.npy"))


def test_a_failed_input_has_no_row(softmax_here: Here, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes((IMAGES / "digit_000.png").read_bytes())
    (tmp_path / "b.png").write_bytes(b"no image")
    kept = tmp_path / "kept.npz"
    code, out, _ = softmax_here("run", FOLDER, tmp_path, "--save-logits", kept, "-f", "csv")
    assert code == 3
    assert softmax_here(kept, "-f", "csv")[1] == out
    assert len(np.load(kept)["logits"]) == 1


def test_a_last_input_that_fails(softmax_here: Here, tmp_path: Path) -> None:
    pictures = [DIGITS / "images" / f"digit_00{number}.png" for number in range(2)]
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"bad")
    code, _, err = softmax_here("run", SAMPLES / "digits_model", *pictures, bad, "--save-logits", tmp_path / "kept.npz")
    assert (code, "error[bad-image]" in err) == (3, True), err
    assert np.load(tmp_path / "kept.npz")["logits"].shape == (2, 10)


def test_a_failed_run_keeps_nothing(softmax_here: Here, make: Make, tmp_path: Path) -> None:
    values = shares(200)
    values[150] = [1, 2, 3]
    kept, seen = tmp_path / "kept.npz", tmp_path / "seen.npy"
    arguments = ["run", passing(make, [None, 3]), save(tmp_path / "x.npy", values)]
    code, _, err = softmax_here(*arguments, "--save-logits", kept, "--save-input", seen)
    assert code == 1
    assert "activation-contradiction" in err
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx", "x.npy"}


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("row", np.zeros(3, np.int64)),
        ("row", np.zeros((120, 1), np.int64)),
        ("source", np.zeros(120)),
        ("activation", np.array("melt")),
        ("activation", np.array(3)),
        ("labels", np.zeros(10)),
    ],
)
def test_damaged_notes(softmax_here: Here, tmp_path: Path, member: str, value: Any) -> None:
    kept = tmp_path / "kept.npz"
    softmax_here("run", FOLDER, IMAGES, "--save-logits", kept)
    arrays = dict(np.load(kept))
    np.savez(kept, **{**arrays, member: value})
    code, out, err = softmax_here(kept, "-f", "csv")
    assert (code, out) == (1, "")
    assert "error[bad-" in err


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("code", [0xD800, 0xDFFF, 0x110000, 0xFFFFFFFF])
@pytest.mark.parametrize(("member", "place"), [("source", 7), ("labels", 3), ("activation", 0)])
def test_texts_of_what_is_no_character(
    softmax_here: Here, tmp_path: Path, member: str, place: int, code: int, order: str
) -> None:
    kept = tmp_path / "kept.npz"
    softmax_here("run", FOLDER, IMAGES, "--save-logits", kept)
    arrays = dict(np.load(kept))
    texts = np.array(arrays[member].astype(f"{order}U80"))
    texts.reshape(-1).view(f"{order}u4")[80 * place + 1] = code
    np.savez(kept, **{**arrays, member: texts})
    code_of_exit, out, err = softmax_here(kept, "-f", "csv")
    assert (code_of_exit, out) == (1, "")
    where = f"{kept}: row {place}" if texts.ndim else str(kept)
    assert f"error[bad-encoding]: {where}: a text of {member!r} holds U+{code:04X}, which isn't a character" in err


def test_no_rows(softmax_here: Here, tmp_path: Path) -> None:
    kept = tmp_path / "kept.npz"
    softmax_here("run", FOLDER, IMAGES, "--save-logits", kept)
    arrays = {name: array[:0] if array.ndim and name != "labels" else array for name, array in np.load(kept).items()}
    assert arrays["source"].shape == (0,)
    np.savez(kept, **arrays)
    code, out, _ = softmax_here(kept, "-f", "csv")
    assert (code, out) == (0, "source,row,rank,index,label,logit,probability\n")


def kept_grid(softmax_here: Here, make: Make, tmp_path: Path, suffix: str) -> tuple[Path, str]:
    """Kept logits of nine rows over two axes, and their result."""
    path = save(tmp_path / "x.npy", np.random.default_rng(1).normal(size=(3, 3, 3)).astype(np.float32))
    kept = tmp_path / f"kept{suffix}"
    softmax_here("run", passing(make, [None, 3, 3]), path, "--axis", "1", "--save-logits", kept)
    return kept, softmax_here(kept, "-f", "jsonl")[1]


@pytest.mark.parametrize("kind", ["i1", "i4", ">i8"])
def test_numbers_of_another_type(softmax_here: Here, make: Make, tmp_path: Path, kind: str) -> None:
    kept, out = kept_grid(softmax_here, make, tmp_path, ".npz")
    arrays = dict(np.load(kept))
    np.savez(kept, **{name: array.astype(kind) if array.dtype.kind == "i" else array for name, array in arrays.items()})
    assert softmax_here(kept, "-f", "jsonl")[:2] == (0, out)


@pytest.mark.parametrize(
    ("name", "dtype", "is_right"),
    [
        ("row", pl.Int8, True),
        ("row", pl.UInt64, True),
        ("row", pl.String, False),
        ("row", pl.Float64, False),
        ("position", pl.Array(pl.Int16, 2), True),
        ("position", pl.List(pl.Int64), False),
        ("position", pl.Array(pl.Float32, 2), False),
        ("source", pl.Categorical, False),
    ],
)
def test_columns_of_another_type(
    softmax_here: Here, make: Make, tmp_path: Path, name: str, dtype: Any, is_right: bool
) -> None:
    kept, out = kept_grid(softmax_here, make, tmp_path, ".parquet")
    metadata = {"softmax": pl.read_parquet_metadata(kept)["softmax"]}
    pl.read_parquet(kept).with_columns(pl.col(name).cast(dtype)).write_parquet(kept, metadata=metadata)
    code, again, err = softmax_here(kept, "-f", "jsonl")
    assert (code, again) == (0, out) if is_right else (1, "")
    assert is_right or f"error[bad-shape]: {kept}: {name!r} beside the logits is" in err


def test_a_row_beyond_int64(softmax_here: Here, make: Make, tmp_path: Path) -> None:
    kept, _ = kept_grid(softmax_here, make, tmp_path, ".parquet")
    metadata = {"softmax": pl.read_parquet_metadata(kept)["softmax"]}
    rows = pl.lit(2**63, dtype=pl.UInt64).alias("row")
    pl.read_parquet(kept).with_columns(rows).write_parquet(kept, metadata=metadata)
    code, out, err = softmax_here(kept, "-f", "jsonl")
    assert (code, out) == (1, "")
    assert "'row' beside the logits is uint64 beyond" in err


def test_what_the_model_saw(softmax_here: Here, tmp_path: Path) -> None:
    seen = tmp_path / "seen.npy"
    assert softmax_here("run", FOLDER, IMAGES, "--save-input", seen, "--batch-size", "7")[0] == 0
    assert np.array_equal(np.load(seen), np.load(PIXELS))


def test_a_fixed_batch_is_seen_without_its_padding(softmax_here: Here, make: Make, tmp_path: Path) -> None:
    path = save(tmp_path / "x.npy", np.repeat(ROWS, 4, axis=0)[:7])
    model = make([node("Neg")], tensor("x", "float", [3, 3]), [tensor("y", "float", [3, 3])])
    seen = tmp_path / "seen.npz"
    assert softmax_here("run", model, path, "--save-input", seen)[0] == 0
    assert zipfile.ZipFile(seen).namelist() == ["x.npy"]
    assert np.array_equal(np.load(seen)["x"], np.load(path))


@pytest.mark.parametrize("option", ["--save-logits", "--save-input"])
def test_another_suffix(softmax_here: Here, tmp_path: Path, option: str) -> None:
    refused(softmax_here, "usage", FOLDER, IMAGES, option, tmp_path / "x.txt", code=2)


def test_an_input_for_each_column(softmax_here: Here, make: Make, tmp_path: Path) -> None:
    """Columns in another order, with more than are needed; what was seen needs an archive."""
    ports = [tensor("a", "float", [None, 1]), tensor("b", "int64", [None, 1])]
    weights = numpy_helper.from_array(np.array([[1.0, -1.0, 0.5]], np.float32), "w")
    nodes = [
        helper.make_node("Cast", ["b"], ["f"], to=1),
        helper.make_node("Add", ["a", "f"], ["s"]),
        helper.make_node("MatMul", ["s", "w"], ["y"]),
    ]
    model = make(nodes, ports, [tensor("y", "float", [None, 3])], constants=[weights])
    (tmp_path / "x.csv").write_text("id,b,other,a\nfirst,1,x,0.5\nsecond,2,y,-4\n")
    seen = tmp_path / "seen.npz"
    code, out, err = softmax_here("run", model, tmp_path / "x.csv", "-f", "jsonl", "--save-input", seen)
    assert code == 0, err
    rows = [json.loads(line) for line in out.splitlines()]
    assert [(row["id"], row["predictions"][0]["index"]) for row in rows] == [("first", 0), ("second", 1)]
    assert {name: values.ravel().tolist() for name, values in np.load(seen).items()} == {"a": [0.5, -4], "b": [1, 2]}
    refused(softmax_here, "usage", model, tmp_path / "x.csv", "--save-input", tmp_path / "x.npy", code=2)


@pytest.mark.parametrize(
    "options",
    [
        ("-o", "z.npz", "--save-logits", "z.npz"),
        ("--save-input", "z.npz", "--save-logits", "./z.npz"),
        ("-o", "z.csv", "--failures", "z.csv"),
        ("--save-logits", "x.npz"),
        ("--save-input", "model.onnx.npz"),
        ("-o", "x.npz"),
    ],
)
def test_no_output_takes_the_place_of_another_or_an_input(
    softmax_here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("x.npz", images=np.load(PIXELS))
    Path("model.onnx.npz").write_bytes((FOLDER / "model.onnx").read_bytes())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    code, out, err = softmax_here("run", "model.onnx.npz", "x.npz", *options)
    assert (code, out) == (2, "")
    assert "error[usage]" in err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_empty_list(softmax_here: Here, tmp_path: Path) -> None:
    (tmp_path / "list").write_text("\n")
    code, out, err = softmax_here("run", FOLDER, "--files-from", tmp_path / "list", "-f", "csv")
    assert (code, out) == (1, "")
    assert "error[no-inputs]" in err


def test_values_alone_are_noted(softmax_here: Here, make: Make, tmp_path: Path) -> None:
    path, kept = save(tmp_path / "x.npy", shares(4)), tmp_path / "kept.npy"
    assert "--activation none" in softmax_here("run", passing(make, [None, 3]), path, "--save-logits", kept)[2]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_among_images_is_not_waited_for(softmax_here: Here, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((IMAGES / "digit_000.png").read_bytes())
    code, out, err = softmax_here("run", FOLDER, tmp_path / "a.png", tmp_path / "b.png", "-f", "csv", "-k", "1")
    assert code == 3
    assert len(out.splitlines()) == 2
    assert "a pipe, expected an image file" in err
    assert softmax_here("run", FOLDER, tmp_path, "-f", "csv", "-k", "1")[0] == 0
