"""What a case is given: the options of the run, the data files, and where to report."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.measure import Report

SEED = 20260


@dataclass
class Suite:
    """Options, data and report. scale: of the sizes; quick: everything small, once."""

    folder: Path
    runs: int = 5
    scale: float = 1.0
    quick: bool = False
    only: str = ""
    report: Report = field(default_factory=Report)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def wants(self, title: str) -> bool:
        """Whether a part of a case was asked for."""
        return self.only in title

    def scaled(self, rows: int) -> int:
        """As many rows as the scale asks for."""
        return max(1, round(rows * self.scale))

    def output(self, name: str) -> Path:
        """Where a contestant writes."""
        (self.folder / "out").mkdir(exist_ok=True)
        return self.folder / "out" / name

    def forget(self) -> None:
        """Let go of the pages of all data files: where memory is full of them, whoever writes much waits for room."""
        if hasattr(os, "posix_fadvise"):
            for path in filter(Path.is_file, self.folder.iterdir()):
                with path.open("rb") as file:
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def made(self, name: str, make: Callable[[Path], object]) -> Path:
        """Make a data file once, and read it so that it is in the page cache."""
        path = self.folder / name
        if not path.exists():
            unfinished = path.with_name(f"unfinished-{name}")
            make(unfinished)
            unfinished.rename(path)
        if path.is_file():
            with path.open("rb") as file:
                while file.read(1 << 24):
                    pass
        return path

    def npy(self, rows: int, classes: int) -> Path:
        """float32 logits."""

        def make(path: Path) -> None:
            with path.open("wb") as file:
                header = {"descr": "<f4", "fortran_order": False, "shape": (rows, classes)}
                np.lib.format.write_array_header_1_0(file, header)
                for block in _blocks(rows, classes, np.float32):
                    file.write(block.data)

        return self.made(f"{rows}x{classes}.npy", make)

    def csv(self, rows: int, classes: int) -> Path:
        """Numbers of six decimals under names of classes: about 9.5 bytes each."""

        def make(path: Path) -> None:
            with path.open("wb") as file:
                for place, block in enumerate(_blocks(rows, classes, np.float64)):
                    _frame(block).write_csv(file, float_precision=6, include_header=place == 0)

        return self.made(f"{rows}x{classes}.csv", make)

    def parquet(self, rows: int, classes: int) -> Path:
        """float32 logits, a column a class."""

        def make(path: Path) -> None:
            _frame(np.concatenate(list(_blocks(rows, classes, np.float32)))).write_parquet(path)

        return self.made(f"{rows}x{classes}.parquet", make)

    def jsonl(self, rows: int, classes: int) -> Path:
        """An object with a list of logits a line."""

        def make(path: Path) -> None:
            with path.open("wb") as file:
                for block in _blocks(rows, classes, np.float64):
                    lists = pl.Series(block.round(6), dtype=pl.Array(pl.Float64, classes))
                    pl.DataFrame({"logits": lists}).write_ndjson(file)

        return self.made(f"{rows}x{classes}.jsonl", make)


def _blocks(rows: int, classes: int, dtype: type[np.floating]):  # type: ignore[no-untyped-def]
    random = np.random.default_rng(SEED)
    step = max(1, (1 << 22) // classes)
    for first in range(0, rows, step):
        yield random.standard_normal((min(step, rows - first), classes), dtype=dtype) * dtype(3)


def _frame(values: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame(values, schema=[f"class_{index}" for index in range(values.shape[1])], orient="row")
