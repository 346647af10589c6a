"""One drawing for each kind of panel, on matplotlib's axes.

Colours: Okabe and Ito, "Color universal design" (2008), and the map cividis (Nuñez, Anderton and Renslow 2018): both
are told apart with every kind of colour vision, and on grey paper.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from softmax_cli.judge.plots.fonts import drawable
from softmax_cli.judge.plots.records import (
    Bars,
    ConfusedPairs,
    Confusion,
    Histogram,
    Reliability,
    RiskCoverage,
    TemperatureCurve,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#E69F00", "#009E73", "#666666"
_LEGEND: dict[str, Any] = {"framealpha": 0.85, "edgecolor": "none"}  # readable on top of bars
_PLAIN: dict[str, Any] = {"parse_math": False}  # a $ in a name is a $
_MOST_CLASSES = 20  # with names beside the matrix
_MOST_NUMBERS = 12  # classes, up to which each cell holds its count
_LIGHT = 0.3  # a share whose colour takes black numbers
_MOST_PAIRS = 15
_LONGEST_NAME = 24


def _title(axes: Axes, text: str, note: str = "") -> None:
    axes.set_title(text, loc="left", fontsize=11, fontweight="bold", **_PLAIN)
    if note:
        axes.set_title(note, loc="right", fontsize=9, color=GREY, **_PLAIN)


def _figure(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4f}"


def reliability(axes: Axes, panel: Reliability) -> None:
    """Accuracy over confidence: bars, and the gap to the diagonal of perfect calibration."""
    filled = panel.count > 0
    left, width = panel.edges[:-1][filled], np.diff(panel.edges)[filled]
    accuracy, confidence = panel.accuracy[filled], panel.confidence[filled]
    line: dict[str, Any] = {"edgecolor": "white", "linewidth": 0.5}
    axes.bar(left, accuracy, width, align="edge", color=BLUE, label="accuracy", **line)
    axes.bar(
        left,
        confidence - accuracy,
        width,
        bottom=accuracy,
        align="edge",
        facecolor="none",
        edgecolor=ORANGE,
        hatch="////",
        linewidth=1,
        label="gap to the confidence",
    )
    axes.plot([0, 1], [0, 1], color="black", linestyle="--", linewidth=1, zorder=3, label="perfectly calibrated")
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy")
    axes.legend(loc="best", fontsize=8, **_LEGEND)
    _title(axes, panel.title, f"ECE {_figure(panel.ece)}")


def histogram(axes: Axes, panel: Histogram) -> None:
    """How many rows have which confidence; the mean beside the accuracy."""
    bins = panel.reliability
    rows = int(bins.count.sum())
    share = bins.count / max(1, rows)
    axes.bar(bins.edges[:-1], share, np.diff(bins.edges), align="edge", color=BLUE, edgecolor="white", linewidth=0.5)
    means = (
        (bins.mean_confidence(), ORANGE, "-", "mean confidence"),
        (bins.mean_accuracy(), "black", "--", "accuracy"),
    )
    for value, color, style, name in means:
        if not math.isnan(value):
            axes.axvline(value, color=color, linestyle=style, linewidth=2, label=f"{name} {value:.3f}")
    axes.set(xlim=(0, 1), ylim=(0, 1.05 * max(share.max(initial=0), 0.05)), xlabel="confidence", ylabel="share of rows")
    if rows:
        axes.legend(loc="best", fontsize=8, **_LEGEND)
    _title(axes, "Confidence", f"{rows:,} row{'' if rows == 1 else 's'}")


def risk_coverage(axes: Axes, panel: RiskCoverage) -> None:
    """The error rate if only the most confident rows are answered."""
    axes.plot(panel.coverage, panel.risk, color=BLUE, linewidth=2, label="most confident first")
    if len(panel.risk):
        axes.axhline(
            float(panel.risk[-1]), color=GREY, linestyle="--", linewidth=1, label=f"all rows: {panel.risk[-1]:.4f}"
        )
        axes.legend(loc="best", fontsize=8, **_LEGEND)
    top = float(np.nanmax(panel.risk, initial=0))
    axes.set(
        xlim=(0, 1), ylim=(0, 1.3 * top or 1), xlabel="coverage (share of rows answered)", ylabel="risk (error rate)"
    )
    _title(axes, "Risk and coverage", f"AURC {_figure(panel.area)}")


def most_confused(matrix: NDArray[Any]) -> NDArray[np.int64]:
    """The classes of the most frequent confusions, in class order."""
    errors = matrix.copy()
    np.fill_diagonal(errors, 0)
    chosen: list[int] = []
    for place in np.argsort(-errors, axis=None, kind="stable"):
        pair = divmod(int(place), len(matrix))
        new = [index for index in dict.fromkeys(pair) if index not in chosen]
        if len(chosen) + len(new) > _MOST_CLASSES or not errors[pair]:
            break
        chosen += new
    rest = (index for index in range(len(matrix)) if index not in set(chosen))
    while len(chosen) < _MOST_CLASSES:
        chosen.append(next(rest))
    return np.array(sorted(chosen))


def confusion(axes: Axes, panel: Confusion) -> None:
    """Which class was taken for which, as shares of the true class; of many classes those most confused."""
    from matplotlib.colors import PowerNorm

    whole = np.asarray(panel.matrix)
    picked = np.arange(len(whole)) if len(whole) <= _MOST_CLASSES else most_confused(whole)
    matrix = whole[np.ix_(picked, picked)]
    rows = whole.sum(axis=1)[picked]
    share = matrix / np.maximum(rows, 1)[:, None]
    scale = PowerNorm(0.5, 0, 1)  # the square root: rare confusions are seen beside the diagonal
    image = axes.imshow(share, cmap="cividis", norm=scale, interpolation="nearest", aspect="equal")
    colours = axes.figure.colorbar(image, ax=axes, fraction=0.046, pad=0.02, ticks=[0, 0.01, 0.05, 0.2, 0.5, 1])
    colours.ax.set_yticklabels(["0", "0.01", "0.05", "0.2", "0.5", "1"])
    colours.set_label("share of the true class", fontsize=8)
    colours.ax.tick_params(labelsize=7)
    names = [str(index) if panel.names is None else panel.names[index] for index in picked]
    texts = [drawable(name, 18) for name in names]
    small = 8 if len(picked) <= _MOST_NUMBERS else 6
    upright = max(map(len, texts), default=0) * len(texts) > 60
    axes.set_yticks(range(len(picked)), texts, fontsize=small, **_PLAIN)
    axes.set_xticks(range(len(picked)), texts, fontsize=small, rotation=90 if upright else 0, **_PLAIN)
    axes.set(xlabel="predicted", ylabel="true")
    if len(picked) <= _MOST_NUMBERS:
        _numbers(axes, matrix, share)
    some = f"the {len(picked)} most confused of {len(whole):,} classes" if len(picked) < len(whole) else ""
    _title(axes, "Confusion", some)


def _numbers(axes: Axes, matrix: NDArray[Any], share: NDArray[Any]) -> None:
    for (row, column), value in np.ndenumerate(matrix):
        if value:
            color = "black" if share[row, column] > _LIGHT else "white"
            axes.text(column, row, f"{value:,}", ha="center", va="center", color=color, fontsize=7)


def confused_pairs(axes: Axes, panel: ConfusedPairs) -> None:
    """The most confused pairs, where there are too many classes for a matrix."""
    pairs = list(panel.pairs)[:_MOST_PAIRS]
    texts = [f"{drawable(true, _LONGEST_NAME)} → {drawable(taken, _LONGEST_NAME)}" for true, taken, _ in pairs]
    axes.barh(range(len(pairs)), [rows for _, _, rows in pairs], color=BLUE)
    axes.set_yticks(range(len(pairs)), texts, fontsize=7, **_PLAIN)
    axes.set_ylim(max(len(pairs), 1) - 0.5, -0.5)
    axes.set_xlabel("rows")
    if not pairs:
        axes.text(0.5, 0.5, "no errors", transform=axes.transAxes, ha="center", color=GREY)
    _title(axes, "Most confused (true → predicted)", f"{panel.classes:,} classes")


def temperature_curve(axes: Axes, panel: TemperatureCurve) -> None:
    """The NLL over the temperature, with the fitted one and T = 1."""
    best, nll = panel.best
    axes.plot(panel.temperatures, panel.nll, color=BLUE, linewidth=2)
    axes.plot([best], [nll], "o", color=ORANGE, markersize=9, label=f"fitted: T = {best:.4g}, NLL {nll:.4f}")
    axes.plot([1], [panel.plain], "s", color="black", markersize=7, label=f"as given: T = 1, NLL {panel.plain:.4f}")
    axes.set_xscale("log")
    axes.set(xlabel="temperature", ylabel="NLL (nats)")
    _plain_ticks(axes, panel.temperatures)
    axes.legend(loc="best", fontsize=9, **_LEGEND)
    _title(axes, "Negative log-likelihood and temperature")


def _plain_ticks(axes: Axes, temperatures: NDArray[np.float64]) -> None:
    """Temperatures as people write them: 0.5, 1, 2; powers of ten where they span more than two."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = float(temperatures.min()), float(temperatures.max())
    wide = high / low > 200
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def bars(axes: Axes, panel: Bars) -> None:
    """The top classes of a row and their probabilities."""
    places = np.arange(len(panel.labels))
    height = 0.8 if panel.other is None else 0.4
    series: list[tuple[Sequence[float], str, str]] = [(panel.values, BLUE, panel.name)]
    if panel.other is not None:
        series.append((panel.other, ORANGE, panel.other_name))
    for number, (values, color, name) in enumerate(series):
        middles = places + (0 if len(series) == 1 else (number - 0.5) * height)
        lengths = [value if math.isfinite(value) else 0.0 for value in values]
        axes.barh(middles, lengths, height, color=color, label=name)
        for middle, value in zip(middles, values, strict=True):
            axes.text(
                max(value, 0.0) if math.isfinite(value) else 0.0, middle, f" {_share(value)}", va="center", fontsize=8
            )
    axes.set_yticks(places, [drawable(label, 32) for label in panel.labels], fontsize=9, **_PLAIN)
    axes.set_ylim(max(len(places), 1) - 0.5, -0.5)
    finite = [value for values, _, _ in series for value in values if math.isfinite(value)]
    low, high = min([0.0, *finite]), max([1.0, *finite])  # beyond: values that are no probabilities
    axes.set(xlim=(1.12 * low, 1.12 * high), xlabel=_axis(panel, low == 0 and high == 1))
    if low == 0 and high == 1:
        axes.set_xticks(np.linspace(0, 1, 6))
    if len(series) > 1:
        axes.legend(loc="lower right", fontsize=9, **_LEGEND)
    _title(axes, drawable(panel.title, 60))


def _axis(panel: Bars, are_shares: bool) -> str:
    if panel.other is not None:
        return "probability"
    return panel.name if are_shares else "value"


def _share(value: float) -> str:
    if not 0 <= value <= 1:
        return "" if math.isnan(value) else f"{value:.4g}"
    if 0 < value < 0.0005 or 0.9995 <= value < 1:  # what isn't 0 or 1 never looks like it
        return "<0.1%" if value < 0.5 else ">99.9%"
    return f"{100 * value:.1f}%"


Draw: TypeAlias = Callable[["Axes", Any], None]
PANELS: Mapping[type, Draw] = MappingProxyType(
    {
        Reliability: reliability,
        Histogram: histogram,
        RiskCoverage: risk_coverage,
        Confusion: confusion,
        ConfusedPairs: confused_pairs,
        TemperatureCurve: temperature_curve,
        Bars: bars,
    }
)
