"""`softmax explain` as it is called: its arguments, files, and errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from softmax_cli.activation import softmax
from softmax_cli.confidence.calibration import Calibration
from softmax_cli.confidence.files import calibration_text
from softmax_cli.explain.row import read_names
from tests.conftest import SAMPLES, Run

Here = Callable[..., tuple[int, str, str]]


def record(here: Here, *arguments: str | Path) -> Any:
    code, out, err = here("explain", *arguments, "-f", "json")
    assert code == 0, err
    return json.loads(out)


@pytest.mark.parametrize(
    ("arguments", "logits"),
    [
        (["3.2", "1.3"], [3.2, 1.3]),
        (["-1.5", "2"], [-1.5, 2]),
        (["--", "-1", "2"], [-1, 2]),
        (["2", "-1", "-k", "1", "-.5"], [2, -1, -0.5]),
        (["1e3", "-1e-3", "+4"], [1000, -0.001, 4]),
        (["-1,2", "3, 4"], [-1, 2, 3, 4]),
        (["-1 2"], [-1, 2]),
        (["\u22122.5", "0"], [-2.5, 0]),
        (["-inf", "0"], [None, 0]),
        (["0,-inf", "-t", "2"], [0, None]),
    ],
)
def test_numbers(softmax_here: Here, arguments: list[str], logits: list[float | None]) -> None:
    code, out, err = softmax_here("explain", "-f", "json", *arguments)
    assert (code, err) == (0, "")
    assert json.loads(out)["logits"] == logits


def test_negative_numbers_as_a_process(softmax_quick: Run) -> None:
    done = softmax_quick("explain", "-1.5", "2")
    assert done.returncode == 0
    assert done.stdout.decode().startswith("The softmax of 2 logits\n")


@pytest.mark.parametrize(
    ("arguments", "slug", "said"),
    [
        (["inf", "1"], "inf-logit", "the logit of class 0 is +inf"),
        (["1", "nan", "--labels", "a,b"], "nan-logit", "the logit of class 1 ('b') is NaN"),
        (["-inf", "-inf"], "masked-row", "every logit is -inf"),
        (["1", "2", "--labels", "a,b,c"], "label-count", "3 labels in --labels a,b,c, but 2 classes"),
        (["nothere"], "not-found", "no such file"),
        (["-5", "--row", "0"], "not-found", "-5: no such file"),
        (["1", "2", "--labels", "nothere.txt"], "not-found", "no such label file"),
    ],
)
def test_bad_numbers(softmax_here: Here, arguments: list[str], slug: str, said: str) -> None:
    code, out, err = softmax_here("explain", *arguments)
    assert (code, out) == (1, "")
    assert err.startswith(f"softmax: error[{slug}]: ")
    assert said in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["1", "x"], "'x' isn't a number"),
        (["1", "1_000"], "'1_000' isn't a number"),
        (["1", "2", "--row", "0"], "--row 0 is for one file"),
        (["1", "2", "--target", "2"], "there are 2 classes, counted from 0"),
        (["1", "2", "--labels", "dog,cat", "--target", "dag"], "did you mean 'dog'?"),
        (["1", "2", "--labels", "dog,dog", "--target", "dog"], "2 classes have that name"),
        (["1", "2", "-t", "-1"], "--temperature -1.0: expected a positive number"),
        (["1", "2", "-f", "csv"], "expected one of text, json, markdown"),
        (["1", "2", "-o", "page.pdf"], "the suffix tells no format"),
        (["1", "2", "--row", "-1"], "--row"),
        ([""], "'' is neither a number nor a file"),
        (["1", "2", "--labels", ""], "--labels: no names in it"),
        (["1", "--labls", "a"], "--labls"),
        ([SAMPLES / "animals.csv", "--row", "4"], "has 1 row, counted from 0"),
    ],
)
def test_wrong_usage(softmax_here: Here, arguments: list[str | Path], said: str) -> None:
    code, out, err = softmax_here("explain", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("softmax: error[usage]: ")
    assert said in err


@pytest.mark.parametrize("name", ["animals.csv", "animals.npy", "animals.parquet", "animals.jsonl", "animals.tsv"])
def test_files(softmax_here: Here, name: str) -> None:
    found = record(softmax_here, SAMPLES / name)
    assert found["logits"] == [3.2, 1.3, 0.2, 0.8]
    assert found["source"].startswith(f"row 0 of {SAMPLES / name}")


def test_a_row_of_a_file_with_its_names(softmax_here: Here) -> None:
    found = record(softmax_here, "--row", "3", SAMPLES / "digits" / "logits.parquet", "--target", "nine", "-q")
    ranked = softmax_here(SAMPLES / "digits" / "logits.parquet", "-k", "1", "-f", "jsonl", "-q")[1].splitlines()[3]
    best = json.loads(ranked)["predictions"][0]
    assert found["label"] == best["label"]
    assert found["probabilities"][found["argmax"]] == pytest.approx(best["probability"], rel=1e-6)
    assert found["target"] == 9
    assert "images/digit_003.png" in found["source"]


def test_without_row_the_first_and_a_note(softmax_here: Here) -> None:
    code, out, err = softmax_here("explain", SAMPLES / "digits" / "logits.npy")
    assert code == 0
    assert "row 0 of" in out
    assert "the first row is explained; --row N takes another" in err


def test_any_axis(softmax_here: Here) -> None:
    values = np.load(SAMPLES / "segmentation.npy")
    found = record(softmax_here, SAMPLES / "segmentation.npy", "--axis", "1", "--row", "5")
    flat = np.moveaxis(values, 1, -1).reshape(-1, values.shape[1])
    assert found["probabilities"] == softmax(flat[5].astype(np.float64)).tolist()
    assert found["source"].endswith("at [0, 0, 5]")


def test_a_fitted_temperature(softmax_here: Here, tmp_path: Path) -> None:
    file = tmp_path / "T.json"
    file.write_bytes(calibration_text(Calibration("temperature", 2, 2.0), {}))
    assert record(softmax_here, "1", "3", "-t", file)["at_temperature"]["scaled"] == [0.5, 1.5]
    code, _, err = softmax_here("explain", "1", "3", "2", "-t", file)
    assert code == 1
    assert "error[calibration-mismatch]: arguments: 3 classes, but" in err
    other = tmp_path / "V.json"
    other.write_bytes(calibration_text(Calibration("vector", 2, weights=np.ones(2), biases=np.zeros(2)), {}))
    code, _, err = softmax_here("explain", "1", "3", "-t", other)
    assert code == 2
    assert "only a temperature of logits can be explained, not vector scaling" in err
    code, _, err = softmax_here("explain", "1", "3", "-t", tmp_path / "none.json")
    assert code == 2
    assert "neither a positive number nor a file" in err


def test_stdin(softmax_quick: Run) -> None:
    for arguments in ((), ("-",)):
        done = softmax_quick("explain", *arguments, "-f", "json", stdin=b"3.2 1.3 0.2 0.8\n")
        assert json.loads(done.stdout)["logits"] == [3.2, 1.3, 0.2, 0.8]
    data = (SAMPLES / "animals.npy").read_bytes()
    assert json.loads(softmax_quick("explain", "-f", "json", stdin=data).stdout)["logits"] == [3.2, 1.3, 0.2, 0.8]
    empty = softmax_quick("explain", stdin=b"")
    assert empty.returncode == 1
    assert b"error[empty-input]" in empty.stderr
    assert b"softmax explain 3.2" in empty.stderr


def test_names_or_a_file(tmp_path: Path) -> None:
    assert read_names("dog, cat") == ("dog", "cat")
    assert read_names('"a,b",c') == ("a,b", "c")
    assert read_names("dog") == ("dog",)
    file = tmp_path / "names.txt"
    file.write_text("x\ny\n")
    assert read_names(str(file)) == ("x", "y")


def test_output_files(softmax_here: Here, tmp_path: Path) -> None:
    for name, start in (("page.md", "# The softmax"), ("page.json", "{\n"), ("page.txt", "The softmax")):
        assert softmax_here("explain", "1", "2", "-o", tmp_path / name) == (0, "", "")
        assert (tmp_path / name).read_text(encoding="utf-8").startswith(start)


def test_colour_on_demand_only(softmax_here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    assert "\x1b" not in softmax_here("explain", "1", "2")[1]
    assert "\x1b[1m" in softmax_here("explain", "1", "2", "--color", "always")[1]


def test_values_like_probabilities_are_noticed(softmax_here: Here) -> None:
    assert "look like probabilities already" in softmax_here("explain", "0.5", "0.5")[1].replace("\n   ", " ")
    assert "look like probabilities already" not in softmax_here("explain", "0.5", "0.6")[1].replace("\n   ", " ")
