"""The top classes of the first rows, as a picture beside whatever else is written."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np

from softmax_cli.batch import Ranked
from softmax_cli.judge.plots.records import Bars, Picture
from softmax_cli.sinks.base import Sink

MOST_ROWS = 12
MOST_CLASSES = 20
_LONGEST_TITLE = 50


class _Watched(Sink):
    """Hands everything on to a sink, and keeps the first rows."""

    def __init__(self, sink: Sink, logarithmic: bool):
        self._sink = sink
        self._logarithmic = logarithmic
        self._bars: list[Bars] = []
        self._rows = 0

    def write(self, ranked: Ranked) -> None:
        """Write a batch, and keep its rows while few are kept."""
        self._sink.write(ranked)
        self._rows += len(ranked)
        for place in range(min(len(ranked), MOST_ROWS - len(self._bars))):
            self._bars.append(self._row(ranked, place))

    def flush(self) -> None:
        """Write what waits."""
        self._sink.flush()

    def close(self) -> None:
        """Leave the sink to whoever opened it."""

    def abort(self) -> None:
        """Leave the sink to whoever opened it."""

    def _row(self, ranked: Ranked, place: int) -> Bars:
        count = min(MOST_CLASSES, ranked.k if ranked.counts is None else int(ranked.counts[place]))
        values = ranked.probabilities[place, :count].astype(np.float64)
        labels = [ranked.label(int(index)) for index in ranked.indices[place, :count]]
        row = f"row {int(ranked.rows[place])}"
        title = ranked.source_of(place) if ranked.sources is not None else f"{_name(ranked.source)}: {row}"
        if ranked.ids is not None:
            title = f"{row}: {ranked.ids[place]}"
        title = title if len(title) <= _LONGEST_TITLE else f"…{title[1 - _LONGEST_TITLE :]}"  # a path's end tells most
        return Bars(title, labels, (np.exp(values) if self._logarithmic else values).tolist())

    def picture(self) -> Picture:
        """What was kept."""
        if not self._rows:
            return Picture("no rows", ())
        kept = len(self._bars)
        return Picture("" if kept == self._rows else f"the first {kept} of {self._rows:,} rows", self._bars)


def _name(source: str) -> str:
    return "stdin" if source == "-" else source


@contextlib.contextmanager
def plotted(sink: Sink, name: str | None, activation: str = "softmax") -> Iterator[Sink]:
    """Give a sink that also draws the first rows into the file `name`, when the block ends well; None: the same sink.

    activation: what the probabilities are.
    """
    if name is None:
        yield sink
        return
    from softmax_cli.judge.plots.figure import write_picture

    watched = _Watched(sink, activation == "log-softmax")
    yield watched
    write_picture(watched.picture(), name)
