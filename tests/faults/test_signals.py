"""Runs that a signal ends, or a kill, and that go on."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.support import LISTEN
from tests.conftest import environment
from tests.faults.kill_many import kill_until_done
from tests.faults.support import INTO, JOBS, Here, make_job, results

SLOWLY = """
import sys, time
from softmax_cli.jobs import rank_many
from softmax_cli.cli.app import app
real = rank_many.run
def slowly(source, *rest):
    if "in/003" in source.name:
        open("waiting", "w").close()
        time.sleep(float(sys.argv[1]))
    return real(source, *rest)
rank_many.run = slowly
app(sys.argv[2:])
"""


def signalled(folder: Path, seconds: float, numbers: list[int], arguments: list[str]) -> tuple[int, str]:
    """Exit code and stderr of a run that gets signals while its fourth input takes some time."""
    command = [sys.executable, "-c", LISTEN, sys.executable, "-c", SLOWLY, str(seconds), *arguments]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, env=environment()) as process:
        while process.poll() is None and not (folder / "waiting").exists():
            time.sleep(0.01)
        for number in numbers:
            process.send_signal(number)
            time.sleep(0.3)
        _, err = process.communicate(timeout=30)
    return process.returncode, err.decode()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("into", INTO, ids=lambda into: into[1])
def test_a_signal_ends_a_run_that_goes_on(
    softmax_here: Here, place: Path, into: list[str], number: int, code: int
) -> None:
    found, err = signalled(place, 1, [number], ["in", *into, "--resume"])
    assert (found, "stopping after the batch under way; again: at once\n" in err) == (code, True)
    how = "interrupted" if code == 130 else "terminated"
    command = " ".join(["softmax", "in", *into, "--resume"])
    end = f"error[interrupted]: {how}; 3 of 6 inputs are done\n  hint: this goes on with the rest: {command}\n"
    assert err.endswith(end)
    assert not place.joinpath(into[1]).is_file()
    code, _, err = softmax_here("in", *into, "--resume")
    assert (code, "3 of 6 inputs were done before" in err) == (0, True)
    found_results = results(into)
    assert softmax_here("in", *into)[0] == 0
    assert results(into) == found_results


def test_a_second_signal_ends_a_run_at_once(place: Path) -> None:
    begin = time.monotonic()
    code, err = signalled(place, 50, [signal.SIGTERM, signal.SIGTERM], ["in", "-o", "out.csv", "--resume"])
    assert time.monotonic() - begin < 40
    assert (code, "; 3 of 6 inputs are done\n" in err) == (143, True)
    assert (place / "out.csv.partial").exists()
    assert not (place / "out.csv").exists()


@pytest.mark.parametrize("name", JOBS)
def test_killed_and_gone_on_with(tmp_path: Path, name: str) -> None:
    """A few of what `python -m tests.faults.kill_many` does many times."""
    job = make_job(name, tmp_path, 30, 2000)
    assert job.run()[0] == job.code
    kill_until_done(job, job.results(), 0.3, random.Random(name), 2)
