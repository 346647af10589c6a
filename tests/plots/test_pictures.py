"""Pictures: what is drawn is what was measured, every label comes through, the same numbers give the same bytes."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softmax_cli.errors import UsageError
from softmax_cli.judge.plots.figure import METADATA, check_plot, make_figure, render, write_picture
from softmax_cli.judge.plots.fonts import drawable
from softmax_cli.judge.plots.panels import most_confused
from softmax_cli.judge.plots.records import (
    Bars,
    ConfusedPairs,
    Confusion,
    Histogram,
    Picture,
    Reliability,
    RiskCoverage,
    TemperatureCurve,
)

HOSTILE = ["$\\frac{", "a$b$c", "esc\x1b[31m\u202e", "日本語 🐈", "", "%s {0} \\u", "a\nb", "x" * 500, "\ud800"]
MAGIC = {"png": b"\x89PNG\r\n", "svg": b"<?xml", "pdf": b"%PDF-"}


def reliability() -> Reliability:
    edges = np.linspace(0, 1, 6)
    nan = np.nan
    return Reliability(
        edges,
        np.array([0, 2, 0, 5, 13]),
        np.array([nan, 0.3, nan, 0.7, 0.9]),
        np.array([nan, 0.5, nan, 0.4, 0.8]),
        ece=0.16,
    )


def curve() -> RiskCoverage:
    return RiskCoverage(np.linspace(0.05, 1, 20), np.linspace(0, 0.3, 20), 0.123)


def temperatures() -> TemperatureCurve:
    heats = np.geomspace(0.2, 5, 30)
    return TemperatureCurve(heats, 0.5 + np.log(heats / 1.5) ** 2, (1.5, 0.5), 0.6644)


def every_kind(names: list[str]) -> Picture:
    matrix = np.arange(len(names) ** 2).reshape(len(names), -1)
    return Picture(
        names[0],
        [
            reliability(),
            Histogram(reliability()),
            curve(),
            Confusion(matrix, names),
            ConfusedPairs([(name, other, 3) for name, other in zip(names, names[::-1], strict=True)], 21841),
            temperatures(),
            Bars(names[-1], names, np.linspace(1, 0, len(names)).tolist()),
        ],
    )


@pytest.mark.parametrize("kind", METADATA)
def test_the_same_bytes_whatever_the_labels(kind: str) -> None:
    first = render(every_kind(HOSTILE), kind)
    assert first.startswith(MAGIC[kind])
    assert render(every_kind(HOSTILE), kind) == first
    for trace in (b"CreationDate", b"<dc:date>", b"Matplotlib v", b"tIME"):
        assert trace not in first


def test_the_user_s_configuration_is_left_alone() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    with matplotlib.rc_context({"axes.facecolor": "red", "savefig.dpi": 30}), warnings.catch_warnings():
        assert render(Picture("", [curve()]), "png") == render(Picture("", [curve()]), "png")
        inside = render(Picture("", [curve()]), "png")
    assert inside == render(Picture("", [curve()]), "png")
    assert dict(matplotlib.rcParams) == before


def axes_of(*panels: Any) -> Any:
    return make_figure(Picture("", panels)).axes


def test_reliability_shows_accuracy_and_gap() -> None:
    axes = axes_of(reliability())[0]
    accuracy, gap = axes.containers
    assert [bar.get_height() for bar in accuracy] == [0.5, 0.4, 0.8]
    assert [bar.get_x() for bar in accuracy] == pytest.approx([0.2, 0.6, 0.8])
    assert [bar.get_y() for bar in gap] == [0.5, 0.4, 0.8]
    assert [bar.get_height() for bar in gap] == pytest.approx([-0.2, 0.3, 0.1])
    assert axes.get_title(loc="right") == "ECE 0.1600"


def test_histogram_shows_shares_and_means() -> None:
    axes = axes_of(Histogram(reliability()))[0]
    assert [bar.get_height() for bar in axes.containers[0]] == pytest.approx([0, 0.1, 0, 0.25, 0.65])
    means = [line.get_xdata()[0] for line in axes.lines]
    assert means == pytest.approx([0.03 + 0.175 + 0.585, 0.05 + 0.1 + 0.52])
    assert axes.get_title(loc="right") == "20 rows"


def test_curves_are_drawn_as_given() -> None:
    risk, heat = axes_of(curve(), temperatures())[:2]
    assert risk.lines[0].get_xdata().tolist() == curve().coverage.tolist()
    assert risk.lines[0].get_ydata().tolist() == curve().risk.tolist()
    assert heat.lines[0].get_ydata().tolist() == temperatures().nll.tolist()
    assert [tuple(np.ravel(line.get_data())) for line in heat.lines[1:]] == [(1.5, 0.5), (1, 0.6644)]
    assert heat.get_xscale() == "log"


def test_confusion_shares_are_of_the_true_class() -> None:
    axes = axes_of(Confusion(np.array([[3, 1], [0, 0]]), ["a", "b"]))[0]
    assert axes.images[0].get_array().tolist() == [[0.75, 0.25], [0, 0]]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["a", "b"]
    assert sorted(text.get_text() for text in axes.texts) == ["1", "3"]


def test_of_a_thousand_classes_the_most_confused_are_shown() -> None:
    matrix = np.eye(1000, dtype=np.int64) * 100
    matrix[700, 13] = 9
    matrix[13, 401] = 8
    axes = axes_of(Confusion(matrix))[0]
    names = [text.get_text() for text in axes.get_yticklabels()]
    assert len(names) == 20
    assert {"13", "401", "700"} <= set(names)
    assert names == sorted(names, key=int)
    assert axes.get_title(loc="right") == "the 20 most confused of 1,000 classes"
    shares = axes.images[0].get_array()
    assert shares[names.index("700"), names.index("13")] == pytest.approx(9 / 109)


@given(st.integers(21, 60), st.integers(0, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_most_confused(classes: int, errors: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = np.zeros((classes, classes), np.int64)
    matrix[rng.integers(0, classes, errors), rng.integers(0, classes, errors)] = rng.integers(1, 10, errors)
    chosen = most_confused(matrix)
    assert len(chosen) == 20 == len(set(chosen.tolist()))
    assert chosen.tolist() == sorted(chosen.tolist())
    np.fill_diagonal(matrix, 0)
    if matrix.any():
        assert set(np.unravel_index(matrix.argmax(), matrix.shape)) <= set(chosen.tolist())


def test_bars_beside_each_other() -> None:
    axes = axes_of(Bars("row", ["a", "b"], [0.75, 0.25], "T = 1", [0.6, 0.4], "T = 2"))[0]
    plain, other = axes.containers
    assert [bar.get_width() for bar in plain] == [0.75, 0.25]
    assert [bar.get_width() for bar in other] == [0.6, 0.4]
    assert [text.get_text().strip() for text in axes.texts] == ["75.0%", "25.0%", "60.0%", "40.0%"]
    assert axes.yaxis_inverted()


@pytest.mark.parametrize("value", [0.0, 1e-9, 0.0004, 0.9996, 1.0, float("nan"), float("-inf"), -3.0, 12.5])
def test_bars_of_any_value(value: float) -> None:
    axes = axes_of(Bars("row", ["a"], [value]))[0]
    shown = axes.texts[0].get_text().strip()
    assert shown == {0.0: "0.0%", 1e-9: "<0.1%", 0.0004: "<0.1%", 0.9996: ">99.9%", 1.0: "100.0%"}.get(
        value, "" if value != value else f"{value:g}"
    )


def test_no_rows_no_errors() -> None:
    nothing = np.full(2, np.nan)
    empty = Reliability(np.linspace(0, 1, 3), np.zeros(2, np.int64), nothing, nothing, float("nan"))
    panels = [empty, Histogram(empty), RiskCoverage(np.empty(0), np.empty(0), float("nan")), ConfusedPairs([], 5)]
    assert render(Picture("", [*panels, Confusion(np.zeros((3, 3), int)), Bars("", [], [])]), "png")
    assert render(Picture("no rows", ()), "png")


def test_labels_are_never_formulas() -> None:
    figure = make_figure(every_kind(HOSTILE))
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        if "$" in text.get_text():
            assert not text.get_parse_math()


def test_drawable() -> None:
    assert drawable("cat") == "cat"
    assert drawable("") == "''"
    assert drawable("a\x1b[31m") == "a\\x1b[31m"
    assert drawable("\U000f0000") == "\\U000f0000"  # no font has it
    assert drawable("abcdef", 4) == "abc…"
    assert len(drawable("日本語" * 20, 10, has=lambda code: code < 128)) <= 10


def test_files_are_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "picture.svg"
    write_picture(Picture("", [curve()]), str(path))
    whole = path.read_bytes()
    assert whole.rstrip().endswith(b"</svg>")
    with pytest.raises(KeyError):
        write_picture(Picture("", ["no panel"]), str(path))  # type: ignore[list-item]
    assert path.read_bytes() == whole
    assert [item.name for item in tmp_path.iterdir()] == ["picture.svg"]


def test_a_last_panel_alone_takes_both_places() -> None:
    figure = make_figure(Picture("", [reliability(), curve(), temperatures()]))
    spans = [axes.get_subplotspec().colspan for axes in figure.axes]
    assert [(span.start, span.stop) for span in spans] == [(0, 1), (1, 2), (0, 2)]


@pytest.mark.parametrize("name", ["x.gif", "x", "-", "png", "x.png.gz"])
def test_only_known_kinds(name: str) -> None:
    with pytest.raises(UsageError, match=r"one of \.png, \.svg, \.pdf"):
        check_plot(name)
