"""One input that gives its rows in the order that another one asks for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import FloatArray, LogitBatch, Source
from softmax_cli.errors import FaultHandler, InputError, Location, fail_on_fault
from softmax_cli.matching.keys import Keys, Match, keys_of, shown
from softmax_cli.matching.spool import RowSpool
from softmax_cli.text import visible

_NAMED = 3  # of rows that are missing, in a message


@dataclass(frozen=True, slots=True)
class Handlers:
    """What becomes of rows that only some inputs have, and of inputs that failed among others."""

    on_fault: FaultHandler = fail_on_fault
    on_input_fault: FaultHandler = fail_on_fault


@dataclass
class _Waiting:
    """Rows that were read and not yet asked for."""

    logits: list[FloatArray] = field(default_factory=list)
    keys: list[str | int] = field(default_factory=list)

    def add(self, logits: FloatArray, keys: Keys) -> None:
        self.logits.append(logits)
        self.keys.extend(keys)

    def first(self, count: int) -> FloatArray:
        """Hand out the first rows, and forget them."""
        parts: list[FloatArray] = []
        missing = count
        while missing:
            part = self.logits[0]
            if len(part) <= missing:
                parts.append(self.logits.pop(0))
            else:
                parts.append(part[:missing])
                self.logits[0] = part[missing:]
            missing -= min(missing, len(part))
        del self.keys[:count]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


class Follower:
    """Gives the rows of a source for the keys of another, `leader`: in the same order as they come, in constant memory.

    Once the orders differ, the rest of the source is put into a temporary file, and rows are found there by their
    keys. handlers take the errors of rows that only one of the two has. reordered: whether the orders differed.
    """

    def __init__(self, source: Source, batches: Iterator[LogitBatch], match: Match, leader: str, handlers: Handlers):
        self.source = source
        self._batches = batches
        self._match = match
        self._leader = leader
        self._handlers = handlers
        self._on_fault = handlers.on_fault
        self._waiting = _Waiting()
        self._read = 0
        self._ended = False
        self._spool: RowSpool | None = None
        self.reordered = False

    def rows_for(self, keys: Keys) -> tuple[FloatArray, NDArray[np.bool_]]:
        """The rows of these keys: (found, classes); and a mask of the keys that have one.

        Raises InputError for a row that isn't there, or hands it to `on_fault`.
        """
        if self._spool is None:
            self._fill(len(keys))
            if self._waiting.keys[: len(keys)] == list(keys):
                return self._waiting.first(len(keys)), np.ones(len(keys), bool)
            self._put_aside()
        return self._look_up(keys)

    def finish(self) -> None:
        """See that no row is left over.

        Raises InputError for those that are, or hands each to `on_fault`.
        """
        if self._spool is None:
            self._fill(1)
            if self._waiting.keys:
                self._extra(self._waiting.keys[0])
            return
        left = self._spool.left()
        for row in left[:_NAMED].tolist():
            self._extra(self._spool.key(row), len(left))

    def close(self) -> None:
        """Give up what is held."""
        if self._spool is not None:
            self._spool.close()

    def _fill(self, count: int) -> None:
        """Read until so many rows wait, or all there are."""
        while len(self._waiting.keys) < count and not self._ended:
            batch = next(self._batches, None)
            if batch is None:
                self._ended = True
                return
            self._take_faults(batch)
            if len(batch):
                self._waiting.add(batch.logits, self._keys(batch))

    def _take_faults(self, batch: LogitBatch) -> None:
        for fault in batch.faults:
            self._handlers.on_input_fault(fault.error)

    def _keys(self, batch: LogitBatch) -> Keys:
        keys = keys_of(self._match, self.source, batch, self._read)
        self._read += len(batch)
        return keys

    def _put_aside(self) -> None:
        """Put the rest of the source into a temporary file, where rows are found by their keys."""
        self.reordered = self._match is not Match.POSITION
        waiting = self._waiting
        self._fill(1)
        first = waiting.logits[0] if waiting.logits else np.empty((0, self.source.classes or 0), np.float32)
        self._spool = spool = RowSpool(first.shape[1], first.dtype)
        for part in waiting.logits:
            spool.append(waiting.keys[: len(part)], part)
            del waiting.keys[: len(part)]
        waiting.logits = []
        for batch in self._batches:
            self._take_faults(batch)
            spool.append(self._keys(batch), batch.logits)
        self._ended = True
        for row, again in spool.seal():
            self._twice(self.source.name, spool.key(row))
            spool.take(np.array([again]))  # the first of them counts

    def _look_up(self, keys: Keys) -> tuple[FloatArray, NDArray[np.bool_]]:
        assert self._spool is not None
        rows = self._spool.find(keys)
        there = rows >= 0
        for place in np.flatnonzero(~there).tolist():
            self._missing(keys[place])
        fresh = self._spool.take(rows[there])
        places = np.flatnonzero(there)
        for place in places[~fresh].tolist():
            self._twice(self._leader, keys[place])
        there[places[~fresh]] = False
        return self._spool.read(rows[there]), there

    def _missing(self, key: str | int) -> None:
        what = shown(self._match, key)
        error = InputError(
            "unmatched-row", f"no {what}, which {visible(self._leader)} has", at=Location(self.source.name)
        )
        self._on_fault(self._hinted(error))

    def _extra(self, key: str | int, count: int = 0) -> None:
        more = f" ({count:,} such rows)" if count > 1 else ""
        what = shown(self._match, key)
        error = InputError(
            "unmatched-row", f"{what} isn't in {visible(self._leader)}{more}", at=Location(self.source.name)
        )
        self._on_fault(self._hinted(error))

    def _hinted(self, error: InputError) -> InputError:
        hints = {
            Match.ID: "--on-error skip takes the others; --match position takes the rows in order",
            Match.SOURCE: "--match position takes the rows in order, whatever their inputs are called",
        }
        error.hint = hints.get(self._match, "both must hold the same rows, or ids to match them by")
        return error

    def _twice(self, name: str, key: str | int) -> None:
        message = f"{shown(self._match, key)} stands twice, and the inputs are in different orders"
        hint = "--match position takes the rows in order"
        self._on_fault(InputError("duplicate-row", message, at=Location(name), hint=hint))
