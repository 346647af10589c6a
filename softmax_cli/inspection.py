"""What a file of logits holds, and what `softmax` would do with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from softmax_cli.batch import Source
from softmax_cli.model.session import Isolation
from softmax_cli.model_inspection import inspect_model
from softmax_cli.sources import open_source
from softmax_cli.sources.base import ReadOptions

Report = dict[str, Any]

MODEL_SUFFIXES = (".onnx", ".ort")
_SUM_TOLERANCE = 1e-3


def inspect_file(name: str, options: ReadOptions, isolation: Isolation | None = None) -> Report:
    """Describe a model or its folder, or read a file of logits to its end and describe it.

    isolation: where a model is loaded; None: in this process.
    """
    if Path(name).suffix.lower() in MODEL_SUFFIXES or Path(name).is_dir():
        return inspect_model(name, isolation)
    return inspect_logits(open_source(name, options))


def inspect_logits(source: Source) -> Report:
    """Describe a source: its facts, the range of its values, and what would be done with it."""
    statistics = _Statistics()
    for batch in source:
        statistics.add(batch.logits)
    report: Report = {"source": source.name, **source.facts}
    report["rows"] = statistics.rows
    report["classes"] = source.classes
    if source.class_names is not None:
        report["class names"] = list(source.class_names)
    report["values"] = statistics.values()
    report["rows like probabilities"] = statistics.like_probabilities
    report["would"] = _would(source, statistics)
    if source.notes:
        report["notes"] = list(source.notes)
    return report


class _Statistics:
    """Collects the range of values over batches."""

    def __init__(self) -> None:
        self.rows = 0
        self.nan = self.plus_infinity = self.minus_infinity = 0
        self.minimum, self.maximum = np.inf, -np.inf
        self.like_probabilities = 0

    def add(self, logits: Any) -> None:
        self.rows += len(logits)
        finite = np.isfinite(logits)
        self.nan += int(np.isnan(logits).sum())
        self.plus_infinity += int(np.isposinf(logits).sum())
        self.minus_infinity += int(np.isneginf(logits).sum())
        self.minimum = min(self.minimum, float(logits.min(where=finite, initial=np.inf)))
        self.maximum = max(self.maximum, float(logits.max(where=finite, initial=-np.inf)))
        within = ((logits >= 0) & (logits <= 1)).all(axis=1)
        sums = np.where(finite, logits, 0).sum(axis=1, dtype=np.float64)
        self.like_probabilities += int((within & (np.abs(sums - 1) <= _SUM_TOLERANCE)).sum())

    def values(self) -> Mapping[str, Any]:
        known = np.isfinite(self.minimum)
        return {
            "minimum": self.minimum if known else None,
            "maximum": self.maximum if known else None,
            "NaN": self.nan,
            "+inf": self.plus_infinity,
            "-inf": self.minus_infinity,
        }


def _would(source: Source, statistics: _Statistics) -> str:
    text = f"rank {statistics.rows:,} rows of {source.classes or 0:,} classes by softmax"
    if statistics.rows and statistics.like_probabilities == statistics.rows and (source.classes or 0) > 1:
        return text + "; but all rows look like probabilities already: --activation none leaves them as they are"
    if statistics.nan or statistics.plus_infinity:
        return text + "; but rows with NaN or +inf are errors unless --nan propagate"
    return text
