"""What an explanation is written in: sections of paragraphs and tables, for any renderer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from softmax_cli.sinks.cells import number, shown


@dataclass(frozen=True, slots=True)
class Bar:
    """A cell that shows a share of 1."""

    share: float


Cell: TypeAlias = str | Bar


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of classes: the first column holds their names, a column of `Bar` cells is drawn, the others are numbers.

    strong: the rows to be set apart. total: a last row below a rule. spare: titles of the columns that a narrow
    screen may leave out, first to go first. split: whether columns that don't fit follow below, as a matrix's do.
    """

    titles: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    strong: frozenset[int] = frozenset()
    total: Sequence[Cell] | None = None
    spare: Sequence[str] = ()
    split: bool = False


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula as a line of plain text."""

    text: str


Block: TypeAlias = str | Formula | Table


@dataclass(frozen=True, slots=True)
class Section:
    """A step: its title and what it says. step: whether it counts as one."""

    title: str
    blocks: Sequence[Block] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Document:
    """The whole explanation."""

    title: str
    introduction: Sequence[Block]
    sections: Sequence[Section]


def titles_of(table: Table) -> list[str]:
    """The titles as they're shown; a matrix's are names of classes, and nothing of them is empty."""
    return [shown(title) if title or (table.split and place) else "" for place, title in enumerate(table.titles)]


_EXACT = 1e-9


def short(value: float) -> str:
    """A number in a sentence: six significant digits.

    >>> short(3.2), short(-1000.0), short(1e-320)
    ('3.2', '-1000', '9.99989e-321')
    """
    return f"{value:.6g}"


def column(values: Sequence[float]) -> list[str]:
    """Numbers of one column with the same number of decimals: as many as they need, four at the most.

    >>> column([3.2, 1.3 - 3.2]), column([1000.0, 0.0]), column([1 / 3, 2.0])
    (['3.2', '-1.9'], ['1000', '0'], ['0.3333', '2.0000'])
    """
    finite = [value for value in values if math.isfinite(value)]
    if any(abs(value) >= 1e7 for value in finite):
        return [short(value) for value in values]
    digits = next((n for n in range(4) if all(abs(round(v, n) - v) <= _EXACT * max(1, abs(v)) for v in finite)), 4)
    return [number(value, 4) if _is_tiny(value, digits) else f"{value:.{digits}f}" for value in values]


def _is_tiny(value: float, digits: int) -> bool:
    return not math.isfinite(value) or (value != 0 and round(value, digits) == 0)


def power_of_e(exponent: float) -> str:
    """The size of e to a power that floats needn't hold.

    >>> power_of_e(3.2), power_of_e(1000.0), power_of_e(-1000.0), power_of_e(float("-inf"))
    ('24.5325', '1.97e+434', '5.08e-435', '0')
    """
    if exponent == -math.inf:
        return "0"
    if abs(exponent) < 700:
        return number(math.exp(exponent), 4)
    if not math.isfinite(exponent):
        return "inf"
    tens = exponent / math.log(10)
    if abs(exponent) > 1e12:  # a float's digits say nothing of the mantissa any more
        return f"10^{tens:.6g}"
    whole = math.floor(tens)
    mantissa = f"{10 ** (tens - whole):.2f}"
    return f"1.00e{whole + 1:+d}" if mantissa == "10.00" else f"{mantissa}e{whole:+d}"
