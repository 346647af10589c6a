"""The command in this process, in a folder: as `softmax_process`, but in a tenth of the time."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.calibrate.made import drawn, written
from tests.conftest import Run


@pytest.fixture
def in_process(softmax_here: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command here: `in_process("rank", "x.csv", cwd=folder)`."""

    def run(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[bytes]:
        monkeypatch.chdir(cwd)
        code, out, err = softmax_here(*arguments)
        return subprocess.CompletedProcess(arguments, code, out.encode(), err.encode())

    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Logits that are twice too large, with targets, in one folder."""
    path = tmp_path_factory.mktemp("calibrate")
    written(path, *drawn(500, 4, 2.0))
    written(path, *drawn(300, 4, 2.0, seed=1), name="fresh")
    return path
