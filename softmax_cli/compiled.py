"""The compiled kernel, where there is one: the top classes of a row and the sum of its exponentials in C.

`c/kernel.c` is compiled when the package is installed, if there's a compiler. `ranking` does the same with numpy
alone, and what is said here must agree with it: bit for bit in the order, and within a few units in the probabilities.
"""

import importlib
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import FloatArray

kernel: ModuleType | None
try:
    kernel = importlib.import_module("softmax_cli._kernel")
except ImportError:  # there was no compiler
    kernel = None

IndexArray = NDArray[np.int64]


def is_for(dtype: np.dtype[Any], temperature: float) -> bool:
    """Whether rows of a type are ranked by it: float64 logits divided by a temperature need more digits than it has."""
    return kernel is not None and (temperature == 1.0 or dtype == np.float32)


def most_selected(classes: int) -> int:
    """How many of so many classes it selects at the most; of more, it takes the indices that it is given."""
    if kernel is None:
        return 0
    return int(kernel.MOST_TOP_OF_FEW if takes_strides(classes) else kernel.MOST_TOP)


def takes_strides(classes: int) -> bool:
    """Whether rows of so many classes may lie in any way."""
    return kernel is not None and classes <= kernel.FEW_CLASSES


def rank(
    logits: FloatArray, indices: IndexArray, probabilities: FloatArray, *, selected: bool, temperature: float
) -> NDArray[np.bool_]:
    """Rank rows into `indices` and `probabilities`, of shape (rows, k).

    logits: (rows, classes), contiguous but for few classes; the results are contiguous. selected: `indices` are there
    already. Returns a (rows,) mask of the rows that it leaves alone: with NaN or infinities, or beyond its range.
    """
    assert kernel is not None
    kernel.rank(logits, indices, probabilities, selected, 1.0 / temperature)
    left: NDArray[np.bool_] = np.isnan(probabilities[:, 0])
    return left
