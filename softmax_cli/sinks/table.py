"""The table for people: a group for each row, fitted to the terminal, whole in a pipe."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple, dataclass
from functools import lru_cache

import numpy as np
from rich.cells import cell_len
from rich.color import ColorSystem
from rich.style import Style

from softmax_cli.batch import Ranked
from softmax_cli.sinks.base import Screen, Sink, SinkOptions
from softmax_cli.sinks.cells import bar, fit, number, pad, percent, shown
from softmax_cli.sinks.target import Target
from softmax_cli.text import visible

_GAP = "  "
_PIPE_BAR = 20
_LONGEST_BAR = 60
_SHORTEST_BAR = 6
_SHORTEST_LABEL = 10
_NUMBER = len("probability")
_ABSTAINED = "abstained"


@dataclass(frozen=True, slots=True)
class Widths:
    """The cells of each column; 0 leaves it out."""

    row: int
    id: int
    rank: int
    label: int
    bar: int
    percent: int
    probability: int
    logit: int
    mark: int = 0

    def total(self) -> int:
        """The cells of a line."""
        used = [width for width in astuple(self) if width]
        return int(sum(used)) + len(_GAP) * (len(used) - 1)


def plan_widths(ranked: Ranked, screen: Screen) -> Widths:
    """Fit the columns to the screen, from the first batch and all class names."""
    rows = max(3, len(str(int(ranked.rows[-1]) + 1)) if len(ranked) else 3)
    named = _named(ranked)
    if ranked.sources is not None and not ranked.rows.any():
        rows = 0  # a row an input: its name says enough
    ids = max(2, *map(cell_len, map(shown, named)), 2) if named is not None else 0
    names: Sequence[str] = ranked.names if ranked.names is not None else [str(int(ranked.indices.max(initial=0)))]
    label = max(5, max(map(cell_len, map(shown, names)), default=5))
    percents = 6 if screen.activation in ("softmax", "sigmoid", "none") else 0
    rank = max(1, len(str(ranked.k)))
    mark = len(_ABSTAINED) if ranked.abstained is not None else 0
    if not screen.width:
        return Widths(rows, ids, rank, label, _PIPE_BAR, percents, _NUMBER, 10, mark)
    return _shrink(screen.width, Widths(rows, min(ids, 40), rank, label, _SHORTEST_BAR, percents, _NUMBER, 10, mark))


def _named(ranked: Ranked) -> Sequence[str] | None:
    """What names each row: its input, where they differ, else its id."""
    return ranked.ids if ranked.sources is None else ranked.sources


def _shrink(width: int, wanted: Widths) -> Widths:
    """Give up parts of the label and id, then probability, logit and bar; then use what is left."""
    at_most = [
        {},
        {"label": max(_SHORTEST_LABEL, min(wanted.label, width // 3))},
        {"id": min(wanted.id, 12)},
        {"probability": 0},
        {"logit": 0},
        {"label": _SHORTEST_LABEL},
        {"bar": 0},
        {"id": 0},
    ]
    values = asdict(wanted)
    for change in at_most:
        values.update({name: min(values[name], size) for name, size in change.items()})
        if Widths(**values).total() <= width:
            break
    spare = width - Widths(**values).total()
    if spare < 0:
        return Widths(**values)
    more = min(spare, wanted.label - values["label"])
    values["label"] += more
    if values["bar"]:
        values["bar"] = min(_LONGEST_BAR, values["bar"] + spare - more)
    return Widths(**values)


_LINES_AT_ONCE = 10_000  # a line takes a KiB until it's text
Cell = tuple[str, str]  # a text, and the name of its style
Line = list[Cell]


class TableSink(Sink):
    """Writes a table of fixed columns, decided with the first rows, batch by batch."""

    def __init__(self, target: Target, options: SinkOptions, screen: Screen | None = None):
        self._target = target
        self._options = options
        self._screen = screen or Screen()
        self._widths = Widths(0, 0, 0, 0, 0, 0, 0, 0)
        self._source: str | None = None
        self._lines = 0
        self._left_out = 0

    def write(self, ranked: Ranked) -> None:
        """Write the rows of a batch that still fit."""
        if not len(ranked):
            return
        if self._source != ranked.source:
            self._widths = plan_widths(ranked, self._screen)
        parts: list[Line] = []
        for place in range(len(ranked)):
            if self._screen.max_lines and self._lines >= self._screen.max_lines:
                self._left_out += len(ranked) - place
                break
            lines = self._row_lines(ranked, place)
            self._lines += len(lines)
            parts += lines
            if len(parts) >= _LINES_AT_ONCE:
                self._emit(parts)
                parts = []
        if parts:
            self._emit(parts)

    def _emit(self, lines: Sequence[Line]) -> None:
        paint = _painted if self._screen.color else _plain
        text = "".join(_rendered(line, self._screen.width, paint) + "\n" for line in lines)
        self._target.write(text.encode("ascii" if self._screen.ascii_only else "utf-8", "backslashreplace"))
        self._target.flush()

    def _row_lines(self, ranked: Ranked, place: int) -> list[Line]:
        lines: list[Line] = []
        if self._source != ranked.source:
            lines += self._heading(ranked)
        elif ranked.k > 1 and self._options.layout == "long":
            lines.append([])
        count = ranked.k if ranked.counts is None else int(ranked.counts[place])
        lead = self._lead(ranked, place)
        if not count:
            return [*lines, [*lead, (ranked.if_none, "dim"), *self._mark(ranked, place)]]
        if self._options.layout == "wide":
            shown_classes = [self._short(ranked, place, rank) for rank in range(count)]
            return [*lines, [*lead, *self._mark(ranked, place), *shown_classes]]
        blank: Line = [(" " * cell_len(text), "") for text, _ in lead]
        for rank in range(count):
            lines.append([*(lead if rank == 0 else blank), *self._prediction(ranked, place, rank)])
        return lines

    def _heading(self, ranked: Ranked) -> list[Line]:
        lines: list[Line] = [] if self._source is None else [[]]
        if self._options.several and ranked.sources is None:
            lines.append([(visible(ranked.source), "bold")])
        if self._options.layout == "long":
            named = "id" if ranked.sources is None else "input"
            lines.append([(text, "dim") for text in self._titles(self._widths, named)])
        self._source = ranked.source
        return lines

    def _titles(self, widths: Widths, named: str) -> list[str]:
        title = "log-prob." if self._screen.activation == "log-softmax" else "probability"
        cells = [
            ("row".rjust(widths.row), widths.row),
            (fit(named, widths.id), widths.id),
            ("#".rjust(widths.rank), widths.rank),
            (fit("label", widths.label), widths.label),
            (" " * widths.bar, widths.bar),
            ("%".rjust(widths.percent), widths.percent),
            (title.rjust(widths.probability), widths.probability),
            ("logit".rjust(widths.logit), widths.logit),
        ]
        return [text for text, width in cells if width]

    def _lead(self, ranked: Ranked, place: int) -> Line:
        named = _named(ranked)
        width = self._widths.id
        text = " " * width if named is None else self._sized(_end(named[place], width, ranked), width)
        cells = [(str(int(ranked.rows[place])).rjust(self._widths.row), self._widths.row), (text, width)]
        return [(text, "bold") for text, width in cells if width]

    def _sized(self, text: str, width: int) -> str:
        """A name in its column: cut on a terminal, whole in a pipe."""
        return _sized(text, width, bool(self._screen.width))

    def _prediction(self, ranked: Ranked, place: int, rank: int) -> Line:
        widths = self._widths
        probability = float(ranked.probabilities[place, rank])
        share = float(np.exp(probability)) if self._screen.activation == "log-softmax" else probability
        first = rank == 0
        label = self._sized(ranked.label(int(ranked.indices[place, rank])), widths.label)
        logit = number(float(ranked.logits[place, rank]), 4, widths.logit)
        cells = [
            (str(rank + 1).rjust(widths.rank), "dim", widths.rank),
            (label, "bold" if first else "", widths.label),
            (bar(share, widths.bar, self._screen.ascii_only), "cyan" if first else "blue", widths.bar),
            (percent(share).rjust(widths.percent), "bold" if first else "", widths.percent),
            (number(probability, 6, widths.probability).rjust(widths.probability), "", widths.probability),
            (logit.rjust(widths.logit), "dim", widths.logit),
        ]
        prediction = [(text, style) for text, style, width in cells if width]
        return prediction + self._mark(ranked, place) if first else prediction

    def _mark(self, ranked: Ranked, place: int) -> Line:
        """What says that the row is one to abstain on; room for it where others are."""
        if ranked.abstained is None:
            return []
        return [((_ABSTAINED if ranked.abstained[place] else "").ljust(self._widths.mark), "yellow")]

    def _short(self, ranked: Ranked, place: int, rank: int) -> Cell:
        probability = float(ranked.probabilities[place, rank])
        width = self._widths.label
        if self._screen.width:
            width = min(width, max(6, (self._screen.width - 12) // ranked.k - 9))
        label = self._sized(ranked.label(int(ranked.indices[place, rank])), width)
        value = percent(probability) if self._screen.activation != "log-softmax" else number(probability, 4)
        return f"{label} {value.rjust(6)}", "bold" if rank == 0 else ""

    def close(self) -> None:
        """Say how much was left out, and how to see it."""
        if self._left_out:
            rows = f"{self._left_out:,} more row{'s' if self._left_out > 1 else ''} not shown"
            note = f"{'...' if self._screen.ascii_only else '…'} {rows}: pipe into less, or write all with -o FILE"
            lines = textwrap.wrap(note, self._screen.width or len(note))
            self._emit([[], *([(line, "dim")] for line in lines)])

    def abort(self) -> None:
        """Nothing is held."""


def _end(text: str, width: int, ranked: Ranked) -> str:
    """A name to be shown in so many cells: of a path that is too long, its end tells most."""
    if ranked.sources is None or cell_len(shown(text)) <= width or width < 4:
        return text
    end = text[-(width - 1) :]
    while cell_len(shown(end)) > width - 1:
        end = end[1:]
    return "…" + end


def _rendered(line: Line, width: int, paint: Callable[[str, str], str]) -> str:
    """A line's cells side by side; whatever stands in them, it isn't longer than a terminal is wide."""
    if not width:
        return _GAP.join(paint(text, style) for text, style in line).rstrip()
    parts: list[str] = []
    used = 0
    for place, (text, style) in enumerate(line):
        gap = _GAP if place else ""
        if place == len(line) - 1:
            text = text.rstrip()
        room = width - used - len(gap)
        if width and cell_len(text) > room:
            parts.append(gap + paint(fit(text, room), style) if room > 0 else "")
            break
        parts.append(gap + paint(text, style))
        used += len(gap) + cell_len(text)
    return "".join(parts).rstrip()


@lru_cache(maxsize=1 << 12)
def _sized(text: str, width: int, cut: bool) -> str:
    return fit(shown(text), width) if cut else pad(shown(text), width)


@lru_cache(maxsize=16)
def _style(name: str) -> Style:
    return Style.parse(name)


def _painted(text: str, style: str) -> str:
    return _style(style).render(text, color_system=ColorSystem.STANDARD) if style else text


def _plain(text: str, style: str) -> str:
    return text
