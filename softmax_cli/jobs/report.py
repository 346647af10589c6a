"""What became of a run, in one line or one object."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from softmax_cli.jobs.rank_many import Ledger


@dataclass(frozen=True)
class Clock:
    """Measures a run from when it is made."""

    begin: float = field(default_factory=time.monotonic)

    def seconds(self) -> float:
        """How long it takes so far."""
        return time.monotonic() - self.begin


def count(number: int, what: str) -> str:
    """A number of things in words: `1 row`, `2,000 rows`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def failures_by_slug(ledger: Ledger) -> dict[str, int]:
    """How many rows and inputs failed by each slug, the most frequent first."""
    return dict(Counter(error.slug for error in ledger.failures).most_common())


def in_words(ledger: Ledger, seconds: float) -> str:
    """Rows, inputs, time and rate, and the failures by slug."""
    rate = f" ({ledger.rows / seconds:,.0f} rows/s)" if seconds >= 0.1 and ledger.rows else ""
    text = f"{count(ledger.rows, 'row')} of {count(ledger.done - ledger.before, 'input')} ranked"
    text += f" in {_duration(seconds)}{rate}"
    if ledger.before:
        text += f"; {ledger.before:,} more were done before"
    if ledger.failures:
        slugs = ", ".join(f"{number:,} {slug}" for slug, number in failures_by_slug(ledger).items())
        text += f"; {count(len(ledger.failures), 'error')}: {slugs}"
    return text


def as_record(ledger: Ledger, seconds: float) -> dict[str, Any]:
    """The same for `--errors json`."""
    return {
        "type": "report",
        "inputs": ledger.done - ledger.before,
        "inputs_before": ledger.before,
        "rows": ledger.rows,
        "seconds": round(seconds, 3),
        "failures": failures_by_slug(ledger),
    }


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02} min"
