"""The two ends of the conversation: what the terminal can show, and what goes to stderr."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from softmax_cli.cli.bar import Bar
from softmax_cli.cli.options import ColorChoice, Console, ErrorStyle
from softmax_cli.errors import SoftmaxError
from softmax_cli.sinks.base import Screen
from softmax_cli.text import json_escaped, valid, visible

if TYPE_CHECKING:
    from softmax_cli.batch import Source

_FEWEST_LINES = 15  # of a table, however low the window


def wants_color(choice: ColorChoice, is_terminal: bool) -> bool:
    """Decide on colour: the option, then NO_COLOR, FORCE_COLOR and TERM=dumb, then whether a terminal looks on."""
    if choice is not ColorChoice.AUTO:
        return choice is ColorChoice.ALWAYS
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return is_terminal and os.environ.get("TERM") != "dumb"


def _is_terminal(stream: object) -> bool:
    try:
        return bool(stream is not None and stream.isatty())  # type: ignore[attr-defined]
    except ValueError:  # closed
        return False


def stdin_is_terminal() -> bool:
    """Whether a person would have to type the input."""
    return _is_terminal(sys.stdin)


def stdout_width() -> int:
    """The cells of a line on the terminal; 0 where stdout is none."""
    return max(20, shutil.get_terminal_size((80, 24)).columns) if _is_terminal(sys.stdout) else 0


def screen_for(output: str, options: Console, activation: str) -> Screen:
    """What the table can use: the terminal's width and colours, or, into a file or pipe, all the room it needs."""
    is_terminal = output == "-" and _is_terminal(sys.stdout)
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "")
    size = shutil.get_terminal_size((80, 24))
    return Screen(
        width=max(20, size.columns) if is_terminal else 0,
        color=wants_color(options.color, is_terminal) and (output == "-" or options.color is ColorChoice.ALWAYS),
        max_lines=max(_FEWEST_LINES, size.lines - 5) if is_terminal else 0,
        ascii_only=is_terminal and not encoding.startswith("utf"),
        activation=activation,
    )


class Talk:
    """Notes, errors and progress on stderr."""

    def __init__(self, options: Console):
        self._options = options
        self._color = wants_color(options.color, _is_terminal(sys.stderr))
        self._bar: Bar | None = None

    def _line(self, text: str) -> None:
        try:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()
        except (OSError, ValueError, AttributeError):
            # Whoever closed or filled stderr doesn't hear from us, and the interpreter mustn't try again.
            sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123 - for the rest of the process

    def note(self, text: str) -> None:
        """Say which decision was made for the user, unless told to be quiet."""
        if not self._options.quiet and self._options.errors is ErrorStyle.TEXT:
            self._line(f"softmax: note: {visible(text)}")

    def error(self, error: SoftmaxError) -> None:
        """Write an error, with its hint below it, or as a JSON object."""
        if self._options.errors is ErrorStyle.JSON:
            self.record(error.as_record())
            return
        text = f"softmax: {visible(error.describe())}"
        if self._color:
            text = text.replace(f"error[{error.slug}]", f"\x1b[1;31merror[{error.slug}]\x1b[0m", 1)
        self._line(text)
        if error.hint:
            self._line(f"  hint: {visible(error.hint)}")

    def record(self, record: Mapping[str, object]) -> None:
        """Write an object, where stderr is for programs."""
        if self._options.errors is ErrorStyle.JSON:
            sound = {key: valid(item) if isinstance(item, str) else item for key, item in record.items()}
            self._line(json_escaped(json.dumps(sound, ensure_ascii=False)))

    @contextlib.contextmanager
    def inputs(self, total: int) -> Iterator[Callable[[int], None]]:
        """Let the progress of so many inputs, one after the other, be one bar; the result is told how many are done."""
        self._bar = Bar(self._color, total) if self._shows_progress() else None
        try:
            yield (lambda inputs: None) if self._bar is None else self._bar.done
        finally:
            if self._bar is not None:
                self._bar.close()
                self._bar = None

    @contextlib.contextmanager
    def progress(self, source: Source, inputs: int = 1) -> Iterator[Callable[[int], None]]:
        """Show a bar on a terminal for what takes longer than a second; inputs or rows, rate and time left.

        inputs: how many the source reads.
        """
        if self._bar is not None:
            yield self._bar.begin(source, inputs)
            return
        if not self._shows_progress():
            yield lambda rows: None
            return
        bar = Bar(self._color, 1)
        try:
            yield bar.begin(source, 1)
        finally:
            bar.close()

    def _shows_progress(self) -> bool:
        is_wanted = not self._options.quiet and not self._options.no_progress
        return is_wanted and self._options.errors is ErrorStyle.TEXT and _is_terminal(sys.stderr)
