"""Blocks of plainly written numbers, read by the compiled kernel: quicker than any table, and nothing to import.

What isn't plain it declines, as it does everything where there is no kernel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from softmax_cli import compiled

Float64Table = NDArray[np.float64]


def is_there() -> bool:
    """Whether there is a kernel at all."""
    return compiled.kernel is not None


class PlainTable:
    """Reads blocks of delimited text with a known layout; on any thread.

    columns: how many there are. numbers: which of them are read as numbers, in order. texts: those read as texts; the
    others are passed over.
    """

    def __init__(self, separator: str, columns: int, numbers: Sequence[int], texts: Sequence[int]):
        passed = np.ones(columns, np.uint8)
        passed[list(numbers)] = 0
        self._separator = ord(separator)
        self._columns = columns
        self._numbers = len(numbers)
        self._texts = texts
        self._is_text = passed.tobytes() if passed.any() else None
        self._place_of = {column: place for place, column in enumerate(np.flatnonzero(passed).tolist())}

    def read(self, block: bytes) -> tuple[Float64Table, dict[int, list[str]]] | None:
        """The numbers, (lines, numbers), and the cells of each column of texts; None where a line isn't plain."""
        if compiled.kernel is None:
            return None
        lines = _most_rows(block, self._columns + self._numbers)
        values = np.empty((lines, self._numbers))
        places = np.empty((lines, len(self._place_of), 2), np.int64)
        rows = compiled.kernel.table(block, self._separator, self._columns, self._is_text, values, places)
        if rows < 1:
            return None
        try:
            cells = {
                column: [block[begin:end].decode() for begin, end in places[:rows, self._place_of[column]].tolist()]
                for column in self._texts
            }
        except UnicodeDecodeError:
            return None
        return values[:rows], cells


def read_arrays(block: bytes, columns: int) -> tuple[Float64Table, list[tuple[int, int]]] | None:
    """Read lines with an array each: the numbers, (lines, columns), and where each array begins and ends.

    None where a line isn't plain, or where there are none.
    """
    if compiled.kernel is None:
        return None
    lines = _most_rows(block, 2 * columns)
    values = np.empty((lines, columns))
    places = np.empty((lines, 2), np.int64)
    rows = compiled.kernel.arrays(block, columns, values, places)
    return None if rows < 1 else (values[:rows], [(begin, end) for begin, end in places[:rows].tolist()])


def _most_rows(block: bytes, least: int) -> int:
    """How many rows of at least so many bytes, line ends among them, a block can hold: very many lines may be empty."""
    lines = int(np.count_nonzero(np.frombuffer(block, np.uint8) == ord("\n"))) + 1
    return min(lines, (len(block) + 1) // least)
