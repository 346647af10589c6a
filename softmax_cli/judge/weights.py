"""Targets that are numbers over the classes: what kind they are, and how they lie beside the logits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import Source
from softmax_cli.errors import InputError, Location
from softmax_cli.geometry import shape_text

_CHUNK_ELEMENTS = 1 << 20
_SUM_TOLERANCE = 1e-3  # of a distribution that was stored in half precision


def weight_view(values: NDArray[Any], source: Source, axis: int, name: str) -> NDArray[Any] | None:
    """See an array of targets as (…, classes); None where it holds an index for each row instead.

    Raises InputError where its shape is neither.
    """
    classes, rows = source.classes, source.total_rows
    if rows is not None and values.size == rows:
        return None
    if -values.ndim <= axis < values.ndim and values.shape[axis] == classes:
        return np.moveaxis(values, axis, -1)
    if values.size == len(values):  # a column
        return None
    shape = shape_text(values.shape)
    expected = "an index for each row" + ("" if classes is None else f", or {classes} numbers for each")
    message = f"targets of shape {shape}, expected {expected}"
    hint = None if rows is None else f"the logits have {rows:,} rows"
    raise InputError("bad-shape", message, at=Location(name), hint=hint)


def kind_of_rows(values: NDArray[Any], multi_label: bool, name: str) -> str:
    """Tell one-hot rows ("indices"), "multi-hot" rows and "soft" ones apart, by reading them all once.

    values: (…, classes). multi_label: rows of zeros and ones are multi-hot in any case.
    Raises InputError for values outside 0 to 1, and for rows that are none of the three.
    """
    flat = values.reshape(-1, values.shape[-1]) if values.ndim > 2 and values.flags.c_contiguous else values
    binary = one = distribution = True
    step = max(1, _CHUNK_ELEMENTS // max(1, int(np.prod(flat.shape[1:]))))
    for first in range(0, len(flat), step):
        part = np.asarray(flat[first : first + step]).astype(np.float64)
        bad = ~((part >= 0) & (part <= 1))
        if bad.any():
            place = np.unravel_index(int(np.argmax(bad)), bad.shape)
            message = f"the target is {part[place]:g}, expected a number from 0 to 1 for each class"
            raise InputError("target-range", message, at=Location(name, row=first + int(place[0])))
        sums = part.sum(axis=-1)
        binary = binary and bool(((part == 0) | (part == 1)).all())
        one = one and bool((sums == 1).all())
        distribution = distribution and bool((np.abs(sums - 1) <= _SUM_TOLERANCE).all())
    if multi_label:
        return "multi-hot" if binary else "soft"
    if binary:
        return "indices" if one else "multi-hot"
    if not distribution:
        message = "the numbers of a row don't sum to 1"
        hint = "soft targets are a distribution over the classes; --activation sigmoid takes any from 0 to 1"
        raise InputError("target-range", message, at=Location(name), hint=hint)
    return "soft"
