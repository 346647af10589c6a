"""Labels that don't exclude each other: each judged for itself, by the sigmoid of its logit.

Average precision needs all scores of a label in order. As many labels at a time are kept as memory allows; an input
that can be read again is, for the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.activation import scaled
from softmax_cli.batch import FloatArray, Source
from softmax_cli.errors import InputError, Location, UsageError
from softmax_cli.judge.report import ClassFigures, Interval, Report
from softmax_cli.judge.stream import JudgeOptions, judged
from softmax_cli.judge.summary import Classes, plain
from softmax_cli.judge.truth import Targets, Truth

if TYPE_CHECKING:
    from softmax_cli.judge.evaluate import EvaluateOptions

Floats = NDArray[np.float64]

HELD_BYTES = 1 << 28  # of scores


def label_weights(truth: Truth, classes: int) -> Floats:
    """Targets as (rows, classes): an index is one label, or of a single logit whether it's on."""
    if truth.weights is not None:
        return truth.weights
    assert truth.indices is not None
    if classes == 1:
        return truth.indices[:, None].astype(np.float64)
    weights = np.zeros((len(truth.indices), classes))
    weights[np.arange(len(weights)), truth.indices] = 1.0
    return weights


def average_precision(scores: NDArray[np.floating[Any]], positive: NDArray[np.bool_]) -> float | None:
    """The mean precision at each positive row, rows of equal score taken together; None without a positive row.

    scores, positive: (rows,).

    >>> average_precision(np.array([0.9, 0.8, 0.1]), np.array([True, False, True])).__round__(6)
    0.833333
    """
    total = np.count_nonzero(positive)
    if not total:
        return None
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    ends = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]) + 1, len(ordered))
    hits = np.cumsum(positive[order])[ends - 1]
    return float((np.diff(hits, prepend=0) * hits / ends).sum() / total)


@dataclass
class _Sums:
    """Sums by label, (classes,), and what resampling needs of each row, (rows, 5) a batch."""

    hits: Floats
    support: Floats
    predicted: Floats
    loss: Floats
    exact: float = 0.0
    rows: int = 0


class _Held:
    """The scores and targets of some labels: of all, while memory allows; it gives up the last ones when it doesn't."""

    def __init__(self, first: int, classes: int, again: bool):
        self.first = first
        self.last = classes
        self._again = again
        self._scores: list[FloatArray] = []
        self._positive: list[NDArray[np.bool_]] = []
        self._bytes = 0

    def add(self, scores: FloatArray, positive: NDArray[np.bool_]) -> None:
        """Keep a batch's scores and targets, (rows, classes) each."""
        cut = slice(self.first, self.last)
        self._scores.append(np.array(scores[:, cut]))
        self._positive.append(np.array(positive[:, cut]))
        self._bytes += self._scores[-1].nbytes + self._positive[-1].nbytes
        while self._again and self._bytes > HELD_BYTES and self.last - self.first > 1:
            self.last = self.first + (self.last - self.first) // 2
            width = self.last - self.first
            self._scores = [np.array(part[:, :width]) for part in self._scores]
            self._positive = [np.array(part[:, :width]) for part in self._positive]
            self._bytes = sum(part.nbytes for part in (*self._scores, *self._positive))

    def precisions(self) -> Iterator[float | None]:
        """The average precision of each label that is held."""
        for place in range(self.last - self.first):
            yield average_precision(
                np.concatenate([part[:, place] for part in self._scores]),
                np.concatenate([part[:, place] for part in self._positive]),
            )


def _loss(logits: FloatArray, weights: Floats, options: EvaluateOptions) -> tuple[Floats, NDArray[np.bool_]]:
    """The binary cross-entropy of each element, and whether its label is predicted."""
    with np.errstate(all="ignore"):
        if options.activation == "none":
            p = logits.astype(np.float64)
            first = np.where(weights > 0, weights * np.log(p), 0.0)
            second = np.where(weights < 1, (1.0 - weights) * np.log1p(-p), 0.0)
            return -(first + second), p >= options.threshold
        z, _ = scaled(logits, None, options.temperature)
        loss = np.maximum(z, 0.0) - np.where(weights > 0, weights * z, 0.0) + np.log1p(np.exp(-np.abs(z)))
        return loss, z >= np.log(options.threshold / (1.0 - options.threshold))


def evaluate_labels(
    source: Source, targets: Targets, options: EvaluateOptions, progress: Callable[[int], None]
) -> Report:
    """Judge labels: sums in the first pass, average precision of as many labels a pass as memory allows."""
    if options.nan != "error":
        raise UsageError("--nan propagate isn't for labels", hint="--on-error skip drops such rows")
    if options.goal is not None or options.class_weights is not None:
        raise UsageError("--at-precision, --at-risk, --at-coverage and --class-weights are for one class a row")
    stream = judged(
        source,
        targets,
        JudgeOptions(options.nan, options.names, options.on_fault, options.on_input_fault, options.lost),
    )
    sums: _Sums | None = None
    held: _Held | None = None
    by_row: list[Floats] = []
    for batch, truth in stream:
        classes = batch.logits.shape[1]
        weights = label_weights(truth, classes)
        if sums is None or held is None:
            zeros = [np.zeros(classes) for _ in range(4)]
            sums = _Sums(zeros[0], zeros[1], zeros[2], zeros[3])
            held = _Held(0, classes, not source.one_pass)
        rows = _add(sums, batch.logits, weights, options)
        if options.bootstrap:
            by_row.append(rows)
        held.add(batch.logits, weights >= 0.5)
        progress(len(batch))
    if sums is None or held is None or not sums.rows:
        why = f" ({stream.ignored:,} ignored, {stream.dropped:,} dropped)" if stream.ignored or stream.dropped else ""
        raise InputError("empty-input", f"no rows to judge{why}", at=Location(source.name))
    precisions = list(held.precisions())
    left_out = stream.ignored, max(stream.dropped, options.lost())
    quiet = JudgeOptions("error", options.names, _told, _told, options.lost)
    while len(precisions) < len(sums.support):
        held = _Held(len(precisions), len(sums.support), True)
        for batch, truth in judged(source, targets, quiet):
            held.add(batch.logits, label_weights(truth, batch.logits.shape[1]) >= 0.5)
        precisions += held.precisions()
    return _report(source, options, sums, precisions, left_out, by_row)


def _told(error: InputError) -> None:
    """Nothing more: the first pass told of the error."""


def _add(sums: _Sums, logits: FloatArray, weights: Floats, options: EvaluateOptions) -> Floats:
    """Add a batch; returns each row's hits, wrong labels, labels predicted and true, loss and whether all fit."""
    loss, predicted = _loss(logits, weights, options)
    true = weights >= 0.5
    hits = predicted & true
    wrong = (predicted != true).sum(axis=1)
    sums.hits += hits.sum(axis=0)
    sums.support += true.sum(axis=0)
    sums.predicted += predicted.sum(axis=0)
    sums.loss += loss.sum(axis=0)
    sums.exact += float(np.count_nonzero(wrong == 0))
    sums.rows += len(logits)
    counted = predicted.sum(axis=1) + true.sum(axis=1)
    return np.stack([hits.sum(axis=1), wrong, counted, loss.sum(axis=1), wrong == 0], axis=1).astype(np.float64)


def _ratio(over: float, under: float) -> float:
    return over / under if under else 0.0


def _report(
    source: Source,
    options: EvaluateOptions,
    sums: _Sums,
    precisions: Sequence[float | None],
    left_out: tuple[int, int],
    by_row: Sequence[Floats],
) -> Report:
    classes = Classes(sums.hits, sums.support, sums.predicted)
    averages = dict(classes.averages())
    hits, support, predicted = (float(values.sum()) for values in (sums.hits, sums.support, sums.predicted))
    averages["micro"] = {
        "precision": _ratio(hits, predicted),
        "recall": _ratio(hits, support),
        "f1": _ratio(2 * hits, support + predicted),
        "iou": _ratio(hits, support + predicted - hits),
    }
    known = [value for value in precisions if value is not None]
    elements = sums.rows * len(sums.support)
    figures: dict[str, float | None] = {
        "mean_average_precision": float(np.mean(known)) if known else None,
        "hamming_loss": float((support + predicted - 2 * hits) / elements),
        "subset_accuracy": sums.exact / sums.rows,
        "binary_cross_entropy": float(sums.loss.sum() / elements),
    }
    notes = []
    if len(known) < len(precisions):
        notes.append(
            f"{len(precisions) - len(known):,} of {len(precisions):,} labels are never true: they have no average "
            "precision, and aren't in its mean"
        )
    if np.isinf(sums.loss).any():
        notes.append("some targets have probability 0: the cross-entropy is infinite")
    per_class: list[ClassFigures] = [
        replace(figure, average_precision=precisions[figure.index]) for figure in classes.figures(options.names)
    ]
    return Report(
        source=source.name,
        kind="labels",
        activation=options.activation,
        temperature=options.temperature,
        rows=sums.rows,
        ignored=left_out[0],
        dropped=left_out[1],
        undefined=0,
        classes=len(sums.support),
        top_k={},
        figures=plain(figures),
        averages=averages,
        per_class=per_class,
        labels=options.names,
        intervals=_intervals(by_row, len(sums.support), options) if options.bootstrap else None,
        threshold=options.threshold,
        notes=notes,
    )


def _intervals(by_row: Sequence[Floats], classes: int, options: EvaluateOptions) -> dict[str, Interval]:
    """Intervals of the figures that rows add up to."""
    rows = np.concatenate(by_row)
    draws = []
    for seed in np.random.SeedSequence(options.seed).spawn(options.bootstrap):
        picks = np.random.default_rng(seed).integers(0, len(rows), len(rows))
        hits, wrong, counted, loss, exact = (np.bincount(picks, minlength=len(rows)) @ rows).tolist()
        draws.append(
            {
                "hamming_loss": wrong / len(rows) / classes,
                "subset_accuracy": exact / len(rows),
                "binary_cross_entropy": loss / len(rows) / classes,
                "micro_f1": _ratio(2 * hits, counted),
            }
        )
    bounds = {name: np.percentile([draw[name] for draw in draws], (2.5, 97.5)) for name in draws[0]}
    return {name: Interval(float(low), float(high)) for name, (low, high) in bounds.items() if np.isfinite(high)}
