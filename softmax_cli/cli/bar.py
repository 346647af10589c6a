"""The progress bar: of one input by its rows, of several by how many are done."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from softmax_cli.text import visible

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from softmax_cli.batch import Source

_AFTER_SECONDS = 1.0
_BETWEEN_SECONDS = 0.05


class Bar:
    """A bar that appears only once something has taken a second.

    total: how many inputs there are; those done count, and the part of the one at work that was read.
    """

    def __init__(self, color: bool, total: int):
        self._color = color
        self._total = total
        self._done = 0
        self._rows = 0
        self._source: Source | None = None
        self._inputs = 1  # that the source at work reads
        self._rows_before = 0
        self._begin = time.monotonic()
        self._shown_at = self._begin
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def begin(self, source: Source, inputs: int) -> Callable[[int], None]:
        """Begin with a source that reads some of the inputs; returns what takes the rows of each batch."""
        self._source, self._inputs, self._rows_before = source, inputs, self._rows
        return self._advance

    def done(self, inputs: int) -> None:
        """Count inputs as done, whatever became of them."""
        self._done += inputs

    def close(self) -> None:
        """Take the bar away."""
        if self._progress is not None:
            self._progress.stop()

    def _advance(self, rows: int) -> None:
        self._rows += rows
        now = time.monotonic()
        if now - self._begin < _AFTER_SECONDS or now - self._shown_at < _BETWEEN_SECONDS or self._source is None:
            return
        self._shown_at = now
        if self._progress is None or self._task is None:
            self._progress = _make_progress(self._color)
            self._task = self._progress.add_task("", total=None, text="")
            self._progress.start()
        share = self._share()
        total = None if share is None else 1.0
        description = visible(self._source.name, 40)
        self._progress.update(self._task, description=description, completed=share or 0, total=total, text=self._text())

    def _share(self) -> float | None:
        """How much is done, from 0 to 1, where that is known."""
        assert self._source is not None
        of_source = self._source.share_read()
        if of_source is None and self._source.total_rows:
            of_source = (self._rows - self._rows_before) / self._source.total_rows
        if self._total <= self._inputs:
            return of_source
        return (self._done + self._inputs * (of_source or 0)) / self._total

    def _text(self) -> str:
        assert self._source is not None
        rate = f"{self._rows / (time.monotonic() - self._begin):,.0f}/s"
        if self._total > self._inputs:
            return f"{self._done:,} of {self._total:,} inputs  {self._rows:,} rows  {rate}"
        total = self._source.total_rows
        return f"{self._rows:,}{f' of {total:,}' if total else ''} rows  {rate}"


def _make_progress(color: bool) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[text]}", markup=False),
        TimeRemainingColumn(),
        console=Console(stderr=True, no_color=not color),
        transient=True,
    )
