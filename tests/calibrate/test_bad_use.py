"""What `calibrate` and the users of its files refuse: options, data, and files of another kind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.calibrate.made import drawn, fitted, written
from tests.conftest import Run

BAD: dict[str, tuple[list[str], str, int]] = {
    "a share of 1": (["--conformal", "1"], "usage", 2),
    "a method of sets": (["--method", "aps"], "usage", 2),
    "a method of calibrations": (["--conformal", "0.9", "--method", "vector"], "usage", 2),
    "a temperature to begin with": (["-t", "2"], "usage", 2),
    "never empty without sets": (["--never-empty"], "usage", 2),
    "a holdout of everything": (["--holdout", "1"], "usage", 2),
    "targets of a share": (["--holdout", "0.5", "--holdout-targets", "x"], "usage", 2),
    "a format of rows": (["-f", "csv"], "usage", 2),
    "a holdout that isn't there": (["--holdout", "missing.npy"], "not-found", 1),
    "a holdout of other classes": (
        ["--holdout", "three.npy", "--holdout-targets", "three_targets.txt"],
        "calibration-mismatch",
        1,
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_options(in_process: Run, folder: Path, name: str) -> None:
    arguments, slug, code = BAD[name]
    if not (folder / "three.npy").exists():
        written(folder, *drawn(9, 3), name="three")
    done = in_process(
        "calibrate", "logits.npy", "--targets", "logits_targets.txt", "-o", "bad.json", *arguments, cwd=folder
    )
    assert (done.returncode, f"error[{slug}]" in done.stderr.decode()) == (code, True), done.stderr.decode()
    assert not (folder / "bad.json").exists()


DATA: dict[str, tuple[str, str, list[str], str, int]] = {
    "too few targets": ("1,2\n2,1\n", "0\n", [], "target-count", 1),
    "a target out of range": ("1,2\n2,1\n", "0\n2\n", [], "target-range", 1),
    "one class": ("1\n2\n", "0\n0\n", [], "calibration-data", 1),
    "no rows": ("a,b\n1,2\n", "-1\n", ["--ignore-index", "-1"], "calibration-data", 1),
    "NaN": ("1,2\nnan,1\n3,1\n", "0\n1\n0\n", [], "nan-logit", 1),
    "NaN skipped": ("1,2\nnan,1\n3,1\n", "0\n1\n0\n", ["--on-error", "skip"], "nan-logit", 3),
    "the truth masked": ("1,2\n-inf,1\n3,1\n", "0\n0\n0\n", [], "calibration-data", 1),
    "the truth masked, skipped": ("1,2\n-inf,1\n3,1\n", "0\n0\n0\n", ["--on-error", "skip"], "calibration-data", 3),
    "not probabilities": ("1,2\n3,1\n", "0\n0\n", ["--from", "probabilities"], "not-probabilities", 1),
    "an impossible truth": ("1,0\n0.5,0.5\n", "1\n0\n", ["--from", "probabilities"], "calibration-data", 1),
}


@pytest.mark.parametrize("name", DATA)
def test_bad_data(in_process: Run, tmp_path: Path, name: str) -> None:
    logits, targets, arguments, slug, code = DATA[name]
    (tmp_path / "x.csv").write_text(logits)
    (tmp_path / "y.txt").write_text(targets)
    done = in_process("calibrate", "x.csv", "--targets", "y.txt", "-o", "T.json", *arguments, cwd=tmp_path)
    assert (done.returncode, f"error[{slug}]" in done.stderr.decode()) == (code, True), done.stderr.decode()
    assert (tmp_path / "T.json").exists() == (code == 3)


@pytest.mark.parametrize(
    ("logits", "targets", "outcome", "note"),
    [
        ("2,1\n1,2\n", "0\n1\n", "separable", "every row is right"),
        ("2,2\n1,1\n", "0\n1\n", "constant", "T changes nothing"),
        ("2,1\n1,2\n", "1\n0\n", "upper bound", "upper bound"),
        ("2,1\n", "0\n", "separable", "too few to hold any out"),
    ],
)
def test_data_without_a_best_temperature(
    in_process: Run, tmp_path: Path, logits: str, targets: str, outcome: str, note: str
) -> None:
    (tmp_path / "x.csv").write_text(logits)
    (tmp_path / "y.txt").write_text(targets)
    done = in_process("calibrate", "x.csv", "--targets", "y.txt", "-o", "T.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    value = json.loads((tmp_path / "T.json").read_bytes())
    assert value["figures"]["outcome"] == outcome
    assert value["parameters"]["temperature"] > 0
    assert note in (done.stdout + done.stderr).decode()
    again = in_process("x.csv", "-t", "T.json", cwd=tmp_path)
    assert again.returncode == 0, again.stderr.decode()


def test_rows_of_nan_are_left_out_and_said_to_be(in_process: Run, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("1,2\nnan,1\n3,1\n0,1\n")
    (tmp_path / "y.txt").write_text("0\n1\n0\n1\n")
    done = in_process("calibrate", "x.csv", "--targets", "y.txt", "--nan", "propagate", "-f", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout)["rows"] == 3
    assert b"1 row without a softmax left out" in done.stderr


RANKING: dict[str, tuple[list[str], str, int]] = {
    "sets for a temperature": (["-t", "C.json"], "bad-calibration", 1),
    "a temperature for sets": (["--sets", "T.json"], "bad-calibration", 1),
    "no such sets": (["--sets", "missing.json"], "not-found", 1),
    "no such temperature": (["-t", "missing.json"], "usage", 2),
    "both": (["--sets", "C.json", "-t", "2"], "usage", 2),
    "labels as sets": (["--sets", "logits_targets.txt"], "bad-json", 1),
    "a sigmoid": (["-t", "T.json", "--activation", "sigmoid"], "calibration-mismatch", 1),
    "a bound above 1": (["--abstain-below", "1.5"], "usage", 2),
    "a negative margin": (["--min-margin", "-0.1"], "usage", 2),
}


@pytest.mark.parametrize("name", RANKING)
def test_bad_use_of_the_files(in_process: Run, folder: Path, name: str) -> None:
    for path, extra in (("T.json", []), ("C.json", ["--conformal", "0.9"])):
        if not (folder / path).exists():
            fitted(in_process, folder, *extra, name=path)
    arguments, slug, code = RANKING[name]
    done = in_process("fresh.npy", *arguments, cwd=folder)
    assert (done.returncode, f"error[{slug}]" in done.stderr.decode()) == (code, True), done.stderr.decode()


def test_an_input_is_never_overwritten(in_process: Run, folder: Path) -> None:
    before = (folder / "logits.npy").read_bytes()
    done = in_process("calibrate", "logits.npy", "--targets", "logits_targets.txt", "-o", "logits.npy", cwd=folder)
    assert done.returncode != 0
    assert (folder / "logits.npy").read_bytes() == before
