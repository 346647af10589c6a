"""Fits a calibration, and measures it on rows that it wasn't fitted on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from softmax_cli.confidence.calibration import Calibration
from softmax_cli.judge.isotonic import fit_isotonic
from softmax_cli.judge.samples import Mask, Samples
from softmax_cli.judge.scores import Scores, score
from softmax_cli.judge.splits import Splits
from softmax_cli.judge.temperature import TemperatureFit, fit_temperature, slope_of
from softmax_cli.judge.vector import PULL, fit_vector


@dataclass(frozen=True, slots=True)
class Fit:
    """A calibration, and what there is to say of how it was fitted.

    outcome: "converged", or why not. facts: of the fit, of JSON's types. notes: for the user.
    """

    calibration: Calibration
    outcome: str
    facts: Mapping[str, Any]
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """A fitted calibration with its scores before and after, measured as `measured` says."""

    fit: Fit
    rows: int
    before: Scores
    after: Scores
    measured: str
    notes: Sequence[str] = ()

    def figures(self) -> dict[str, Any]:
        """What was measured, of JSON's types."""
        return {
            "rows": self.rows,
            "outcome": self.fit.outcome,
            **self.fit.facts,
            "measured_on": self.measured,
            "measured_rows": self.after.rows,
            "before": self.before.as_record(),
            "after": self.after.as_record(),
            "notes": list(self.notes),
        }


def _temperature(samples: Samples, keep: Mask | None, jobs: int, begin: Calibration | None) -> Fit:
    start = 1.0 if begin is None else begin.temperature
    found = _fit_temperature(samples, keep, jobs, start)
    facts = {
        "temperature": found.temperature,
        "temperature_95": None if found.interval is None else list(found.interval),
        "passes": found.passes,
    }
    notes = [found.reason] if found.reason else []
    return Fit(Calibration("temperature", samples.classes, found.temperature), found.outcome, facts, notes)


def _fit_temperature(samples: Samples, keep: Mask | None, jobs: int, start: float) -> TemperatureFit:
    return fit_temperature(lambda beta: slope_of(samples, beta, keep, jobs), samples.name, start)


def _vector(samples: Samples, keep: Mask | None, jobs: int, begin: Calibration | None) -> Fit:
    scalar = _fit_temperature(samples, keep, jobs, 1.0)
    found = fit_vector(samples, scalar.temperature, keep, jobs)
    facts = {"passes": scalar.passes + found.passes, "pull": PULL}
    notes = [] if found.converged else ["the weights didn't settle: more rows, or plain temperature scaling, may help"]
    if scalar.outcome == "separable":
        notes.append("every row is right: the weights are held only by their pull to T = 1")
    calibration = Calibration("vector", samples.classes, weights=found.weights, biases=found.biases)
    return Fit(calibration, "converged" if found.converged else "stopped", facts, notes)


def _isotonic(samples: Samples, keep: Mask | None, jobs: int, begin: Calibration | None) -> Fit:
    curves = fit_isotonic(samples, keep)
    facts = {"steps": sum(len(curve.points) for curve in curves)}
    return Fit(Calibration("isotonic", samples.classes, curves=curves), "converged", facts)


FITS: Mapping[str, Callable[[Samples, Mask | None, int, Calibration | None], Fit]] = MappingProxyType(
    {"temperature": _temperature, "vector": _vector, "isotonic": _isotonic}
)


def calibrate(samples: Samples, splits: Splits, method: str = "temperature", jobs: int = 1) -> CalibrationReport:
    """Fit a calibration on samples, and measure it on what the splits hold out.

    method: a key of `FITS`. Raises InputError where the logits can't be fitted.
    """
    fit = FITS[method]
    final = fit(samples, splits.final, jobs, None)
    begin = final.calibration if method == "temperature" else None
    tried: list[tuple[Samples, Mask | None, Calibration]] = []
    for part in splits.parts:
        found = final if splits.is_final else fit(samples, part.fit, jobs, begin)
        tried.append((part.measured, part.keep, found.calibration))
        plain = Calibration("temperature", samples.classes)
    before = score((measured, keep, plain) for measured, keep, _ in tried)
    after = score(tried)
    notes = [*final.notes, *_notes(samples, splits, before, after)]
    facts = dict(final.facts)
    if method == "temperature" and not splits.is_final:
        facts["temperature_of_folds"] = [calibration.temperature for _, _, calibration in tried]
    rows = len(samples) if splits.final is None else int(splits.final.sum())
    return CalibrationReport(replace(final, facts=facts), rows, before, after, splits.how, notes)


def _notes(samples: Samples, splits: Splits, before: Scores, after: Scores) -> list[str]:
    notes = []
    counts = len(set(samples.targets.tolist()))
    if counts < samples.classes:
        notes.append(f"{samples.classes - counts:,} of {samples.classes:,} classes have no row")
    if after.impossible:
        rows = f"{after.impossible:,} row{'s' if after.impossible > 1 else ''}"
        notes.append(f"the truth of {rows} gets probability 0, so the NLL after is infinite")
    elif after.nll > before.nll:
        notes.append("the NLL is no better after than before: these may be calibrated already")
    return notes
