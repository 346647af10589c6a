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

    delimiter: one byte. A block that holds anything else isn't plain: quotes, text, empty cells, NaN, numbers beyond
    float64, blank or ragged lines.
    """

    columns: int
    delimiter: bytes

    def parse(self, block: bytes) -> NDArray[np.float64] | None:
        """The numbers, (lines, columns); None where the block isn't plain."""
        import polars as pl

        text = self._one_column(np.frombuffer(block, np.uint8))
        if text is None:
            return None
        try:
            column = pl.read_csv(text, has_header=False, schema={"number": pl.Float64}, quote_char=None).to_series()
        except pl.exceptions.PolarsError:
            return None
        if column.null_count() or len(column) % self.columns:
            return None
        numbers = column.to_numpy().reshape(-1, self.columns)
        return numbers if np.isfinite(numbers).all() or _infinities_were_written(numbers, block) else None

    def _one_column(self, text: NDArray[np.uint8]) -> bytes | None:
        """A line a cell; None where a line has more or fewer than there are columns."""
        text = text[: len(text) - (text[-1] == _LINE_END)]
        places = np.flatnonzero(text < _BELOW_NUMBERS)
        delimiter = ord(self.delimiter)
        if (len(places) + 1) % self.columns or delimiter > _BELOW_NUMBERS:  # there may be blanks among them
            places = np.flatnonzero((text == delimiter) | (text == _LINE_END))
        is_end = text[places] == _LINE_END
        if (len(places) + 1) % self.columns or not is_end[self.columns - 1 :: self.columns].all():
            return None
        if np.count_nonzero(is_end) != len(places) // self.columns:
            return None
        lines = text.copy()
        lines[places] = _LINE_END
        return lines.tobytes()


def _infinities_were_written(numbers: NDArray[np.float64], block: bytes) -> bool:
    """Whether all that isn't finite stands there as an infinity: a number beyond float64 becomes one, too."""
    return int(np.count_nonzero(~np.isfinite(numbers))) == block.lower().count(b"inf")
