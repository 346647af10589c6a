"""Many small batches as few large ones: each write costs a sink the same, however little it is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from softmax_cli.batch import Ranked
from softmax_cli.sinks.base import Sink

_MOST_LINES = 1 << 14  # of rows × k
_MOST_SECONDS = 0.5
_SLOW_SECONDS = 0.05  # between batches: who waits for the first shouldn't wait for the second


class GatheringSink:
    """Hands batches on to another sink, those that may wait and come fast together; the bytes are the same.

    The first batch of a kind is handed on at once: what the sink refuses is then refused for the input at fault.
    """

    def __init__(self, sink: Sink):
        self._sink = sink
        self._accepted: Ranked | None = None
        self._waiting: list[Ranked] = []
        self._lines = 0
        self._since = self._last = 0.0

    def write(self, ranked: Ranked) -> None:
        """Write a batch; one that may wait for others does, for half a second."""
        before, self._last = self._last, time.monotonic()
        if not ranked.may_wait or self._accepted is None or not _alike(ranked, self._accepted):
            self.flush()
            self._accepted = None
            self._sink.write(ranked)
            self._accepted = ranked if ranked.may_wait else None
            return
        if not self._waiting:
            self._since = self._last
        self._waiting.append(ranked)
        self._lines += len(ranked) * ranked.k
        is_slow = self._last - before >= _SLOW_SECONDS
        if is_slow or self._lines >= _MOST_LINES or self._last - self._since >= _MOST_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Hand on what waits."""
        waiting, self._waiting, self._lines = self._waiting, [], 0
        if waiting:
            self._sink.write(_joined(waiting))

    def close(self) -> None:
        """Hand on what waits, and complete the output."""
        self.flush()
        self._sink.close()

    def abort(self) -> None:
        """Give the output up."""
        self._sink.abort()


def _alike(one: Ranked, other: Ranked) -> bool:
    """Whether two batches make one."""
    return (
        one.k == other.k
        and one.logits.dtype == other.logits.dtype
        and (one.names is other.names or one.names == other.names)
        and (one.ids is None) == (other.ids is None)
        and (one.counts is None) == (other.counts is None)
        and (one.positions is None) == (other.positions is None)
        and (one.abstained is None) == (other.abstained is None)
        and one.are_sets == other.are_sets
        and len(one.shape) == len(other.shape) < 2
        and not one.faults
    )


def _joined(parts: Sequence[Ranked]) -> Ranked:
    first = parts[0]
    if len(parts) == 1:
        return first
    sources = None
    if any(part.sources is not None or part.source != first.source for part in parts):
        sources = [source for part in parts for source in part.sources or [part.source] * len(part)]
    return replace(
        first,
        rows=np.concatenate([part.rows for part in parts]),
        indices=np.concatenate([part.indices for part in parts]),
        logits=np.concatenate([part.logits for part in parts]),
        probabilities=np.concatenate([part.probabilities for part in parts]),
        counts=None
        if first.counts is None
        else np.concatenate([part.counts for part in parts if part.counts is not None]),
        ids=None if first.ids is None else [text for part in parts for text in part.ids or ()],
        sources=sources,
        positions=None
        if first.positions is None
        else np.concatenate([part.positions for part in parts if part.positions is not None]),
        abstained=None
        if first.abstained is None
        else np.concatenate([part.abstained for part in parts if part.abstained is not None]),
    )
