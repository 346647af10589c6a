"""What the mathematics says, to 60 digits, and how far a result is from it.

An expected value is kept as the sum of two floats, which holds it to 106 bits: enough to measure the last bits
of a float64. Rows of many classes draw from a pool of few distinct logits, so that the exact sum takes one
exponential for each of them, however long the row is, and every element of the row can be checked.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import mpmath
import numpy as np
from numpy.typing import ArrayLike, NDArray

from softmax_cli.batch import FloatArray

MP = mpmath.MPContext()
MP.dps = 60

BAR = 8.0  # units: the relative error that a normal number may have
UNIT = {np.dtype(np.float32): 2.0**-24, np.dtype(np.float64): 2.0**-53}
FLOATS = ("float16", "float32", "float64")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
RESULT = {"float16": np.float32, "float32": np.float32} | dict.fromkeys(("float64", *INTEGERS), np.float64)
ALONG_AXIS = ("softmax", "log-softmax")
SIZES = (1, 2, 10, 1_000, 100_000, 1_000_000)
POOL = 500  # distinct logits in a row, at the most
EVERY_AXIS = [((2, 3, 4, 5)[-ndim:], axis) for ndim in (1, 2, 3, 4) for axis in range(ndim)]


class Exact(NamedTuple):
    """Numbers to 106 bits: high + low."""

    high: NDArray[np.float64]
    low: NDArray[np.float64]

    def take(self, pick: Any) -> "Exact":
        return Exact(self.high[pick], self.low[pick])


class Row(NamedTuple):
    """The logits `pool[pick]` of one row."""

    pool: NDArray[Any]
    pick: NDArray[np.int64]

    @property
    def logits(self) -> NDArray[Any]:
        return self.pool[self.pick]


def split(numbers: Iterable[Any]) -> Exact:
    numbers = list(numbers)
    high = [float(number) for number in numbers]
    low = [float(number - top) if np.isfinite(top) else 0.0 for number, top in zip(numbers, high, strict=True)]
    return Exact(np.array(high), np.array(low))


def sum_of_others(row: Row, temperature: float = 1.0) -> Any:
    """Σ exp((x - max) / T) over every class but one of the largest.

    The largest term, which is 1, is never added: 1 + 1e-130 doesn't fit 60 digits, and log1p doesn't want it.
    """
    counts = np.bincount(row.pick, minlength=len(row.pool)).tolist()
    values = row.pool.tolist()
    top = max(value for value, count in zip(values, counts, strict=True) if count)
    counts[next(i for i, value in enumerate(values) if value == top and counts[i])] -= 1
    scale = MP.mpf(temperature)
    terms = (count * MP.exp((MP.mpf(value) - MP.mpf(top)) / scale) for value, count in zip(values, counts, strict=True))
    return MP.fsum(terms)


def expected(activation: str, logits: ArrayLike, top: float, others: Any, temperature: float = 1.0) -> Exact:
    """What the activation makes of logits of a row whose maximum is `top`."""
    scale = MP.mpf(temperature)
    values = [MP.mpf(value) for value in np.asarray(logits).tolist()]
    if activation == "sigmoid":
        return split(1 / (1 + MP.exp(-value / scale)) for value in values)
    shifted = [(value - MP.mpf(top)) / scale for value in values]
    if activation == "log-softmax":
        log_sum = MP.log1p(others)
        return split(value - log_sum for value in shifted)
    return split(MP.exp(value) / (1 + others) for value in shifted)


def expected_row(activation: str, row: Row, temperature: float = 1.0) -> Exact:
    others = 0 if activation == "sigmoid" else sum_of_others(row, temperature)
    return expected(activation, row.pool, row.logits.max().item(), others, temperature).take(row.pick)


def expected_array(activation: str, logits: NDArray[Any], axis: int = -1, temperature: float = 1.0) -> Exact:
    """The same for every row along an axis of a small array."""
    moved = np.moveaxis(logits, axis, -1)
    high, low = np.empty(moved.shape), np.empty(moved.shape)
    for place in np.ndindex(moved.shape[:-1]):
        row = Row(moved[place], np.arange(moved.shape[-1]))
        high[place], low[place] = expected_row(activation, row, temperature)
    return Exact(np.moveaxis(high, -1, axis), np.moveaxis(low, -1, axis))


def worst_units(actual: NDArray[Any], exact: Exact) -> float:
    """The largest relative error, in units of 2⁻²⁴ (float32) or 2⁻⁵³ (float64).

    Numbers below the normal range have fewer digits: they may be off by the smallest subnormal twice.
    An infinity must be met exactly. What misses that, and every NaN, counts as an infinite error.
    """
    assert actual.shape == exact.high.shape
    info = np.finfo(actual.dtype)
    finite = np.isfinite(exact.high)
    if not np.array_equal(actual[~finite], exact.high[~finite]) or not np.isfinite(actual[finite]).all():
        return np.inf
    wide, high, low = actual[finite].astype(np.float64), exact.high[finite], exact.low[finite]
    error = np.abs((wide - high) - low)
    normal = np.abs(high) >= info.tiny
    if (error[~normal] > 2 * float(info.smallest_subnormal)).any():
        return np.inf
    return float((error[normal] / np.abs(high[normal])).max(initial=0.0)) / UNIT[actual.dtype]


def order_by_definition(logits: FloatArray, k: int) -> list[list[int]]:
    """Logit descending, class index ascending, NaN behind all numbers."""

    def ordered(row: list[float]) -> list[int]:
        return sorted(range(len(row)), key=lambda index: (1, 0.0) if math.isnan(row[index]) else (0, -row[index]))

    return [ordered(row)[:k] for row in logits.tolist()]


def _drawn(pool: NDArray[np.float64], size: int) -> Row:
    pick = np.random.default_rng(size).integers(len(pool), size=size)
    pick[: len(pool)] = np.arange(len(pool))[:size]
    return Row(pool, pick)


def _normal(size: int) -> Row:
    return _drawn(np.random.default_rng(size + 1).standard_normal(min(size, POOL)) * 5, size)


def _far_from_zero(size: int) -> Row:
    return _drawn(12345.678 + np.random.default_rng(size + 2).standard_normal(min(size, POOL)) * 5, size)


def _spread(size: int) -> Row:
    """Down to results far below the smallest float."""
    return _drawn(np.linspace(-700, 700, min(size, POOL)), size)


def _ascending(size: int) -> Row:
    """The large terms last: the order in which a running sum loses most."""
    pool = np.linspace(-30, 0, min(size, POOL))
    return Row(pool, np.sort(np.arange(size) % len(pool)))


def _masked(size: int) -> Row:
    row = _normal(size)
    row.pool[1::2] = -np.inf
    return row


def below_maximum(distance: float) -> Callable[[int], Row]:
    """All classes but one at the same distance below the maximum: every rounding error of a sum has the same sign."""

    def build(size: int) -> Row:
        pick = np.ones(size, np.int64)
        pick[size // 3] = 0
        return Row(np.array([0.0, -distance]), pick)

    return build


ROWS: dict[str, Callable[[int], Row]] = {
    "normal": _normal,
    "far from zero": _far_from_zero,
    "spread over 1400": _spread,
    "ascending": _ascending,
    "every second masked": _masked,
    "all equal": lambda size: Row(np.array([3.7]), np.zeros(size, np.int64)),
    "0.7 below": below_maximum(0.7),
    "9.3 below": below_maximum(9.3),
    "18.8125 below": below_maximum(18.8125),
    "35.5 below": below_maximum(35.5),
    "one huge": below_maximum(60_000.0),
}


def build_row(kind: str, size: int, dtype: str) -> Row:
    row = ROWS[kind](size)
    return Row(row.pool.astype(dtype), row.pick)


def integer_row(size: int, dtype: str) -> Row:
    """Integers up to the largest of the type that a float64 holds, the smallest one among them."""
    info = np.iinfo(dtype)
    top = min(int(info.max), 2**53)
    pool = top - np.random.default_rng(size).integers(0, 100, min(size, POOL))
    pool[-1] = max(int(info.min), -(2**53))
    return Row(pool.astype(dtype), _drawn(np.zeros(len(pool)), size).pick)


def same_bits(left: NDArray[Any], right: NDArray[Any]) -> bool:
    """Whether two arrays agree in shape, type and every bit, where one NaN is as good as another."""
    if left.shape != right.shape or left.dtype != right.dtype:
        return False
    if left.dtype.kind == "f":
        left, right = (np.where(np.isnan(side), side.dtype.type(np.nan), side) for side in (left, right))
    return left.tobytes() == right.tobytes()


def layouts(values: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """The same array, laid out in memory in different ways."""
    doubled = np.zeros([2 * length for length in values.shape], values.dtype)
    every_second = doubled[(slice(None, None, 2),) * values.ndim]
    every_second[...] = values
    flipped = (slice(None, None, -1),) * values.ndim
    return {
        "C order": np.ascontiguousarray(values),
        "Fortran order": np.asfortranarray(values),
        "strided": every_second,
        "reversed strides": np.ascontiguousarray(values[flipped])[flipped],
        "other byte order": values.astype(values.dtype.newbyteorder()),
    }


LAYOUTS = tuple(layouts(np.zeros(1)))
