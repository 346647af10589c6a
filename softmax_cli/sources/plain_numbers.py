"""Blocks of nothing but numbers: read as one long column, whose cost doesn't grow with the number of columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LINE_END = ord("\n")
_BELOW_NUMBERS = ord("-")  # what separates plain numbers is below, what they are written with isn't


@dataclass(frozen=True, slots=True)
class PlainNumbers:
    """Parses blocks of lines of `columns` numbers into float64, correctly rounded; on any thread.

    The blocks hold carriage returns only before line ends, and don't begin with a byte-order mark.

    delimiter: one byte. A block that holds anything else isn't plain: quotes, text, empty cells, NaN, numbers beyond
    float64, blank or ragged lines.
    """

    columns: int
    delimiter: bytes

    def parse(self, block: bytes) -> NDArray[np.float64] | None:
        """The numbers, (lines, columns); None where the block isn't plain."""
        import polars as pl

        text, cells = self._one_column(np.frombuffer(block, np.uint8))
        if not cells:
            return None
        try:  # none of the delimiters is left, so no cell can become two
            column = pl.read_csv(
                text,
                has_header=False,
                schema={"number": pl.Float64},
                separator=self.delimiter.decode(),
                quote_char=None,
            ).to_series()
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            return None
        if column.null_count() or len(column) != cells:
            return None
        numbers = column.to_numpy().reshape(-1, self.columns)
        return numbers if np.isfinite(numbers).all() or _infinities_were_written(numbers, block) else None

    def _one_column(self, text: NDArray[np.uint8]) -> tuple[bytes, int]:
        """A line a cell, and how many cells; 0 where a line has more or fewer than there are columns."""
        text = text[: len(text) - (text[-1] == _LINE_END)]
        delimiter = ord(self.delimiter)
        places = np.flatnonzero(text < _BELOW_NUMBERS)
        found = text[places]
        is_end = found == _LINE_END
        if delimiter >= _BELOW_NUMBERS or not (is_end | (found == delimiter)).all():  # other bytes are among them
            places = np.flatnonzero((text == delimiter) | (text == _LINE_END))
            is_end = text[places] == _LINE_END
        cells = len(places) + 1
        lines = cells // self.columns
        if cells % self.columns or np.count_nonzero(is_end) != lines - 1:
            return b"", 0
        if not is_end[self.columns - 1 :: self.columns].all():
            return b"", 0
        column = text.copy()
        column[places] = _LINE_END
        return column.tobytes(), cells


def _infinities_were_written(numbers: NDArray[np.float64], block: bytes) -> bool:
    """Whether all that isn't finite stands there as an infinity: a number beyond float64 becomes one, too."""
    return int(np.count_nonzero(~np.isfinite(numbers))) == block.lower().count(b"inf")
