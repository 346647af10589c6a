"""What the scripts share: top classes with numpy alone, and the columns that ours has."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Top: TypeAlias = tuple[Array, Array, Array]  # class indices, logits and probabilities, (rows, k) each

THREADS = int(os.environ.get("BENCHMARK_THREADS", "1"))
BLOCK_ELEMENTS = 1 << 20  # the fastest of 2¹⁸ to 2²⁴, for numpy and for scipy


def top_of(logits: Array, probabilities: Array, k: int) -> Top:
    """The top k classes where all probabilities are there."""
    classes = logits.shape[1]
    best = np.argpartition(logits, classes - k, axis=1)[:, classes - k :] if k < classes else np.argsort(logits, axis=1)
    values = np.take_along_axis(logits, best, axis=1)
    best = np.take_along_axis(best, np.argsort(-values, axis=1), axis=1)
    return best, np.take_along_axis(logits, best, axis=1), np.take_along_axis(probabilities, best, axis=1)


def top_numpy_block(logits: Array, k: int) -> Top:
    """Softmax and top k with numpy."""
    terms = np.exp(logits - logits.max(axis=1, keepdims=True))
    terms /= terms.sum(axis=1, keepdims=True)
    return top_of(logits, terms, k)


def in_blocks(
    logits: Array, k: int, function: Callable[[Array, int], Top] = top_numpy_block, threads: int = THREADS
) -> Top:
    """Apply `function` to blocks of rows that fit the cache, on threads."""
    step = max(1, BLOCK_ELEMENTS // logits.shape[1])
    blocks = (logits[first : first + step] for first in range(0, len(logits), step))
    if threads == 1:
        return joined([function(block, k) for block in blocks])
    with ThreadPoolExecutor(threads) as pool:
        return joined(list(pool.map(lambda block: function(block, k), blocks)))


def joined(parts: Sequence[Top]) -> Top:
    """Put the results of blocks together."""
    indices, logits, probabilities = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return indices, logits, probabilities


def columns_of(source: str, top: Top, names: Sequence[str] | None) -> dict[str, Any]:
    """The columns of ours, a line for each row and rank."""
    indices, logits, probabilities = top
    rows, k = indices.shape
    flat = pl.Series(indices.ravel())
    return {
        "source": pl.repeat(source, rows * k, eager=True),
        "row": np.repeat(np.arange(rows), k),
        "rank": np.tile(np.arange(1, k + 1), rows),
        "index": flat,
        "label": pl.Series(names).gather(flat) if names else flat.cast(pl.String),
        "logit": logits.ravel(),
        "probability": probabilities.ravel(),
    }


def write(source: str, output: str, top: Top, names: Sequence[str] | None = None) -> None:
    """Write the result as ours does, by the suffix of `output`."""
    frame = pl.DataFrame(columns_of(source, top, names))
    suffix = Path(output).suffix
    if suffix == ".csv":
        frame.write_csv(output)
    elif suffix == ".parquet":
        frame.write_parquet(output)
    else:
        rows, k = top[0].shape
        predictions = frame.select("rank", "index", "label", "logit", "probability").to_struct("predictions")
        nested = {"source": pl.repeat(source, rows, eager=True), "row": np.arange(rows)}
        pl.DataFrame({**nested, "predictions": predictions.reshape((rows, k))}).write_ndjson(output)
