"""Conformal sets against their definitions, and their coverage on rows that they haven't seen."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy.stats import beta

from softmax_cli.batch import LogitBatch
from softmax_cli.confidence.calibration import Calibration
from softmax_cli.confidence.ranking import Confidence
from softmax_cli.confidence.sets import ConformalSets, SetRule
from softmax_cli.judge.conformal import fewest_rows, fit_sets, measure, quantile, true_scores
from softmax_cli.judge.samples import from_arrays
from softmax_cli.judge.splits import split
from tests.calibrate.made import Floats, drawn, shares_of

RULES = {
    "lac": SetRule("lac"),
    "aps": SetRule("aps"),
    "raps": SetRule("raps", penalty=0.05, free=2),
    "lac, never empty": SetRule("lac", allow_empty=False),
    "aps, never empty": SetRule("aps", allow_empty=False),
    "raps, never empty": SetRule("raps", penalty=0.05, free=2, allow_empty=False),
}


def textbook_scores(shares: Floats, rule: SetRule) -> Floats:
    """Every class's score, (rows, classes), class by class, as the papers define it."""
    scores = np.empty_like(shares)
    for row, line in enumerate(shares):
        for index, share in enumerate(line):
            before = [other for other in range(len(line)) if (-line[other], other) < (-share, index)]
            mass = sum(line[other] for other in before) + share
            rank = len(before) + 1
            scores[row, index] = {
                "lac": 1 - share,
                "aps": mass,
                "raps": mass + rule.penalty * max(0, rank - rule.free),
            }[rule.method]
            if not rule.allow_empty and rank == 1:
                scores[row, index] = 0
    return scores


@pytest.mark.parametrize("name", RULES)
def test_sets_are_those_of_the_definition(name: str) -> None:
    rule = RULES[name]
    logits, targets = drawn(150, 6)
    fresh, _ = drawn(80, 6, seed=1)
    expected = textbook_scores(shares_of(logits), rule)[np.arange(150), targets]
    plain = Calibration("temperature", 6)
    samples = from_arrays(logits, targets)
    scores = true_scores(samples, plain, rule)
    assert scores == pytest.approx(expected, abs=1e-12)
    threshold = np.sort(expected)[math.ceil(151 * 0.8) - 1]
    report = fit_sets(samples, split(samples, 5, 0), plain, rule, 0.8)
    assert report.sets.threshold == pytest.approx(threshold, abs=1e-12)

    sets = ConformalSets(rule, threshold + 1e-12, 0.8, plain)
    ranked = Confidence(plain, sets).rank_batch(LogitBatch("-", fresh, np.arange(80)), None)
    inside = textbook_scores(shares_of(fresh), rule) <= threshold + 1e-12
    found = [set(line[:count].tolist()) for line, count in zip(ranked.indices, ranked.counts, strict=True)]
    assert found == [set(np.flatnonzero(line).tolist()) for line in inside]
    assert ranked.are_sets


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("coverage", [0.7, 0.9])
def test_coverage_is_what_was_asked_for(name: str, coverage: float) -> None:
    """Over many draws: of n rows, the coverage on others is Beta(k, n + 1 - k), k the quantile's place."""
    rule, rows = RULES[name], 300
    plain = Calibration("temperature", 5)
    held = count = 0
    for seed in range(40):
        logits, targets = drawn(rows, 5, 1.6, seed, spread=0.8)  # overconfident, and mostly wrong
        fresh, truth = drawn(500, 5, 1.6, 1000 + seed, spread=0.8)
        sets = fit_sets(samples := from_arrays(logits, targets), split(samples, 2, 0), plain, rule, coverage).sets
        measured = measure(sets, from_arrays(fresh, truth), None)
        assert rule.allow_empty or measured.empty == 0
        held, count = held + measured.held, count + measured.rows
    place = math.ceil(Fraction(repr(coverage)) * (rows + 1))
    spread = math.sqrt(beta.var(place, rows + 1 - place) / 40 + coverage * (1 - coverage) / count)
    assert held / count == pytest.approx(place / (rows + 1), abs=4.5 * spread)


@pytest.mark.parametrize("folds", [2, 5])
def test_measured_coverage_is_that_of_rows_held_out(folds: int) -> None:
    logits, targets = drawn(200, 4)
    samples = from_arrays(logits, targets)
    plain, rule = Calibration("temperature", 4), SetRule("lac")
    report = fit_sets(samples, split(samples, folds, 3), plain, rule, 0.9)
    fold = np.random.default_rng(3).permutation(200) % folds
    share = 1 - shares_of(logits)[np.arange(200), targets]
    held = 0
    for part in range(folds):
        others = np.sort(share[fold != part])
        held += int((share[fold == part] <= others[math.ceil((len(others) + 1) * Fraction("0.9")) - 1]).sum())
    assert report.coverage.held == held
    assert report.coverage.rows == 200


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["lac", "aps", "raps"])
def test_the_row_at_the_threshold_is_inside(name: str, dtype: type) -> None:
    """Of the rows that the threshold was fitted on, as many hold the truth as its place says: to the bit."""
    logits, targets = drawn(99, 5)
    samples = from_arrays(logits.astype(dtype), targets)
    sets = fit_sets(samples, split(samples, 2, 0), Calibration("temperature", 5, 1.7), RULES[name], 0.8).sets
    assert measure(sets, samples, None).held == 80


def test_too_few_rows_give_sets_of_all_classes() -> None:
    logits, targets = drawn(fewest_rows(0.9) - 1, 3)
    report = fit_sets(
        samples := from_arrays(logits, targets), split(samples, 2, 0), Calibration("temperature", 3), SetRule(), 0.9
    )
    assert report.sets.threshold == math.inf
    assert report.sets.sizes(np.array([[0.9, 0.1, 0.0]])).tolist() == [3]
    assert "9 would do" in report.notes[0]


@pytest.mark.parametrize(("rows", "coverage", "place"), [(9, 0.7, 7), (99, 0.95, 95), (9, 0.9, 9), (10, 0.9, 10)])
def test_the_quantile_counts_in_decimals(rows: int, coverage: float, place: int) -> None:
    """10 × 0.7 is 7, not 7.000000000000001."""
    assert quantile(np.arange(1.0, rows + 1), coverage) == place


def test_sets_dont_depend_on_the_blocking() -> None:
    logits, _ = drawn(64, 9)
    narrow: Floats = logits.astype(np.float32)  # type: ignore[assignment]
    sets = ConformalSets(SetRule("aps", allow_empty=False), 0.9, 0.9, Calibration("temperature", 9, 1.3))
    confidence = Confidence(sets.calibration, sets)
    whole = confidence.rank_batch(LogitBatch("-", narrow, np.arange(64)), None)
    counts: list[int] = []
    for place in range(64):
        part = confidence.rank_batch(LogitBatch("-", narrow[place : place + 1], np.array([place])), None)
        assert part.counts is not None
        counts += part.counts.tolist()
    assert whole.counts is not None
    assert whole.counts.tolist() == counts
