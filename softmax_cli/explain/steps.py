"""The text of the explanation: from the logits to probabilities, decision and entropy, step by step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from softmax_cli.explain.document import Bar, Block, Cell, Document, Formula, Section, column, power_of_e, short
from softmax_cli.explain.extras import cross_entropy, jacobian, sigmoid, temperature
from softmax_cli.explain.tables import class_name, class_table, of_shown
from softmax_cli.judge.explanation import Explanation, Float64Array, Naive
from softmax_cli.sinks.cells import number, percent

_LIKE_ONE = 1e-3
_ONE_HOT = 12  # classes, up to which the vector is written out


def document(explanation: Explanation) -> Document:
    """Write the explanation down."""
    parts = (logits, shift, exponentials, probabilities, decision, entropy)
    extras = (cross_entropy, jacobian, temperature, sigmoid)
    sections = [part(explanation) for part in parts]
    sections += [section for extra in extras if (section := extra(explanation)) is not None]
    of = "" if explanation.origin is None else f": {explanation.origin}"
    return Document(f"The softmax of {_logits(len(explanation))}{of}", _introduction(explanation), sections)


def _logits(count: int) -> str:
    return f"{count:,} logit{'' if count == 1 else 's'}"


def _introduction(explanation: Explanation) -> list[Block]:
    blocks: list[Block] = [
        Formula("p_i = e^x_i / (e^x_1 + … + e^x_n)"),
    ]
    hidden = len(explanation) - len(explanation.shown)
    if hidden:
        text = (
            f"{len(explanation.shown):,} of {len(explanation):,} classes are shown, those with the largest logits; "
            f"{hidden:,} are left out, but they are in every sum. -k N shows more, -k 0 all."
        )
        blocks.append(text)
    return blocks


def logits(explanation: Explanation) -> Section:
    """What goes in."""
    row = explanation.logits
    text = (
        "A classifier gives each class one number, its logit: any real number, the larger the likelier. They are "
        f"no probabilities yet: they may be negative, and they {_sum_of(row)}.{_masked(row)}"
    )
    if row.min() >= 0 and row.max() <= 1 and abs(math.fsum(row) - 1) <= _LIKE_ONE:
        text += " These look like probabilities already, though: a softmax on top of them is a common mistake."
    values = of_shown(explanation, row)
    return Section("Logits", [text, class_table(explanation, {"logit x": column(values)})])


def _sum_of(row: Float64Array) -> str:
    text = short(math.fsum(row))
    return "needn't sum to 1" if text in ("1", "-inf") else f"sum to {text} here, not to 1"


def _masked(row: Float64Array) -> str:
    masked = sum(value == -math.inf for value in row)
    some = "One logit is -inf: that class is" if masked == 1 else f"{masked:,} logits are -inf: those classes are"
    return f" {some} masked, with a probability of exactly 0." if masked else ""


def shift(explanation: Explanation) -> Section:
    """Why the maximum is subtracted, and what is left."""
    steps = explanation.plain
    most = short(steps.maximum)
    text = (
        f"Subtract the maximum, m = {most}, from every logit. The probabilities stay the same, for e^(x - m) is "
        "e^x / e^m, and e^m cancels out of the quotient. But now the largest exponent is 0: no exponential is above "
        "1, so none can overflow, and the sum is at least 1."
    )
    values = of_shown(explanation, explanation.logits)
    shifted = of_shown(explanation, steps.shifted)
    return Section(
        "Shift by the maximum", [text, class_table(explanation, {"x": column(values), "x - m": column(shifted)})]
    )


def exponentials(explanation: Explanation) -> Section:
    """The exponentials with and without the shift, their sums, and what goes wrong without."""
    steps = explanation.plain
    text = "e to the power of each makes them positive and keeps their order; equal steps become equal factors."
    naive = [power_of_e(float(explanation.logits[index])) for index in explanation.shown]
    terms = [number(value, 4) for value in of_shown(explanation, steps.exponentials)]
    whole = power_of_e(steps.maximum + math.log(steps.total))
    columns: dict[str, Sequence[Cell]] = {"e^x": naive, "e^(x - m)": terms}
    blocks: list[Block] = [text, class_table(explanation, columns, (whole, number(steps.total, 4)))]
    return Section("Exponentials", [*blocks, *_without_shift(explanation)])


def _without_shift(explanation: Explanation) -> Iterator[Block]:
    """What exp(x) / Σ exp(x) would have come to."""
    failing = [naive for naive in explanation.naive if naive.fails]
    holds = " and ".join(f"x = {naive.largest:.1f} in {naive.dtype}" for naive in explanation.naive)
    if not failing:
        lost = [f"{naive.vanishes:,} in {naive.dtype}" for naive in explanation.naive if naive.vanishes]
        under = f" But exponentials too small for floats become 0: {', '.join(lost)}." if lost else ""
        yield f"Without the shift it would have gone well here, too: e^x stays finite up to {holds}.{under}"
        return
    columns: dict[str, Sequence[Cell]] = {}
    for naive in explanation.naive:
        columns[f"e^x in {naive.dtype}"] = [number(value, 4) for value in of_shown(explanation, naive.exponentials)]
        columns[f"p in {naive.dtype}"] = [number(value, 4) for value in of_shown(explanation, naive.probabilities)]
    ways: dict[str, list[str]] = {}
    for naive in failing:
        ways.setdefault(_failure(naive), []).append(naive.dtype)
    said = "; ".join(f"in {' and in '.join(kinds)} {way}" for way, kinds in ways.items())
    yield f"Without the shift, {said}. {_range(explanation.naive)}."
    yield replace(class_table(explanation, columns), split=True)


def _failure(naive: Naive) -> str:
    if naive.overflows:
        some = "an exponential overflows" if naive.overflows == 1 else f"{naive.overflows:,} exponentials overflow"
        return f"{some} to infinity, and infinity / infinity is not a number (nan)"
    if not math.isfinite(naive.total):
        return "the sum overflows to infinity, and every probability becomes 0"
    return "every exponential underflows to 0, and 0 / 0 is not a number (nan)"


def _range(kinds: Sequence[Naive]) -> str:
    return ". ".join(
        f"In {naive.dtype}, e^x is finite for x up to {naive.largest:.1f}, and 0 for x below {naive.least:.1f}"
        for naive in kinds
    )


def probabilities(explanation: Explanation) -> Section:
    """The quotients, and that they sum to 1."""
    steps = explanation.plain
    total = number(steps.total, 4)
    best = explanation.argmax
    text = (
        f"Divide each exponential by their sum, {total}. What comes out lies between 0 and 1, and sums to 1. For "
        f"{class_name(explanation, best)}: {number(float(steps.exponentials[best]), 4)} / {total} = "
        f"{number(float(steps.probabilities[best]), 6)}"
    )
    if not any(naive.fails for naive in explanation.naive):
        most = float(explanation.logits[best])
        whole = power_of_e(most + math.log(steps.total))
        text += f", and {power_of_e(most)} / {whole} is the same"
    text += "."
    values = of_shown(explanation, steps.probabilities)
    columns: dict[str, Sequence[Cell]] = {
        f"e^(x - m) / {total}": [number(value, 6) for value in values],
        "%": [percent(value) for value in values],
        "": [Bar(value) for value in values],
    }
    added = math.fsum(steps.probabilities)
    blocks: list[Block] = [text, class_table(explanation, columns, (f"{added:.6f}", "100.0%", ""))]
    gone = [
        index for index in explanation.shown if not steps.probabilities[index] and explanation.logits[index] > -math.inf
    ]
    if gone:
        name = class_name(explanation, gone[0])
        logarithm = float(steps.log_probabilities[gone[0]])
        blocks.append(
            f"A probability too small for float64, as that of {name}, becomes 0. Its logarithm keeps it: "
            f"log-softmax gives {short(logarithm)}, so p is about {power_of_e(logarithm)}."
        )
    return Section("Probabilities", blocks)


def decision(explanation: Explanation) -> Section:
    """The most likely class, as index and one-hot vector."""
    best = explanation.argmax
    name = class_name(explanation, best)
    named = name if explanation.names is None else f"{name} (class {best})"
    text = f"argmax: {named} has the largest probability. It is the class with the largest logit, too."
    if explanation.ties > 1:
        text = (
            f"argmax: {explanation.ties:,} classes share the largest probability; by convention the first counts: "
            f"{named}."
        )
    blocks: list[Block] = [text]
    if len(explanation) <= _ONE_HOT:
        vector = " ".join("1" if index == best else "0" for index in range(len(explanation)))
        blocks.append(f"As a one-hot vector: [{vector}]. That is all or nothing; the softmax also says how sure.")
    else:
        blocks.append(f"As a one-hot vector: 1 at {best}, 0 at the {len(explanation) - 1:,} others.")
    return Section("Decision", blocks)


def entropy(explanation: Explanation) -> Section:
    """How undecided the probabilities are."""
    steps = explanation.plain
    possible = sum(value > -math.inf for value in explanation.logits)
    most = math.log(possible)
    text = (
        f"How undecided is that? The entropy is {number(steps.entropy, 4)} nats = "
        f"{number(steps.entropy / math.log(2), 4)} bits: 0 if one class is certain, at most ln {possible:,} = "
        f"{number(most, 4)} nats if all {possible:,} are equally likely."
    )
    if possible == 1:
        text = "The entropy is 0: with one class there is nothing to be undecided about."
    return Section("Entropy", [Formula("H = -(p_1 ln p_1 + … + p_n ln p_n)"), text])
