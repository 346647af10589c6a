"""What the tests of this folder share: logits of two models, in every format that rows can come in."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import polars as pl
from numpy.typing import NDArray

Array = NDArray[Any]
Here = Callable[..., tuple[int, str, str]]

NAMES = ("ant", "bee", "cat", "dog", "eel", "fox")


def two_models(rows: int = 50, classes: int = 6, noise: float = 0.2, seed: int = 1) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(rows, classes)) * 3
    return a, a + rng.normal(size=a.shape) * noise


def ids_of(rows: int) -> list[str]:
    return [f"img{row:03}" for row in range(rows)]


def write_csv(path: Path, logits: Array, ids: Sequence[str] | None = None, names: Sequence[str] = NAMES) -> Path:
    lines = [",".join(names if ids is None else ["id", *names])]
    for place, row in enumerate(logits.tolist()):
        cells = list(map(repr, row))
        lines.append(",".join(cells if ids is None else [ids[place], *cells]))
    path.write_text("\n".join(lines) + "\n")
    return path


def write_parquet(path: Path, logits: Array, ids: Sequence[str], names: Sequence[str] = NAMES) -> Path:
    columns = {name: logits[:, place] for place, name in enumerate(names)}
    pl.DataFrame({"id": list(ids), **columns}).write_parquet(path, row_group_size=7)
    return path


def save(path: Path, logits: Array) -> Path:
    np.save(path, logits)
    return path


def record(out: str) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(out, parse_constant=lambda name: (_ for _ in ()).throw(ValueError(name)))
    return parsed


def softmax(logits: Array) -> Array:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def exact_divergences(a: Sequence[float], b: Sequence[float]) -> tuple[Any, Any, Any]:
    """KL(A‖B), KL(B‖A) and JS of two rows of logits, with 80 digits."""
    with mpmath.workdps(80):
        p, q = ([mpmath.exp(mpmath.mpf(float(value))) for value in row] for row in (a, b))
        p, q = ([value / mpmath.fsum(row) for value in row] for row in (p, q))
        pairs = list(zip(p, q, strict=True))
        forth = mpmath.fsum(x * mpmath.log(x / y) for x, y in pairs)
        back = mpmath.fsum(y * mpmath.log(y / x) for x, y in pairs)
        js = mpmath.fsum(x * mpmath.log(2 * x / (x + y)) + y * mpmath.log(2 * y / (x + y)) for x, y in pairs) / 2
        return forth, back, js
