"""The explanation as Markdown, as GitHub shows it; formulas are plain text."""

from __future__ import annotations

from collections.abc import Iterator

from softmax_cli.explain.document import Bar, Block, Cell, Document, Formula, Table, titles_of
from softmax_cli.sinks.cells import bar, shown
from softmax_cli.sinks.markdown import escape

_BAR = 20  # cells


def render(document: Document) -> str:
    """The document as Markdown."""
    parts = [f"# {escape(document.title)}", *(_block(block) for block in document.introduction)]
    for number, section in enumerate(document.sections, 1):
        parts += [f"## {number}. {escape(section.title)}", *(_block(block) for block in section.blocks)]
    return "\n\n".join(parts) + "\n"


def _block(block: Block) -> str:
    if isinstance(block, Formula):
        return f"    {block.text}"
    return escape(block) if isinstance(block, str) else "\n".join(_table(block))


def _table(table: Table) -> Iterator[str]:
    rows = [*table.rows, *([table.total] if table.total else [])]
    bars = {place for row in rows for place, cell in enumerate(row) if isinstance(cell, Bar)}
    yield _line([escape(title) or " " for title in titles_of(table)])
    yield (
        "|" + "|".join(" --- " if place == 0 or place in bars else " ---: " for place in range(len(table.titles))) + "|"
    )
    for place, row in enumerate(rows):
        strong = place in table.strong or place == len(table.rows)
        cells = [_cell(cell, column) for column, cell in enumerate(row)]
        yield _line([f"**{cell}**" if strong and column == 0 else cell for column, cell in enumerate(cells)])


def _cell(cell: Cell, column: int) -> str:
    if isinstance(cell, Bar):
        return bar(cell.share, _BAR).rstrip()
    return escape(shown(cell)) if column == 0 else escape(cell)


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
