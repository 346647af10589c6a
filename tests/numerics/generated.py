"""Arrays of logits for Hypothesis to choose."""

from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from softmax_cli.batch import FloatArray
from tests.numerics.oracle import LAYOUTS, layouts

TIED = (-np.inf, -1.5, -0.0, 0.0, 1.0, 1.0 + 2.0**-23, np.inf, 2.0**127, -(2.0**127), 2.0**-149, -(2.0**-149))
quick = settings(deadline=None, max_examples=80)
thorough = settings(deadline=None, max_examples=250)


def arrays(dtype: Any, shape: Any, elements: st.SearchStrategy[float]) -> st.SearchStrategy[Any]:
    return hnp.arrays(dtype, shape, elements=elements)


def rows_of_logits(limit: float = 700.0, masks: bool = True) -> st.SearchStrategy[Any]:
    """(rows, classes) arrays, float32 or float64, where every row has a finite logit."""
    shape = hnp.array_shapes(min_dims=2, max_dims=2, max_side=30)
    masked = [st.just(-np.inf)] if masks else []

    def of_width(width: int) -> st.SearchStrategy[Any]:
        finite = st.floats(-limit, limit, width=width)
        return arrays(f"f{width // 8}", shape, st.one_of(finite, *masked)).filter(
            lambda values: np.isfinite(values.max(axis=1)).all()
        )

    return st.sampled_from([32, 64]).flatmap(of_width)


@st.composite
def blocks(draw: Any, nan: bool = True, min_rows: int = 0) -> FloatArray:
    """(rows, classes) float32 or float64, full of ties, in any memory layout but a foreign byte order."""
    dtype = draw(st.sampled_from(["float32", "float64"]))
    elements = st.one_of(
        st.sampled_from((*TIED, np.nan, -np.nan) if nan else TIED),
        st.integers(-3, 3).map(float),
        st.floats(width=32, allow_nan=nan),
    )
    shape = (draw(st.integers(min_rows, 6)), draw(st.integers(1, 30)))
    values = draw(hnp.arrays(dtype, shape, elements=elements))
    return layouts(values)[draw(st.sampled_from(LAYOUTS[:4]))]
