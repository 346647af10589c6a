"""The figures of a comparison by name, and limits on them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from softmax_cli.errors import UsageError
from softmax_cli.judge.comparison import Tally

_SPREADS = ("kl", "kl_reverse", "js", "total_variation")
_ENDS = ("", "-p50", "-p90", "-p99", "-max")  # of the mean, and the others


@dataclass(frozen=True, slots=True)
class Limit:
    """A figure that mustn't be above a value."""

    figure: str
    most: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a limit."""

    limit: Limit
    value: float

    @property
    def exceeded(self) -> bool:
        """Whether the figure is above the limit, or isn't known, as no rows were compared."""
        return not self.value <= self.limit.most

    def message(self) -> str:
        """The outcome in a line."""
        name, most = self.limit.figure, self.limit.most
        if math.isnan(self.value):
            return f"{name} isn't known, as no rows were compared; the limit is {most:g}"
        return f"{name} is {self.value:.6g}, above the limit of {most:g}"


def figure_names(top: Sequence[int]) -> list[str]:
    """The figures that a limit can be set on."""
    spread = [f"{name.replace('_', '-')}{end}" for name in _SPREADS for end in _ENDS]
    fixed = ["mean-probability", "max-probability", "mean-logit", "max-logit", "rank-change", "rank-change-max"]
    return [*spread, *fixed, *(f"top{k}-disagreement" for k in top)]


def figures(tally: Tally) -> dict[str, float]:
    """The figures that a limit can be set on, by the names of `figure_names`."""
    found: dict[str, float] = {}
    for name in _SPREADS:
        summary = tally.figures[name].summary(tally.rows)
        found |= {f"{name.replace('_', '-')}{end}": summary[end[1:] or "mean"] for end in _ENDS}
    found["mean-probability"] = tally.probability.mean(tally.values)
    found["max-probability"] = tally.figures["max_probability"].summary(tally.rows)["max"]
    found["mean-logit"] = tally.logit.mean(tally.values)
    found["max-logit"] = tally.max_logit if tally.rows else math.nan
    found["rank-change"] = tally.agreement.falls / tally.rows if tally.rows else math.nan
    found["rank-change-max"] = tally.agreement.fall.greatest if tally.rows else math.nan
    for k, row in shares(tally).items():
        found[f"top{k}-disagreement"] = 1.0 - row["overlap"]
    return found


def parse_limits(texts: Sequence[str], top: Sequence[int]) -> tuple[Limit, ...]:
    """Read limits such as `kl=0.01`.

    Raises UsageError for an unknown figure, or what isn't a number from 0 on.

    >>> parse_limits(["kl=0.01"], [1])
    (Limit(figure='kl', most=0.01),)
    """
    known = figure_names(top)
    limits = []
    for text in texts:
        name, _, number = text.partition("=")
        name = name.strip().lower()
        if name not in known:
            hint = f"the figures are {', '.join(known)}"
            raise UsageError(f"--fail-above {text}: no figure {name!r}", hint=hint)
        try:
            most = float(number)
        except ValueError:
            most = math.nan
        if not 0 <= most < math.inf:
            raise UsageError(f"--fail-above {text}: expected a number from 0 on, as in {name}=0.01")
        limits.append(Limit(name, most))
    return tuple(limits)


def judge(tally: Tally, limits: Sequence[Limit]) -> tuple[Verdict, ...]:
    """Hold the figures against their limits."""
    found = figures(tally)
    return tuple(Verdict(limit, found.get(limit.figure, math.nan)) for limit in limits)


def shares(tally: Tally) -> dict[int, dict[str, float]]:
    """Of each k: the share of the top k that is in both, of rows with the same top k, of winners within it."""
    rows = tally.rows
    classes = tally.values // rows if rows else 0
    return {
        k: {
            "overlap": row.common / (rows * min(k, classes)),
            "same": row.same / rows,
            "winner_within": row.holds / rows,
        }
        for k, row in sorted(tally.agreement.top.items())
        if rows
    }
