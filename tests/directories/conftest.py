"""Fixtures of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.directories.support import BAD, ROW


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
