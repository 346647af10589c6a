"""From the options on temperature, sets and abstaining to what is done to a ranking."""

from __future__ import annotations

import math
from pathlib import Path

from softmax_cli.cli.options import Ranking
from softmax_cli.confidence.abstain import Abstention
from softmax_cli.confidence.calibration import Calibration
from softmax_cli.confidence.files import read_calibration, read_sets
from softmax_cli.confidence.ranking import Confidence
from softmax_cli.errors import UsageError


def check_temperature(temperature: float) -> None:
    """Refuse a temperature that isn't a positive number.

    Raises UsageError.
    """
    if not (math.isfinite(temperature) and temperature > 0):
        raise UsageError(f"--temperature {temperature}: expected a positive number")


def read_temperature(text: str) -> tuple[float, Calibration | None]:
    """Take `--temperature`: a number, or the file of a calibration.

    Returns the number to divide logits by, 1 where the calibration does something else. Raises UsageError for what is
    neither, and InputError for a file that holds no calibration.
    """
    try:
        value = float(text)
    except ValueError:
        if not Path(text).exists():
            hint = "softmax calibrate writes such a file"
            raise UsageError(f"--temperature {text}: neither a positive number nor a file", hint=hint) from None
        calibration = read_calibration(text)
        return (calibration.temperature if calibration.is_plain else 1.0), calibration
    check_temperature(value)
    return value, None


def read_plain_temperature(text: str) -> tuple[float, Calibration | None]:
    """Take `--temperature` where it can only be a number to divide by: as given, or fitted.

    Raises as `read_temperature` does, and UsageError for the file of another calibration.
    """
    temperature, calibration = read_temperature(text)
    if calibration is not None and not calibration.is_plain:
        raise UsageError(
            f"--temperature {text}: only a temperature of logits can be explained, not {_what(calibration)}"
        )
    return temperature, calibration


def _what(calibration: Calibration) -> str:
    return "one of probabilities" if calibration.method == "temperature" else f"{calibration.method} scaling"


def read_confidence(ranking: Ranking) -> tuple[float, Confidence | None]:
    """The temperature, and what else is done to the ranking; None where that is nothing.

    Raises UsageError for options that can't be, or don't go together.
    """
    temperature, calibration = read_temperature(ranking.temperature)
    sets = None
    if ranking.sets is not None:
        if ranking.temperature != "1":
            hint = "calibrate --conformal takes --temperature, and its file keeps it"
            raise UsageError("--sets brings its own temperature: leave out --temperature", hint=hint)
        sets = read_sets(ranking.sets)
        calibration = sets.calibration
        temperature = calibration.temperature if calibration.is_plain else 1.0
    for option, value in (("--abstain-below", ranking.abstain_below), ("--min-margin", ranking.min_margin)):
        if value is not None and not 0 <= value <= 1:
            raise UsageError(f"{option} {value}: expected a number from 0 to 1")
    abstention = None
    if ranking.abstain_below is not None or ranking.min_margin is not None:
        abstention = Abstention(ranking.abstain_below, ranking.min_margin)
    if calibration is None and abstention is None:
        return temperature, None
    return temperature, Confidence(calibration, sets, abstention)
