"""Headers of Arrow files that lie: refused before the table library believes them."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from softmax_cli.errors import InputError
from softmax_cli.sources.arrow import DamagedError, check_file

FRAME = pl.DataFrame(
    {
        "id": ["a", "bc", None] * 4,
        "kind": pl.Series(["x", "y", "x"] * 4, dtype=pl.Categorical),
        "none": [None] * 12,
        "whole": [True, False, True] * 4,
        "c0": np.arange(12, dtype=np.float32),
        "c1": np.ones(12, np.float32),
    }
)
WAYS: dict[str, Callable[[io.BytesIO], object]] = {
    "file": FRAME.write_ipc,
    "zstd": lambda buffer: FRAME.write_ipc(buffer, compression="zstd"),
    "lz4": lambda buffer: FRAME.write_ipc(buffer, compression="lz4"),
    "batches": lambda buffer: FRAME.write_ipc(buffer, record_batch_size=5),
    "stream": FRAME.write_ipc_stream,
    "no rows": FRAME.clear().write_ipc,
    "lists": pl.DataFrame({"logits": [[1.0, 2.0], [3.0, 4.0]]}).write_ipc,
}
# Reads variants of a file with little memory to spare: prints how many were read, and how many refused.
READ_ALL = """
import resource, sys
import polars
from pathlib import Path
from softmax_cli import ReadOptions, open_source
from softmax_cli.errors import InputError
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (3 << 30),) * 2)
data = Path(sys.argv[1]).read_bytes()
path = Path(sys.argv[1]).with_name("changed.arrow")
read = refused = 0
for place in range(0, len(data), 4):
    for word in (0x7FFFFFFF, 0x80000000, 0x01000000):
        path.write_bytes(data[:place] + word.to_bytes(4, "little") + data[place + 4 :])
        try:
            read += bool(sum(len(batch) for batch in open_source(str(path), ReadOptions(on_fault=lambda error: None))))
        except InputError:
            refused += 1
print(read, refused)
"""


def written(way: str) -> bytes:
    buffer = io.BytesIO()
    WAYS[way](buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("way", WAYS)
def test_sound_files_pass(way: str) -> None:
    check_file(io.BytesIO(written(way)), way)


@pytest.mark.parametrize(("way", "step"), [("file", 7), ("zstd", 7), ("stream", 8191)])
def test_what_is_cut_short_is_refused(way: str, step: int) -> None:
    data = written(way)
    for end in range(len(data) - 16, 8, -step):  # a stream may end behind any message
        with pytest.raises(DamagedError):
            check_file(io.BytesIO(data[:end]), way)


def test_few_bytes_that_claim_very_many() -> None:
    buffer = io.BytesIO()
    pl.DataFrame({"a": np.zeros(30_000_000), "b": np.zeros(30_000_000)}).write_ipc(buffer, compression="zstd")
    assert len(buffer.getvalue()) < 100_000
    with pytest.raises(InputError) as caught:
        check_file(buffer, "zeros.arrow")
    assert caught.value.slug == "compression-bomb"


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is set by what /proc tells")
@pytest.mark.parametrize("way", ["file", "zstd", "stream"])
def test_no_word_of_a_file_takes_much_memory(tmp_path: Path, way: str) -> None:
    path = tmp_path / "x.arrow"
    path.write_bytes(written(way))
    done = subprocess.run([sys.executable, "-c", READ_ALL, path], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    read, refused = map(int, done.stdout.split())
    assert read > 0
    assert refused > 0
