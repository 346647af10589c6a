"""The hot kernel: the top classes of every row, with their probabilities over all classes.

`reference_order` says in one line what the order is; every faster way to select must agree with it bit for bit.
Rows are worked in blocks that fit a core's cache.
"""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softmax_cli import compiled, narrow
from softmax_cli.activation import (
    ACTIVATIONS,
    BLOCK_ELEMENTS,
    check_arguments,
    cube_shape,
    exact_sum,
    exponentials,
    normalize_axis,
    origin_for,
    real_logits,
    scaled,
    summands,
)
from softmax_cli.batch import FloatArray, LogitBatch, Ranked

IndexArray = NDArray[np.int64]

_TILE = 100
_COMPILED_BLOCKS = 64  # in one call in C: few calls, with moments to see a signal between them
_LONG_RUN = 1 << 10  # of rows behind the class axis, which are worth a call of their own
_FEW = 8  # up to here, taking the maximum again and again is quickest


class TopK(NamedTuple):
    """The best classes of every row, best first: three arrays of shape (..., k)."""

    indices: IndexArray
    logits: FloatArray
    probabilities: FloatArray


def reference_order(logits: FloatArray, k: int) -> IndexArray:
    """Order by logit, descending; equal logits by class index, ascending; NaN last. (rows, k)."""
    return np.argsort(-logits, axis=1, kind="stable")[:, :k]


def _repeated_maximum(logits: FloatArray, k: int, out: FloatArray | None = None) -> IndexArray:
    """Take the maximum k times; argmax gives the first of equals, as the order wants it, or the first NaN."""
    work = np.empty(logits.shape, logits.dtype) if out is None else out
    np.copyto(work, logits)
    order = np.empty((len(work), k), np.int64)
    every = np.arange(len(work))
    unsure = np.zeros(len(work), bool)
    for place in range(k):
        best = work.argmax(axis=1)
        order[:, place] = best
        left = work[every, best]
        if not place:
            unsure |= np.isnan(left)
        work[every, best] = -np.inf
    # Where only -inf was left, "already taken" and "masked class" can't be told apart.
    unsure |= np.isneginf(left)
    if unsure.any():
        order[unsure] = reference_order(logits[unsure], k)
    return order


def _packed_keys(logits: FloatArray, k: int) -> IndexArray:
    """Sort float32 logits and class indices as one unsigned integer: the logit's order above, the index below."""
    bits = (logits + np.float32(0)).view(np.uint32)  # adding 0 makes -0 the equal of +0
    descending = np.where(bits >> 31, bits, ~bits & np.uint32(0x7FFFFFFF))
    keys = descending.astype(np.uint64) << np.uint64(32)
    keys |= np.arange(logits.shape[1], dtype=np.uint64)
    if k < logits.shape[1]:
        keys = np.partition(keys, k - 1, axis=1)[:, :k]
    keys.sort(axis=1)
    return (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)


def _above_threshold(logits: FloatArray, k: int) -> IndexArray:
    """Keep what reaches the k-th largest logit, then order the few that are left."""
    classes = logits.shape[1]
    threshold = np.partition(logits, classes - k, axis=1)[:, classes - k, None]
    reach = logits >= threshold
    crowded = np.count_nonzero(reach, axis=1) > k  # ties at the threshold
    order = np.empty((len(logits), k), np.int64)
    order[crowded] = reference_order(logits[crowded], k)
    plain = ~crowded
    candidates = np.nonzero(reach[plain])[1].reshape(-1, k)
    values = np.take_along_axis(logits[plain], candidates, axis=1)
    order[plain] = np.take_along_axis(candidates, reference_order(values, k), axis=1)
    return order


def select(logits: FloatArray, k: int, out: FloatArray | None = None) -> IndexArray:
    """Return the indices of the top k classes of each row, in the order of `reference_order`.

    logits: (rows, classes) with 1 ≤ k ≤ classes; any strides. out: scratch of the same shape and type.
    """
    if k <= _FEW:
        return _repeated_maximum(logits, k, out)
    if np.isnan(logits.max(initial=-np.inf)):
        return reference_order(logits, k)
    if logits.dtype == np.float32:
        return _packed_keys(logits, k)
    return _above_threshold(logits, k)


def _room(rows: int, k: int, dtype: np.dtype[Any]) -> TopK:
    return TopK(np.empty((rows, k), np.int64), np.empty((rows, k), dtype), np.empty((rows, k), dtype))


class _Scratch:
    """Memory that the blocks of one call share."""

    def __init__(self, rows: int, classes: int, dtype: np.dtype[Any]):
        self._narrow = np.empty((rows, classes), dtype)
        self._wide = np.empty((rows, classes))

    def narrow(self, rows: int) -> FloatArray:
        """Room for a copy of `rows` rows."""
        return self._narrow[:rows]

    def wide(self, rows: int) -> NDArray[np.float64]:
        """Room for `rows` rows in float64."""
        return self._wide[:rows]


def _top_block(logits: FloatArray, k: int, activation: str, temperature: float, scratch: _Scratch) -> TopK:
    logits = _contiguous(logits)
    indices = select(logits, k, scratch.narrow(len(logits)))
    chosen: FloatArray = np.take_along_axis(logits, indices, axis=1)
    if activation != "softmax":  # the others are cheap, or need every class anyway
        probabilities = ACTIVATIONS[activation](np.ascontiguousarray(logits), temperature, 1)
        return TopK(indices, chosen, _descending(np.take_along_axis(probabilities, indices, axis=1)))
    origin = origin_for(chosen[:, :1], temperature)
    terms = exponentials(*scaled(chosen, origin, temperature))
    terms /= _total(logits, origin, temperature, scratch)
    return TopK(indices, chosen, _descending(terms.astype(logits.dtype, copy=False)))


def _total(logits: FloatArray, origin: FloatArray | None, temperature: float, scratch: _Scratch) -> NDArray[np.float64]:
    """The sum of exp((logits - origin) / temperature) of every row, (rows, 1)."""
    if logits.shape[1] <= narrow.MOST_CLASSES:  # added as for any k: the number mustn't depend on it
        shift = None if origin is None else origin[:, 0]
        return narrow.total_of(np.ascontiguousarray(logits.T), shift, temperature)[:, None]
    spare = scratch.narrow(len(logits)).astype(np.float64, copy=False) if logits.dtype == np.float64 else None
    terms = summands(logits, origin, temperature, logits.shape[1], scratch.wide(len(logits)))
    return exact_sum(terms, 1, logits.dtype, spare)


def _top_narrow(logits: FloatArray, k: int, temperature: float) -> TopK:
    """The same class after class, where classes are few."""
    columns = np.ascontiguousarray(logits.T)
    indices, least = narrow.select(columns, k)
    unsure = np.flatnonzero(~(least > -np.inf))  # NaN, or masked classes among the best
    if len(unsure):
        indices[:, unsure] = reference_order(logits[unsure], k).T
    chosen = np.take_along_axis(columns, indices, axis=0)
    origin = origin_for(chosen[0], temperature)
    terms = exponentials(*scaled(chosen, origin, temperature))
    terms /= narrow.total_of(columns, origin, temperature)
    return TopK(indices.T, chosen.T, _descending(terms.astype(logits.dtype, copy=False).T))


def _top_compiled(logits: FloatArray, k: int, temperature: float) -> TopK:
    """The same in C; the rows that it leaves alone, with numpy."""
    if not compiled.takes_strides(logits.shape[1]):
        logits = _contiguous(logits)
    best = _room(len(logits), k, logits.dtype)
    selected = k > compiled.most_selected(logits.shape[1])
    if selected:
        best.indices[:] = select(logits, k)
    left = compiled.rank(logits, *best, selected=selected, temperature=temperature)
    places = np.flatnonzero(left)
    step = max(1, BLOCK_ELEMENTS // logits.shape[1])
    for first in range(0, len(places), step):
        some = places[first : first + step]
        rows = logits[some]
        rest = _top_block(rows, k, "softmax", temperature, _Scratch(len(rows), rows.shape[1], rows.dtype))
        for whole, piece in zip(best, rest, strict=True):
            whole[some] = piece
    return best


def _descending(probabilities: FloatArray) -> FloatArray:
    """Probabilities of ranked classes, where the last digit's rounding had turned the order of two around."""
    return np.minimum.accumulate(probabilities, axis=1)


def _contiguous(logits: FloatArray) -> FloatArray:
    """The same with each row in one piece; transposed in tiles, which keeps to the cache."""
    if logits.flags.c_contiguous:
        return logits
    rows = np.empty(logits.shape, logits.dtype)
    for first in range(0, logits.shape[1], _TILE):
        rows[:, first : first + _TILE] = logits[:, first : first + _TILE]
    return rows


def top_rows(logits: FloatArray, k: int, activation: str = "softmax", temperature: float = 1.0) -> TopK:
    """Rank the rows of a (rows, classes) float32 or float64 array; k = 0 or too large means all classes."""
    rows, classes = logits.shape
    k = min(k, classes) or classes
    result = _room(rows, k, logits.dtype)
    is_softmax = activation == "softmax"
    step = max(1, BLOCK_ELEMENTS // max(1, classes))
    if is_softmax and compiled.is_for(logits.dtype, temperature):
        rank = functools.partial(_top_compiled, k=k, temperature=temperature)
        if logits.flags.c_contiguous and k <= compiled.most_selected(classes):  # it needs no memory of its own
            step *= _COMPILED_BLOCKS
    elif is_softmax and classes <= narrow.MOST_CLASSES and k <= _FEW:
        step = narrow.BLOCK_ROWS
        rank = functools.partial(_top_narrow, k=k, temperature=temperature)
    else:
        scratch = _Scratch(min(step, rows), classes, logits.dtype)
        rank = functools.partial(_top_block, k=k, activation=activation, temperature=temperature, scratch=scratch)
    with np.errstate(all="ignore"):
        for first in range(0, rows, step):
            for whole, piece in zip(result, rank(logits[first : first + step]), strict=True):
                whole[first : first + step] = piece
    return result


def top_k(
    logits: ArrayLike,
    k: int = 5,
    *,
    axis: int = -1,
    activation: str = "softmax",
    temperature: float = 1.0,
) -> TopK:
    """Return the k most probable classes along an axis, best first; k = 0 ranks all.

    logits: real numbers, at least one dimension. The three results have the class axis last, of length k.
    Ranked by logit, never by rounded probability; equal logits by class index. Probabilities are over all
    classes. Raises IndexError for an axis that isn't there, ValueError for one of length 0, a negative k, and
    whatever `softmax` refuses.

    >>> best = top_k([3.2, 1.3, 0.2, 0.8], k=2)
    >>> best.indices
    array([0, 1])
    >>> best.probabilities.round(6)
    array([0.77515 , 0.115938])
    """
    check_arguments(activation, temperature)
    if k < 0:
        raise ValueError(f"k is {k}, expected 0 for all classes, or more")
    values = real_logits(logits)
    axis = normalize_axis(axis, values.ndim)
    outer, classes, inner = cube_shape(values.shape, axis)
    if classes == 0:
        raise ValueError(f"axis {axis} has length 0: there are no classes")
    if values.flags.c_contiguous and outer and inner > _LONG_RUN:
        # What lies behind the class axis is a table of rows as it stands: no copy that brings the classes last.
        tables = [top_rows(part.T, k, activation, temperature) for part in values.reshape(outer, classes, inner)]
        flat = TopK(*map(np.concatenate, zip(*tables, strict=True))) if len(tables) > 1 else tables[0]
    else:
        moved = np.moveaxis(values, axis, -1)
        flat = top_rows(moved.reshape(-1, classes), k, activation, temperature)
    shape = (*values.shape[:axis], *values.shape[axis + 1 :], flat.indices.shape[1])
    return TopK(flat.indices.reshape(shape), flat.logits.reshape(shape), flat.probabilities.reshape(shape))


def ranked(batch: LogitBatch, best: TopK, names: Sequence[str] | None, min_probability: float | None) -> Ranked:
    """The best classes of a batch's rows, with what the batch knows of them; see `rank_batch`."""
    counts = None
    if min_probability is not None:
        counts = np.count_nonzero(best.probabilities >= min_probability, axis=1).astype(np.int64)
    return Ranked(
        source=batch.source,
        rows=batch.rows,
        indices=best.indices,
        logits=best.logits,
        probabilities=best.probabilities,
        counts=counts,
        ids=batch.ids,
        shape=batch.shape,
        names=names,
        sources=batch.sources,
        positions=batch.positions,
        faults=batch.faults,
    )


def rank_batch(
    batch: LogitBatch,
    names: tuple[str, ...] | None,
    *,
    top: int = 5,
    activation: str = "softmax",
    temperature: float = 1.0,
    min_probability: float | None = None,
) -> Ranked:
    """Rank a batch: `top` classes a row (0: all), of which those below `min_probability` don't count."""
    return ranked(batch, top_rows(batch.logits, top, activation, temperature), names, min_probability)
