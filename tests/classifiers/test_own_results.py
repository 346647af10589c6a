"""One result for each input, always its own: images among corrupt ones."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.classifiers.support import PLAIN
from tests.conftest import Run
from tests.run.support import DIGITS, Here, rows_of

MODEL = DIGITS / "digits.onnx"
COUNT = 40
CORRUPT = {0: "cut", 7: "noise", 8: "empty", 23: "cut", 39: "text"}


def corrupt(kind: str, good: bytes) -> bytes:
    noise = np.random.default_rng(0).bytes(300)
    return {"cut": good[: len(good) // 2], "noise": good[:8] + noise, "empty": b"", "text": b"no picture\n"}[kind]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 images, five of which can't be read."""
    path = tmp_path_factory.mktemp("images")
    for number, image in enumerate(sorted((DIGITS / "images").iterdir())[:COUNT]):
        data = image.read_bytes()
        name = path / f"{number:02}.png"
        name.write_bytes(corrupt(CORRUPT[number], data) if number in CORRUPT else data)
    return path


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> dict[int, list[str]]:
    """The lines of CSV of each good image, run by itself."""
    import contextlib
    import io

    from softmax_cli.cli.app import app

    lines = {}
    for number in sorted(set(range(COUNT)) - set(CORRUPT)):
        output = tmp_path_factory.getbasetemp() / f"alone_{number}.csv"
        with contextlib.redirect_stderr(io.StringIO()), pytest.raises(SystemExit):
            app(["run", str(MODEL), str(folder / f"{number:02}.png"), *PLAIN, "-q", "-o", str(output)])
        lines[number] = output.read_text().splitlines()[1:]
        assert len(lines[number]) == 5
    return lines


def failures_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("options", [(), ("--jobs", "1"), ("--jobs", "4", "--batch-size", "3"), ("--batch-size", "1")])
def test_each_row_is_the_image_s_own(
    softmax_here: Here, tmp_path: Path, folder: Path, alone: dict[int, list[str]], options: tuple[str, ...]
) -> None:
    report = tmp_path / "failures.jsonl"
    code, out, err = softmax_here("run", MODEL, folder, *PLAIN, "-f", "csv", "--failures", report, *options)
    assert code == 3
    assert out.splitlines()[1:] == [line for number in sorted(alone) for line in alone[number]]
    failures = failures_of(report)
    assert [failure["source"] for failure in failures] == [str(folder / f"{number:02}.png") for number in CORRUPT]
    assert {failure["slug"] for failure in failures} <= {"bad-image", "empty-input", "truncated"}
    errors = [line for line in err.splitlines() if "error[" in line]
    assert len(errors) == len(CORRUPT)
    for line, number in zip(errors, CORRUPT, strict=True):
        assert f"{number:02}.png" in line
    assert re.search(r"35 rows of 35 inputs ranked in .*; 5 errors: ", err)


def test_errors_stand_at_their_places_in_json_lines(softmax_here: Here, folder: Path) -> None:
    code, out, _ = softmax_here("run", MODEL, folder, *PLAIN, "-f", "jsonl", "--on-error", "skip", "--batch-size", "4")
    assert code == 3
    rows = rows_of(out)
    assert [row["source"] for row in rows] == [str(folder / f"{number:02}.png") for number in range(COUNT)]
    for number, row in enumerate(rows):
        assert ("error" in row) == (number in CORRUPT)
        assert ("predictions" in row) == (number not in CORRUPT)
        if number in CORRUPT:
            assert set(row["error"]) >= {"slug", "message"}


def test_the_same_rows_in_json_lines(softmax_here: Here, folder: Path) -> None:
    given = [folder / f"{number:02}.png" for number in range(COUNT) if number not in CORRUPT]
    code, clean, _ = softmax_here("run", MODEL, *given, *PLAIN, "-q", "-f", "jsonl")
    assert code == 0
    for options in ((), ("--on-error", "skip")):
        code, out, _ = softmax_here("run", MODEL, folder, *PLAIN, "-q", "-f", "jsonl", *options)
        assert code == 3
        assert [line for line in out.splitlines() if '"error"' not in line] == clean.splitlines()


def test_a_file_of_results_holds_what_is_right(
    softmax_here: Here, tmp_path: Path, folder: Path, alone: dict[int, list[str]]
) -> None:
    output = tmp_path / "out.csv"
    code, out, _ = softmax_here("run", MODEL, folder, *PLAIN, "-o", output)
    assert (code, out) == (3, "")
    assert output.read_text().splitlines()[1:] == [line for number in sorted(alone) for line in alone[number]]


def test_a_folder_of_results(softmax_here: Here, tmp_path: Path, folder: Path, alone: dict[int, list[str]]) -> None:
    results = tmp_path / "results"
    code, out, err = softmax_here("run", MODEL, folder, *PLAIN, "--output-dir", results)
    assert (code, out) == (3, "")
    assert err.count("error[") == len(CORRUPT)
    for number, lines in alone.items():
        assert (results / f"{number:02}.csv").read_text().splitlines()[1:] == lines


def test_a_failed_image_leaves_no_result(
    softmax_here: Here, tmp_path: Path, folder: Path, alone: dict[int, list[str]]
) -> None:
    results = tmp_path / "results"
    assert softmax_here("run", MODEL, folder, *PLAIN, "--output-dir", results)[0] == 3
    assert sorted(path.stem for path in results.iterdir()) == [f"{number:02}" for number in sorted(alone)]


@pytest.mark.parametrize(
    "missing",
    [
        "gone.png",
        "gone",
        "",
    ],
    ids=["missing.png", "missing", "directory"],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_list_with_what_is_no_image(
    softmax_here: Here, tmp_path: Path, folder: Path, alone: dict[int, list[str]], missing: str, place: int
) -> None:
    names = [str(folder / "01.png"), str(folder / "02.png")]
    names.insert(place, str(folder / missing))
    listed = tmp_path / "list"
    listed.write_text("\n".join(names) + "\n")
    report = tmp_path / "failures.jsonl"
    options = (*PLAIN, "-f", "csv", "--failures", report)
    code, out, err = softmax_here("run", MODEL, "--files-from", listed, *options)
    assert code == 3
    assert out.splitlines()[1:] == alone[1] + alone[2]
    (failure,) = failures_of(report)
    assert failure["source"].rstrip("/") == names[place].rstrip("/")
    assert err.count("error[") == 1


@pytest.mark.parametrize("kind", sorted(set(CORRUPT.values())))
@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_single_corrupt_image(softmax_here: Here, tmp_path: Path, kind: str, form: str) -> None:
    image, output = tmp_path / "x.png", tmp_path / f"out.{form}"
    image.write_bytes(corrupt(kind, (DIGITS / "images" / "digit_000.png").read_bytes()))
    code, out, err = softmax_here("run", MODEL, image, *PLAIN, "-o", output)
    assert (code, out) == (1, "")
    assert err.count("error[") == 1
    assert str(image) in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.png"]
    output.write_bytes(b"older")
    assert softmax_here("run", MODEL, image, *PLAIN, "-o", output)[0] == 1
    assert output.read_bytes() == b"older"


def test_nothing_but_corrupt_images(softmax_here: Here, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for number, kind in CORRUPT.items():
        good = (DIGITS / "images" / "digit_000.png").read_bytes()
        (images / f"{number:02}.png").write_bytes(corrupt(kind, good))
    output = tmp_path / "out.csv"
    code, out, err = softmax_here("run", MODEL, images, *PLAIN, "-o", output)
    assert (code, out) == (1, "")
    assert not output.exists()
    assert err.count(".png") >= len(CORRUPT)


def test_a_corrupt_image_on_stdin(softmax_quick: Run) -> None:
    data = corrupt("cut", (DIGITS / "images" / "digit_000.png").read_bytes())
    done = softmax_quick("run", MODEL, "-", *PLAIN, "-f", "csv", stdin=data)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.count(b"error[") == 1
    assert b"Traceback" not in done.stderr


def test_images_and_arrays_keep_their_order(softmax_here: Here, tmp_path: Path) -> None:
    good = sorted((DIGITS / "images").iterdir())
    shutil.copy(good[0], tmp_path / "a.png")
    np.save(tmp_path / "b.npy", np.load(DIGITS / "inputs.npy")[1:4])
    shutil.copy(good[4], tmp_path / "c.png")
    (tmp_path / "d.png").write_bytes(b"")
    shutil.copy(good[5], tmp_path / "e.png")
    code, out, _ = softmax_here("run", MODEL, tmp_path, *PLAIN, "-f", "jsonl", "-k", "1", "--on-error", "skip")
    assert code == 3
    rows = rows_of(out)
    assert [(Path(row["source"]).name, row.get("row")) for row in rows if "error" not in row] == [
        ("a.png", 0), ("b.npy", 0), ("b.npy", 1), ("b.npy", 2), ("c.png", 0), ("e.png", 0)
    ]  # fmt: skip
    assert Path(rows[5]["source"]).name == "d.png"
    stored = np.load(DIGITS / "logits.npy")[:6]
    found = [row["predictions"][0]["logit"] for row in rows if "error" not in row]
    np.testing.assert_allclose(found, stored.max(axis=1), rtol=1e-4)
