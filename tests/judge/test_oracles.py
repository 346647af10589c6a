"""Our figures beside those that torchmetrics, netcal and torch gave for the same data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from softmax_cli.judge.evaluate import EvaluateOptions
from softmax_cli.judge.truth import TargetOptions
from tests.judge.oracle_cases import RECORDED, Case, labels, picture, single_label
from tests.judge.test_figures import report

ORACLES = json.loads(RECORDED.read_text())


def agree(name: str, ours: dict[str, float | None]) -> None:
    theirs = ORACLES[name]
    assert set(ours) == set(theirs)
    for figure, value in theirs.items():
        assert ours[figure] == pytest.approx(value, rel=0, abs=1e-6), figure


@pytest.mark.parametrize("case", single_label(), ids=lambda case: case.name)
def test_classes(tmp_path: Path, case: Case) -> None:
    found = report(tmp_path, case.logits, case.truth, EvaluateOptions(tops=(2,)))
    count = case.logits.shape[1]
    weights = tuple(np.linspace(0.5, 2.0, count))
    weighted = report(tmp_path, case.logits, case.truth, EvaluateOptions(class_weights=weights))
    soft = report(tmp_path, case.logits, softmax(np.roll(case.logits, 1, 0), axis=1))
    figures = found.figures
    ours = {
        "nll": figures["nll"],
        "weighted nll": weighted.figures["nll"],
        "soft nll": soft.figures["nll"],
        "accuracy": figures["accuracy"],
        "top 2": found.top_k[2],
        "balanced accuracy": figures["balanced_accuracy"],
        "ece": figures["ece"],
        "mce": figures["mce"],
        "auroc": figures["confidence_auroc"],
        "iou": figures["mean_iou"],
        "netcal ece": figures["ece"],
        "netcal mce": figures["mce"],
        "netcal ece equal mass": figures["ece_equal_mass"],
    }
    for average in ("macro", "weighted"):
        for name, theirs in (("precision", "precision"), ("recall", "recall"), ("f1", "f1_score")):
            ours[f"{average} {theirs}"] = found.averages[average][name]
    agree(case.name, ours)


def test_labels(tmp_path: Path) -> None:
    case = labels()
    found = report(tmp_path, case.logits, case.truth, EvaluateOptions(activation="sigmoid"))
    ours = {
        "map": found.figures["mean_average_precision"],
        "hamming": found.figures["hamming_loss"],
        "subset": found.figures["subset_accuracy"],
        "bce": found.figures["binary_cross_entropy"],
        **{f"{average} f1": found.averages[average]["f1"] for average in ("micro", "macro", "weighted")},
    }
    agree("labels", ours)


def test_picture(tmp_path: Path) -> None:
    case = picture()
    options = TargetOptions(ignore_index=case.ignore)
    found = report(tmp_path, case.logits, case.truth, None, options, axis=case.axis)
    names = {"accuracy": "accuracy", "iou": "mean_iou", "nll": "nll"}
    agree("picture", {name: found.figures[ours] for name, ours in names.items()})
