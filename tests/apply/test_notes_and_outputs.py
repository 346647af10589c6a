"""`softmax apply`: the activation over whole arrays and tables, in every format, against scipy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.apply.support import Here


def test_notes_of_apply(softmax_here: Here, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("index,a,b\n1,2,3\n")
    code, out, err = softmax_here("apply", path, "-o", "-")
    assert code == 0
    assert out.startswith("index,a,b\n1,")
    lines: Sequence[str] = err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"softmax: note: {path}: ")
    assert "index" in lines[0]
