"""The explanation as one strict JSON object: every class, every digit, null for what isn't a finite number."""

from __future__ import annotations

import json
import math
from typing import Any

from softmax_cli.judge.explanation import Explanation, Float64Array, Naive, Steps
from softmax_cli.text import valid


def render(explanation: Explanation) -> str:
    """The explanation as JSON; the Jacobian is that of the shown classes."""
    return json.dumps(_record(explanation), ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def _record(explanation: Explanation) -> dict[str, Any]:
    best = explanation.argmax
    record: dict[str, Any] = {
        "source": None if explanation.origin is None else valid(explanation.origin),
        "classes": len(explanation),
        "labels": [valid(explanation.label(index)) for index in range(len(explanation))],
        "shown": list(explanation.shown),
        "logits": _numbers(explanation.logits),
        **_steps(explanation.plain),
        "argmax": best,
        "label": valid(explanation.label(best)),
        "ties": explanation.ties,
        "one_hot": [int(index == best) for index in range(len(explanation))],
        "without_shift": [_naive(naive) for naive in explanation.naive],
    }
    if explanation.target is not None:
        record["target"] = explanation.target
    if explanation.tempered is not None:
        record["at_temperature"] = _steps(explanation.tempered)
    if explanation.sigmoids is not None:
        record["sigmoid"] = _numbers(explanation.sigmoids)
        record["sigmoid_sum"] = math.fsum(explanation.sigmoids)
    return record


def _steps(steps: Steps) -> dict[str, Any]:
    record: dict[str, Any] = {
        "temperature": steps.temperature,
        "scaled": _numbers(steps.scaled),
        "maximum": _number(steps.maximum),
        "shifted": _numbers(steps.shifted),
        "exponentials": _numbers(steps.exponentials),
        "exponential_sum": steps.total,
        "probabilities": _numbers(steps.probabilities),
        "probability_sum": math.fsum(steps.probabilities),
        "log_probabilities": _numbers(steps.log_probabilities),
        "entropy": steps.entropy,
        "entropy_bits": steps.entropy / math.log(2),
    }
    if steps.cross_entropy is not None and steps.gradient is not None:
        record["cross_entropy"] = _number(steps.cross_entropy)
        record["cross_entropy_bits"] = _number(steps.cross_entropy / math.log(2))
        record["gradient"] = _numbers(steps.gradient)
    if steps.jacobian is not None:
        record["jacobian"] = [_numbers(row) for row in steps.jacobian]
    return record


def _naive(naive: Naive) -> dict[str, Any]:
    return {
        "dtype": naive.dtype,
        "largest_exponent": naive.largest,
        "least_exponent": naive.least,
        "overflows": naive.overflows,
        "vanishes": naive.vanishes,
        "fails": naive.fails,
        "exponentials": _numbers(naive.exponentials),
        "exponential_sum": _number(naive.total),
        "probabilities": _numbers(naive.probabilities),
    }


def _numbers(values: Float64Array) -> list[float | None]:
    return [_number(float(value)) for value in values]


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
