"""The figures of an evaluation with torchmetrics, in blocks, updated as its documentation shows."""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from torchmetrics import MetricCollection
from torchmetrics.classification import (
    BinaryAUROC,
    MulticlassAccuracy,
    MulticlassCalibrationError,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
    MulticlassJaccardIndex,
    MulticlassPrecision,
    MulticlassRecall,
)

from benchmarks.rivals.common import THREADS

STEP = 10_000


def metrics(classes: int) -> MetricCollection:
    options = {"num_classes": classes, "validate_args": False}
    return MetricCollection(
        {
            "accuracy": MulticlassAccuracy(average="micro", **options),
            "top_5": MulticlassAccuracy(average="micro", top_k=5, **options),
            "balanced_accuracy": MulticlassAccuracy(average="macro", **options),
            "precision": MulticlassPrecision(average=None, **options),
            "recall": MulticlassRecall(average=None, **options),
            "f1": MulticlassF1Score(average=None, **options),
            "mean_iou": MulticlassJaccardIndex(average="macro", **options),
            "confusion": MulticlassConfusionMatrix(**options),
            "ece": MulticlassCalibrationError(n_bins=15, norm="l1", **options),
            "mce": MulticlassCalibrationError(n_bins=15, norm="max", **options),
        }
    )


if __name__ == "__main__":
    source, answers, output = sys.argv[1:]
    torch.set_num_threads(THREADS)
    logits = torch.from_numpy(np.load(source, mmap_mode="c"))
    truth = torch.from_numpy(np.load(answers))
    classes = logits.shape[1]
    collection, auroc = metrics(classes), BinaryAUROC(validate_args=False)
    loss = brier = 0.0
    for block, target in zip(logits.split(STEP), truth.split(STEP), strict=True):
        probabilities = block.softmax(1)
        collection.update(probabilities, target)
        confidence, predicted = probabilities.max(1)
        auroc.update(confidence, (predicted == target).long())
        loss += float(cross_entropy(block, target, reduction="sum"))
        one_hot = torch.nn.functional.one_hot(target, classes)
        brier += float(((probabilities - one_hot) ** 2).sum())
    figures = {name: value.tolist() for name, value in collection.compute().items() if name != "confusion"}
    figures |= {"nll": loss / len(truth), "brier": brier / len(truth), "confidence_auroc": float(auroc.compute())}
    Path(output).write_text(json.dumps(figures))
