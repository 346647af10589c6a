"""Reports: nested facts as aligned text for people, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.cells import cell_len

from softmax_cli.errors import UsageError
from softmax_cli.sinks.target import Target
from softmax_cli.text import valid, visible

_MOST_ROWS = 20


def check_report_format(name: str) -> None:
    """Refuse a format that reports don't have.

    Raises UsageError.
    """
    if name not in ("table", "json"):
        raise UsageError(f"--format {name}: a report is table or json")


def write_report(report: Mapping[str, Any], format_name: str, target: Target) -> None:
    """Write a report as `table` or `json`."""
    if format_name == "json":
        target.write(json.dumps(_valid(report), ensure_ascii=False, indent=2, allow_nan=False).encode() + b"\n")
        return
    width = max(map(len, report), default=0)
    lines: list[str] = []
    for key, value in report.items():
        if value in ("", {}, []):
            continue
        parts = _lines(value)
        lines += [f"{(key if place == 0 else '').ljust(width)}  {part}" for place, part in enumerate(parts)]
    target.write(("\n".join(lines) + "\n").encode("utf-8", "backslashreplace"))


def _valid(value: Any) -> Any:
    """The same with valid Unicode in every text."""
    if isinstance(value, str):
        return valid(value)
    if isinstance(value, Mapping):
        return {valid(str(key)): _valid(item) for key, item in value.items()}
    return [_valid(item) for item in value] if isinstance(value, Sequence) else value


def _lines(value: Any) -> list[str]:
    """A value as one or more lines of text; empty ones take none."""
    if value is None:
        return ["-"]
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    if isinstance(value, float):
        return [f"{value:.6g}"]
    if isinstance(value, int):
        return [f"{value:,}"]
    if isinstance(value, Mapping):
        return [line for key, item in value.items() for line in _entry(visible(str(key)), _lines(item))]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _list(value)
    return [visible(str(value), 400)]


def _entry(key: str, lines: Sequence[str]) -> list[str]:
    """A key with its value's lines, the later ones below the first."""
    return [f"{f'{key}:' if place == 0 else ' ' * (len(key) + 1)} {line}" for place, line in enumerate(lines)]


def _list(values: Sequence[Any]) -> list[str]:
    if values and all(isinstance(item, Mapping) for item in values):
        return _table(values)
    if all(isinstance(item, int) for item in values):
        return [" × ".join(f"{item:,}" for item in values) or "scalar"]
    shown = [visible(str(item), 100) for item in values[:_MOST_ROWS]]
    return shown + ([f"… and {len(values) - _MOST_ROWS:,} more"] if len(values) > _MOST_ROWS else [])


def _table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Records as aligned columns; the middle of a long table is left out."""
    cut = len(rows) > _MOST_ROWS
    some = [*rows[: _MOST_ROWS - 3], *rows[-2:]] if cut else list(rows)
    cells = [[visible(str(value), 40) for value in row.values()] for row in some]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    if cut:
        lines.insert(_MOST_ROWS - 3, f"… {len(rows) - len(some):,} more")
    return lines
