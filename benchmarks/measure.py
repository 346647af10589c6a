"""Interleaved runs of whole processes: median seconds, peak memory, ratios, bars."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SOFTMAX = (str(Path(sys.executable).with_name("softmax")),)


@dataclass(frozen=True)
class Contestant:
    """A command to measure. output: the file that it writes. how: it gets `file`, as `launch.py` says."""

    command: Sequence[str]
    output: Path | None = None
    how: str = "none"
    file: Path = Path("-")


@dataclass(frozen=True)
class Measured:
    """One contestant's runs: seconds of each; for processes the median of processor seconds, and the largest peak."""

    seconds: tuple[float, ...]
    cpu: float | None = None
    peak_mib: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


@dataclass(frozen=True)
class Bar:
    """A number, and what it must be."""

    case: str
    what: str
    value: float
    limit: float
    at_most: bool

    @property
    def holds(self) -> bool:
        return self.value <= self.limit if self.at_most else self.value >= self.limit

    def __str__(self) -> str:
        sign = "≤" if self.at_most else "≥"
        return f"{sign} {self.limit:g}: {'holds' if self.holds else 'FAILS'}"


def usable_cores() -> int:
    from softmax_cli.pipeline import usable_cores as cores

    return cores()


def run_once(contestant: Contestant) -> tuple[float, float, float]:
    """Run a command to its end: seconds, processor seconds, and peak memory in MiB.

    What an earlier run wrote is removed before, and nothing waits for the disk: neither is this one's work.
    """
    if contestant.output is not None:
        contestant.output.unlink(missing_ok=True)
    os.sync()
    threads = str(usable_cores())
    pools = dict.fromkeys(("BENCHMARK_THREADS", "POLARS_MAX_THREADS", "OMP_NUM_THREADS"), threads)
    environment = {**os.environ, **({} if contestant.command[0] in SOFTMAX else pools)}
    for name in ("PYTHONDONTWRITEBYTECODE", "_RJEM_MALLOC_CONF"):  # the second is what importing polars here has set
        environment.pop(name, None)
    launch = [sys.executable, "-I", "-S", str(Path(__file__).with_name("launch.py"))]
    launched = subprocess.run(
        [*launch, contestant.how, str(contestant.file), *contestant.command],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        check=False,
    )
    if launched.returncode:
        raise SystemExit(f"failed with {launched.returncode}: {' '.join(contestant.command)}")
    seconds, cpu, peak = map(float, launched.stdout.split())
    return seconds, cpu, peak / 1024


def interleaved(contestants: Mapping[str, Contestant], runs: int) -> dict[str, Measured]:
    """Run all contestants in turn, `runs` times, after one round to warm up if they are several."""
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in contestants}
    for _ in range(runs + (runs > 1)):
        for name, contestant in contestants.items():
            found[name].append(run_once(contestant))
    results = {}
    for name, all_runs in found.items():
        seconds, cpu, _ = zip(*all_runs[-runs:], strict=True)
        results[name] = Measured(seconds, statistics.median(cpu), max(peak for _, _, peak in all_runs))
    return results


def interleaved_calls(functions: Mapping[str, Callable[[], Any]], runs: int) -> dict[str, Measured]:
    """Call all functions in turn, as `interleaved` does; a pause lets the threads of the one before fall asleep."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for turn in range(runs + (runs > 1)):
        for name, function in functions.items():
            time.sleep(0.2)
            begin = time.perf_counter()
            function()
            if turn or runs == 1:
                seconds[name].append(time.perf_counter() - begin)
    return {name: Measured(tuple(values)) for name, values in seconds.items()}


def machine() -> str:
    """The machine in one line."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = f"{os.cpu_count()} cores, {usable_cores()} usable, {memory:.0f} GiB"
    return f"{model}, {cores}, {platform.system()}, Python {platform.python_version()}"


@dataclass
class Report:
    """Prints what was measured, and keeps it; judged: whether the bars are looked at."""

    case: str = ""
    judged: bool = True
    tables: list[dict[str, Any]] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)

    def table(
        self,
        title: str,
        results: Mapping[str, Measured],
        ours: str,
        bars: Mapping[str, float] | None = None,
        notes: Mapping[str, str] | None = None,
    ) -> None:
        """Print each contestant's median beside ours: a ratio above 1 means that ours is quicker.

        bars: by a rival's name, the ratio that it must reach.
        """
        print(f"\n{title}  (load average {os.getloadavg()[0]:.1f})")
        rows = {}
        for name, measured in results.items():
            ratio = measured.median / results[ours].median
            bar = None
            if self.judged and name in (bars or {}):
                bar = self._bar(f"{title}: {name}", ratio, (bars or {})[name], at_most=False)
            process = f"{measured.cpu:6.2f} s cpu {measured.peak_mib:6.0f} MiB" if measured.cpu is not None else ""
            note = (notes or {}).get(name, "")
            spread = f"({min(measured.seconds) * 1000:.0f} to {max(measured.seconds) * 1000:.0f})"
            line = f"  {name:<36} {measured.median * 1000:8.0f} ms {spread:<18} {process} {ratio:6.2f} × ours"
            print("  ".join(filter(None, (line, "" if bar is None else str(bar), note))), flush=True)
            rows[name] = {**asdict(measured), "median": measured.median, "ratio": ratio, "note": note}
        self.tables.append({"case": self.case, "title": title, "ours": ours, "load": os.getloadavg()[0], "rows": rows})

    def bar(self, what: str, value: float, limit: float, *, at_most: bool = True) -> None:
        """Print and keep a number that has a bar of its own."""
        bar = self._bar(what, value, limit, at_most) if self.judged else ""
        print(f"  {what}: {value:.3g}  {bar}", flush=True)

    def _bar(self, what: str, value: float, limit: float, at_most: bool) -> Bar:
        self.bars.append(Bar(self.case, what, value, limit, at_most))
        return self.bars[-1]

    def summary(self) -> None:
        """Say which bars failed."""
        if not self.judged:
            print("\nSo small, nothing tells whether the bars hold")
            return
        failed = [bar for bar in self.bars if not bar.holds]
        print(f"\n{len(self.bars) - len(failed)} of {len(self.bars)} bars hold")
        for bar in failed:
            print(f"  {bar.case}, {bar.what}: {bar.value:.3g}  {bar}")

    def figures(self) -> dict[str, Any]:
        """All of it, for a JSON file."""
        return {
            "machine": machine(),
            "tables": self.tables,
            "bars": [{**asdict(bar), "holds": bar.holds} for bar in self.bars],
        }
