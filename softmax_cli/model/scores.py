"""From a model's raw outputs to rows of logits: class axis last, padding gone, in the order of the samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.batch import Fault, LogitBatch, as_logits
from softmax_cli.errors import InputError, Location, ModelError
from softmax_cli.geometry import Geometry, shape_text
from softmax_cli.model.feeding import Feed, Window

_MANY_ROWS = 1 << 40  # stands for a length that only reading tells


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of one run: (samples, inner, classes), and the lengths of the axes within `inner`.

    axis: the class axis of the output, which had so many dimensions.
    """

    values: NDArray[Any]
    tail: tuple[int, ...]
    axis: int
    dimensions: int


def read_scores(values: NDArray[Any], feed: Feed, axis: int, at: Location, output: object) -> Scores:
    """Take the scores of a run's samples out of an output; axes of length 1 are dropped.

    Raises ModelError where the output hasn't a row for each sample, or no such class axis.
    """
    fed = len(next(iter(feed.tensors.values())))
    if values.ndim < 2 or len(values) != fed:
        message = f"output {output} is {shape_text(values.shape)} for {fed} samples, expected a row each"
        raise ModelError("unsupported-model", message, at=at)
    longer = [place for place, length in enumerate(values.shape[1:], 1) if length != 1]
    if axis == -1 and values.shape[-1] == 1 and len(longer) == 1:
        axis = longer[0]  # samples×classes×1×1
    try:
        geometry = Geometry.of(values.shape, axis, at)
    except InputError as error:
        raise ModelError(error.slug, f"the model's output: {error.message}", at=at, hint=error.hint) from error
    if geometry.axis == 0:
        raise ModelError("axis-range", "--axis 0 is the batch axis of the model's output", at=at)
    moved = np.moveaxis(values, geometry.axis, -1)[: len(feed.places)]
    inner = moved.reshape(len(feed.places), -1, geometry.classes)
    tail = tuple(length for length in geometry.row_shape[1:] if length != 1)
    return Scores(inner, tail, geometry.axis, values.ndim)


def batch_of(window: Window, scores: Sequence[Scores], total: int | None, first_row: int) -> LogitBatch:
    """Bring a window's scores into the order of its samples.

    total: the samples of the input, if known. first_row: the number of the next row, where sequences of different
    lengths make rows.
    """
    if _is_ragged(window.feeds, scores):
        return _ragged(window, scores, first_row)
    values = np.concatenate([item.values for item in scores]) if len(scores) > 1 else scores[0].values
    places = np.concatenate([feed.places for feed in window.feeds])
    if not np.array_equal(places, np.arange(len(places))):
        values = values[np.argsort(places)]
    samples, inner, classes = values.shape
    length = 1 if window.sources is not None else total or _MANY_ROWS
    return LogitBatch(
        window.source,
        as_logits(values.reshape(samples * inner, classes)),
        (window.rows[:, None] * inner + np.arange(inner)).reshape(-1),
        _repeated(window.ids, inner),
        (length, *scores[0].tail),
        _repeated(window.sources, inner),
        faults=[Fault(fault.place * inner, fault.error) for fault in window.faults],
    )


def _repeated(texts: Sequence[str] | None, times: int) -> Sequence[str] | None:
    return texts if texts is None or times == 1 else [text for text in texts for _ in range(times)]


def _is_ragged(feeds: Sequence[Feed], scores: Sequence[Scores]) -> bool:
    """Whether there is a row for each token: the output is as long as the sequences that were fed."""
    pairs = zip(feeds, scores, strict=True)
    return all(feed.keep is not None and item.tail == feed.keep.shape[1:] for feed, item in pairs)


def _ragged(window: Window, scores: Sequence[Scores], first_row: int) -> LogitBatch:
    """Rows for the real tokens of each sample; their texts are the ids where the input has none."""
    order: list[tuple[int, NDArray[Any], NDArray[np.int64], Sequence[str]]] = []
    for feed, item in zip(window.feeds, scores, strict=True):
        assert feed.keep is not None
        for number, place in enumerate(feed.places):
            kept = np.nonzero(feed.keep[number])[0]
            tokens = feed.tokens[number] if feed.tokens is not None else [""] * len(kept)
            order.append((int(place), item.values[number, kept], kept, tokens))
    order.sort(key=lambda part: part[0])
    counts = [len(kept) for _, _, kept, _ in order]
    samples = np.repeat(window.rows, counts)
    before = np.concatenate([[0], np.cumsum(counts)])
    ids = [text for _, _, _, tokens in order for text in tokens]
    owners = [place for place, count in enumerate(counts) for _ in range(count)]
    return LogitBatch(
        window.source,
        as_logits(np.concatenate([values for _, values, _, _ in order])),
        np.arange(first_row, first_row + len(samples), dtype=np.int64),
        ids,
        sources=None if window.sources is None else [window.sources[place] for place in owners],
        positions=np.stack([samples, np.concatenate([kept for _, _, kept, _ in order])], axis=1),
        faults=[Fault(int(before[fault.place]), fault.error) for fault in window.faults],
    )
