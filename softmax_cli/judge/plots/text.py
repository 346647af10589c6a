"""Small charts of text, for a terminal: plain characters, a line a bin or step."""

from __future__ import annotations

import math

import numpy as np

from softmax_cli.judge.plots.records import Reliability, RiskCoverage, TemperatureCurve

_WIDEST = 100
_LONGEST_BAR = 50
_SHORTEST_BAR = 10
_STEPS = 10  # of coverage
_EIGHTHS = " ▏▎▍▌▋▊▉"


def _bar(share: float, width: int, ascii_only: bool) -> str:
    """A share of 1 as a bar, to an eighth of a cell; anything above 0 shows."""
    eighths = min(8 * width, max(1, round(share * width * 8))) if share > 0 else 0
    full, part = divmod(eighths, 8)
    if ascii_only:
        return ("#" * (full + (part >= 4 or not full))).ljust(width)[:width] if eighths else " " * width
    return ("█" * full + (_EIGHTHS[part] if part else "")).ljust(width)


def _room(width: int, taken: int) -> int:
    return max(_SHORTEST_BAR, min(_LONGEST_BAR, min(width or 80, _WIDEST) - taken))


def _headed(head: str, remark: str, width: int) -> str:
    """A heading, with a remark where there is room for it."""
    return f"{head}  {remark}" if len(head) + 2 + len(remark) <= (width or 80) else head


def reliability_chart(panel: Reliability, width: int = 80, ascii_only: bool = False) -> list[str]:
    """Accuracy in each bin of confidence as a bar, with a mark where it would be if the confidence were right.

    A bar that falls short of its mark is overconfident. width: of the screen, 0 for no screen. Empty bins are left
    out; without any row, no line comes.
    """
    filled = np.flatnonzero(panel.count)
    if not len(filled):
        return []
    rows = max(4, len(f"{int(panel.count.max()):,}"))
    head = f"{'confidence':<11}  {'rows':>{rows}}  {'mean':>6}  accuracy"
    room = _room(width, len(head) + 2)
    mark = "|" if ascii_only else "│"
    lines = [_headed(head, f"(bar: accuracy, {mark}: mean confidence)", width)]
    for place in filled:
        low, high = panel.edges[place], panel.edges[place + 1]
        confidence, accuracy = float(panel.confidence[place]), float(panel.accuracy[place])
        bar = _bar(accuracy, room, ascii_only)
        at = min(room - 1, int(confidence * room))
        drawn = (bar[:at] + mark + bar[at + 1 :]).rstrip()
        lines.append(
            f"{low:.3f}-{high:.3f}  {int(panel.count[place]):>{rows},}  {confidence:>6.4f}  {accuracy:>8.4f}  {drawn}"
        )
    return lines


def risk_coverage_chart(panel: RiskCoverage, width: int = 80, ascii_only: bool = False) -> list[str]:
    """The error rate among the most confident rows, at ten steps of coverage; bars are relative to the largest."""
    if not len(panel.coverage):
        return []
    head = f"{'coverage':>8}  {'risk':>8}"
    room = _room(width, len(head) + 2)
    lines = [_headed(head, "(error rate of the most confident rows)", width)]
    steps = [np.searchsorted(panel.coverage, step / _STEPS - 1e-9) for step in range(1, _STEPS + 1)]
    places = list(dict.fromkeys(min(int(place), len(panel.coverage) - 1) for place in steps))
    top = max((float(panel.risk[place]) for place in places), default=0.0)
    for place in places:
        risk = float(panel.risk[place])
        bar = _bar(risk / top, room, ascii_only).rstrip() if top else ""
        lines.append(f"{100 * float(panel.coverage[place]):>7.1f}%  {risk:>8.4f}  {bar}".rstrip())
    return lines


def temperature_chart(panel: TemperatureCurve, width: int = 80, ascii_only: bool = False) -> list[str]:
    """The NLL at a dozen temperatures, the fitted one and 1 among them; bars are relative to the largest."""
    known = dict(zip(panel.temperatures.tolist(), panel.nll.tolist(), strict=True))
    some = np.unique(np.linspace(0, len(panel.temperatures) - 1, 9).round().astype(int))
    points = {float(panel.temperatures[place]): known[float(panel.temperatures[place])] for place in some}
    points.update({1.0: panel.plain, panel.best[0]: panel.best[1]})
    points = {heat: nll for heat, nll in sorted(points.items()) if math.isfinite(nll)}
    head = f"{'T':>9}  {'NLL':>10}"
    room = _room(width, len(head) + 2 + len("  fitted"))
    top = max(points.values(), default=0.0)
    names = {1.0: "  as given", panel.best[0]: "  fitted"}
    lines = [head]
    for heat, nll in points.items():
        bar = _bar(nll / top, room, ascii_only).rstrip() if top > 0 else ""
        lines.append(f"{heat:>9.4g}  {nll:>10.4f}  {bar}{names.get(heat, '')}".rstrip())
    return lines
