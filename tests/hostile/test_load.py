"""Many columns, many files, deep folders."""

from __future__ import annotations

import bz2
from pathlib import Path

import numpy as np
import pytest

from softmax_cli.errors import InputError
from softmax_cli.sources import open_source
from tests.conftest import Run


def test_the_role_of_each_of_many_columns(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("id,a,b,label,c,text\n1,0.5,1.5,2,3.5,x\n")
    kinds = {item["name"]: item["role"] for item in open_source(str(path)).facts["columns"]}
    assert kinds == {"id": "id", "a": "class", "b": "class", "label": "target", "c": "class", "text": "ignored"}


@pytest.mark.parametrize("cell", [b",", b"1,"])
def test_a_few_packed_bytes_are_no_line_of_millions(tmp_path: Path, cell: bytes) -> None:
    path = tmp_path / "x.csv.bz2"
    path.write_bytes(bz2.compress(cell * 20_000_000))
    assert path.stat().st_size < 20_000
    with pytest.raises(InputError) as caught:
        open_source(str(path))
    assert caught.value.slug == "compression-bomb"
    path.write_bytes(bz2.compress(cell * 1000))
    if cell == b"1,":
        with pytest.raises(InputError) as caught:
            list(open_source(str(path)))
        assert caught.value.slug == "bad-value"  # its last cell is empty


@pytest.mark.parametrize("arguments", [[], ["-j", "1"]])
def test_deep_folders_of_files(softmax_process: Run, tmp_path: Path, arguments: list[str]) -> None:
    folder = tmp_path / "top"
    names = []
    for level in range(20):
        folder = folder / f"level{level:02}"
        folder.mkdir(parents=True)
        for number in range(3):
            np.save(folder / f"{number}.npy", np.array([[1.0, 2.0]]))
            names.append(folder / f"{number}.npy")
    done = softmax_process(tmp_path / "top", "-f", "csv", "-k", "1", "-q", *arguments)
    assert done.returncode == 0, done.stderr
    assert [line.split(",")[0] for line in done.stdout.decode().splitlines()[1:]] == list(map(str, names))
