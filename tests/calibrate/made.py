"""Logits whose calibration is known: targets are drawn from the softmax of logits that were scaled afterwards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.conftest import Run

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


def shares_of(logits: Floats) -> Floats:
    """Softmax, the plain way."""
    terms = np.exp(logits - logits.max(axis=1, keepdims=True))
    return terms / terms.sum(axis=1, keepdims=True)


def drawn(rows: int, classes: int, scale: float = 1.0, seed: int = 0, spread: float = 2.0) -> tuple[Floats, Indices]:
    """Logits that are `scale` times too large, and targets."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(rows, classes)) * spread
    targets = (shares_of(logits).cumsum(axis=1) > rng.random((rows, 1))).argmax(axis=1)
    return logits * scale, targets


def written(folder: Path, logits: Floats, targets: Indices, name: str = "logits") -> tuple[Path, Path]:
    """Logits and targets as files."""
    logits_path, targets_path = folder / f"{name}.npy", folder / f"{name}_targets.txt"
    np.save(logits_path, logits)
    targets_path.write_text("".join(f"{target}\n" for target in targets))
    return logits_path, targets_path


def fitted(run: Run, folder: Path, *arguments: object, name: str = "T.json") -> Path:
    done = run("calibrate", "logits.npy", "--targets", "logits_targets.txt", "-o", name, *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr.decode()
    return folder / name
