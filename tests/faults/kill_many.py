"""SIGKILL at random moments, then `--resume`: the same bytes as without. `python -m tests.faults.kill_many [KILLS]`."""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.support import JOBS, Job, make_job

FILES, ROWS = 60, 2000


def kill_until_done(
    job: Job, expected: dict[str, bytes], seconds: float, chance: random.Random, most: int
) -> list[int]:
    """Run a job, killing each run at a random moment, at most so often; then to its end.

    Returns how many inputs were recorded as done at each kill.
    """
    job.clear()
    kills = 0
    moments: list[int] = []
    while kills < most:
        with job.start("--resume") as process:
            while process.poll() is None and not job.has_begun():
                time.sleep(0.002)
            time.sleep(chance.uniform(0, 1) * seconds)
            if process.poll() is not None:
                break
            process.kill()
        kills += 1
        moments.append(job.recorded())
        if Path(job.output).suffix:  # one output: not there, or complete
            assert job.results() in ({}, expected)
    code, err = job.run("--resume")
    assert code == job.code, err
    assert job.results() == expected, f"after {kills} kills the results differ"
    assert not job.strays(), job.strays()
    return moments


def work_seconds(job: Job) -> float:
    """How long a job takes from when it has begun to write."""
    with job.start("--resume") as process:
        while process.poll() is None and not job.has_begun():
            time.sleep(0.002)
        begin = time.monotonic()
        process.wait()
        return time.monotonic() - begin


def main(kills: int) -> None:
    chance = random.Random(11)
    done: dict[str, list[int]] = {name: [] for name in JOBS}
    with tempfile.TemporaryDirectory() as folder:
        jobs = {}
        for name in JOBS:
            (place := Path(folder, name)).mkdir()
            job = make_job(name, place, FILES, ROWS)
            assert job.run()[0] == job.code
            expected = job.results()
            job.clear()
            jobs[name] = (job, expected, work_seconds(job))
        while sum(map(len, done.values())) < kills:
            for name, (job, expected, seconds) in jobs.items():
                done[name] += kill_until_done(job, expected, seconds, chance, chance.randint(1, 6))
            halfway = sum(0 < count < FILES for moments in done.values() for count in moments)
            print(f"{sum(map(len, done.values()))} kills, {halfway} with some inputs done and some not", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
