"""Evaluation from a file of logits and one of targets: beside ranking the same file, and beside torchmetrics."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from benchmarks.measure import SOFTMAX, Contestant, interleaved
from benchmarks.suite import SEED, Suite

ROWS, CLASSES = 1_000_000, 1000
OF_RANK = 0.7  # of the speed of rank
TIMES = 5.0  # as fast as torchmetrics
GROWTH_MIB = 80.0  # of the peak, from a quarter of the rows to all of them: to sort their confidence
SAME = 1e-6
FIGURES = ("accuracy", "balanced_accuracy", "nll", "ece", "mce", "mean_iou", "confidence_auroc")


def targets(suite: Suite, logits: Path, rows: int) -> Path:
    """Targets of which about half are the class of the largest logit."""

    def make(path: Path) -> None:
        random = np.random.default_rng(SEED)
        values = np.load(logits, mmap_mode="r")
        best = np.concatenate([values[first : first + 10_000].argmax(1) for first in range(0, rows, 10_000)])
        others = random.integers(0, CLASSES, rows)
        np.save(path, np.where(random.random(rows) < 0.5, best, others))

    return suite.made(f"{rows}x{CLASSES}-targets.npy", make)


def main(suite: Suite) -> None:
    rows = suite.scaled(ROWS)
    logits = suite.npy(rows, CLASSES)
    truth = targets(suite, logits, rows)
    part = suite.npy(suite.scaled(ROWS // 4), CLASSES)
    part_truth = targets(suite, part, suite.scaled(ROWS // 4))
    ours, theirs = suite.output("evaluate.json"), suite.output("torchmetrics.json")

    def evaluate(source: Path, answers: Path) -> Contestant:
        return Contestant([*SOFTMAX, "evaluate", str(source), "--targets", str(answers), "-q", "-o", str(ours)])

    script = [sys.executable, "-m", "benchmarks.rivals.torchmetrics_npy", str(logits), str(truth), str(theirs)]
    results = interleaved(
        {
            "softmax evaluate, a quarter": evaluate(part, part_truth),
            "softmax evaluate": evaluate(logits, truth),
            "softmax rank": Contestant([*SOFTMAX, str(logits), "-q", "-o", str(suite.output("rank.parquet"))]),
            "torchmetrics": Contestant(script),
        },
        suite.runs,
    )
    bars = {"torchmetrics": TIMES, "softmax rank": OF_RANK}
    suite.report.table(f"evaluate npy, {rows:,}×{CLASSES:,}", results, "softmax evaluate", bars)
    growth = (results["softmax evaluate"].peak_mib or 0) - (results["softmax evaluate, a quarter"].peak_mib or 0)
    suite.report.bar("MiB more for four times the rows", growth, GROWTH_MIB)
    found, expected = json.loads(ours.read_text()), json.loads(theirs.read_text())
    worst = max(abs(found[name] - expected[name]) for name in FIGURES)
    suite.report.bar("largest difference of a figure", worst, SAME)
