"""Charts of text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softmax_cli.judge.plots.records import Reliability, RiskCoverage
from softmax_cli.judge.plots.text import reliability_chart, risk_coverage_chart, temperature_chart
from tests.plots.test_pictures import curve, reliability, temperatures


def test_reliability() -> None:
    assert reliability_chart(reliability(), 66) == [
        "confidence   rows    mean  accuracy",
        "0.200-0.400     2  0.3000    0.5000  ████████│█████▌",
        "0.600-0.800     5  0.7000    0.4000  ███████████▋        │",
        "0.800-1.000    13  0.9000    0.8000  ███████████████████████▎  │",
    ]


def test_risk_coverage() -> None:
    lines = risk_coverage_chart(curve(), 60)
    assert lines[0].startswith("coverage      risk")
    assert len(lines) == 11
    assert [float(line.split()[0].rstrip("%")) for line in lines[1:]] == list(range(10, 101, 10))
    assert lines[-1] == "  100.0%    0.3000  " + "█" * 40
    exact = np.interp(0.5, curve().coverage, curve().risk)
    assert float(lines[5].split()[1]) == pytest.approx(exact, abs=5e-5)


def test_temperatures() -> None:
    lines = temperature_chart(temperatures())
    heats = [float(line.split()[0]) for line in lines[1:]]
    assert heats == sorted(heats)
    assert sum(line.endswith("fitted") for line in lines) == 1
    assert sum(line.endswith("as given") for line in lines) == 1


def test_no_rows_no_lines() -> None:
    nothing = np.full(2, np.nan)
    assert reliability_chart(Reliability(np.linspace(0, 1, 3), np.zeros(2, int), nothing, nothing, 0.0)) == []
    assert risk_coverage_chart(RiskCoverage(np.empty(0), np.empty(0), 0.0)) == []


@given(
    st.integers(60, 200),
    st.booleans(),
    st.lists(st.tuples(st.integers(0, 10**9), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=20),
)
@settings(deadline=None)
def test_lines_fit(width: int, ascii_only: bool, bins: list[tuple[int, float, float]]) -> None:
    count, confidence, accuracy = (np.array(values) for values in zip(*bins, strict=True))
    panel = Reliability(np.linspace(0, 1, len(bins) + 1), count, confidence, accuracy, 0.0)
    lines = reliability_chart(panel, width, ascii_only)
    lines += risk_coverage_chart(RiskCoverage(np.linspace(0.01, 1, len(bins)), accuracy, 0.0), width, ascii_only)
    for line in lines:
        assert len(line) <= width
        assert not ascii_only or line.isascii()
