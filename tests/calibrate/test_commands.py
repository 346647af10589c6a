"""`calibrate`, and what rank, apply, run and evaluate do with its files, as real processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.calibrate.made import drawn, fitted, shares_of, written
from tests.conftest import SAMPLES, Run

DIGITS = SAMPLES / "digits"


def ranked(run: Run, folder: Path, *arguments: object) -> list[dict[str, Any]]:
    done = run("rank", "fresh.npy", "-f", "jsonl", *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()]


def probabilities(rows: list[dict[str, Any]]) -> np.ndarray[Any, Any]:
    """(rows, classes), in the order of the classes."""
    result = np.zeros((len(rows), max(len(row["predictions"]) for row in rows)))
    for place, row in enumerate(rows):
        for item in row["predictions"]:
            result[place, item["index"]] = item["probability"]
    return result


def test_the_file_and_the_report(in_process: Run, folder: Path) -> None:
    path = fitted(in_process, folder)
    value = json.loads(path.read_bytes())
    assert value["method"] == "temperature"
    assert value["parameters"]["temperature"] == pytest.approx(2.0, rel=0.25)
    assert value["figures"]["after"]["nll"] < value["figures"]["before"]["nll"]
    assert value["figures"]["measured_on"] == "5-fold cross-validation (seed 0)"
    done = in_process("calibrate", "logits.npy", "--targets", "logits_targets.txt", "-f", "json", cwd=folder)
    report = json.loads(done.stdout)
    assert report["temperature"] == value["parameters"]["temperature"]
    assert report["after"] == value["figures"]["after"]
    assert b"isn't kept" in done.stderr
    markdown = in_process("calibrate", "logits.npy", "--targets", "logits_targets.txt", "-f", "markdown", cwd=folder)
    assert b"| log-loss (NLL), nats |" in markdown.stdout
    whole = in_process("calibrate", "logits.npy", "--targets", "logits_targets.txt", "-o", "-", cwd=folder)
    assert json.loads(whole.stdout)["format"] == "softmax-calibration"


@pytest.mark.parametrize("method", ["temperature", "vector", "isotonic"])
def test_every_command_applies_it_alike(in_process: Run, folder: Path, method: str) -> None:
    path = fitted(in_process, folder, "--method", method, name=f"{method}.json")
    parameters = json.loads(path.read_bytes())["parameters"]
    logits = np.load(folder / "fresh.npy")
    if method == "temperature":
        expected = shares_of(logits / parameters["temperature"])
    elif method == "vector":
        expected = shares_of(logits * parameters["weights"] + parameters["biases"])
    else:
        mapped = np.stack(
            [
                np.interp(share, curve["points"], curve["values"])
                for share, curve in zip(shares_of(logits).T, parameters["curves"], strict=True)
            ],
            axis=1,
        )
        expected = mapped / mapped.sum(axis=1, keepdims=True)
    rows = ranked(in_process, folder, "-t", path.name, "-k", "0")
    assert probabilities(rows) == pytest.approx(expected, abs=1e-12)
    for row, line, raw in zip(rows, expected, logits, strict=True):
        order = [item["index"] for item in row["predictions"]]
        assert (np.diff(line[order]) <= 1e-12).all()
        assert [item["logit"] for item in row["predictions"]] == raw[order].tolist()
    done = in_process("apply", "fresh.npy", "-o", f"{method}.npy", "-t", path.name, cwd=folder)
    assert done.returncode == 0, done.stderr.decode()
    assert np.load(folder / f"{method}.npy") == pytest.approx(expected, abs=1e-12)
    judged = in_process(
        "evaluate", "fresh.npy", "--targets", "fresh_targets.txt", "-t", path.name, "-f", "json", cwd=folder
    )
    assert judged.returncode == 0, judged.stderr.decode()
    targets = np.loadtxt(folder / "fresh_targets.txt", dtype=int)
    accuracy = (expected.argmax(axis=1) == targets).mean()
    assert json.loads(judged.stdout)["accuracy"] == pytest.approx(accuracy, abs=0.01)


def test_ties_of_isotonic_curves_go_by_the_logit(in_process: Run, tmp_path: Path) -> None:
    curve = {"points": [0, 1], "values": [0.5, 0.5]}
    value = {
        "format": "softmax-calibration",
        "version": 1,
        "method": "isotonic",
        "input": "logits",
        "parameters": {"curves": [curve] * 4},
        "classes": 4,
        "labels": None,
        "labels_sha256": None,
    }
    (tmp_path / "T.json").write_text(json.dumps(value))
    (tmp_path / "x.csv").write_text("1,3,2,3\n")
    done = in_process("x.csv", "-t", "T.json", "-f", "jsonl", cwd=tmp_path)
    found = json.loads(done.stdout)["predictions"]
    assert [item["index"] for item in found] == [1, 3, 2, 0]
    assert [item["probability"] for item in found] == [0.25] * 4


def test_run_applies_it_to_a_model(in_process: Run, tmp_path: Path) -> None:
    done = in_process(
        "calibrate", DIGITS / "logits.npy", "--targets", DIGITS / "truth.csv", "-o", tmp_path / "T.json", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr.decode()
    columns = ("-f", "csv", "-k", "3", "-t", tmp_path / "T.json")
    by_model = in_process("run", DIGITS / "digits.onnx", DIGITS / "inputs.npy", *columns, cwd=tmp_path)
    saved = in_process("rank", DIGITS / "logits.npy", *columns, cwd=tmp_path)
    pairs = zip(by_model.stdout.splitlines()[1:], saved.stdout.splitlines()[1:], strict=True)
    for line, other in pairs:
        assert float(line.split(b",")[-1]) == pytest.approx(float(other.split(b",")[-1]), rel=1e-4)
    refused = in_process("run", DIGITS / "digits_probabilities.onnx", DIGITS / "inputs.npy", *columns, cwd=tmp_path)
    assert (refused.returncode, b"error[calibration-mismatch]" in refused.stderr) == (1, True)


def test_jobs_and_stdin_change_nothing(softmax_quick: Run, folder: Path) -> None:
    epoch = [("SOURCE_DATE_EPOCH", "0")]
    arguments = ("--targets", "logits_targets.txt", "-o", "-", "-q")
    one = softmax_quick("calibrate", "logits.npy", *arguments, "-j", "1", cwd=folder, env=epoch)
    many = softmax_quick("calibrate", "logits.npy", *arguments, "-j", "8", cwd=folder, env=epoch)
    piped = softmax_quick(
        "calibrate", "-", *arguments, cwd=folder, env=epoch, stdin=(folder / "logits.npy").read_bytes()
    )
    assert one.stdout == many.stdout == piped.stdout != b""


def test_a_file_with_a_temperature_does_what_the_number_does(in_process: Run, folder: Path) -> None:
    path = fitted(in_process, folder)
    number = repr(json.loads(path.read_bytes())["parameters"]["temperature"])
    by_file = in_process("fresh.npy", "-t", path.name, "-f", "csv", cwd=folder)
    by_number = in_process("fresh.npy", "-t", number, "-f", "csv", cwd=folder)
    assert by_file.stdout == by_number.stdout != b""


def test_pixels(in_process: Run, tmp_path: Path) -> None:
    logits, targets = drawn(2 * 6 * 7, 3, 2.0)
    np.save(tmp_path / "x.npy", np.moveaxis(logits.reshape(2, 6, 7, 3), -1, 1).astype(np.float32))
    targets[::5] = 255
    np.save(tmp_path / "y.npy", targets.reshape(2, 6, 7))
    pixels = ("x.npy", "--axis", "1")
    fit = ("--targets", "y.npy", "--ignore-index", "255", "--method", "vector", "-o", "T.json")
    done = in_process("calibrate", *pixels, *fit, cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    value = json.loads((tmp_path / "T.json").read_bytes())
    assert value["figures"]["rows"] == (targets != 255).sum()
    done = in_process("apply", *pixels, "-t", "T.json", "-o", "p.npy", cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    found = np.moveaxis(np.load(tmp_path / "p.npy"), 1, -1).reshape(-1, 3)
    parameters = value["parameters"]
    expected = shares_of(logits.astype(np.float32) * parameters["weights"] + parameters["biases"])
    assert found == pytest.approx(expected, rel=1e-6)
    rows = in_process(*pixels, "-t", "T.json", "-f", "csv", "-k", "1", cwd=tmp_path).stdout.decode().splitlines()[1:]
    assert [float(line.split(",")[-1]) for line in rows] == pytest.approx(expected.max(axis=1).tolist(), rel=1e-6)


def test_holdouts(in_process: Run, folder: Path) -> None:
    share = json.loads(fitted(in_process, folder, "--holdout", "0.2", name="s.json").read_bytes())["figures"]
    assert (share["rows"], share["measured_rows"]) == (400, 100)
    path = fitted(in_process, folder, "--holdout", "fresh.npy", "--holdout-targets", "fresh_targets.txt", name="h.json")
    other = json.loads(path.read_bytes())
    assert (other["figures"]["rows"], other["figures"]["measured_rows"]) == (500, 300)
    logits, targets = np.load(folder / "fresh.npy"), np.loadtxt(folder / "fresh_targets.txt", dtype=int)
    shares = shares_of(logits / other["parameters"]["temperature"])
    assert other["figures"]["after"]["nll"] == pytest.approx(-np.log(shares[np.arange(300), targets]).mean(), rel=1e-9)


def test_targets_in_a_column_with_names(in_process: Run, tmp_path: Path) -> None:
    logits, targets = drawn(60, 3)
    lines = [
        f"{'ant bee cat'.split()[target]},{','.join(map(repr, row))}"
        for row, target in zip(logits.tolist(), targets, strict=True)
    ]
    (tmp_path / "x.csv").write_text("\n".join(["target,ant,bee,cat", *lines]) + "\n")
    done = in_process("calibrate", "x.csv", "-o", "T.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads((tmp_path / "T.json").read_bytes())["labels"] == ["ant", "bee", "cat"]
    (tmp_path / "y.csv").write_text("ant,bat,cat\n1,2,3\n")
    other = in_process("y.csv", "-t", "T.json", cwd=tmp_path)
    assert other.returncode == 1
    assert b"error[calibration-mismatch]: y.csv: class 1 is 'bat', but 'bee' in T.json" in other.stderr
    (tmp_path / "z.csv").write_text("ant,cat\n1,2\n")
    fewer = in_process("z.csv", "-t", "T.json", cwd=tmp_path)
    assert b"error[calibration-mismatch]: z.csv: 2 classes, but T.json was fitted on 3" in fewer.stderr
    (tmp_path / "plain.csv").write_text("1,2,3\n")
    assert in_process("plain.csv", "-t", "T.json", cwd=tmp_path).returncode == 0


def test_probabilities_are_refused_unless_said(in_process: Run, folder: Path) -> None:
    np.save(folder / "shares.npy", shares_of(np.load(folder / "logits.npy")).astype(np.float32))
    arguments = ("calibrate", "shares.npy", "--targets", "logits_targets.txt")
    refused = in_process(*arguments, cwd=folder)
    assert (refused.returncode, b"error[not-logits]: shares.npy" in refused.stderr) == (1, True)
    assert b"--from probabilities" in refused.stderr
    done = in_process(*arguments, "--from", "probabilities", "-o", "P.json", cwd=folder)
    assert done.returncode == 0, done.stderr.decode()
    value = json.loads((folder / "P.json").read_bytes())
    plain = json.loads(fitted(in_process, folder).read_bytes())
    assert value["input"] == "probabilities"
    assert value["parameters"]["temperature"] == pytest.approx(plain["parameters"]["temperature"], rel=1e-5)
    logits = np.load(folder / "fresh.npy")
    np.save(folder / "fresh_shares.npy", shares_of(logits))
    for activation in ("softmax", "none"):
        found = in_process(
            "fresh_shares.npy", "-t", "P.json", "-f", "jsonl", "-k", "0", "--activation", activation, cwd=folder
        )
        rows = [json.loads(line) for line in found.stdout.splitlines()]
        expected = shares_of(logits / value["parameters"]["temperature"])
        assert probabilities(rows) == pytest.approx(expected, rel=1e-9)
    wrong = in_process("fresh.npy", "-t", "P.json", cwd=folder)
    assert (wrong.returncode, b"error[calibration-mismatch]" in wrong.stderr) == (1, True)


def test_sets_of_every_format_hold_every_row(in_process: Run, tmp_path: Path) -> None:
    logits, targets = drawn(400, 4, 1.0, spread=4.0)  # right in most rows, so that some sets are empty
    written(tmp_path, logits, targets)
    fitted(in_process, tmp_path, "--conformal", "0.7", name="C.json")
    threshold = json.loads((tmp_path / "C.json").read_bytes())["threshold"]
    written(tmp_path, *drawn(90, 4, 1.0, seed=9, spread=4.0), name="fresh")
    shares = shares_of(np.load(tmp_path / "fresh.npy"))
    expected = (1 - shares <= threshold + 1e-12).sum(axis=1)
    assert (expected == 0).any() and (expected == 1).any()
    rows = ranked(in_process, tmp_path, "--sets", "C.json", "-k", "1")
    assert [len(row["predictions"]) for row in rows] == expected.tolist()
    long = in_process("fresh.npy", "--sets", "C.json", "-f", "csv", cwd=tmp_path).stdout.decode().splitlines()
    assert len(long) == 1 + np.maximum(expected, 1).sum()
    assert {int(line.split(",")[1]) for line in long[1:]} == set(range(90))
    empty = int(np.flatnonzero(expected == 0)[0])
    assert f"fresh.npy,{empty},,,,," in long
    wide = in_process("fresh.npy", "--sets", "C.json", "-f", "csv", "--layout", "wide", cwd=tmp_path)
    assert len(wide.stdout.splitlines()) == 91
    table = in_process("fresh.npy", "--sets", "C.json", cwd=tmp_path).stdout.decode()
    assert table.count("the set is empty") == (expected == 0).sum()
    for suffix in ("parquet", "arrow", "npz", "md", "json"):
        done = in_process("fresh.npy", "--sets", "C.json", "-o", f"out.{suffix}", cwd=tmp_path)
        assert done.returncode == 0, done.stderr.decode()
    with np.load(tmp_path / "out.npz") as archive:
        assert (archive["index"] >= 0).sum(axis=1).tolist() == expected.tolist()


def test_sets_keep_the_calibration_they_were_fitted_with(in_process: Run, folder: Path) -> None:
    fitted(in_process, folder, "--method", "vector", name="V.json")
    fitted(in_process, folder, "--conformal", "0.9", "--method", "aps", "-t", "V.json", name="C.json")
    rows = ranked(in_process, folder, "--sets", "C.json")
    every = ranked(in_process, folder, "-t", "V.json", "-k", "0")
    for row, whole in zip(rows, every, strict=True):
        assert row["predictions"] == whole["predictions"][: len(row["predictions"])]
        assert row["predictions"]
    targets = np.loadtxt(folder / "fresh_targets.txt", dtype=int)
    held = [t in [item["index"] for item in row["predictions"]] for row, t in zip(rows, targets, strict=True)]
    assert 0.83 < np.mean(held) < 0.97


def test_abstaining_marks_rows_in_every_format(in_process: Run, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("3,0,0\n1,0,-1\n5,4.9,0\n")

    def shown(*arguments: str) -> str:
        done = in_process("x.csv", *arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    below = shown("--abstain-below", "0.7", "-k", "1", "-f", "csv").splitlines()
    assert below[0].endswith(",probability,abstained")
    assert [line.rpartition(",")[2] for line in below[1:]] == ["false", "true", "true"]
    assert below[2].startswith("x.csv,1,1,0,0,1.0,0.66524095577482")
    margin = shown("--min-margin", "0.2", "-k", "1", "-f", "csv").splitlines()
    assert [line.rpartition(",")[2] for line in margin[1:]] == ["false", "false", "true"]
    rows = [json.loads(line) for line in shown("--abstain-below", "0.7", "-f", "jsonl").splitlines()]
    assert [row["abstained"] for row in rows] == [False, True, True]
    assert [len(row["predictions"]) for row in rows] == [3, 3, 3]
    wide = shown("--abstain-below", "0.7", "-f", "csv", "--layout", "wide").splitlines()
    assert [line.rpartition(",")[2] for line in wide] == ["abstained", "false", "true", "true"]
    table = shown("--abstain-below", "0.7", "-k", "2").splitlines()
    assert [number for number, line in enumerate(table) if line.endswith("  abstained")] == [4, 7]
    dropped = shown("--abstain-below", "0.7", "--min-probability", "0.68", "-f", "csv").splitlines()
    assert dropped[2:] == ["x.csv,1,,,,,,true", "x.csv,2,,,,,,true"]
    shown("--abstain-below", "0.7", "-o", "out.npz")
    with np.load(tmp_path / "out.npz") as archive:
        assert archive["abstained"].tolist() == [False, True, True]
    assert "abstained" not in shown("-f", "csv") + shown("-f", "jsonl") + shown()


def test_a_probability_of_just_the_bound_isnt_below_it(in_process: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([[0.9, 0.1]], np.float32))
    done = in_process("x.npy", "--activation", "none", "--abstain-below", "0.9", "-f", "csv", "-k", "1", cwd=tmp_path)
    assert done.stdout.decode().splitlines()[1].endswith(",false")
