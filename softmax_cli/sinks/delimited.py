"""CSV and TSV: numbers in the shortest digits that read back to the same float."""

from __future__ import annotations

import io

from softmax_cli.batch import Ranked
from softmax_cli.sinks.base import SinkOptions
from softmax_cli.sinks.frames import FrameBuilder
from softmax_cli.sinks.target import Target


class DelimitedSink:
    """Writes a header and a line per (row, rank), or per row in the wide layout."""

    separator = ","

    def __init__(self, target: Target, options: SinkOptions):
        self._target = target
        self._builder = FrameBuilder(options)
        self._header = True

    def write(self, ranked: Ranked) -> None:
        """Write a batch, and hand it to the system."""
        buffer = io.BytesIO()
        self._builder.build(ranked).write_csv(buffer, include_header=self._header, separator=self.separator)
        self._header = False
        self._target.write(buffer.getbuffer())
        self._target.flush()

    def close(self) -> None:
        """Nothing is left to write."""

    def abort(self) -> None:
        """Nothing is held."""


class TsvSink(DelimitedSink):
    """The same with tabs."""

    separator = "\t"
