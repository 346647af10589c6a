"""Records what torchmetrics, netcal and torch say of the data in oracle_cases.py. They need torch: too heavy for CI.

uv run --group test --group oracles python -m tests.judge.record_oracles
"""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from netcal.metrics import ECE, MCE
from scipy.special import expit, softmax
from torch.nn.functional import cross_entropy
from torchmetrics.functional import classification as tm

from tests.judge.oracle_cases import RECORDED, Case, labels, picture, single_label

BINS = 15


def main() -> None:
    found = {case.name: _classes(case) for case in single_label()}
    found["labels"] = _labels(labels())
    found["picture"] = _picture(picture())
    versions = {name: version(name) for name in ("torchmetrics", "netcal", "torch", "numpy")}
    RECORDED.write_text(json.dumps({"made by": versions, **found}, indent=1) + "\n")
    print(versions)


def _number(value: Any) -> float:
    return float(value)


def _classes(case: Case) -> dict[str, float]:
    p = softmax(case.logits, axis=1)
    preds, target = torch.from_numpy(p), torch.from_numpy(case.truth)
    logits = torch.from_numpy(case.logits)
    count = p.shape[1]
    right = torch.from_numpy((p.argmax(1) == case.truth).astype(np.int64))
    weights = torch.linspace(0.5, 2.0, count, dtype=torch.float64)
    soft = torch.softmax(torch.roll(logits, 1, 0), 1)
    found = {
        "nll": cross_entropy(logits, target),
        "weighted nll": cross_entropy(logits, target, weights),
        "soft nll": cross_entropy(logits, soft),
        "accuracy": tm.multiclass_accuracy(preds, target, count, average="micro"),
        "top 2": tm.multiclass_accuracy(preds, target, count, average="micro", top_k=2),
        "balanced accuracy": tm.multiclass_accuracy(preds, target, count, average="macro"),
        "ece": tm.multiclass_calibration_error(preds, target, count, n_bins=BINS, norm="l1"),
        "mce": tm.multiclass_calibration_error(preds, target, count, n_bins=BINS, norm="max"),
        "auroc": tm.binary_auroc(preds.max(1).values, right),
        "iou": tm.multiclass_jaccard_index(preds, target, count, average="macro"),
        "netcal ece": ECE(BINS).measure(p, case.truth),
        "netcal mce": MCE(BINS).measure(p, case.truth),
        "netcal ece equal mass": ECE(BINS, equal_intervals=False).measure(p, case.truth),
    }
    for average in ("macro", "weighted"):
        for name in ("precision", "recall", "f1_score"):
            found[f"{average} {name}"] = getattr(tm, f"multiclass_{name}")(preds, target, count, average=average)
    return {name: _number(value) for name, value in found.items()}


def _labels(case: Case) -> dict[str, float]:
    preds, target = torch.from_numpy(expit(case.logits)), torch.from_numpy(case.truth)
    count = preds.shape[1]
    found = {
        "map": tm.multilabel_average_precision(preds, target, count, average="macro"),
        "hamming": tm.multilabel_hamming_distance(preds, target, count, average="micro"),
        "subset": tm.multilabel_exact_match(preds, target, count),
        "bce": torch.nn.functional.binary_cross_entropy(preds, target.to(torch.float64)),
    }
    for average in ("micro", "macro", "weighted"):
        found[f"{average} f1"] = tm.multilabel_f1_score(preds, target, count, average=average)
    return {name: _number(value) for name, value in found.items()}


def _picture(case: Case) -> dict[str, float]:
    preds, target = torch.from_numpy(case.logits).softmax(1), torch.from_numpy(case.truth)
    options = {"num_classes": preds.shape[1], "ignore_index": case.ignore}
    found = {
        "accuracy": tm.multiclass_accuracy(preds, target, average="micro", **options),
        "iou": tm.multiclass_jaccard_index(preds, target, average="macro", **options),
        "nll": cross_entropy(torch.from_numpy(case.logits), target, ignore_index=case.ignore),
    }
    return {name: _number(value) for name, value in found.items()}


if __name__ == "__main__":
    main()
