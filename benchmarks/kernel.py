"""The kernel alone: ranking an array in memory, on as many threads as torch has, and how exact that is.

Errors are those of the probabilities of some hundred rows, relative to sums and exponentials of 64 bits precision
(80-bit numbers), in units of 2⁻²⁴ for float32 and of 2⁻⁵³ for float64. `order`: rows whose ranking isn't that of
the logits, equal ones by class index.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import interleaved_calls, usable_cores
from benchmarks.suite import SEED, Suite

Array: TypeAlias = NDArray[Any]
Top: TypeAlias = tuple[Array, Array]  # class indices and probabilities, the classes along the last axis

UNITS = 8
PIECE_BYTES = 1 << 23  # as much as a reader takes at once
SAMPLE = 1 << 23  # elements whose errors are looked at


@dataclass(frozen=True)
class Shape:
    """An array of logits. shrink: the axis that the scale shortens; bars: by a rival's name."""

    shape: tuple[int, ...]
    bars: Mapping[str, float]
    k: int = 5
    axis: int = -1
    dtype: str = "float32"
    shrink: int = 0

    @property
    def title(self) -> str:
        axis = "" if self.axis == -1 else f", axis {self.axis}"
        return f"{'×'.join(f'{length:,}' for length in self.shape)} {self.dtype}{axis}, k = {self.k or 'all'}"


_TORCH = {"torch": 1.5, "torch, logsumexp": 1.5}
_BEST = dict.fromkeys(("torch", "torch, logsumexp", "torch, sort", "scipy", "numpy, threads"), 1.0)
_BEST_AXIS = dict.fromkeys(_BEST, 1.5)

SHAPES = (
    Shape((100_000, 1000), _TORCH),
    Shape((2_000, 50_257), _TORCH),
    Shape((100, 1_000_000), _TORCH),
    Shape((4_000_000, 10), _TORCH, k=3),
    Shape((50_000, 1000), _BEST, dtype="float64"),
    Shape((50_000, 1000), _BEST, k=0),
    Shape((4, 21, 512, 512), _BEST_AXIS, k=3, axis=1, shrink=2),
    Shape((1000, 50_000), _BEST_AXIS, k=3, axis=0, shrink=1),
)


def ours(logits: Array, k: int, axis: int) -> Top:
    """`ranking.top_k` on a pool of threads, over pieces as a reader would cut them."""
    from softmax_cli.activation import cube_shape
    from softmax_cli.ranking import top_k

    axis %= logits.ndim
    outer, classes, inner = cube_shape(logits.shape, axis)
    k = k or classes
    cube = logits.reshape(outer, classes, inner)
    indices = np.empty((outer, inner, k), np.int64)
    probabilities = np.empty((outer, inner, k), logits.dtype)
    rows = max(1, PIECE_BYTES // (classes * logits.itemsize))
    depth, width = (max(1, rows // inner), min(rows, inner))

    def work(place: tuple[int, int]) -> None:
        piece = (slice(place[0], place[0] + depth), slice(place[1], place[1] + width))
        best = top_k(cube[piece[0], :, piece[1]], k, axis=1)
        indices[piece], probabilities[piece] = best.indices, best.probabilities

    with ThreadPoolExecutor(usable_cores()) as pool:
        places = [(first, left) for first in range(0, outer, depth) for left in range(0, inner, width)]
        list(pool.map(work, places))
    shape = (*logits.shape[:axis], *logits.shape[axis + 1 :], k)
    return indices.reshape(shape), probabilities.reshape(shape)


def torch_softmax(logits: Array, k: int, axis: int) -> Top:
    import torch

    values = torch.from_numpy(logits)
    probabilities, indices = values.softmax(axis).topk(k or values.shape[axis], dim=axis)
    return indices.movedim(axis, -1).numpy(), probabilities.movedim(axis, -1).numpy()


def torch_logsumexp(logits: Array, k: int, axis: int) -> Top:
    """Without the probabilities that nobody asked for."""
    import torch

    values = torch.from_numpy(logits)
    best, indices = values.topk(k or values.shape[axis], dim=axis)
    probabilities = (best - values.logsumexp(axis, keepdim=True)).exp_()
    return indices.movedim(axis, -1).numpy(), probabilities.movedim(axis, -1).numpy()


def torch_sort(logits: Array, k: int, axis: int) -> Top:
    import torch

    probabilities, indices = torch.from_numpy(logits).softmax(axis).sort(dim=axis, descending=True)
    return indices.movedim(axis, -1).numpy(), probabilities.movedim(axis, -1).numpy()


def scipy_softmax(logits: Array, k: int, axis: int) -> Top:
    from benchmarks.rivals.common import in_blocks
    from benchmarks.rivals.scipy_npy import top_scipy

    return _by_rows(logits, k, axis, lambda rows: in_blocks(rows, k or rows.shape[1], top_scipy, 1))


def numpy_threads(logits: Array, k: int, axis: int) -> Top:
    from benchmarks.rivals.common import in_blocks

    return _by_rows(logits, k, axis, lambda rows: in_blocks(rows, k or rows.shape[1], threads=usable_cores()))


def _by_rows(logits: Array, k: int, axis: int, function: Callable[[Array], tuple[Array, ...]]) -> Top:
    moved = np.moveaxis(logits, axis, -1)
    indices, _, probabilities = function(moved.reshape(-1, moved.shape[-1]))
    shape = (*moved.shape[:-1], -1)
    return indices.reshape(shape), probabilities.reshape(shape)


def exactness(logits: Array, axis: int, top: Top) -> tuple[float, int]:
    """The largest relative error of a sample's probabilities, in units; and the rows in another order."""
    rows = np.moveaxis(logits, axis, -1).reshape(-1, logits.shape[axis])
    indices, probabilities = (array.reshape(len(rows), -1) for array in top)
    step = max(1, len(rows) * rows.shape[1] // SAMPLE)
    sample, indices, probabilities = rows[::step], indices[::step], probabilities[::step]
    order = np.argsort(-sample, axis=1, kind="stable")[:, : indices.shape[1]]
    worst = 0.0
    block = max(1, (1 << 20) // sample.shape[1])
    for first in range(0, len(sample), block):
        part = slice(first, first + block)
        terms = np.exp(sample[part].astype(np.longdouble) - sample[part].max(axis=1, keepdims=True))
        exact = np.take_along_axis(terms, indices[part], axis=1) / terms.sum(axis=1, keepdims=True)
        worst = max(worst, float((np.abs(probabilities[part] - exact) / exact).max()))
    digits = 24 if logits.dtype == np.float32 else 53
    return worst * 2.0**digits, int((indices != order).any(axis=1).sum())


def measure(suite: Suite, case: Shape) -> None:
    logits = np.random.default_rng(SEED).standard_normal(case.shape, case.dtype) * np.dtype(case.dtype).type(3)
    functions: dict[str, Callable[[Array, int, int], Top]] = {
        "softmax": ours,
        "torch": torch_softmax,
        "torch, logsumexp": torch_logsumexp,
        **({"torch, sort": torch_sort} if case.k == 0 else {}),
        "scipy": scipy_softmax,
        "numpy, threads": numpy_threads,
    }
    notes, errors = {}, {}
    for name, function in functions.items():
        errors[name], turned = exactness(logits, case.axis, function(logits, case.k, case.axis))
        notes[name] = f"error {errors[name]:.1f}" + (f", order {turned}" if turned else "")
    calls = {name: lambda f=function: f(logits, case.k, case.axis) for name, function in functions.items()}
    results = interleaved_calls(calls, suite.runs)
    suite.report.table(case.title, results, "softmax", case.bars, notes)
    rate = logits.nbytes / results["softmax"].median / 1e9
    print(f"  ours reads {rate:.2f} GB/s")
    suite.report.bar(f"{case.title}: relative error, units", errors["softmax"], UNITS)


def main(suite: Suite) -> None:
    import torch

    torch.set_num_threads(usable_cores())
    for case in SHAPES:
        shape = [suite.scaled(length) if axis == case.shrink else length for axis, length in enumerate(case.shape)]
        case = replace(case, shape=tuple(shape))
        if suite.wants(case.title):
            measure(suite, case)
