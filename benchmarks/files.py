"""Many small files: a directory of .npy, and what each costs over the start-up."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from benchmarks.measure import SOFTMAX, Contestant, interleaved
from benchmarks.suite import SEED, Suite

FILES, ROWS, CLASSES = 5000, 10, 1000
MS_A_FILE = 1.0
EACH = "softmax, a file for each"


def make_directory(folder: Path, count: int) -> None:
    random = np.random.default_rng(SEED)
    folder.mkdir(exist_ok=True)
    for number in range(count):
        np.save(folder / f"{number:05}.npy", random.standard_normal((ROWS, CLASSES), np.float32) * np.float32(3))


def main(suite: Suite) -> None:
    count = max(2, suite.scaled(FILES))
    many = suite.made(f"{count}-files", lambda path: make_directory(path, count))
    one = suite.made("1-file", lambda path: make_directory(path, 1))
    output = str(suite.output("files.csv"))
    results = interleaved(
        {
            "softmax": Contestant([*SOFTMAX, str(many), "-q", "-o", output]),
            EACH: Contestant([*SOFTMAX, str(many), "-q", "-f", "csv", "--output-dir", str(suite.output("each"))]),
            "softmax, one file": Contestant([*SOFTMAX, str(one), "-q", "-o", output]),
            "scipy": Contestant([sys.executable, "-m", "benchmarks.rivals.scipy_files", str(many), output, "5"]),
        },
        suite.runs,
    )
    start = results["softmax, one file"].median
    over = {name: (measured.median - start) / (count - 1) * 1000 for name, measured in results.items()}
    notes = {name: f"{ms:.2f} ms a file" for name, ms in over.items() if name in ("softmax", EACH)}
    suite.report.table(f"{count:,} npy of {ROWS}×{CLASSES:,}", results, "softmax", notes=notes)
    suite.report.bar("ms a file over the start-up", over["softmax"], MS_A_FILE)
