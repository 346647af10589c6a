"""What tells that two rows are the same one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from softmax_cli.batch import LogitBatch, Source
from softmax_cli.text import visible

_BETWEEN = "\0"  # no file's name holds it


class Match(StrEnum):
    """How rows of several inputs are matched."""

    AUTO = "auto"
    ID = "id"
    SOURCE = "source"
    POSITION = "position"


@dataclass(frozen=True, slots=True)
class Traits:
    """What the rows of an input can be known by, besides their position.

    ids, sources: whether they have such. named: whether either tells one row from another, as an id does, or an input
    of its own for each row (a picture).
    """

    ids: bool
    sources: bool
    named: bool

    @classmethod
    def of(cls, source: Source, batch: LogitBatch) -> Traits:
        """Look at an input's first batch: the rows of saved outputs have inputs of their own."""
        ids = batch.ids is not None
        return cls(ids, has_own_sources(source, batch), ids or (batch.sources is not None and not batch.rows.any()))


def has_own_sources(source: Source, batch: LogitBatch) -> bool:
    """Whether rows come from other inputs than the one that is read."""
    return batch.sources is not None or batch.source != source.name


def choose(asked: Match, traits: Sequence[Traits]) -> Match:
    """Choose the best that all inputs have: the id, else the source, else the position.

    Where some have ids, and the others an input for each row, the name of the input is the id.
    """
    if asked is not Match.AUTO:
        return asked
    if all(item.ids for item in traits):
        return Match.ID
    if all(item.sources for item in traits):
        return Match.SOURCE
    return Match.ID if all(item.named for item in traits) else Match.POSITION


Keys = Sequence[str] | Sequence[int]


def keys_of(match: Match, source: Source, batch: LogitBatch, before: int) -> Keys:
    """The key of each row of a batch; `before` it came so many rows.

    An input's own count of its rows is its position, so that rows left out don't shift the others.
    """
    if match is Match.ID:
        return batch.ids if batch.ids is not None else [batch.source_of(place) for place in range(len(batch))]
    if match is Match.SOURCE:
        numbers = batch.rows.tolist()
        return [f"{batch.source_of(place)}{_BETWEEN}{row}" for place, row in enumerate(numbers)]
    if batch.order is None and has_own_sources(source, batch):
        return list(range(before, before + len(batch)))
    places: list[int] = (batch.rows if batch.order is None else batch.order).tolist()
    return places


def shown(match: Match, key: str | int) -> str:
    """A key in words.

    >>> shown(Match.ID, "a.png")
    "id 'a.png'"
    """
    if match is Match.ID:
        return f"id {visible(str(key), 80)!r}"
    if match is Match.SOURCE:
        name, _, row = str(key).rpartition(_BETWEEN)
        return f"{visible(name, 80)}: row {row}"
    return f"row {key}"
