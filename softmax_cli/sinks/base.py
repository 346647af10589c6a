"""What every sink shares: its options, and what it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from softmax_cli.batch import Ranked


@dataclass(frozen=True, slots=True)
class SinkOptions:
    """How results are written.

    layout: long or wide. several: whether more than one input goes into this output. name: for messages. mixed:
    whether inputs may differ in their type of numbers. csv_safe: whether cells that a spreadsheet would take for a
    formula are marked as text. jobs: threads that encode.
    """

    layout: str = "long"
    several: bool = False
    name: str = "-"
    mixed: bool = False
    csv_safe: bool = False
    jobs: int = 1


@dataclass(frozen=True, slots=True)
class Screen:
    """How the table looks: its width in columns (0: as wide as it needs), colour, and the lines it may take.

    max_lines: 0 shows everything. activation: what the probabilities are.
    """

    width: int = 0
    color: bool = False
    max_lines: int = 0
    ascii_only: bool = False
    activation: str = "softmax"


@dataclass(frozen=True, slots=True)
class Section:
    """One table of a report: the names of its columns, and its rows of texts as long.

    texts: the columns of foreign texts, which stand left and may be cut; the first always stands left.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: Sequence[int] = ()


class Sink(Protocol):
    """Takes ranked batches in order; `close` completes the output, `abort` gives it up."""

    def write(self, ranked: Ranked) -> None:
        """Write the rows of one batch."""
        ...

    def flush(self) -> None:
        """Write what waits for more to be written with it: nothing, for most."""
        return

    def close(self) -> None:
        """Complete the output."""
        ...

    def abort(self) -> None:
        """Release what is held, without completing the output."""
        ...


class EncodingSink(Sink, Protocol):
    """A sink whose work on a batch can be done ahead: once the first is written, on any thread, in any order."""

    def encode(self, ranked: Ranked) -> Any:
        """Turn a batch into what `put` takes."""
        ...

    def put(self, encoded: Any) -> None:
        """Write an encoded batch; `write` is both."""
        ...


class ResumableSink(Sink, Protocol):
    """A sink whose output a later run can go on with.

    head_bytes: how many bytes of its first write stand before the first row.
    """

    head_bytes: int

    @property
    def columns(self) -> Mapping[str, Any]:
        """What the first batch decided for all later ones; empty before it, or where there is nothing to decide."""
        ...

    def go_on(self, columns: Mapping[str, Any]) -> None:
        """Take what was decided, before the first write; what stands before the first row is there already."""
        ...
