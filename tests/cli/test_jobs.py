"""How many threads there are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import environment

COUNT = """
import sys
from softmax_cli.cli.app import app
app(sys.argv[1:], standalone_mode=False)
import polars
print(polars.thread_pool_size())
"""


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_the_table_library_has_no_more_threads_than_jobs(jobs: str, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 3)))
    arguments = [str(tmp_path / "x.npy"), "-q", "-o", str(tmp_path / "out.parquet"), "--jobs", jobs]
    kept = {name: value for name, value in environment().items() if name != "POLARS_MAX_THREADS"}
    command = [sys.executable, "-c", COUNT, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=kept, timeout=60, check=True)
    assert int(done.stdout) <= int(jobs)
