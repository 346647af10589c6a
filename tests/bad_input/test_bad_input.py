"""Inputs that can't be read: each gives one line that says what and where, its exit code, and no output at all."""

import gc
import io
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.bad_input.bombs import arrow_bomb, arrow_stream_bomb, gz_bomb, npz_bomb, parquet_bomb, zst_bomb
from tests.bad_input.case import Case
from tests.bad_input.columnar_cases import COLUMNAR
from tests.bad_input.compressed_cases import COMPRESSED
from tests.bad_input.file_cases import FILES
from tests.bad_input.json_cases import JSON
from tests.bad_input.label_cases import LABELS
from tests.bad_input.numpy_cases import ARCHIVES, NUMPY
from tests.bad_input.running import run
from tests.bad_input.text_cases import TEXT
from tests.bad_input.value_cases import VALUES

OLD = b"an older result\n"

GROUPS = {
    "numpy": NUMPY,
    "archive": ARCHIVES,
    "text": TEXT,
    "json": JSON,
    "columnar": COLUMNAR,
    "compressed": COMPRESSED,
    "values": VALUES,
    "labels": LABELS,
    "files": FILES,
}


def parameters() -> list[Any]:
    result = []
    for group, cases in GROUPS.items():
        result.extend(pytest.param(case, id=f"{group}: {case.name}") for case in cases)
    return result


def check_error(stderr: bytes, case: Case) -> None:
    """One error, its hint, notes, and nothing else: no traceback, no warning, no panic of a library."""
    lines = stderr.decode().splitlines()
    errors = [line for line in lines if line.startswith("softmax: error[")]
    assert len(errors) == 1, lines
    assert errors[0].startswith(f"softmax: error[{case.slug}]: "), errors
    assert case.text in errors[0]
    assert all(line.startswith(("softmax: error[", "softmax: note: ", "  hint: ")) for line in lines), lines
    hints = [line for line in lines if line.startswith("  hint: ")]
    assert case.hint in "".join(hints)
    if case.code == 1 and not case.args:
        assert Path(case.file).name in errors[0]


@pytest.mark.parametrize("case", parameters())
def test_bad_input(
    case: Case,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    request: pytest.FixtureRequest,
    quick_collection: None,
) -> None:
    # Below a decompressor that failed the file is closed only when its garbage is collected.
    if case.slug in ("bad-compression", "truncated"):
        request.addfinalizer(gc.collect)
    if case.bomb_bytes is not None:
        monkeypatch.setattr("softmax_cli.sources.layers._BOMB_BYTES", case.bomb_bytes)
    folder, results = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    results.mkdir()
    data = case.data() if callable(case.data) else case.data
    if data is not None and not case.stdin:
        (folder / case.file).write_bytes(data)
    for name, content in case.files.items():
        (folder / name).write_bytes(content)
    arguments = ["-" if case.stdin else str(folder / case.file), *(text.format(dir=folder) for text in case.args)]
    piped = data if case.stdin else None

    assert run([*arguments, "-f", "csv"], piped, monkeypatch) == case.code
    captured = capfdbinary.readouterr()
    check_error(captured.err, case)
    assert case.late or captured.out == b""

    output = results / "out.csv"
    assert run([*arguments, "-o", str(output)], piped, monkeypatch) == case.code
    check_error(capfdbinary.readouterr().err, case)
    assert list(results.iterdir()) == []

    output.write_bytes(OLD)
    assert run([*arguments, "-o", str(output)], piped, monkeypatch) == case.code
    captured = capfdbinary.readouterr()
    assert captured.out == b""
    assert list(results.iterdir()) == [output]
    assert output.read_bytes() == OLD


def test_the_names_of_the_cases_are_unique() -> None:
    for cases in GROUPS.values():
        names = [case.name for case in cases]
        assert sorted(set(names)) == sorted(names)


def test_a_bomb_is_made_of_little() -> None:
    for make in (npz_bomb, gz_bomb, zst_bomb, parquet_bomb, arrow_bomb, arrow_stream_bomb):
        assert len(make()) < 1 << 21
    assert pl.read_parquet_metadata(io.BytesIO(parquet_bomb())) is not None
