"""Images: `softmax run` over a directory of JPEGs, beside the work that it can't do without, and a plain loop.

The work: (a) the processor seconds of the model alone, on ready tensors, and (b) those of decoding and preprocessing
alone, both without start-up. Bars: the whole process takes at most 1.15 times (a + b) / cores of wall time, and is
at least 1.4 times as fast as (c), a loop with Pillow and ONNX Runtime; memory doesn't grow with the images.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.run_images_made import make_larger

SOFTMAX = str(Path(sys.executable).with_name("softmax"))
PHOTOGRAPHS = 4000
OVER_WORK, OVER_LOOP = 1.15, 1.4
_MIB = 2**20 if sys.platform == "darwin" else 2**10  # what ru_maxrss counts in


@dataclass(frozen=True)
class Run:
    """A process: wall and processor seconds, its peak memory, and the cores that the machine gave to others."""

    seconds: float
    cpu: float
    peak_mib: float
    others: float
    printed: str


def _busy() -> float:
    """The processor seconds that the whole machine was busy since its start; NaN where it doesn't tell."""
    try:
        user, nice, system, _, _, *rest = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:])
    except OSError:
        return float("nan")
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")


def run_once(command: list[str]) -> Run:
    busy, begin = _busy(), time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds, busy = time.perf_counter() - begin, _busy() - busy
    process.stdout.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"failed with {process.returncode}: {' '.join(command)}")
    cpu = usage.ru_utime + usage.ru_stime
    return Run(seconds, cpu, usage.ru_maxrss / _MIB, max(0.0, (busy - cpu) / seconds), printed)


def _part(name: str, *arguments: Path) -> list[str]:
    return [sys.executable, "-m", "benchmarks.run_images_parts", name, *map(str, arguments)]


def _softmax(model: Path, photographs: Path, output: Path) -> list[str]:
    return [SOFTMAX, "run", str(model), str(photographs), "-o", str(output), "-q"]


def _cores() -> int:
    from softmax_cli.pipeline import usable_cores

    return usable_cores()


def _median(runs: list[Run], value: str) -> float:
    return statistics.median(getattr(run, value) for run in runs)


def _throughput(folder: Path, count: int, runs: int) -> None:
    model, photographs, output = folder / "model", folder / "photographs", folder / "out.csv"
    contestants = {
        "softmax run": _softmax(model, photographs, output),
        "(a) the model alone": _part("model", model, photographs),
        "(b) decoding and preprocessing alone": _part("decode", model, photographs),
        "(c) a loop with Pillow and onnxruntime": _part("loop", model, photographs, folder / "loop.csv"),
    }
    found: dict[str, list[Run]] = {name: [] for name in contestants}
    for turn in range(runs + 1):
        for name, command in contestants.items():
            run = run_once(command)
            if turn:  # the first round warms up
                found[name].append(run)
    ours, *parts, loop = found.values()
    cores = _cores()
    work = [[json.loads(run.printed)["cpu"] for run in part] for part in parts]
    print(f"\n{count} photographs, medians of {runs} interleaved runs")
    for name, part in found.items():
        wall, cpu, others = (_median(part, value) for value in ("seconds", "cpu", "others"))
        inner = [json.loads(run.printed) for run in part if run.printed]
        if inner:
            wall, cpu = (statistics.median(values[key] for values in inner) for key in ("seconds", "cpu"))
        print(f"  {name:<40} {wall:7.2f} s wall  {cpu:7.2f} s processor  {count / wall:6.0f} a second", end="")
        print(f"  {max(run.peak_mib for run in part):6.0f} MiB  others took {others:.2f} cores")
    over_work = [run.seconds / ((a + b) / cores) for run, a, b in zip(ours, *work, strict=True)]
    over_loop = [other.seconds / run.seconds for run, other in zip(ours, loop, strict=True)]
    print(f"  wall time / ((a + b) / {cores} cores): {_spread(over_work)}, the bar is at most {OVER_WORK}")
    print(f"  as fast as the loop, times: {_spread(over_loop)}, the bar is at least {OVER_LOOP}")


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _memory(folder: Path, counts: tuple[int, ...]) -> None:
    print("\nPeak memory")
    for count in counts:
        several = folder / f"photographs-{count}"
        make_larger(several, folder / "photographs", count)
        command = _softmax(folder / "model", several, folder / "out.csv")
        print(f"  {count:5} photographs  {run_once(command).peak_mib:6.0f} MiB")


def main(quick: bool = False) -> None:
    count, runs, counts = (24, 1, (24, 48)) if quick else (PHOTOGRAPHS, 5, (100, 500, 4000))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = [str(folder / "photographs"), str(count), str(folder / "model")]
        subprocess.run([sys.executable, "-m", "benchmarks.run_images_made", *made], check=True)
        load = os.getloadavg()[0]
        _throughput(folder, count, runs)
        _memory(folder, counts)
        print(f"  load average before {load:.1f}, after {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run_images", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few photographs and once: does it run at all?")
    main(parser.parse_args().quick)
