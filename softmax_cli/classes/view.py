"""Ranking some of the classes, or groups of them, instead of all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from softmax_cli.activation import BLOCK_ELEMENTS, GRID, Float64Array, exponentials, scaled
from softmax_cli.batch import FloatArray, LogitBatch, Ranked
from softmax_cli.classes.choice import Namer
from softmax_cli.classes.groups import Cut, Groups, cut
from softmax_cli.errors import InputError, Location, UsageError
from softmax_cli.ranking import TopK, rank_batch, select

RENORMALISE = "renormalise"
KEEP = "keep"

Indices = NDArray[np.int64]


class RankRows(Protocol):
    """Ranks a batch, as `ranking.rank_batch` does."""

    def __call__(
        self,
        batch: LogitBatch,
        names: tuple[str, ...] | None,
        *,
        top: int = 5,
        activation: str = "softmax",
        temperature: float = 1.0,
        min_probability: float | None = None,
    ) -> Ranked:
        """Rank the rows of a batch."""
        ...


@dataclass(frozen=True, slots=True)
class _Totals:
    """What groups are ordered by, shown with, and their share of 1: (rows, groups) each."""

    order: FloatArray
    logits: FloatArray
    probabilities: FloatArray


@dataclass(frozen=True, slots=True)
class View:
    """Some classes of a source, or groups of them; what `ClassChoice` means for its number of classes and their names.

    columns: the classes in use, (m,), those of a group beside each other. starts: where each group begins among them.
    indices: the number that each group is shown with. names: what the indices are called. rest: whether the last
    group holds the classes that aren't shown, whose mass stays theirs. single: whether each group is one class.
    """

    columns: Indices
    starts: Indices
    indices: Indices
    names: tuple[str, ...] | None
    rest: bool
    single: bool
    notes: tuple[str, ...] = ()

    def dead(self, logits: FloatArray) -> NDArray[np.bool_] | None:
        """The rows where nothing but -inf is left of the classes in use, though the row has others; None for none."""
        if self.rest or len(self.columns) == logits.shape[1] or not len(logits):
            return None
        mask = np.isneginf(logits[:, self.columns].max(axis=1)) & ~np.isneginf(logits.max(axis=1))
        return mask if mask.any() else None

    def rank_batch(
        self,
        batch: LogitBatch,
        names: tuple[str, ...] | None,
        *,
        top: int = 5,
        activation: str = "softmax",
        temperature: float = 1.0,
        min_probability: float | None = None,
    ) -> Ranked:
        """Rank the classes in use as `ranking.rank_batch` ranks all.

        Of groups, the logit is the logarithm of the sum of its members' exponentials, its probability the sum of
        theirs; with activation `none` both are the sum of the values.
        """
        if self.single and (activation == "sigmoid" or (activation != "none" and not self.rest)):
            kept = self.columns[: len(self.indices)]
            ranked = rank_batch(
                replace(batch, logits=batch.logits[:, kept]),
                names,
                top=top,
                activation=activation,
                temperature=temperature,
                min_probability=min_probability,
            )
            return replace(ranked, indices=self.indices[ranked.indices], names=self.names)
        best = self._top(batch.logits, top, activation, temperature)
        counts = None
        if min_probability is not None:
            counts = np.count_nonzero(best.probabilities >= min_probability, axis=1).astype(np.int64)
        nothing = replace(batch, logits=batch.logits[:0], rows=batch.rows[:0], faults=())
        empty = rank_batch(nothing, self.names, top=1)
        return replace(
            empty,
            rows=batch.rows,
            indices=self.indices[best.indices],
            logits=best.logits,
            probabilities=best.probabilities,
            counts=counts,
            faults=batch.faults,
        )

    def _top(self, logits: FloatArray, top: int, activation: str, temperature: float) -> TopK:
        rows, classes = logits.shape
        shown = len(self.indices)
        k = min(top, shown) or shown
        result = TopK(
            np.empty((rows, k), np.int64), np.empty((rows, k), logits.dtype), np.empty((rows, k), logits.dtype)
        )
        step = max(1, BLOCK_ELEMENTS // max(1, classes))
        with np.errstate(all="ignore"):
            for first in range(0, rows, step):
                block = logits[first : first + step]
                totals = self._values(block) if activation == "none" else self._sums(block, activation, temperature)
                order = select(totals.order[:, :shown], k)
                for whole, part in zip(
                    result,
                    (
                        order,
                        np.take_along_axis(totals.logits, order, axis=1),
                        np.minimum.accumulate(np.take_along_axis(totals.probabilities, order, axis=1), axis=1),
                    ),
                    strict=True,
                ):
                    whole[first : first + step] = part
        return result

    def _sums(self, block: FloatArray, activation: str, temperature: float) -> _Totals:
        """Sums of exponentials, each group's relative to its largest: none is lost, however small.

        The sum of what is up to 1 is exact on a grid of 2⁻³¹, and the rest of each term too small to matter.
        """
        members = block[:, self.columns]
        largest = np.maximum.reduceat(members, self.starts, axis=1)
        origin = np.where(np.isneginf(largest), block.dtype.type(0), largest)
        sizes = np.diff(self.starts, append=len(self.columns))
        terms = exponentials(*scaled(members, np.repeat(origin, sizes, axis=1), temperature))
        sums = self._split_sum(terms)
        top = largest.max(axis=1, keepdims=True)
        below, correction = scaled(largest, top, temperature)
        weights = exponentials(below.copy(), correction) * sums
        total = weights.sum(axis=1, keepdims=True)
        own, _ = scaled(largest, None, temperature)
        logs = own + np.log(sums)
        if activation == "log-softmax":
            shares = below + (0.0 if correction is None else correction) + np.log(sums) - np.log(total)
        else:
            shares = weights / total
        if self.single:
            return _Totals(largest, largest, shares)
        return _Totals(logs, logs, shares)

    def _values(self, block: FloatArray) -> _Totals:
        """Sums of what are probabilities already."""
        sums = self._split_sum(block[:, self.columns].astype(np.float64))
        total = 1.0 if self.rest or len(self.columns) == block.shape[1] else sums.sum(axis=1, keepdims=True)
        return _Totals(sums, sums, sums / total)

    def _split_sum(self, terms: Float64Array) -> Float64Array:
        if self.single and not self.rest:
            return terms
        high = (terms + GRID) - GRID
        total = np.add.reduceat(high, self.starts, axis=1)
        return np.asarray(total + np.add.reduceat(terms - high, self.starts, axis=1))


@dataclass
class ClassChoice:
    """Which classes the user wants to see: only some, all but some, or groups of them.

    only, exclude: what names classes; None: no choice. mass: `renormalise` makes the probabilities of what is left
    sum to 1, `keep` leaves them as they are among all classes. groups: ranked instead of classes, at a level.
    """

    only: Sequence[str] | None = None
    exclude: Sequence[str] | None = None
    mass: str = RENORMALISE
    groups: Groups | None = None
    level: str = "1"
    _views: dict[Any, View] = field(default_factory=dict)

    def view(self, names: tuple[str, ...] | None, classes: int, activation: str, source: str) -> View:
        """What the choice means for the classes of a source.

        Raises InputError for names that no class has, and where no class is left; UsageError for groups of labels
        that don't exclude each other.
        """
        key = (names, classes, activation)
        if key not in self._views:
            self._views = {key: self._made(names, classes, activation, source)}
        return self._views[key]

    def _made(self, names: tuple[str, ...] | None, classes: int, activation: str, source: str) -> View:
        if self.groups is not None and activation == "sigmoid":
            hint = "probabilities of labels that don't exclude each other have no sum"
            raise UsageError("--groups needs one distribution over the classes, not sigmoid", hint=hint)
        kept = self._kept(names, classes, source)
        pieces = None if self.groups is None else cut(self.groups, self.level, names, classes, source)
        group_of = kept.copy() if pieces is None else np.array(pieces.group_of, np.int64)[kept]
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
            notes=tuple(self._notes(len(kept), classes, activation, pieces)),
        )

    def _kept(self, names: tuple[str, ...] | None, classes: int, source: str) -> Indices:
        namer = Namer(names, classes, source)
        kept = set(range(classes)) if self.only is None else namer.select(self.only)
        if self.exclude is not None:
            kept -= namer.select(self.exclude)
        if not kept:
            raise InputError("unknown-class", "--only and --exclude leave no class", at=Location(source))
        return np.array(sorted(kept), np.int64)

    def _notes(self, kept: int, classes: int, activation: str, pieces: Cut | None) -> Iterator[str]:
        if self.only is not None or self.exclude is not None:
            how = "their probabilities sum to 1 (--mass keep leaves them as they are among all)"
            if activation == "sigmoid":
                how = "each has its own probability"
            elif self.mass == KEEP:
                how = "their probabilities are those among all classes"
            yield f"{kept:,} of {classes:,} classes; {how}"
        if pieces is not None:
            alone = f"; {pieces.alone:,} classes have no group and stay themselves" if pieces.alone else ""
            yield f"{len(pieces.names):,} groups at level {pieces.level} of {pieces.levels}{alone}"
