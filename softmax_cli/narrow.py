"""Ranking where classes are few: class after class over many rows, instead of row after row over few classes.

Each step then works on a long run of memory, whichever way the array lies. `ranking.reference_order` says what the
order is; this must agree with it bit for bit.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.activation import GRID, summands
from softmax_cli.batch import FloatArray

MOST_CLASSES = 64  # beyond, row after row is as quick
BLOCK_ROWS = 1 << 14  # of which several columns fit a core's cache

IndexArray = NDArray[np.int64]


class _Best:
    """The best classes of each row so far, best first: their logits, and their indices in a byte each."""

    def __init__(self, k: int, rows: int, dtype: np.dtype[Any]):
        self.logits = np.full((k, rows), -np.inf, dtype)
        self.indices = np.zeros((k, rows), np.uint8)
        self._above = np.empty((k, rows), np.uint8)
        self._mixed = np.empty(rows, np.uint8)
        self._middle = np.empty(rows, dtype)

    def offer(self, index: int, logits: FloatArray) -> None:
        """Let one more class take its place in each row: behind all that are as large, before the smaller ones."""
        above = self._above
        np.greater(logits, self.logits, out=above.view(bool))
        np.negative(above, out=above)  # 0 or 255: a mask for the bits of an index
        for place in range(len(above) - 1, -1, -1):
            held = self.indices[place]
            self._replace(held, index, above[place])
            if place:
                self._replace(held, self.indices[place - 1], above[place - 1])
                np.minimum(logits, self.logits[place - 1], out=self._middle)
                np.maximum(self.logits[place], self._middle, out=self.logits[place])
            else:
                np.maximum(self.logits[0], logits, out=self.logits[0])

    def _replace(self, held: NDArray[np.uint8], new: Any, mask: NDArray[np.uint8]) -> None:
        """Take `new` where the mask is set: without a branch, which bytes make quicker than any selection."""
        np.bitwise_xor(held, new, out=self._mixed)
        np.bitwise_and(self._mixed, mask, out=self._mixed)
        np.bitwise_xor(held, self._mixed, out=held)


def select(columns: FloatArray, k: int) -> tuple[IndexArray, FloatArray]:
    """The top k classes of (classes, rows) logits, (k, rows), and the k-th largest logit of each row.

    Where that is -inf or NaN the indices are wrong: the caller orders such rows anew.
    """
    best = _Best(k, columns.shape[1], columns.dtype)
    for index, logits in enumerate(columns):
        best.offer(index, logits)
    # A NaN stays the largest, and only there.
    return best.indices.astype(np.int64), np.where(np.isnan(best.logits[0]), np.nan, best.logits[-1])


def total_of(columns: FloatArray, origin: FloatArray | None, temperature: float) -> NDArray[np.float64]:
    """The sum over the classes of exp((logits - origin) / temperature), (rows,).

    float64 terms are split as `activation.exact_sum` splits them, so that the order of addition doesn't matter.
    """
    exact = columns.dtype == np.float64
    total = np.zeros(columns.shape[1])
    rest = np.zeros(columns.shape[1])
    scratch = np.empty(columns.shape[1])
    for logits in columns:
        terms = summands(logits, origin, temperature, len(columns), scratch)
        if exact:
            high = (terms + GRID) - GRID
            total += high
            rest += terms - high
        else:
            total += terms
    return total + rest
