"""`--plot` of the commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from softmax_cli.judge.plots import figure
from softmax_cli.judge.plots.records import (
    Bars,
    Confusion,
    Histogram,
    Picture,
    Reliability,
    RiskCoverage,
    TemperatureCurve,
)
from tests.cli.support import assert_fits, on_terminal
from tests.conftest import SAMPLES, Run

Here = Callable[..., tuple[int, str, str]]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Picture]:
    """The pictures that are drawn."""
    pictures: list[Picture] = []
    render = figure.render

    def record(picture: Picture, kind: str) -> bytes:
        pictures.append(picture)
        return render(picture, kind)

    monkeypatch.setattr(figure, "render", record)
    return pictures


def test_rank(softmax_here: Here, drawn: list[Picture], tmp_path: Path) -> None:
    plain = softmax_here(SAMPLES / "digits" / "logits.parquet", "-k", "3", "-f", "csv")
    picture = tmp_path / "rows.png"
    code, out, err = softmax_here(SAMPLES / "digits" / "logits.parquet", "-k", "3", "-f", "csv", "--plot", picture)
    assert (code, out, err) == plain
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert drawn[0].title == "the first 12 of 120 rows"
    assert len(drawn[0].panels) == 12
    bars = drawn[0].panels[1]
    assert isinstance(bars, Bars)
    assert bars.title == "row 1: images/digit_001.png"
    lines = [line.split(",") for line in out.splitlines() if line.split(",")[1] == "1"]
    assert bars.labels == [line[5] for line in lines]
    assert bars.values == pytest.approx([float(line[7]) for line in lines], rel=1e-6)


def test_rank_of_log_probabilities(softmax_here: Here, drawn: list[Picture], tmp_path: Path) -> None:
    arguments = [SAMPLES / "animals.csv", "--activation", "log-softmax", "--plot", tmp_path / "x.svg"]
    assert softmax_here(*arguments)[0] == 0
    bars = drawn[0].panels[0]
    assert isinstance(bars, Bars)
    assert bars.values[0] == pytest.approx(0.77515, abs=1e-5)


def test_run(softmax_here: Here, drawn: list[Picture], tmp_path: Path) -> None:
    model, image = SAMPLES / "digits_model", SAMPLES / "digits" / "images" / "digit_000.png"
    assert softmax_here("run", model, image, "--plot", tmp_path / "x.pdf")[0] == 0
    assert (tmp_path / "x.pdf").read_bytes().startswith(b"%PDF")
    assert drawn[0].title == ""


def test_explain(softmax_here: Here, drawn: list[Picture], tmp_path: Path) -> None:
    code, out, _ = softmax_here("explain", "1", "3", "2", "-t", "2", "-k", "2", "--plot", tmp_path / "x.svg")
    assert code == 0
    assert out.startswith("The softmax of 3 logits")
    bars = drawn[0].panels[0]
    assert isinstance(bars, Bars)
    assert bars.labels == ["1", "2"]
    assert bars.title == "The softmax of 3 logits (1 more class)"
    assert bars.values == pytest.approx([0.66524, 0.24473], abs=1e-5)
    assert bars.other == pytest.approx([0.50648, 0.30719], abs=1e-5)


DIGITS = (SAMPLES / "digits" / "logits.parquet", "--targets", SAMPLES / "digits" / "truth.csv")


def test_evaluate(softmax_here: Here, drawn: list[Picture], tmp_path: Path) -> None:
    plain = softmax_here("evaluate", *DIGITS)
    assert softmax_here("evaluate", *DIGITS, "--plot", tmp_path / "x.png") == plain
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    assert [type(panel) for panel in drawn[0].panels] == [Reliability, Histogram, RiskCoverage, Confusion]
    confusion = drawn[0].panels[-1]
    assert isinstance(confusion, Confusion)
    assert confusion.matrix.sum() == 120
    assert confusion.names is not None
    assert confusion.names[3] == "three"


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_evaluate_charts_on_a_terminal_only(softmax_here: Here, columns: int) -> None:
    piped = softmax_here("evaluate", *DIGITS)[1]
    shown = on_terminal("evaluate", *DIGITS, columns=columns)
    lines = shown.text.replace("\r", "").splitlines()
    assert shown.code == 0
    assert_fits(lines, columns)
    assert any(line.startswith("coverage      risk") for line in lines)
    assert any(line.startswith("0.933-1.000   109  0.9966    0.9817  ████") for line in lines)
    assert "(0.933, 1.000]" not in shown.text
    assert "coverage      risk" not in piped
    assert "(0.933, 1.000]   109  0.9966  0.9817" in piped


def test_calibrate(softmax_here: Here, drawn: list[Picture], tmp_path: Path) -> None:
    plain = softmax_here("calibrate", *DIGITS, "-o", tmp_path / "T.json")
    assert softmax_here("calibrate", *DIGITS, "-o", tmp_path / "T.json", "--plot", tmp_path / "x.svg") == plain
    assert (tmp_path / "x.svg").read_bytes().startswith(b"<?xml")
    figures = json.loads((tmp_path / "T.json").read_text())["figures"]
    before, after, curve = drawn[0].panels
    assert isinstance(before, Reliability)
    assert isinstance(after, Reliability)
    assert isinstance(curve, TemperatureCurve)
    for panel, name in ((before, "before"), (after, "after")):
        assert panel.count.sum() == 120
        assert panel.ece == figures[name]["ece"]
        assert panel.mean_accuracy() == pytest.approx(figures[name]["accuracy"])
        filled = panel.count > 0
        gaps = np.abs(panel.confidence - panel.accuracy)[filled] * panel.count[filled]
        assert gaps.sum() / 120 == pytest.approx(panel.ece)
    assert curve.best[0] == figures["temperature"]
    assert curve.plain == pytest.approx(figures["before"]["nll"])
    assert curve.best[1] == pytest.approx(min(curve.nll.min(), curve.best[1]))
    assert curve.temperatures[0] < 1 < curve.temperatures[-1]


def test_calibrate_by_another_method_has_no_curve(softmax_here: Here, drawn: list[Picture], tmp_path: Path) -> None:
    assert softmax_here("calibrate", *DIGITS, "--method", "vector", "--plot", tmp_path / "x.png", "-q")[0] == 0
    assert [type(panel) for panel in drawn[0].panels] == [Reliability, Reliability]


def test_calibrate_charts_on_a_terminal_only(softmax_here: Here) -> None:
    shown = on_terminal("calibrate", *DIGITS, "-q")
    assert_fits(shown.lines, 80)
    assert sum(line.endswith("fitted") for line in shown.lines) == 1
    assert "fitted" not in softmax_here("calibrate", *DIGITS, "-q")[1]


def test_no_picture_of_sets(softmax_here: Here, tmp_path: Path) -> None:
    code, _, err = softmax_here("calibrate", *DIGITS, "--conformal", "0.9", "--plot", tmp_path / "x.png")
    assert code == 2
    assert "--plot is for a calibration" in err


def test_very_many_bars(softmax_here: Here, drawn: list[Picture], tmp_path: Path) -> None:
    np.save(tmp_path / "wide.npy", np.arange(3000.0)[None] / 100)
    assert softmax_here("explain", tmp_path / "wide.npy", "-k", "0", "-t", "2", "--plot", tmp_path / "x.png")[0] == 0
    bars = drawn[0].panels[0]
    assert isinstance(bars, Bars)
    assert len(bars.labels) == 50
    assert bars.labels[0] == "2999"
    assert bars.title.endswith("(2,950 more classes)")
    code, _, err = softmax_here("explain", tmp_path / "wide.npy", "-k", "0", "--jacobian")
    assert code == 2
    assert "--jacobian of more than 1,000 classes" in err


@pytest.mark.parametrize("row", ["-inf,1,2", "nan,1,2", "inf,-1e300,2"])
def test_values_that_are_no_probabilities(softmax_here: Here, tmp_path: Path, row: str) -> None:
    (tmp_path / "x.csv").write_text(f"{row}\n")
    arguments = ["--activation", "none", "--nan", "propagate", "--plot", tmp_path / "x.png"]
    assert softmax_here(tmp_path / "x.csv", *arguments)[0] == 0
    assert (tmp_path / "x.png").exists()


def test_no_picture_of_what_fails(softmax_here: Here, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("1,2\n1,2,3\n")
    assert softmax_here(tmp_path / "bad.csv", "--plot", tmp_path / "x.png")[0] == 1
    assert not (tmp_path / "x.png").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--plot", "x.gif"], "a picture is one of .png, .svg, .pdf"),
        (["--plot", "x.png", "--output-dir", "results"], "--plot and --output-dir exclude each other"),
    ],
)
def test_wrong_usage(softmax_here: Here, arguments: list[str], said: str) -> None:
    code, out, err = softmax_here(SAMPLES / "animals.csv", *arguments)
    assert (code, out) == (2, "")
    assert said in err


@pytest.mark.parametrize("arguments", [("explain", "1", "2"), ("animals.csv",)])
def test_without_matplotlib(softmax_process: Run, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    hidden = tmp_path / "hidden" / "matplotlib"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ImportError('hidden')\n")
    environment = (("PYTHONPATH", str(hidden.parent)),)
    done = softmax_process(*arguments, "--plot", tmp_path / "x.png", env=environment)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode() == (
        "softmax: error[missing-extra]: pictures need the package matplotlib\n  hint: pip install 'softmax-cli[plot]'\n"
    )
    assert not (tmp_path / "x.png").exists()
    assert softmax_process(*arguments, env=environment).returncode == 0
