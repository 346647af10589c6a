"""The table for people: a group for each row, fitted to the terminal, whole in a pipe."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
from functools import lru_cache

import numpy as np
from rich.cells import cell_len
from rich.color import ColorSystem
from rich.style import Style

from softmax_cli.batch import Ranked
from softmax_cli.sinks.base import Screen, SinkOptions
from softmax_cli.sinks.cells import bar, fit, number, pad, percent, shown
from softmax_cli.sinks.target import Target
from softmax_cli.text import visible

_GAP = "  "
_PIPE_BAR = 20
_LONGEST_BAR = 60
_SHORTEST_BAR = 6
_SHORTEST_LABEL = 10
_NUMBER = len("probability")


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

    def total(self) -> int:
        """The cells of a line."""
        used = [width for width in astuple(self) if width]
        return int(sum(used)) + len(_GAP) * (len(used) - 1)


def plan_widths(ranked: Ranked, screen: Screen) -> Widths:
    """Fit the columns to the screen, from the first batch and all class names."""
    rows = max(3, len(str(int(ranked.rows[-1]) + 1)) if len(ranked) else 3)
    ids = max((cell_len(shown(text)) for text in ranked.ids), default=2) if ranked.ids is not None else 0
    names: Sequence[str] = ranked.names if ranked.names is not None else [str(int(ranked.indices.max(initial=0)))]
    label = max(5, max(map(cell_len, map(shown, names)), default=5))
    percents = 6 if screen.activation in ("softmax", "sigmoid", "none") else 0
    rank = max(1, len(str(ranked.k)))
    if not screen.width:
        return Widths(rows, ids, rank, label, _PIPE_BAR, percents, _NUMBER, 10)
    return _shrink(screen.width, Widths(rows, min(ids, 40), rank, label, _SHORTEST_BAR, percents, _NUMBER, 10))


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


class TableSink:
    """Writes a table of fixed columns, decided with the first rows, batch by batch."""

    def __init__(self, target: Target, options: SinkOptions, screen: Screen | None = None):
        self._target = target
        self._options = options
        self._screen = screen or Screen()
        self._widths: Widths | None = None
        self._source: str | None = None
        self._lines = 0
        self._left_out = 0
        self._paint = _painted if self._screen.color else _plain

    def write(self, ranked: Ranked) -> None:
        """Write the rows of a batch that still fit."""
        if not len(ranked):
            return
        if self._source != ranked.source:
            self._widths = plan_widths(ranked, self._screen)
        parts: list[str] = []
        for place in range(len(ranked)):
            if self._screen.max_lines and self._lines >= self._screen.max_lines:
                self._left_out += len(ranked) - place
                break
            lines = self._row_lines(ranked, place)
            self._lines += len(lines)
            parts += lines
        if parts:
            self._emit(parts)

    def _emit(self, lines: Sequence[str]) -> None:
        text = "\n".join(line.rstrip() for line in lines) + "\n"
        self._target.write(text.encode("ascii" if self._screen.ascii_only else "utf-8", "backslashreplace"))
        self._target.flush()

    def _row_lines(self, ranked: Ranked, place: int) -> list[str]:
        assert self._widths is not None
        lines: list[str] = []
        if self._source != ranked.source:
            lines += self._heading(ranked)
        elif ranked.k > 1 and self._options.layout == "long":
            lines.append("")
        count = ranked.k if ranked.counts is None else int(ranked.counts[place])
        lead = self._lead(ranked, place)
        if not count:
            return [*lines, lead + _GAP + self._paint("no class reaches the least probability", "dim")]
        if self._options.layout == "wide":
            return [*lines, lead + _GAP + _GAP.join(self._short(ranked, place, rank) for rank in range(count))]
        blank = " " * cell_len(self._lead(ranked, place, painted=False))
        for rank in range(count):
            lines.append((lead if rank == 0 else blank) + _GAP + self._prediction(ranked, place, rank))
        return lines

    def _heading(self, ranked: Ranked) -> list[str]:
        widths = self._widths
        assert widths is not None
        lines = [] if self._source is None else [""]
        if self._options.several:
            lines.append(self._paint(visible(ranked.source), "bold"))
        if self._options.layout == "long":
            lines.append(self._titles(widths))
        self._source = ranked.source
        return lines

    def _titles(self, widths: Widths) -> str:
        cells = ["row".rjust(widths.row)]
        if widths.id:
            cells.append(fit("id", widths.id))
        cells += ["#".rjust(widths.rank), fit("label", widths.label)]
        if widths.bar:
            cells.append(" " * widths.bar)
        if widths.percent:
            cells.append("%".rjust(widths.percent))
        if widths.probability:
            title = "log-prob." if self._screen.activation == "log-softmax" else "probability"
            cells.append(title[: widths.probability].rjust(widths.probability))
        if widths.logit:
            cells.append("logit".rjust(widths.logit))
        return self._paint(_GAP.join(cells), "dim")

    def _lead(self, ranked: Ranked, place: int, painted: bool = True) -> str:
        assert self._widths is not None
        text = str(int(ranked.rows[place])).rjust(self._widths.row)
        if self._widths.id:
            row_id = shown(ranked.ids[place]) if ranked.ids is not None else ""
            text += _GAP + (fit if self._screen.width else pad)(row_id, self._widths.id)
        return self._paint(text, "bold") if painted else text

    def _prediction(self, ranked: Ranked, place: int, rank: int) -> str:
        widths = self._widths
        assert widths is not None
        probability = float(ranked.probabilities[place, rank])
        share = float(np.exp(probability)) if self._screen.activation == "log-softmax" else probability
        label = shown(ranked.label(int(ranked.indices[place, rank])))
        label = fit(label, widths.label) if self._screen.width else pad(label, widths.label)
        cells = [
            self._paint(str(rank + 1).rjust(widths.rank), "dim"),
            self._paint(label, "bold" if rank == 0 else ""),
        ]
        if widths.bar:
            drawn = bar(share, widths.bar, self._screen.ascii_only)
            cells.append(self._paint(drawn, "cyan" if rank == 0 else "blue"))
        if widths.percent:
            cells.append(self._paint(percent(share).rjust(widths.percent), "bold" if rank == 0 else ""))
        if widths.probability:
            cells.append(number(probability).rjust(widths.probability))
        if widths.logit:
            cells.append(self._paint(number(float(ranked.logits[place, rank]), 4).rjust(widths.logit), "dim"))
        return _GAP.join(cells)

    def _short(self, ranked: Ranked, place: int, rank: int) -> str:
        assert self._widths is not None
        probability = float(ranked.probabilities[place, rank])
        width = self._widths.label
        if self._screen.width:
            width = min(width, max(6, (self._screen.width - 12) // ranked.k - 9))
        label = shown(ranked.label(int(ranked.indices[place, rank])))
        label = fit(label, width) if self._screen.width else pad(label, width)
        value = percent(probability) if self._screen.activation != "log-softmax" else number(probability, 4)
        return f"{self._paint(label, 'bold' if rank == 0 else '')} {value.rjust(6)}"

    def close(self) -> None:
        """Say how much was left out, and how to see it."""
        if self._left_out:
            rows = f"{self._left_out:,} more row{'s' if self._left_out > 1 else ''} not shown"
            note = f"{'...' if self._screen.ascii_only else '…'} {rows}: pipe into less, or write all with -o FILE"
            lines = textwrap.wrap(note, self._screen.width or len(note))
            self._emit(["", *(self._paint(line, "dim") for line in lines)])

    def abort(self) -> None:
        """Nothing is held."""


@lru_cache(maxsize=16)
def _style(name: str) -> Style:
    return Style.parse(name)


def _painted(text: str, style: str) -> str:
    return _style(style).render(text, color_system=ColorSystem.STANDARD) if style else text


def _plain(text: str, style: str) -> str:
    return text
