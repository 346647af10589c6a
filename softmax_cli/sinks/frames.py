"""Ranked batches as tables: the columns that csv, tsv, parquet, arrow and markdown share."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import Ranked
from softmax_cli.concurrency import started
from softmax_cli.errors import InputError, Location
from softmax_cli.heap import check_address_space
from softmax_cli.sinks.base import SinkOptions
from softmax_cli.text import valid

if TYPE_CHECKING:
    import polars as pl

_OF_A_CLASS = ("rank", "index", "label", "logit", "probability")


@functools.cache
def begin_with_tables() -> Callable[[], object]:
    """Begin to import the table library on a thread: it takes as long as many a file, of which none is read yet.

    Returns what waits for it: a signal that comes while the main thread waits in an import itself can leave its locks
    held, and everything hanging.
    """
    check_address_space()
    return started(functools.partial(importlib.import_module, "polars"))


class FrameBuilder:
    """Turns batches into tables of one schema, which the first batch decides.

    at_once: whether to begin with the import of the table library before there is a batch.
    """

    def __init__(self, options: SinkOptions, at_once: bool = True):
        if at_once:
            begin_with_tables()
        self._options = options
        self._has_ids: bool | None = None
        self._k: int | None = None

    @property
    def columns(self) -> dict[str, Any]:
        """What the first batch decided, for a run that goes on later; empty before it."""
        return {} if self._has_ids is None else {"ids": self._has_ids, "k": self._k}

    @columns.setter
    def columns(self, columns: Mapping[str, Any]) -> None:
        self._has_ids, self._k = bool(columns["ids"]), int(columns["k"])

    def names(self) -> list[str]:
        """The names of the columns, but for `abstained`, once they are settled."""
        first = ["source", "row", *(["id"] if self._has_ids else [])]
        if self._options.layout == "long":
            return [*first, *_OF_A_CLASS]
        places = range(1, (self._k or 0) + 1)
        return first + [f"{name}_{place}" for place in places for name in ("index", "label", "probability")]

    def settle(self, ranked: Ranked) -> tuple[bool, int]:
        """Let the first batch decide the columns: whether there are ids, and of how many classes, if wide.

        Raises InputError where a batch doesn't fit the columns of those before.
        """
        if self._has_ids is None or self._k is None:
            self._has_ids = ranked.ids is not None
            self._k = ranked.k
        if ranked.ids is not None and not self._has_ids:
            raise InputError(
                "mixed-ids",
                "this input has ids, the first one has none",
                at=Location(ranked.source),
                hint="use -f jsonl, --output-dir, or inputs of one kind",
            )
        if ranked.k > self._k and self._options.layout == "wide":
            raise InputError(
                "class-count",
                f"{ranked.k} classes a row, but the columns are for {self._k}",
                at=Location(ranked.source),
                hint="use --layout long, or -k with no more than the fewest classes",
            )
        return self._has_ids, self._k

    def build(self, ranked: Ranked) -> pl.DataFrame:
        """Return the rows of a batch.

        Raises InputError where it doesn't fit the columns of the batches before.
        """
        begin_with_tables()()
        self.settle(ranked)
        return self._long(ranked) if self._options.layout == "long" else self._wide(ranked)

    def _long(self, ranked: Ranked) -> pl.DataFrame:
        import polars as pl

        vacant = ranked.vacant()
        kept = None if ranked.counts is None else _lines(ranked, vacant)
        rows = chosen(np.repeat(np.arange(len(ranked)), ranked.k), kept)
        indices = chosen(ranked.indices, kept)
        columns: dict[str, Any] = {"source": source_column(ranked, rows), "row": ranked.rows[rows]}
        if self._has_ids:
            columns["id"] = _ids(ranked).gather(rows)
        columns |= {
            "rank": chosen(np.tile(np.arange(1, ranked.k + 1), len(ranked)), kept),
            "index": indices,
            "label": labels_of(ranked, indices),
            "logit": chosen(ranked.logits, kept),
            "probability": chosen(ranked.probabilities, kept),
        }
        if ranked.abstained is not None:
            columns["abstained"] = ranked.abstained[rows]
        frame = pl.DataFrame(columns)
        if vacant is None:
            return frame
        stands = pl.Series(~vacant[rows])
        return frame.with_columns(pl.when(stands).then(pl.col(name)).alias(name) for name in _OF_A_CLASS)

    def _wide(self, ranked: Ranked) -> pl.DataFrame:
        import polars as pl

        kept = ranked.kept()
        columns: dict[str, Any] = {"source": source_column(ranked), "row": ranked.rows}
        if self._has_ids:
            columns["id"] = _ids(ranked)
        for place in range(self._k or 0):
            number = place + 1
            if place >= ranked.k:
                columns[f"index_{number}"] = pl.repeat(None, len(ranked), dtype=pl.Int64, eager=True)
                columns[f"label_{number}"] = pl.repeat(None, len(ranked), dtype=pl.String, eager=True)
                columns[f"probability_{number}"] = pl.repeat(None, len(ranked), dtype=pl.Float64, eager=True)
                continue
            here = kept[:, place]
            indices = np.ascontiguousarray(ranked.indices[:, place])
            columns[f"index_{number}"] = _where(here, pl.Series(indices))
            columns[f"label_{number}"] = _where(here, labels_of(ranked, indices))
            probabilities = np.ascontiguousarray(ranked.probabilities[:, place])
            columns[f"probability_{number}"] = _where(here, pl.Series(probabilities))
        if ranked.abstained is not None:
            columns["abstained"] = ranked.abstained
        return pl.DataFrame(columns)


def _lines(ranked: Ranked, vacant: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """Which of the rows × k predictions get a line; a vacant row keeps one."""
    kept = ranked.kept()
    if vacant is not None:
        kept[vacant, 0] = True
    return kept.reshape(-1)


def _where(mask: NDArray[np.bool_], values: pl.Series) -> pl.Series:
    import polars as pl

    return values if mask.all() else values.to_frame("v").select(pl.when(pl.Series(mask)).then(pl.col("v")))["v"]


def chosen(predictions: NDArray[Any], kept: NDArray[np.bool_] | None) -> NDArray[Any]:
    """The predictions of a batch in one line: those of a mask, or all."""
    flat = predictions.reshape(-1)
    return flat if kept is None else flat[kept]


def source_column(ranked: Ranked, rows: NDArray[np.int64] | None = None) -> pl.Series:
    """The input of each of some rows, or of all."""
    import polars as pl

    if ranked.sources is None:
        count = len(ranked) if rows is None else len(rows)
        return pl.repeat(valid(ranked.source), count, dtype=pl.String, eager=True)
    sources = pl.Series([valid(source) for source in ranked.sources], dtype=pl.String)
    return sources if rows is None else sources.gather(rows)


def _ids(ranked: Ranked) -> pl.Series:
    import polars as pl

    if ranked.ids is None:
        return pl.repeat(None, len(ranked), dtype=pl.String, eager=True)
    return pl.Series(ranked.ids, dtype=pl.String)


def labels_of(ranked: Ranked, indices: NDArray[np.int64]) -> pl.Series:
    """The label of each class index: the index as text where no names are known."""
    import polars as pl

    if ranked.names is not None:
        return pl.Series(ranked.names, dtype=pl.String).gather(indices)
    numbers = int(indices.max(initial=-1)) + 1
    if numbers > len(indices):
        return pl.Series(indices).cast(pl.String)
    return pl.int_range(numbers, eager=True).cast(pl.String).gather(indices)  # each is written once
