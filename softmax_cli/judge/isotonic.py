"""Isotonic regression of each class against the rest: from probability to how often the class was true.

Source: Zadrozny and Elkan, "Transforming classifier scores into accurate multiclass probability estimates" (2002); the
pool-adjacent-violators algorithm as in Barlow, Bartholomew, Bremner and Brunk (1972).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from softmax_cli.activation import activate
from softmax_cli.confidence.calibration import Curve
from softmax_cli.judge.samples import IndexArray, Mask, Samples

Float64Array = NDArray[np.float64]

_GROUP_BYTES = 1 << 27  # of the probabilities of some classes that are in memory together


def fit_isotonic(samples: Samples, keep: Mask | None = None) -> tuple[Curve, ...]:
    """Fit a curve a class on the softmax probabilities of all rows, or those where `keep`, in several passes."""
    rows = len(samples) if keep is None else int(np.count_nonzero(keep))
    group = max(1, _GROUP_BYTES // (8 * max(1, rows)))
    curves: list[Curve] = []
    for first in range(0, samples.classes, group):
        chosen = slice(first, min(first + group, samples.classes))
        parts = [
            (np.asarray(activate(logits.astype(np.float64)))[:, chosen], targets)
            for logits, targets, _ in samples.blocks(keep)
        ]
        shares = np.concatenate([part for part, _ in parts])
        truth = np.concatenate([targets for _, targets in parts])
        curves += [fit_curve(shares[:, place], truth == first + place) for place in range(shares.shape[1])]
    return tuple(curves)


def fit_curve(shares: Float64Array, hits: Mask) -> Curve:
    """The non-decreasing step function of least squares, straight between its steps.

    shares: (rows,) from 0 to 1. hits: (rows,), whether the class was true.

    >>> fit_curve(np.array([0.1, 0.4, 0.6, 0.9]), np.array([False, True, False, True])).values
    array([0. , 0.5, 0.5, 1. ])
    """
    points, place = np.unique(shares, return_inverse=True)
    weights = np.bincount(place, minlength=len(points)).astype(np.float64)
    sums = np.bincount(place, hits, minlength=len(points)).astype(np.float64)
    starts = _blocks(sums, weights)
    ends = np.append(starts[1:], len(points)) - 1
    values = np.add.reduceat(sums, starts) / np.add.reduceat(weights, starts)
    edges = np.stack([starts, ends], axis=1).reshape(-1)
    keep = np.append(True, edges[1:] > edges[:-1])  # a block of one point has one edge
    return Curve(points[edges][keep], np.repeat(values, 2)[keep])


def _blocks(sums: Float64Array, weights: Float64Array) -> IndexArray:
    """Where the blocks of equal fitted values begin: adjacent violators pooled."""
    # What doesn't rise is one block in any case: of mostly zeros that leaves little to do one by one.
    means = sums / weights
    firsts = np.flatnonzero(np.append(True, means[1:] > means[:-1]))
    starts: list[int] = []
    kept: list[tuple[float, float]] = []
    block_sums = np.add.reduceat(sums, firsts).tolist()
    block_weights = np.add.reduceat(weights, firsts).tolist()
    for start, total, weight in zip(firsts.tolist(), block_sums, block_weights, strict=True):
        while kept and kept[-1][0] * weight >= total * kept[-1][1]:
            before, before_weight = kept.pop()
            start = starts.pop()
            total, weight = total + before, weight + before_weight
        starts.append(start)
        kept.append((total, weight))
    return np.array(starts, np.int64)
