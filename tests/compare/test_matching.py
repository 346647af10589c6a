"""Rows side by side: any order, any batches, and inputs that don't hold the same rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softmax_cli.batch import LogitBatch
from softmax_cli.errors import InputError
from softmax_cli.matching.follower import Handlers
from softmax_cli.matching.keys import Match
from softmax_cli.matching.rows import Matcher, Member


@dataclass
class Rows:
    """A source whose row of id i holds i, and whose batches are of given sizes."""

    ids: Sequence[str]
    sizes: Sequence[int]
    name: str = "a"
    has_ids: bool = True
    one_pass: bool = True
    classes: int | None = 2
    class_names: Sequence[str] | None = None
    total_rows: int | None = None
    activation: str | None = None
    notes: Sequence[str] = ()
    facts: Any = None

    def share_read(self) -> float | None:
        return None

    def __iter__(self) -> Iterator[LogitBatch]:
        values = np.array([[float(i.rstrip("'")), 0.0] for i in self.ids]).reshape(-1, 2)
        first = 0
        for size in [*self.sizes, len(self.ids)]:
            last = min(len(self.ids), first + size)
            ids = list(self.ids[first:last]) if self.has_ids else None
            yield LogitBatch(self.name, values[first:last], np.arange(first, last), ids)
            first = last


def member(source: Rows) -> Member:
    return Member(source)


def side_by_side(sources: Sequence[Rows], match: Match = Match.AUTO) -> tuple[list[float], list[list[float]], Matcher]:
    matcher = Matcher(list(map(member, sources)), match)
    first: list[float] = []
    others: list[list[float]] = [[] for _ in sources[1:]]
    for same in matcher:
        first += same.batch.logits[:, 0].tolist()
        for place, logits in enumerate(same.logits):
            others[place] += logits[:, 0].tolist()
    return first, others, matcher


SIZES = st.lists(st.integers(0, 5), max_size=12)


@settings(max_examples=120, deadline=None)
@given(
    st.permutations([str(place) for place in range(12)]),
    st.permutations([str(place) for place in range(12)]),
    SIZES,
    SIZES,
    SIZES,
    st.booleans(),
)
def test_any_order_and_any_batches(one: list[str], other: list[str], a: Any, b: Any, c: Any, late: bool) -> None:
    plain = [str(place) for place in range(12)]
    if late:  # the same order at first
        other = plain[:7] + [name for name in other if name in plain[7:]]
    first, others, _ = side_by_side([Rows(plain, a), Rows(other, b, "b"), Rows(one, c, "c")])
    assert first == list(map(float, range(12)))
    assert others == [first, first]


def test_rows_without_ids_are_matched_by_position() -> None:
    plain, other = ["1", "2", "3"], ["7", "8", "9"]
    first, others, matcher = side_by_side([Rows(plain, [2]), Rows(other, [1], "b", has_ids=False)])
    assert (first, others) == ([1, 2, 3], [[7, 8, 9]])
    assert matcher.notes == ["rows matched by position"]


def test_ids_can_be_left_aside() -> None:
    first, others, _ = side_by_side([Rows(["1", "2"], []), Rows(["2", "1"], [], "b")], Match.POSITION)
    assert (first, others) == ([1, 2], [[2, 1]])


def test_ids_that_stand_twice_in_the_same_order() -> None:
    """Row for row the same ids: there is nothing to find, and nothing to confuse."""
    ids = ["1", "1", "2", "1"]
    assert side_by_side([Rows(ids, [1]), Rows(ids, [3], "b")])[1] == [[1, 1, 2, 1]]


@pytest.mark.parametrize(
    ("one", "other", "slug", "words"),
    [
        ("1 2 3", "1 2", "unmatched-row", "no id '3', which a has"),
        ("1 2", "1 2 3", "unmatched-row", "id '3' isn't in a"),
        ("1 2", "2 1 3 4", "unmatched-row", "id '3' isn't in a (2 such rows)"),
        ("1 2 3", "3 2 1 2", "duplicate-row", "id '2' stands twice"),
        ("1 2 1", "2 1 3", "duplicate-row", "id '1' stands twice"),
        ("1", "", "unmatched-row", "no row 0"),
    ],
)
def test_rows_that_only_one_has(one: str, other: str, slug: str, words: str) -> None:
    with pytest.raises(InputError) as raised:
        side_by_side([Rows(one.split(), [1]), Rows(other.split(), [2], "b")])
    assert (raised.value.slug, words in raised.value.message) == (slug, True), raised.value.message


def test_rows_that_only_one_has_can_be_left_out() -> None:
    faults: list[InputError] = []
    matcher = Matcher(
        [
            member(Rows(["1", "2", "3", "4"], [3])),
            member(Rows(["4", "9", "1", "3"], [1], "b")),
            member(Rows(["3", "4", "1", "2"], [], "c")),
        ],
        handlers=Handlers(faults.append),
    )
    found = [
        (row, b, c)
        for same in matcher
        for row, b, c in zip(same.batch.logits[:, 0], same.logits[0][:, 0], same.logits[1][:, 0], strict=True)
    ]
    assert found == [(1, 1, 1), (3, 3, 3), (4, 4, 4)]
    assert [fault.message.split(",")[0] for fault in faults] == ["no id '2'", "id '9' isn't in a"]


@pytest.mark.parametrize(
    ("one", "other", "rows", "message"),
    [
        ("1 2 3 2", "3 2 1", [1, 2, 3], "id '2' stands twice"),  # the first of them counts
        ("1 2 3", "3 2 1 2", [1, 2, 3], "id '2' stands twice"),
    ],
)
def test_of_rows_that_stand_twice_the_first_counts(one: str, other: str, rows: list[int], message: str) -> None:
    faults: list[InputError] = []
    members = [member(Rows(one.split(), [])), member(Rows(other.split(), [1], "b"))]
    found = [same.batch.logits[:, 0].tolist() for same in Matcher(members, handlers=Handlers(faults.append))]
    assert [value for part in found for value in part] == rows
    assert [fault.message.split(",")[0] for fault in faults] == [message]
