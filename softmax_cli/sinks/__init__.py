"""Where results are written: one table of formats, and `open_sink`."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import cast

from softmax_cli.errors import UsageError
from softmax_cli.sinks.base import EncodingSink, Screen, Sink, SinkOptions
from softmax_cli.sinks.target import STDOUT, Target, open_target

LAYOUTS = ("long", "wide")

# As few as cost no time: what is under way stays small. A table of the library is dearer to begin with.
_OF_TEXT, _OF_TABLES = 1 << 13, 1 << 15


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """One row of the table: `module:class` below this package, and the suffixes that choose it."""

    sink: str
    suffixes: tuple[str, ...]
    for_people: bool = False
    layouts: tuple[str, ...] = LAYOUTS
    resumable: bool = False  # its sink is a ResumableSink
    lines_together: int = 0  # its sink is an EncodingSink, and takes about so many lines at once; 0: any batch

    def make(self, target: Target, options: SinkOptions, screen: Screen) -> Sink:
        """Make the sink; only what people read takes a screen."""
        module, name = self.sink.split(":")
        kind = getattr(importlib.import_module(f"softmax_cli.sinks.{module}"), name)
        return cast(Sink, kind(target, options, screen) if self.for_people else kind(target, options))


FORMATS: Mapping[str, OutputFormat] = MappingProxyType(
    {
        "table": OutputFormat("table:TableSink", (".txt",), for_people=True),
        "csv": OutputFormat("delimited:DelimitedSink", (".csv",), resumable=True, lines_together=_OF_TEXT),
        "tsv": OutputFormat("delimited:TsvSink", (".tsv",), resumable=True, lines_together=_OF_TEXT),
        "json": OutputFormat("json_rows:JsonSink", (".json",), layouts=("long",), lines_together=_OF_TEXT),
        "jsonl": OutputFormat(
            "json_rows:JsonLinesSink",
            (".jsonl", ".ndjson"),
            layouts=("long",),
            resumable=True,
            lines_together=_OF_TEXT,
        ),
        "parquet": OutputFormat("columnar:ParquetSink", (".parquet",), lines_together=_OF_TABLES),
        "arrow": OutputFormat("columnar:ArrowSink", (".arrow", ".feather"), lines_together=_OF_TABLES),
        "npz": OutputFormat("npz:NpzSink", (".npz",), layouts=("long",)),
        "markdown": OutputFormat("markdown:MarkdownSink", (".md",)),
    }
)


def choose_format(name: str | None, output: str, layout: str = "long") -> str:
    """Choose the format: as named, else by the output's suffix, else the table.

    Raises UsageError for an unknown name or suffix, or a layout that the format doesn't have.
    """
    if name is not None and name not in FORMATS:
        raise UsageError(f"--format {name}: expected one of {', '.join(FORMATS)}")
    if name is None and output != STDOUT:
        suffix = Path(output).suffix.lower()
        name = next((key for key, row in FORMATS.items() if suffix in row.suffixes), None)
        if name is None:
            known = ", ".join(suffix for row in FORMATS.values() for suffix in row.suffixes)
            raise UsageError(f"{output!r}: the suffix tells no format", hint=f"use one of {known}, or --format NAME")
    name = name or "table"
    if layout not in FORMATS[name].layouts:
        allowed = ", ".join(key for key, row in FORMATS.items() if layout in row.layouts)
        raise UsageError(f"--layout {layout} isn't for {name}", hint=f"it is for {allowed}")
    return name


@contextlib.contextmanager
def open_sink(name: str, output: str, options: SinkOptions, screen: Screen | None = None) -> Iterator[Sink]:
    """Open an output of a format of `FORMATS`; it is complete, or not there, when the block ends."""
    from softmax_cli.sinks.gathering import GatheringSink  # it needs numpy, and the help doesn't

    with open_target(output) as target:
        sink = FORMATS[name].make(target, options, screen or Screen())
        if lines := FORMATS[name].lines_together:
            sink = GatheringSink(cast(EncodingSink, sink), lines, options.jobs)
        try:
            yield sink
            sink.close()
        except BaseException:
            sink.abort()
            raise
