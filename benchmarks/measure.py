"""Interleaved runs of whole processes: median seconds, peak memory, ratios."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Measured:
    """One contestant's runs: seconds of each, and the largest peak memory in MiB."""

    seconds: tuple[float, ...]
    peak_mib: float

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def _run_once(command: Sequence[str], stdin: Path | None) -> tuple[float, float]:
    """Run a command to its end: seconds, and peak memory in MiB."""
    source = stdin.open("rb") if stdin is not None else None
    begin = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdin=source or subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if source is not None:
        source.close()
    if process.returncode:
        raise SystemExit(f"failed with {process.returncode}: {' '.join(command)}")
    return seconds, usage.ru_maxrss / (1 if sys.platform == "darwin" else 1024) / (
        1024 if sys.platform == "darwin" else 1
    )


def interleaved(
    contestants: Mapping[str, Sequence[str]], runs: int = 5, stdin: Path | None = None
) -> dict[str, Measured]:
    """Run all contestants in turn, `runs` times after one round to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    peaks = dict.fromkeys(contestants, 0.0)
    for turn in range(runs + 1):
        for name, command in contestants.items():
            took, peak = _run_once(command, stdin)
            peaks[name] = max(peaks[name], peak)
            if turn:
                seconds[name].append(took)
    return {name: Measured(tuple(seconds[name]), peaks[name]) for name in contestants}


def machine() -> str:
    """The machine in one line."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{model}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def print_ratios(title: str, results: Mapping[str, Measured], ours: str) -> None:
    """Print each contestant's median beside ours: a ratio above 1 means that ours is quicker."""
    print(f"\n{title}")
    base = results[ours]
    for name, measured in results.items():
        ratio = measured.median / base.median
        print(f"  {name:<44} {measured.median * 1000:9.0f} ms  {measured.peak_mib:7.0f} MiB  {ratio:6.2f} × ours")
