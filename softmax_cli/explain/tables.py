"""Tables of the shown classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from softmax_cli.explain.document import Cell, Table
from softmax_cli.judge.explanation import Explanation, Float64Array
from softmax_cli.sinks.cells import shown


def labels(explanation: Explanation) -> list[str]:
    """The names of the shown classes."""
    return [explanation.label(index) for index in explanation.shown]


def class_name(explanation: Explanation, index: int) -> str:
    """How a sentence calls a class."""
    return f"class {index}" if explanation.names is None else shown(explanation.names[index])


def of_shown(explanation: Explanation, values: Float64Array) -> list[float]:
    """The shown classes' values of a (classes,) array."""
    return [float(values[index]) for index in explanation.shown]


def class_table(
    explanation: Explanation,
    columns: Mapping[str, Sequence[Cell]],
    total: Sequence[Cell] = (),
    spare: Sequence[str] = (),
) -> Table:
    """A table with a row for each shown class, the most likely one set apart; `total` holds the sums over all."""
    rows = list(zip(labels(explanation), *columns.values(), strict=True))
    strong = frozenset(place for place, index in enumerate(explanation.shown) if index == explanation.argmax)
    name = "sum" if len(explanation.shown) == len(explanation) else "sum of all"
    return Table(("class", *columns), rows, strong, (name, *total) if total else None, spare)
