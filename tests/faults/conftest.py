"""The folder in which runs are stopped and go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.support import make_inputs


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_inputs(tmp_path / "in", 6, 5, broken=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path
