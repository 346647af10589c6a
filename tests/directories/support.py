"""What the tests of this folder share."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

Here = Callable[..., tuple[int, str, str]]


ROW = "1,2,3\n"


BAD = "1,2,3\n4,5\n"


def sources(out: str) -> list[str]:
    """The input of each row of a CSV of results."""
    return [row["source"] for row in csv.DictReader(io.StringIO(out))]


def errors(err: str) -> list[str]:
    """The slug and place of each error."""
    return [line.removeprefix("softmax: error") for line in err.splitlines() if line.startswith("softmax: error[")]


def notes(err: str) -> list[str]:
    return [line.removeprefix("softmax: note: ") for line in err.splitlines() if line.startswith("softmax: note: ")]


def told(err: str) -> str:
    """What was said but for the report at the end."""
    return "".join(line for line in err.splitlines(True) if not re.match(r"softmax: note: .* ranked in ", line))


def files_of(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


WALKED = [
    "in/10.csv", "in/9.csv", "in/Upper.CSV", "in/a.csv", "in/b.csv", "in/sub.csv", "in/sub/z.csv", "in/sub/deep/y.csv",
]  # fmt: skip


def read_sources(path: Path) -> list[str]:
    match path.suffix:
        case ".csv":
            return sources(path.read_text())
        case ".json":
            return [row["source"] for row in json.loads(path.read_text())]
        case ".jsonl":
            return [json.loads(line)["source"] for line in path.read_text().splitlines()]
        case ".parquet":
            return pl.read_parquet(path)["source"].to_list()
        case ".arrow":
            return pl.read_ipc(path)["source"].to_list()
        case ".npz":
            with np.load(path) as arrays:
                return arrays["source"].tolist()
        case ".md":
            return [line.split(" | ")[0].removeprefix("| ") for line in path.read_text().splitlines()[2:]]
    names: list[str] = []
    for line in path.read_text().splitlines():  # a heading, then a line a row
        if line.startswith("in/"):
            name = line
        elif line[:3].strip().isdigit():
            names.append(name)
    return names


COLLISIONS: Mapping[str, tuple[list[str], list[str]]] = {
    "two formats of one name": (["in"], ["in/a.csv", "in/a.npy"]),
    "the same name in two places": (["in/sub/a.csv", "in/a.csv"], ["in/sub/a.csv", "in/a.csv"]),
    "two directories": (["in/sub", "other"], ["in/sub/a.csv", "other/a.csv"]),
    "the same file twice": (["in/a.csv", "in/a.csv"], ["in/a.csv", "in/a.csv"]),
}


def write_kinds(folder: Path) -> None:
    """Inputs of 3 classes in float32 and float64, of 2 classes, and with ids."""
    rng = np.random.default_rng(2)
    np.save(folder / "f4.npy", rng.normal(size=(4, 3)).astype(np.float32))
    np.save(folder / "f8.npy", rng.normal(size=(4, 3)))
    np.save(folder / "two.npy", rng.normal(size=(4, 2)))
    (folder / "ids.csv").write_text("id,a,b,c\nx,1,2,3\ny,3,2,1\n")


def flat(path: Path) -> list[tuple[Any, ...]]:
    """A line for each prediction, whatever the format."""
    match path.suffix:
        case ".jsonl":
            rows = [json.loads(line) for line in path.read_text().splitlines()]
        case ".json":
            rows = json.loads(path.read_text())
        case ".parquet":
            rows = pl.read_parquet(path).to_dicts()
        case ".arrow":
            rows = pl.read_ipc(path).to_dicts()
        case _:
            rows = pl.read_csv(path, separator="\t" if path.suffix == ".tsv" else ",").to_dicts()
    lines = [{**row, **item} for row in rows for item in row.pop("predictions", [{}])]
    return [
        (row["source"], row["row"], row.get("id"), row["rank"], row["index"], row["logit"], row["probability"])
        for row in lines
    ]


WIDE = ["--layout", "wide", "-k", "3"]


def lengths(path: Path) -> dict[str, int]:
    with np.load(path) as arrays:
        return {name: len(values) for name, values in arrays.items() if name != "labels"}


def re_rows(out: str) -> list[str]:
    return [line for line in out.splitlines() if line[:3].strip().isdigit()]
