"""Rows put aside in a temporary file, found again by their keys."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import FloatArray

_DIGEST = np.dtype("S16")


class RowSpool:
    """Rows in a temporary file, and 33 bytes for each in memory: a digest of its key, and where it lies.

    Two keys with the same 128 bits are taken for one; nobody meets that by accident.
    """

    def __init__(self, classes: int, dtype: np.dtype[Any]):
        self._classes = classes
        self._dtype = dtype
        self._values = tempfile.TemporaryFile(prefix="softmax-")  # noqa: SIM115 - closed by `close`
        self._texts = tempfile.TemporaryFile(prefix="softmax-")  # noqa: SIM115 - the same
        self._digests: list[NDArray[np.bytes_]] = []
        self._lengths: list[NDArray[np.int64]] = []
        self._starts: NDArray[np.int64] = np.empty(0, np.int64)
        self._sorted: NDArray[np.bytes_] = np.empty(0, _DIGEST)
        self._order: NDArray[np.int64] = np.empty(0, np.int64)
        self._used: NDArray[np.bool_] = np.empty(0, bool)

    def append(self, keys: Sequence[str | int], logits: FloatArray) -> None:
        """Put rows aside."""
        self._values.write(np.ascontiguousarray(logits, self._dtype).data)
        texts = list(map(_bytes_of, keys))
        self._texts.write(b"".join(texts))
        self._lengths.append(np.array([len(text) for text in texts], np.int64))
        self._digests.append(_digests(texts))

    def seal(self) -> Iterator[tuple[int, int]]:
        """Make the rows findable; yields the pairs of rows that have the same key."""
        self._values.flush()
        digests = np.concatenate([*self._digests, np.empty(0, _DIGEST)])
        self._starts = np.cumsum(np.concatenate([np.zeros(1, np.int64), *self._lengths]))
        self._digests, self._lengths = [], []
        self._order = np.argsort(digests, kind="stable")
        self._sorted = digests[self._order]
        self._used = np.zeros(len(digests), bool)
        for place in np.flatnonzero(self._sorted[1:] == self._sorted[:-1]).tolist():
            yield int(self._order[place]), int(self._order[place + 1])

    def find(self, keys: Sequence[str | int]) -> NDArray[np.int64]:
        """The row of each key, the first of several; -1 where there is none."""
        if not len(self._sorted):
            return np.full(len(keys), -1, np.int64)
        wanted = _digests(list(map(_bytes_of, keys)))
        places = np.minimum(np.searchsorted(self._sorted, wanted), len(self._sorted) - 1)
        return np.where(self._sorted[places] == wanted, self._order[places], -1)

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Mark rows as taken; false for those that were taken before."""
        fresh = ~self._used[rows]
        _, first = np.unique(rows, return_index=True)
        once = np.zeros(len(rows), bool)
        once[first] = True
        self._used[rows] = True
        return np.asarray(fresh & once)

    def left(self) -> NDArray[np.int64]:
        """The rows that weren't taken, in order."""
        return np.flatnonzero(~self._used)

    def key(self, row: int) -> str:
        """The text of a row's key."""
        start, end = self._starts[row : row + 2].tolist()
        self._texts.seek(start)
        return self._texts.read(end - start).decode("utf-8", "surrogatepass")

    def read(self, rows: NDArray[np.int64]) -> FloatArray:
        """The values of rows; the file is mapped anew each time, so that its pages don't stay with us."""
        if not len(rows):
            return np.empty((0, self._classes), self._dtype)
        mapped = np.memmap(self._values, self._dtype, "r", shape=(len(self._used), self._classes))
        return np.asarray(mapped[rows])

    def close(self) -> None:
        """Give the files up."""
        self._values.close()
        self._texts.close()


def _bytes_of(key: str | int) -> bytes:
    return str(key).encode("utf-8", "surrogatepass")


def _digests(texts: Sequence[bytes]) -> NDArray[np.bytes_]:
    return np.array([hashlib.blake2b(text, digest_size=16).digest() for text in texts], _DIGEST)
