"""NumPy's .npz: one array a column, a line a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import Ranked
from softmax_cli.errors import InputError, Location
from softmax_cli.sinks.base import Sink, SinkOptions
from softmax_cli.sinks.spools import ArraySpools
from softmax_cli.sinks.target import Target
from softmax_cli.text import valid


class NpzSink(Sink):
    """Collects `index`, `logit`, `probability` (rows, k), `row` and `source` (rows,), and ids and labels as text.

    Predictions that `--min-probability` dropped have index -1 and NaN. Each array is spooled to a temporary file.
    """

    def __init__(self, target: Target, options: SinkOptions):
        self._spools = ArraySpools(target)
        self._sources: list[tuple[str, int]] = []  # each with its rows
        self._ids: list[str] = []
        self._names: tuple[str, ...] | None = None

    def write(self, ranked: Ranked) -> None:
        """Spool a batch."""
        kept = ranked.kept()
        arrays: dict[str, NDArray[Any]] = {
            "row": ranked.rows,
            "index": np.where(kept, ranked.indices, -1),
            "logit": np.where(kept, ranked.logits, np.nan).astype(ranked.logits.dtype),
            "probability": np.where(kept, ranked.probabilities, np.nan).astype(ranked.probabilities.dtype),
        }
        if ranked.abstained is not None:
            arrays["abstained"] = ranked.abstained
        self._check(ranked, arrays)
        for name, values in arrays.items():
            self._spools.append(name, values)
        self._sources += source_runs(ranked.source, ranked.sources, len(ranked))
        if ranked.ids is not None:
            # Rows of inputs without ids have empty ones beside those that have them.
            self._ids += [""] * (self._spools.count("row") - len(ranked) - len(self._ids))
            self._ids += ranked.ids

    def _check(self, ranked: Ranked, arrays: dict[str, NDArray[Any]]) -> None:
        """Refuse a batch that doesn't fit those before, before anything of it is kept."""
        at = Location(ranked.source)
        hint = "use another format, or --output-dir"
        names = None if ranked.names is None else tuple(ranked.names)
        if not self._spools.kinds:
            self._names = names
        if names != self._names:
            raise InputError("class-count", "other class names than those of the inputs before", at=at, hint=hint)
        for name, values in arrays.items():
            dtype, tail = self._spools.kinds.setdefault(name, (values.dtype, values.shape[1:]))
            if values.shape[1:] != tail:
                message = f"{values.shape[1]} classes a row, but those before have {tail[0]}"
                raise InputError("class-count", message, at=at, hint=hint)
            if np.promote_types(dtype, values.dtype) != dtype:
                message = f"{values.dtype} logits, but those before are {dtype}"
                raise InputError("class-count", message, at=at, hint=hint)

    def close(self) -> None:
        """Write the archive."""
        texts = {"source": self._sources}
        if self._ids:
            self._ids += [""] * (self._spools.count("row") - len(self._ids))
            texts["id"] = [(text, 1) for text in self._ids]
        if self._names is not None:
            texts["labels"] = [(text, 1) for text in self._names]
        self._spools.write_archive(texts)

    def abort(self) -> None:
        """Drop the temporary files."""
        self._spools.close()


def source_runs(source: str, sources: Sequence[str] | None, count: int) -> list[tuple[str, int]]:
    """The inputs of so many rows, each with the number of its rows."""
    return [(valid(source), count)] if sources is None else [(valid(each), 1) for each in sources]
