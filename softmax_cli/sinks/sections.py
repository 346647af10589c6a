"""Reports of several small tables: aligned text for people, or Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from softmax_cli.sinks.base import Section
from softmax_cli.sinks.cells import fit
from softmax_cli.sinks.markdown import escape
from softmax_cli.sinks.target import Target
from softmax_cli.text import visible

_GAP = "  "
_LEAST = 6  # cells of a text, however narrow the window


def write_sections(sections: Sequence[Section], format_name: str, target: Target, width: int = 0) -> None:
    """Write tables as `table` or `markdown`; width: the cells of a line, 0 for as many as it takes."""
    make = _markdown if format_name == "markdown" else _text
    parts = ["\n".join(make(section, width)) for section in sections if section.rows]
    target.write(("\n\n".join(parts) + "\n").encode("utf-8", "backslashreplace"))


def _text(section: Section, width: int) -> list[str]:
    cells = [[visible(cell) for cell in row] for row in section.rows]
    table = [[section.title, *section.header[1:]], *cells] if not section.header[0] else [list(section.header), *cells]
    widths = _fitted([max(map(cell_len, column)) for column in zip(*table, strict=True)], section.texts, width)
    left = {0, *section.texts}
    lines = [_line(row, widths, left) for row in table]
    return lines if not section.header[0] else [section.title, *lines]


def _line(row: Sequence[str], widths: Sequence[int], left: set[int]) -> str:
    parts = [
        fit(cell, size) if place in left else " " * max(0, size - cell_len(cell)) + cell
        for place, (cell, size) in enumerate(zip(row, widths, strict=True))
    ]
    return _GAP.join(parts).rstrip()


def _fitted(widths: list[int], texts: Sequence[int], width: int) -> list[int]:
    """Narrow the columns of texts, the widest first, until a line fits."""
    over = sum(widths) + len(_GAP) * (len(widths) - 1) - width if width else 0
    while over > 0 and any(widths[place] > _LEAST for place in texts):
        widest = max(texts, key=lambda place: widths[place])
        widths[widest] -= 1
        over -= 1
    return widths


def _markdown(section: Section, width: int) -> list[str]:
    left = {0, *section.texts}
    header = [section.header[0] or section.title, *section.header[1:]]
    lines = [f"### {escape(section.title)}", ""] if section.header[0] else []
    lines.append("| " + " | ".join(map(escape, header)) + " |")
    lines.append("|" + "|".join(" --- " if place in left else " ---: " for place in range(len(header))) + "|")
    lines += ["| " + " | ".join(map(escape, row)) + " |" for row in section.rows]
    return lines
