"""Rows of several inputs side by side that can be used in each, and the errors of the others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import LogitBatch
from softmax_cli.errors import InputError, Location
from softmax_cli.matching.keys import Match, shown
from softmax_cli.matching.rows import SameRows
from softmax_cli.pipeline import split_finite


def unusable(same: SameRows, member: int, name: str, activation: str) -> tuple[NDArray[np.bool_], list[InputError]]:
    """The rows of a member (0: the first) that have no softmax, or hold what isn't a probability for `none`.

    Returns a (rows,) mask, and an error for each of them, in order.
    """
    batch = same.batch
    if member:
        batch = replace(batch, source=name, sources=None, logits=same.logits[member - 1], faults=())
    bad = ~np.isfinite(batch.logits.max(axis=1))
    found = dict(zip(np.flatnonzero(bad).tolist(), _errors(batch, bad), strict=True))
    if activation == "none":
        wild = ((batch.logits < 0) | (batch.logits > 1)).any(axis=1) & ~bad
        found |= {place: _no_probability(batch, place) for place in np.flatnonzero(wild).tolist()}
    if member:
        found = {place: _renamed(error, same, place) for place, error in found.items()}
    bad[list(found)] = True
    return bad, [error for _, error in sorted(found.items())]


def _errors(batch: LogitBatch, bad: NDArray[np.bool_]) -> list[InputError]:
    return [fault.error for fault in split_finite(batch.select(bad), None)[1]] if bad.any() else []


def _renamed(error: InputError, same: SameRows, place: int) -> InputError:
    """An error of a row that is known by its key alone."""
    if same.match is not Match.POSITION and error.at is not None:
        error.at = Location(error.at.source, column=error.at.column)
        error.message = f"{shown(same.match, same.keys[place])}: {error.message}"
    return error


def _no_probability(batch: LogitBatch, place: int) -> InputError:
    values = batch.logits[place]
    index = int(np.argmax((values < 0) | (values > 1)))
    at = Location(batch.source_of(place), row=int(batch.rows[place]), column=str(index))
    message = f"{values[index]:g} for class {index} isn't a probability, as --activation none has it"
    return InputError("bad-value", message, at=at, hint="logits need --activation softmax")
