"""Rows with their true classes, kept for several passes: in memory while they are few, else in a temporary file."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import FloatArray
from softmax_cli.errors import InputError, Location

IndexArray = NDArray[np.int64]
Mask = NDArray[np.bool_]

_IN_MEMORY_BYTES = 1 << 26
_BLOCK_ELEMENTS = 1 << 18  # worked in float64, a few times over: it stays in the cache


@dataclass(frozen=True)
class Samples:
    """Rows of logits with a true class each.

    targets: (rows,) int64, the only thing that grows in memory with the rows. name: of the input, for messages.
    """

    name: str
    classes: int
    dtype: np.dtype[np.floating]
    targets: IndexArray
    file: IO[bytes]

    def __len__(self) -> int:
        return len(self.targets)

    def blocks(self, keep: Mask | None = None) -> Iterator[tuple[FloatArray, IndexArray, IndexArray]]:
        """Yield the rows in their order, or those where `keep`: logits, targets, and the rows' numbers.

        Only one iteration can be under way.
        """
        step = max(1, _BLOCK_ELEMENTS // self.classes)
        row_bytes = self.classes * self.dtype.itemsize
        self.file.seek(0)
        for first in range(0, len(self), step):
            count = min(step, len(self) - first)
            logits = np.frombuffer(self.file.read(count * row_bytes), self.dtype).reshape(count, self.classes)
            rows = np.arange(first, first + count)
            if keep is not None:
                chosen = keep[first : first + count]
                logits, rows = logits[chosen], rows[chosen]
            if len(rows):
                yield logits, self.targets[rows], rows

    def close(self) -> None:
        """Drop the temporary file."""
        self.file.close()


def keep_samples(name: str, pairs: Iterable[tuple[FloatArray, IndexArray]], file: IO[bytes] | None = None) -> Samples:
    """Keep logits, (rows, classes), with their true classes, (rows,), in `file` or a temporary one.

    Raises InputError where there is no row, or fewer than two classes.
    """
    file = file or tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115 - the samples close it
    targets: list[IndexArray] = []
    dtype: np.dtype[np.floating] | None = None
    classes = 0
    try:
        for logits, truth in pairs:
            if not len(truth):
                classes = logits.shape[1]
                continue
            dtype = dtype or logits.dtype
            classes = logits.shape[1]
            file.write(np.ascontiguousarray(logits, dtype).data)
            targets.append(truth.astype(np.int64))
        at = Location(name)
        if dtype is None:
            raise InputError("calibration-data", "no rows with a target in it", at=at)
        if classes < 2:
            raise InputError("calibration-data", "one class only: its probability is always 1", at=at)
    except BaseException:
        file.close()
        raise
    return Samples(name, classes, dtype, np.concatenate(targets), file)


def folds_of(rows: int, folds: int, seed: int) -> IndexArray:
    """The fold of each row, drawn at random, not stratified; folds differ by a row at the most."""
    return np.asarray(np.random.default_rng(seed).permutation(rows) % folds, np.int64)


def from_arrays(logits: FloatArray, targets: Sequence[int] | IndexArray, name: str = "-") -> Samples:
    """Keep arrays that are in memory."""
    return keep_samples(name, [(logits, np.asarray(targets, np.int64))], io.BytesIO())
