"""How often one class was taken for another."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]

MOST_DENSE = 1024  # classes, up to which all pairs are counted in a matrix
_BUFFERED = 1 << 20


class PairCounts:
    """Counts of (target, predicted) pairs that differ: a matrix of few classes, else only the pairs that occur."""

    def __init__(self, classes: int):
        self.classes = classes
        self._dense = np.zeros(classes * classes, np.int64) if classes <= MOST_DENSE else None
        self._codes = np.empty(0, np.int64)
        self._counts = np.empty(0, np.int64)
        self._waiting: list[Indices] = []
        self._held = 0

    def add(self, codes: Indices) -> None:
        """Count pairs, each target * classes + predicted."""
        if self._dense is not None:
            if len(codes) > len(self._dense):
                self._dense += np.bincount(codes, minlength=len(self._dense))
            else:
                np.add.at(self._dense, codes, 1)
            return
        self._waiting.append(codes)
        self._held += len(codes)
        if self._held > _BUFFERED:
            self._settle()

    def _settle(self) -> None:
        new, counts = np.unique(np.concatenate([np.empty(0, np.int64), *self._waiting]), return_counts=True)
        codes = np.concatenate([self._codes, new])
        self._codes, where = np.unique(codes, return_inverse=True)
        self._counts = np.bincount(where, np.concatenate([self._counts, counts]), len(self._codes)).astype(np.int64)
        self._waiting.clear()
        self._held = 0

    def items(self) -> tuple[Indices, Indices, Indices]:
        """The targets, predicted classes and counts of all pairs that occur, by target, then predicted class."""
        if self._dense is not None:
            codes = np.flatnonzero(self._dense)
            counts = self._dense[codes]
        else:
            self._settle()
            codes, counts = self._codes, self._counts
        targets, predicted = np.divmod(codes, max(1, self.classes))
        return targets, predicted, counts

    def most(self, count: int) -> Iterator[tuple[int, int, int]]:
        """The most frequent pairs: target, predicted class, count; of equal ones those of lower indices first."""
        targets, predicted, counts = self.items()
        order = np.argsort(-counts, kind="stable")[:count]
        return ((int(targets[place]), int(predicted[place]), int(counts[place])) for place in order)
