"""Abstaining: rows whose best class isn't sure enough are marked, never dropped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import Ranked


@dataclass(frozen=True, slots=True)
class Abstention:
    """When to abstain: where the best class's probability, or its lead on the next one, is less than asked for."""

    below: float | None = None
    margin: float | None = None

    def rows(self, ranked: Ranked, activation: str) -> NDArray[np.bool_]:
        """The rows to abstain on, as a (rows,) mask; such without a probability (NaN) among them.

        ranked: with its two best classes at least, where there are two. A single class leads by its whole probability.
        """
        best = ranked.probabilities[:, :2].astype(np.float64)
        if activation == "log-softmax":
            best = np.exp(best)
        if not best.shape[1]:
            return np.ones(len(ranked), bool)
        first = best[:, 0]
        second = best[:, 1] if best.shape[1] > 1 else np.zeros(len(ranked))
        sure = ~np.isnan(first)
        if self.below is not None:
            # Compared as numbers of the type they have: 0.9 in float32 isn't below 0.9.
            sure &= first >= float(ranked.probabilities.dtype.type(self.below))
        if self.margin is not None:
            sure &= first - second >= self.margin
        return np.asarray(~sure)
