"""Windows of texts: read ahead as far as a window goes, the empty ones named, the rest handed to the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from softmax_cli.batch import Fault, TextBatch
from softmax_cli.errors import InputError, Location
from softmax_cli.model.feeding import Feed, InOrder, Window
from softmax_cli.text import visible

WINDOW_BATCHES = 16
WINDOW_CHARACTERS = 1 << 21

S = TypeVar("S")


class Texts(Protocol):
    """A source of texts, as the readers make them."""

    @property
    def name(self) -> str:
        """The input as given."""
        ...

    @property
    def one_pass(self) -> bool:
        """Whether it's a pipe, which may be slow."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """The decisions that were made for the user."""
        ...

    @property
    def facts(self) -> Mapping[str, Any]:
        """What is known of the input."""
        ...

    @property
    def total_rows(self) -> int | None:
        """How many texts there are; None where only reading tells."""
        ...

    def share_read(self) -> float | None:
        """How much was read so far, from 0 to 1."""
        ...

    def __iter__(self) -> Iterator[TextBatch]:
        """Read from the start."""
        ...


class Preparing(Protocol[S]):
    """What a feeder asks of a model: texts made samples, then samples made feeds."""

    def prepare(self, texts: Sequence[str]) -> tuple[Sequence[S | None], int]:
        """Make a sample of each text, None where there is nothing in it; and count those that were cut."""
        ...

    def feeds(self, samples: Sequence[S], batch_size: int) -> list[Feed]:
        """Put samples into batches; `places` are positions among the samples."""
        ...

    def truncation_note(self, count: int) -> str:
        """Say that so many texts were cut."""
        ...


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A text that waits for its window to be full, or the error of a row without one."""

    text: str
    row: int
    id: str
    error: InputError | None = None


class TextFeeder(InOrder, Generic[S]):
    """Makes a source of texts into windows of a model's tensors; one pass.

    A pipe isn't waited for: a window ends with what has arrived. truncated: how many texts were too long so far.
    """

    def __init__(self, source: Texts, model: Preparing[S], batch_size: int):
        self.name = source.name
        self.notes: Sequence[str] = tuple(source.notes)
        self.facts: Mapping[str, Any] = source.facts
        self.total_rows = source.total_rows
        self.truncated = 0
        self._source, self._model, self._batch_size = source, model, batch_size
        self._has_ids = False

    def share_read(self) -> float | None:
        """How much was read so far, from 0 to 1; None where rows tell better, or nothing does."""
        return self._source.share_read()

    @property
    def late_notes(self) -> Sequence[str]:
        """What is known only at the end: how many texts were cut."""
        return (self._model.truncation_note(self.truncated),) if self.truncated else ()

    def __iter__(self) -> Iterator[Window]:
        return map(self._window, self._gathered())

    def _gathered(self) -> Iterator[list[_Waiting]]:
        waiting: list[_Waiting] = []
        characters = 0
        for batch in self._source:
            self._has_ids = batch.ids is not None
            ids = [""] * len(batch) if batch.ids is None else batch.ids
            faults = list(batch.faults)
            for place, (text, row, row_id) in enumerate(zip(batch.texts, batch.rows.tolist(), ids, strict=True)):
                while faults and faults[0].place <= place:
                    waiting.append(_Waiting("", -1, "", faults.pop(0).error))
                waiting.append(_Waiting(text, row, row_id))
                characters += len(text)
                if len(waiting) >= WINDOW_BATCHES * self._batch_size or characters > WINDOW_CHARACTERS:
                    yield waiting
                    waiting, characters = [], 0
            waiting += [_Waiting("", -1, "", fault.error) for fault in faults]
            if waiting and self._source.one_pass:
                yield waiting
                waiting, characters = [], 0
        if waiting:
            yield waiting

    def _window(self, waiting: Sequence[_Waiting]) -> Window:
        blank = [not item.text.strip() for item in waiting]
        prepared, cut = self._model.prepare(
            [item.text for item, empty in zip(waiting, blank, strict=True) if not empty]
        )
        self.truncated += cut
        following = iter(prepared)
        samples: list[S] = []
        kept: list[_Waiting] = []
        faults: list[Fault] = []
        for item, empty in zip(waiting, blank, strict=True):
            sample = None if empty else next(following)
            if sample is None:
                faults.append(Fault(len(samples), item.error or self._empty(item, empty)))
            else:
                samples.append(sample)
                kept.append(item)
        feeds = self._model.feeds(samples, self._batch_size) if samples else []
        ids = [item.id for item in kept] if self._has_ids else None
        rows = np.array([item.row for item in kept], np.int64)
        return Window(self.name, rows, feeds, ids, faults=faults)

    def _empty(self, item: _Waiting, blank: bool) -> InputError:
        message = "the text is empty" if blank else f"no token is left of the text {visible(item.text, 30)!r}"
        return InputError("empty-text", message, at=Location(self.name, row=item.row))
