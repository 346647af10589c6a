"""Files of calibrations and of conformal sets: JSON, written with all that was known, read strictly."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmax_cli.confidence.calibration import INPUTS, METHODS, Calibration, Curve
from softmax_cli.confidence.sets import SET_METHODS, ConformalSets, SetRule
from softmax_cli.errors import InputError, Location
from softmax_cli.strict_json import decode_utf8, describe, parse_json
from softmax_cli.text import valid

CALIBRATION_FORMAT = "softmax-calibration"
SETS_FORMAT = "softmax-conformal"

_VERSION = 1
_MOST_CLASSES = 1 << 24


def labels_sha256(labels: Sequence[str]) -> str:
    """The hash of class names in their order: of a JSON list of them, without spaces, as UTF-8.

    >>> labels_sha256(["cat", "dog"])[:12]
    '07bdda653630'
    """
    text = json.dumps([valid(label) for label in labels], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def calibration_text(calibration: Calibration, figures: Mapping[str, Any]) -> bytes:
    """A calibration as the text of its file. figures: what was measured, of JSON's types."""
    return _text(
        {
            "format": CALIBRATION_FORMAT,
            "version": _VERSION,
            **_described(calibration),
            **_classes(calibration),
            **_origin(),
            "figures": figures,
        }
    )


def sets_text(sets: ConformalSets, figures: Mapping[str, Any]) -> bytes:
    """Conformal sets as the text of their file; an infinite threshold is null."""
    rule = sets.rule
    return _text(
        {
            "format": SETS_FORMAT,
            "version": _VERSION,
            "method": rule.method,
            "coverage": sets.coverage,
            "threshold": sets.threshold if math.isfinite(sets.threshold) else None,
            "parameters": {"penalty": rule.penalty, "free": rule.free, "allow_empty": rule.allow_empty},
            **_classes(sets.calibration),
            "calibration": _described(sets.calibration),
            **_origin(),
            "figures": figures,
        }
    )


def _described(calibration: Calibration) -> dict[str, Any]:
    parameters: dict[str, Any] = {"temperature": calibration.temperature}
    if calibration.method == "vector":
        parameters = {"weights": calibration.weights.tolist(), "biases": calibration.biases.tolist()}
    if calibration.method == "isotonic":
        curves = calibration.curves
        parameters = {"curves": [{"points": each.points.tolist(), "values": each.values.tolist()} for each in curves]}
    return {"method": calibration.method, "input": calibration.takes, "parameters": parameters}


def _classes(calibration: Calibration) -> dict[str, Any]:
    labels = calibration.labels
    return {
        "classes": calibration.classes,
        "labels": None if labels is None else [valid(label) for label in labels],
        "labels_sha256": None if labels is None else labels_sha256(labels),
    }


def _origin() -> dict[str, str]:
    """When, and with what. SOURCE_DATE_EPOCH, in seconds, stands for the time, so that a file can be made again."""
    from importlib.metadata import version

    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = datetime.fromtimestamp(int(epoch), UTC) if epoch.isascii() and epoch.isdigit() else datetime.now(UTC)
    return {
        "created": moment.replace(microsecond=0).isoformat().replace("+00:00", "Z"),
        "software": f"softmax {version('softmax-cli')}",
    }


def _text(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False).encode() + b"\n"


class _Fields:
    """The fields of a JSON object, each checked as it's taken."""

    def __init__(self, value: Any, at: Location, where: str = ""):
        self._at = at
        self._where = where
        if not isinstance(value, dict):
            raise self.error(f"{describe(value)}, expected an object")
        self._value: dict[str, Any] = value

    def error(self, message: str) -> InputError:
        """What is wrong with the file."""
        return InputError("bad-calibration", f"{self._where}{message}", at=self._at)

    def take(self, key: str, what: str, accept: Callable[[Any], bool]) -> Any:
        """A field's value, if it's accepted; `what` was expected."""
        if key not in self._value:
            raise self.error(f"no {key!r} in it, expected {what}")
        value = self._value[key]
        if not accept(value):
            raise self.error(f"{key!r} is {describe(value)}, expected {what}")
        return value

    def one_of(self, key: str, choices: Sequence[str]) -> str:
        """A text that is one of some."""
        return str(self.take(key, f"one of {', '.join(choices)}", lambda value: value in choices))

    def number(self, key: str, what: str, accept: Callable[[float], bool]) -> float:
        """A finite number that is accepted."""
        return float(self.take(key, what, lambda value: _is_number(value) and accept(value)))

    def integer(self, key: str, least: int) -> int:
        """A whole number, not less than some."""
        what = f"a whole number from {least:,} to {_MOST_CLASSES:,}"
        return int(self.take(key, what, lambda value: type(value) is int and least <= value <= _MOST_CLASSES))

    def numbers(self, key: str, count: int | None = None) -> NDArray[np.float64]:
        """A list of finite numbers."""
        what = "a list of numbers" if count is None else f"a list of {count:,} numbers"

        def accept(value: Any) -> bool:
            return isinstance(value, list) and len(value) == (count or len(value)) and all(map(_is_number, value))

        return np.array(self.take(key, what, accept), np.float64)

    def inner(self, key: str) -> _Fields:
        """An object within."""
        return _Fields(self._value.get(key), self._at, f"{self._where}{key}: ")


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _read(path: str, format_name: str) -> _Fields:
    at = Location(path)
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise InputError("not-found", "no such file", at=at) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError("unreadable", f"can't be read: {reason.lower()}", at=at) from error
    fields = _Fields(parse_json(decode_utf8(data, at), at), at)
    what = {CALIBRATION_FORMAT: "a calibration", SETS_FORMAT: "conformal sets"}
    options = {CALIBRATION_FORMAT: "--temperature", SETS_FORMAT: "--sets"}
    found = fields.take("format", f"{format_name!r}: a file that calibrate wrote", lambda value: value in tuple(what))
    if found != format_name:
        message = f"{what[found]}, expected {what[format_name]}"
        raise InputError("bad-calibration", message, at=at, hint=f"give it with {options[found]}")
    fields.take("version", f"{_VERSION}, the version that this program knows", lambda value: value == _VERSION)
    return fields


def read_calibration(path: str) -> Calibration:
    """Read a calibration.

    Raises InputError for a file that can't be read, or holds anything else.
    """
    fields = _read(path, CALIBRATION_FORMAT)
    classes, labels = _read_classes(fields)
    return _read_described(fields, classes, labels, path)


def read_sets(path: str) -> ConformalSets:
    """Read conformal sets.

    Raises InputError for a file that can't be read, or holds anything else.
    """
    fields = _read(path, SETS_FORMAT)
    classes, labels = _read_classes(fields)
    threshold = fields.take(
        "threshold", "a number from 0 on, or null", lambda value: value is None or (_is_number(value) and value >= 0)
    )
    parameters = fields.inner("parameters")
    rule = SetRule(
        fields.one_of("method", tuple(SET_METHODS)),
        parameters.number("penalty", "a number from 0 on", lambda value: value >= 0),
        parameters.integer("free", 0),
        bool(parameters.take("allow_empty", "true or false", lambda value: type(value) is bool)),
    )
    return ConformalSets(
        rule,
        math.inf if threshold is None else float(threshold),
        fields.number("coverage", "a number between 0 and 1", lambda value: 0 < value < 1),
        _read_described(fields.inner("calibration"), classes, labels, path),
    )


def _read_classes(fields: _Fields) -> tuple[int, tuple[str, ...] | None]:
    classes = fields.integer("classes", 1)
    labels = fields.take(
        "labels",
        f"null or a list of {classes:,} texts",
        lambda value: (
            value is None
            or (isinstance(value, list) and len(value) == classes and all(isinstance(item, str) for item in value))
        ),
    )
    names = None if labels is None else tuple(labels)
    expected = None if names is None else labels_sha256(names)
    fields.take("labels_sha256", f"{expected}, the hash of its labels", lambda value: value == expected)
    return classes, names


def _read_described(fields: _Fields, classes: int, labels: tuple[str, ...] | None, path: str) -> Calibration:
    method = fields.one_of("method", METHODS)
    takes = fields.one_of("input", INPUTS)
    parameters = _PARAMETERS[method](fields.inner("parameters"), classes)
    return Calibration(method, classes, takes=takes, labels=labels, name=path, **parameters)


def _read_temperature(fields: _Fields, classes: int) -> dict[str, Any]:
    return {"temperature": fields.number("temperature", "a positive number", lambda value: value > 0)}


def _read_vector(fields: _Fields, classes: int) -> dict[str, Any]:
    return {"weights": fields.numbers("weights", classes), "biases": fields.numbers("biases", classes)}


def _read_isotonic(fields: _Fields, classes: int) -> dict[str, Any]:
    items = fields.take(
        "curves", f"a list of {classes:,} curves", lambda value: isinstance(value, list) and len(value) == classes
    )
    return {"curves": tuple(_read_curve(fields, index, item) for index, item in enumerate(items))}


def _read_curve(fields: _Fields, index: int, value: Any) -> Curve:
    curve = _Fields(value, fields.error("").at or Location(""), f"curve {index}: ")
    points = curve.numbers("points")
    values = curve.numbers("values", len(points))
    is_share = all(((each >= 0) & (each <= 1)).all() for each in (points, values))
    if not len(points) or not is_share or (np.diff(points) <= 0).any() or (np.diff(values) < 0).any():
        raise curve.error("expected points that rise and values that don't fall, all from 0 to 1")
    return Curve(points, values)


_PARAMETERS: Mapping[str, Callable[[_Fields, int], dict[str, Any]]] = MappingProxyType(
    {"temperature": _read_temperature, "vector": _read_vector, "isotonic": _read_isotonic}
)
