"""What a model is fed: the tensors of its runs, and which samples they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import Fault

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Feed:
    """The tensors of one run, by input name, batch axis first.

    places: (samples,) int64, which samples of the window these are; the tensors may hold more (a fixed batch that
    was filled up), whose results are dropped. keep: (samples, length) bool for sequences, the positions that are
    real and not padding or special; tokens: the texts at these, sample by sample.
    """

    tensors: Mapping[str, NDArray[Any]]
    places: NDArray[np.int64]
    keep: NDArray[np.bool_] | None = None
    tokens: Sequence[Sequence[str]] | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """Consecutive samples of an input, fed in one run or several, in whatever order suits the model.

    rows: (samples,) int64, their numbers. sources: the input of each, where they differ. faults: inputs that failed
    among them; a place counts samples.
    """

    source: str
    rows: NDArray[np.int64]
    feeds: Sequence[Feed]
    ids: Sequence[str] | None = None
    sources: Sequence[str] | None = None
    faults: Sequence[Fault] = ()


class Feeder(Protocol):
    """Makes an input, or many, into windows of a model's tensors; one pass."""

    @property
    def name(self) -> str:
        """The input as given, or what stands for several."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """The decisions that were made for the user."""
        ...

    @property
    def late_notes(self) -> Sequence[str]:
        """What is known only once all was read."""
        ...

    @property
    def facts(self) -> Mapping[str, Any]:
        """What is known of the input."""
        ...

    @property
    def total_rows(self) -> int | None:
        """How many samples there are; None where only reading tells."""
        ...

    def share_read(self) -> float | None:
        """How much was read so far, from 0 to 1; None where samples tell better, or nothing does."""
        ...

    def through(self, run: Callable[[Window], R]) -> Iterator[tuple[Window, R]]:
        """Read from the start, and give each window to `run`, in order; or several at once, on threads."""
        ...


class InOrder:
    """A feeder whose windows go to the model one after the other, as they are read."""

    def __iter__(self) -> Iterator[Window]:
        raise NotImplementedError

    def through(self, run: Callable[[Window], R]) -> Iterator[tuple[Window, R]]:
        """Give each window to `run`."""
        return ((window, run(window)) for window in self)
