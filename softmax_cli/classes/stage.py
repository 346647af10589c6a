"""The stage between source and ranking that leaves some classes, or groups of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import Fault, LogitBatch, Ranked
from softmax_cli.classes.choice import Namer
from softmax_cli.classes.groups import Cut, Groups, cut
from softmax_cli.classes.view import View
from softmax_cli.errors import InputError, Location, UsageError
from softmax_cli.ranking import rank_batch

RENORMALISE = "renormalise"
KEEP = "keep"

Names = tuple[str, ...] | None


@dataclass
class ClassChoice:
    """Which classes the user wants to see: only some, all but some, or groups of them.

    only, exclude: what names classes; None: no choice. mass: `renormalise` makes the probabilities of what is left
    sum to 1, `keep` leaves them as they are among all classes. groups: ranked instead of classes, at a level.
    tell: takes a note on each decision, once.
    """

    only: Sequence[str] | None = None
    exclude: Sequence[str] | None = None
    mass: str = RENORMALISE
    groups: Groups | None = None
    level: str = "1"
    tell: Callable[[str], None] = lambda note: None
    _last: tuple[tuple[Names, int, str], View] | None = None
    _told: set[str] = field(default_factory=set)

    def view(self, names: Names, classes: int, activation: str, source: str) -> View:
        """What the choice means for the classes of a source.

        Raises InputError for names that no class has, and where no class is left; UsageError for groups of labels
        that don't exclude each other.
        """
        key, last = (names, classes, activation), self._last
        if last is not None and last[0] == key:
            return last[1]
        view = self._made(names, classes, activation, source)
        self._last = (key, view)
        return view

    def rank_batch(
        self,
        batch: LogitBatch,
        names: Names,
        *,
        top: int = 5,
        activation: str = "softmax",
        temperature: float = 1.0,
        min_probability: float | None = None,
    ) -> Ranked:
        """Rank a batch as `ranking.rank_batch` does, but only what is chosen."""
        classes = batch.logits.shape[1]
        if classes:
            rank = self.view(names, classes, activation, batch.source).rank_batch
        else:  # inputs that failed, and nothing else: what it is called has to be the same all the same
            rank, names = rank_batch, names if self._last is None else self._last[1].names
        return rank(
            batch, names, top=top, activation=activation, temperature=temperature, min_probability=min_probability
        )

    def split_masked(
        self, batch: LogitBatch, faults: list[Fault], names: Names, activation: str
    ) -> tuple[LogitBatch, list[Fault]]:
        """Find rows that have no softmax over what is chosen: nothing but -inf there.

        faults: those that were found before, at their places in the batch. Returns the batch without the rows, and
        all faults.
        """
        classes = batch.logits.shape[1]
        dead = self.view(names, classes, activation, batch.source).dead(batch.logits) if classes else None
        if dead is None or activation == "sigmoid":
            return batch, faults
        before = np.cumsum(~dead)
        moved = [Fault(int(before[item.place - 1]) if item.place else 0, item.error) for item in faults]
        found = [Fault(int(before[place]), _masked(batch, place)) for place in np.flatnonzero(dead).tolist()]
        return batch.select(~dead), sorted([*moved, *found], key=lambda fault: fault.place)

    def _made(self, names: Names, classes: int, activation: str, source: str) -> View:
        if self.groups is not None and activation == "sigmoid":
            hint = "probabilities of labels that don't exclude each other have no sum"
            raise UsageError("--groups needs one distribution over the classes, not sigmoid", hint=hint)
        kept = self._kept(names, classes, source)
        pieces = None if self.groups is None else cut(self.groups, self.level, names, classes, source)
        for note in self._notes(len(kept), classes, activation, pieces):
            if note not in self._told:
                self._told.add(note)
                self.tell(note)
        group_of = kept if pieces is None else np.array(pieces.group_of, np.int64)[kept]
        order = np.argsort(group_of, kind="stable")
        columns = kept[order]
        indices, starts = np.unique(group_of[order], return_index=True)
        rest = self.mass == KEEP and len(kept) < classes
        if rest:
            starts = np.append(starts, len(columns))
            columns = np.append(columns, np.setdiff1d(np.arange(classes), kept))
        return View(
            columns=columns,
            starts=starts,
            indices=indices,
            names=names if pieces is None else pieces.names,
            rest=rest,
            single=pieces is None,
        )

    def _kept(self, names: Names, classes: int, source: str) -> NDArray[np.int64]:
        namer = Namer(names, classes, source)
        kept = set(range(classes)) if self.only is None else namer.select(self.only)
        if self.exclude is not None:
            kept -= namer.select(self.exclude)
        if not kept:
            raise InputError("unknown-class", "--only and --exclude leave no class", at=Location(source))
        return np.array(sorted(kept), np.int64)

    def _notes(self, kept: int, classes: int, activation: str, pieces: Cut | None) -> Iterator[str]:
        if self.only is not None or self.exclude is not None:
            how = "their probabilities sum to 1 (--mass keep: as they are among all)"
            if activation == "sigmoid":
                how = "each has its own probability"
            elif self.mass == KEEP:
                how = "their probabilities are those among all classes (--mass renormalise: they sum to 1)"
            yield f"{kept:,} of {classes:,} classes; {how}"
        if pieces is not None:
            alone = f"; classes without a group, which stay themselves: {pieces.alone:,}" if pieces.alone else ""
            yield f"{len(pieces.names):,} groups at level {pieces.level} of {pieces.levels}{alone}"


def _masked(batch: LogitBatch, place: int) -> InputError:
    at = Location(batch.source_of(place), row=int(batch.rows[place]))
    hint = "--nan propagate keeps such rows as NaN, --on-error skip drops them"
    return InputError("masked-row", "every logit of the classes that are left is -inf", at=at, hint=hint)
