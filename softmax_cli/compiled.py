"""The compiled kernel, where there is one: the top classes of a row and the sum of its exponentials in C.

`c/kernel.c` is compiled when the package is installed, if there's a compiler. `ranking` does the same with numpy
alone, and what is said here must agree with it: bit for bit in the order, and within a few units in the probabilities.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import FloatArray

try:
    from softmax_cli import _kernel as kernel
except ImportError:  # there was no compiler
    kernel = None  # type: ignore[assignment]

IndexArray = NDArray[np.int64]


def is_for(dtype: np.dtype[Any], temperature: float) -> bool:
    """Whether rows of a type are ranked by it: float64 logits divided by a temperature need more digits than it has."""
    return kernel is not None and (temperature == 1.0 or dtype == np.float32)


def most_selected() -> int:
    """How many classes it selects at the most; of more, it takes the indices that it is given."""
    return 0 if kernel is None else kernel.MOST_TOP


def rank(
    logits: FloatArray, indices: IndexArray, probabilities: FloatArray, *, selected: bool, temperature: float
) -> NDArray[np.bool_]:
    """Rank rows into `indices` and `probabilities`, of shape (rows, k).

    logits: (rows, classes), contiguous, as are the results. selected: `indices` are there already. Returns a (rows,)
    mask of the rows that it leaves alone: with NaN or infinities, or with logits beyond its range.
    """
    kernel.rank(logits, indices, probabilities, selected, 1.0 / temperature)
    left: NDArray[np.bool_] = np.isnan(probabilities[:, 0])
    return left
