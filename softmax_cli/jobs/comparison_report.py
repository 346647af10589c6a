"""A comparison as a record for programs, and as tables for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from softmax_cli.judge.comparison import Tally, Winner, WorstRow
from softmax_cli.judge.limits import Verdict, shares
from softmax_cli.sinks.base import Section
from softmax_cli.text import valid

_BITS = 1 / math.log(2)
_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "kl": "KL(A‖B)",
        "kl_reverse": "KL(B‖A)",
        "js": "JS",
        "total_variation": "total variation",
        "max_probability": "largest |Δp|",
    }
)
_IN_NATS = ("kl", "kl_reverse", "js")


@dataclass(frozen=True, slots=True)
class Side:
    """One of both inputs: as given, and what its values were taken for."""

    name: str
    activation: str


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of a comparison, with what they're of.

    matched: how rows were. labels: the names of the classes, where they're known.
    """

    tally: Tally
    a: Side
    b: Side
    classes: int
    matched: str
    labels: Sequence[str] | None = None
    verdicts: tuple[Verdict, ...] = ()

    def label(self, index: int) -> str:
        """The name of a class: its index as text where no names are known."""
        return str(index) if self.labels is None else self.labels[index]


def as_record(report: Report) -> dict[str, Any]:
    """All figures; null for what isn't finite: `infinite_rows` says of how many rows KL is."""
    tally = report.tally
    rows = tally.rows
    record: dict[str, Any] = {
        "a": {"source": valid(report.a.name), "activation": report.a.activation},
        "b": {"source": valid(report.b.name), "activation": report.b.activation},
        "rows": rows,
        "classes": report.classes,
        "matched_by": report.matched,
        "top": [{"k": k, **row} for k, row in shares(tally).items()],
        "rank_change": {"mean": _share(tally.agreement.falls, rows), **_spread(tally.agreement.fall, rows)},
        "kendall": _kendall(tally),
    }
    for name in _TITLES:
        summary = tally.figures[name].summary(rows)
        record[name] = {key: _finite(value) for key, value in summary.items()}
        if name in _IN_NATS:
            record[name] |= {"mean_bits": _finite(summary["mean"] * _BITS)}
    record["infinite_rows"] = tally.infinite
    record["probability_difference"] = {
        "mean": _finite(tally.probability.mean(tally.values)),
        "max": record["max_probability"]["max"],
    }
    alike = report.a.activation == report.b.activation
    record["logit_difference"] = {
        "mean": _finite(tally.logit.mean(tally.values)) if alike else None,
        "max": _finite(tally.max_logit) if rows and alike else None,
    }
    record["worst"] = [_worst(report, row) for row in tally.worst]
    record["limits"] = [
        {
            "figure": item.limit.figure,
            "limit": item.limit.most,
            "value": _finite(item.value),
            "exceeded": item.exceeded,
        }
        for item in report.verdicts
    ]
    return record


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _share(count: int, of: int) -> float | None:
    return count / of if of else None


def _spread(spread: Any, rows: int) -> dict[str, float | None]:
    quantiles = {f"p{round(100 * share)}": _finite(spread.quantile(share)) for share in (0.5, 0.9, 0.99)}
    return {**quantiles, "max": spread.greatest if rows else None}


def _kendall(tally: Tally) -> dict[str, Any] | None:
    """Kendall's τ over the top classes; there is none for a single class."""
    classes = tally.values // tally.rows if tally.rows else 0
    k = min(max(tally.options.top), classes)
    if k < 2:
        return None
    return {"k": k, "mean": tally.agreement.kendall.mean(tally.rows), "min": tally.agreement.kendall_least}


def _worst(report: Report, row: WorstRow) -> dict[str, Any]:
    record: dict[str, Any] = {"source": valid(row.source), "row": row.row}
    if row.id is not None:
        record["id"] = valid(row.id)
    record |= {"kl": _finite(row.kl), "js": row.js, "max_probability": row.max_probability}
    for name, winner in (("a", row.a), ("b", row.b)):
        label = valid(report.label(winner.index))
        record[name] = {"index": winner.index, "label": label, "probability": winner.probability}
    return record


def as_sections(report: Report) -> list[Section]:
    """The same as tables; what isn't known is a dash."""
    tally = report.tally
    return [
        _overview(report),
        _agreement(tally),
        _divergences(tally),
        _differences(report),
        _worst_rows(report),
        _limits(report),
    ]


def _overview(report: Report) -> Section:
    rows = [
        ("A", _described(report.a)),
        ("B", _described(report.b)),
        ("rows", f"{report.tally.rows:,}, matched by {report.matched}"),
        ("classes", f"{report.classes:,}"),
    ]
    if report.tally.infinite:
        rows.append(("KL", f"infinite in {_count(report.tally.infinite)}"))
    return Section("compared", ("", ""), rows, (1,))


def _described(side: Side) -> str:
    return side.name if side.activation == "softmax" else f"{side.name} ({side.activation})"


def _agreement(tally: Tally) -> Section:
    rows = [
        (f"top {k:,}", _percent(row["overlap"]), _percent(row["same"]), _percent(row["winner_within"]))
        for k, row in shares(tally).items()
    ]
    return Section("agreement", ("", "classes in both", "rows with all", "A's winner in B's"), rows)


def _differences(report: Report) -> Section:
    """Mean and greatest differences; logits and probabilities as values have none."""
    tally = report.tally
    if not tally.rows:
        return Section("", ("",), [])
    falls = tally.agreement.fall
    probability = tally.figures["max_probability"].summary(tally.rows)["max"]
    rows = [
        ("probability", _number(tally.probability.mean(tally.values)), _number(probability)),
        ("ranks that A's winner falls in B", _number(tally.agreement.falls / tally.rows), f"{falls.greatest:,.0f}"),
    ]
    if report.a.activation == report.b.activation:
        rows.insert(1, ("logit", _number(tally.logit.mean(tally.values)), _number(tally.max_logit)))
    kendall = _kendall(tally)
    if kendall is not None:
        rows.append((f"1 − Kendall's τ of A's top {kendall['k']}", *_less(kendall)))
    return Section("differences", ("", "mean", "max"), rows)


def _less(kendall: dict[str, Any]) -> tuple[str, str]:
    """How far Kendall's τ is from that of equal orders."""
    return _number(1.0 - kendall["mean"]), _number(1.0 - kendall["min"])


def _divergences(tally: Tally) -> Section:
    rows = []
    for name, title in _TITLES.items():
        summary = tally.figures[name].summary(tally.rows)
        bits = _number(summary["mean"] * _BITS, 3) if name in _IN_NATS else ""
        rows.append((title, *(_number(value, 3) for value in summary.values()), bits))
    header = ("", "mean", "p50", "p90", "p99", "max", "mean, bits")
    return Section("divergence, nats", header, rows if tally.rows else [])


def _count(rows: int) -> str:
    return f"{rows:,} row{'' if rows == 1 else 's'}"


def _worst_rows(report: Report) -> Section:
    rows = []
    for row in report.tally.worst:
        name = row.id if row.id is not None else f"{row.source}: {row.row}" if row.source != report.a.name else row.row
        rows.append((str(name), _number(row.kl), *_winner(report, row.a), *_winner(report, row.b)))
    return Section("worst rows, by KL", ("", "KL(A‖B)", "A", "p", "B", "p"), rows, (0, 2, 4))


def _winner(report: Report, winner: Winner) -> tuple[str, str]:
    return report.label(winner.index), f"{winner.probability:.4f}"


def _limits(report: Report) -> Section:
    rows = [
        (item.limit.figure, _number(item.value), f"{item.limit.most:g}", "exceeded" if item.exceeded else "kept")
        for item in report.verdicts
    ]
    return Section("limits", ("", "value", "limit", ""), rows)


def _percent(share: float) -> str:
    return f"{100 * share:.2f}%" if share in (0, 1) or 0.00005 <= share <= 0.99995 else f"{100 * share:.6g}%"


def _number(value: float, digits: int = 4) -> str:
    if math.isnan(value):
        return "-"
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    return f"{value:.{digits}g}"
