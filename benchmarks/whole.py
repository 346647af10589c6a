"""Whole processes, from a file to a file: ours beside what one would write with scipy, torch, pandas or polars."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.measure import SOFTMAX, Contestant, Measured, interleaved
from benchmarks.suite import Suite

MEMORY_PART = 1 / 3  # of the fastest rival's, for text
OVER_FILE = 1.25
OURS = "softmax"
_SPLICED = {"splice file | softmax": "splice"} if hasattr(os, "splice") else {}
THROUGH_STDIN = {"softmax < file": "stdin", **_SPLICED, "cat file | softmax": "cat"}


@dataclass(frozen=True)
class Job:
    """Rank a file of `rows` by `classes` into another one.

    rivals: by name, the script and its extra arguments. bars: by a rival's name, how often its time ours must fit in.
    pipe, less_memory: whether those bars are for it too.
    """

    source: str
    rows: int
    classes: int
    output: str
    top: int
    rivals: Mapping[str, tuple[str, ...]]
    bars: Mapping[str, float]
    pipe: bool = False
    less_memory: bool = False

    @property
    def title(self) -> str:
        return f"{self.source} → {self.output}, {self.rows:,}×{self.classes:,}, top {self.top}"


_NPY = {"scipy": ("scipy_npy",), "scipy, threads": ("scipy_npy", "threads"), "torch": ("torch_npy",)}
_NPY_BARS = {"scipy": 3.0, "torch": 1.7}
_CSV = {"polars": ("polars_csv",), "polars, in batches": ("polars_csv_stream",), "pandas": ("pandas_csv",)}
_PARQUET = {"polars": ("polars_parquet",), "pandas": ("pandas_parquet",)}
_JSONL = {"polars": ("polars_jsonl",), "pandas": ("pandas_jsonl",)}

JOBS = (
    Job("npy", 1_000_000, 1000, "parquet", 5, _NPY, _NPY_BARS, pipe=True),
    Job("npy", 1_000_000, 1000, "csv", 5, _NPY, _NPY_BARS),
    Job("npy", 1_000_000, 1000, "jsonl", 5, _NPY, _NPY_BARS),
    Job("csv", 20_000, 1000, "csv", 5, _CSV, dict.fromkeys(_CSV, 1.0), less_memory=True),
    Job("csv", 2_000_000, 10, "csv", 3, _CSV, dict.fromkeys(_CSV, 1.0), less_memory=True),
    Job("parquet", 50_000, 1000, "parquet", 5, _PARQUET, dict.fromkeys(_PARQUET, 1.0)),
    Job("parquet", 5_000_000, 10, "parquet", 3, _PARQUET, dict.fromkeys(_PARQUET, 1.0)),
    Job("jsonl", 20_000, 1000, "parquet", 5, _JSONL, dict.fromkeys(_JSONL, 1.0)),
)


@dataclass(frozen=True)
class Apply:
    """The softmax of a whole array."""

    rows: int = 100_000
    classes: int = 1000
    rivals: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {
            "scipy": ("scipy_apply",),
            "scipy, in blocks": ("scipy_apply", "blocks"),
            "torch": ("torch_apply",),
        }
    )
    bars: Mapping[str, float] = field(default_factory=lambda: {"scipy": 2.0})

    @property
    def title(self) -> str:
        return f"apply npy → npy, {self.rows:,}×{self.classes:,}"


def script(name: str, *arguments: object) -> list[str]:
    return [sys.executable, "-m", f"benchmarks.rivals.{name}", *map(str, arguments)]


def rank(suite: Suite, job: Job) -> None:
    suite.forget()
    source: Path = getattr(suite, job.source)(job.rows, job.classes)
    options = ["-k", str(job.top), "-q", "-o"]

    def place(name: str) -> Path:
        return suite.output(f"{name.replace(', ', '-').replace(' ', '-')}.{job.output}")

    contestants = {OURS: Contestant([*SOFTMAX, str(source), *options, str(place(OURS))], output=place(OURS))}
    through_stdin = THROUGH_STDIN if job.pipe else {}
    for name, how in through_stdin.items():
        command = [*SOFTMAX, "-", *options, str(place(how))]
        contestants[name] = Contestant(command, place(how), how, source)
    for name, (module, *more) in job.rivals.items():
        command = script(module, source, place(name), job.top, *more)
        contestants[name] = Contestant(command, output=place(name))
    results = interleaved(contestants, suite.runs)
    suite.report.table(job.title, results, OURS, job.bars, agreement(contestants))
    for name in through_stdin:
        over = results[name].median / results[OURS].median
        suite.report.bar(f"{job.title}: time of {name}, times the file's", over, OVER_FILE)
    if job.less_memory:
        _compare_memory(suite, job.title, results, job.rivals)
    for contestant in contestants.values():
        if contestant.output is not None:
            contestant.output.unlink()


def _compare_memory(suite: Suite, title: str, results: Mapping[str, Measured], rivals: Mapping[str, object]) -> None:
    fastest = min(rivals, key=lambda name: results[name].median)
    part = (results[OURS].peak_mib or 0) / (results[fastest].peak_mib or 1)
    suite.report.bar(f"{title}: peak memory, times that of {fastest}", part, MEMORY_PART)


def agreement(contestants: Mapping[str, Contestant]) -> dict[str, str]:
    """Say whose best class isn't ours in some rows; ties, and the rounding of text, may do that."""
    best = {name: _best(contestant.output) for name, contestant in contestants.items() if contestant.output}
    notes = {}
    for name, classes in best.items():
        if len(classes) != len(best[OURS]):
            raise SystemExit(f"{name} wrote {len(classes)} rows, ours {len(best[OURS])}")
        others = int(np.count_nonzero(classes != best[OURS]))
        if others > len(classes) / 1000:
            raise SystemExit(f"{name} ranks {others} rows of {len(classes)} otherwise: not the same work")
        if others:
            notes[name] = f"another best class in {others} rows"
    return notes


def _best(output: Path) -> np.ndarray:
    if output.suffix == ".jsonl":
        predictions = pl.scan_ndjson(output).select(pl.col("predictions").list.first())
        return predictions.unnest("predictions").select("index").collect()["index"].to_numpy()
    frame = pl.scan_csv(output) if output.suffix == ".csv" else pl.scan_parquet(output)
    return frame.filter(pl.col("rank") == 1).select("index").collect()["index"].to_numpy()


def apply(suite: Suite, job: Apply) -> None:
    source = suite.npy(job.rows, job.classes)
    place = {name: suite.output(f"{name.replace(', ', '-').replace(' ', '-')}.npy") for name in (OURS, *job.rivals)}
    contestants = {OURS: Contestant([*SOFTMAX, "apply", str(source), "-q", "-o", str(place[OURS])], place[OURS])}
    for name, (module, *more) in job.rivals.items():
        contestants[name] = Contestant(script(module, source, place[name], *more), place[name])
    results = interleaved(contestants, suite.runs)
    ours = np.load(place[OURS], mmap_mode="r")[:1000]
    for name, path in place.items():
        np.testing.assert_allclose(np.load(path, mmap_mode="r")[:1000], ours, rtol=1e-4, err_msg=name)
    suite.report.table(job.title, results, OURS, job.bars)
    for path in place.values():
        path.unlink()


def main(suite: Suite) -> None:
    for job in JOBS:
        job = replace(job, rows=suite.scaled(job.rows))
        if suite.wants(job.title):
            rank(suite, job)
    job = Apply(suite.scaled(Apply.rows))
    if suite.wants(job.title):
        apply(suite, job)
