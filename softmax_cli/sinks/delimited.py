"""CSV and TSV: numbers in the shortest digits that read back to the same float."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from softmax_cli.batch import Ranked
from softmax_cli.sinks import compiled_lines
from softmax_cli.sinks.base import EncodingSink, SinkOptions
from softmax_cli.sinks.frames import FrameBuilder
from softmax_cli.sinks.target import Target

if TYPE_CHECKING:
    import polars as pl

# What a spreadsheet may take for a formula, but for plain numbers: https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = r"^[=+\-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20]"
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"


def as_text(frame: pl.DataFrame) -> pl.DataFrame:
    """Put an apostrophe before the texts that a spreadsheet would take for a formula; numbers stay."""
    import polars as pl

    texts = pl.col(pl.String)
    is_formula = texts.str.contains(_FORMULA) & ~texts.str.contains(_NUMBER)
    return frame.with_columns(pl.when(is_formula).then("'" + texts).otherwise(texts).name.keep())


class DelimitedSink(EncodingSink):
    """Writes a header and a line per (row, rank), or per row in the wide layout."""

    separator = ","

    def __init__(self, target: Target, options: SinkOptions):
        self._target = target
        self._is_compiled = compiled_lines.are_there() and not options.csv_safe
        self._builder = FrameBuilder(options, at_once=not self._is_compiled)
        self._wide = options.layout == "wide"
        self._safe = options.csv_safe
        self._header = True
        self.head_bytes = 0

    @property
    def columns(self) -> dict[str, Any]:
        """What the first batch decided; empty before it."""
        return self._builder.columns

    def go_on(self, columns: Mapping[str, Any]) -> None:
        """Go on below a header that is there."""
        self._builder.columns = dict(columns)
        self._header = False

    def write(self, ranked: Ranked) -> None:
        """Write a batch, and hand it to the system."""
        encoded = self.encode(ranked)
        if self._header:
            self.head_bytes = encoded.find(b"\n") + 1
        self._header = False
        self.put(encoded)

    def encode(self, ranked: Ranked) -> bytes:
        """Turn a batch into lines; the first with the header."""
        lines = self._compiled(ranked) if self._is_compiled else None
        if lines is not None:
            return (self.separator.join(self._builder.names()) + "\n").encode() + lines if self._header else lines
        buffer = io.BytesIO()
        frame = self._builder.build(ranked)
        frame = as_text(frame) if self._safe else frame
        frame.write_csv(buffer, include_header=self._header, separator=self.separator)
        return buffer.getvalue()

    def _compiled(self, ranked: Ranked) -> bytes | None:
        has_ids, k = self._builder.settle(ranked)
        if self._wide:
            return compiled_lines.delimited_wide(ranked, self.separator, has_ids, k)
        return compiled_lines.delimited_long(ranked, self.separator, has_ids)

    def put(self, encoded: bytes) -> None:
        """Hand lines to the system."""
        self._target.write(encoded)
        self._target.flush()

    def close(self) -> None:
        """Nothing is left to write."""

    def abort(self) -> None:
        """Nothing is held."""


class TsvSink(DelimitedSink):
    """The same with tabs."""

    separator = "\t"
