"""Make the corpus of hostile files: `python -m tests.corpus.make DIR`.

`manifest.csv` says of each what the command is asked to do with it, and which slug and exit code come of that;
`python -m tests.corpus.make DIR --record` writes that table anew, to be read line by line before it is believed.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.corpus import others
from tests.corpus.damage import damaged
from tests.hostile.models import outside

MANIFEST = Path(__file__).parent / "manifest.csv"
ROWS = np.array([[1, 2, 3], [3, 2, 1]], np.float32)

# What the command is asked to do with a file of each folder; {} is the file.
COMMANDS = {
    "data": "rank {}",
    "labels": "rank support/x.csv --labels {}",
    "configs": "run {} support/x.png",
    "tokenizers": "run {} --text a",
    "images": "run support/images.onnx {}",
    "models": "run {} support/x.npy",
    "isolated": "run {} support/x.npy --model-timeout 3 --memory-limit 1G",
}


@dataclass(frozen=True)
class Entry:
    """One file or folder of the corpus, and what comes of it."""

    name: str
    arguments: str
    slug: str
    code: int

    def command(self) -> list[str]:
        return self.arguments.replace("{}", self.name).split()


def _files() -> Iterator[tuple[str, bytes]]:
    yield from ((f"data/{name}", data) for name, data in damaged())
    yield from ((f"labels/{name}", data) for name, data in others.labels())
    for kind, folders, model in (
        ("configs", others.configs(), others.images_model()),
        ("tokenizers", others.tokenizers(), others.tokens_model()),
    ):
        for name, files in folders:
            yield from ((f"{kind}/{name}/{file}", data) for file, data in {**files, "model.onnx": model}.items())
    yield from ((f"images/{name}", data) for name, data in others.images())
    yield from ((f"models/{name}", data) for name, data in others.models())


def _support(folder: Path) -> None:
    place = folder / "support"
    place.mkdir()
    np.save(place / "x.npy", ROWS)
    (place / "x.csv").write_text("1,2,3\n3,2,1\n")
    (place / "x.png").write_bytes(others._picture("PNG"))
    (place / "images.onnx").write_bytes(others.images_model())
    models = folder / "models"
    (models / "weights.bin").write_bytes(b"\0" * 12)
    for name in ("symlink", "hardlink", "dangling", "pipe"):
        (models / f"weights_{name}.onnx").write_bytes(outside(f"{name}.bin"))
    (models / "symlink.bin").symlink_to(place / "x.npy")
    (models / "dangling.bin").symlink_to(place / "nothing")
    os.link(place / "x.csv", models / "hardlink.bin")
    os.mkfifo(models / "pipe.bin")


def make(folder: Path) -> list[str]:
    """Write all files; returns the names of the entries: files, and folders of models."""
    names: dict[str, None] = {}
    for name, data in _files():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        kind, first, *_ = name.split("/")
        names[f"{kind}/{first}"] = None
    _support(folder)
    names |= dict.fromkeys(f"models/weights_{name}.onnx" for name in ("symlink", "hardlink", "dangling", "pipe"))
    return list(names)


def arguments_of(name: str) -> str:
    """What the command is asked to do with an entry."""
    return COMMANDS["isolated" if name.startswith("models/isolated_") else name.split("/")[0]]


def manifest() -> list[Entry]:
    """The table."""
    with MANIFEST.open(newline="", encoding="utf-8") as file:
        return [
            Entry(row["file"], row["arguments"], row["slug"], int(row["exit code"])) for row in csv.DictReader(file)
        ]


def _ran(arguments: list[str], folder: Path) -> tuple[int, str]:
    """Run the command in this process; what ends a process has one of its own anyway."""
    from tests.bad_input.running import MAIN

    before = Path.cwd()
    os.chdir(folder)
    try:
        with (
            contextlib.redirect_stderr(io.StringIO()) as said,
            contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())),
        ):
            code = MAIN.main(arguments, standalone_mode=False)
    finally:
        os.chdir(before)
    return int(code), said.getvalue()


def record(folder: Path, names: list[str]) -> None:
    """Write the table anew, from what the command says now."""
    with MANIFEST.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", "arguments", "slug", "exit code"])
        for name in names:
            entry = Entry(name, arguments_of(name), "", 0)
            code, said = _ran([*entry.command(), "-f", "csv", "--errors", "json"], folder)
            lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
            slugs = [line["slug"] for line in lines if line["type"] == "error"]
            writer.writerow([name, entry.arguments, " ".join(slugs), code])
            print(name, slugs, code, [line.get("message") for line in lines][:1], flush=True)


if __name__ == "__main__":
    where = Path(sys.argv[1])
    found = make(where)
    if sys.argv[2:] == ["--record"]:
        record(where, found)
