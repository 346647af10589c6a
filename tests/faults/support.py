"""Jobs that are made to fail: what they rank, where, and what must be there afterwards."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.conftest import SAMPLES, SOFTMAX, environment

BROKEN = "1,2,3\n4,5\n"
Here = Callable[..., tuple[int, str, str]]
INTO = [["-o", "out.csv"], ["-o", "out.jsonl"], ["--output-dir", "out", "-f", "parquet"]]


def make_inputs(folder: Path, files: int, rows: int, broken: bool = True) -> None:
    """Arrays of logits, and among them a file whose second row is short."""
    folder.mkdir()
    generator = np.random.default_rng(5)
    for number in range(files):
        np.save(folder / f"{number:03}.npy", generator.normal(size=(rows, 8)).astype(np.float32))
    if broken:
        (folder / f"{files // 2:03}-broken.csv").write_text(BROKEN)


def make_images(folder: Path, files: int) -> None:
    """Some of the sample images, and one that isn't an image."""
    folder.mkdir()
    for path in sorted((SAMPLES / "digits" / "images").iterdir())[:files]:
        shutil.copy(path, folder)
    (folder / "digit_005x.png").write_bytes(b"no image")


@dataclass(frozen=True)
class Job:
    """A command, from where it is run, and what it writes."""

    arguments: Sequence[str]
    output: str
    folder: Path
    code: int = 3

    def start(self, *more: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        command = [*SOFTMAX, *self.arguments, *more]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment(**(env or {})),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *more: str, env: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Exit code and stderr."""
        with self.start(*more, env=env) as process:
            _, err = process.communicate(timeout=60)
        return process.returncode, err.decode()

    def results(self) -> dict[str, bytes]:
        """What is there for the user: the output, or the files of the directory."""
        path = self.folder / self.output
        if path.is_file():
            return {path.name: path.read_bytes()}
        files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else []
        return {str(file.relative_to(path)): file.read_bytes() for file in files if not file.name.startswith(".")}

    def strays(self) -> list[str]:
        """What lies beside the inputs and results, but for what makes going on possible."""
        kept = (".softmax-manifest", ".softmax-manifest.jsonl", ".partial", ".softmax-lock")
        found = [file for file in self.folder.rglob("*") if file.is_file() and "in" not in file.parts]
        results = self.folder / self.output
        return [
            file.name
            for file in found
            if file != results
            and not file.name.endswith(kept)
            and (results not in file.parents or file.name.startswith("."))
        ]

    def has_begun(self) -> bool:
        """Whether a run has taken its place."""
        return any(path.name.endswith(".softmax-lock") for path in self.folder.rglob(".softmax-lock")) or any(
            self.folder.glob("*.softmax-lock")
        )

    def recorded(self) -> int:
        """How many inputs the manifest tells of."""
        path = self.folder / self.output
        manifest = path / ".softmax-manifest.jsonl" if path.is_dir() else Path(f"{path}.softmax-manifest")
        data = manifest.read_bytes() if manifest.exists() else b""
        return len({line for line in data.splitlines() if line.startswith(b'{"type":"input","')})

    def clear(self) -> None:
        """Remove all that runs left."""
        for path in self.folder.iterdir():
            if path.name != "in":
                shutil.rmtree(path) if path.is_dir() else path.unlink()


JOBS: Mapping[str, tuple[Sequence[str], str]] = {
    "csv": (["in", "-o", "out.csv"], "out.csv"),
    "jsonl": (["in", "-o", "out.jsonl", "--on-error", "skip"], "out.jsonl"),
    "parquet": (["in", "--output-dir", "out", "-f", "parquet"], "out"),
    "npz": (["in", "--output-dir", "out", "-f", "npz"], "out"),
    "images": (["run", str(SAMPLES / "digits_model"), "in", "-o", "out.csv"], "out.csv"),
}


def make_job(name: str, folder: Path, files: int, rows: int) -> Job:
    """One of the jobs, its inputs made."""
    arguments, output = JOBS[name]
    if name == "images":
        make_images(folder / "in", files)
    else:
        make_inputs(folder / "in", files, rows)
    return Job([*arguments, "-k", "3", "-q"], output, folder)


def results(into: list[str]) -> dict[str, bytes]:
    path = Path(into[1])
    files = [path] if path.is_file() else [file for file in path.glob("*") if not file.name.startswith(".")]
    return {file.name: file.read_bytes() for file in files}
