"""Data on which other libraries' figures were recorded, and ours are compared with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RECORDED = Path(__file__).with_name("oracles.json")


@dataclass(frozen=True)
class Case:
    """Logits, float64, and their targets: indices, or rows over the classes."""

    name: str
    logits: NDArray[np.float64]
    truth: NDArray[np.int64]
    axis: int = -1
    ignore: int | None = None


def single_label() -> list[Case]:
    """Rows of few and of many classes; the last are sharp, with confidences near 1."""
    cases = []
    for seed, (rows, classes, scale) in enumerate([(3000, 10, 1.5), (1500, 100, 2.0), (3000, 3, 4.0)]):
        rng = np.random.default_rng(seed)
        truth = rng.integers(0, classes, rows)
        logits = rng.normal(size=(rows, classes)) * scale
        logits[np.arange(rows), truth] += 3.0
        cases.append(Case(f"{rows}x{classes}", logits, truth))
    return cases


def labels() -> Case:
    """Labels that don't exclude each other."""
    rng = np.random.default_rng(10)
    truth = (rng.random((800, 12)) < 0.25).astype(np.int64)
    return Case("labels", rng.normal(size=(800, 12)) + 1.5 * truth - 1.0, truth)


def picture() -> Case:
    """Pixels, the class axis second, some to be ignored."""
    rng = np.random.default_rng(11)
    truth = rng.integers(0, 6, (4, 20, 30))
    logits = rng.normal(size=(4, 6, 20, 30)) + 2.0 * np.moveaxis(np.eye(6)[truth], -1, 1)
    truth[:, :3] = 255
    return Case("picture", logits, truth, axis=1, ignore=255)
