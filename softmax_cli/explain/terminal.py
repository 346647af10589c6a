"""The explanation as text for a terminal, or for a page of 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from functools import lru_cache

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.style import Style

from softmax_cli.explain.document import Bar, Block, Cell, Document, Formula, Table, titles_of
from softmax_cli.sinks.base import Screen
from softmax_cli.sinks.cells import bar, fit, shown
from softmax_cli.text import visible

_PAGE = 80  # columns, where no terminal says how many
_WIDEST = 100  # of text: longer lines are hard to read
_INDENT = "   "
_GAP = "  "
_SHORTEST_LABEL = 8
_LONGEST_TITLE = 14  # of a matrix's column
_SHORTEST_BAR = 6
_USUAL_BAR = 20
_LONGEST_BAR = 40
_ASCII = str.maketrans({"…": "...", "∂": "d", "δ": "delta", "ᵀ": "^T", "─": "-"})

Line = list[tuple[str, str]]  # texts, and the names of their styles


def render(document: Document, screen: Screen) -> str:
    """The document as text, fitted to the screen; in a pipe as wide as a page."""
    width = min(screen.width or _PAGE, _WIDEST)
    lines = list(_document(document, width, screen.ascii_only))
    paint = _painted if screen.color else _plain
    text = "".join("".join(paint(part, style) for part, style in _trimmed(line)) + "\n" for line in lines)
    return text.translate(_ASCII) if screen.ascii_only else text


def _document(document: Document, width: int, ascii_only: bool) -> Iterator[Line]:
    yield from _wrapped(visible(document.title), width, "", "bold")
    yield []
    for block in document.introduction:
        yield from _block(block, width, ascii_only)
    for number, section in enumerate(document.sections, 1):
        yield []
        yield [(f"{number:<{len(_INDENT)}}", "bold cyan"), (section.title, "bold")]
        for place, block in enumerate(section.blocks):
            if place and (isinstance(block, Table) or isinstance(section.blocks[place - 1], Table)):
                yield []
            yield from _block(block, width, ascii_only)


def _block(block: Block, width: int, ascii_only: bool) -> Iterator[Line]:
    if isinstance(block, Formula):
        yield from _wrapped(block.text, width, _INDENT, "cyan")
    elif isinstance(block, str):
        yield from _wrapped(block, width, _INDENT, "")
    else:
        yield from _table(block, width - len(_INDENT), ascii_only)


def _wrapped(text: str, width: int, indent: str, style: str) -> Iterator[Line]:
    for line in textwrap.wrap(text, max(20, width - len(indent)), break_on_hyphens=False):
        yield [(indent, ""), (line, style)]


def _table(table: Table, width: int, ascii_only: bool) -> Iterator[Line]:
    rows = [*table.rows, *([table.total] if table.total else [])]
    wanted = [_wanted(table, rows, place) for place in range(len(table.titles))]
    if table.split:
        yield from _split(table, wanted, width, ascii_only)
        return
    widths = _fitted(table, rows, wanted, width)
    yield from _lines(table, widths, ascii_only)


def _wanted(table: Table, rows: Sequence[Sequence[Cell]], place: int) -> int:
    """The cells that a column takes: as its longest one; a bar takes what is left."""
    texts = [shown(cell) if place == 0 else cell for row in rows if isinstance(cell := row[place], str) and cell]
    title = table.titles[place]
    longest = max(map(cell_len, texts), default=0)
    if table.split and place:
        return max(longest, min(cell_len(shown(title)), _LONGEST_TITLE))
    return max(longest, cell_len(title))


def _is_bar(rows: Sequence[Sequence[Cell]], place: int) -> bool:
    return any(isinstance(row[place], Bar) for row in rows)


def _total(widths: Sequence[int]) -> int:
    used = [width for width in widths if width]
    return sum(used) + len(_GAP) * (len(used) - 1)


def _fitted(table: Table, rows: Sequence[Sequence[Cell]], wanted: list[int], width: int) -> list[int]:
    """Cut names, then give up the bar and what may be spared; a bar then takes the room that is left."""
    bars = [place for place in range(len(wanted)) if _is_bar(rows, place)]
    widths = [_SHORTEST_BAR if place in bars else size for place, size in enumerate(wanted)]
    widths[0] = min(widths[0], max(_SHORTEST_LABEL, width // 3))
    spare = [table.titles.index(title) for title in table.spare]
    for place in [*spare, *bars]:
        if _total(widths) > width:
            widths[place] = 0
    if _total(widths) > width:
        widths[0] = max(_SHORTEST_LABEL, widths[0] - (_total(widths) - width))
    left = width - _total(widths)
    kept = sum(_USUAL_BAR - widths[place] for place in bars if widths[place])
    more = max(0, min(left - kept, wanted[0] - widths[0]))
    widths[0] += more
    for place in bars:
        if widths[place]:
            widths[place] = min(_LONGEST_BAR, widths[place] + max(0, left - more))
    return widths


def _split(table: Table, wanted: list[int], width: int, ascii_only: bool) -> Iterator[Line]:
    """A matrix in as many blocks of columns as it takes."""
    wanted[0] = min(wanted[0], max(_SHORTEST_LABEL, width // 3))
    first = 1
    while first < len(wanted):
        last = first + 1
        while last < len(wanted) and _total([wanted[0], *wanted[first : last + 1]]) <= width:
            last += 1
        if first > 1:
            yield []
        widths = [size if place == 0 or first <= place < last else 0 for place, size in enumerate(wanted)]
        yield from _lines(table, widths, ascii_only)
        first = last


def _lines(table: Table, widths: Sequence[int], ascii_only: bool) -> Iterator[Line]:
    rows = [*table.rows, *([table.total] if table.total else [])]
    bars = [_is_bar(rows, place) for place in range(len(widths))]
    yield _row(titles_of(table), widths, bars, "dim", "dim", ascii_only)
    for place, row in enumerate(table.rows):
        strong = place in table.strong
        texts = [shown(cell) if column == 0 and isinstance(cell, str) else cell for column, cell in enumerate(row)]
        yield _row(texts, widths, bars, "bold" if strong else "", "cyan" if strong else "blue", ascii_only)
    if table.total:
        numbers = [width for width, is_bar in zip(widths, bars, strict=True) if not is_bar]
        yield [(_INDENT, ""), ("─" * _total(numbers), "dim")]
        yield _row(table.total, widths, bars, "", "", ascii_only)


def _row(
    cells: Sequence[Cell], widths: Sequence[int], bars: Sequence[bool], style: str, bar_style: str, ascii_only: bool
) -> Line:
    line: Line = [(_INDENT, "")]
    for place, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        if not width:
            continue
        if len(line) > 1:
            line.append((_GAP, ""))
        if isinstance(cell, Bar):
            line.append((bar(cell.share, width, ascii_only), bar_style))
        elif place == 0 or bars[place]:
            line.append((fit(cell, width), style))
        else:
            text = fit(cell, width) if cell_len(cell) > width else " " * (width - cell_len(cell)) + cell
            line.append((text, style))
    return line


def _trimmed(line: Line) -> Line:
    """A line without the spaces at its end."""
    line = list(line)
    while line and not line[-1][0].strip():
        line.pop()
    return [*line[:-1], (line[-1][0].rstrip(), line[-1][1])] if line else []


@lru_cache(maxsize=16)
def _style(name: str) -> Style:
    return Style.parse(name)


def _painted(text: str, style: str) -> str:
    return _style(style).render(text, color_system=ColorSystem.STANDARD) if style else text


def _plain(text: str, style: str) -> str:
    return text
