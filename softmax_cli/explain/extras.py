"""What is explained on request: loss and gradient, Jacobian, temperature, sigmoid."""

from __future__ import annotations

import math
from collections.abc import Sequence

from softmax_cli.explain.document import Bar, Block, Cell, Formula, Section, Table, column, power_of_e, short
from softmax_cli.explain.tables import class_name, class_table, labels, of_shown
from softmax_cli.judge.explanation import Explanation, Steps
from softmax_cli.sinks.cells import number, percent


def _loss(value: float) -> str:
    return f"{number(value, 4)} nats = {number(value / math.log(2), 4)} bits"


def _probability(steps: Steps, index: int) -> str:
    """A probability, by its logarithm where it is too small for floats."""
    value = float(steps.probabilities[index])
    return number(value, 6) if value else power_of_e(float(steps.log_probabilities[index]))


def cross_entropy(explanation: Explanation) -> Section | None:
    """The loss of the true class, and its gradient."""
    steps, target = explanation.plain, explanation.target
    if target is None or steps.cross_entropy is None or steps.gradient is None:
        return None
    name = class_name(explanation, target)
    text = (
        f"The true class is {name}. Training lowers the cross-entropy, which only looks at its probability: "
        f"-ln {_probability(steps, target)} = {_loss(steps.cross_entropy)}. It is 0 for a sure "
        "and right answer, and grows without bound the surer a wrong one is."
    )
    if math.isinf(steps.cross_entropy):
        text = f"The true class, {name}, is masked: its probability is 0, and the cross-entropy -ln 0 is infinite."
    slope = (
        f"Its gradient with respect to the logits is p - y, y being the one-hot vector of {name}. A step against it "
        f"raises the logit of {name} and lowers the others, the likelier ones more. It sums to 0."
    )
    columns: dict[str, Sequence[Cell]] = {
        "p": [number(value, 6) for value in of_shown(explanation, steps.probabilities)],
        "y": ["1" if index == target else "0" for index in explanation.shown],
        "p - y": [number(value, 6) for value in of_shown(explanation, steps.gradient)],
    }
    blocks: list[Block] = [
        Formula("L = -ln p_target;  ∂L / ∂x = p - y"),
        text,
        slope,
        class_table(explanation, columns),
    ]
    return Section("Cross-entropy", blocks)


def jacobian(explanation: Explanation) -> Section | None:
    """How each probability answers to each logit."""
    matrix = explanation.plain.jacobian
    if matrix is None:
        return None
    text = (
        "How each probability (row) answers to each logit (column): its own raises it, every other lowers it. The "
        "matrix is symmetric, and each row sums to 0, since the probabilities keep summing to 1"
    )
    cut = len(explanation.shown) < len(explanation)
    text += "; here that holds only with the classes left out." if cut else "."
    names = labels(explanation)
    rows = [(name, *(number(float(value), 6) for value in row)) for name, row in zip(names, matrix, strict=True)]
    formula = Formula("∂p_i / ∂x_j = p_i (δ_ij - p_j), that is diag(p) - p pᵀ")
    return Section("Jacobian", [formula, text, Table(("", *names), rows, split=True)])


def temperature(explanation: Explanation) -> Section | None:
    """The same logits at another temperature."""
    steps, plain = explanation.tempered, explanation.plain
    if steps is None:
        return None
    value = short(steps.temperature)
    flatter = steps.temperature > 1
    text = (
        f"Divide the logits by T = {value} before the softmax. T above 1 makes the probabilities flatter, below 1 "
        "sharper; their order stays. Calibration finds the T at which they are as sure as they are right."
    )
    before, after = of_shown(explanation, plain.probabilities), of_shown(explanation, steps.probabilities)
    columns: dict[str, Sequence[Cell]] = {
        "x": column(of_shown(explanation, explanation.logits)),
        f"x / {value}": column(of_shown(explanation, steps.scaled)),
        "p, T = 1": [number(share, 6) for share in before],
        f"p, T = {value}": [number(share, 6) for share in after],
        "%": [percent(share) for share in after],
        "": [Bar(share) for share in after],
    }
    blocks: list[Block] = [
        Formula("p_i = e^(x_i / T) / (e^(x_1 / T) + … + e^(x_n / T))"),
        text,
        class_table(explanation, columns, ("", "", *_sums(plain, steps), "100.0%", ""), spare=("x", "%")),
    ]
    way = ("more" if flatter else "less") if _differ(plain.entropy, steps.entropy) else "as"
    than = "as" if way == "as" else "than"
    summary = f"The entropy is {number(steps.entropy, 4)} nats, {way} {'undecided ' if way == 'as' else ''}{than} "
    blocks.append(f"{summary}{number(plain.entropy, 4)} at T = 1.{_losses(explanation, plain, steps)}")
    return Section(f"Temperature {value}", blocks)


def _differ(a: float, b: float) -> bool:
    return number(a, 4) != number(b, 4)


def _sums(*several: Steps) -> tuple[str, ...]:
    return tuple(f"{math.fsum(steps.probabilities):.6f}" for steps in several)


def _losses(explanation: Explanation, plain: Steps, steps: Steps) -> str:
    if explanation.target is None or plain.cross_entropy is None or steps.cross_entropy is None:
        return ""
    name = class_name(explanation, explanation.target)
    return (
        f" The cross-entropy for {name} is {number(steps.cross_entropy, 4)} nats, at T = 1 "
        f"{number(plain.cross_entropy, 4)}; its gradient with respect to the logits is (p - y) / T."
    )


def sigmoid(explanation: Explanation) -> Section | None:
    """The sigmoid beside the softmax, and why only one of them sums to 1."""
    if explanation.sigmoids is None:
        return None
    plain = explanation.plain
    both = math.fsum(explanation.sigmoids)
    text = (
        "The sigmoid answers a yes-or-no question for each class by itself, for labels that may hold together; no "
        f"other logit plays a part, and so nothing makes them sum to 1: here they sum to {number(both, 4)}. The "
        "softmax divides by one sum over all classes: what one class gains, the others lose, and the sum is 1."
    )
    shares = of_shown(explanation, explanation.sigmoids)
    columns: dict[str, Sequence[Cell]] = {
        "x": column(of_shown(explanation, explanation.logits)),
        "softmax": [number(value, 6) for value in of_shown(explanation, plain.probabilities)],
        "sigmoid": [number(value, 6) for value in shares],
        "": [Bar(value) for value in shares],
    }
    total = ("", f"{math.fsum(plain.probabilities):.6f}", number(both, 6), "")
    last = "The sigmoid of x is the softmax of two classes with the logits x and 0."
    return Section(
        "Sigmoid beside softmax",
        [Formula("sigmoid(x) = 1 / (1 + e^-x)"), text, class_table(explanation, columns, total, spare=("x",)), last],
    )
