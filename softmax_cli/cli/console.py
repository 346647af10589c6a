"""The two ends of the conversation: what the terminal can show, and what goes to stderr."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from softmax_cli.cli.options import ColorChoice, Console, ErrorStyle
from softmax_cli.errors import SoftmaxError
from softmax_cli.sinks.base import Screen
from softmax_cli.text import json_escaped, valid, visible

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from softmax_cli.batch import Source

_FEWEST_LINES = 15  # of a table, however low the window
_PROGRESS_AFTER_SECONDS = 1.0


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
    def progress(self, source: Source) -> Iterator[Callable[[int], None]]:
        """Show a bar on a terminal for what takes longer than a second; rows, rate and time left."""
        shown = not self._options.quiet and not self._options.no_progress and self._options.errors is ErrorStyle.TEXT
        if not shown or not _is_terminal(sys.stderr):
            yield lambda rows: None
            return
        bar = _Bar(source, self._color)
        try:
            yield bar.advance
        finally:
            bar.close()


class _Bar:
    """A progress bar that appears only once something has taken a second: by rows, or by the share of a file read."""

    def __init__(self, source: Source, color: bool):
        self._source = source
        self._color = color
        self._rows = 0
        self._begin = time.monotonic()
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def advance(self, rows: int) -> None:
        """Count the rows of a batch, and show them."""
        self._rows += rows
        if time.monotonic() - self._begin < _PROGRESS_AFTER_SECONDS:
            return
        if self._progress is None or self._task is None:
            self._progress = _make_progress(self._color)
            self._task = self._progress.add_task(visible(self._source.name, 40), total=None, rows="")
            self._progress.start()
        share = self._source.share_read()
        total = self._source.total_rows
        if share is None and total:
            share = self._rows / total
        rate = self._rows / (time.monotonic() - self._begin)
        text = f"{self._rows:,}{f' of {total:,}' if total else ''} rows  {rate:,.0f}/s"
        self._progress.update(self._task, completed=share or 0, total=None if share is None else 1.0, rows=text)

    def close(self) -> None:
        """Take the bar away."""
        if self._progress is not None:
            self._progress.stop()


def _make_progress(color: bool) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]}", markup=False),
        TimeRemainingColumn(),
        console=Console(stderr=True, no_color=not color),
        transient=True,
    )
