"""Which target belongs to which row: by id or source where both have one, else by position."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import LogitBatch
from softmax_cli.errors import InputError, Location
from softmax_cli.text import visible


def row_order(batch: LogitBatch) -> NDArray[np.int64]:
    """Each row's place in its file."""
    return batch.rows if batch.order is None else batch.order


def paths_of(batch: LogitBatch, source: str) -> Sequence[str] | None:
    """The inputs that rows come from, where they aren't the file of logits itself."""
    if batch.sources is not None:
        return batch.sources
    return [batch.source] * len(batch) if batch.source != source else None


def _base_name(text: str) -> str:
    return PurePath(text.replace("\\", "/")).name


Keys = Callable[[LogitBatch, str], Sequence[str] | None]

# What may name a row, tried in this order; and whether directories count.
_KEYS: Mapping[str, tuple[Keys, bool]] = MappingProxyType(
    {
        "id": (lambda batch, source: batch.ids, True),
        "source": (paths_of, True),
        "file name of the id": (lambda batch, source: batch.ids, False),
        "file name of the source": (paths_of, False),
    }
)


class Matcher:
    """Finds the place of each row's target among `count` targets.

    ids: those of the targets, if any. source: the name of the file of logits. target: that of the targets.
    """

    def __init__(self, ids: Sequence[str] | None, count: int, source: str, target: str):
        self._ids = ids
        self._count = count
        self._source = source
        self._target = target
        self._kind: str | None = None
        self._places: Mapping[str, int] = {}
        self._highest = 0
        self._used = np.zeros(count if ids is not None else 0, bool)
        self._is_fresh = True

    @property
    def notes(self) -> tuple[str, ...]:
        """How rows were matched, where that isn't plain."""
        if self._kind is not None and self._kind.startswith("file"):
            return (f"targets were matched by the {self._kind}",)
        if self._kind == "position" and self._ids is not None:
            return ("the logits have no ids: targets were matched by position",)
        return ()

    def restart(self) -> None:
        """Begin anew: the rows are read again."""
        self._highest = 0
        self._used[:] = False

    def places(self, batch: LogitBatch) -> NDArray[np.int64]:
        """Where the targets of a batch's rows stand.

        Raises InputError for a row without a target.
        """
        if not len(batch):
            return np.empty(0, np.int64)
        if self._kind is None:
            self._choose(batch)
        if self._kind == "position":
            return self._by_position(batch)
        keys, whole = _KEYS[str(self._kind)]
        names = keys(batch, self._source) or ()
        found = [self._places.get(name if whole else _base_name(name), -1) for name in names]
        places = np.array(found, np.int64)
        if len(places) != len(batch) or (places < 0).any():
            raise self._missing(batch, names, places)
        if len(np.unique(places)) < len(places) or self._used[places].any():
            raise self._again(batch, names, places)
        self._used[places] = True
        return places

    def _again(self, batch: LogitBatch, names: Sequence[str], places: NDArray[np.int64]) -> InputError:
        first: dict[int, int] = {}
        row = next(
            row for row, place in enumerate(places.tolist()) if self._used[place] or first.setdefault(place, row) != row
        )
        at = Location(batch.source_of(row), row=int(batch.rows[row]))
        message = (
            f"several rows have the {self._kind} {visible(names[row], 60)!r}, so their targets can't be told apart"
        )
        return InputError("target-match", message, at=at, hint="rows and targets need ids of their own")

    def _choose(self, batch: LogitBatch) -> None:
        """Decide how to match, by the first batch: the first kind of name that finds every row, else position."""
        have_names = False
        if self._ids is not None:
            best = -1
            for kind, (keys, whole) in _KEYS.items():
                names = keys(batch, self._source)
                if names is None:
                    continue
                have_names = True
                places = self._index(whole)
                hits = sum((name if whole else _base_name(name)) in places for name in names)
                if hits > best:
                    best, self._kind, self._places = hits, kind, places
                if hits == len(names):
                    break
            if have_names and best <= 0:
                raise self._strangers(batch)
        if not have_names:
            self._kind = "position"

    def _index(self, whole: bool) -> dict[str, int]:
        ids = self._ids or ()
        names = ids if whole else [_base_name(name) for name in ids]
        places = {name: place for place, name in enumerate(names)}
        if len(places) == len(names):
            return places
        if not whole:
            return {}
        twice = next(name for place, name in enumerate(names) if places[name] != place)
        message = f"the id {visible(twice, 60)!r} stands twice"
        raise InputError("target-match", message, at=Location(self._target))

    def _strangers(self, batch: LogitBatch) -> InputError:
        names = batch.ids or paths_of(batch, self._source) or ("",)
        mine, theirs = visible(names[0], 40), visible((self._ids or ("",))[0], 40)
        message = f"no id of the targets is one of the logits (they begin with {theirs!r} and {mine!r})"
        hint = "--id-column names the column of ids; targets without ids are matched by position"
        return InputError("target-match", message, at=Location(self._target), hint=hint)

    def _missing(self, batch: LogitBatch, names: Sequence[str], places: NDArray[np.int64]) -> InputError:
        place = int(np.argmax(places < 0)) if len(places) == len(batch) else 0
        at = Location(batch.source_of(place), row=int(batch.rows[place]))
        name = visible(names[place], 60) if place < len(names) else ""
        message = f"no target in {visible(self._target)} for {self._kind} {name!r}"
        return InputError("target-match", message, at=at)

    def _by_position(self, batch: LogitBatch) -> NDArray[np.int64]:
        places = row_order(batch)
        self._highest = max(self._highest, int(places.max()) + 1)
        if self._highest > self._count:
            raise self.too_few(None)
        return places

    def too_few(self, rows: int | None) -> InputError:
        """Say that the numbers of rows and targets differ."""
        shown = "more" if rows is None else f"{rows:,}"
        message = f"{self._count:,} targets, but the logits have {shown} rows"
        hint = None
        if rows is not None and abs(rows - self._count) == 1:
            hint = "they differ by one: often a header that was taken for a row, or a blank line"
        return InputError("target-count", message, at=Location(self._target), hint=hint)

    def check_total(self, rows: int | None) -> None:
        """Compare the numbers of rows and targets, where only position can match them.

        Raises InputError.
        """
        if self._ids is None and rows is not None and rows != self._count:
            raise self.too_few(rows)

    def finish(self, lost: int = 0) -> None:
        """See that no target is left over but those of `lost` rows, which were dropped for errors.

        Raises InputError.
        """
        if self._kind in (None, "position"):
            if self._count - self._highest > lost:
                raise self.too_few(self._highest)
            return
        left = np.flatnonzero(~self._used)
        if len(left) > lost:
            name = visible((self._ids or ())[int(left[0])], 60)
            message = f"{len(left):,} of {self._count:,} targets belong to no row of the logits (first: {name!r})"
            hint = "the targets must be those of these logits, no more"
            raise InputError("target-match", message, at=Location(self._target), hint=hint)
