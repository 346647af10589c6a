"""The compiled kernel, where there is one: ranking and judging rows, and numbers to and from text, in C.

The files in `c/` are compiled when the package is installed, if there's a compiler. All they do is done elsewhere, too:
`ranking` and `judge.kernel` do the same with numpy alone, and both must agree, bit for bit in the order, and within a
few units in the probabilities. What is read and written as text must be what the table library makes of it.
"""

import functools
import importlib
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import FloatArray

kernel: ModuleType | None
try:
    kernel = importlib.import_module("softmax_cli._kernel")
except ImportError:  # there was no compiler
    kernel = None

IndexArray = NDArray[np.int64]
# Of a line: bytes as they are, the rank (None), numbers (one a row or one a prediction), or texts, all or chosen.
Texts: TypeAlias = Sequence[str | None]
Piece: TypeAlias = bytes | NDArray[Any] | tuple[Texts] | tuple[Texts, IndexArray] | None

_POWERS_OF_TEN = range(-292, 325)  # that float64 needs


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
    logits: FloatArray,
    indices: IndexArray,
    chosen: FloatArray,
    probabilities: FloatArray,
    *,
    selected: bool,
    temperature: float,
) -> NDArray[np.bool_]:
    """Rank rows into `indices`, the `chosen` logits and their `probabilities`, of shape (rows, k).

    logits: (rows, classes), contiguous but for few classes; the results are contiguous. selected: `indices` are there
    already. Returns a (rows,) mask of the rows that it leaves alone: with NaN or infinities, or beyond its range.
    """
    assert kernel is not None
    kernel.rank(logits, indices, chosen, probabilities, selected, 1.0 / temperature)
    left: NDArray[np.bool_] = np.isnan(probabilities[:, 0])
    return left


class Judged(NamedTuple):
    """What rows say beside their targets.

    predicted, place: (rows,), the class of the largest logit, and how many classes stand before the target. scores:
    (rows, 3), the probability of the predicted class, the cross-entropy, and the Brier score. mass: (classes,), the
    sums of the probabilities. peaks, peak_values: class and row (n, 2) of the probabilities above an edge, and them.
    """

    predicted: IndexArray
    place: IndexArray
    scores: NDArray[np.float64]
    mass: NDArray[np.float64]
    peaks: IndexArray
    peak_values: NDArray[np.float64]


def judge(logits: FloatArray, target: IndexArray, *, temperature: float, edge: float) -> Judged | None:
    """Judge rows by their targets; None where one of them has no softmax, or a target is no class.

    logits: (rows, classes). target: (rows,) class indices. edge: what the probabilities that are noted are above.
    """
    assert kernel is not None
    rows, classes = logits.shape
    most = rows * min(classes, int(1.0 / edge) + 1)
    found = Judged(
        np.empty(rows, np.int64),
        np.empty(rows, np.int64),
        np.empty((rows, 3)),
        np.zeros(classes),
        np.empty((most, 2), np.int64),
        np.empty(most),
    )
    is_single = logits.dtype == np.float32
    target = np.ascontiguousarray(target, np.int64)
    peaks = kernel.judge(np.ascontiguousarray(logits), is_single, target, 1.0 / temperature, edge, *found)
    return None if peaks < 0 else found._replace(peaks=found.peaks[:peaks], peak_values=found.peak_values[:peaks])


def lines(
    shape: tuple[int, int],
    counts: IndexArray | None,
    separator: str,
    parts: tuple[Sequence[Piece], Sequence[Piece], Sequence[Piece]],
    between: bytes = b"",
) -> bytes:
    """Write rows as text: of each the head, the body for each of its predictions, with `between` in between, the tail.

    shape: (rows, k). counts: (rows,), how many of the k predictions stand; None: all. separator: of cells, which are
    quoted where they must be; empty for JSON. parts: what head, body and tail are made of; arrays are contiguous. A
    sequence of one text is that of every row.
    """
    assert kernel is not None
    head, body, tail = map(tuple, parts)
    code = ord(separator) if separator else 0
    text: bytes = kernel.lines(*shape, counts, code, _powers_of_ten(), head, body, tail, between)
    return text


@functools.cache
def _powers_of_ten() -> NDArray[np.uint64]:
    """The upper 128 bits of each power of ten, rounded up, as two words."""
    words = np.empty((len(_POWERS_OF_TEN), 2), np.uint64)
    for place, power in enumerate(_POWERS_OF_TEN):
        size = (10 ** abs(power)).bit_length()
        bits = ((10**power << 128) >> size if power >= 0 else (1 << (127 + size)) // 10**-power) + 1
        words[place] = bits >> 64, bits & (1 << 64) - 1
    return words
