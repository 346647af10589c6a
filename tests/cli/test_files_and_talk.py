"""The command as the shell sees it: exit codes, streams, signals, terminals, files and their names."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from softmax_cli.sinks import FORMATS
from tests.cli.support import NOTED, ORDINARY, TELLING, Here, assert_one_error, shell, undecodable, write_logits
from tests.conftest import SAMPLES, SOFTMAX, Run, environment


@pytest.mark.skipif(sys.platform != "linux" and os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_read_only_directory(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    command = [sys.executable, "-c", ORDINARY, *SOFTMAX, "animals.csv", "-o", folder / "x.csv"]
    done = subprocess.run(command, capture_output=True, cwd=SAMPLES, env=environment(), timeout=60)
    assert done.returncode == 1
    assert_one_error(done.stderr, "unwritable")
    assert b"x.csv: can't be written: permission denied" in done.stderr


@pytest.mark.parametrize(
    ("name", "said"), [("missing/x.csv", "no such file or directory"), ("file/x.csv", "not a directory")]
)
def test_an_output_that_cannot_be(softmax_here: Here, tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "file").touch()
    code, _, err = softmax_here(SAMPLES / "animals.csv", "-o", tmp_path / name)
    assert code == 1
    assert_one_error(err, "unwritable")
    assert said in err


def test_an_output_that_is_a_directory(softmax_here: Here, tmp_path: Path) -> None:
    (tmp_path / "x.csv").mkdir()
    code, _, err = softmax_here(SAMPLES / "animals.csv", "-o", tmp_path / "x.csv")
    assert code == 1
    assert_one_error(err, "unwritable")
    assert "is a directory" in err
    assert "--output-dir" in err
    assert list((tmp_path / "x.csv").iterdir()) == []


@pytest.mark.parametrize("command", ["rank", "apply"])
def test_a_failure_leaves_an_older_file_alone(softmax_here: Here, tmp_path: Path, command: str) -> None:
    bad, output = tmp_path / "bad.csv", tmp_path / "out.csv"
    bad.write_text("1,2\n" * 40_000 + "1,x\n")
    output.write_text("an older result\n")
    code, _, err = softmax_here(command, bad, "-o", output)
    assert code == 1
    assert "error[bad-value]" in err
    assert output.read_text() == "an older result\n"
    assert {path.name for path in tmp_path.iterdir()} == {"bad.csv", "out.csv"}


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755])
@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_an_older_file_keeps_its_mode(softmax_here: Here, tmp_path: Path, mode: int, name: str) -> None:
    output = tmp_path / name
    output.write_text("an older result\n")
    output.chmod(mode)
    assert softmax_here(SAMPLES / "animals.csv", "-o", output)[0] == 0
    assert stat.S_IMODE(output.stat().st_mode) == mode
    assert output.read_bytes() != b"an older result\n"


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_new_file_respects_the_umask(softmax_here: Here, tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        assert softmax_here(SAMPLES / "animals.csv", "-o", tmp_path / "out.csv")[0] == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out.csv").stat().st_mode) == mode


@pytest.mark.parametrize("there", [True, False])
def test_an_output_that_is_a_link(softmax_here: Here, tmp_path: Path, there: bool) -> None:
    (tmp_path / "target").mkdir()
    real, link = tmp_path / "target" / "real.csv", tmp_path / "link.csv"
    if there:
        real.write_text("an older result\n")
    link.symlink_to(real)
    assert softmax_here(SAMPLES / "animals.csv", "-o", link)[0] == 0
    assert link.is_symlink()
    assert real.read_text().startswith("source,row,")
    assert [path.name for path in real.parent.iterdir()] == ["real.csv"]


def test_an_input_may_be_its_own_output(softmax_here: Here, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("1,2\n")
    assert softmax_here("apply", path, "-o", path)[0] == 0
    assert path.read_text() == "0.2689414213699951,0.7310585786300049\n"


def test_a_named_pipe_as_the_output(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "out.csv")
    done = shell('"$@" & cat out.csv; wait', SAMPLES / "animals.csv", "-o", "out.csv", cwd=tmp_path)
    assert done.stdout.startswith(b"source,row,")
    assert stat.S_ISFIFO((tmp_path / "out.csv").stat().st_mode)


@pytest.mark.parametrize(
    "stem",
    [
        "n" * 251,
        "😀" * 62,
    ],
    ids=["ascii", "emoji"],
)
def test_the_longest_name_of_an_output(softmax_here: Here, tmp_path: Path, stem: str) -> None:
    code, _, err = softmax_here(SAMPLES / "animals.csv", "-o", tmp_path / f"{stem}.csv")
    assert (code, err) == (0, "")
    assert [path.stem for path in tmp_path.iterdir()] == [stem]


def test_errors_as_json(softmax_process: Run, tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text("id,a,b\n1,2,3\n")  # one with a note
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n1,x\n")
    (tmp_path / "other").touch()
    done = softmax_process(".", "--errors", "json", "-f", "csv", cwd=tmp_path)
    assert done.returncode == 3
    records = [json.loads(line) for line in done.stderr.splitlines()]
    assert [record["slug"] for record in records if record["type"] == "error"] == ["bad-value"]
    assert {key: records[0][key] for key in ("source", "line", "column")} == {
        "source": "bad.csv",
        "line": 3,
        "column": "b",
    }


@pytest.mark.parametrize(
    ("arguments", "slug", "code"),
    [
        (["--no-such-option", "--errors", "json"], "usage", 2),
        (["frobnicate", "--errors=json"], "usage", 2),
        (["animals.csv", "-t", "0", "--errors", "json"], "usage", 2),
        (["missing.csv", "--errors", "json"], "not-found", 1),
        (["apply", "missing.csv", "-o", "-", "--errors", "json"], "not-found", 1),
        (["inspect", "missing.npy", "--errors", "json"], "not-found", 1),
        (["run", "missing.onnx", "x.npy", "--errors", "json"], "not-found", 1),
        (["run", "digits/labels.txt", "x.npy", "--errors", "json"], "bad-model", 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_every_error_as_json(
    softmax_here: Here, monkeypatch: pytest.MonkeyPatch, arguments: list[str], slug: str, code: int
) -> None:
    monkeypatch.chdir(SAMPLES)
    found, out, err = softmax_here(*arguments)
    assert (found, out) == (code, "")
    record, end = map(json.loads, err.splitlines())
    assert (record["type"], record["slug"]) == ("error", slug)
    assert end == {"type": "exit", "code": code}
    assert record["message"]


@pytest.mark.parametrize("arguments", [["missing.csv"], ["animals.csv", "-t", "0"], ["inspect", "missing.csv"]])
def test_a_traceback_only_on_request(softmax_here: Here, arguments: list[str]) -> None:
    assert "Traceback" not in softmax_here(*arguments)[2]
    assert "Traceback (most recent call last)" in softmax_here(*arguments, "--debug")[2]


@pytest.mark.parametrize(
    ("arguments", "noted"), [([], True), (["-q"], False), (["--quiet"], False), (["--no-progress"], True)]
)
@pytest.mark.parametrize("command", ["rank", "apply"])
def test_quiet_silences_notes(
    softmax_here: Here, tmp_path: Path, command: str, arguments: list[str], noted: bool
) -> None:
    path = tmp_path / "x.csv"
    path.write_text(NOTED)
    code, out, err = softmax_here(command, path, "-o", "-", *arguments)
    assert code == 0
    assert out
    assert err.startswith(f"softmax: note: {path}: ") if noted else err == ""
    assert ("--id-column" in err) == noted


def test_quiet_silences_no_error(softmax_here: Here) -> None:
    code, _, err = softmax_here("missing.csv", "-q")
    assert code == 1
    assert_one_error(err, "not-found")


@pytest.mark.parametrize("suffix", TELLING)
def test_inputs_with_names_that_are_not_utf8(softmax_here: Here, tmp_path: Path, suffix: str) -> None:
    path = write_logits(undecodable(tmp_path, suffix))
    code, out, err = softmax_here(path, "-f", "csv", "-k", "1")
    assert (code, err) == (0, "")
    assert [line.split(",")[0] for line in out.splitlines()[1:]] == [f"{tmp_path}/caf\\xe9{suffix}"] * 2
    code, out, err = softmax_here("inspect", path)
    assert (code, err) == (0, "")
    assert f"caf\\xe9{suffix}" in out
    result = undecodable(tmp_path, f".result{suffix}")
    assert softmax_here("apply", path, "-o", result)[0] == 0
    assert result.stat().st_size > 0


@pytest.mark.parametrize("suffix", [row.suffixes[0] for row in FORMATS.values()])
def test_outputs_with_names_that_are_not_utf8(softmax_here: Here, tmp_path: Path, suffix: str) -> None:
    path = write_logits(tmp_path / "x.csv")
    code, _, err = softmax_here(path, "-o", undecodable(tmp_path, suffix))
    assert (code, err) == (0, "")
    assert {os.fsencode(path.name) for path in tmp_path.iterdir()} == {b"x.csv", b"caf\xe9" + suffix.encode()}


def test_everything_with_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    """The bytes come from a real command line."""
    (tmp_path / os.fsdecode(b"in\xff")).mkdir()
    write_logits(tmp_path / os.fsdecode(b"in\xff/a\xfe.npy"))
    (tmp_path / os.fsdecode(b"labels\xff.txt")).write_text("x\ny\nz\n")
    arguments = [b"in\xff", b"--labels", b"labels\xff.txt", b"--output-dir", b"out\xff", b"-f", b"jsonl"]
    done = shell('"$@"', *arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr.count(b"\n")) == (0, 1)
    assert b" 2 rows of 1 input ranked in " in done.stderr
    (result,) = (tmp_path / os.fsdecode(b"out\xff")).iterdir()
    assert os.fsencode(result.name) == b"a\xfe.jsonl"
    rows = [json.loads(line) for line in result.read_bytes().splitlines()]
    assert rows[0]["source"] == r"in\xff/a\xfe.npy"
    assert rows[0]["predictions"][0]["label"] == "z"


@pytest.mark.parametrize(
    "arguments",
    [
        [b"missing\xff.csv"],
        [b"animals.csv", b"--labels", b"missing\xff.txt"],
        [b"animals.csv", b"-o", b"missing\xff/x.csv"],
        [b"run", b"missing\xff.onnx", b"animals.csv"],
        [b"inspect", b"missing\xff.csv"],
    ],
)
@pytest.mark.parametrize("style", ["text", "json"])
def test_errors_on_names_that_are_not_utf8(
    softmax_here: Here, monkeypatch: pytest.MonkeyPatch, arguments: list[bytes], style: str
) -> None:
    monkeypatch.chdir(SAMPLES)
    code, _, err = softmax_here(*map(os.fsdecode, arguments), "--errors", style)
    assert code == 1
    assert r"missing\\xff" in err if style == "json" else r"missing\xff" in err


@pytest.mark.parametrize("arguments", [["run"], ["inspect"]])
def test_a_model_with_a_name_that_is_not_utf8(softmax_here: Here, tmp_path: Path, arguments: list[str]) -> None:
    model = undecodable(tmp_path, ".onnx")
    model.write_bytes((SAMPLES / "digits" / "digits.onnx").read_bytes())
    inputs = [SAMPLES / "digits" / "inputs.npy"] if arguments == ["run"] else []
    assert softmax_here(*arguments, model, *inputs)[0] == 0


def test_a_report_on_a_name_that_is_not_utf8(softmax_here: Here, tmp_path: Path) -> None:
    code, out, _ = softmax_here("inspect", write_logits(undecodable(tmp_path, ".csv")), "-f", "json")
    assert code == 0
    json.loads(out)["source"].encode()
