"""Reports of commands that judge: which form they take, and writing them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from softmax_cli.cli.console import stdout_width
from softmax_cli.errors import UsageError
from softmax_cli.sinks.base import Section
from softmax_cli.sinks.sections import write_sections
from softmax_cli.sinks.target import STDOUT, open_target

FORMATS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"table": (".txt",), "json": (".json",), "markdown": (".md",)}
)


def report_format(name: str | None, output: str) -> str:
    """The form of a report: as asked, else by the suffix of the output, else a table.

    Raises UsageError for one that reports don't have.
    """
    if name is not None and name not in FORMATS:
        raise UsageError(f"--format {name}: expected one of {', '.join(FORMATS)}")
    if name is None and output != STDOUT:
        suffix = Path(output).suffix.lower()
        name = next((key for key, suffixes in FORMATS.items() if suffix in suffixes), None)
        if name is None:
            known = ", ".join(suffix for suffixes in FORMATS.values() for suffix in suffixes)
            raise UsageError(f"{output!r}: the suffix tells no format", hint=f"use one of {known}, or --format NAME")
    return name or "table"


def write_report(format_name: str, output: str, record: Mapping[str, Any], sections: Sequence[Section]) -> None:
    """Write a report: the record as strict JSON, or the sections as tables."""
    with open_target(output) as target:
        if format_name == "json":
            text = json.dumps(record, ensure_ascii=False, indent=2, allow_nan=False)
            target.write(text.encode("utf-8", "backslashreplace") + b"\n")
        else:
            write_sections(sections, format_name, target, stdout_width() if output == STDOUT else 0)


def write_charts(charts: Sequence[Sequence[str]]) -> None:
    """Write charts of text to the terminal, below a report."""
    with open_target(STDOUT) as target:
        for chart in charts:
            target.write(("\n" + "\n".join(chart) + "\n").encode("utf-8", "backslashreplace"))


def numbers_from_one(text: str, option: str) -> tuple[int, ...]:
    """Whole numbers from 1 on with commas between them, in order.

    Raises UsageError for anything else.
    """
    try:
        numbers = sorted({int(part) for part in text.split(",")})
    except ValueError:
        numbers = [0]
    if numbers[0] < 1:
        raise UsageError(f"{option} {text}: expected numbers from 1 on with commas between them, as in 1,5")
    return tuple(numbers)
