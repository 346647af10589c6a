"""Softmax, log-softmax and sigmoid: stable, exact to the last few bits, along any axis.

float32 logits are worked in float64 and rounded once. float64 logits carry the rounding error of `x - max`
and of the division by the temperature along as a correction: without it a probability near e⁻⁷⁰⁰ would be off
by 512 units in the last place. Sums are split into an exact part and a small rest, so that neither their length
nor the order of addition matters.

Sources: Blanchard, Higham and Higham, "Accurately computing the log-sum-exp and softmax functions" (2021) for
the shifted form and log1p; Dekker (1971) and Knuth for the error-free sum and product; Rump, Ogita and Oishi,
"Accurate floating-point summation" (2008) for the split sum.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softmax_cli.batch import FloatArray, as_logits

Float64Array: TypeAlias = NDArray[np.float64]
Activation: TypeAlias = Callable[[FloatArray, float, int], FloatArray]

BLOCK_ELEMENTS = 1 << 18  # of scratch: small enough for the cache, large enough to forget the cost of a call
_SHORT_ROW = 1 << 10
_SAFE_EXPONENT = 600.0  # of float64: millions of terms of e⁶⁰⁰ add up, and e⁻⁶⁰⁰ keeps its digits
_SPLITTER = 2.0**27 + 1.0
GRID = 1.5 * 2.0**21  # adding and subtracting it rounds numbers up to 1 to multiples of 2⁻³¹


def _difference(a: FloatArray, b: FloatArray) -> tuple[Float64Array, Float64Array]:
    """Return `a - b` and its rounding error (Knuth's TwoSum)."""
    total = a - b
    virtual = total - a
    return total, (a - (total - virtual)) - (b + virtual)


def _quotient_error(dividend: Float64Array, divisor: float, quotient: Float64Array) -> Float64Array:
    """Return `dividend - quotient * divisor` without rounding error (Dekker's product)."""
    high_q = quotient * _SPLITTER
    high_q = high_q - (high_q - quotient)
    low_q = quotient - high_q
    high_d = divisor * _SPLITTER
    high_d = high_d - (high_d - divisor)
    low_d = divisor - high_d
    product = quotient * divisor
    error = ((high_q * high_d - product) + high_q * low_d + low_q * high_d) + low_q * low_d
    return np.asarray((dividend - product) - error)


def scaled(
    logits: FloatArray, origin: FloatArray | None, temperature: float, out: Float64Array | None = None
) -> tuple[Float64Array, Float64Array | None]:
    """Return `(logits - origin) / temperature` in float64, and the correction that it lacks (None: negligible).

    logits: float32 or float64; origin: of a shape that broadcasts, or None for no shift. out: scratch of the
    shape of `logits` that float32 logits are worked in: new memory for each block costs as much as the work.
    """
    if logits.dtype == np.float32:
        wide = np.empty_like(logits, np.float64) if out is None else out
        np.copyto(wide, logits)  # quicker than a subtraction of mixed types
        if origin is not None:
            wide -= origin
        if temperature != 1.0:
            wide /= temperature
        return wide, None
    if origin is None:
        difference, error = logits.astype(np.float64), np.zeros((1,) * logits.ndim)
    else:
        difference, error = _difference(logits, origin)
    if temperature != 1.0:
        # A power of two comes out of both exactly, and leaves products that neither over- nor underflow.
        temperature, exponent = math.frexp(temperature)
        difference, error = np.ldexp(difference, -exponent), np.ldexp(error, -exponent)
        quotient = difference / temperature
        error = (_quotient_error(difference, temperature, quotient) + error) / temperature
        difference = quotient
    elif origin is None:
        return difference, None
    error[~np.isfinite(error)] = 0.0  # beside infinities, and where an intermediate overflowed: nothing to correct
    return difference, error


def exponentials(shifted: Float64Array, correction: Float64Array | None) -> Float64Array:
    """Turn `shifted` into `exp(shifted + correction)`, in place; a correction is a few hundred units at most."""
    terms = np.exp(shifted, out=shifted)
    if correction is not None:
        terms += terms * correction
    return terms


def origin_for(maximum: FloatArray, temperature: float) -> FloatArray | None:
    """What to subtract from logits so that their exponentials stay in range: each row's maximum, or nothing.

    float64 holds the exponentials of ordinary float32 logits as they are, and what isn't subtracted takes no time.
    float64 logits are always shifted: their sum is exact only for terms up to 1. maximum: with the class axis kept.
    None: nothing is to be subtracted anywhere.
    """
    if maximum.dtype != np.float32:
        return maximum
    safe = np.abs(maximum) <= _SAFE_EXPONENT * temperature
    return None if safe.all() else np.where(safe, np.float32(0), maximum)


def summands(
    logits: FloatArray, origin: FloatArray | None, temperature: float, classes: int, out: Float64Array
) -> Float64Array:
    """Return exp((logits - origin) / temperature), exact enough for the sum over so many classes.

    What rounding d = logit - origin costs a float64 term, up to |d| units in the last place, is weighed by exp(d): of
    few classes, those that are wrong by more than 4 units hold too small a part of the sum. out: scratch of the shape
    of `logits`.
    """
    if logits.dtype == np.float64 and temperature == 1.0 and origin is not None and classes <= _SHORT_ROW:
        return np.exp(np.subtract(logits, origin, out=out), out=out)
    return exponentials(*scaled(logits, origin, temperature, out))


def exact_sum(terms: Float64Array, axis: int, dtype: np.dtype[Any], out: Float64Array | None = None) -> Float64Array:
    """Sum terms between 0 and 1, keeping the axis; for float64 to within a unit in the last place.

    The parts on the grid of 2⁻³¹ add without rounding up to 2²² terms; what is left is too small to matter, unless
    it is all there is: it is added pairwise. numpy does so only along contiguous memory, and adds one after another
    else, so terms that lie otherwise are copied: the sum of a row mustn't depend on how it lies, or on its neighbours.
    out: scratch of the shape of `terms`, whose last axis must then be `axis`.
    """
    rows = np.ascontiguousarray(np.moveaxis(terms, axis, -1))
    return np.moveaxis(_row_sum(rows, dtype, out), -1, axis)


def _row_sum(terms: Float64Array, dtype: np.dtype[Any], out: Float64Array | None) -> Float64Array:
    if dtype == np.float32:
        return np.asarray(terms.sum(axis=-1, keepdims=True))
    high = np.add(terms, GRID, out=out)
    high -= GRID
    total = high.sum(axis=-1, keepdims=True)
    rest = np.subtract(terms, high, out=high)
    return np.asarray(total + rest.sum(axis=-1, keepdims=True))


def softmax_block(logits: FloatArray, temperature: float, axis: int) -> FloatArray:
    """Softmax of one block that fits the cache; the result has the block's dtype and memory order."""
    origin = origin_for(logits.max(axis=axis, keepdims=True), temperature)
    terms = exponentials(*scaled(logits, origin, temperature))
    terms /= exact_sum(terms, axis, logits.dtype)
    return terms.astype(logits.dtype, copy=False)


def log_softmax_block(logits: FloatArray, temperature: float, axis: int) -> FloatArray:
    """Log-softmax of one block: the largest term is left out of the sum, which log1p then takes whole."""
    shifted, correction = scaled(logits, logits.max(axis=axis, keepdims=True), temperature)
    terms = exponentials(shifted.copy(), correction)
    top = logits.argmax(axis=axis, keepdims=True)
    # A row whose maximum isn't a number has no largest term to leave out: it stays NaN.
    finite = np.isfinite(np.take_along_axis(logits, top, axis))
    np.put_along_axis(terms, top, np.where(finite, 0.0, np.nan), axis)
    shifted = shifted - np.log1p(exact_sum(terms, axis, logits.dtype))
    if correction is not None:
        shifted += correction
    return shifted.astype(logits.dtype, copy=False)


def sigmoid_block(logits: FloatArray, temperature: float, axis: int) -> FloatArray:
    """Logistic sigmoid of each element, without overflow; the axis plays no part."""
    z, correction = scaled(logits, None, temperature)
    if correction is not None:
        correction = -np.copysign(correction, z * correction)
    terms = exponentials(-np.abs(z), correction)
    numerator = np.where(z < 0, terms, 1.0)
    numerator[np.isnan(z)] = np.nan
    return np.asarray(numerator / (1.0 + terms)).astype(logits.dtype, copy=False)


def identity_block(logits: FloatArray, temperature: float, axis: int) -> FloatArray:
    """Return the values as they are: they're probabilities already."""
    return logits


ACTIVATIONS: Mapping[str, Activation] = MappingProxyType(
    {
        "softmax": softmax_block,
        "sigmoid": sigmoid_block,
        "log-softmax": log_softmax_block,
        "none": identity_block,
    }
)


def normalize_axis(axis: int, ndim: int) -> int:
    """Turn a negative axis into a positive one.

    Raises IndexError where the array has no such axis.
    """
    if not -ndim <= axis < ndim:
        raise IndexError(f"axis {axis} of an array with {ndim} dimensions")
    return axis % ndim


def cube_shape(shape: tuple[int, ...], axis: int) -> tuple[int, int, int]:
    """See any array as (outer, classes, inner): what lies before the class axis, it, and what lies behind.

    >>> cube_shape((8, 21, 512, 512), 1)
    (8, 21, 262144)
    """
    return math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])


def blocks_of(shape: tuple[int, int, int]) -> Iterator[tuple[slice, slice, slice]]:
    """Cut an (outer, classes, inner) cube into slices of about `BLOCK_ELEMENTS`, never through the class axis."""
    outer, classes, inner = shape
    if not outer * inner:
        return
    width = inner if classes * inner <= BLOCK_ELEMENTS else max(64, BLOCK_ELEMENTS // max(1, classes))
    step = max(1, BLOCK_ELEMENTS // max(1, classes * inner))
    for first in range(0, outer, step):
        for left in range(0, inner, width):
            yield slice(first, first + step), slice(None), slice(left, left + width)


def real_logits(logits: ArrayLike) -> FloatArray:
    """Take anything array-like as float32 or float64; integers beyond 2⁵³ are rounded to float64.

    Raises ValueError for elements that aren't real numbers of at most 64 bits.
    """
    values = np.asarray(logits)
    if values.dtype.kind not in "fiu" or values.dtype.itemsize > 8:
        raise ValueError(f"elements of type {values.dtype}, expected real numbers of at most 64 bits")
    return as_logits(values)


def check_arguments(activation: str, temperature: float) -> None:
    """Refuse an unknown activation, and a temperature that isn't a positive number.

    Raises ValueError.
    """
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation {activation!r}, expected one of {', '.join(ACTIVATIONS)}")
    if not (math.isfinite(temperature) and temperature > 0):
        raise ValueError(f"the temperature is {temperature}, expected a positive number")


def activate(logits: ArrayLike, activation: str = "softmax", axis: int = -1, temperature: float = 1.0) -> FloatArray:
    """Apply an activation of `ACTIVATIONS` to a whole array, in blocks.

    Same shape as `logits`. float16 and float32 give float32; float64 and integers give float64. NaN, +inf or
    nothing but -inf along the axis gives NaN there.
    Raises IndexError for an axis that isn't there, ValueError for one of length 0, for a temperature that isn't
    positive and finite, and for elements that aren't real numbers.

    >>> activate([[0.0, 0.0]], "log-softmax").round(4)
    array([[-0.6931, -0.6931]])
    """
    check_arguments(activation, temperature)
    values = real_logits(logits)
    axis = normalize_axis(axis, values.ndim)
    shape = cube_shape(values.shape, axis)
    if shape[1] == 0:
        raise ValueError(f"axis {axis} has length 0: there are no classes")
    cube = values.reshape(shape)
    result = np.empty(shape, cube.dtype)
    function = ACTIVATIONS[activation]
    with np.errstate(all="ignore"):
        for block in blocks_of(shape):
            result[block] = function(cube[block], temperature, 1)
    return result.reshape(values.shape)


def softmax(logits: ArrayLike, axis: int = -1, temperature: float = 1.0) -> FloatArray:
    """Turn logits into probabilities that sum to 1 along an axis: exp(x / T) / Σ exp(x / T).

    logits: real numbers of any shape; the result has the same shape, float32 for float16 and float32 logits
    (relative error ≤ 8·2⁻²⁴), else float64 (≤ 8·2⁻⁵³). A -inf logit is a masked class: probability exactly 0.
    Raises IndexError and ValueError as `activate` does.

    >>> softmax([3.2, 1.3, 0.2, 0.8]).round(6)
    array([0.77515 , 0.115938, 0.038592, 0.07032 ])
    """
    return activate(logits, "softmax", axis, temperature)


def log_softmax(logits: ArrayLike, axis: int = -1, temperature: float = 1.0) -> FloatArray:
    """Logarithms of the softmax probabilities, computed as such: x / T - log Σ exp(x / T).

    Shapes, dtypes and errors as `softmax`. Keeps its digits where a probability is near 1 or underflows.

    >>> log_softmax([1000.0, 0.0])
    array([    0., -1000.])
    """
    return activate(logits, "log-softmax", axis, temperature)


def sigmoid(logits: ArrayLike, temperature: float = 1.0) -> FloatArray:
    """Independent probabilities, one an element, for multi-label models: 1 / (1 + exp(-x / T)).

    Shapes, dtypes and errors as `softmax`.

    >>> sigmoid([-1000.0, 0.0, 1000.0])
    array([0. , 0.5, 1. ])
    """
    values = np.asarray(logits)
    return activate(values.reshape(-1, 1), "sigmoid", -1, temperature).reshape(values.shape)
