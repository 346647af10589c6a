"""What a model's outputs still need to be probabilities: decided once a run, with the reason.

The evidence, in the order in which it counts: what the user says; the model's configuration; the end of its graph;
the values themselves. What is probabilities already never gets a softmax on top.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.errors import Location, ModelError
from softmax_cli.model.graph import Ending, Kind

_SUM_TOLERANCE = 1e-3
_VALUES_ALONE = "only the values say so"
_WITH_AXIS = ("Softmax", "LogSoftmax")
_SOFTMAX_TYPE = "single_label_classification"
_SIGMOID_TYPE = "multi_label_classification"
_WORDS = {
    "none": "no activation was applied",
    "softmax": "softmax was applied",
    "sigmoid": "sigmoid was applied",
    "log-softmax": "log-softmax was applied",
}


@dataclass(frozen=True, slots=True)
class Decision:
    """The activation that the outputs still need, and why.

    doubt: what speaks against it, or that only values speak for it. expects: the kind of values that must go on,
    where values decided.
    """

    activation: str
    reason: str
    doubt: str | None = None
    expects: Kind | None = None

    @property
    def note(self) -> str:
        """The decision as the user is told of it."""
        doubt = f"; but {self.doubt}" if self.doubt and self.doubt != _VALUES_ALONE else ""
        return f"{self.reason}; {_WORDS[self.activation]}{doubt} (--activation overrides)"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known before the first values: the user's word, the configuration's problem_type, the graph's end."""

    asked: str | None = None
    problem_type: str | None = None
    ending: Ending | None = None

    def check(self, at: Location) -> None:
        """Refuse a model that has no scores of classes.

        Raises ModelError.
        """
        if self.ending is not None and self.ending.kind is Kind.INDICES:
            message = f"the model ends in {self.ending.node}: it gives the best classes, not a score for every class"
            hint = "export it without that node, or choose another output with --output-name"
            raise ModelError("unsupported-model", message, at=at, hint=hint)
        if self.asked is None and self.problem_type == "regression":
            hint = "--activation says what its outputs need, if it is a classifier"
            raise ModelError("unsupported-model", "its configuration says regression, not classes", at=at, hint=hint)


def kind_of_values(values: NDArray[Any]) -> Kind:
    """What (rows, classes) values look like: probabilities sum to 1 ± 0.001 in every row."""
    if not values.size:
        return Kind.LOGITS
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 1:
        if values.shape[1] == 1:
            return Kind.INDEPENDENT  # one score a row can't be told from one of several
        sums = values.sum(axis=1, dtype=np.float64)
        return Kind.PROBABILITIES if bool((np.abs(sums - 1) <= _SUM_TOLERANCE).all()) else Kind.INDEPENDENT
    if high <= 0:
        sums = np.exp(values, dtype=np.float64).sum(axis=1)
        if bool((np.abs(sums - 1) <= _SUM_TOLERANCE).all()):
            return Kind.LOG_PROBABILITIES
    return Kind.LOGITS


def decide(evidence: Evidence, values: NDArray[Any], axis: int, dimensions: int) -> Decision:
    """Decide by the evidence and the first values, (rows, classes).

    axis: the class axis of the output, which has so many dimensions.
    """
    found = kind_of_values(values)
    classes = values.shape[1]
    known = decide_before_values(evidence, classes, axis, dimensions)
    if known is not None:
        return known if evidence.ending is None or known.doubt else _compared(known, evidence.ending, found, classes)
    if evidence.problem_type is not None:
        return _by_problem_type(evidence.problem_type, found, classes)
    return _by_values(found, classes)


def decide_before_values(
    evidence: Evidence, classes: int | None, axis: int | None, dimensions: int | None
) -> Decision | None:
    """Decide by the user's word and the graph's end, None where only values can tell.

    classes, axis, dimensions: those of the output, None where they aren't known.
    """
    if evidence.asked is not None:
        return Decision(evidence.asked, "--activation")
    ending = evidence.ending
    if ending is None:
        return None
    if ending.kind is Kind.LOGITS and evidence.problem_type is not None:
        decision = _by_problem_type(evidence.problem_type, Kind.LOGITS, classes)
        return replace(decision, reason=f"{decision.reason}, and the model ends in {ending.node}")
    decision = Decision(_needed(ending.kind, classes), ending.reason)
    return replace(decision, doubt=_disagreement(ending, evidence.problem_type, axis, dimensions))


def _disagreement(ending: Ending, problem_type: str | None, axis: int | None, dimensions: int | None) -> str | None:
    """What speaks against the graph's end."""
    if (ending.kind, problem_type) in ((Kind.PROBABILITIES, _SIGMOID_TYPE), (Kind.INDEPENDENT, _SOFTMAX_TYPE)):
        return f"its configuration says {problem_type}"
    if dimensions and ending.axis is not None and ending.node in _WITH_AXIS and ending.axis % dimensions != axis:
        return f"{ending.node} works along axis {ending.axis % dimensions}, and the classes lie along axis {axis}"
    return None


def _compared(decision: Decision, ending: Ending, found: Kind, classes: int) -> Decision:
    """The graph's decision, with what the values say against it."""
    doubt = None
    if ending.kind is Kind.PROBABILITIES and found is not Kind.PROBABILITIES:
        doubt = "the values don't lie in [0, 1] with rows that sum to 1"
    elif ending.kind is Kind.INDEPENDENT and found not in (Kind.INDEPENDENT, Kind.PROBABILITIES):
        doubt = "the values don't lie in [0, 1]"
    elif ending.kind is Kind.LOGITS and found is Kind.PROBABILITIES and classes > 1:
        # A mean of probabilities ends in a linear node as well.
        return replace(_by_values(found, classes), doubt=f"the model ends in {ending.node}, which is linear")
    return replace(decision, doubt=doubt)


def _needed(kind: Kind, classes: int | None) -> str:
    if kind in (Kind.PROBABILITIES, Kind.INDEPENDENT):
        return "none"
    # The softmax of log-probabilities is the probabilities. A single score has nothing to be compared with.
    return "sigmoid" if classes == 1 and kind is Kind.LOGITS else "softmax"


def _by_problem_type(problem_type: str, found: Kind, classes: int | None) -> Decision:
    reason = f"problem_type is {problem_type}"
    is_sigmoid = problem_type == _SIGMOID_TYPE
    already = found is Kind.PROBABILITIES or (found is Kind.INDEPENDENT and is_sigmoid)
    if already and classes != 1:
        return Decision("none", f"{reason}, and the values are {found} already", _VALUES_ALONE, found)
    return Decision("sigmoid" if is_sigmoid else "softmax", reason)


def _by_values(found: Kind, classes: int) -> Decision:
    reasons = {
        Kind.PROBABILITIES: "all values lie in [0, 1] and rows sum to 1: they're probabilities already",
        Kind.INDEPENDENT: "all values lie in [0, 1], rows don't sum to 1: they're independent probabilities already",
        Kind.LOG_PROBABILITIES: "the exponentials of the values sum to 1: they're log-probabilities",
        Kind.LOGITS: "the values aren't probabilities: they were taken for logits",
    }
    return Decision(_needed(found, classes), reasons[found], _VALUES_ALONE, found)


def check_values(decision: Decision, values: NDArray[Any], at: Location) -> None:
    """Check that a later batch is what the first values were taken for.

    Raises ModelError where it contradicts the decision.
    """
    expected = decision.expects
    if expected is None or not len(values):
        return
    found = kind_of_values(values)
    if expected in (Kind.LOGITS, Kind.LOG_PROBABILITIES):
        # One row of logits may look like anything; several that sum to 1 don't by chance.
        contradicts = found is Kind.PROBABILITIES and len(values) > 1
    else:
        contradicts = found is not expected and not (expected is Kind.INDEPENDENT and found is Kind.PROBABILITIES)
    if not contradicts:
        return
    message = f"rows from here on look like {found}, and aren't {expected}, as those before were"
    hint = "--activation softmax, sigmoid or none says what the outputs are"
    raise ModelError("activation-contradiction", message, at=at, hint=hint)
