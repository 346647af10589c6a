"""A fitted calibration as pictures: the likelihood over the temperature, reliability before and after."""

from __future__ import annotations

import numpy as np

from softmax_cli.judge.calibrate import CalibrationReport
from softmax_cli.judge.plots.evaluation import reliability_of
from softmax_cli.judge.plots.records import Histogram, Panel, Picture, TemperatureCurve
from softmax_cli.judge.plots.text import temperature_chart
from softmax_cli.judge.samples import Samples
from softmax_cli.judge.temperature import slope_of

_POINTS = 25  # temperatures, a pass over the rows each
_REACH = 4.0  # how far beyond the fitted temperature and 1 the curve goes


def temperature_curve(samples: Samples, fitted: float, jobs: int = 1) -> TemperatureCurve:
    """The mean NLL of samples over the temperature, around the fitted one and 1.

    Takes a pass over the rows for each of its 25 points and two more.
    """

    def nll(temperature: float) -> float:
        return slope_of(samples, 1 / temperature, jobs=jobs).loss / max(1, len(samples))

    temperatures = np.geomspace(min(fitted, 1.0) / _REACH, max(fitted, 1.0) * _REACH, _POINTS)
    values = np.array([nll(float(temperature)) for temperature in temperatures])
    return TemperatureCurve(temperatures, values, (fitted, nll(fitted)), nll(1.0))


def calibration_picture(report: CalibrationReport, curve: TemperatureCurve | None, source: str) -> Picture:
    """One figure: reliability before and after, as measured; the NLL over the temperature, where one was fitted."""
    panels: list[Panel | Histogram] = []
    for name, scores in (("Before", report.before), ("After", report.after)):
        reliability = reliability_of(scores.bins, scores.ece, f"{name} calibration")
        if reliability is not None:
            panels.append(reliability)
    if curve is not None:
        panels.append(curve)
    title = f"{'stdin' if source == '-' else source}: {report.rows:,} rows, measured on {report.measured}"
    return Picture(title, panels)


def calibration_charts(picture: Picture, width: int = 80, ascii_only: bool = False) -> list[list[str]]:
    """The curve over the temperature as a small chart of text, as its lines, where the picture has one."""
    curves = [panel for panel in picture.panels if isinstance(panel, TemperatureCurve)]
    return [temperature_chart(curve, width, ascii_only) for curve in curves]
