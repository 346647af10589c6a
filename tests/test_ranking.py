"""The top classes of every row: their order to the bit, their probabilities, and the records around them."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import softmax_cli.ranking as ranking_module
from softmax_cli.activation import ACTIVATIONS, activate, softmax
from softmax_cli.batch import FloatArray, LogitBatch, Ranked, as_logits
from softmax_cli.ranking import (
    TopK,
    _above_threshold,
    _packed_keys,
    _repeated_maximum,
    rank_batch,
    reference_order,
    select,
    top_k,
    top_rows,
)
from tests.oracle import (
    BAR,
    FLOATS,
    INTEGERS,
    LAYOUTS,
    ROWS,
    SIZES,
    UNIT,
    build_row,
    expected,
    expected_array,
    integer_row,
    layouts,
    same_bits,
    sum_of_others,
    worst_units,
)

EVERY_AXIS = [((2, 3, 4, 5)[-ndim:], axis) for ndim in (1, 2, 3, 4) for axis in range(ndim)]
TIED = (-np.inf, -1.5, -0.0, 0.0, 1.0, 1.0 + 2.0**-23, 3e38, -3e38, 1e-45, -1e-45)

quick = settings(deadline=None, max_examples=150)


def order_by_definition(logits: FloatArray, k: int) -> list[list[int]]:
    """Logit descending, class index ascending, NaN behind all numbers."""
    return [
        sorted(range(len(row)), key=lambda index, row=row: (math.isnan(row[index]), -row[index], index))
        if not any(map(math.isnan, row))
        else sorted(
            range(len(row)),
            key=lambda index, row=row: (1, 0.0, index) if math.isnan(row[index]) else (0, -row[index], index),
        )
        for row in logits.tolist()
    ]
