"""Markdown tables, for reports and issues."""

from __future__ import annotations

import re

from softmax_cli.batch import Ranked
from softmax_cli.sinks.base import Sink, SinkOptions
from softmax_cli.sinks.frames import FrameBuilder
from softmax_cli.sinks.target import Target
from softmax_cli.text import visible

_MARKUP = re.compile(r"([\\`*_{}\[\]<>|#~&])")


def escape(text: str) -> str:
    r"""Show text as it is, whatever markup it holds.

    >>> escape("a|b")
    'a\\|b'
    """
    return _MARKUP.sub(r"\\\1", visible(text))


class MarkdownSink(Sink):
    """Writes one table, batch by batch."""

    def __init__(self, target: Target, options: SinkOptions):
        self._target = target
        self._builder = FrameBuilder(options)
        self._header = True

    def write(self, ranked: Ranked) -> None:
        """Write the lines of a batch."""
        import polars as pl

        frame = self._builder.build(ranked)
        lines = []
        if self._header:
            numeric = [dtype.is_numeric() for dtype in frame.dtypes]
            lines = ["| " + " | ".join(frame.columns) + " |"]
            lines.append("|" + "|".join(" ---: " if right else " --- " for right in numeric) + "|")
            self._header = False
        texts = frame.select(pl.all().cast(pl.String).fill_null(""))
        names = {name for name, dtype in frame.schema.items() if dtype == pl.String}
        for row in texts.iter_rows(named=True):
            cells = [escape(text) if name in names else text for name, text in row.items()]
            lines.append("| " + " | ".join(cells) + " |")
        if lines:
            self._target.write(("\n".join(lines) + "\n").encode("utf-8", "backslashreplace"))
            self._target.flush()

    def close(self) -> None:
        """Nothing is left to write."""

    def abort(self) -> None:
        """Nothing is held."""
