"""Runs that go on: the same bytes as without a stop, nothing done twice, nothing wrong kept."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.conftest import SAMPLES
from tests.directories.support import errors, notes
from tests.faults.support import INTO, Here, results

MANIFESTS: Mapping[str, str] = {"out.csv": "out.csv.softmax-manifest", "out": "out/.softmax-manifest.jsonl"}


def manifest_of(into: list[str]) -> Path:
    return (
        Path(into[1], ".softmax-manifest.jsonl") if into[0] == "--output-dir" else Path(f"{into[1]}.softmax-manifest")
    )


def times(into: list[str]) -> dict[str, int]:
    path = Path(into[1])
    files = [path] if path.is_file() else [file for file in path.glob("*") if not file.name.startswith(".")]
    return {file.name: file.stat().st_mtime_ns for file in files}


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def ranked_in_last_run(manifest: Path) -> list[str]:
    """The inputs that were recorded behind the last `run`; none where the manifest was written anew."""
    found = records(manifest)
    last = max(place for place, record in enumerate(found) if record["type"] == "run")
    return [record["name"] for record in found[last:] if record["type"] == "input"]


@pytest.mark.parametrize("into", INTO, ids=lambda into: into[1])
def test_the_same_bytes_as_without(softmax_here: Here, place: Path, into: list[str]) -> None:
    assert softmax_here("in", *into)[0] == 0
    expected = results(into)
    for path in place.iterdir():
        if path.name not in ("in", "out"):
            path.unlink()
    assert softmax_here("in", *into, "--resume")[0] == 0
    assert results(into) == expected


@pytest.mark.parametrize("into", INTO, ids=lambda into: into[1])
def test_nothing_is_done_twice(softmax_here: Here, place: Path, into: list[str]) -> None:
    assert softmax_here("in", *into, "--resume")[0] == 0
    before = times(into)
    code, _, err = softmax_here("in", *into, "--resume")
    assert code == 0
    assert "6 of 6 inputs were done before" in err
    assert "0 rows of 0 inputs ranked" in err
    assert times(into) == before


@pytest.mark.parametrize("into", INTO, ids=lambda into: into[1])
@pytest.mark.parametrize("number", [0, 3, 5])
def test_a_changed_input_is_done_again(softmax_here: Here, place: Path, into: list[str], number: int) -> None:
    assert softmax_here("in", *into, "--resume")[0] == 0
    np.save(f"in/00{number}.npy", np.random.default_rng(number).normal(size=(9, 8)).astype(np.float32))
    assert softmax_here("in", *into, "--resume")[0] == 0
    found = results(into)
    manifest_of(into).unlink()
    assert softmax_here("in", *into)[0] == 0
    assert results(into) == found


@pytest.mark.parametrize("into", INTO, ids=lambda into: into[1])
@pytest.mark.parametrize("number", [0, 3])
def test_a_failed_input_is_tried_again(softmax_here: Here, place: Path, into: list[str], number: int) -> None:
    path = Path(f"in/00{number}.npy")
    whole = path.read_bytes()
    path.write_bytes(whole[:-4])
    os.utime(path, ns=(5, 5))
    code, _, err = softmax_here("in", *into, "--resume")
    assert (code, errors(err)[0].split("]")[0]) == (3, "[truncated")
    code, _, err = softmax_here("in", *into, "--resume", "--no-retry-failed", "--failures", "failures.jsonl")
    assert (code, errors(err)) == (3, [])
    assert [record["slug"] for record in records(Path("failures.jsonl"))] == ["truncated"]
    assert softmax_here("in", *into, "--resume")[0] == 3
    path.write_bytes(whole)
    code, _, err = softmax_here("in", *into, "--resume")
    assert (code, errors(err)) == (0, [])
    assert "5 of 6 inputs were done before" in err
    found = results(into)
    assert softmax_here("in", *into)[0] == 0
    assert results(into) == found


def test_columns_that_the_first_input_decides(softmax_here: Here, place: Path) -> None:
    """The first has no ids until it is mended: then all others need a column for them."""
    Path("in/000.npy").unlink()
    Path("in/000.csv").write_text("name,a,b\nx,1\n")
    assert softmax_here("in", "-o", "out.csv", "--resume", "-k", "1")[0] == 3
    Path("in/000.csv").write_text("name,a,b\nx,1,2\n")
    assert softmax_here("in", "-o", "out.csv", "--resume", "-k", "1")[0] == 0
    found = Path("out.csv").read_bytes()
    assert softmax_here("in", "-o", "out.csv", "-k", "1")[0] == 0
    assert Path("out.csv").read_bytes() == found
    assert found.startswith(b"source,row,id,")


def test_inputs_that_come_and_go(softmax_here: Here, place: Path) -> None:
    assert softmax_here("in", "-o", "out.csv", "--resume")[0] == 0
    Path("in/002.npy").unlink()
    np.save("in/0025.npy", np.ones((3, 8), np.float32))
    assert softmax_here("in", "-o", "out.csv", "--resume")[0] == 0
    found = Path("out.csv").read_bytes()
    assert softmax_here("in", "-o", "out.csv")[0] == 0
    assert Path("out.csv").read_bytes() == found


def test_time_tells_or_the_bytes(softmax_here: Here, place: Path) -> None:
    into = ["-o", "out.csv", "--resume"]
    assert softmax_here("in", *into, "--checksum")[0] == 0
    os.utime("in/001.npy", ns=(1, 1))
    assert "6 of 6 inputs were done before" in softmax_here("in", *into, "--checksum")[2]
    assert "5 of 6 inputs were done before" in softmax_here("in", *into)[2]
    data = bytearray(Path("in/001.npy").read_bytes())
    data[-1] ^= 1
    Path("in/001.npy").write_bytes(data)
    os.utime("in/001.npy", ns=(1, 1))
    assert "6 of 6 inputs were done before" in softmax_here("in", *into)[2]
    assert softmax_here("in", *into, "--checksum")[0] == 0  # what is known is from a run without
    os.utime("in/001.npy", ns=(2, 2))
    assert "5 of 6 inputs were done before" in softmax_here("in", *into)[2]


@pytest.mark.parametrize("into", INTO, ids=lambda into: into[1])
def test_other_options_are_refused(softmax_here: Here, place: Path, into: list[str]) -> None:
    assert softmax_here("in", *into, "--resume", "-k", "2")[0] == 0
    before = results(into)
    code, _, err = softmax_here("in", *into, "--resume", "-k", "3", "-t", "2")
    assert code == 1
    assert err.startswith("softmax: error[other-run]: ")
    assert "--top was 2, is 3; --temperature was 1, is 2" in err
    assert results(into) == before
    assert softmax_here("in", *into, "--resume", "-k", "3", "--force")[0] == 0
    assert results(into) == before
    assert softmax_here("in", *into, "--resume", "-k", "3", "-j", "3", "--color", "always", "-q")[0] == 0


def test_another_version_model_or_label_file_is_refused(softmax_here: Here, place: Path) -> None:
    model = place / "model.onnx"
    model.write_bytes((SAMPLES / "digits" / "digits.onnx").read_bytes())
    labels = Path("labels.txt")
    labels.write_text("\n".join("abcdefghij"))
    inputs = SAMPLES / "digits" / "inputs.npy"
    arguments = ["run", str(model), str(inputs), "-o", "digits.csv", "--resume", "--labels", str(labels)]
    assert softmax_here(*arguments)[0] == 0
    labels.write_text("\n".join("klmnopqrst"))
    assert "--labels was sha256:" in softmax_here(*arguments)[2]
    labels.write_text("\n".join("abcdefghij"))
    model.write_bytes((SAMPLES / "digits" / "digits_probabilities.onnx").read_bytes())
    code, _, err = softmax_here(*arguments)
    assert (code, "; model was sha256:" in err or ": model was sha256:" in err) == (1, True)
    model.write_bytes((SAMPLES / "digits" / "digits.onnx").read_bytes())
    manifest = Path("digits.csv.softmax-manifest")
    version = pl.__version__
    manifest.write_bytes(manifest.read_bytes().replace(f'"polars":"{version}"'.encode(), b'"polars":"0.1"'))
    assert f"polars was 0.1, is {version}" in softmax_here(*arguments)[2]


def test_the_decision_on_the_activation_is_kept(softmax_here: Here, place: Path) -> None:
    """Values decide on it: the first input's. The one that is left alone would decide otherwise."""
    from onnx import TensorProto, helper, save

    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 8]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "graph", ports[:1], ports[1:])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), "model.onnx")
    last = Path("in/005.npy")
    np.save(last, np.full((2, 8), 0.125, np.float32))  # like probabilities
    arguments = ["run", "model.onnx", "in", "-o", "out.jsonl", "--resume"]
    assert errors(softmax_here(*arguments)[2])[0].startswith("[activation-contradiction]: in/005.npy")
    code, _, err = softmax_here(*arguments)
    assert code == 3
    assert "5 of 6 inputs were done before" in err
    assert errors(err)[0].startswith("[activation-contradiction]: in/005.npy")


@pytest.mark.parametrize("torn", [b'{"type":"input","name":"in/0', b"\x00\x00\x00", b'{"type":"inp\xff'])
def test_a_torn_last_line_is_dropped(softmax_here: Here, place: Path, torn: bytes) -> None:
    into = ["--output-dir", "out"]
    assert softmax_here("in", *into, "--resume")[0] == 0
    manifest = Path("out/.softmax-manifest.jsonl")
    lines = manifest.read_bytes().splitlines(keepends=True)
    manifest.write_bytes(b"".join(lines[:-2]) + torn)
    code, _, err = softmax_here("in", *into, "--resume")
    assert (code, "4 of 6 inputs were done before" in err) == (0, True)
    assert ranked_in_last_run(manifest) == ["in/004.npy", "in/005.npy"]


@pytest.mark.parametrize(
    "line",
    [
        b"{}", b"[]", b"null", b'{"type":"input"}', b'{"type":"input","name":1}', b'{"type":"other"}', b"[" * 9999,
        b'{"type":"run","manifest":2,"facts":{}}', b'{"type":"run","manifest":1,"facts":[]}', b"\xff",
        b'{"type":"input","name":"x","identity":{"size":1,"mtime_ns":1},"rows":-1,"errors":[]}',
        b'{"type":"input","name":"x","identity":{"size":1,"mtime_ns":1},"rows":1,"errors":[{"slug":"no"}]}',
    ],
    ids=lambda line: line[:30],
)  # fmt: skip
def test_a_damaged_manifest(softmax_here: Here, place: Path, line: bytes) -> None:
    Path("out.csv.softmax-manifest").write_bytes(b'{"type":"inputs","names":[]}\n' + line + b"\n")
    code, _, err = softmax_here("in", "-o", "out.csv", "--resume")
    assert (code, errors(err)) == (
        1,
        ["[bad-manifest]: " + str(place / "out.csv.softmax-manifest") + ":2: not a record of what was done"],
    )
    assert not Path("out.csv").exists()


@pytest.mark.parametrize("into", INTO[:2], ids=lambda into: into[1])
def test_an_output_that_somebody_changed(softmax_here: Here, place: Path, into: list[str]) -> None:
    assert softmax_here("in", *into, "--resume")[0] == 0
    expected = results(into)
    Path(into[1]).write_text("mine")
    code, _, err = softmax_here("in", *into, "--resume")
    assert code == 0
    assert "isn't as the run before left it: all inputs are ranked anew" in err
    assert results(into) == expected


def test_a_result_that_is_gone_is_made_again(softmax_here: Here, place: Path) -> None:
    into = ["--output-dir", "out"]
    assert softmax_here("in", *into, "--resume")[0] == 0
    expected = results(into)
    Path("out/003.csv").unlink()
    Path("out/004.csv").write_text("")
    assert "4 of 6 inputs were done before" in softmax_here("in", *into, "--resume")[2]
    assert results(into) == expected


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["in", "--resume"], "--resume needs --output FILE or --output-dir DIR"),
        (["-", "-o", "x.csv", "--resume"], "stdin can't"),
        (["in", "-o", "x.parquet", "--resume"], "only of csv, tsv, jsonl"),
        (["in", "-o", "x.json", "--resume"], "only of csv, tsv, jsonl"),
        (["in", "-o", "x.txt", "--resume"], "only of csv, tsv, jsonl"),
        (["in/001.npy", "in/001.npy", "-o", "x.csv", "--resume"], "is given twice"),
        (["in", "--checksum"], "are for --resume"),
        (["in", "--force"], "are for --resume"),
        (["in", "--no-retry-failed"], "are for --resume"),
    ],
)
def test_wrong_usage(softmax_here: Here, place: Path, arguments: list[str], what: str) -> None:
    code, _, err = softmax_here(*arguments)
    assert (code, what in err) == (2, True), err
    assert sorted(path.name for path in place.iterdir()) == ["in"]


def test_more_failures_than_allowed(softmax_here: Here, place: Path) -> None:
    for number in (1, 2, 4):
        Path(f"in/00{number}.npy").write_bytes(b"\x93NUMPY")
    assert softmax_here("in", "-o", "out.csv", "--max-failures", "3")[0] == 3
    Path("out.csv").unlink()
    code, _, err = softmax_here("in", "-o", "out.csv", "--max-failures", "1", "--failures", "failures.jsonl")
    assert code == 1
    assert errors(err)[-1] == "[too-many-failures]: 2 rows and inputs failed, more than --max-failures 1"
    assert len(records(Path("failures.jsonl"))) == 2
    assert not Path("out.csv").exists()
    assert softmax_here("in", "-o", "out.csv", "--max-failures", "0", "--resume")[0] == 1
    assert [entry["name"] for entry in records(Path("out.csv.softmax-manifest")) if entry["type"] == "input"] == [
        "in/000.npy"
    ]


def test_inspect_shows_what_is_done(softmax_here: Here, place: Path) -> None:
    for number in (2, 4):
        Path(f"in/00{number}.npy").write_bytes(b"\x93NUMPY")
    softmax_here("in", "-o", "out.jsonl", "--max-failures", "1", "--resume")
    code, out, _ = softmax_here("inspect", "out.jsonl.softmax-manifest", "-f", "json")
    report = json.loads(out)
    counts = {key: report[key] for key in ("inputs", "done", "failed", "left", "rows", "changed since")}
    assert (code, counts) == (
        0,
        {"inputs": 6, "done": 3, "failed": 1, "left": 2, "rows": 15, "changed since": 0},
    )
    assert report["inputs left"] == ["in/004.npy", "in/005.npy"]
    assert report["failed inputs"] == ["in/002.npy: truncated: the .npy header is cut short"]
    assert report["errors"] == {"truncated": 1}
    softmax_here("in", "--output-dir", "out", "--resume")
    for name in ("out", "out/.softmax-manifest.jsonl"):
        assert "done            4\n" in softmax_here("inspect", name)[1]


def test_the_report_of_a_directory(softmax_here: Here, place: Path) -> None:
    Path("in/003.npy").write_bytes(b"\x93NUMPY")
    report, *_ = notes(softmax_here("in", "-o", "out.csv")[2])
    assert report.startswith("25 rows of 5 inputs ranked in ")
    assert report.endswith("; 1 error: 1 truncated")
    _, _, err = softmax_here("in", "-o", "out.csv", "--errors", "json")
    failure, found, end = map(json.loads, err.splitlines())
    assert failure["slug"] == "truncated"
    assert {key: found[key] for key in ("type", "inputs", "rows", "failures")} == {
        "type": "report", "inputs": 5, "rows": 25, "failures": {"truncated": 1},
    }  # fmt: skip
    assert end == {"type": "exit", "code": 3}


@pytest.mark.skipif(sys.platform == "win32", reason="another kind of lock")
@pytest.mark.parametrize("into", [["-o", "out.csv"], ["--output-dir", "out"]], ids=lambda into: into[1])
def test_two_runs_into_one_place(softmax_here: Here, place: Path, into: list[str]) -> None:
    import fcntl

    lock = Path("out/.softmax-lock" if into[1] == "out" else "out.csv.softmax-lock")
    lock.parent.mkdir(exist_ok=True)
    lock.write_text('{"pid": 4711, "host": "elsewhere\\u001b[31m"}')
    with lock.open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for more in (["--resume"], []):
            code, _, err = softmax_here("in", *into, *more)
            assert code == 1
            assert errors(err)[0].startswith("[locked]: ")
            assert "another run (process 4711 on elsewhere" in err
            assert "\x1b" not in err
    assert softmax_here("in", *into, "--resume")[0] == 0  # whoever held it is dead
    assert not lock.exists()
