"""Blocks of a text parsed in order: the fast way on threads, ahead, and one that it declines by the reference."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from softmax_cli.concurrency import overlap
from softmax_cli.sources import plain_text

R = TypeVar("R")

Block = tuple[int, bytes]  # the number of its first line, and its bytes


def parse_ahead(
    blocks: Iterable[Block],
    fast: Callable[[bytes], R | None],
    reference: Callable[[int, bytes], R],
    *,
    jobs: int,
    waits: bool,
) -> Iterator[R]:
    """Parse blocks; results and errors come in order.

    fast: gives None for what isn't plain; called on threads. reference: takes that, on the caller's thread. waits:
    whether the next block may be long in coming, and mustn't be waited for.
    """

    def parse(block: Block) -> tuple[Block | None, R | None]:
        result = fast(block[1])
        return (block, None) if result is None else (None, result)  # what was parsed isn't needed any more

    blocks = iter(blocks)
    head = [] if waits else list(itertools.islice(blocks, 2))
    is_short = not waits and len(head) < 2  # threads cost more than they save
    rest = itertools.chain(head, blocks)
    del head
    if not is_short and not plain_text.is_there():
        import polars  # noqa: F401 - here, as importing it on one thread of many takes twice as long

    for declined, result in map(parse, rest) if is_short else overlap(rest, parse, jobs):
        if declined is not None:
            result = reference(*declined)
        if result is not None:
            yield result
        del declined, result
