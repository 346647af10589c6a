"""Several inputs side by side: the same rows, the same classes in the same order."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from softmax_cli.batch import FloatArray, LogitBatch, Source
from softmax_cli.errors import InputError, Location
from softmax_cli.matching.classes import order_of
from softmax_cli.matching.follower import Follower, Handlers
from softmax_cli.matching.keys import Keys, Match, Traits, choose, keys_of
from softmax_cli.text import visible

_HOW = {Match.ID: "by id", Match.SOURCE: "by input and row", Match.POSITION: "by position"}


@dataclass(frozen=True, slots=True)
class Member:
    """One of the inputs, and the names of its classes, where they're known."""

    source: Source
    names: Sequence[str] | None = None

    @property
    def name(self) -> str:
        """The input as given."""
        return self.source.name


@dataclass(frozen=True, slots=True)
class SameRows:
    """The same rows in every input.

    batch: those of the first. logits: of the others, (rows, classes) each, in the rows' and classes' order of the
    first. keys: what each row was found by. match: how.
    """

    batch: LogitBatch
    logits: tuple[FloatArray, ...]
    keys: Keys
    match: Match


class Matcher:
    """Brings the rows of several inputs together, in the order of the first; iterate it once.

    Constant memory where the orders are the same. Raises InputError for inputs that can't be matched: other classes,
    rows that only one has (unless the handler takes it), ids that they don't have.
    """

    def __init__(self, members: Sequence[Member], asked: Match = Match.AUTO, handlers: Handlers | None = None):
        self._members = members
        self._handlers = handlers or Handlers()
        self._orders = [order_of(members[0].name, members[0].names, other.name, other.names) for other in members[1:]]
        begun = [_Begun(member.source) for member in members]
        self.classes = self._classes(begun)
        self.match = self._choose(asked, begun)
        if self.match is Match.POSITION:
            self._check_totals()
        self._leader = begun[0]
        self._followers = [
            Follower(item.source, iter(item), self.match, members[0].name, self._handlers) for item in begun[1:]
        ]

    @property
    def notes(self) -> list[str]:
        """How rows and classes were matched; complete after the iteration."""
        notes = [f"rows matched {_HOW[self.match]}"]
        for member, order in zip(self._members[1:], self._orders, strict=True):
            if order is not None:
                notes.append(f"{member.name}: classes in another order, matched by name")
        late = [f"{item.source.name}: rows in another order" for item in self._followers if item.reordered]
        return notes + late

    def __iter__(self) -> Iterator[SameRows]:
        before = 0
        try:
            for batch in self._leader:
                keys = keys_of(self.match, self._leader.source, batch, before)
                before += len(batch)
                yield self._beside(batch, keys)
            for follower in self._followers:
                follower.finish()
        finally:
            for follower in self._followers:
                follower.close()

    def _beside(self, batch: LogitBatch, keys: Keys) -> SameRows:
        if not len(batch):
            return SameRows(batch, (batch.logits,) * len(self._followers), keys, self.match)
        found = [follower.rows_for(keys) for follower in self._followers]
        common = np.logical_and.reduce([there for _, there in found])
        columns = []
        for (logits, there), order in zip(found, self._orders, strict=True):
            rows = logits if common.all() else logits[common[there]]
            columns.append(rows if order is None else rows[:, order])
        if not common.all():
            batch = batch.select(common)
            keys = [key for key, kept in zip(keys, common.tolist(), strict=True) if kept]  # type: ignore[assignment]
        return SameRows(batch, tuple(columns), keys, self.match)

    def _classes(self, begun: Sequence[_Begun]) -> int:
        """How many classes there are, in each.

        Raises InputError where the numbers differ.
        """
        counts = [item.classes for item in begun]
        first = counts[0]
        for member, count in zip(self._members, counts, strict=True):
            if count is not None and first is not None and count != first:
                name = visible(self._members[0].name)
                raise InputError("class-count", f"{count:,} classes, but {first:,} in {name}", at=Location(member.name))
        return next((count for count in counts if count is not None), 0)

    def _choose(self, asked: Match, begun: Sequence[_Begun]) -> Match:
        traits = [item.traits for item in begun]
        known = [item for item in traits if item is not None]
        if len(known) < len(traits):
            return Match.POSITION  # one of them is empty
        for member, item in zip(self._members, known, strict=True):
            if (asked is Match.ID and not item.named) or (asked is Match.SOURCE and not item.sources):
                what = "ids" if asked is Match.ID else "inputs of their own"
                hint = "--id-column NAME says where they are" if asked is Match.ID else "run --save-logits keeps them"
                raise InputError(
                    "unmatched-row", f"--match {asked}: its rows have no {what}", at=Location(member.name), hint=hint
                )
        return choose(asked, known)

    def _check_totals(self) -> None:
        first = self._members[0]
        for member in self._members[1:]:
            one, other = first.source.total_rows, member.source.total_rows
            if one is not None and other is not None and one != other:
                message = f"{other:,} rows, but {one:,} in {visible(first.name)}"
                hint = "rows without ids are matched by position, and must be as many"
                raise InputError("row-count", message, at=Location(member.name), hint=hint)


class _Begun:
    """A source whose first rows were looked at."""

    def __init__(self, source: Source):
        self.source = source
        self._rest = iter(source)
        self._head: list[LogitBatch] = []
        for batch in self._rest:
            self._head.append(batch)
            if len(batch):
                break
        first = self._head[-1] if self._head and len(self._head[-1]) else None
        self.traits = None if first is None else Traits.of(source, first)
        self.classes = source.classes if first is None else int(first.logits.shape[1])

    def __iter__(self) -> Iterator[LogitBatch]:
        head, self._head = self._head, []
        return itertools.chain(head, self._rest)
