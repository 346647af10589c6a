"""Batches on their way into a sink: many small ones joined, and encoded on threads while others are ranked."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np

from softmax_cli.batch import Ranked
from softmax_cli.sinks.base import EncodingSink, Sink

_MOST_SECONDS = 0.5
_SLOW_SECONDS = 0.05  # between batches: who waits for the first shouldn't wait for the second


class GatheringSink(Sink):
    """Hands batches on to another sink, in order, those that come fast together, and large ones in parts.

    The bytes are the same. The first batch of a kind is handed on at once: what the sink refuses is then refused for
    the input at fault. lines: of rows × k, how many are handed on together. jobs: threads that encode; with one,
    nothing is encoded ahead.
    """

    def __init__(self, sink: EncodingSink, lines: int, jobs: int):
        self._sink = sink
        self._most_lines = lines
        self._accepted: Ranked | None = None
        self._waiting: list[Ranked] = []
        self._lines = 0
        self._since = self._last = 0.0
        self._jobs = jobs
        self._pool = ThreadPoolExecutor(jobs, thread_name_prefix="softmax-encode") if jobs > 1 else None
        self._encoded: deque[Future[Any]] = deque()

    def write(self, ranked: Ranked) -> None:
        """Write a batch, or let it wait for others, for half a second at the most while they come fast."""
        before, self._last = self._last, time.monotonic()
        if self._accepted is None or not _alike(ranked, self._accepted):
            self.flush()
            self._accepted = None
            first, *others = self._parts(ranked)
            self._sink.write(first)
            self._accepted = ranked
            self._encode(others)
            return
        if not self._waiting:
            self._since = self._last
        self._waiting.append(ranked)
        self._lines += len(ranked) * ranked.k
        if self._last - before >= _SLOW_SECONDS:
            self.flush()
        elif self._lines >= self._most_lines or self._last - self._since >= _MOST_SECONDS:
            self._hand_on()

    def _hand_on(self) -> None:
        waiting, self._waiting, self._lines = self._waiting, [], 0
        if waiting:
            self._encode(self._parts(_joined(waiting)))

    def _encode(self, parts: Iterable[Ranked]) -> None:
        for ranked in parts:
            if self._pool is None:
                self._sink.write(ranked)
                continue
            self._encoded.append(self._pool.submit(self._sink.encode, ranked))
            while len(self._encoded) > self._jobs:
                self._sink.put(self._encoded.popleft().result())

    def _parts(self, ranked: Ranked) -> Iterator[Ranked]:
        """A batch, cut where it has much more lines than are handed on together; whole with the errors of inputs."""
        count = 1 if ranked.faults else max(1, len(ranked) * ranked.k // self._most_lines)
        step = -(-len(ranked) // count)
        if count == 1:
            yield ranked
            return
        for start in range(0, len(ranked), step):
            yield ranked.part(start, start + step, ())

    def flush(self) -> None:
        """Hand on what waits."""
        self._hand_on()
        while self._encoded:
            self._sink.put(self._encoded.popleft().result())

    def close(self) -> None:
        """Hand on what waits, and complete the output."""
        self.flush()
        self._end()
        self._sink.close()

    def abort(self) -> None:
        """Give the output up."""
        self._end()
        self._sink.abort()

    def _end(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


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
        and (one.shape == other.shape or len(one.shape) == len(other.shape) == 1)
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
