"""Growth: one, four and sixteen times as much input. Time is linear, and memory flat."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.measure import SOFTMAX, Contestant, interleaved
from benchmarks.suite import Suite

TIMES = (1, 4, 16)
LINEAR = 0.1
FLAT = 1.1


@dataclass(frozen=True)
class Input:
    """Files whose smallest has `rows`, and the most memory that ranking any of them may take.

    top: classes a row. The output stays below 1 GB: beyond, it's the system's search for memory that is measured.
    """

    source: str
    rows: int
    classes: int
    output: str
    most_mib: float
    top: int = 5

    @property
    def title(self) -> str:
        return f"{self.source} → {self.output}, {self.rows:,}×{self.classes:,}, top {self.top}"


INPUTS = (
    Input("npy", 60_000, 1000, "parquet", 250),
    Input("npy", 60_000, 1000, "csv", 250),
    Input("csv", 5_000, 1000, "csv", 400),
    Input("csv", 500_000, 10, "csv", 400, top=1),
)


def grow(suite: Suite, data: Input) -> None:
    suite.forget()
    contestants = {}
    for times in TIMES:
        path: Path = getattr(suite, data.source)(times * data.rows, data.classes)
        output = suite.output(f"grown-{times}.{data.output}")
        contestants[f"{times} ×"] = Contestant(
            [*SOFTMAX, str(path), "-k", str(data.top), "-q", "-o", str(output)], output
        )
    results = interleaved(contestants, suite.runs)
    suite.report.table(data.title, results, "1 ×")
    first, middle, last = results.values()
    part = (TIMES[1] - TIMES[0]) / (TIMES[2] - TIMES[0])
    line = first.median + (last.median - first.median) * part
    peaks = [measured.peak_mib or 0 for measured in results.values()]
    off = abs(middle.median / line - 1)
    suite.report.bar(f"{data.title}: time of {TIMES[1]} ×, off the line through the others", off, LINEAR)
    suite.report.bar(f"{data.title}: peak memory, largest to smallest input", peaks[-1] / peaks[0], FLAT)
    suite.report.bar(f"{data.title}: peak memory, MiB", max(peaks), data.most_mib)


def main(suite: Suite) -> None:
    for data in INPUTS:
        data = replace(data, rows=suite.scaled(data.rows))
        if suite.wants(data.title):
            grow(suite, data)
