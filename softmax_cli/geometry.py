"""Arrays seen as rows of classes: where the class axis lies, and how rows are counted around it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.activation import cube_shape, normalize_axis
from softmax_cli.batch import LogitBatch, as_logits
from softmax_cli.errors import InputError, Location


@dataclass(frozen=True, slots=True)
class Geometry:
    """An array seen as (outer, classes, inner): where its class axis lies, and how its rows are counted.

    row_shape: the lengths of the axes that rows are counted over.
    """

    shape: tuple[int, ...]
    axis: int
    outer: int
    classes: int
    inner: int
    row_shape: tuple[int, ...]

    @classmethod
    def of(cls, shape: tuple[int, ...], axis: int | None, at: Location) -> Geometry:
        """Check a shape and an axis; None for samples of several dimensions along the first axis.

        Raises InputError for a number (no axis at all), an axis out of range, or one of length 0.
        """
        if not shape:
            raise InputError("bad-shape", "a single number, expected an array of at least one dimension", at=at)
        if axis is None and len(shape) > 2:
            return cls(shape, 1, shape[0], element_count(shape[1:]), 1, shape[:1])
        try:
            place = normalize_axis(-1 if axis is None else axis, len(shape))
        except IndexError as error:
            message = f"--axis {axis} is out of range for shape {shape_text(shape)}"
            raise InputError("axis-range", message, at=at, hint=f"use {-len(shape)} to {len(shape) - 1}") from error
        if shape[place] == 0:
            raise InputError("no-classes", f"the class axis {place} of shape {shape_text(shape)} has length 0", at=at)
        return cls(shape, place, *cube_shape(shape, place), shape[:place] + shape[place + 1 :])

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.outer * self.inner


_MOST_DIMENSIONS = 32
_MOST_ELEMENTS = 1 << 48  # more than any machine holds, and far from where sizes overflow


def check_shape(shape: tuple[int, ...], at: Location, what: str) -> None:
    """Refuse dimensions that no array can have, even beside a dimension of 0.

    Raises InputError.
    """
    if any(length < 0 for length in shape):
        raise InputError("bad-shape", f"a negative dimension in {what}: {shape!r:.80}", at=at)
    if len(shape) > _MOST_DIMENSIONS:
        raise InputError("bad-shape", f"{len(shape)} dimensions in {what}, expected at most {_MOST_DIMENSIONS}", at=at)
    if element_count(tuple(filter(None, shape))) >= _MOST_ELEMENTS:
        raise InputError("bad-shape", f"impossible dimensions in {what}: {shape!r:.80}", at=at)


def shape_text(shape: tuple[int, ...]) -> str:
    """Write a shape as people say it.

    >>> shape_text((100, 10))
    '100×10'
    """
    return "×".join(map(str, shape)) if shape else "scalar"


def cube_batch(name: str, geometry: Geometry, cube: NDArray[Any], outer: int, inner: int) -> LogitBatch:
    """Move the class axis of a (outer, classes, inner) piece last; `outer` and `inner` are where the piece begins."""
    depth, classes, width = cube.shape
    rows = np.arange(outer, outer + depth, dtype=np.int64)[:, None] * geometry.inner
    rows = rows + np.arange(inner, inner + width, dtype=np.int64)
    logits = as_logits(np.moveaxis(cube, 1, 2).reshape(depth * width, classes))
    return LogitBatch(name, logits, rows.reshape(-1), shape=geometry.row_shape)


def element_count(shape: tuple[int, ...]) -> int:
    """The product of a shape as a Python integer, which can't overflow."""
    return math.prod(shape)
