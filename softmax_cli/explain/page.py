"""The explanation as a page: which formats there are, and the writing of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from softmax_cli.errors import UsageError
from softmax_cli.explain import as_json, markdown, terminal
from softmax_cli.explain.steps import document
from softmax_cli.judge.explanation import Explanation
from softmax_cli.judge.plots.records import Bars, Picture
from softmax_cli.sinks.base import Screen
from softmax_cli.sinks.target import STDOUT, open_target

_MOST_BARS = 50  # of a picture


@dataclass(frozen=True, slots=True)
class PageFormat:
    """One row of the table: how a page is made, and the suffixes that choose it."""

    render: Callable[[Explanation, Screen], str]
    suffixes: tuple[str, ...]


FORMATS: Mapping[str, PageFormat] = MappingProxyType(
    {
        "text": PageFormat(lambda explanation, screen: terminal.render(document(explanation), screen), (".txt",)),
        "json": PageFormat(lambda explanation, screen: as_json.render(explanation), (".json",)),
        "markdown": PageFormat(lambda explanation, screen: markdown.render(document(explanation)), (".md",)),
    }
)


def choose_format(name: str | None, output: str) -> str:
    """Choose the format: as named, else by the output's suffix, else text.

    Raises UsageError for an unknown name or suffix.
    """
    if name is not None:
        name = "text" if name == "table" else name  # what other commands call their page for people
        if name not in FORMATS:
            raise UsageError(f"--format {name}: expected one of {', '.join(FORMATS)}")
        return name
    if output == STDOUT:
        return "text"
    suffix = Path(output).suffix.lower()
    found = next((key for key, row in FORMATS.items() if suffix in row.suffixes), None)
    if found is None:
        known = ", ".join(suffix for row in FORMATS.values() for suffix in row.suffixes)
        raise UsageError(f"{output!r}: the suffix tells no format", hint=f"use one of {known}, or --format NAME")
    return found


def write(explanation: Explanation, format_name: str, output: str, screen: Screen) -> None:
    """Write the page to a file or stdout; the file is complete, or not there."""
    text = FORMATS[format_name].render(explanation, screen)
    with open_target(output) as target:
        target.write(text.encode("ascii" if screen.ascii_only else "utf-8", "backslashreplace"))


def picture(explanation: Explanation) -> Picture:
    """The shown classes as bars, the most likely first; at the other temperature beside them, if there is one."""
    plain, tempered = explanation.plain, explanation.tempered
    order = sorted(explanation.shown, key=lambda index: -plain.log_probabilities[index])[:_MOST_BARS]
    hidden = len(explanation) - len(order)
    title = explanation.origin or f"The softmax of {len(explanation):,} logit{'' if len(explanation) == 1 else 's'}"
    bars = Bars(
        title + (f" ({hidden:,} more class{'' if hidden == 1 else 'es'})" if hidden else ""),
        [explanation.label(index) for index in order],
        [float(plain.probabilities[index]) for index in order],
        "T = 1" if tempered is not None else "probability",
        None if tempered is None else [float(tempered.probabilities[index]) for index in order],
        "" if tempered is None else f"T = {tempered.temperature:g}",
    )
    return Picture("", (bars,))
