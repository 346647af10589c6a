"""Types of the compiled kernel, `c/kernel.c`."""

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import FloatArray
from softmax_cli.compiled import IndexArray, Piece

FEW_CLASSES: int
MOST_TOP: int
MOST_TOP_OF_FEW: int

def rank(
    logits: FloatArray,
    indices: IndexArray,
    chosen: FloatArray,
    probabilities: FloatArray,
    selected: bool,
    scale: float,
    variant: int = -1,
    /,
) -> None: ...
def judge(
    logits: FloatArray,
    is_single: bool,
    target: IndexArray,
    scale: float,
    first_edge: float,
    predicted: IndexArray,
    place: IndexArray,
    scores: NDArray[np.float64],
    mass: NDArray[np.float64],
    peaks: IndexArray,
    peak_values: NDArray[np.float64],
    variant: int = -1,
    /,
) -> int: ...
def variants() -> tuple[str, ...]: ...
def table(
    text: bytes,
    separator: int,
    columns: int,
    is_text: bytes | None,
    values: NDArray[np.float64],
    places: NDArray[np.int64],
    /,
) -> int: ...
def lines(
    rows: int,
    k: int,
    counts: IndexArray | None,
    separator: int,
    powers: NDArray[np.uint64],
    head: tuple[Piece, ...],
    body: tuple[Piece, ...],
    tail: tuple[Piece, ...],
    between: bytes,
    /,
) -> bytes: ...
def arrays(text: bytes, columns: int, values: NDArray[np.float64], places: NDArray[np.int64], /) -> int: ...
