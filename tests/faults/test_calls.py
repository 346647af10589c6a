"""A part of the sweep over failing calls; `python -m tests.faults.sweep` does all of it."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.mark.skipif(sys.platform != "linux" or shutil.which("cc") is None, reason="needs Linux and a C compiler")
@pytest.mark.parametrize("job", ["jsonl", "resume csv"])
def test_each_call_fails_once(job: str) -> None:
    command = [sys.executable, "-m", "tests.faults.sweep", job]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    faults = int(done.stdout.split(" faults in all")[0].split()[-1])
    assert faults > 90
