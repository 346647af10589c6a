"""`python -m benchmarks [CASE]...`: every case, or those named, in turn."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import machine
from benchmarks.suite import Suite

CASES = ("startup", "kernel", "whole", "files", "growth", "evaluate", "run_images")
QUICK_SCALE = 0.002


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)} (all)")
    parser.add_argument("--runs", type=int, help="interleaved runs after one to warm up (5)")
    parser.add_argument("--scale", type=float, help="of the sizes (1: files of 200 MB to 4 GB)")
    parser.add_argument("--only", default="", metavar="TEXT", help="those parts of a case whose title holds TEXT")
    parser.add_argument("--data", type=Path, metavar="DIR", help="keep the data files there (a temporary directory)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--quick", action="store_true", help="everything small and once: does it run at all?")
    options = parser.parse_args()
    unknown = [name for name in options.cases if name not in CASES]
    if unknown:
        parser.error(f"no case {unknown[0]}: choose of {', '.join(CASES)}")
    return options


def run(options: argparse.Namespace, folder: Path) -> None:
    runs, scale = (1, QUICK_SCALE) if options.quick else (5, 1.0)
    suite = Suite(folder, options.runs or runs, options.scale or scale, options.quick, options.only)
    suite.report.judged = not options.quick
    print(f"{machine()}, load average {os.getloadavg()[0]:.1f}", flush=True)
    for name in options.cases or CASES:
        if name == "run_images":
            command = [sys.executable, "-m", f"benchmarks.{name}", *(["--quick"] if options.quick else [])]
            subprocess.run(command, check=True)
            continue
        suite.report.case = name
        importlib.import_module(f"benchmarks.{name}").main(suite)
    suite.report.summary()
    if options.json is not None:
        figures = {"runs": suite.runs, "scale": suite.scale, **suite.report.figures()}
        options.json.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n")


def main() -> None:
    options = arguments()
    if options.data is not None:
        run(options, options.data)
        return
    with tempfile.TemporaryDirectory() as folder:
        run(options, Path(folder))


if __name__ == "__main__":
    main()
