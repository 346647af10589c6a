"""The same classes in several inputs: by name where both have names, else by their place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from softmax_cli.errors import InputError, Location
from softmax_cli.text import visible


def order_of(
    first: str, names: Sequence[str] | None, other: str, other_names: Sequence[str] | None
) -> NDArray[np.int64] | None:
    """Where each class of the first input lies in the other; None where they're in the same order.

    Raises InputError where the names are others, or stand in another order and aren't unique.

    >>> order_of("a.csv", ["cat", "dog"], "b.csv", ["dog", "cat"])
    array([1, 0])
    """
    if names is None or other_names is None or list(names) == list(other_names):
        return None
    at, hint = Location(other), "--labels FILE names the classes of all inputs, in their order"
    if len(names) != len(other_names):
        message = f"{len(other_names):,} classes, but {len(names):,} in {visible(first)}"
        raise InputError("class-count", message, at=at)
    places = {name: place for place, name in enumerate(other_names)}
    strange = next((name for name in names if name not in places), None)
    if strange is not None:
        message = f"no class {visible(strange, 60)!r}, which {visible(first)} has"
        raise InputError("class-names", message, at=at, hint=hint)
    if len(places) < len(other_names):
        message = f"the classes are in another order than in {visible(first)}, and some names stand twice"
        raise InputError("class-names", message, at=at, hint=hint)
    return np.array([places[name] for name in names], np.int64)
